//! Headers by which a client says who it is, where it comes from and what was asked for.

use super::{folded, head};
use crate::harness::{Gateway, PASSWORD, Received, Upstream, gateway};

/// Names that only the gateway may say, as clients spell them.
const OURS: &[&str] = &[
    "Remote-User",
    "remote-user",
    "REMOTE-USER",
    "rEMOTE-uSER",
    "Remote_User",
    "REMOTE_USER",
    "Remote.User",
    "Remote~User",
    "Remote-Name",
    "Remote_Email",
    "Remote-Groups",
    "remote_groups",
    "Remote-Roles",
    "Remote-Addr",
    "X-Forwarded-User",
    "X_Forwarded_User",
    "x-forwarded_user",
    "X-FORWARDED-USER",
    "X-Forwarded-Preferred-Username",
    "X-Forwarded-Email",
    "X-Forwarded-Groups",
    "X-Forwarded-Access-Token",
    "X-Forwarded-Client-Cert",
    "X-Portcullis-Assertion",
    "X_Portcullis_User",
    "X-WEBAUTH-USER",
    "X-Webauth_User",
    "x_webauth_user",
    "X.WebAuth.User",
    "X-WEBAUTH-EMAIL",
];

struct Everywhere {
    gateway: Gateway,
    upstream: Upstream,
    requests: Vec<(&'static str, Vec<String>, &'static str)>,
}

/// A gateway with a route of every kind, and a request for each: who asks, and whom the app may take them to be.
async fn every_kind_of_route() -> Everywhere {
    let upstream = Upstream::start();
    let headers = "headers = { \"X-WEBAUTH-USER\" = \"{username}\", \"X-WEBAUTH-EMAIL\" = \"{email}\" }";
    let gateway = gateway()
        .route("/plain", &upstream)
        .route_with("/template", &upstream, headers)
        .route_with("/optional", &upstream, "access = \"optional\"")
        .public("/public", &upstream)
        .user("alice")
        .start()
        .await;
    let session = vec![format!("Cookie: {}", gateway.sign_in("alice").await)];
    let token = vec![format!("Authorization: Bearer {}", gateway.token("alice").await)];
    let requests = vec![
        ("/plain", session.clone(), "alice"),
        ("/plain", token.clone(), "alice"),
        ("/template", session.clone(), "alice"),
        ("/template", token, "alice"),
        ("/optional", session.clone(), "alice"),
        ("/optional", Vec::new(), ""),
        ("/public", session, ""),
        ("/public", Vec::new(), ""),
    ];
    Everywhere {
        gateway,
        upstream,
        requests,
    }
}

/// All values of a header in every spelling that an app could take for it.
fn values(request: &Received, name: &str) -> Vec<String> {
    let lines = request
        .head
        .lines()
        .skip(1)
        .filter_map(|line| line.split_once(':'));
    lines
        .filter(|(key, _)| folded(key) == name)
        .map(|(_, value)| value.trim().to_owned())
        .collect()
}

#[track_caller]
fn is_taken_for(request: &Received, path: &str, user: &str) {
    let user: Vec<&str> = [user].into_iter().filter(|user| !user.is_empty()).collect();
    assert_eq!(values(request, "remote-user"), user, "{path}: {}", request.head);
    let by_template = if path == "/template" { user } else { Vec::new() };
    assert_eq!(
        values(request, "x-webauth-user"),
        by_template,
        "{path}: {}",
        request.head
    );
}

#[tokio::test]
async fn no_spelling_of_our_names_gets_through_on_any_route() {
    let Everywhere {
        gateway,
        upstream,
        requests,
    } = every_kind_of_route().await;
    for name in OURS {
        for (path, credential, user) in &requests {
            upstream.forget();
            let (once, twice) = (format!("{name}: mallory"), format!("{name}: alice,mallory"));
            let mut fields: Vec<&str> = credential.iter().map(String::as_str).collect();
            fields.extend([once.as_str(), &twice]);
            let answer = gateway
                .exchange(head(format!("GET {path}"), &fields))
                .await
                .unwrap();
            assert_eq!(answer.status, 200, "{path} {name}: {}", answer.head);
            let request = upstream.only();
            assert!(
                !request.head.contains("mallory"),
                "{path} {name}: {}",
                request.head
            );
            is_taken_for(&request, path, user);
        }
    }
}

