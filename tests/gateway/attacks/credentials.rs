//! Credentials that are malformed, doubled, borrowed or over.

use super::head;
use crate::harness::{PASSWORD, Upstream, gateway};

#[tokio::test]
async fn a_malformed_or_doubled_session_cookie_is_nobodys() {
    let upstream = Upstream::start();
    let gateway = gateway().route("/", &upstream).user("alice").start().await;
    let cookie = gateway.sign_in("alice").await;
    let value = cookie.strip_prefix("portcullis=").unwrap();
    let (short, other_case) = (&value[1..], value.to_ascii_lowercase());
    let other_first = if value.starts_with('A') { 'B' } else { 'A' };
    let long = "A".repeat(8192);
    let many = "a=1; ".repeat(1000);
    for cookies in [
        &[][..],
        &[""],
        &["="],
        &[";;;"],
        &["portcullis"],
        &["portcullis="],
        &["portcullis=%00"],
        &["portcullis=\u{fffd}\u{e9}"],
        &[&format!("portcullis={long}")],
        &[&format!("portcullis={short}")],
        &[&format!("portcullis={value}A")],
        &[&format!("portcullis={other_first}{short}")],
        &[&format!("portcullis={value}=")],
        &[&format!("portcullis={other_case}")],
        &[&format!("portcullis=\"{value}\"")],
        &[&format!("portcullis={value},a=1")],
        &[&format!("portcullis={} {}", &value[..20], &value[20..])],
        &[&format!("portcullis=%{:02x}{short}", value.as_bytes()[0])],
        &[&format!("={value}")],
        &[value],
        &[&format!("Portcullis={value}")],
        &[&format!("PORTCULLIS={value}")],
        &[&format!("__Host-portcullis={value}")],
        &[&format!("portcullis-form={value}")],
        &[&format!("xportcullis={value}")],
        &[&format!("a=portcullis={value}")],
        &[&format!("portcullis.0={short}; portcullis.1=A")],
        // Twice: whoever plants one beside the other does not choose which of them counts.
        &[&format!("{cookie}; portcullis=garbage")],
        &[&format!("portcullis=garbage; {cookie}")],
        &[&format!("{cookie}; {cookie}")],
        &[&format!("{cookie};{cookie}")],
        &[&format!("{cookie}; portcullis=")],
        &[&format!("portcullis =; {cookie}")],
        &[&format!("{many}{cookie}; {cookie}")],
        &[&cookie, &cookie],
        &[&cookie, "portcullis=garbage"],
        &["portcullis=garbage", &cookie],
    ] {
        let cookies: Vec<String> = cookies.iter().map(|cookie| format!("Cookie: {cookie}")).collect();
        let mut fields: Vec<&str> = cookies.iter().map(String::as_str).collect();
        let answer = gateway.exchange(head("GET /", &fields)).await.unwrap();
        assert_eq!(answer.status, 401, "{fields:?}: {}", answer.head);
        fields.push("Sec-Fetch-Mode: navigate");
        let answer = gateway.exchange(head("GET /", &fields)).await.unwrap();
        assert_eq!(answer.status, 303, "{fields:?}: {}", answer.head);
        assert_eq!(answer.header("location"), ["/.auth/login?return_to=/"]);
    }
    upstream.saw_nothing();

    // And the control: as it was given, among others, in any spelling of the header's name.
    for field in ["Cookie", "cookie", "COOKIE", "cOOKIE"] {
        let field = format!("{field}: a=1; {cookie}; b=2");
        assert_eq!(
            gateway.exchange(head("GET /", &[&field])).await.unwrap().status,
            200,
            "{field}"
        );
    }
}

