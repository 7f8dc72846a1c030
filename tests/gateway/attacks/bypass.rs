//! Headers by which a client says that it asks for something else, or that it need not be asked.

use super::head;
use crate::harness::{Upstream, gateway};

#[tokio::test]
async fn no_header_moves_a_request_to_another_rule() {
    let upstream = Upstream::start();
    let gateway = gateway()
        .public("/public", &upstream)
        .route("/admin", &upstream)
        .start()
        .await;
    for name in [
        "X-Forwarded-Uri",
        "X-Forwarded-Path",
        "X-Forwarded-Prefix",
        "X-Forwarded-Host",
        "X-Forwarded-Method",
        "X-Original-URL",
        "X-Original-URI",
        "X-Original-Host",
        "X-Rewrite-URL",
        "X-Host",
        "x_original_url",
        "X.Rewrite.Url",
    ] {
        // Up: the rule is that of the path, whatever the header says.
        upstream.forget();
        let field = format!("{name}: /public");
        let answer = gateway.exchange(head("GET /admin", &[&field])).await.unwrap();
        assert_eq!(answer.status, 401, "{name}: {}", answer.head);
        upstream.saw_nothing();

        // Down: IIS, Symfony and Zend would open the header's path instead of the line's.
        let field = format!("{name}: /admin");
        let answer = gateway.exchange(head("GET /public", &[&field])).await.unwrap();
        assert_eq!(answer.status, 200, "{name}");
        let request = upstream.only();
        assert_eq!(request.line(), "GET /public HTTP/1.1", "{name}");
        assert!(!request.head.contains("/admin"), "{name}: {}", request.head);
    }
}

#[tokio::test]
async fn a_method_in_a_header_is_held_to_the_rule_as_well() {
    let upstream = Upstream::start();
    let gateway = gateway()
        .route_with(
            "/",
            &upstream,
            "access = \"public\"\nmethods = [\"GET\", \"POST\"]",
        )
        .route_with("/x", &upstream, "access = \"public\"\nmethods = [\"POST\"]")
        .route_with("/x", &upstream, "name = \"x-write\"\nmethods = [\"DELETE\"]")
        .public("/any", &upstream)
        .start()
        .await;
    for (target, field, status) in [
        ("/", "X-HTTP-Method-Override: DELETE", 405),
        ("/", "X-HTTP-Method: PUT", 405),
        ("/", "X-Method-Override: PATCH", 405),
        ("/", "x_http_method_override: DELETE", 405),
        ("/", "X-HTTP-METHOD-OVERRIDE: delete", 405),
        ("/", "X-HTTP-Method-Override:  DELETE ", 405),
        ("/", "X-HTTP-Method-Override: GET, DELETE", 405),
        ("/", "X-HTTP-Method-Override: \u{e9}", 405),
        (
            "/",
            "X-HTTP-Method-Override: GET\r\nX-HTTP-Method-Override: DELETE",
            405,
        ),
        // A method that another route answers, for others.
        ("/x", "X-HTTP-Method-Override: DELETE", 405),
        ("/", "X-HTTP-Method-Override: GET", 200),
        ("/", "X-HTTP-Method-Override: post", 200),
        // No rule speaks of methods, so the app alone does.
        ("/any", "X-HTTP-Method-Override: DELETE", 200),
    ] {
        upstream.forget();
        let request = head(format!("POST {target}"), &[field, "Content-Length: 0"]);
        let answer = gateway.exchange(request).await.unwrap();
        assert_eq!(answer.status, status, "{target} {field}: {}", answer.head);
        match status {
            200 => assert_eq!(
                upstream.only().line(),
                format!("POST {target} HTTP/1.1"),
                "{field}"
            ),
            _ => upstream.saw_nothing(),
        }
    }
}

#[tokio::test]
async fn whoever_claims_to_be_a_health_check_is_nobody_all_the_same() {
    let upstream = Upstream::start();
    let gateway = gateway().route("/", &upstream).start().await;
    for field in [
        "User-Agent: GoogleHC/1.0",
        "User-Agent: kube-probe/1.29",
        "User-Agent: ELB-HealthChecker/2.0",
        "User-Agent: Prometheus/2.0",
        "User-Agent:",
        "X-No-User-Agent: at all",
        "X-Forwarded-For: 127.0.0.1",
        "X-Forwarded-For: a",
        "X-Forwarded-For: 1.1.1.1,",
        "X-Real-IP: ::1",
        "X-Forwarded-Proto: https",
        "X-Forwarded-User: admin",
        "X-Auth-Request-User: admin",
        "X-Internal-Request: true",
        "X-Middleware-Subrequest: middleware:middleware:middleware",
        "Upgrade-Insecure-Requests: 1",
        "Access-Control-Request-Method: GET",
        "Origin: http://localhost",
    ] {
        for method in ["GET", "HEAD", "OPTIONS"] {
            for path in ["/", "/health", "/healthz", "/ping", "/metrics", "/admin"] {
                let mut client = gateway.raw().await;
                client.send(head(format!("{method} {path}"), &[field])).await;
                let answer = match method {
                    "HEAD" => client.head_response().await,
                    _ => client.response().await,
                };
                let answer = answer.unwrap();
                assert_eq!(answer.status, 401, "{method} {path} {field}: {}", answer.head);
            }
        }
    }
    upstream.saw_nothing();
}
