//! Whom an `https://` upstream has to convince: the gateway checks always, and says nothing before it has.

use std::fs;

use super::answer;
use crate::harness::{Authority, Pair, Running, Upstream, free_port, gateway, portcullis, user_entry};

#[tokio::test]
async fn an_upstream_that_cannot_prove_its_name_hears_not_a_byte_of_http() {
    let (ours, other) = (Authority::new(), Authority::new());
    let trusted = ours.trusted();
    for (what, pair, tls) in [
        (
            "signed by another authority",
            other.pair("localhost"),
            trusted.as_str(),
        ),
        ("signed by nobody else", ours.self_signed("localhost"), &trusted),
        ("for another name", ours.pair("app.internal"), &trusted),
        (
            "for a name that only begins like it",
            ours.pair("localhost.example"),
            &trusted,
        ),
        (
            "for an address, and not the name",
            ours.pair("127.0.0.1"),
            &trusted,
        ),
        ("expired", ours.expired("localhost"), &trusted),
        ("unknown to the system", ours.pair("localhost"), ""),
        (
            "for the URL's host, where another name is wanted",
            ours.pair("localhost"),
            &ours.trusted_with(", server_name = \"app.internal\""),
        ),
    ] {
        for protocols in [&["http/1.1"][..], &["h2", "http/1.1"], &[]] {
            let upstream = Upstream::secure(pair.server(protocols), |_| answer("let in"));
            let gateway = gateway()
                .route_with("/", &upstream, &format!("access = \"public\"\n{tls}"))
                .start()
                .await;
            for method in ["GET", "POST"] {
                let refused = gateway.request(method, "/").body("secret").send().await.unwrap();
                assert_eq!(refused.status(), 502, "{what}: {method}, {protocols:?}");
                let told = refused.text().await.unwrap().to_lowercase();
                for reason in ["certificate", "issuer", "tls", "expired", "name"] {
                    assert!(
                        !told.contains(reason),
                        "{what}: the reason is for the log: {told}"
                    );
                }
            }
            upstream.saw_nothing();
        }
    }
}

#[tokio::test]
async fn an_upstream_that_proves_its_name_is_asked() {
    let ours = Authority::new();
    let named = ours.trusted_with(", server_name = \"app.internal\"");
    let below = ours.trusted_with(", server_name = \"wiki.apps.internal\"");
    for (what, pair, host, tls) in [
        ("by name", ours.pair("localhost"), "localhost", ours.trusted()),
        ("by address", ours.pair("127.0.0.1"), "127.0.0.1", ours.trusted()),
        (
            "by another name",
            ours.pair("app.internal"),
            "localhost",
            named.clone(),
        ),
        ("by a wildcard", ours.pair("*.apps.internal"), "127.0.0.1", below),
    ] {
        let upstream = Upstream::secure(pair.server(&["http/1.1"]), |_| answer("let in"));
        let url = upstream.url().replace("localhost", host);
        let gateway = gateway()
            .route_with("/", url.as_str(), &tls)
            .user("alice")
            .start()
            .await;
        let passed = gateway.get("/x").bearer_auth(gateway.token("alice").await);
        assert_eq!(
            passed.send().await.unwrap().text().await.unwrap(),
            "let in",
            "{what}"
        );
        let request = upstream.only();
        assert_eq!(request.header("remote-user"), ["alice"], "{what}");
        let own = format!("localhost:{}", gateway.address.port());
        assert_eq!(
            request.header("host"),
            [own.as_str()],
            "{what}: the client's, as ever"
        );
        assert_eq!(
            request.header("x-forwarded-proto"),
            ["http"],
            "{what}: how the client came"
        );
    }
}

#[tokio::test]
async fn a_client_certificate_is_shown_to_its_own_upstream_and_on_no_other_route() {
    let ours = Authority::new();
    let server = ours.asking_clients(&ours.pair("localhost"), &["http/1.1"]);
    let upstream = Upstream::secure(server, |_| answer("let in"));
    let shown = |pair: &Pair| ours.trusted_with(&format!(", cert = {:?}, key = {:?}", pair.cert, pair.key));
    let stranger = Authority::new();
    let (good, strange) = (shown(&ours.pair("gateway")), shown(&stranger.pair("gateway")));
    let gateway = gateway()
        .route_with("/good", &upstream, &format!("access = \"public\"\n{good}"))
        .route_with("/strange", &upstream, &format!("access = \"public\"\n{strange}"))
        .route_with(
            "/none",
            &upstream,
            &format!("access = \"public\"\n{}", ours.trusted()),
        )
        .one_worker()
        .start()
        .await;
    // The good route leaves a connection and a session that can be taken up again: neither is anybody else's.
    for _ in 0..2 {
        let passed = gateway.get("/good").send().await.unwrap();
        assert_eq!(passed.text().await.unwrap(), "let in");
        upstream.forget();
        for path in ["/strange", "/none"] {
            assert_eq!(gateway.get(path).send().await.unwrap().status(), 502, "{path}");
            assert_eq!(gateway.post(path).send().await.unwrap().status(), 502, "{path}");
        }
        upstream.saw_nothing();
    }
}

#[tokio::test]
async fn what_the_system_trusts_is_trusted_and_the_reason_of_a_refusal_is_in_the_log() {
    let (ours, other) = (Authority::new(), Authority::new());
    let good = Upstream::secure(ours.pair("localhost").server(&[]), |_| answer("let in"));
    let bad = Upstream::secure(other.pair("localhost").server(&[]), |_| answer("let in"));
    let folder = tempfile::tempdir().unwrap();
    let port = free_port();
    let config = format!(
        "[server]\nlisten = [\"127.0.0.1:{port}\"]\n\
         [[route]]\npath = \"/good\"\naccess = \"public\"\nupstream = {:?}\n\
         [[route]]\npath = \"/bad\"\nupstream = {:?}\naccess = \"public\"\n",
        good.url(),
        bad.url()
    );
    fs::write(folder.path().join("gateway.toml"), config).unwrap();
    fs::write(folder.path().join("users.toml"), user_entry("alice", &[], "")).unwrap();
    let mut command = portcullis(folder.path(), &["serve"]);
    // Where OpenSSL, and so most programs, look as well.
    command
        .env("SSL_CERT_FILE", ours.ca())
        .env("SSL_CERT_DIR", folder.path());
    let running = Running::start(&mut command, "listening");
    let get = async |path: &str| {
        let answer = reqwest::get(format!("http://127.0.0.1:{port}{path}"))
            .await
            .unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    assert_eq!(get("/good").await, (200, "let in".to_owned()));
    assert_eq!(get("/bad").await.0, 502);
    bad.saw_nothing();
    running.wait_for("invalid peer certificate: UnknownIssuer");
    assert!(running.last_words().contains(&bad.url()), "the upstream is named");
}
