//! The session's cookie.

use super::is_signed_in;
use crate::harness::{PASSWORD, Upstream, gateway};

#[tokio::test]
async fn its_name_and_attributes_follow_from_how_browsers_reach_us() {
    for (server, table, tls, name, attributes) in [
        ("", "", false, "portcullis", "HttpOnly; SameSite=Lax; Path=/"),
        (
            "",
            "",
            true,
            "__Host-portcullis",
            "HttpOnly; SameSite=Lax; Secure; Path=/",
        ),
        // TLS ends in front of us.
        (
            "public_url = \"https://app.example.com\"",
            "",
            false,
            "__Host-portcullis",
            "HttpOnly; SameSite=Lax; Secure; Path=/",
        ),
        (
            "",
            "[session]\ncookie = \"door\"",
            false,
            "door",
            "HttpOnly; SameSite=Lax; Path=/",
        ),
    ] {
        let mut builder = gateway().user("alice").server(server).table(table);
        if tls {
            builder = builder.tls();
        }
        let gateway = builder.start().await;
        // What a client says of the way it came changes nothing.
        let answer = gateway
            .post("/.auth/login")
            .header(
                "x-forwarded-proto",
                if name.starts_with("__") { "http" } else { "https" },
            )
            .header("x-forwarded-host", "evil.com")
            .json(&serde_json::json!({ "username": "alice", "password": PASSWORD }))
            .send()
            .await
            .unwrap();
        let cookies: Vec<_> = answer.headers().get_all("set-cookie").iter().collect();
        let [cookie] = cookies[..] else {
            panic!("{cookies:?}")
        };
        let (pair, rest) = cookie.to_str().unwrap().split_once("; ").unwrap();
        let (found, value) = pair.split_once('=').unwrap();
        assert_eq!((found, rest), (name, attributes));
        assert!(
            value.len() == 43
                && value
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)),
            "{value}"
        );
    }
}

#[tokio::test]
async fn a_cookie_in_any_other_form_is_nobodys() {
    let upstream = Upstream::start();
    let gateway = gateway().route("/", &upstream).user("alice").start().await;
    let cookie = gateway.sign_in("alice").await;
    let value = cookie.split_once('=').unwrap().1;
    for good in [
        format!("portcullis={value}"),
        format!("a=1; portcullis={value}; b=2"),
        format!("a=1;portcullis={value};b"),
        format!(";;; portcullis={value} ;"),
        format!("portcullis-form=x; portcullis={value}"),
    ] {
        assert!(is_signed_in(&gateway, &good).await, "{good}");
    }
    upstream.forget();
    for bad in [
        String::new(),
        "=".to_owned(),
        ";;;".to_owned(),
        "portcullis".to_owned(),
        "portcullis=".to_owned(),
        "portcullis=%00".to_owned(),
        format!("portcullis={}", "A".repeat(43)),
        format!("portcullis={}", "A".repeat(8192)),
        format!("portcullis={}", &value[..42]),
        format!("portcullis={value}A"),
        format!("portcullis={value}="),
        format!("portcullis=\"{value}\""),
        format!("portcullis='{value}'"),
        format!("portcullis={}", value.to_ascii_uppercase()),
        format!("portcullis={}%{:02x}", &value[..42], value.as_bytes()[42]),
        format!("portcullis={value} x"),
        format!("portcullis={value},portcullis={value}"),
        format!("Portcullis={value}"),
        format!("PORTCULLIS={value}"),
        format!("__Host-portcullis={value}"),
        format!("portcullis[0]={value}"),
        format!("a=portcullis={value}"),
        format!("$Version=1; $Path=/; xportcullis={value}"),
        format!("portcullis={value}; portcullis={value}"),
        format!("portcullis={value}; portcullis=garbage"),
        format!("portcullis=garbage; portcullis={value}"),
        format!("portcullis=; portcullis={value}"),
        format!("{}portcullis={value}; portcullis=x", "a=1; ".repeat(1000)),
    ] {
        assert!(
            !is_signed_in(&gateway, &bad).await,
            "{}",
            &bad[..bad.len().min(100)]
        );
    }
    // In two headers, with bytes that are no UTF-8, folded under another name.
    let head = "GET / HTTP/1.1\r\nhost: localhost\r\n";
    for lines in [
        format!("cookie: portcullis={value}\r\ncookie: portcullis={value}\r\n").into_bytes(),
        format!("cookie: portcullis={value}\r\nCookie: portcullis=x\r\n").into_bytes(),
        [
            b"cookie: portcullis=\xff\xfe".as_slice(),
            value.as_bytes(),
            b"\r\n",
        ]
        .concat(),
        format!("cookie2: portcullis={value}\r\n").into_bytes(),
        format!("x-cookie: portcullis={value}\r\n").into_bytes(),
        format!("set-cookie: portcullis={value}\r\n").into_bytes(),
    ] {
        let request = [head.as_bytes(), &lines, b"\r\n"].concat();
        assert_eq!(
            gateway.exchange(request).await.unwrap().status,
            401,
            "{}",
            String::from_utf8_lossy(&lines)
        );
    }
    // A header of more than the limit is not even read.
    let huge = format!(
        "{head}cookie: {}portcullis={value}\r\n\r\n",
        "a=1; ".repeat(20_000)
    );
    let answer = gateway.exchange(huge).await;
    // Whoever still sends when the connection is closed may miss the answer.
    assert!(answer.is_none_or(|answer| answer.status == 431));
    upstream.saw_nothing();
    assert!(
        is_signed_in(&gateway, &cookie).await,
        "nothing of this has ended the session"
    );
}

