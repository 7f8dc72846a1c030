//! `[session]`.

use super::*;
use crate::config::SessionStoreConfig;

const SECURE: &str = "[server]\npublic_url = \"https://wiki.example.com\"\n";

#[test]
fn everything_that_session_can_say_is_taken() {
    let session = config(
        "[session]\nstore = \"memory\"\ncookie = \"wiki\"\nidle_timeout = \"5m\"\nabsolute_timeout = \"5m\"\n\
         remember_timeout = \"0s\"\nmax_per_user = 1\n",
    )
    .session;
    assert_eq!(session.cookie, "wiki");
    assert_eq!(session.idle_timeout, Duration::from_secs(300));
    assert_eq!(session.absolute_timeout, Duration::from_secs(300));
    assert_eq!(session.remember_timeout, None, "zero hides the box");
    assert_eq!(session.max_per_user, 1);

    let session = config("[session]\nabsolute_timeout = \"10m\"").session;
    assert_eq!(
        session.idle_timeout,
        Duration::from_secs(600),
        "never longer than the absolute one"
    );
}

#[test]
fn the_cookies_prefix_follows_from_the_public_url() {
    for (text, cookie) in [
        ("", "portcullis"),
        (SECURE, "__Host-portcullis"),
        ("[server.tls]\ncert = \"a\"\nkey = \"a\"", "__Host-portcullis"),
    ] {
        assert_eq!(config(text).session.cookie, cookie, "{text}");
    }
    for name in [
        "__Host-x",
        "__Secure-x",
        "__host-x",
        "a.b!#$%&'*+-^_`|~1",
        "session",
    ] {
        let text = format!("{SECURE}[session]\ncookie = \"{name}\"");
        assert_eq!(config(&text).session.cookie, name);
    }
}

#[test]
fn a_cookie_that_browsers_would_refuse_is_refused_here() {
    for name in [
        "__Host-x",
        "__Secure-x",
        "__Http-x",
        "__Host-Http-x",
        "__host-x",
        "__SECURE-x",
    ] {
        let message = format!(
            "browsers refuse a cookie called \"{name}\" over plain HTTP, which `public_url` says this is"
        );
        refused(&[(&format!("[session]\ncookie = «\"{name}\"»"), &message, "")]);
    }
    for name in ["", "a b", "a;b", "a=b", "a,b", "a\"b", "é", "a/b", "a@b", "a(b"] {
        let message = format!("\"{name}\" is no cookie name; letters, digits, \"-\" and \"_\" make one");
        refused(&[(&format!("{SECURE}[session]\ncookie = «'{name}'»"), &message, "")]);
    }
    let long = "x".repeat(65);
    refused(&[(
        &format!("[session]\ncookie = «'{long}'»"),
        "a cookie's name cannot be longer than 64 characters",
        "",
    )]);
}

#[test]
fn limits_that_contradict_each_other_or_end_at_once_are_refused() {
    refused(&[
        (
            "[session]\nidle_timeout = «\"0s\"»",
            "`idle_timeout` must be longer than zero",
            "",
        ),
        (
            "[session]\nabsolute_timeout = «\"0s\"»",
            "`absolute_timeout` must be longer than zero",
            "",
        ),
        (
            "[session]\nidle_timeout = «\"13h\"»",
            "`idle_timeout` is longer than `absolute_timeout`, so it would never end a session",
            "make it the shorter of the two",
        ),
        (
            "[session]\nabsolute_timeout = \"1h\"\nidle_timeout = «\"61m\"»",
            "`idle_timeout` is longer than `absolute_timeout`, so it would never end a session",
            "make it the shorter of the two",
        ),
        (
            "[session]\nmax_per_user = «0»",
            "`max_per_user` must be between 1 and 100000",
            "",
        ),
        (
            "[session]\nmax_per_user = «\"many\"»",
            "`max_per_user` must be a whole number, but this is a string",
            "",
        ),
        (
            "[session]\nremember_timeout = «false»",
            "`remember_timeout` must be a duration such as \"30s\", but this is true or false",
            "",
        ),
        (
            "[session]\nstore = «\"disk\"»",
            "there is no session store \"disk\"; write \"memory\", \"file:state/sessions.redb\" or \"redis://HOST:PORT\"",
            "",
        ),
    ]);
}

#[test]
fn a_redis_is_an_address_or_several_and_may_hold_a_password_that_nobody_sees() {
    for (store, shown) in [
        (
            "\"redis://cache.example.com\"",
            "[redis://cache.example.com:6379]",
        ),
        (
            "\"rediss://u:hunter2@cache.example.com:7000/3\"",
            "[rediss://cache.example.com:7000]",
        ),
        ("\"redis+unix:///run/redis.sock\"", "[unix:/run/redis.sock]"),
        ("{ file = \"/dev/null\" }", ""),
        (
            "[\"redis://a\", \"redis://b:7\"]",
            "[redis://a:6379, redis://b:7]",
        ),
    ] {
        let loaded = load_text(&with_route(&format!("[session]\nstore = {store}")));
        match loaded {
            Ok(loaded) => {
                let SessionStoreConfig::Redis(redis) = loaded.config.session.store else {
                    panic!("{store} is a Redis");
                };
                assert_eq!(format!("{:?}", redis.addresses), shown);
            }
            Err(problems) => assert!(shown.is_empty(), "{store}: {problems:?}"),
        }
    }
    let advice = "that is no address of a Redis; write \"redis://HOST:PORT\", or \"rediss://HOST:PORT\" for TLS; a name and password stand before the host";
    for store in [
        "[\"memory\"]",
        "\"redis:cache\"",
        "\"redis://a:port\"",
        "\"rediss://\"",
    ] {
        let problems = load_text(&with_route(&format!("[session]\nstore = {store}"))).unwrap_err();
        assert!(
            problems[0].to_string().contains(advice),
            "{store}: {}",
            problems[0]
        );
    }
    refused(&[(
        "[session]\noutage_grace = «\"5s\"»",
        "`outage_grace` is for a store that is a Redis, which this is not",
        "take it out, or write store = \"redis://…\"",
    )]);
}

