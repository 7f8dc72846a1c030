//! What pages of other sites can make a browser do here: nothing.

use super::{header, set_cookies};
use crate::harness::{Gateway, PASSWORD, Upstream, gateway, hidden_field};

const PUBLIC: &str = "public_url = \"https://app.example.com\"";

/// Headers of a write to `https://app.example.com`, and whether one of its own pages may have sent it, or none.
pub const SENDERS: &[(&[(&str, &str)], bool)] = &[
    (&[], true),
    (&[("sec-fetch-site", "same-origin")], true),
    (&[("sec-fetch-site", "none")], true),
    (&[("sec-fetch-site", "cross-site")], false),
    (&[("sec-fetch-site", "same-site")], false),
    (&[("sec-fetch-site", "Same-Origin")], false),
    (&[("sec-fetch-site", "")], false),
    (
        &[
            ("sec-fetch-site", "cross-site"),
            ("origin", "https://app.example.com"),
        ],
        false,
    ),
    (&[("origin", "https://app.example.com")], true),
    (&[("origin", "https://APP.example.com:443")], true),
    (&[("origin", "http://app.example.com")], false),
    (&[("origin", "https://app.example.com:8443")], false),
    (&[("origin", "https://evil.com")], false),
    (&[("origin", "https://other.example.com")], false),
    (&[("origin", "https://app.example.com.evil.com")], false),
    (&[("origin", "https://evil-app.example.com")], false),
    (&[("origin", "https://app.example.com@evil.com")], false),
    (&[("origin", "https://evil.com/https://app.example.com")], false),
    (&[("origin", "null")], false),
    (&[("origin", "")], false),
    (&[("origin", "app.example.com")], false),
    (
        &[
            ("origin", "https://evil.com"),
            ("referer", "https://app.example.com/"),
        ],
        false,
    ),
    (
        &[("origin", "null"), ("referer", "https://app.example.com/")],
        false,
    ),
    (
        &[("referer", "https://app.example.com/.auth/login?return_to=/x")],
        true,
    ),
    (&[("referer", "http://app.example.com/")], false),
    (&[("referer", "https://evil.com/https://app.example.com/")], false),
    (&[("referer", "https://app.example.com.evil.com/")], false),
    (&[("referer", "about:blank")], false),
];

fn post(gateway: &Gateway, path: &str, headers: &[(&str, &str)]) -> reqwest::RequestBuilder {
    let request = gateway.post(path).header("host", "app.example.com");
    headers
        .iter()
        .fold(request, |request, (name, value)| request.header(*name, *value))
}

/// The cookie of a browser that has the login page open, and the page's token.
async fn open_form(gateway: &Gateway) -> (String, String) {
    let page = gateway.get("/.auth/login").send().await.unwrap();
    let cookie = set_cookies(&page)[0].split(';').next().unwrap().to_owned();
    (cookie, hidden_field(&page.text().await.unwrap(), "csrf"))
}

#[tokio::test]
async fn no_page_of_another_origin_signs_anybody_in() {
    let upstream = Upstream::start();
    let gateway = gateway()
        .server(PUBLIC)
        .route("/", &upstream)
        .user("alice")
        .start()
        .await;
    let (cookie, csrf) = open_form(&gateway).await;
    let form = [("username", "alice"), ("password", PASSWORD), ("csrf", &csrf)];
    let json = serde_json::json!({ "username": "alice", "password": PASSWORD, "grant_type": "password" });
    for (headers, ours) in SENDERS {
        let mut computed = gateway.hashes_computed();
        for (request, good) in [
            // Even where the form's token and cookie were right.
            (
                post(&gateway, "/.auth/login", headers)
                    .header("cookie", &cookie)
                    .form(&form),
                303,
            ),
            (post(&gateway, "/.auth/login", headers).json(&json), 200),
            (post(&gateway, "/.auth/token", headers).json(&json), 200),
        ] {
            let answer = request.send().await.unwrap();
            assert_eq!(answer.status(), if *ours { good } else { 403 }, "{headers:?}");
            if !ours {
                assert_eq!(set_cookies(&answer), Vec::<String>::new(), "{headers:?}");
                assert_eq!(
                    gateway.hashes_computed(),
                    computed,
                    "no password is looked at: {headers:?}"
                );
            }
            computed = gateway.hashes_computed();
        }
    }
    upstream.saw_nothing();
}

