//! The Content-Security-Policy of the gateway's own pages: they keep it, and the browser holds everybody else to it.

use crate::harness::{Chromium, PASSWORD, Upstream, free_port, gateway};

#[tokio::test]
async fn the_pages_keep_their_own_policy() {
    let upstream = Upstream::start();
    let gateway = gateway()
        .route_with("/staff", &upstream, "access = { roles = [\"staff\"] }")
        .route("/down", &*format!("http://127.0.0.1:{}", free_port()))
        .user("bob")
        .tls()
        .start()
        .await;
    let chromium = Chromium::start().await;
    let url = |path: &str| format!("{}{path}", gateway.base);

    chromium.open(&url("/staff")).await;
    chromium.sign_in("bob", "wrong").await;
    chromium.find("#message").await;
    chromium.type_into("#password", PASSWORD).await;
    chromium.follow("button").await;
    chromium.sees("h1", "You may not open this page").await;
    for path in ["/nowhere", "/down", "/.auth/logout"] {
        chromium.open(&url(path)).await;
        chromium.find("h1").await;
    }
    chromium.follow("button").await;
    chromium.find("#message").await;
    assert_eq!(chromium.complaints().await, [""; 0]);
    // The stylesheet was let through by its hash.
    assert_eq!(
        chromium.find("main").await.css_value("max-width").await.unwrap(),
        "400px"
    );
    upstream.saw_nothing();
}

#[tokio::test]
async fn whatever_gets_into_a_page_does_nothing() {
    let upstream = Upstream::start();
    let gateway = gateway().public("/planted", &upstream).tls().start().await;
    let chromium = Chromium::start().await;
    for (planted, directive) in [
        ("<script>window.ran = true</script>", "script-src-elem"),
        ("<script src=/planted></script>", "script-src-elem"),
        (
            "<script type=module>window.ran = true</script>",
            "script-src-elem",
        ),
        (
            "<img src='data:,' onerror='window.ran = true'>",
            "script-src-attr",
        ),
        (
            "<details open ontoggle='window.ran = true'></details>",
            "script-src-attr",
        ),
        (
            "<a id=planted href='javascript:window.ran = true'>",
            "script-src-elem",
        ),
        ("<style>main { display: none }</style>", "style-src-elem"),
        ("<p style='position: fixed'>", "style-src-attr"),
        ("<link rel=stylesheet href=/planted>", "style-src-elem"),
        ("<img src=/planted>", "img-src"),
        ("<iframe src=/planted></iframe>", "frame-src"),
        ("<object data=/planted></object>", "object-src"),
        ("<embed src=/planted>", "object-src"),
        ("<video src=/planted></video>", "media-src"),
        ("<base href='https://elsewhere.invalid/'>", "base-uri"),
        (
            "<form id=planted action='https://elsewhere.invalid/'>",
            "form-action",
        ),
    ] {
        chromium.open(&format!("{}/.auth/login", gateway.base)).await;
        let script = format!(
            "const done = arguments[arguments.length - 1];
            document.addEventListener('securitypolicyviolation', event => done(event.effectiveDirective));
            document.body.append(document.createRange().createContextualFragment({planted:?}));
            document.querySelector('form#planted')?.submit();
            document.querySelector('a#planted')?.click();"
        );
        let violated = chromium.evaluate_async(&script).await;
        assert_eq!(violated, directive, "{planted}");
        assert_eq!(
            chromium.evaluate("return window.ran").await,
            serde_json::Value::Null,
            "{planted}"
        );
        assert_eq!(chromium.location().await, "/.auth/login", "{planted}");
        chromium.find("main").await;
    }
    upstream.saw_nothing();
}

#[tokio::test]
async fn no_page_can_frame_the_login_page() {
    let upstream = Upstream::start();
    let gateway = gateway().route("/", &upstream).tls().start().await;
    let chromium = Chromium::start().await;
    for path in ["/.auth/login", "/", "/.auth/logout"] {
        let address = format!("{}{path}", gateway.base);
        let framing = Upstream::answering(move |_| {
            let page = format!("<!doctype html><title>Framing</title><iframe src='{address}'></iframe>");
            let length = page.len();
            format!("HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: {length}\r\n\r\n{page}")
                .into()
        });
        chromium.open(&framing.url()).await;
        chromium.complains("frame-ancestors 'none'").await;
    }
    upstream.saw_nothing();
}