#[test]
fn one_sign_in_may_be_good_for_every_host_below_a_domain() {
    for (more, cookie, domains) in [
        (
            "cookie_domain = \"example.com\"",
            "__Secure-portcullis",
            &["example.com"][..],
        ),
        (
            "cookie_domain = \"EXAMPLE.com.\"",
            "__Secure-portcullis",
            &["example.com"],
        ),
        (
            "cookie_domain = \"wiki.example.com\"",
            "__Secure-portcullis",
            &["wiki.example.com"],
        ),
        (
            "cookie_domain = [\"example.com\", \"example.org\"]",
            "__Secure-portcullis",
            &["example.com", "example.org"],
        ),
        (
            "cookie = \"door\"\ncookie_domain = \"example.com\"",
            "door",
            &["example.com"],
        ),
        (
            "cookie = \"__Secure-x\"\ncookie_domain = \"example.com\"",
            "__Secure-x",
            &["example.com"],
        ),
    ] {
        let text = format!("{SECURE}[session]\n{more}");
        let session = config(&text).session;
        assert_eq!(
            (&*session.cookie, &*session.cookie_domains),
            (
                cookie,
                &*domains.iter().map(ToString::to_string).collect::<Vec<_>>()
            )
        );
        assert_eq!(shown(&with_route(&text), Severity::Warning), [""; 0]);
    }
    let plain = config("[session]\ncookie_domain = \"app.localhost\"").session;
    assert_eq!(plain.cookie, "portcullis");
    assert_eq!(config("").session.cookie_domains, [""; 0]);
}

#[test]
fn a_cookie_domain_that_browsers_would_not_take_is_refused() {
    const ADDRESS: &str = "it is an address, below which there are no hosts";
    const DOTLESS: &str =
        "browsers take no cookie for a name without a dot; \"app.localhost\" is one to try things out with";
    const PUBLIC: &str = "everybody can have a host below it, so browsers take no cookie for it";
    let rows = [
        ("com", DOTLESS),
        ("localhost", DOTLESS),
        ("intranet", DOTLESS),
        (
            "",
            "letters, digits and \"-\", in labels with dots between them, make one",
        ),
        ("co.uk", PUBLIC),
        ("CO.UK.", PUBLIC),
        ("github.io", PUBLIC),
        ("127.0.0.1", ADDRESS),
        ("10.1", ADDRESS),
        ("[::1]", ADDRESS),
        ("::1", "an IPv6 address is written in brackets, as \"[::1]\""),
        (
            ".example.com",
            "write \"example.com\", which has every host below it as well",
        ),
        (
            "*.example.com",
            "write \"example.com\", which has every host below it as well",
        ),
        ("example.com:8443", "leave out the port"),
        ("https://example.com", "leave out the scheme"),
        ("example.com/a", "leave out the path"),
        (
            "a..example.com",
            "letters, digits and \"-\", in labels with dots between them, make one",
        ),
        (
            "bücher.example",
            "write it as browsers send it, in the ASCII form that begins with \"xn--\"",
        ),
        (
            "example.com; Secure",
            "letters, digits and \"-\", in labels with dots between them, make one",
        ),
    ];
    for (text, why) in rows {
        let message = format!("\"{text}\" is no domain for a cookie: {why}");
        refused(&[(
            &format!("{SECURE}[session]\ncookie_domain = «\"{text}\"»"),
            &message,
            "",
        )]);
        refused(&[(
            &format!("{SECURE}[session]\ncookie_domain = [\"example.com\", «\"{text}\"»]"),
            &message,
            "",
        )]);
    }
    refused(&[
        (
            &format!("{SECURE}[session]\ncookie_domain = «[]»"),
            "`cookie_domain` is empty",
            "name a domain, or leave `cookie_domain` out: each host then has sign-ins of its own",
        ),
        (
            &format!("{SECURE}[session]\ncookie_domain = «true»"),
            "`cookie_domain` must be a string or a list of strings, but this is true or false",
            "",
        ),
        (
            &format!("{SECURE}[session]\ncookie_domain = [\"example.com\", «\"Example.com\"»]"),
            "\"example.com\" is there already",
            "leave one of them out",
        ),
        (
            &format!("{SECURE}[session]\ncookie_domain = [\"wiki.example.com\", «\"example.com\"»]"),
            "of \"wiki.example.com\" and \"example.com\" one is below the other: browsers would send two cookies there",
            "leave one of them out; the shorter one has every host below it",
        ),
        (
            &format!("{SECURE}[session]\ncookie = «\"__host-x\"»\ncookie_domain = \"example.com\""),
            "browsers refuse a cookie called \"__host-x\" with the domain that `cookie_domain` gives it",
            "leave `cookie` out, or begin it with \"__Secure-\"",
        ),
    ]);
}

#[test]
fn a_public_url_outside_the_cookie_s_domain_is_warned_of() {
    for domain in [
        "«\"example.org\"»",
        "«[\"example.org\", \"notexample.com\"]»",
        "«\"a.wiki.example.com\"»",
    ] {
        warned(&[(
            &format!("{SECURE}[session]\ncookie_domain = {domain}"),
            "whoever signs in at https://wiki.example.com, which is how `public_url` says browsers reach the gateway, is \
             signed in at that host alone: it is not below `cookie_domain`",
            "set `public_url` in [server] to a host of the domain",
        )]);
    }
}
