//! `cookie_domain`: one sign-in for every host below a domain.

use serde_json::json;

use crate::harness::{Gateway, GatewayBuilder, PASSWORD, RawResponse, Upstream, gateway};

const WIKI: &str = "wiki.example.com";
const FILES: &str = "files.example.com";

/// A gateway that TLS ends in front of.
async fn started(builder: GatewayBuilder, domains: &str) -> Gateway {
    builder
        .server("public_url = \"https://wiki.example.com\"")
        .table(&format!("[session]\ncookie_domain = {domains}"))
        .user("alice")
        .start()
        .await
}

async fn ask(
    gateway: &Gateway,
    method: &str,
    host: &str,
    path: &str,
    fields: &str,
    body: &str,
) -> RawResponse {
    let length = body.len();
    let request =
        format!("{method} {path} HTTP/1.1\r\nhost: {host}\r\ncontent-length: {length}\r\n{fields}\r\n{body}");
    gateway.exchange(request).await.unwrap()
}

/// Signs alice in at a host; what the browser is told of cookies.
async fn sign_in(gateway: &Gateway, host: &str) -> Vec<String> {
    let pair = json!({ "username": "alice", "password": PASSWORD }).to_string();
    let answer = ask(
        gateway,
        "POST",
        host,
        "/.auth/login",
        "content-type: application/json\r\n",
        &pair,
    )
    .await;
    assert_eq!(answer.status, 200);
    set_cookies(&answer)
}

async fn sign_out(gateway: &Gateway, host: &str, cookie: &str) -> Vec<String> {
    let answer = ask(
        gateway,
        "POST",
        host,
        "/.auth/logout",
        &format!("cookie: {cookie}\r\n"),
        "",
    )
    .await;
    assert_eq!(answer.status, 204);
    set_cookies(&answer)
}

async fn status(gateway: &Gateway, method: &str, host: &str, fields: &str) -> u16 {
    ask(gateway, method, host, "/", fields, "").await.status
}

fn set_cookies(answer: &RawResponse) -> Vec<String> {
    answer
        .header("set-cookie")
        .iter()
        .map(ToString::to_string)
        .collect()
}

/// The cookie that a browser sends from then on: the last that it is given.
fn pair(cookies: &[String]) -> String {
    let last = cookies.last().unwrap();
    last.split(';').next().unwrap().to_owned()
}

/// Of each cookie whether it is set or ended, and for which domain.
fn told(cookies: &[String]) -> Vec<(bool, Option<&str>)> {
    // What marks a sign-in for half a minute is each host's own.
    let session = cookies.iter().filter(|cookie| !cookie.contains("-signed-in="));
    let told = session.map(|cookie| {
        assert!(cookie.starts_with("__Secure-portcullis="), "{cookie}");
        assert!(
            cookie.contains("; HttpOnly; SameSite=Lax; Secure; Path=/"),
            "{cookie}"
        );
        let domain = cookie
            .split("; ")
            .find_map(|attribute| attribute.strip_prefix("Domain="));
        (!cookie.contains("; Max-Age=0; Expires="), domain)
    });
    told.collect()
}

#[tokio::test]
async fn a_sign_in_and_a_sign_out_are_for_every_host_below_the_domain() {
    let upstream = Upstream::start();
    let gateway = started(gateway().route("/", &upstream), "\"example.com\"").await;
    for (here, there) in [
        (WIKI, FILES),
        (FILES, WIKI),
        ("example.com", "A.B.Example.com:443"),
    ] {
        let cookies = sign_in(&gateway, here).await;
        assert_eq!(told(&cookies), [(false, None), (true, Some("example.com"))]);
        let cookie = pair(&cookies);
        let sent = format!("cookie: {cookie}\r\n");
        for host in [here, there] {
            upstream.forget();
            assert_eq!(status(&gateway, "GET", host, &sent).await, 200);
            assert!(upstream.only().header("cookie").is_empty(), "no app sees it");
        }
        let ended = sign_out(&gateway, there, &cookie).await;
        assert_eq!(told(&ended), [(false, None), (false, Some("example.com"))]);
        for host in [here, there] {
            assert_eq!(status(&gateway, "GET", host, &sent).await, 401);
        }
    }
}

#[tokio::test]
async fn of_several_domains_the_cookie_has_the_one_that_its_host_is_in_and_elsewhere_none() {
    let upstream = Upstream::start();
    let gateway = started(
        gateway().route("/", &upstream),
        "[\"example.com\", \"example.org\"]",
    )
    .await;
    for (host, domain) in [
        (WIKI, Some("example.com")),
        ("wiki.example.org", Some("example.org")),
        ("example.org", Some("example.org")),
        ("notexample.org", None),
        ("example.org.example.net", None),
        ("127.0.0.1", None),
        ("[::1]:8443", None),
    ] {
        let cookies = sign_in(&gateway, host).await;
        let expected = match domain {
            Some(_) => vec![(false, None), (true, domain)],
            None => vec![(true, None)],
        };
        assert_eq!(told(&cookies), expected, "{host}");
        let cookie = pair(&cookies);
        assert_eq!(
            status(&gateway, "GET", host, &format!("cookie: {cookie}\r\n")).await,
            200
        );
        let ended = sign_out(&gateway, host, &cookie).await;
        let domains = |told: &[(bool, Option<&str>)]| -> Vec<Option<String>> {
            told.iter().map(|(_, domain)| domain.map(str::to_owned)).collect()
        };
        assert_eq!(domains(&told(&ended)), domains(&expected), "{host}");
    }
}

