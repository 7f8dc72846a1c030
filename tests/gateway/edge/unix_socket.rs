//! Listening on a unix socket, for a proxy on the same machine.

use std::{
    fs,
    os::unix::{
        fs::{FileTypeExt, PermissionsExt},
        net::UnixListener,
    },
    path::Path,
};

use tokio::net::UnixStream;

use super::{clients, head};
use crate::harness::{Gateway, GatewayBuilder, Running, Upstream, Wire, gateway, portcullis, soon};

async fn started(builder: GatewayBuilder, upstream: &Upstream) -> Gateway {
    builder
        .public("/", upstream)
        .route("/admin", upstream)
        .also_listen("unix:gateway.sock")
        .start()
        .await
}

async fn connect(gateway: &Gateway) -> Wire<UnixStream> {
    Wire::new(
        UnixStream::connect(gateway.folder().join("gateway.sock"))
            .await
            .unwrap(),
    )
}

#[tokio::test]
async fn it_is_served_like_an_address() {
    let upstream = Upstream::start();
    let gateway = started(gateway(), &upstream).await;
    let mut wire = connect(&gateway).await;
    for (line, status) in [
        ("GET /", 200),
        ("GET /admin", 401),
        ("GET /.auth/health", 200),
        ("GET /../x", 400),
    ] {
        wire.send(head(line, &[])).await;
        assert_eq!(wire.answer().await.status, status, "{line}");
    }
    wire.ends().await;
    assert_eq!(upstream.only().line(), "GET / HTTP/1.1");

    // HTTP/2 by prior knowledge.
    upstream.forget();
    let stream = UnixStream::connect(gateway.folder().join("gateway.sock"))
        .await
        .unwrap();
    let (mut client, connection) = h2::client::handshake(stream).await.unwrap();
    let connection = tokio::spawn(connection);
    let request = http::Request::get("http://localhost/").body(()).unwrap();
    let (answer, _) = client.send_request(request, true).unwrap();
    assert_eq!(answer.await.unwrap().status(), 200);
    connection.abort();
    assert_eq!(upstream.only().line(), "GET / HTTP/1.1");
}

#[tokio::test]
async fn whoever_connects_is_believed_where_trusted_proxies_say_unix_and_nowhere_else() {
    let upstream = Upstream::start();
    let fields = [
        "X-Forwarded-For: 203.0.113.9",
        "X-Forwarded-Proto: https",
        "X-Request-Id: abc",
    ];
    for (proxies, sent, forwarded_for, forwarded, scheme, client) in [
        ("", &fields[..], &[][..], "for=unknown", "http", "unix"),
        (
            "trusted_proxies = [\"0.0.0.0/0\", \"::/0\"]",
            &fields,
            &[],
            "for=unknown",
            "http",
            "unix",
        ),
        (
            "trusted_proxies = [\"unix\"]",
            &fields,
            &["203.0.113.9"],
            "for=203.0.113.9, for=unknown",
            "https",
            "203.0.113.9",
        ),
        (
            "trusted_proxies = \"unix\"",
            &[],
            &[],
            "for=unknown",
            "http",
            "unix",
        ),
    ] {
        upstream.forget();
        let gateway = started(gateway().server(proxies), &upstream).await;
        let mut wire = connect(&gateway).await;
        wire.send(head("GET /", sent)).await;
        assert_eq!(wire.answer().await.status, 200);
        let request = upstream.only();
        assert_eq!(request.header("x-forwarded-for"), forwarded_for, "{proxies}");
        let expected = format!("{forwarded};host=\"localhost\";proto={scheme}");
        assert_eq!(request.header("forwarded"), [expected], "{proxies}");
        drop(wire);
        assert_eq!(clients(&gateway.stopped()), [client], "{proxies}");
    }
}

#[tokio::test]
async fn the_proxy_protocol_is_spoken_on_it_by_whoever_may() {
    let upstream = Upstream::start();
    let request = format!(
        "PROXY TCP4 203.0.113.9 192.0.2.1 56324 443\r\n{}",
        head("GET /", &[])
    );
    let may = started(
        gateway().server("proxy_protocol = true\ntrusted_proxies = \"unix\""),
        &upstream,
    )
    .await;
    let mut wire = connect(&may).await;
    wire.send(&request).await;
    assert_eq!(wire.answer().await.status, 200);
    assert_eq!(upstream.only().header("x-forwarded-for"), ["203.0.113.9"]);
    upstream.forget();
    let mut without = connect(&may).await;
    without.send(head("GET /", &[])).await;
    without.ends().await;

    let may_not = "proxy_protocol = true\ntrusted_proxies = \"127.0.0.1\"";
    let may_not = started(gateway().server(may_not), &upstream).await;
    let mut wire = connect(&may_not).await;
    let _ = wire.offer(&request).await;
    wire.ends().await;
    upstream.saw_nothing();
}

#[tokio::test]
async fn every_worker_accepts_from_it() {
    let upstream = Upstream::start();
    let gateway = started(gateway(), &upstream).await;
    // The first half of a request's id is its worker's.
    let mut workers = std::collections::HashSet::new();
    let both = async {
        let mut held = Vec::new();
        while workers.len() < 2 {
            let mut wire = connect(&gateway).await;
            wire.send(head("GET /admin", &[])).await;
            let answer = wire.answer().await;
            let problem: serde_json::Value = serde_json::from_str(&answer.text()).unwrap();
            workers.insert(problem["request_id"].as_str().unwrap()[..16].to_owned());
            held.push(wire);
            if held.len() > 100 {
                held.clear();
            }
        }
    };
    soon("both workers", both).await;
    upstream.saw_nothing();
}

