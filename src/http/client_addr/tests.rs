use super::*;
use crate::config;

/// Trusted: 10.0.0.0/8, 192.0.2.7 and fd00::/8.
fn proxies(list: &str) -> TrustedProxies {
    let text = format!(
        "[server]\ntrusted_proxies = {list}\npublic_url = \"https://a\"\n[[route]]\nupstream = \"http://127.0.0.1:3000\"\n"
    );
    let loaded = config::load_str(text, std::path::Path::new("gateway.toml"), &|_| None);
    loaded.unwrap().config.server.trusted_proxies
}

const OURS: &str = "[\"10.0.0.0/8\", \"192.0.2.7\", \"fd00::/8\"]";

fn headers(fields: &[(&'static str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
        headers.append(HeaderName::from_static(name), value);
    }
    headers
}

fn hop(peer: &str, proxies: &TrustedProxies) -> Hop {
    let peer = match peer {
        "unix" => PeerAddr::UNIX,
        peer => PeerAddr::from(peer.parse::<IpAddr>().unwrap()),
    };
    Hop::new(peer, proxies.contain(peer))
}

/// Peer, `X-Forwarded-For`, and: the client, `X-Forwarded-For` and `Forwarded` for the upstream.
type Row<'a> = (&'a str, &'a [&'a str], &'a str, &'a str, &'a str);

#[test]
fn the_client_is_the_first_address_from_the_right_that_is_no_trusted_proxy() {
    let proxies = proxies(OURS);
    let rows: &[Row<'_>] = &[
        // Nobody else is believed, and what they say is not repeated.
        (
            "203.0.113.9",
            &[],
            "203.0.113.9",
            "203.0.113.9",
            "for=203.0.113.9",
        ),
        (
            "203.0.113.9",
            &["6.6.6.6"],
            "203.0.113.9",
            "203.0.113.9",
            "for=203.0.113.9",
        ),
        (
            "2001:db8::9",
            &["6.6.6.6"],
            "2001:db8::9",
            "2001:db8::9",
            "for=\"[2001:db8::9]\"",
        ),
        // One proxy, and several.
        ("10.0.0.1", &[], "10.0.0.1", "10.0.0.1", "for=10.0.0.1"),
        (
            "10.0.0.1",
            &["203.0.113.9"],
            "203.0.113.9",
            "203.0.113.9, 10.0.0.1",
            "for=203.0.113.9, for=10.0.0.1",
        ),
        (
            "10.0.0.1",
            &["203.0.113.9, 192.0.2.7"],
            "203.0.113.9",
            "203.0.113.9, 192.0.2.7, 10.0.0.1",
            "for=203.0.113.9, for=192.0.2.7, for=10.0.0.1",
        ),
        (
            "fd00::1",
            &["2001:db8::9"],
            "2001:db8::9",
            "2001:db8::9, fd00::1",
            "for=\"[2001:db8::9]\", for=\"[fd00::1]\"",
        ),
        // What the client itself wrote is handed on, and believed by nobody.
        (
            "10.0.0.1",
            &["6.6.6.6, 203.0.113.9"],
            "203.0.113.9",
            "6.6.6.6, 203.0.113.9, 10.0.0.1",
            "for=6.6.6.6, for=203.0.113.9, for=10.0.0.1",
        ),
        (
            "10.0.0.1",
            &["10.9.9.9, 203.0.113.9"],
            "203.0.113.9",
            "10.9.9.9, 203.0.113.9, 10.0.0.1",
            "for=10.9.9.9, for=203.0.113.9, for=10.0.0.1",
        ),
        // Lines are one list.
        (
            "10.0.0.1",
            &["6.6.6.6", "203.0.113.9", "10.0.0.2"],
            "203.0.113.9",
            "6.6.6.6, 203.0.113.9, 10.0.0.2, 10.0.0.1",
            "for=6.6.6.6, for=203.0.113.9, for=10.0.0.2, for=10.0.0.1",
        ),
        // A proxy that asks on its own account.
        (
            "10.0.0.1",
            &["10.0.0.3, 10.0.0.2"],
            "10.0.0.3",
            "10.0.0.3, 10.0.0.2, 10.0.0.1",
            "for=10.0.0.3, for=10.0.0.2, for=10.0.0.1",
        ),
        // One address has one spelling, and no port.
        (
            "::ffff:10.0.0.1",
            &["::ffff:203.0.113.9"],
            "203.0.113.9",
            "203.0.113.9, 10.0.0.1",
            "for=203.0.113.9, for=10.0.0.1",
        ),
        (
            "10.0.0.1",
            &["203.0.113.9, ::ffff:10.0.0.2"],
            "203.0.113.9",
            "203.0.113.9, 10.0.0.2, 10.0.0.1",
            "for=203.0.113.9, for=10.0.0.2, for=10.0.0.1",
        ),
        (
            "10.0.0.1",
            &["203.0.113.9:4711"],
            "203.0.113.9",
            "203.0.113.9, 10.0.0.1",
            "for=203.0.113.9, for=10.0.0.1",
        ),
        (
            "10.0.0.1",
            &["[2001:DB8::9]:4711"],
            "2001:db8::9",
            "2001:db8::9, 10.0.0.1",
            "for=\"[2001:db8::9]\", for=10.0.0.1",
        ),
        (
            "10.0.0.1",
            &[" \t[2001:db8::9] "],
            "2001:db8::9",
            "2001:db8::9, 10.0.0.1",
            "for=\"[2001:db8::9]\", for=10.0.0.1",
        ),
        (
            "::ffff:203.0.113.9",
            &["6.6.6.6"],
            "203.0.113.9",
            "203.0.113.9",
            "for=203.0.113.9",
        ),
    ];
    hold(&proxies, rows);
}

