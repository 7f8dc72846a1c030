//! Radicale behind the gateway, set up as `docs/guides/radicale.md` says.

use std::fs;

use reqwest::{RequestBuilder, Response};

use super::{Site, visit};
use crate::harness::{Browser, Guide, PASSWORD};

const EVENT: &str = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//test//EN\r\nBEGIN:VEVENT\r\nUID:party\r\n\
    DTSTAMP:20260101T120000Z\r\nDTSTART:20260704T160000Z\r\nDTEND:20260704T180000Z\r\n\
    SUMMARY:A mad tea party\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";

const ASK_WHO: &str = r#"<propfind xmlns="DAV:"><prop><current-user-principal/></prop></propfind>"#;

const MAKE: &str = r#"<C:mkcalendar xmlns="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav"><set><prop>
    <displayname>Work</displayname></prop></set></C:mkcalendar>"#;

const ASK_JULY: &str = r#"<C:calendar-query xmlns="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav">
    <prop><getetag/><C:calendar-data/></prop><C:filter><C:comp-filter name="VCALENDAR"><C:comp-filter name="VEVENT">
    <C:time-range start="20260701T000000Z" end="20260801T000000Z"/>
    </C:comp-filter></C:comp-filter></C:filter></C:calendar-query>"#;

/// Follows the guide up to the open page, and adds bob.
fn radicale() -> Site {
    let mut site = Site::of("radicale.md", "cal.example.com", 5232);
    site.install("install Radicale");
    site.write("radicale.ini");
    site.start("start Radicale", "Radicale server ready");
    site.write("gateway.toml");
    site.open();
    let bob = site.guide.text("add a user").replace("alice", "bob");
    site.shell(&bob, PASSWORD);
    site
}

/// How somebody shows who they are.
enum Client {
    Cookie(Browser),
    Token(Browser, String),
}

impl Client {
    /// Somebody with a browser, and somebody with a program.
    async fn both(site: &Site, user: &str) -> [Self; 2] {
        let (browser, _) = site.signed_in(user, "/.web/").await;
        let program = site.browser();
        let form = [
            ("grant_type", "password"),
            ("username", user),
            ("password", PASSWORD),
        ];
        let answer = program.request("POST", "/.auth/token").form(&form).send().await;
        let answer: serde_json::Value = answer.unwrap().json().await.unwrap();
        let token = answer["access_token"].as_str().unwrap().to_owned();
        [Self::Cookie(browser), Self::Token(program, token)]
    }

    fn request(&self, method: &str, path: &str) -> RequestBuilder {
        match self {
            Self::Cookie(browser) => browser.request(method, path),
            Self::Token(program, token) => program.request(method, path).bearer_auth(token),
        }
    }