#[tokio::test]
async fn the_authorization_header_has_one_grammar() {
    let upstream = Upstream::start();
    let gateway = gateway().route("/", &upstream).user("alice").start().await;
    let token = gateway.token("alice").await;
    let [jose, claims, signature] = token.split('.').collect::<Vec<_>>().try_into().unwrap();
    let dots = ".".repeat(30_000);
    let quoted = |error: &str| format!(", error=\"{error}\"");
    for (fields, error) in [
        // Shown as a bearer token, and none.
        (&["Authorization: Bearer"][..], "invalid_token"),
        (&["Authorization: Bearer "], "invalid_token"),
        (&["Authorization: Bearer x"], "invalid_token"),
        (&["Authorization: bearer x"], "invalid_token"),
        (&[&format!("Authorization: Bearer\t{token}")], "invalid_token"),
        (&[&format!("Authorization: Bearer \t{token}")], "invalid_token"),
        (&[&format!("Authorization: Bearer: {token}")], "invalid_token"),
        (&[&format!("Authorization: Bearer={token}")], "invalid_token"),
        (&[&format!("Authorization: Bearer \"{token}\"")], "invalid_token"),
        (
            &[&format!("Authorization: Bearer {token}, Basic eDp5")],
            "invalid_token",
        ),
        (&[&format!("Authorization: Bearer {token},")], "invalid_token"),
        (
            &[&format!("Authorization: Bearer {token} {token}")],
            "invalid_token",
        ),
        (
            &[&format!("Authorization: Bearer token={token}")],
            "invalid_token",
        ),
        (
            &[&format!("Authorization: Bearer {jose}.{claims}.")],
            "invalid_token",
        ),
        (
            &[&format!("Authorization: Bearer {jose}.{claims}")],
            "invalid_token",
        ),
        (
            &[&format!("Authorization: Bearer {jose}.{claims}.{signature}.")],
            "invalid_token",
        ),
        (&[&format!("Authorization: Bearer .{token}")], "invalid_token"),
        (
            &[&format!(
                "Authorization: Bearer {jose}.{claims}.{}A",
                &signature[1..]
            )],
            "invalid_token",
        ),
        (
            &[&format!("Authorization: Bearer eyJhbGciOiJub25lIn0.{claims}.")],
            "invalid_token",
        ),
        (&[&format!("Authorization: Bearer {dots}")], "invalid_token"),
        (&["Authorization: Bearer \u{e9}"], "invalid_token"),
        // Another scheme, or another place: nobody's business here.
        (&["Authorization:"], ""),
        (&["Authorization: "], ""),
        (&[&format!("Authorization: {token}")], ""),
        (&[&format!("Authorization: BearerX {token}")], ""),
        (&[&format!("Authorization: Bearer{token}")], ""),
        (&[&format!("Authorization: Token {token}")], ""),
        (&[&format!("Authorization: JWT {token}")], ""),
        (&[&format!("Authorization: Basic, Bearer {token}")], ""),
        (
            &["Authorization: Basic YWxpY2U6Y29ycmVjdCBob3JzZSBiYXR0ZXJ5IHN0YXBsZQ=="],
            "",
        ),
        (&["Authorization: Digest username=\"alice\""], ""),
        (&["Authorization: Negotiate YWxpY2U="], ""),
        (&[&format!("Proxy-Authorization: Bearer {token}")], ""),
        (&[&format!("X-Authorization: Bearer {token}")], ""),
        (&[&format!("X_Authorization: Bearer {token}")], ""),
        (&[&format!("X-Access-Token: {token}")], ""),
        (&[&format!("Cookie: portcullis={token}")], ""),
        (&[&format!("Cookie: access_token={token}")], ""),
    ] {
        let answer = gateway.exchange(head("GET /", fields)).await.unwrap();
        assert_eq!(answer.status, 401, "{fields:?}: {}", answer.head);
        let challenge = answer.header("www-authenticate").join("|");
        assert!(
            challenge.starts_with("Bearer realm=\"portcullis\""),
            "{challenge}"
        );
        assert_eq!(
            challenge.contains("error="),
            !error.is_empty(),
            "{fields:?}: {challenge}"
        );
        assert!(
            error.is_empty() || challenge.contains(&quoted(error)),
            "{challenge}"
        );
    }
    for query in ["token", "access_token", "authorization", "bearer"] {
        let line = format!("GET /?{query}={token}");
        assert_eq!(
            gateway.exchange(head(line, &[])).await.unwrap().status,
            401,
            "{query}"
        );
    }
    // Two of them: which one counts is anybody's guess, so neither does, whatever stands in them.
    let valid = format!("Authorization: Bearer {token}");
    for other in [
        &valid,
        "authorization: Bearer x",
        "Authorization: Basic eDp5",
        "Authorization:",
    ] {
        for fields in [[&valid, other], [other, &valid]] {
            let answer = gateway.exchange(head("GET /", &fields)).await.unwrap();
            assert_eq!(answer.status, 400, "{fields:?}: {}", answer.head);
        }
    }
    upstream.saw_nothing();

    // And the control: the scheme in any case, the name in any case.
    for field in [
        format!("Authorization: Bearer {token}"),
        format!("authorization: bearer {token}"),
        format!("AUTHORIZATION: BEARER {token}"),
        format!("aUTHORIZATION:\tBearer  {token}\t"),
    ] {
        assert_eq!(
            gateway.exchange(head("GET /", &[&field])).await.unwrap().status,
            200,
            "{field}"
        );
    }
}