#[tokio::test]
async fn what_a_person_has_not_got_is_never_what_the_client_says() {
    let Everywhere {
        gateway,
        upstream,
        requests,
    } = every_kind_of_route().await;
    // Alice has no e-mail address, no groups and no display name.
    let claims = [
        "Remote-Email: mallory@evil.example",
        "Remote-Groups: admin",
        "Remote-Name: Mallory",
        "X-WEBAUTH-EMAIL: mallory@evil.example",
    ];
    for (path, credential, user) in &requests {
        upstream.forget();
        let mut fields: Vec<&str> = credential.iter().map(String::as_str).collect();
        fields.extend(claims);
        assert_eq!(
            gateway
                .exchange(head(format!("GET {path}"), &fields))
                .await
                .unwrap()
                .status,
            200
        );
        let request = upstream.only();
        for name in ["remote-email", "remote-groups", "remote-name", "x-webauth-email"] {
            assert!(values(&request, name).is_empty(), "{path}: {}", request.head);
        }
        is_taken_for(&request, path, user);
    }
}

#[tokio::test]
async fn trailers_say_nothing_that_headers_may_not() {
    let Everywhere {
        gateway,
        upstream,
        requests,
    } = every_kind_of_route().await;
    let forbidden = [
        "Authorization",
        "Cookie",
        "Host",
        "Content-Length",
        "Transfer-Encoding",
        "Connection",
        "Trailer",
        "TE",
        "X-Forwarded-For",
        "Forwarded",
        "X-Real-IP",
    ];
    let names: Vec<&str> = OURS.iter().chain(&forbidden).copied().collect();
    let trailers: String = names.iter().map(|name| format!("{name}: mallory\r\n")).collect();
    let announced = format!("Trailer: X-Checksum, {}", names.join(", "));
    for (path, credential, user) in &requests {
        upstream.forget();
        let mut fields: Vec<&str> = credential.iter().map(String::as_str).collect();
        fields.extend(["Transfer-Encoding: chunked", &announced]);
        let mut request = head(format!("POST {path}"), &fields);
        request.extend_from_slice(b"5\r\nhello\r\n0\r\nX-Checksum: fine\r\n");
        request.extend_from_slice(trailers.as_bytes());
        request.extend_from_slice(b"\r\n");
        let answer = gateway.exchange(request).await.unwrap();
        assert_eq!(answer.status, 200, "{path}: {}", answer.head);
        let request = upstream.only();
        let body = String::from_utf8(request.body.clone()).unwrap();
        assert_eq!(body, "5\r\nhello\r\n0\r\nx-checksum: fine\r\n\r\n", "{path}");
        is_taken_for(&request, path, user);
    }
}