#[tokio::test]
async fn another_host_below_the_domain_is_another_origin_all_the_same() {
    let upstream = Upstream::start();
    let builder = gateway().route("/", &upstream).route_lines(&format!(
        "host = \"open.example.com\"\nupstream = {:?}\ncross_origin = \"allow\"",
        upstream.url()
    ));
    let gateway = started(builder, "\"example.com\"").await;
    let cookie = pair(&sign_in(&gateway, FILES).await);
    for (host, sender, expected) in [
        (WIKI, "origin: https://wiki.example.com", 200),
        (WIKI, "sec-fetch-site: same-origin", 200),
        (WIKI, "origin: https://files.example.com", 403),
        (WIKI, "origin: https://example.com", 403),
        (WIKI, "sec-fetch-site: same-site", 403),
        (
            WIKI,
            "sec-fetch-site: same-site\r\norigin: https://files.example.com",
            403,
        ),
        (
            WIKI,
            "sec-fetch-site: same-site\r\nupgrade: websocket\r\nconnection: upgrade",
            403,
        ),
        ("open.example.com", "sec-fetch-site: same-site", 200),
    ] {
        upstream.forget();
        let fields = format!("cookie: {cookie}\r\n{sender}\r\n");
        assert_eq!(
            status(&gateway, "POST", host, &fields).await,
            expected,
            "{host} {sender}"
        );
        match expected {
            403 => upstream.saw_nothing(),
            _ => drop(upstream.only()),
        }
    }
    // Nor does it sign anybody in or out.
    for (path, body) in [
        (
            "/.auth/login",
            json!({ "username": "alice", "password": PASSWORD }).to_string(),
        ),
        ("/.auth/logout", String::new()),
    ] {
        let fields =
            format!("cookie: {cookie}\r\nsec-fetch-site: same-site\r\ncontent-type: application/json\r\n");
        let answer = ask(&gateway, "POST", WIKI, path, &fields, &body).await;
        assert_eq!((answer.status, set_cookies(&answer)), (403, Vec::new()), "{path}");
    }
    assert_eq!(
        status(&gateway, "GET", WIKI, &format!("cookie: {cookie}\r\n")).await,
        200
    );
}

#[tokio::test]
async fn a_cookie_that_another_host_below_the_domain_has_planted_opens_nothing_and_goes_with_the_next_sign_in()
 {
    let upstream = Upstream::start();
    let gateway = started(gateway().route("/", &upstream), "\"example.com\"").await;
    let cookie = pair(&sign_in(&gateway, WIKI).await);
    let other = pair(&sign_in(&gateway, WIKI).await);
    upstream.forget();
    for planted in [&*other, "__Secure-portcullis=x", "__Secure-portcullis="] {
        for sent in [format!("{cookie}; {planted}"), format!("{planted}; {cookie}")] {
            assert_eq!(
                status(&gateway, "GET", WIKI, &format!("cookie: {sent}\r\n")).await,
                401,
                "{sent}"
            );
        }
    }
    upstream.saw_nothing();
    // What is the host's own, which nobody but the host could end, ends before the domain's is set.
    let answer = sign_in(&gateway, WIKI).await;
    assert_eq!(told(&answer), [(false, None), (true, Some("example.com"))]);
}

#[tokio::test]
async fn the_form_s_cookie_and_the_upstream_s_stay_with_their_host() {
    let upstream = Upstream::start();
    let builder = gateway().route_lines(&format!(
        "upstream = [{:?}, {:?}]\naccess = \"public\"\nbalance = \"sticky\"",
        upstream.url(),
        Upstream::start().url()
    ));
    let gateway = started(builder, "\"example.com\"").await;
    for (path, name) in [
        ("/.auth/login", "__Host-portcullis-form"),
        ("/", "__Host-portcullis-route"),
    ] {
        let answer = ask(&gateway, "GET", WIKI, path, "", "").await;
        let cookies = set_cookies(&answer);
        let [cookie] = &cookies[..] else {
            panic!("{cookies:?}")
        };
        assert!(cookie.starts_with(&format!("{name}=")), "{cookie}");
        assert!(
            cookie.ends_with("; HttpOnly; SameSite=Lax; Secure; Path=/"),
            "{cookie}"
        );
    }
}

#[tokio::test]
async fn signing_in_leads_back_to_the_host_that_was_asked_whatever_other_hosts_there_are() {
    let upstream = Upstream::start();
    let gateway = started(gateway().route("/", &upstream), "\"example.com\"").await;
    for (wanted, led) in [
        ("/a?b", "/a?b"),
        ("https://files.example.com/", "/"),
        ("//files.example.com/", "/"),
    ] {
        let page = ask(&gateway, "GET", WIKI, "/.auth/login", "", "").await;
        let form_cookie = pair(&set_cookies(&page));
        let page = String::from_utf8(page.body).unwrap();
        let csrf = page
            .split("name=\"csrf\" value=\"")
            .nth(1)
            .unwrap()
            .split('"')
            .next()
            .unwrap();
        let form = form_urlencoded::Serializer::new(String::new())
            .extend_pairs([
                ("username", "alice"),
                ("password", PASSWORD),
                ("csrf", csrf),
                ("return_to", wanted),
            ])
            .finish();
        let fields = format!("content-type: application/x-www-form-urlencoded\r\ncookie: {form_cookie}\r\n");
        let answer = ask(&gateway, "POST", WIKI, "/.auth/login", &fields, &form).await;
        assert_eq!(
            (answer.status, answer.header("location")),
            (303, vec![led]),
            "{wanted}"
        );
    }
}