#[tokio::test]
async fn a_session_that_is_over_or_unknown_is_never_a_half_open_door() {
    let upstream = Upstream::start();
    let gateway = gateway()
        .route("/", &upstream)
        .route_with("/optional", &upstream, "access = \"optional\"")
        .user("alice")
        .start()
        .await;
    let mut over = Vec::new();
    for everywhere in ["", "everywhere=1"] {
        let cookie = gateway.sign_in("alice").await;
        let out = gateway
            .post("/.auth/logout")
            .header("cookie", &cookie)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(everywhere);
        assert_eq!(out.send().await.unwrap().status(), 303);
        over.push(cookie);
    }
    let replaced = gateway.sign_in("alice").await;
    let again = serde_json::json!({ "username": "alice", "password": PASSWORD });
    let again = gateway
        .post("/.auth/login")
        .header("cookie", &replaced)
        .json(&again);
    assert_eq!(again.send().await.unwrap().status(), 200);
    over.push(replaced);
    over.push(format!("portcullis={}", "A".repeat(43)));
    for cookie in over {
        let field = format!("Cookie: {cookie}");
        for line in ["GET /", "POST /", "GET /.auth/me"] {
            let answer = gateway.exchange(head(line, &[&field])).await.unwrap();
            assert_eq!(answer.status, 401, "{line}: {}", answer.head);
        }
        upstream.saw_nothing();
        let answer = gateway.exchange(head("GET /optional", &[&field])).await.unwrap();
        assert_eq!(answer.status, 200);
        assert!(
            upstream.only().header("remote-user").is_empty(),
            "nobody is signed in"
        );
        upstream.forget();
    }
}

#[tokio::test]
async fn a_disabled_user_gets_in_by_no_way() {
    let upstream = Upstream::start();
    let gateway = gateway()
        .route("/", &upstream)
        .user("alice")
        .user("bob")
        .tls()
        .start()
        .await;
    let cookie = gateway.sign_in("alice").await;
    let token = gateway.token("alice").await;
    let bobs = gateway.sign_in("bob").await;
    let browser = gateway.browser();
    browser.submit_login("/.auth/login", "alice", PASSWORD, &[]).await;
    assert_eq!(browser.navigate("/").await.status(), 200);
    upstream.forget();

    let file = gateway.folder().join("users.toml");
    let users = std::fs::read_to_string(&file).unwrap();
    let users = users.replace("name = \"alice\"", "name = \"alice\"\ndisabled = true");
    std::fs::write(&file, users).unwrap();
    gateway.sessions_become(1).await;

    let pair = serde_json::json!({ "username": "alice", "password": PASSWORD });
    let json = gateway.post("/.auth/login").json(&pair).send().await.unwrap();
    assert_eq!(json.status(), 401);
    let form = browser.submit_login("/.auth/login", "alice", PASSWORD, &[]).await;
    assert_eq!(form.status(), 401);
    assert!(!form.headers().contains_key("set-cookie"));
    let grant = [
        ("grant_type", "password"),
        ("username", "alice"),
        ("password", PASSWORD),
    ];
    let bought = gateway.post("/.auth/token").form(&grant).send().await.unwrap();
    assert_eq!(bought.status(), 400);
    for path in ["/", "/.auth/me"] {
        let by_cookie = gateway.get(path).header("cookie", &cookie).send().await.unwrap();
        assert_eq!(by_cookie.status(), 401, "{path}");
        let by_token = gateway.get(path).bearer_auth(&token).send().await.unwrap();
        assert_eq!(by_token.status(), 401, "{path}");
        let by_password = gateway
            .get(path)
            .basic_auth("alice", Some(PASSWORD))
            .send()
            .await
            .unwrap();
        assert_eq!(by_password.status(), 401, "{path}");
    }
    assert_eq!(browser.navigate("/").await.status(), 303);
    upstream.saw_nothing();

    let bob = gateway.get("/").header("cookie", &bobs).send().await.unwrap();
    assert_eq!(bob.status(), 200, "nobody else is touched");
}
