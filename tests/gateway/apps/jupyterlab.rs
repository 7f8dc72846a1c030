//! JupyterLab behind the gateway, set up as `docs/guides/jupyterlab.md` says.

use std::fs;

use serde_json::{Value, json};

use super::{Site, visit};
use crate::harness::{Browser, Guide, PASSWORD};

/// How the guide sets it up for one team, and for each person.
const LAYOUTS: [Layout; 2] = [
    Layout {
        start: "start JupyterLab",
        routes: None,
        prefix: "",
    },
    Layout {
        start: "start the JupyterLab of alice",
        routes: Some("routes of a server for each person"),
        prefix: "/alice",
    },
];

struct Layout {
    /// The command that starts JupyterLab.
    start: &'static str,
    /// The routes that take the place of those in `gateway.toml`.
    routes: Option<&'static str>,
    /// The path that JupyterLab is under.
    prefix: &'static str,
}

/// Follows the guide up to the open page.
fn jupyterlab(layout: &Layout) -> Site {
    let mut site = Site::of("jupyterlab.md", "lab.example.com", 8888);
    site.install("install JupyterLab");
    // Two things that the guide leaves as they are: tests may be run by root, and kernels talk over sockets in this
    // folder, as a port that JupyterLab picks for one may be taken by the time it listens.
    let settings = site.folder.path().join(".jupyter");
    fs::create_dir(&settings).unwrap();
    let config = json!({ "ServerApp": { "allow_root": true }, "KernelManager": { "transport": "ipc" } });
    fs::write(settings.join("jupyter_server_config.json"), config.to_string()).unwrap();
    site.start(layout.start, "is running at:");

    site.write("gateway.toml");
    if let Some(routes) = layout.routes {
        let file = site.folder.path().join("gateway.toml");
        let whole = fs::read_to_string(&file).unwrap();
        let (server, _) = whole.split_once("[[route]]").unwrap();
        fs::write(file, format!("{server}{}", site.guide.text(routes))).unwrap();
    }
    site.open();
    site
}

/// What JupyterLab's page sends with every change: the cookie's value, which another site cannot read.
fn xsrf(browser: &Browser, path: &str) -> String {
    let cookies = browser.cookies(path);
    let mut pairs = cookies.split("; ").filter_map(|pair| pair.split_once('='));
    let (_, value) = pairs
        .find(|(name, _)| *name == "_xsrf")
        .expect("JupyterLab's cookie");
    value.to_owned()
}

/// Makes a notebook and starts its kernel, as choosing "Python 3" in the launcher does; the kernel's WebSocket.
async fn start_notebook(browser: &Browser, prefix: &str) -> String {
    let post = async |path: &str, body: Value| {
        let request = browser.request("POST", &format!("{prefix}{path}"));
        let request = request.header("x-xsrftoken", xsrf(browser, &format!("{prefix}/lab")));
        let answer = request.json(&body).send().await.unwrap();
        assert_eq!(answer.status(), 201, "{path}");
        answer.json::<Value>().await.unwrap()
    };
    let notebook = post("/api/contents/", json!({ "type": "notebook" })).await;
    let path = notebook["path"].as_str().unwrap();
    let asked = json!({ "path": path, "name": path, "type": "notebook", "kernel": { "name": "python3" } });
    let session = post("/api/sessions", asked).await;
    let kernel = session["kernel"]["id"].as_str().unwrap();
    format!("{prefix}/api/kernels/{kernel}/channels?session_id=test")
}

#[test]
fn a_person_signs_in_opens_a_notebook_and_runs_a_cell() {
    for layout in &LAYOUTS {
        let site = jupyterlab(layout);
        let lab = format!("{}/lab", layout.prefix);
        visit(async {
            let (browser, page) = site.signed_in("alice", &lab).await;
            assert_eq!(page.status(), 200);
            let cookies = page.headers().get_all("set-cookie").iter();
            let own = cookies
                .map(|cookie| cookie.to_str().unwrap())
                .find(|cookie| cookie.starts_with("username-"))
                .expect("JupyterLab's own cookie");
            let secure = own.split("; ").any(|part| part == "Secure");
            assert!(secure, "it does not believe the gateway about https: {own}");
            let page = page.text().await.unwrap();
            assert!(page.contains("<title>JupyterLab</title>"), "{page}");

            // The program that the page loads, some megabytes of it.
            let (_, script) = page.split_once("<script defer=\"defer\" src=\"").unwrap();
            let (script, _) = script.split_once('"').unwrap();
            let script = browser.request("GET", script).send().await.unwrap();
            assert_eq!(script.status(), 200);
            assert!(script.bytes().await.unwrap().len() > 10_000);

            let channels = start_notebook(&browser, layout.prefix).await;
            let cookies = browser.cookies(&channels);
            let mut kernel = site.kernel(&channels, &cookies, &site.base).await.ok().unwrap();
            assert_eq!(kernel.run("6*7").await, "42");
            assert_eq!(kernel.run("len('x' * 1_000_000)").await, "1000000");
        });

        let heard = site.app.heard();
        assert!(heard.contains("\r\nremote-user: alice\r\n"), "{heard}");
        assert!(
            !heard.contains("__Host-portcullis"),
            "the session's cookie went up"
        );
    }
}

