//! Servers that people run behind a gateway: nginx in TLS, and nghttpd in HTTP/2.

use std::fs;

use http::Request;

use crate::harness::{
    Authority, Gateway, Nghttpd, Nginx, Url, address_of_its_own, body_of, gateway, http2_client, soon,
};

/// A gateway in front of nginx.
async fn in_front_of(nginx: &Nginx, tls: &str) -> Gateway {
    gateway()
        .route_with("/", nginx, tls)
        .user("alice")
        .one_worker()
        .start()
        .await
}

const LINES: &str = "add_header x-protocol $server_protocol; add_header x-user $http_remote_user;\n\
    client_max_body_size 0;\n\
    location /echo { return 200 \"$request_method $host $ssl_protocol\"; }\n\
    location /upload { proxy_pass http://127.0.0.1:1; proxy_intercept_errors on; error_page 502 =200 /taken; }\n\
    location /taken { return 200 \"$content_length bytes\"; }";

#[tokio::test]
async fn nginx_is_spoken_to_in_the_protocol_that_it_offers() {
    let ours = Authority::new();
    for (listen, protocol, version) in [
        ("", "HTTP/1.1", "TLSv1.2"),
        ("", "HTTP/1.1", "TLSv1.3"),
        ("http2", "HTTP/2.0", "TLSv1.2"),
        ("http2", "HTTP/2.0", "TLSv1.3"),
    ] {
        let lines = format!("ssl_protocols {version};\n{LINES}");
        let address = address_of_its_own();
        let nginx = Nginx::secure(address, &ours.pair(&address.to_string()), listen, &lines);
        let gateway = in_front_of(&nginx, &ours.trusted()).await;
        assert_eq!(gateway.get("/echo").send().await.unwrap().status(), 401);
        let token = gateway.token("alice").await;
        let large: Vec<u8> = (0..3_000_000_u32).map(|number| number.to_le_bytes()[0]).collect();
        fs::write(nginx.folder().join("large"), &large).unwrap();
        for _ in 0..3 {
            let answer = gateway.get("/echo").bearer_auth(&token).send().await.unwrap();
            assert_eq!(answer.headers()["x-protocol"], protocol);
            assert_eq!(answer.headers()["x-user"], "alice");
            assert_eq!(answer.text().await.unwrap(), format!("GET localhost {version}"));
            let answer = gateway.get("/large").bearer_auth(&token).send().await.unwrap();
            assert!(answer.bytes().await.unwrap() == large);
            let answer = gateway.post("/upload").bearer_auth(&token).body(large.clone());
            assert_eq!(
                answer.send().await.unwrap().text().await.unwrap(),
                "3000000 bytes"
            );
            let head = gateway
                .request("HEAD", "/large")
                .bearer_auth(&token)
                .send()
                .await
                .unwrap();
            assert_eq!(head.headers()["content-length"], "3000000");
        }
    }
}

#[tokio::test]
async fn nginx_with_another_name_or_authority_hears_nothing() {
    let (ours, other) = (Authority::new(), Authority::new());
    let address = address_of_its_own();
    let right = address.to_string();
    for (what, pair) in [
        ("another authority", other.pair(&right)),
        ("another name", ours.pair("app.internal")),
        ("expired", ours.expired(&right)),
        ("vouches for itself", ours.self_signed(&right)),
    ] {
        let nginx = Nginx::secure(address, &pair, "http2", LINES);
        let gateway = in_front_of(&nginx, &ours.trusted()).await;
        let token = gateway.token("alice").await;
        let refused = gateway
            .post("/echo")
            .bearer_auth(&token)
            .body("secret")
            .send()
            .await
            .unwrap();
        assert_eq!(refused.status(), 502, "{what}");
        assert_eq!(nginx.log(), "", "{what}");
    }
}

#[tokio::test]
async fn nghttpd_serves_and_echoes_over_http_2() {
    let app = Nghttpd::start(&["--echo-upload", "--trailer", "x-sum: 42", "-m", "2"]);
    assert!(app.url().starts_with("h2c://"));
    fs::write(app.folder().join("page.html"), "a page").unwrap();
    let large: Vec<u8> = (0..3_000_000_u32).map(|number| number.to_le_bytes()[0]).collect();
    fs::write(app.folder().join("large"), &large).unwrap();
    let gateway = gateway().public("/", &app).one_worker().start().await;
    let page = gateway.get("/page.html").send().await.unwrap();
    assert_eq!(page.text().await.unwrap(), "a page");
    assert_eq!(gateway.get("/none").send().await.unwrap().status(), 404);
    // More at once than it takes on one connection.
    let downloads: Vec<_> = (0..6)
        .map(|_| tokio::spawn(gateway.get("/large").send()))
        .collect();
    for download in downloads {
        assert!(download.await.unwrap().unwrap().bytes().await.unwrap() == large);
    }
    let echoed = gateway.post("/").body(large.clone()).send().await.unwrap();
    assert!(echoed.bytes().await.unwrap() == large);
    let mut client = http2_client(gateway.address).await;
    let head = Request::get("http://a/page.html").body(()).unwrap();
    let (response, _) = client.send_request(head, true).unwrap();
    let response = soon("an answer", response).await.unwrap();
    let (body, trailers) = body_of(response.into_body()).await.unwrap();
    assert_eq!(body, b"a page");
    assert_eq!(trailers.unwrap()["x-sum"], "42");
    assert!(app.output().contains("x-forwarded-for: 127.0.0.1"));
}