#[test]
fn what_is_malformed_ends_the_reading_where_it_stands() {
    let proxies = proxies(OURS);
    for garbage in [
        "",
        " ",
        "a",
        "unknown",
        "_hidden",
        "1.1.1",
        "1.1.1.1.1",
        "256.1.1.1",
        "01.1.1.1",
        "1.1.1.1:",
        "1.1.1.1:x",
        "1.1.1.1:65536",
        "::g",
        "[::1",
        "::1]",
        "[1.1.1.1]",
        "fe80::1%eth0",
        "1.1.1.1 2.2.2.2",
        "1.1.1.1;2.2.2.2",
        "\"1.1.1.1\"",
        "0x7f.1",
        "2130706433",
        "localhost",
        "10.0.0.0/8",
        "for=1.1.1.1",
        "caf\u{e9}",
    ] {
        let (alone, left) = (garbage.to_owned(), format!("{garbage},203.0.113.9, 10.0.0.2"));
        let (right, amid) = (
            format!("203.0.113.9, {garbage}"),
            format!("203.0.113.9,{garbage}, 10.0.0.2"),
        );
        hold(
            &proxies,
            &[
                ("10.0.0.1", &[&alone], "10.0.0.1", "10.0.0.1", "for=10.0.0.1"),
                ("10.0.0.1", &[&right], "10.0.0.1", "10.0.0.1", "for=10.0.0.1"),
                (
                    "10.0.0.1",
                    &["203.0.113.9", &alone],
                    "10.0.0.1",
                    "10.0.0.1",
                    "for=10.0.0.1",
                ),
                (
                    "10.0.0.1",
                    &[&amid],
                    "10.0.0.2",
                    "10.0.0.2, 10.0.0.1",
                    "for=10.0.0.2, for=10.0.0.1",
                ),
                (
                    "10.0.0.1",
                    &[&left],
                    "203.0.113.9",
                    "203.0.113.9, 10.0.0.2, 10.0.0.1",
                    "for=203.0.113.9, for=10.0.0.2, for=10.0.0.1",
                ),
            ],
        );
    }
}

#[test]
fn a_list_without_an_end_is_read_as_far_as_proxies_go() {
    let proxies = proxies(OURS);
    let list = vec!["10.0.0.2"; 1000].join(", ");
    let headers = headers(&[("x-forwarded-for", &list)]);
    let hop = hop("10.0.0.1", &proxies);
    let origin = Origin::of(&hop, &headers, &proxies);
    let told = origin.forwarded_for().unwrap();
    assert_eq!(told.to_str().unwrap().split(", ").count(), MAX_HOPS + 1);
}