#[test]
fn without_a_session_or_the_right_to_it_nothing_reaches_it() {
    for layout in &LAYOUTS {
        let site = jupyterlab(layout);
        let bob = site.guide.text("add a user").replace("alice --role lab", "bob");
        site.shell(&bob, PASSWORD);
        visit(async {
            let bob = site.browser();
            let welcome = bob.submit_login("/.auth/login", "bob", PASSWORD, &[]).await;
            assert_eq!(welcome.status(), 303);
            for (browser, page, program) in [(site.browser(), 303, 401), (bob, 403, 403)] {
                let lab = format!("{}/lab", layout.prefix);
                assert_eq!(browser.navigate(&lab).await.status(), page);
                for (method, path) in [
                    ("GET", "/api/kernels"),
                    ("POST", "/api/kernels"),
                    ("GET", "/static/lab/main.js"),
                    ("PUT", "/api/contents/x"),
                    ("DELETE", "/api/contents/x"),
                ] {
                    let path = format!("{}{path}", layout.prefix);
                    let answer = browser.request(method, &path).send().await.unwrap();
                    assert_eq!(answer.status(), program, "{method} {path}");
                }
                for path in [
                    "/api/kernels/6ca5b2a2-0000-4000-8000-000000000000/channels",
                    "/terminals/websocket/1",
                    "/api/events/subscribe",
                ] {
                    let path = format!("{}{path}", layout.prefix);
                    let refused = site.kernel(&path, &browser.cookies(&path), &site.base).await;
                    assert_eq!(refused.err(), Some(program), "{path}");
                }
                site.app.saw_nothing();
            }
        });
    }
}

#[test]
fn what_it_checks_itself_it_still_checks() {
    let site = jupyterlab(&LAYOUTS[0]);
    visit(async {
        let (browser, _) = site.signed_in("alice", "/lab").await;
        let channels = start_notebook(&browser, "").await;
        let cookies = browser.cookies(&channels);
        let token = xsrf(&browser, "/lab");

        // A page of another site, or of another server on the same host, that uses alice's cookies.
        for origin in ["https://evil.example.com:8443", "https://lab.example.com", "null"] {
            let refused = site.kernel(&channels, &cookies, origin).await.err();
            assert_eq!(refused, Some(403), "{origin}");
        }
        assert!(site.kernel(&channels, &cookies, &site.base).await.is_ok());

        let write = |headers: &[(&'static str, &str)]| {
            let request = browser.request("POST", "/api/contents/");
            let request = headers
                .iter()
                .fold(request, |request, (name, value)| request.header(*name, *value));
            request.json(&json!({ "type": "notebook" })).send()
        };
        for headers in [&[][..], &[("x-xsrftoken", "guessed")]] {
            assert_eq!(write(headers).await.unwrap().status(), 403, "{headers:?}");
        }
        assert_eq!(write(&[("x-xsrftoken", &token)]).await.unwrap().status(), 201);

        // A site whose name was pointed at this machine (DNS rebinding), in a browser that runs here.
        for (host, status) in [("evil.example.com:8888", 403), (site.host, 200)] {
            let past_the_gateway = reqwest::Client::new().get(format!("http://{}/lab", site.app_address));
            let answer = past_the_gateway.header("host", host).send().await.unwrap();
            assert_eq!(answer.status(), status, "{host}");
        }
    });
}

#[test]
fn all_that_the_guide_shows_is_followed_by_a_test() {
    assert_eq!(
        Guide::open("jupyterlab.md").captions(),
        [
            "install JupyterLab",
            "start JupyterLab",
            "gateway.toml",
            "add a user",
            "check the configuration",
            "start the gateway",
            "start the JupyterLab of alice",
            "routes of a server for each person",
        ]
    );
}
