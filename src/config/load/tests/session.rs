//! `[session]`.

use super::*;

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
            "there is no session store \"disk\"; write \"memory\", or \"file:state/sessions.redb\"",
            "",
        ),
    ]);
}