#[tokio::test]
async fn an_id_that_a_browser_brings_along_is_never_the_one_it_gets() {
    let upstream = Upstream::start();
    let gateway = gateway()
        .route("/", &upstream)
        .user("alice")
        .user("bob")
        .start()
        .await;
    let sign_in = async |user: &str, cookie: &str| {
        let answer = gateway
            .post("/.auth/login")
            .header("cookie", cookie)
            .json(&serde_json::json!({ "username": user, "password": PASSWORD }))
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 200);
        let cookie = answer.headers()["set-cookie"].to_str().unwrap();
        cookie.split(';').next().unwrap().to_owned()
    };
    // Chosen by somebody else, before anybody has signed in.
    let planted = format!("portcullis={}", "A".repeat(43));
    let first = sign_in("alice", &planted).await;
    assert_ne!(first, planted);
    assert!(!is_signed_in(&gateway, &planted).await);

    // Signing in again gives a new id, and the browser's old session is over, whoever's it was.
    let second = sign_in("alice", &first).await;
    assert_ne!(second, first);
    assert!(!is_signed_in(&gateway, &first).await);
    let third = sign_in("bob", &second).await;
    assert!(!is_signed_in(&gateway, &second).await);
    assert!(is_signed_in(&gateway, &third).await);
    assert_eq!(gateway.sessions(), 1);

    // An attempt that fails ends nothing.
    let failed = gateway
        .post("/.auth/login")
        .header("cookie", &third)
        .json(&serde_json::json!({ "username": "bob", "password": "wrong" }));
    assert_eq!(failed.send().await.unwrap().status(), 401);
    assert!(is_signed_in(&gateway, &third).await);
}

#[tokio::test]
async fn opening_the_login_page_while_signed_in_changes_nothing() {
    let upstream = Upstream::start();
    let gateway = gateway().route("/", &upstream).user("alice").start().await;
    let cookie = gateway.sign_in("alice").await;
    let page = gateway
        .get("/.auth/login")
        .header("cookie", &cookie)
        .send()
        .await
        .unwrap();
    assert_eq!(page.status(), 200);
    let cookies: Vec<_> = page.headers().get_all("set-cookie").iter().collect();
    assert!(
        cookies
            .iter()
            .all(|cookie| cookie.to_str().unwrap().starts_with("portcullis-form=")),
        "{cookies:?}"
    );
    assert!(is_signed_in(&gateway, &cookie).await);
}
