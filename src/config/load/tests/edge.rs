//! `[server]`, as far as it is about what stands in front: trusted proxies, unix sockets and the redirect.

use std::net::IpAddr;

use super::*;
use crate::address::PeerAddr;

/// What keeps a configuration from being warned of for other reasons.
const HTTPS: &str = "public_url = \"https://wiki\"\n";

#[test]
fn trusted_proxies_are_networks_addresses_and_the_word_unix() {
    for (list, trusted, others) in [
        ("[]", &[][..], &["127.0.0.1", "::1", "10.0.0.1", "unix"][..]),
        (
            "[\"10.0.0.0/8\", \"192.0.2.7\"]",
            &["10.0.0.0", "10.255.255.255", "192.0.2.7", "::ffff:10.1.2.3"],
            &[
                "11.0.0.0",
                "192.0.2.8",
                "::ffff:11.1.2.3",
                "::10.1.2.3",
                "fd00::1",
                "unix",
            ],
        ),
        ("\"fd00::/8\"", &["fd00::1"], &["fe00::1", "10.0.0.1", "unix"]),
        ("\"::1\"", &["::1"], &["::2", "127.0.0.1", "unix"]),
        // The same addresses in their other spelling.
        (
            "\"::ffff:10.0.0.0/104\"",
            &["10.1.2.3", "::ffff:10.1.2.3"],
            &["11.0.0.1", "::10.1.2.3"],
        ),
        ("\"::ffff:192.0.2.7\"", &["192.0.2.7"], &["192.0.2.8"]),
        ("[\"unix\"]", &["unix"], &["127.0.0.1", "::1"]),
        (
            "[\"0.0.0.0/0\"]",
            &["1.2.3.4", "::ffff:1.2.3.4"],
            &["::1", "unix"],
        ),
        ("[\"::/0\"]", &["::1"], &["1.2.3.4", "::ffff:1.2.3.4", "unix"]),
    ] {
        let proxies = config(&format!("[server]\ntrusted_proxies = {list}"))
            .server
            .trusted_proxies;
        let contain = |peer: &&str| {
            let address = peer.parse::<IpAddr>();
            proxies.contain(address.map_or(PeerAddr::UNIX, PeerAddr::from))
        };
        assert!(trusted.iter().all(contain), "{list}");
        assert!(!others.iter().any(contain), "{list}");
    }
    assert!(!config("").server.trusted_proxies.contain(PeerAddr::UNIX));
}

#[test]
fn what_is_no_network_is_refused_and_everybody_is_warned_of() {
    let hint = "write one such as \"10.0.0.0/8\", \"192.0.2.1\" or \"fd00::/8\"";
    for text in [
        "",
        "*",
        "localhost",
        "10",
        "10.0.0.0/",
        "10.0.0.0/33",
        "10.0.0.0/-1",
        "10.0.0.0-10.0.0.9",
        "::/129",
        "private",
        "Unix",
        "unix:",
        "unix:/run/a.sock",
        "10.0.0.0/255.0.0.0",
        "[::1]",
        "10.0.0.1:80",
        " 10.0.0.1",
    ] {
        let message = format!("\"{text}\" is no network, no address and not \"unix\"");
        refused(&[(
            &format!("[server]\ntrusted_proxies = [\"10.0.0.0/8\", «\"{text}\"»]"),
            &message,
            hint,
        )]);
    }
    refused(&[
        (
            "[server]\ntrusted_proxies = «8»",
            "`trusted_proxies` must be a string or a list of strings, but this is a number",
            "",
        ),
        (
            "[server]\ntrusted_proxies = [«8»]",
            "`trusted_proxies` must be a string, but this is a number",
            "",
        ),
        (
            "[server]\ntrusted_proxies = [«\"10.1.2.3/8\"»]",
            "\"10.1.2.3/8\" is an address amid a network",
            "write \"10.0.0.0/8\" for the network, or \"10.1.2.3\" for the address alone",
        ),
        (
            "[server]\ntrusted_proxies = «\"::1/0\"»",
            "\"::1/0\" is an address amid a network",
            "write \"::/0\" for the network, or \"::1\" for the address alone",
        ),
    ]);
    for everybody in ["0.0.0.0/0", "::/0", "::ffff:0.0.0.0/96"] {
        warned(&[(
            &format!("[server]\n{HTTPS}trusted_proxies = [\"10.0.0.0/8\", «\"{everybody}\"»]"),
            &format!("\"{everybody}\" is everybody: whoever connects can say to be anybody"),
            "name the networks of your proxies alone",
        )]);
    }
}