    /// Sends a request and returns the answer's body; its status must be `status`.
    fn expect(
        &self,
        status: u16,
        (method, path): (&str, &str),
        headers: &[(&'static str, &str)],
        body: &'static str,
    ) -> impl Future<Output = String> {
        let request = headers
            .iter()
            .fold(self.request(method, path), |request, (name, value)| {
                request.header(*name, *value)
            });
        let what = format!("{method} {path}");
        async move {
            let answer: Response = request.body(body).send().await.unwrap();
            let found = answer.status();
            let text = answer.text().await.unwrap();
            assert_eq!(found, status, "{what}: {text}");
            text
        }
    }
}

#[test]
fn the_principal_is_who_signed_in_whatever_the_client_says() {
    let site = radicale();
    visit(async {
        for client in Client::both(&site, "alice").await {
            for lie in [
                "accept-language",
                "remote-user",
                "x-remote-user",
                "x_remote_user",
                "x-remote_user",
                "x.remote.user",
                "X-REMOTE-USER",
                "http-x-remote-user",
            ] {
                site.app.forget();
                let headers = [("depth", "0"), (lie, "bob")];
                let answer = client.expect(207, ("PROPFIND", "/"), &headers, ASK_WHO).await;
                let principal = "<current-user-principal><href>/alice/</href></current-user-principal>";
                assert!(answer.contains(principal), "{lie}: {answer}");

                // Nor does Radicale see two names, and happen to take the right one.
                let heard = site.app.heard();
                let names = heard.lines().filter_map(|line| line.split_once(": "));
                let names: Vec<_> = names
                    .filter(|(name, _)| {
                        name.replace(['_', '.'], "-")
                            .eq_ignore_ascii_case("x-remote-user")
                    })
                    .collect();
                assert_eq!(names, [("x-remote-user", "alice")], "{lie}");
            }
        }
    });
}

#[test]
fn a_calendar_is_made_filled_searched_moved_within_and_deleted() {
    let site = radicale();
    let elsewhere = format!("{}/alice/work/moved.ics", site.base);
    visit(async {
        let [bob, _] = Client::both(&site, "bob").await;
        for alice in Client::both(&site, "alice").await {
            alice.expect(201, ("MKCALENDAR", "/alice/work/"), &[], MAKE).await;
            let new = [("content-type", "text/calendar"), ("if-none-match", "*")];
            let party = "/alice/work/party.ics";
            alice.expect(201, ("PUT", party), &new, EVENT).await;
            alice.expect(412, ("PUT", party), &new, EVENT).await;
            let listed = alice
                .expect(207, ("PROPFIND", "/alice/work/"), &[("depth", "1")], "")
                .await;
            assert!(listed.contains(party), "{listed}");
            let found = alice
                .expect(207, ("REPORT", "/alice/work/"), &[("depth", "1")], ASK_JULY)
                .await;
            assert!(found.contains("A mad tea party"), "{found}");

            // Somebody else has nothing to do with it, and that is Radicale's answer.
            bob.expect(403, ("GET", party), &[], "").await;

            // Radicale compares where it is moved to with the address that the gateway says was asked for.
            let moved = [("destination", elsewhere.as_str())];
            alice.expect(201, ("MOVE", party), &moved, "").await;
            alice.expect(404, ("GET", party), &[], "").await;
            let party = "/alice/work/moved.ics";
            let event = alice.expect(200, ("GET", party), &[], "").await;
            assert!(event.contains("SUMMARY:A mad tea party"), "{event}");
            alice.expect(200, ("DELETE", party), &[], "").await;
            alice.expect(404, ("GET", party), &[], "").await;
            alice.expect(200, ("DELETE", "/alice/work/"), &[], "").await;
        }
    });
}

#[test]
fn without_a_session_or_a_token_nothing_reaches_it() {
    let site = radicale();
    visit(async {
        let stranger = site.browser();
        for (method, path) in [
            ("PROPFIND", "/"),
            ("PROPFIND", "/alice/"),
            ("REPORT", "/alice/work/"),
            ("MKCALENDAR", "/alice/work/"),
            ("MKCOL", "/alice/people/"),
            ("PROPPATCH", "/alice/work/"),
            ("PUT", "/alice/work/party.ics"),
            ("GET", "/alice/work/party.ics"),
            ("HEAD", "/alice/work/party.ics"),
            ("MOVE", "/alice/work/party.ics"),
            ("DELETE", "/alice/work/"),
            ("OPTIONS", "/"),
            ("GET", "/.well-known/caldav"),
            ("GET", "/.web/"),
        ] {
            for (name, value) in [
                ("depth", "0"),
                ("x-remote-user", "alice"),
                ("x_remote_user", "alice"),
                (
                    "authorization",
                    "Basic YWxpY2U6Y29ycmVjdCBob3JzZSBiYXR0ZXJ5IHN0YXBsZQ==",
                ),
                ("authorization", "Bearer x.y.z"),
                (
                    "cookie",
                    "__Host-portcullis=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
                ),
            ] {
                let request = stranger.request(method, path).header(name, value);
                let answer = request.send().await.unwrap();
                assert_eq!(answer.status(), 401, "{method} {path} {name}: {value}");
                let challenge = answer.headers()["www-authenticate"].to_str().unwrap();
                assert!(
                    challenge.starts_with("Bearer realm=\"portcullis\""),
                    "{challenge}"
                );
            }
        }
    });
    site.app.saw_nothing();
}

#[test]
fn its_own_pages_open_without_a_second_sign_in() {
    let site = radicale();
    visit(async {
        let (browser, page) = site.signed_in("alice", "/").await;
        assert_eq!(page.status(), 302);
        assert_eq!(page.headers()["location"], "/.web");
        let page = browser.navigate("/.web/").await;
        assert_eq!(page.status(), 200);
        let page = page.text().await.unwrap();
        assert!(page.contains("<title>Radicale Web Interface</title>"), "{page}");
        // Its script sends the session's cookie with its first question only where it is told so.
        let config = browser.request("GET", "/.web/js/config.js").send().await.unwrap();
        assert!(
            config
                .text()
                .await
                .unwrap()
                .contains("PREFER_BROWSER_LOGIN = true")
        );
    });
}

#[test]
fn a_program_copies_a_calendar_there_and_back_as_the_guide_does() {
    let site = radicale();
    fs::write(site.folder.path().join("work.ics"), EVENT).unwrap();
    site.run("copy a calendar there and back", PASSWORD);
    let copy = fs::read_to_string(site.folder.path().join("copy.ics")).unwrap();
    assert!(copy.contains("SUMMARY:A mad tea party"), "{copy}");
    assert!(
        !site.app.heard().contains("authorization"),
        "the token ends at the gateway"
    );
}

#[test]
fn all_that_the_guide_shows_is_followed_by_a_test() {
    assert_eq!(
        Guide::open("radicale.md").captions(),
        [
            "install Radicale",
            "radicale.ini",
            "start Radicale",
            "gateway.toml",
            "add a user",
            "check the configuration",
            "start the gateway",
            "copy a calendar there and back",
        ]
    );
}