#[tokio::test]
async fn where_a_request_comes_from_is_written_anew() {
    let Everywhere {
        gateway,
        upstream,
        requests,
    } = every_kind_of_route().await;
    let claims: Vec<String> = [
        "For", "Host", "Proto", "Port", "Prefix", "Uri", "Server", "Method", "Ssl", "Scheme", "By", "Path",
    ]
    .iter()
    .map(|name| format!("X-Forwarded-{name}: evil"))
    .chain(
        [
            "Forwarded",
            "X-Real-IP",
            "X-Client-IP",
            "X-Cluster-Client-IP",
            "Client-IP",
            "True-Client-IP",
            "CF-Connecting-IP",
            "Fastly-Client-IP",
            "X-Host",
            "X-Original-Host",
            "X-Original-URL",
            "X-Rewrite-URL",
            "X-Url-Scheme",
            "Front-End-Https",
            "X-Request-Id",
            "Proxy",
        ]
        .iter()
        .flat_map(|name| {
            [
                format!("{name}: evil"),
                format!("{}: evil", name.replace('-', "_")),
            ]
        }),
    )
    .collect();
    for (path, credential, user) in &requests {
        upstream.forget();
        let fields: Vec<&str> = credential.iter().chain(&claims).map(String::as_str).collect();
        assert_eq!(
            gateway
                .exchange(head(format!("GET {path}"), &fields))
                .await
                .unwrap()
                .status,
            200
        );
        let request = upstream.only();
        assert!(!request.head.contains("evil"), "{path}: {}", request.head);
        for (name, value) in [
            ("host", "localhost"),
            ("x-forwarded-for", "127.0.0.1"),
            ("x-forwarded-host", "localhost"),
            ("x-forwarded-proto", "http"),
            ("forwarded", "for=127.0.0.1;host=\"localhost\";proto=http"),
        ] {
            assert_eq!(values(&request, name), [value], "{path} {name}: {}", request.head);
        }
        assert_eq!(values(&request, "x-request-id").len(), 1, "{path}");
        is_taken_for(&request, path, user);
    }
}

#[tokio::test]
async fn our_own_pages_repeat_nothing_of_what_a_proxy_would_say() {
    let Everywhere {
        gateway, upstream, ..
    } = every_kind_of_route().await;
    let claims = [
        "X-Forwarded-Host: evil.example",
        "X-Forwarded-Proto: https",
        "X-Forwarded-Prefix: //evil.example",
        "X-Forwarded-Server: evil.example",
        "X-Forwarded-Port: 66616661666166616661",
        "X-Original-Host: evil.example",
        "X-Original-URL: //evil.example",
        "Forwarded: host=evil.example;proto=https",
        "X-Host: evil.example",
        "X-Forwarded-For: evil.example, a, ::, 1.1.1.1,",
        "X-Real-IP: evil.example",
        "Content-Type: application/json",
    ];
    let signing_in = serde_json::json!({ "username": "alice", "password": PASSWORD }).to_string();
    for (line, body, page) in [
        ("GET /.auth/login", "", true),
        ("GET /.auth/login?return_to=/plain", "", true),
        ("GET /.auth/logout", "", true),
        ("GET /.auth/me", "", false),
        ("GET /.auth/jwks.json", "", false),
        ("GET /.auth/health", "", false),
        ("GET /.auth/nothing", "", true),
        ("POST /.auth/login", &signing_in, false),
        ("POST /.auth/login", "{}", false),
        ("POST /.auth/token", "{}", false),
        ("POST /.auth/logout", "{}", true),
        ("GET /plain", "", true),
        ("GET /plain", "", false),
        ("GET /nothing", "", true),
        ("GET /%2e%2e/", "", true),
        ("TRACE /plain", "", true),
    ] {
        let length = format!("Content-Length: {}", body.len());
        let mut fields = claims.to_vec();
        fields.push(&length);
        if page {
            fields.extend([
                "Accept: text/html",
                "Sec-Fetch-Mode: navigate",
                "Sec-Fetch-Site: same-origin",
            ]);
        }
        let mut request = head(line, &fields);
        request.extend_from_slice(body.as_bytes());
        let answer = gateway.exchange(request).await.unwrap();
        let all = format!("{}{}", answer.head, answer.text());
        assert!(
            !all.contains("evil") && !all.contains("6661666166616661"),
            "{line}: {all}"
        );
        for cookie in answer.header("set-cookie") {
            // No TLS here, whatever the client says: a Secure cookie would be lost.
            assert!(
                !cookie.contains("Secure") && !cookie.contains("Domain"),
                "{line}: {cookie}"
            );
        }
    }
    upstream.saw_nothing();
}
