//! Text that a client chose, on the gateway's own pages and in its headers: it stays text.

use super::{assert_guarded, header, set_cookies};
use crate::harness::{PASSWORD, Upstream, as_navigation, gateway, hidden_field};

const HOSTILE: &[&str] = &[
    "<script>alert(1)</script>",
    "\"><script>alert(1)</script>",
    "'><img src=x onerror=alert(1)>",
    "\" autofocus onfocus=alert(1) x=\"",
    "' onmouseover='alert(1)",
    "</style><script>alert(1)</script>",
    "</title><svg/onload=alert(1)>",
    "<!--",
    "javascript:alert(1)//",
    "{{7*7}}${7*7}<%= 7*7 %>",
    "&lt;script&gt;",
    "x\r\nset-cookie: x=1\r\n\r\n<script>alert(1)</script>",
    "\u{2028}<script>",
    "\u{202e}<script>",
    "+ADw-script+AD4-",
];

/// Holds that a page has nothing in it but what our templates put there: the same tags as the page without
/// anything hostile, and no handler.
#[track_caller]
fn assert_inert(page: &str, clean: &str, what: &str) {
    let tags = |page: &str| -> Vec<String> {
        let parts = page.split('<').skip(1);
        parts
            .map(|part| part.split([' ', '>', '/']).next().unwrap_or_default().to_owned())
            .collect()
    };
    assert_eq!(tags(page), tags(clean), "{what:?}\n{page}");
    assert_eq!(
        page.matches('"').count(),
        clean.matches('"').count(),
        "{what:?}\n{page}"
    );
}

#[tokio::test]
async fn what_is_typed_into_the_form_comes_back_as_text() {
    let upstream = Upstream::start();
    let gateway = gateway().route("/", &upstream).start().await;
    let browser = gateway.browser();
    let page_for = async |username: &str, return_to: &str, password: &str| {
        let page = browser.navigate("/.auth/login").await.text().await.unwrap();
        let csrf = hidden_field(&page, "csrf");
        let fields = [
            ("username", username),
            ("password", password),
            ("csrf", &csrf),
            ("return_to", return_to),
        ];
        let answer = browser.submit("/.auth/login", &fields).await;
        assert_eq!(answer.status(), 401);
        assert_guarded(answer.headers(), username);
        assert_eq!(header(&answer, "content-type"), "text/html; charset=utf-8");
        assert_eq!(set_cookies(&answer), Vec::<String>::new());
        answer.text().await.unwrap()
    };
    let clean = page_for("somebody", "/x", "x").await;
    for hostile in HOSTILE {
        assert_inert(&page_for(hostile, "/x", "x").await, &clean, hostile);
        assert_inert(&page_for("somebody", hostile, "x").await, &clean, hostile);
        assert_inert(
            &page_for("somebody", &format!("/{hostile}"), "x").await,
            &clean,
            hostile,
        );
        assert_inert(
            &page_for("somebody", &format!("/?{hostile}"), "x").await,
            &clean,
            hostile,
        );
        let page = page_for("somebody", "/x", hostile).await;
        assert_inert(&page, &clean, hostile);
        assert!(!page.contains("alert(1)"), "a password is never shown: {page}");
    }
    upstream.saw_nothing();
}

#[tokio::test]
async fn what_stands_in_the_address_or_the_headers_never_becomes_part_of_a_page() {
    let upstream = Upstream::start();
    let gateway = gateway()
        .route_with("/staff", &upstream, "access = { roles = [\"staff\"] }")
        .user("bob")
        .start()
        .await;
    let cookie = gateway.sign_in("bob").await;
    let mut clean = std::collections::HashMap::new();
    for hostile in ["x"].iter().chain(HOSTILE) {
        let query: String = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(
                ["return_to", "error", "message", "signed_out", "username", "title"]
                    .map(|name| (name, hostile)),
            )
            .finish();
        let in_path: String =
            form_urlencoded::byte_serialize(hostile.replace(['/', '\\', '\r', '\n'], "").as_bytes())
                .collect::<String>()
                .replace('+', "%20");
        for (path, status) in [
            (format!("/.auth/login?{query}"), 200),
            (format!("/.auth/logout?{query}"), 200),
            (format!("/.auth/{in_path}?{query}"), 404),
            (format!("/{in_path}?{query}"), 404),
            (format!("/staff/{in_path}?{query}"), 403),
            (format!("/%2f/{in_path}?{query}"), 400),
        ] {
            let request = as_navigation(gateway.get(&path)).header("cookie", &cookie);
            let request = match hostile.contains(['\r', '\u{2028}', '\u{202e}']) {
                true => request,
                false => request.header("referer", *hostile).header("user-agent", *hostile),
            };
            let answer = request.send().await.unwrap();
            assert_eq!(answer.status(), status, "{path}");
            assert_guarded(answer.headers(), &path);
            let page = answer.text().await.unwrap();
            assert!(
                !page.contains("alert(1)") || path.starts_with("/.auth/login"),
                "{path}\n{page}"
            );
            let kind = (
                path.split('?').next().unwrap().starts_with("/.auth/lo"),
                status,
                path.contains("logout?"),
            );
            let clean = clean.entry(kind).or_insert_with(|| page.clone());
            assert_inert(&page, clean, hostile);
        }
    }
    upstream.saw_nothing();
}

#[tokio::test]
async fn a_hostile_name_in_the_user_file_is_text_on_every_page() {
    let upstream = Upstream::start();
    let name = "<b onclick=alert(1)>\"'&amp;";
    let gateway = gateway()
        .route_with("/", &upstream, "access = { roles = [\"staff\"] }")
        .user(name)
        .start()
        .await;
    let browser = gateway.browser();
    assert_eq!(
        browser
            .submit_login("/.auth/login", name, PASSWORD, &[])
            .await
            .status(),
        303
    );
    for path in ["/.auth/logout", "/"] {
        let page = browser.navigate(path).await.text().await.unwrap();
        assert!(
            page.contains("<b class=\"name\">&#60;b onclick=alert(1)&#62;&#34;&#39;&#38;amp;</b>"),
            "{page}"
        );
        assert!(!page.contains("<b onclick"), "{page}");
    }
    let me: serde_json::Value = browser.navigate("/.auth/me").await.json().await.unwrap();
    assert_eq!(me["username"], name);
    upstream.saw_nothing();
}
