//! What the gateway holds in memory: idle, while a large body passes either way, and during a burst of sign-ins.
//!
//! `cargo bench --bench memory` runs the demo as a process of its own and prints its resident set size. The sample
//! app runs in the same process, so the figures are upper bounds. With `-- --test` the bodies and the burst are
//! small, and only show that the bench works.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a bench that meets what it did not expect is to fail, and prints its figures"
)]

use std::{
    fs,
    io::{BufRead, BufReader},
    net::TcpListener,
    path::Path,
    process::{Child, Command, Stdio},
};

use bytes::Bytes;
use futures_util::stream;
use reqwest::{Body, Client, StatusCode};

const MIB: u64 = 1 << 20;
const CHUNK: u64 = 64 << 10;

fn main() {
    let small = std::env::args().any(|argument| argument == "--test");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(measure(
        if small { 8 * MIB } else { 1024 * MIB },
        if small { 10 } else { 200 },
    ));
}

async fn measure(body: u64, sign_ins: usize) {
    let demo = Demo::start();
    report("idle", demo.resident(), "below 30");

    let client = new_client();
    let url = |path: &str| format!("{}{path}", demo.base);
    let answer = client
        .post(url("/.auth/login"))
        .json(&serde_json::json!({ "username": "alice", "password": "portcullis-demo" }))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    // The first request of a kind makes buffers that every later one uses again; what grows after it is a leak.
    transfer(&client, &url, CHUNK).await;

    let before = demo.resident();
    upload(&client, &url("/upload"), body).await;
    report(
        "growth by an upload",
        demo.peak().saturating_sub(before),
        "below 16",
    );
    let before = demo.resident();
    download(&client, &url("/download"), body).await;
    report(
        "growth by a download",
        demo.peak().saturating_sub(before),
        "below 16",
    );

    demo.forget_peak();
    let attempts = (0..sign_ins).map(|number| {
        let guess = serde_json::json!({ "username": "alice", "password": format!("wrong {number}") });
        new_client().post(url("/.auth/login")).json(&guess).send()
    });
    let answers = futures_util::future::join_all(attempts).await;
    let statuses: Vec<_> = answers
        .into_iter()
        .map(|answer| answer.unwrap().status())
        .collect();
    let count = |status: StatusCode| statuses.iter().filter(|seen| **seen == status).count();
    let (refused, busy) = (
        count(StatusCode::UNAUTHORIZED),
        count(StatusCode::SERVICE_UNAVAILABLE),
    );
    assert_eq!(refused + busy, sign_ins, "{statuses:?}");
    println!("{sign_ins} wrong passwords at once: {refused} answered 401, {busy} answered 503");
    report("peak during the sign-ins", demo.peak(), "below 256 + 64");
    report("afterwards", demo.resident(), "");
}

async fn transfer(client: &Client, url: &impl Fn(&str) -> String, bytes: u64) {
    upload(client, &url("/upload"), bytes).await;
    download(client, &url("/download"), bytes).await;
}

async fn upload(client: &Client, url: &str, bytes: u64) {
    let chunk = Bytes::from(vec![b'x'; usize::try_from(CHUNK).unwrap()]);
    let chunks = stream::iter((0..bytes / CHUNK).map(move |_| Ok::<_, std::io::Error>(chunk.clone())));
    let answer = client
        .post(url)
        .header("accept", "application/json")
        .body(Body::wrap_stream(chunks))
        .send()
        .await
        .unwrap();
    let received: serde_json::Value = answer.json().await.unwrap();
    assert_eq!(received["bytes"].as_u64(), Some(bytes), "{received}");
}

async fn download(client: &Client, url: &str, bytes: u64) {
    let mut answer = client.get(format!("{url}?bytes={bytes}")).send().await.unwrap();
    let mut received = 0;
    while let Some(chunk) = answer.chunk().await.unwrap() {
        received += chunk.len() as u64;
    }
    assert_eq!(received, bytes);
}

fn report(what: &str, bytes: u64, bound: &str) {
    let (whole, tenths) = (bytes / MIB, bytes % MIB * 10 / MIB);
    println!("{what:<28} {whole:>5}.{tenths} MiB   {bound}");
}

/// The demo, on free ports, in a folder of its own.
struct Demo {
    process: Child,
    base: String,
    _folder: tempfile::TempDir,
}

impl Demo {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let (gateway, app) = (free_port(), free_port());
        let config = fs::read_to_string(root.join("gateway.toml")).unwrap();
        let config = config
            .replace("8443", &gateway.to_string())
            .replace("3000", &app.to_string())
            .replace("[[route]]", "[[route]]\nmax_body = \"2GiB\"");
        fs::write(folder.path().join("gateway.toml"), config).unwrap();
        fs::create_dir(folder.path().join("demo")).unwrap();
        fs::copy(
            root.join("demo/users.toml"),
            folder.path().join("demo/users.toml"),
        )
        .unwrap();
        let mut process = Command::new(env!("CARGO_BIN_EXE_portcullis"))
            .arg("demo")
            .current_dir(folder.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let ready = lines.any(|line| line.is_ok_and(|line| line.contains("ready")));
        assert!(ready, "the demo did not start");
        // Its access lines are read, or it would drop them.
        std::thread::spawn(move || lines.for_each(drop));
        Self {
            process,
            base: format!("https://localhost:{gateway}"),
            _folder: folder,
        }
    }

    /// The resident set size now, in bytes. The peak starts anew from it.
    fn resident(&self) -> u64 {
        self.forget_peak();
        self.status("VmRSS:")
    }

    /// The largest resident set size since.
    fn peak(&self) -> u64 {
        self.status("VmHWM:")
    }

    fn forget_peak(&self) {
        // proc(5): 5 resets the peak.
        fs::write(format!("/proc/{}/clear_refs", self.process.id()), "5").unwrap();
    }

    fn status(&self, field: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with(field)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A client with a connection of its own.
fn new_client() -> Client {
    Client::builder()
        .cookie_store(true)
        .tls_danger_accept_invalid_certs(true)
        .build()
        .unwrap()
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}
