//! Several upstreams in a `[[route]]`: which there are, how they share the work, and how their health is known.

use super::*;
use crate::config::{Balance, HealthConfig};

fn targets(lines: &str) -> Vec<(String, u32)> {
    let config = config(&format!("[[route]]\n{lines}"));
    let targets = config.routes[0].upstreams.targets.iter();
    targets
        .map(|target| (target.url.to_string(), target.weight.get()))
        .collect()
}

#[test]
fn one_upstream_or_many_with_or_without_a_weight_are_taken() {
    for (lines, expected) in [
        ("upstream = \"http://a\"", &[("http://a:80", 1)][..]),
        ("upstream = [\"http://a\"]", &[("http://a:80", 1)]),
        ("upstream = { url = \"http://a\" }", &[("http://a:80", 1)]),
        (
            "upstream = { url = \"http://a\", weight = 100 }",
            &[("http://a:80", 100)],
        ),
        (
            "upstream = [\"http://a\", { url = \"http://b\", weight = 3 }, \"http://a:81\"]",
            &[("http://a:80", 1), ("http://b:80", 3), ("http://a:81", 1)],
        ),
        (
            "[[route.upstream]]\nurl = \"http://a\"\n[[route.upstream]]\nurl = \"http://b\"\nweight = 2",
            &[("http://a:80", 1), ("http://b:80", 2)],
        ),
    ] {
        let found = targets(lines);
        let found: Vec<_> = found
            .iter()
            .map(|(url, weight)| (url.as_str(), *weight))
            .collect();
        assert_eq!(found, expected, "{lines}");
    }
}

#[test]
fn balance_health_and_retries_have_defaults() {
    let health = |path: &str| HealthConfig {
        path: path.to_owned(),
        interval: Duration::from_secs(5),
        timeout: Duration::from_secs(5),
        healthy_after: 1,
        unhealthy_after: 3,
    };
    for (lines, balance, checks, retries) in [
        ("", Balance::LeastRequests, None, 1),
        ("balance = \"least_requests\"", Balance::LeastRequests, None, 1),
        (
            "balance = \"round_robin\"\nretries = 0",
            Balance::RoundRobin,
            None,
            0,
        ),
        ("balance = \"sticky\"\nretries = 10", Balance::Sticky, None, 10),
        (
            "health = { path = \"/healthz?deep=1\" }",
            Balance::LeastRequests,
            Some(health("/healthz?deep=1")),
            1,
        ),
        (
            "health = { path = \"/\", interval = \"100ms\", timeout = \"2s\", healthy_after = 2, unhealthy_after = 1 }",
            Balance::LeastRequests,
            Some(HealthConfig {
                interval: Duration::from_millis(100),
                timeout: Duration::from_secs(2),
                healthy_after: 2,
                unhealthy_after: 1,
                ..health("/")
            }),
            1,
        ),
    ] {
        let config = config(&route(lines));
        let upstreams = &config.routes[0].upstreams;
        assert_eq!(upstreams.balance, balance, "{lines}");
        assert_eq!(upstreams.health, checks, "{lines}");
        assert_eq!(upstreams.retries, retries, "{lines}");
    }
}

#[test]
fn what_is_no_upstream_in_a_list_or_table_is_refused() {
    let upstream = |value: &str| format!("[[route]]\nupstream = {value}");
    let no_url = "write { url = \"http://127.0.0.1:3000\" }";
    let twice = "to give it a larger share, write { url = \"…\", weight = 2 }";
    let wrong_type = |found: &str| {
        format!(
            "`upstream` must be an address such as \"http://127.0.0.1:3000\", a table such as \
             {{ url = \"http://127.0.0.1:3000\", weight = 2 }}, or a list of them, but this is {found}"
        )
    };
    let no_address = "\"a\" is no upstream: write its address, such as \"http://127.0.0.1:3000\"; it begins with http://, https://, h2c:// or unix:";
    let rows = [
        ("[\"http://a\", «\"a\"»]", no_address, ""),
        ("[\"http://a\", { url = «\"a\"» }]", no_address, ""),
        ("[\"http://a\", «3000»]", &*wrong_type("a number"), ""),
        ("[«[\"http://a\"]»]", &*wrong_type("a list"), ""),
        (
            "[\"http://a\", «{ weight = 2 }»]",
            "this upstream has no `url`",
            no_url,
        ),
        ("«{}»", "this upstream has no `url`", no_url),
        (
            "{ url = \"http://a\", weight = «0» }",
            "`weight` must be between 1 and 100",
            "",
        ),
        (
            "{ url = \"http://a\", weight = «101» }",
            "`weight` must be between 1 and 100",
            "",
        ),
        (
            "{ url = \"http://a\", weight = «\"2\"» }",
            "`weight` must be a whole number, but this is a string",
            "",
        ),
        (
            "{ url = \"http://a\", «wieght» = 2 }",
            "unknown key `wieght` in `upstream`",
            "did you mean `weight`?",
        ),
        (
            "[\"http://a\", «\"http://A:80/\"»]",
            "http://a:80 is in this list twice",
            twice,
        ),
        (
            "[{ url = \"http://a\" }, \"http://b\", «{ url = \"http://a\", weight = 2 }»]",
            "http://a:80 is in this list twice",
            twice,
        ),
    ];
    for (value, message, hint) in rows {
        refused(&[(&upstream(value), message, hint)]);
    }
}

#[test]
fn balance_health_and_retries_that_mean_nothing_are_refused() {
    let name = "name one that the app answers without a login: health = { path = \"/healthz\" }";
    for (lines, message, hint) in [
        (
            "balance = «\"round-robin\"»",
            "`balance` cannot be \"round-robin\"; it is one of \"least_requests\", \"round_robin\", \"sticky\"",
            "did you mean \"round_robin\"?",
        ),
        ("retries = «11»", "`retries` must be between 0 and 10", ""),
        (
            "retries = «true»",
            "`retries` must be a whole number, but this is true or false",
            "",
        ),
        (
            "health = «\"/healthz\"»",
            "`health` must be a table, but this is a string",
            "",
        ),
        ("health = «{ interval = \"5s\" }»", "`health` has no `path`", name),
        (
            "health = { path = «\"healthz\"» }",
            "\"healthz\" is no path to ask for: it must begin with \"/\"",
            "",
        ),
        (
            "health = { path = «\"/a b\"» }",
            "\"/a b\" is no path to ask for: it cannot contain \" \"",
            "",
        ),
        (
            "health = { path = «\"/a\\r\\nx: y\"» }",
            "\"/a\u{fffd}\u{fffd}x: y\" is no path to ask for: it cannot contain \"\\r\"",
            "",
        ),
        (
            "health = { path = «\"/a#b\"» }",
            "\"/a#b\" is no path to ask for: it cannot contain \"#\"",
            "",
        ),
        (
            "health = { path = \"/\", interval = «\"9ms\"» }",
            "`interval` must be at least 10ms",
            "",
        ),
        (
            "health = { path = \"/\", timeout = «\"0s\"» }",
            "`timeout` must be longer than zero",
            "",
        ),
        (
            "health = { path = \"/\", healthy_after = «0» }",
            "`healthy_after` must be between 1 and 100",
            "",
        ),
        (
            "health = { path = \"/\", unhealthy_after = «101» }",
            "`unhealthy_after` must be between 1 and 100",
            "",
        ),
        (
            "health = { path = \"/\", «intervall» = \"5s\" }",
            "unknown key `intervall` in `health`",
            "did you mean `interval`?",
        ),
    ] {
        refused(&[(&route(lines), message, hint)]);
    }
}
