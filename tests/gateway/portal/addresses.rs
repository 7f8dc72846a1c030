//! Which addresses are the gateway's own, and what answers there at all.

use serde_json::Value;

use super::{assert_guarded, header};
use crate::harness::{Upstream, as_navigation, gateway};

const ADDRESSES: &[(&str, &str)] = &[
    ("/.auth/login", "GET, HEAD, POST"),
    ("/.auth/logout", "GET, HEAD, POST"),
    ("/.auth/token", "POST"),
    ("/.auth/revoke", "POST"),
    ("/.auth/introspect", "POST"),
    ("/.auth/account", "GET, HEAD, POST"),
    ("/.auth/sessions", "GET, HEAD"),
    ("/.auth/sessions/x", "DELETE"),
    ("/.auth/me", "GET, HEAD"),
    ("/.auth/jwks.json", "GET, HEAD"),
    ("/.auth/health", "GET, HEAD"),
];

#[tokio::test]
async fn a_method_that_an_address_has_not_is_405_with_those_it_has() {
    let upstream = Upstream::start();
    let gateway = gateway().public("/", &upstream).user("alice").start().await;
    let cookie = gateway.sign_in("alice").await;
    for (path, allowed) in ADDRESSES {
        let methods = [
            "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND", "get", "X-ODD",
        ];
        for method in methods {
            let has = allowed.split(", ").any(|one| one == method);
            for request in [
                gateway.request(method, path),
                gateway.request(method, path).header("cookie", &cookie),
            ] {
                // Logout is asked for by nobody here: the session is to last for the other addresses.
                if (method, *path) == ("POST", "/.auth/logout") {
                    continue;
                }
                let answer = request.send().await.unwrap();
                assert_eq!(answer.status() != 405, has, "{method} {path}");
                assert_eq!(
                    header(&answer, "allow"),
                    if has { "" } else { *allowed },
                    "{method} {path}"
                );
            }
        }
    }
    upstream.saw_nothing();
}

#[tokio::test]
async fn what_is_below_the_own_folder_and_unknown_is_404_whatever_the_method() {
    let upstream = Upstream::start();
    let gateway = gateway().public("/", &upstream).start().await;
    for path in [
        "/.auth",
        "/.auth/",
        "/.auth/x",
        "/.auth/login/x",
        "/.auth/Login",
        "/.auth/login.html",
        "/.auth/login%20",
        "/.auth/.well-known/openid-configuration",
        "/.auth/verify/x",
        "/.auth/sessions/x/y",
        "/.auth/metrics",
    ] {
        for method in ["GET", "POST", "DELETE", "OPTIONS"] {
            let answer = gateway.request(method, path).send().await.unwrap();
            assert_eq!(answer.status(), 404, "{method} {path}");
            assert_eq!(header(&answer, "content-type"), "application/problem+json");
            assert_guarded(answer.headers(), path);
            let problem: Value = answer.json().await.unwrap();
            assert_eq!(problem["detail"], "the gateway has no such address.");
        }
        let page = as_navigation(gateway.get(path)).send().await.unwrap();
        assert_eq!(page.status(), 404, "{path}");
        assert_eq!(header(&page, "content-type"), "text/html; charset=utf-8");
        assert_guarded(page.headers(), path);
    }
    upstream.saw_nothing();
}

#[tokio::test]
async fn no_route_shadows_an_own_address_in_any_spelling() {
    let upstream = Upstream::start();
    let gateway = gateway().public("/", &upstream).start().await;
    for (path, status) in [
        ("/.auth/health", 200),
        ("//.auth/health", 200),
        ("/.auth//health", 200),
        ("/.auth/health/", 200),
        ("/.auth/health?x=/app", 200),
        ("/.auth/health;jsessionid=1", 200),
        ("/.auth;x=y/health", 200),
        ("/;x/.auth/health", 200),
        ("/%2eauth/health", 200),
        ("/%2Eauth/health", 200),
        ("/.%61uth/%68ealth", 200),
        ("/.auth/login", 200),
        ("/.auth/other", 404),
        ("/.auth%2fhealth", 400),
        ("/x/../.auth/health", 400),
        ("/.auth/../app", 400),
        ("/.auth/%2e%2e/app", 400),
        ("/.auth\\health", 400),
    ] {
        let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n");
        let answer = gateway.exchange(request).await.unwrap();
        assert_eq!(answer.status, status, "{path}");
        upstream.saw_nothing();
    }
    // Another host, and a target that names it itself: still ours.
    for head in [
        "GET /.auth/health HTTP/1.1\r\nhost: any.example.com",
        "GET http://any.example.com/.auth/health HTTP/1.1\r\nhost: any.example.com",
    ] {
        assert_eq!(
            gateway.exchange(format!("{head}\r\n\r\n")).await.unwrap().status,
            200,
            "{head}"
        );
    }
    upstream.saw_nothing();
    // A name that merely looks alike belongs to the app.
    for path in ["/.authx/health", "/x/.auth/health", "/.AUTH/health"] {
        assert_eq!(gateway.get(path).send().await.unwrap().status(), 200, "{path}");
    }
    assert_eq!(upstream.received().len(), 3);
}

