use super::*;

const PAYLOADS: [&str; 7] = [
    r#""><script>alert(1)</script>"#,
    "</title><script>alert(1)</script>",
    "</style><img src=x onerror=alert(1)>",
    "javascript:alert(1)",
    "' autofocus onfocus='alert(1)",
    "{{ 7*7 }} <b>&lt;",
    "//evil.example",
];

const MESSAGES: [LoginMessage; 10] = [
    LoginMessage::NotKept(NotKept::PlainHttp),
    LoginMessage::NotKept(NotKept::NoCookie),
    LoginMessage::NotKept(NotKept::TwoCookies),
    LoginMessage::NotKept(NotKept::NoSession),
    LoginMessage::NotKept(NotKept::TokensAlone),
    LoginMessage::WrongCredentials,
    LoginMessage::FormExpired,
    LoginMessage::Busy {
        retry_after_seconds: 90,
    },
    LoginMessage::Unavailable,
    LoginMessage::SignedOut,
];

/// Every kind of page, with `text` in each place that takes text.
fn pages_with(text: &str) -> Vec<Response<String>> {
    let login = |message| {
        LoginPage {
            title: text,
            username: text,
            return_to: text,
            csrf: text,
            offer_remember: true,
            message,
        }
        .into_response()
    };
    let refusal = |status, username, action| {
        RefusalPage {
            username,
            action,
            ..RefusalPage::new(status, text)
        }
        .into_response()
    };
    let mut pages = vec![login(None)];
    pages.extend(MESSAGES.map(|message| login(Some(message))));
    pages.push(
        LogoutPage {
            username: Some(text),
            return_to: text,
        }
        .into_response(),
    );
    pages.push(
        LogoutPage {
            username: None,
            return_to: text,
        }
        .into_response(),
    );
    for status in [400, 403, 404, 405, 413, 502, 503, 504] {
        let status = StatusCode::from_u16(status).unwrap();
        pages.push(refusal(status, None, None));
        pages.push(refusal(status, Some(text), Some((text, text))));
    }
    let own_words = RefusalPage {
        heading: text,
        explanation: text,
        ..RefusalPage::new(StatusCode::FORBIDDEN, text)
    };
    pages.push(own_words.into_response());
    pages
}

