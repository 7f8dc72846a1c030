//! The commands that run until they are told to stop.

use std::{
    fs,
    path::Path,
    process::Command,
    sync::{Mutex, mpsc},
};

use super::{CHEAP, folder, run, run_with};
use crate::harness::{PATIENCE, RawClient, Running, Upstream, portcullis, soon};

/// Where a gateway on a free port listens, as its log tells.
#[track_caller]
pub(super) fn address(gateway: &Running, scheme: &str) -> String {
    format!("{scheme}://{}", socket(gateway))
}

#[track_caller]
fn socket(gateway: &Running) -> String {
    // On standard error, which may be read later than what was waited for on standard output.
    gateway.wait_for("address=");
    let log = gateway.output();
    let (_, rest) = log.split_once("address=").unwrap();
    rest.split_whitespace().next().unwrap().to_owned()
}

/// A client that follows no redirect and believes every certificate.
pub(super) fn client() -> reqwest::Client {
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .tls_danger_accept_invalid_certs(true)
        .timeout(PATIENCE)
        .build()
        .unwrap()
}

/// Signs in as a program does: the cookie, or the status of the refusal.
pub(super) async fn sign_in(base: &str, user: &str, password: &str) -> Result<String, u16> {
    let credentials = serde_json::json!({ "username": user, "password": password });
    let answer = client()
        .post(format!("{base}/.auth/login"))
        .json(&credentials)
        .send()
        .await
        .unwrap();
    if answer.status() != 200 {
        return Err(answer.status().as_u16());
    }
    let cookie = answer.headers()["set-cookie"].to_str().unwrap();
    Ok(cookie.split(';').next().unwrap().to_owned())
}

async fn status(base: &str, path: &str, cookie: &str) -> u16 {
    let request = client().get(format!("{base}{path}")).header("cookie", cookie);
    request.send().await.unwrap().status().as_u16()
}

/// A configuration on a free port.
fn config(upstream: &Upstream, more: &str) -> String {
    format!(
        "[server]\nlisten = \"127.0.0.1:0\"\nworkers = 1\n{more}\n{CHEAP}[log]\naccess = \"off\"\n\
         [[route]]\nupstream = \"{}\"\n",
        upstream.url()
    )
}

fn user(folder: &Path, arguments: &[&str], input: &str) {
    let said = run_with(folder, &[&["user"], arguments].concat(), input);
    assert_eq!((said.code, said.err.as_str()), (0, ""), "{arguments:?}");
}

#[tokio::test]
async fn who_is_added_or_kept_out_is_so_without_a_restart_or_a_signal() {
    let upstream = Upstream::start();
    let folder = folder(&config(&upstream, ""));
    // Nobody at first: the gateway serves, and lets nobody in.
    fs::write(folder.path().join("users.toml"), "").unwrap();
    let gateway = Running::start(&mut portcullis(folder.path(), &["serve"]), "listening");
    let base = address(&gateway, "http");
    assert_eq!(sign_in(&base, "alice", "secret").await, Err(401));
    assert_eq!(status(&base, "/", "portcullis=x").await, 401);
    upstream.saw_nothing();

    user(folder.path(), &["add", "alice", "--password-stdin"], "secret\n");
    let cookie = sign_in(&base, "alice", "secret").await.unwrap();
    assert_eq!(status(&base, "/", &cookie).await, 200);

    user(
        folder.path(),
        &["passwd", "alice", "--password-stdin"],
        "another\n",
    );
    assert_eq!(sign_in(&base, "alice", "secret").await, Err(401));
    let until_out = async |cookie: &str| {
        while status(&base, "/", cookie).await != 401 {
            tokio::task::yield_now().await;
        }
    };
    soon("the end of the session of the old password", until_out(&cookie)).await;

    let cookie = sign_in(&base, "alice", "another").await.unwrap();
    user(folder.path(), &["disable", "alice"], "");
    assert_eq!(sign_in(&base, "alice", "another").await, Err(401));
    soon("the end of a disabled user's session", until_out(&cookie)).await;

    user(folder.path(), &["enable", "alice"], "");
    let cookie = sign_in(&base, "alice", "another").await.unwrap();
    user(folder.path(), &["remove", "alice"], "");
    assert_eq!(sign_in(&base, "alice", "another").await, Err(401));
    soon("the end of a removed user's session", until_out(&cookie)).await;
    upstream.forget();
    assert_eq!(status(&base, "/", &cookie).await, 401);
    upstream.saw_nothing();
    assert!(gateway.stop().success());
}