#[tokio::test]
async fn its_file_is_for_user_and_group_and_goes_when_the_gateway_stops() {
    let upstream = Upstream::start();
    let gateway = started(gateway(), &upstream).await;
    let file = gateway.folder().join("gateway.sock");
    let metadata = fs::metadata(&file).unwrap();
    assert!(metadata.file_type().is_socket());
    assert_eq!(metadata.permissions().mode() & 0o777, 0o660);
    let beside = fs::read_dir(gateway.folder()).unwrap();
    let beside: Vec<_> = beside.map(|entry| entry.unwrap().file_name()).collect();
    assert!(
        !beside.iter().any(|name| name.to_str().unwrap().contains(".new")),
        "{beside:?}"
    );
    gateway.drain();
    let gone = async {
        while file.exists() {
            tokio::task::yield_now().await;
        }
    };
    soon("the end of the file", gone).await;
}

/// A configuration that listens on a socket in its folder alone.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let config = "[server]\nlisten = \"unix:gateway.sock\"\npublic_url = \"https://wiki.example.com\"\nworkers = 2\n\
                  [log]\naccess = \"off\"\n[[route]]\nupstream = \"http://127.0.0.1:9\"\n";
    fs::write(folder.path().join("gateway.toml"), config).unwrap();
    fs::write(folder.path().join("users.toml"), "").unwrap();
    folder
}

/// Gives the next gateway of a folder a memory of its own, beside one that runs.
fn remember_elsewhere(folder: &Path) {
    let config = folder.join("gateway.toml");
    let text = fs::read_to_string(&config).unwrap();
    fs::write(config, text.replace("[server]", "[server]\nstate = \"other\"")).unwrap();
}

/// How a gateway ends that cannot start, and what it says.
fn refused(folder: &Path) -> (Option<i32>, String) {
    let running = Running::start(&mut portcullis(folder, &[]), "error: ");
    let said = running.output();
    (running.ended().code(), said)
}

fn start(folder: &Path) -> Running {
    Running::start(&mut portcullis(folder, &[]), "listening")
}

#[tokio::test]
async fn a_socket_that_was_left_behind_is_replaced() {
    let folder = folder();
    let file = folder.path().join("gateway.sock");
    drop(UnixListener::bind(&file).unwrap());
    assert!(file.exists(), "as a gateway leaves it that was killed");
    // And one that was killed as it was about to listen.
    drop(UnixListener::bind(folder.path().join("gateway.sock.new")).unwrap());
    let running = start(folder.path());
    let mut wire = Wire::new(UnixStream::connect(&file).await.unwrap());
    wire.send(head("GET /.auth/health", &[])).await;
    assert_eq!(wire.answer().await.status, 200);
    assert!(running.stop().success());
    assert!(!file.exists());
}

#[tokio::test]
async fn what_is_no_socket_or_has_somebody_listening_is_left_alone() {
    let taken = folder();
    let file = taken.path().join("gateway.sock");
    let running = start(taken.path());
    remember_elsewhere(taken.path());
    let (code, why) = refused(taken.path());
    assert_eq!(code, Some(1), "{why}");
    assert!(
        why.contains("cannot listen on the unix socket") && why.contains("somebody listens on it already"),
        "{why}"
    );
    let mut wire = Wire::new(UnixStream::connect(&file).await.unwrap());
    wire.send(head("GET /.auth/health", &[])).await;
    assert_eq!(wire.answer().await.status, 200, "the first one goes on");
    drop(wire);
    assert!(running.stop().success());

    let precious = folder();
    let file = precious.path().join("gateway.sock");
    fs::write(&file, "precious").unwrap();
    let (code, why) = refused(precious.path());
    assert_eq!(code, Some(1), "{why}");
    assert!(
        why.contains("there is a file of this name that is no socket"),
        "{why}"
    );
    assert_eq!(fs::read_to_string(&file).unwrap(), "precious");
    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    assert_eq!(refused(precious.path()).0, Some(1));
    fs::remove_dir(&file).unwrap();
    std::os::unix::fs::symlink("elsewhere", &file).unwrap();
    assert_eq!(
        refused(precious.path()).0,
        Some(1),
        "whoever put a link there chose where it leads"
    );

    let nowhere = folder();
    let config = nowhere.path().join("gateway.toml");
    let text = fs::read_to_string(&config).unwrap();
    fs::write(&config, text.replace("gateway.sock", "nothing/gateway.sock")).unwrap();
    let (code, why) = refused(nowhere.path());
    assert_eq!(code, Some(1), "{why}");
    assert!(why.contains("No such file or directory"), "{why}");
}

#[tokio::test]
async fn a_socket_that_has_taken_its_place_is_not_removed() {
    let folder = folder();
    let file = folder.path().join("gateway.sock");
    let first = start(folder.path());
    fs::remove_file(&file).unwrap();
    remember_elsewhere(folder.path());
    let second = start(folder.path());
    assert!(first.stop().success());
    let mut wire = Wire::new(UnixStream::connect(&file).await.unwrap());
    wire.send(head("GET /.auth/health", &[])).await;
    assert_eq!(wire.answer().await.status, 200);
    drop(wire);
    assert!(second.stop().success());
    assert!(!file.exists());
}
