//! The way back after signing in, which leads nowhere but to this host.

use super::{header, set_cookies};
use crate::harness::{PASSWORD, Upstream, gateway, hidden_field};

/// Ways out that some browser or other would take, or a server behind would.
fn ways_out() -> Vec<String> {
    let plain = [
        "//evil.com",
        "///evil.com",
        "////evil.com/%2e%2e",
        "//evil.com/%2f..",
        "//evil.com@localhost/",
        "//localhost@evil.com/",
        "//%2f@evil.com",
        "/\\evil.com",
        "/\\/evil.com",
        "\\/evil.com",
        "\\\\evil.com",
        "\\evil.com",
        "/\t/evil.com",
        "/\n/evil.com",
        "/\r\n/evil.com",
        "/\u{b}/evil.com",
        "/\u{c}/evil.com",
        "/\0/evil.com",
        "/ /evil.com",
        "/ \\evil.com",
        " //evil.com",
        "\t//evil.com",
        "/\u{a0}/evil.com",
        "/\u{2028}/evil.com",
        "/\u{ff0f}evil.com",
        "/%09/evil.com",
        "/%0a/evil.com",
        "/%0d%0aset-cookie:x=1",
        "/%0b/evil.com",
        "/%00/evil.com",
        "/%20\r\nset-cookie:x=1",
        "/%2f/evil.com",
        "/%2f%2fevil.com",
        "/%2F%2Fevil.com",
        "/%5cevil.com",
        "/%5C%5Cevil.com",
        "/./\\evil.com",
        "/.//evil.com",
        "/./../../\\evil.com",
        "/..//evil.com",
        "/../evil.com",
        "/%2e%2e//evil.com",
        "/.%2e/evil.com",
        "/%252e%252e/evil.com",
        "/..;/evil.com",
        "/a/..//evil.com",
        "http:evil.com",
        "http:/evil.com",
        "http://evil.com",
        "https:evil.com",
        "https:///evil.com",
        "https://evil.com",
        "HTTPS://EVIL.COM",
        "https:\\\\evil.com",
        "https://localhost@evil.com/",
        "https://localhost.evil.com/",
        "https://evil-localhost/",
        "https://evil.com#localhost",
        "https://evil.com?localhost",
        "http://localhost",
        "ftp://evil.com",
        "ws://evil.com",
        "javascript:alert(1)",
        "JavaScript://%0aalert(1)",
        "java\tscript:alert(1)",
        "data:text/html,<script>alert(1)</script>",
        "vbscript:x",
        "blob:x",
        "evil.com",
        "@evil.com",
        ":80",
        "?x",
        "#x",
        "~/x",
        "",
        "/caf\u{e9}",
        "/%",
        "/%zz",
        // Signing in would lead back to signing in, or out again.
        "/.auth/login",
        "/.auth/logout",
        "/.auth",
        "//.auth/logout",
        "/%2eauth/logout",
        "/.auth;x/logout",
    ];
    let mut all: Vec<String> = plain.iter().map(|way| (*way).to_owned()).collect();
    all.push(format!("/{}", "a".repeat(4096)));
    all
}

const WAYS_BACK: &[&str] = &[
    "/",
    "/app",
    "/app/?a=1&b=2",
    "/a//b",
    "/a;x=y/b",
    "/caf%C3%A9",
    "/a?next=https://other.example.com/",
    "/a?x=//evil.com",
    "/a#top",
    "/.authx",
    "/.auth/account",
    "/.well-known/x",
];