/// A gateway with a request on its way: the upstream has it, and answers when it is told to.
async fn with_a_running_request(folder: &tempfile::TempDir, upstream: &Held) -> (Running, RawClient) {
    let text = format!(
        "{}access = \"public\"\n",
        config(&upstream.upstream, "shutdown_grace = \"1h\"")
    );
    fs::write(folder.path().join("gateway.toml"), text).unwrap();
    fs::write(folder.path().join("users.toml"), "").unwrap();
    let gateway = Running::start(&mut portcullis(folder.path(), &["serve"]), "listening");
    let mut client = RawClient::connect(socket(&gateway).parse().unwrap()).await;
    client.send("GET / HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
    upstream.has_it.recv_timeout(PATIENCE).unwrap();
    (gateway, client)
}

/// An upstream that says when it has a request and answers when it is let.
struct Held {
    upstream: Upstream,
    has_it: mpsc::Receiver<()>,
    answer: mpsc::Sender<()>,
}

fn held() -> Held {
    let (told, has_it) = mpsc::channel();
    let (answer, may) = mpsc::channel();
    let (told, may) = (Mutex::new(told), Mutex::new(may));
    let upstream = Upstream::answering(move |_| {
        told.lock().unwrap().send(()).unwrap();
        // The test has ended where nobody answers any more.
        let _ = may.lock().unwrap().recv();
        b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\ndone".to_vec()
    });
    Held {
        upstream,
        has_it,
        answer,
    }
}

#[tokio::test]
async fn told_to_stop_it_finishes_what_runs_and_ends_with_0() {
    let (folder, upstream) = (tempfile::tempdir().unwrap(), held());
    let (gateway, mut client) = with_a_running_request(&folder, &upstream).await;
    gateway.terminate();
    gateway.wait_for("stopping");
    upstream.answer.send(()).unwrap();
    let answer = client.response().await.unwrap();
    assert_eq!((answer.status, answer.text().as_str()), (200, "done"));
    assert!(gateway.ended().success());
    assert!(client.is_closed().await);
}

#[tokio::test]
async fn told_twice_it_ends_at_once_and_with_0() {
    let (folder, upstream) = (tempfile::tempdir().unwrap(), held());
    let (gateway, mut client) = with_a_running_request(&folder, &upstream).await;
    gateway.terminate();
    gateway.wait_for("stopping");
    gateway.terminate();
    assert!(gateway.ended().success());
    assert!(client.response().await.is_none(), "the request was given up");
    drop(upstream.answer);
}

#[test]
fn an_interrupt_stops_it_as_well() {
    let upstream = Upstream::start();
    let folder = folder(&config(&upstream, ""));
    fs::write(folder.path().join("users.toml"), "").unwrap();
    for arguments in [&["serve"][..], &["sample-app", "--listen", "127.0.0.1:0"]] {
        let ready = if arguments[0] == "serve" {
            "listening"
        } else {
            "sample app: "
        };
        let running = Running::start(&mut portcullis(folder.path(), arguments), ready);
        running.interrupt();
        assert!(running.ended().success(), "{arguments:?}");
    }
}

#[tokio::test]
async fn the_sample_app_says_where_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = portcullis(folder.path(), &["sample-app", "--listen", "127.0.0.1:0"]);
    let app = Running::start(&mut command, "sample app: http://127.0.0.1:");
    let output = app.output();
    let url = output.trim().strip_prefix("sample app: ").unwrap();
    let answer = client().get(url).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let taken = url.strip_prefix("http://").unwrap().strip_suffix('/').unwrap();
    let said = run(folder.path(), &["sample-app", "--listen", taken]);
    assert_eq!(
        (said.code, said.err),
        (
            1,
            format!("error: cannot listen on {taken}: Address already in use (os error 98)\n")
        )
    );
    assert!(app.stop().success());
}