#[test]
fn a_route_to_an_own_address_is_refused_in_every_spelling() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("gateway.toml");
    for path in [
        "/.auth",
        "/.auth/",
        "/.auth/login",
        "/.auth/anything/else",
        "/%2eauth",
        "/%2E%61uth/login",
    ] {
        let config =
            format!("[[route]]\npath = {path:?}\nupstream = \"http://127.0.0.1:9\"\naccess = \"public\"\n");
        std::fs::write(&file, config).unwrap();
        let problems = portcullis::config::load(&file).unwrap_err();
        let said: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert!(
            said.concat()
                .contains("addresses under /.auth are the gateway's own"),
            "{path}: {said:?}"
        );
    }
}

#[tokio::test]
async fn a_head_request_gets_the_head_of_the_same_answer() {
    let gateway = gateway().user("alice").start().await;
    let cookie = gateway.sign_in("alice").await;
    for path in [
        "/.auth/login",
        "/.auth/logout",
        "/.auth/me",
        "/.auth/jwks.json",
        "/.auth/health",
        "/.auth/x",
    ] {
        let ask = |method: &str| {
            format!(
                "{method} {path} HTTP/1.1\r\nhost: localhost\r\ncookie: {cookie}; portcullis-form=AAAAAAAAAAAAAAAAAAAAAA\r\n\r\n"
            )
        };
        let full = gateway.exchange(ask("GET")).await.unwrap();
        let mut client = gateway.raw().await;
        client.send(ask("HEAD")).await;
        let head = client.head_response().await.unwrap();
        assert!(!full.body.is_empty());
        assert_eq!(head.status, full.status, "{path}");
        for name in [
            "content-type",
            "content-length",
            "cache-control",
            "content-security-policy",
        ] {
            assert_eq!(head.header(name), full.header(name), "{name} of {path}");
        }
        // Had a body been sent, it would stand where the next answer does.
        client
            .send("GET /.auth/health HTTP/1.1\r\nhost: localhost\r\n\r\n")
            .await;
        assert_eq!(client.response().await.unwrap().status, 200, "{path}");
    }
}

#[tokio::test]
async fn health_is_for_everybody_and_says_nothing_else() {
    let gateway = gateway().start().await;
    let answer = gateway.get("/.auth/health").send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_guarded(answer.headers(), "health");
    assert_eq!(answer.text().await.unwrap(), "{\"status\":\"ok\"}");
}

#[tokio::test]
async fn the_public_port_has_no_metrics_no_debugger_and_no_admin_page() {
    let upstream = Upstream::start();
    let with_app = gateway().route("/", &upstream).start().await;
    let without = gateway().public("/app", &upstream).start().await;
    for path in [
        "/metrics",
        "/healthz",
        "/readyz",
        "/debug",
        "/debug/pprof/",
        "/admin",
        "/api/status",
        "/api/sessions",
        "/api/reload",
        "/.well-known/openid-configuration/x",
        "/config",
        "/load",
    ] {
        for method in ["GET", "POST"] {
            let answer = with_app.request(method, path).send().await.unwrap();
            assert_eq!(
                answer.status(),
                401,
                "an app's address like any other: {method} {path}"
            );
            let answer = without.request(method, path).send().await.unwrap();
            assert_eq!(answer.status(), 404, "{method} {path}");
        }
    }
    upstream.saw_nothing();
}