#[tokio::test]
async fn signing_in_leads_back_to_a_page_of_this_host_and_nowhere_else() {
    let upstream = Upstream::start();
    let gateway = gateway().route("/", &upstream).user("alice").start().await;
    let ways_out = ways_out();
    let out = ways_out.iter().map(|way| (way.as_str(), "/"));
    let back = WAYS_BACK.iter().map(|way| (*way, *way));
    let browser = gateway.browser();
    for (wanted, leads_to) in out.chain(back) {
        // Asked for in the address: the page does not repeat a way out.
        let query: String = form_urlencoded::Serializer::new(String::new())
            .append_pair("return_to", wanted)
            .finish();
        let page = browser
            .navigate(&format!("/.auth/login?{query}"))
            .await
            .text()
            .await
            .unwrap();
        assert_eq!(hidden_field(&page, "return_to"), leads_to, "{wanted:?}");

        // Put into the form itself.
        let csrf = hidden_field(&page, "csrf");
        let fields = [
            ("username", "alice"),
            ("password", PASSWORD),
            ("csrf", &csrf),
            ("return_to", wanted),
        ];
        let answer = browser.submit("/.auth/login", &fields).await;
        assert_eq!(answer.status(), 303, "{wanted:?}");
        assert_eq!(header(&answer, "location"), leads_to, "{wanted:?}");
        assert!(
            set_cookies(&answer).iter().all(
                |cookie| cookie.starts_with("portcullis=") || cookie.starts_with("portcullis-signed-in=")
            ),
            "{wanted:?}"
        );

        // Nor does a page that comes back after a wrong password repeat one.
        let fields = [
            ("username", "alice"),
            ("password", "wrong"),
            ("csrf", &csrf),
            ("return_to", wanted),
        ];
        let page = browser
            .submit("/.auth/login", &fields)
            .await
            .text()
            .await
            .unwrap();
        assert_eq!(hidden_field(&page, "return_to"), leads_to, "{wanted:?}");
    }
    upstream.saw_nothing();
}

#[tokio::test]
async fn other_names_for_the_way_back_are_not_known() {
    let upstream = Upstream::start();
    let gateway = gateway().route("/", &upstream).user("alice").start().await;
    let browser = gateway.browser();
    for name in [
        "rd",
        "next",
        "redirect",
        "redirect_uri",
        "url",
        "continue",
        "RETURN_TO",
        "return_to[]",
    ] {
        let login = format!("/.auth/login?{name}=https://evil.com");
        let answer = browser
            .submit_login(&login, "alice", PASSWORD, &[(name, "https://evil.com")])
            .await;
        assert_eq!(
            (answer.status().as_u16(), header(&answer, "location")),
            (303, "/"),
            "{name}"
        );
        let answer = browser
            .submit(
                &format!("/.auth/logout?{name}=https://evil.com"),
                &[(name, "//evil.com")],
            )
            .await;
        assert_eq!(header(&answer, "location"), "/.auth/login?signed_out=1", "{name}");
    }
    for wanted in ways_out() {
        let answer = browser.submit("/.auth/logout", &[("return_to", &wanted)]).await;
        assert_eq!(
            header(&answer, "location"),
            "/.auth/login?signed_out=1",
            "{wanted:?}"
        );
    }
    upstream.saw_nothing();
}

#[tokio::test]
async fn the_way_to_the_login_page_carries_whatever_was_asked_for_without_being_led_astray() {
    let upstream = Upstream::start();
    let gateway = gateway().route("/", &upstream).start().await;
    for (target, return_to) in [
        ("//evil.com/x", "//evil.com/x"),
        (
            "/a?u=//evil.com&b=%0d%0aset-cookie:x",
            "/a%3Fu%3D//evil.com%26b%3D%250d%250aset-cookie%3Ax",
        ),
        ("/a?x=%3Cscript%3E%22'", "/a%3Fx%3D%253Cscript%253E%2522%27"),
        ("/a;b=c", "/a%3Bb%3Dc"),
    ] {
        for host in ["localhost", "evil.com"] {
            let request = format!(
                "GET {target} HTTP/1.1\r\nhost: {host}\r\naccept: text/html\r\nx-forwarded-host: evil.com\r\n\
                 x-forwarded-prefix: //evil.com\r\nx-forwarded-proto: javascript\r\nforwarded: host=evil.com\r\n\
                 referer: https://evil.com/\r\n\r\n"
            );
            let answer = gateway.exchange(request).await.unwrap();
            assert_eq!(answer.status, 303, "{target}");
            assert_eq!(
                answer.header("location"),
                [format!("/.auth/login?return_to={return_to}")],
                "{target}"
            );
            assert!(answer.header("set-cookie").is_empty(), "{target}");
        }
    }
    // What the login page would not keep is not sent to it: encoded, it would be three times as long.
    for (length, location) in [
        (4096, format!("/.auth/login?return_to=/{}", "%21".repeat(4095))),
        (4097, "/.auth/login".to_owned()),
    ] {
        let target = format!("/{}", "!".repeat(length - 1));
        let request = format!("GET {target} HTTP/1.1\r\nhost: x\r\naccept: text/html\r\n\r\n");
        let answer = gateway.exchange(request).await.unwrap();
        assert_eq!(answer.header("location"), [location], "{length}");
    }
    upstream.saw_nothing();
}