#[tokio::test]
async fn the_demo_needs_nothing_else_and_lets_its_people_in() {
    // The repository's own files, on ports that are free.
    let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = tempfile::tempdir().unwrap();
    let text = fs::read_to_string(repository.join("gateway.toml")).unwrap();
    let app = crate::harness::free_port();
    let text = text
        .replace("127.0.0.1:8443", "127.0.0.1:0")
        .replace("127.0.0.1:3000", &format!("127.0.0.1:{app}"));
    fs::write(folder.path().join("gateway.toml"), text).unwrap();
    fs::create_dir(folder.path().join("demo")).unwrap();
    fs::copy(
        repository.join("demo/users.toml"),
        folder.path().join("demo/users.toml"),
    )
    .unwrap();

    let demo = || Running::start(&mut portcullis(folder.path(), &["demo"]), "The demo is ready");
    let running = demo();
    running
        .wait_for("Open      https://localhost:8443/\n  Sign in   alice  portcullis-demo   (role: staff)\n");
    let base = address(&running, "https");
    assert_eq!(status(&base, "/", "").await, 401);
    assert_eq!(status(&base, "/public", "").await, 200);
    let alice = sign_in(&base, "alice", "portcullis-demo").await.unwrap();
    let bob = sign_in(&base, "bob", "portcullis-demo").await.unwrap();
    assert_eq!(
        (
            status(&base, "/staff", &alice).await,
            status(&base, "/staff", &bob).await
        ),
        (200, 403)
    );
    assert_eq!(sign_in(&base, "alice", "wrong").await, Err(401));
    assert!(running.stop().success());

    let certificate = || fs::read(folder.path().join("certs/localhost.crt")).unwrap();
    let first = certificate();
    assert!(demo().stop().success());
    assert_eq!(certificate(), first, "the browser has to be told once only");
}

/// `serve`, started by a shell that has set limits of file descriptors first.
fn with_descriptors(folder: &Path, limits: &str) -> Command {
    let mut command = Command::new("sh");
    command
        .current_dir(folder)
        .args(["-c", &format!("{limits} && exec \"$0\" serve")])
        .arg(env!("CARGO_BIN_EXE_portcullis"));
    command
}

#[tokio::test]
async fn it_asks_for_the_file_descriptors_that_its_connections_need() {
    let upstream = Upstream::start();
    let folder = folder(&config(&upstream, "[server.limits]\nmax_connections = 100"));
    fs::write(folder.path().join("users.toml"), "").unwrap();
    // More clients than the soft limit has room for, and all of them are answered.
    let mut command = with_descriptors(folder.path(), "ulimit -Sn 64 && ulimit -Hn 512");
    let gateway = Running::start(&mut command, "listening");
    let base = address(&gateway, "http");
    let mut clients = Vec::new();
    for _ in 0..80 {
        let client = client();
        let answer = client.get(format!("{base}/")).send().await.unwrap();
        assert_eq!(answer.status(), 401);
        clients.push((client, answer));
    }
    let said = gateway.last_words();
    assert!(!said.contains("file descriptors"), "{said}");
    // Where the system grants no more it says what is missing, and serves all the same.
    let mut command = with_descriptors(folder.path(), "ulimit -n 200");
    let warning = "too few file descriptors for `max_connections`: raise its limit to 328";
    let gateway = Running::start(&mut command, warning);
    let base = address(&gateway, "http");
    assert_eq!(status(&base, "/", "portcullis=x").await, 401);
    upstream.saw_nothing();
}

#[tokio::test]
async fn an_access_log_that_was_moved_away_is_begun_anew_at_sighup() {
    let upstream = Upstream::start();
    let text = config(&upstream, "").replace("\"off\"", "\"access.log\"");
    let folder = folder(&text);
    fs::write(folder.path().join("users.toml"), "").unwrap();
    let gateway = Running::start(&mut portcullis(folder.path(), &["serve"]), "listening");
    let base = address(&gateway, "http");
    let (log, moved) = (
        folder.path().join("access.log"),
        folder.path().join("access.log.1"),
    );
    assert_eq!(status(&base, "/before", "").await, 401);
    // A line is written after its answer: it may lag behind.
    let written = async {
        while !fs::read_to_string(&log).unwrap().contains("/before") {
            tokio::task::yield_now().await;
        }
    };
    soon("the first line", written).await;
    fs::rename(&log, &moved).unwrap();
    gateway.hang_up();
    gateway.wait_for("opening the access log anew");
    let anew = async {
        while !log.exists() {
            assert_eq!(status(&base, "/after", "").await, 401);
        }
    };
    soon("a new log", anew).await;
    assert!(gateway.stop().success(), "it goes on until it is told to stop");
    let lines = |file| fs::read_to_string(file).unwrap();
    assert!(lines(&moved).contains("/before"));
    assert!(lines(&log).contains("/after") && !lines(&log).contains("/before"));
}

#[test]
fn the_demo_ends_with_its_terminal() {
    let demo = crate::harness::Demo::start();
    demo.ends_with_its_terminal();
}
