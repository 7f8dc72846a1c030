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