#[test]
fn the_proxy_protocol_needs_somebody_to_speak_it() {
    let spoken = |text: &str| config(&format!("[server]\n{text}")).server.proxy_protocol;
    assert!(!spoken(""));
    assert!(!spoken("proxy_protocol = false"));
    assert!(spoken("proxy_protocol = true\ntrusted_proxies = \"10.0.0.0/8\""));
    assert!(spoken("proxy_protocol = true\ntrusted_proxies = \"unix\""));
    let nobody = "`proxy_protocol` is believed of `trusted_proxies` alone, and there are none, so nobody could connect";
    let hint = "name the networks of the proxies that speak it: trusted_proxies = [\"10.0.0.0/8\"]";
    refused(&[
        ("[server]\nproxy_protocol = «true»", nobody, hint),
        (
            "[server]\nproxy_protocol = «true»\ntrusted_proxies = []",
            nobody,
            hint,
        ),
        (
            "[server]\nproxy_protocol = «\"v2\"»",
            "`proxy_protocol` must be true or false, but this is a string",
            "",
        ),
        // A list that is wrong is told of once.
        (
            "[server]\nproxy_protocol = true\ntrusted_proxies = [«\"everybody\"»]",
            "\"everybody\" is no network, no address and not \"unix\"",
            "write one such as \"10.0.0.0/8\", \"192.0.2.1\" or \"fd00::/8\"",
        ),
        (
            "[server]\nproxy_protocol = true\ntrusted_proxies = «true»",
            "`trusted_proxies` must be a string or a list of strings, but this is true or false",
            "",
        ),
    ]);
}

#[test]
fn unix_sockets_are_listened_on_beside_addresses_or_alone() {
    let server = config(
        "[server]\nlisten = [\"unix:run/a.sock\", \"127.0.0.1:1\", \"unix:/run/b.sock\"]\npublic_url = \"https://a\"",
    )
    .server;
    assert_eq!(server.listen, ["127.0.0.1:1".parse().unwrap()]);
    let files = ["/etc/portcullis/run/a.sock", "/run/b.sock"].map(Path::new);
    assert_eq!(server.listen_unix, files, "relative to the file");
    let server = config("[server]\nlisten = \"unix:/run/a.sock\"\npublic_url = \"https://a\"").server;
    assert!(server.listen.is_empty());
    let long = "a".repeat(85);
    refused(&[
        (
            "[server]\nlisten = [«\"unix:\"»]",
            "`listen` must name a file or folder",
            "",
        ),
        (
            "[server]\nlisten = [\"unix:/a\", «\"unix:/a\"»]",
            "/a is listened on already",
            "",
        ),
        (
            &format!("[server]\nlisten=«\"unix:{long}\"»"),
            &format!(
                "/etc/portcullis/{long} is too long for a unix socket, whose path has at most 100 bytes"
            ),
            "",
        ),
    ]);
    for tls in ["", "tls = { cert = \"a\", key = \"a\" }\n"] {
        let text = format!("[server]\nlisten = «\"unix:/run/a.sock\"»\n{tls}");
        let said = shown(&with_route(&text.replace(['«', '»'], "")), Severity::Warning);
        let message = "`public_url` is not set, and a unix socket does not tell how browsers reach it";
        let hint = "set `public_url` to what people type, such as \"https://wiki.example.com\"";
        assert_eq!(said[0], expected(Severity::Warning, &text, message, hint));
    }
}

#[test]
fn the_redirect_has_an_address_of_its_own_and_leads_to_tls() {
    let redirect = |text: &str| config(&format!("[server]\n{text}")).server.redirect_http;
    assert_eq!(redirect(""), None);
    let all = "listen = \"0.0.0.0:443\"\npublic_url = \"https://a\"\nredirect_http = \"0.0.0.0:80\"";
    assert_eq!(redirect(all), Some("0.0.0.0:80".parse().unwrap()));
    assert!(redirect("listen = \"0.0.0.0:0\"\nredirect_http = \"0.0.0.0:0\"").is_some());
    let hint = "give `redirect_http` another, such as \"0.0.0.0:80\"";
    refused(&[
        (
            "[server]\nlisten = \"127.0.0.1:80\"\nredirect_http = «\"127.0.0.1:80\"»",
            "127.0.0.1:80 and 127.0.0.1:80 cannot be listened on both: one covers the other",
            hint,
        ),
        (
            "[server]\nlisten = \"0.0.0.0:80\"\nredirect_http = «\"127.0.0.1:80\"»",
            "127.0.0.1:80 and 0.0.0.0:80 cannot be listened on both: one covers the other",
            hint,
        ),
        (
            "[server]\nredirect_http = «\"unix:/run/a.sock\"»",
            "\"unix:/run/a.sock\" is no address to listen on; write one such as \"0.0.0.0:8443\" or \"[::]:8443\"",
            "",
        ),
        (
            "[server]\nredirect_http = «80»",
            "`redirect_http` must be a string, but this is a number",
            "",
        ),
    ]);
    let text = "[server]\nredirect_http = «\"127.0.0.1:80\"»";
    let said = shown(&with_route(&text.replace(['«', '»'], "")), Severity::Warning);
    let message = "`redirect_http` leads to `public_url`, which is plain HTTP as well";
    let hint = "set `public_url` to https://, or leave `redirect_http` out";
    assert_eq!(said[0], expected(Severity::Warning, text, message, hint));
}