#[test]
fn a_unix_socket_is_trusted_where_its_word_is_said() {
    let said = proxies("[\"unix\", \"10.0.0.0/8\"]");
    let rows: &[Row<'_>] = &[
        (
            "unix",
            &["203.0.113.9"],
            "203.0.113.9",
            "203.0.113.9",
            "for=203.0.113.9, for=unknown",
        ),
        (
            "unix",
            &["203.0.113.9, 10.0.0.2"],
            "203.0.113.9",
            "203.0.113.9, 10.0.0.2",
            "for=203.0.113.9, for=10.0.0.2, for=unknown",
        ),
        ("unix", &[], "unix", "", "for=unknown"),
        ("unix", &["unix"], "unix", "", "for=unknown"),
    ];
    hold(&said, rows);
    let rows: &[Row<'_>] = &[("unix", &["203.0.113.9"], "unix", "", "for=unknown")];
    hold(&proxies(OURS), rows);
}

#[track_caller]
fn hold(proxies: &TrustedProxies, rows: &[Row<'_>]) {
    for (peer, sent, client, forwarded_for, forwarded) in rows {
        let fields: Vec<(&str, &str)> = sent.iter().map(|value| ("x-forwarded-for", *value)).collect();
        let hop = hop(peer, proxies);
        let origin = Origin::of(&hop, &headers(&fields), proxies);
        assert_eq!(origin.client.to_string(), *client, "{peer} {sent:?}");
        let told = origin.forwarded_for();
        let told = told.as_ref().map_or("", |told| told.to_str().unwrap());
        assert_eq!(told, *forwarded_for, "{peer} {sent:?}");
        assert_eq!(origin.forwarded(), *forwarded, "{peer} {sent:?}");
    }
}

/// `Forwarded` of a trusted proxy's request; the client, and the scheme and the host that it used.
type ForwardedRow<'a> = (&'a [&'a str], &'a str, Option<&'a str>, Option<&'a str>);

#[test]
fn forwarded_is_read_the_same_way() {
    let proxies = proxies(OURS);
    let rows: &[ForwardedRow<'_>] = &[
        (&[], "10.0.0.1", None, None),
        (&["for=203.0.113.9"], "203.0.113.9", None, None),
        (
            &["For=\"203.0.113.9:4711\";Proto=HTTPS;Host=a.example"],
            "203.0.113.9",
            Some("https"),
            Some("a.example"),
        ),
        (
            &["for=\"[2001:db8::9]:80\"; proto=http; by=_x; secret=y"],
            "2001:db8::9",
            Some("http"),
            None,
        ),
        (
            &["host=\"a.example:8443\";for=203.0.113.9"],
            "203.0.113.9",
            None,
            Some("a.example:8443"),
        ),
        // The element that names the client tells how it came; those of other hops and of the client's own do not.
        (
            &[
                "for=6.6.6.6;proto=http;host=evil, for=203.0.113.9;proto=https;host=good, for=10.0.0.2;proto=http;host=inner",
            ],
            "203.0.113.9",
            Some("https"),
            Some("good"),
        ),
        (
            &["for=203.0.113.9;proto=https", "for=10.0.0.2;proto=http"],
            "203.0.113.9",
            Some("https"),
            None,
        ),
        (
            &["for=10.0.0.3;proto=https, for=10.0.0.2;proto=http"],
            "10.0.0.3",
            Some("https"),
            None,
        ),
        // Quotes that the client has left open take in nothing behind them.
        (&["for=\"6.6.6.6, for=203.0.113.9"], "203.0.113.9", None, None),
        (
            &["for=\"6.6.6.6\\\", for=203.0.113.9;proto=https"],
            "203.0.113.9",
            Some("https"),
            None,
        ),
        (&["for=\", for=203.0.113.9;x=\"a,b\""], "203.0.113.9", None, None),
        // Malformed.
        (&["for=203.0.113.9, "], "10.0.0.1", None, None),
        (&["for=203.0.113.9, for=unknown"], "10.0.0.1", None, None),
        (
            &["for=203.0.113.9, for=_hidden, for=10.0.0.2"],
            "10.0.0.2",
            None,
            None,
        ),
        (&["for=203.0.113.9;for=6.6.6.6"], "10.0.0.1", None, None),
        (
            &["for=203.0.113.9;proto=http;proto=https"],
            "10.0.0.1",
            None,
            None,
        ),
        (&["proto=https;host=a"], "10.0.0.1", None, None),
        (&["for=203.0.113.9;proto"], "10.0.0.1", None, None),
        (&["for=\"203.0.113.9\"x"], "10.0.0.1", None, None),
        (&["for=203.0.113.9\""], "10.0.0.1", None, None),
        (&["for=\"203\\.0.113.9\""], "10.0.0.1", None, None),
        (&["for = 203.0.113.9"], "10.0.0.1", None, None),
        (&["203.0.113.9"], "10.0.0.1", None, None),
        (&["for=203.0.113.9", "caf\u{e9}"], "10.0.0.1", None, None),
        // A scheme or a host that is none is not told, and the client is who it is.
        (
            &["for=203.0.113.9;proto=ftp;host=\"a b\""],
            "203.0.113.9",
            None,
            None,
        ),
        (&["for=203.0.113.9;host=user@evil"], "203.0.113.9", None, None),
    ];
    for (sent, client, scheme, host) in rows {
        let fields: Vec<(&str, &str)> = sent.iter().map(|value| ("forwarded", *value)).collect();
        let hop = hop("10.0.0.1", &proxies);
        let origin = Origin::of(&hop, &headers(&fields), &proxies);
        let seen = origin.host.as_ref().map(|host| host.to_str().unwrap());
        assert_eq!(
            (&*origin.client.to_string(), origin.scheme, seen),
            (*client, *scheme, *host),
            "{sent:?}"
        );
    }
}

#[test]
fn scheme_and_host_are_told_where_a_trusted_proxy_says_one_of_each() {
    let proxies = proxies(OURS);
    // Peer, scheme and host as sent; both as told.
    for (peer, protos, hosts, scheme, host) in [
        (
            "10.0.0.1",
            &["https"][..],
            &["a.example:8443"][..],
            Some("https"),
            Some("a.example:8443"),
        ),
        (
            "10.0.0.1",
            &["HTTP"],
            &["[::1]:80"],
            Some("http"),
            Some("[::1]:80"),
        ),
        ("203.0.113.9", &["https"], &["a.example"], None, None),
        ("10.0.0.1", &["https,http"], &["a.example, b.example"], None, None),
        (
            "10.0.0.1",
            &["https", "https"],
            &["a.example", "a.example"],
            None,
            None,
        ),
        ("10.0.0.1", &[""], &[""], None, None),
        ("10.0.0.1", &["https:"], &["user@a.example"], None, None),
        ("10.0.0.1", &["javascript"], &["a.example/x"], None, None),
        ("10.0.0.1", &["on"], &["a\"b"], None, None),
        ("10.0.0.1", &[], &[], None, None),
    ] {
        let protos = protos.iter().map(|value| ("x-forwarded-proto", *value));
        let hosts = hosts.iter().map(|value| ("x-forwarded-host", *value));
        let fields: Vec<(&str, &str)> = protos.chain(hosts).collect();
        let hop = hop(peer, &proxies);
        let origin = Origin::of(&hop, &headers(&fields), &proxies);
        let seen = origin.host.as_ref().map(|host| host.to_str().unwrap());
        assert_eq!((origin.scheme, seen), (scheme, host), "{fields:?}");
        assert_eq!(origin.client.to_string(), peer);
    }
}

#[test]
fn a_proxy_that_writes_the_usual_headers_does_not_write_forwarded() {
    let proxies = proxies(OURS);
    let lie = ("forwarded", "for=6.6.6.6;proto=https;host=evil");
    for (usual, client) in [
        (("x-forwarded-for", "203.0.113.9"), "203.0.113.9"),
        (("x-forwarded-for", "garbage"), "10.0.0.1"),
        (("x-forwarded-proto", "http"), "10.0.0.1"),
        (("x-forwarded-host", "a.example"), "10.0.0.1"),
    ] {
        let hop = hop("10.0.0.1", &proxies);
        let origin = Origin::of(&hop, &headers(&[lie, usual]), &proxies);
        assert_eq!(origin.client.to_string(), client, "{usual:?}");
        assert!(origin.scheme != Some("https") && origin.host.is_none_or(|host| host != "evil"));
        let hop = self::hop("203.0.113.9", &proxies);
        assert_eq!(
            Origin::of(&hop, &headers(&[lie]), &proxies).client.to_string(),
            "203.0.113.9"
        );
    }
}