#[test]
fn what_a_user_supplies_never_becomes_markup() {
    let tags = |html: &str| html.matches('<').count();
    let harmless: Vec<usize> = pages_with("alice").iter().map(|page| tags(page.body())).collect();
    for payload in PAYLOADS {
        for (page, &expected) in pages_with(payload).iter().zip(&harmless) {
            let html = page.body();
            assert_eq!(tags(html), expected, "{payload} made a tag in\n{html}");
            assert!(!html.contains("<script"), "{html}");
            assert!(
                !html.contains(&format!("href=\"{payload}")),
                "{payload} became a link in\n{html}"
            );
            // Inside an attribute a quote has to be escaped as well.
            assert!(!html.contains("'alert(1)") && !html.contains(r#""">"#), "{html}");
        }
    }
}

#[test]
fn links_stay_on_this_host() {
    for (href, expected) in [
        ("/wiki?a=1", "/wiki?a=1"),
        ("", "/"),
        ("wiki", "/"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("/\t/evil.example", "/"),
        ("https://evil.example/", "/"),
        ("javascript:alert(1)", "/"),
        ("JaVaScRiPt:alert(1)", "/"),
        ("\u{1}/x", "/"),
    ] {
        assert_eq!(local_path(href), expected, "{href:?}");
    }
}

#[test]
fn the_policy_names_the_inlined_style_and_allows_nothing_inline() {
    for page in pages_with("alice") {
        let html = page.body();
        let style = html
            .split("<style>")
            .nth(1)
            .unwrap()
            .split("</style>")
            .next()
            .unwrap();
        let policy = page.headers()[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
        let hash = STANDARD.encode(Sha256::digest(style));
        assert!(
            policy.contains(&format!("style-src 'sha256-{hash}';")),
            "{policy}"
        );
        assert!(!policy.contains("unsafe"), "{policy}");
        assert!(policy.contains("frame-ancestors 'none'") && policy.starts_with("default-src 'none';"));
        assert_eq!(html.matches("<style").count(), 1);
        assert!(!html.contains(" style="), "an inline style would be blocked");
        for handler in [
            " onclick=",
            " onload=",
            " onerror=",
            " onfocus=",
            " onsubmit=",
            " onchange=",
        ] {
            assert!(!html.contains(handler), "{handler} in\n{html}");
        }
    }
}

#[test]
fn pages_load_nothing_from_elsewhere() {
    for page in pages_with("alice") {
        // The one URL is the name of the SVG vocabulary inside the icon; it is never fetched.
        let html = page.body().replacen("http://www.w3.org/2000/svg", "", 1);
        assert!(!html.contains("http:") && !html.contains("https:"), "{html}");
        for loader in [
            "<script", " src=", "@import", "url(", "<iframe", "<object", "<base",
        ] {
            assert!(!html.contains(loader), "{loader} in\n{html}");
        }
    }
}

#[test]
fn every_page_has_its_headers() {
    for page in pages_with("alice") {
        for (name, value) in [
            ("content-type", "text/html; charset=utf-8"),
            ("cache-control", "no-store"),
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "same-origin"),
            ("x-frame-options", "DENY"),
            ("cross-origin-opener-policy", "same-origin"),
            ("vary", "Cookie, Authorization, Accept"),
        ] {
            assert_eq!(page.headers()[name], value);
        }
    }
}

#[test]
fn every_page_is_accessible() {
    for page in pages_with("alice") {
        let html = page.body();
        for (part, times) in [
            ("<h1", 1),
            ("<main", 1),
            ("<title>", 1),
            (r#"<html lang="en">"#, 1),
        ] {
            assert_eq!(html.matches(part).count(), times, "{part} in\n{html}");
        }
        assert!(
            !html.contains("maximum-scale") && !html.contains("user-scalable"),
            "zoom stays possible"
        );
        for input in html
            .split("<input")
            .skip(1)
            .map(|rest| rest.split('>').next().unwrap())
        {
            if !input.contains(r#"type="hidden""#) {
                let id = input.split("id=\"").nth(1).unwrap().split('"').next().unwrap();
                assert!(html.contains(&format!(r#"for="{id}""#)), "no label for {id}");
            }
        }
    }
}

#[test]
fn a_login_message_chooses_status_role_and_words() {
    for (message, status, role, words) in [
        (
            LoginMessage::WrongCredentials,
            401,
            "alert",
            "User name or password is not right.",
        ),
        (LoginMessage::FormExpired, 403, "alert", "cookies are blocked"),
        (
            LoginMessage::NotKept(NotKept::PlainHttp),
            403,
            "alert",
            "over HTTPS alone",
        ),
        (
            LoginMessage::NotKept(NotKept::NoCookie),
            403,
            "alert",
            "allow cookies for this site",
        ),
        (
            LoginMessage::NotKept(NotKept::TwoCookies),
            403,
            "alert",
            "another cookie of the same name",
        ),
        (
            LoginMessage::NotKept(NotKept::NoSession),
            403,
            "alert",
            "not known here",
        ),
        (
            LoginMessage::NotKept(NotKept::TokensAlone),
            403,
            "alert",
            "for programs, which show a token",
        ),
        (
            LoginMessage::Busy {
                retry_after_seconds: 1,
            },
            503,
            "alert",
            "try again in 1 second.",
        ),
        (
            LoginMessage::Busy {
                retry_after_seconds: 61,
            },
            503,
            "alert",
            "try again in 2 minutes.",
        ),
        (
            LoginMessage::Busy {
                retry_after_seconds: 3600,
            },
            503,
            "alert",
            "try again in 1 hour.",
        ),
        (LoginMessage::Unavailable, 503, "alert", "does not work right now"),
        (LoginMessage::SignedOut, 200, "status", "You are signed out."),
    ] {
        let page = login("", Some(message));
        assert_eq!(page.status(), status);
        assert!(
            page.body().contains(&format!(r#"id="message" role="{role}">"#)),
            "{}",
            page.body()
        );
        assert!(page.body().contains(words), "{}", page.body());
        let tied = page.body().matches(r#"aria-describedby="message""#).count();
        assert_eq!(tied, if role == "alert" { 2 } else { 0 });
    }
    let busy = login(
        "",
        Some(LoginMessage::Busy {
            retry_after_seconds: 61,
        }),
    );
    assert_eq!(busy.headers()[header::RETRY_AFTER], "61");
}

#[test]
fn the_focus_is_where_typing_begins() {
    let focused = |html: &str| {
        let before = html
            .split(" autofocus")
            .next()
            .unwrap()
            .rsplit("<input")
            .next()
            .unwrap();
        before
            .split("name=\"")
            .nth(1)
            .unwrap()
            .split('"')
            .next()
            .unwrap()
            .to_owned()
    };
    assert_eq!(focused(login("", None).body()), "username");
    assert_eq!(focused(login("alice", None).body()), "password");
    assert_eq!(login("alice", None).body().matches(" autofocus").count(), 1);
}

#[test]
fn the_form_carries_what_was_given() {
    let html = login("alice", None).into_body();
    for part in [
        r#"<form method="post" action="/.auth/login">"#,
        r#"name="csrf" value="c5rf""#,
        r#"name="return_to" value="/wiki?a=1&#38;b=2""#,
        r#"name="username" type="text" value="alice" autocomplete="username""#,
        r#"name="password" type="password" autocomplete="current-password""#,
    ] {
        assert!(html.contains(part), "{part} missing in\n{html}");
    }
    assert!(!html.contains(r#"name="remember""#));
}

#[test]
fn a_403_says_who_you_are_and_offers_another_way_in() {
    let page = RefusalPage {
        username: Some("alice"),
        action: Some(("Sign in as somebody else", "/.auth/login?return_to=/x")),
        ..RefusalPage::new(StatusCode::FORBIDDEN, "r-1")
    };
    let html = page.into_response().into_body();
    for part in [
        r#"<b class="name">alice</b>"#,
        r#"href="/.auth/logout""#,
        r#"href="/.auth/login?return_to=/x">Sign in as somebody else"#,
        "r-1",
    ] {
        assert!(html.contains(part), "{part} missing in\n{html}");
    }
    let html = RefusalPage::new(StatusCode::NOT_FOUND, "r-2")
        .into_response()
        .into_body();
    assert!(
        !html.contains("Signed in as") && !html.contains("class=\"button\""),
        "{html}"
    );
}

fn login(username: &str, message: Option<LoginMessage>) -> Response<String> {
    LoginPage {
        title: "Sign in",
        username,
        return_to: "/wiki?a=1&b=2",
        csrf: "c5rf",
        offer_remember: false,
        message,
    }
    .into_response()
}