#[tokio::test]
async fn no_page_of_another_origin_signs_anybody_out() {
    let upstream = Upstream::start();
    let gateway = gateway()
        .server(PUBLIC)
        .route("/", &upstream)
        .user("alice")
        .start()
        .await;
    for (headers, ours) in SENDERS {
        let session = gateway.sign_in("alice").await;
        let before = gateway.sessions();
        let answer = post(&gateway, "/.auth/logout", headers)
            .header("cookie", &session)
            .form(&[("everywhere", "1")])
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), if *ours { 303 } else { 403 }, "{headers:?}");
        assert_eq!(gateway.sessions(), if *ours { 0 } else { before }, "{headers:?}");
        assert_eq!(set_cookies(&answer).is_empty(), !ours, "{headers:?}");
    }
    upstream.saw_nothing();
}

#[tokio::test]
async fn a_form_is_taken_from_the_browser_it_was_shown_to_and_from_no_other() {
    let upstream = Upstream::start();
    let gateway = gateway()
        .server(PUBLIC)
        .route("/", &upstream)
        .user("alice")
        .standing_clock()
        .start()
        .await;
    let (mine, my_token) = open_form(&gateway).await;
    let (other, other_token) = open_form(&gateway).await;
    let both = format!("{mine}; {other}");
    let twice = format!("{mine}; {mine}");
    let planted = "__Host-portcullis-form=AAAAAAAAAAAAAAAAAAAAAA";
    let send = async |cookie: &str, csrf: Option<&str>| {
        let mut fields = vec![
            ("username", "alice"),
            ("password", PASSWORD),
            ("return_to", "/app"),
        ];
        fields.extend(csrf.map(|csrf| ("csrf", csrf)));
        let request = post(&gateway, "/.auth/login", &[("sec-fetch-site", "same-origin")]);
        request
            .header("cookie", cookie)
            .form(&fields)
            .send()
            .await
            .unwrap()
    };
    let mut forged = my_token.clone();
    let last = if forged.pop() == Some('A') { 'B' } else { 'A' };
    forged.push(last);
    for (cookie, csrf) in [
        ("", None),
        ("", Some(&*my_token)),
        (&*mine, None),
        (&mine, Some("")),
        (&mine, Some("x")),
        (&mine, Some(&*other_token)),
        (&mine, Some(&*forged)),
        (&other, Some(&my_token)),
        (&both, Some(&my_token)),
        (&twice, Some(&my_token)),
        (planted, Some(&my_token)),
        ("portcullis-form=x", Some(&my_token)),
    ] {
        let answer = send(cookie, csrf).await;
        assert_eq!(answer.status(), 403, "{cookie} {csrf:?}");
        assert!(
            set_cookies(&answer)
                .iter()
                .all(|cookie| cookie.starts_with("__Host-portcullis-form="))
        );
        let page = answer.text().await.unwrap();
        assert!(page.contains("try again."), "{page}");
        assert_eq!(
            hidden_field(&page, "return_to"),
            "/app",
            "nothing typed is lost but the password"
        );
    }
    assert_eq!((gateway.sessions(), gateway.hashes_computed()), (0, 0));

    // Four hours is how long a form may lie open.
    gateway.advance(std::time::Duration::from_secs(4 * 3600 - 1));
    let answer = send(&mine, Some(&my_token)).await;
    assert_eq!(
        (answer.status().as_u16(), header(&answer, "location")),
        (303, "/app")
    );
    gateway.advance(std::time::Duration::from_secs(1));
    assert_eq!(send(&mine, Some(&my_token)).await.status(), 403);
    upstream.saw_nothing();
}
