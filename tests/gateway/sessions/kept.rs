//! `store = "file:…"`: sessions outlive the gateway, however it ends; what has ended does not come back.

use std::{fs, path::Path, sync::Arc};

use futures_util::future::join_all;
use tokio::sync::Mutex;

use crate::harness::{PASSWORD, Running, Upstream, free_port, gateway, portcullis, user_entry};

/// Nobody has so many that one goes for another.
const STORE: &str = "[session]\nstore = \"file:state/sessions.redb\"\nmax_per_user = 100000\n";

/// A gateway of a folder, as a program of its own.
struct Kept {
    running: Running,
    base: String,
    client: reqwest::Client,
}

impl Kept {
    fn prepare(folder: &Path, upstream: &Upstream) -> u16 {
        let port = free_port();
        let text = format!(
            "[server]\nlisten = [\"127.0.0.1:{port}\"]\n[log]\naccess = \"off\"\n{STORE}\
             [[route]]\nupstream = {:?}\n",
            upstream.url()
        );
        fs::write(folder.join("gateway.toml"), text).unwrap();
        fs::write(folder.join("users.toml"), user_entry("alice", &["staff"], "")).unwrap();
        port
    }

    fn start(folder: &Path, port: u16) -> Self {
        Self {
            running: Running::start(&mut portcullis(folder, &["serve"]), "listening"),
            base: format!("http://127.0.0.1:{port}"),
            client: reqwest::Client::new(),
        }
    }

    /// Signs alice in; the cookie, if the gateway was there to say that she is.
    async fn sign_in(&self) -> Option<String> {
        let pair = serde_json::json!({ "username": "alice", "password": PASSWORD });
        let login = self.client.post(format!("{}/.auth/login", self.base)).json(&pair);
        let answer = login.send().await.ok()?;
        let cookie = answer.headers().get("set-cookie")?.to_str().unwrap();
        Some(cookie.split(';').next().unwrap().to_owned())
    }

    async fn status(&self, cookie: &str) -> u16 {
        let request = self.client.get(&self.base).header("cookie", cookie);
        request.send().await.unwrap().status().as_u16()
    }

    async fn sign_out(&self, cookie: &str) {
        let logout = self.client.post(format!("{}/.auth/logout", self.base));
        let answer = logout.header("cookie", cookie).send().await.unwrap();
        assert_eq!(answer.status(), 204);
    }
}

#[tokio::test]
async fn a_restart_ends_no_session_and_brings_none_back() {
    let upstream = Upstream::start();
    let folder = tempfile::tempdir().unwrap();
    let port = Kept::prepare(folder.path(), &upstream);
    let first = Kept::start(folder.path(), port);
    let (kept, ended) = (first.sign_in().await.unwrap(), first.sign_in().await.unwrap());
    first.sign_out(&ended).await;
    assert!(first.running.stop().success());
    let second = Kept::start(folder.path(), port);
    assert_eq!(second.status(&kept).await, 200);
    assert_eq!(second.status(&ended).await, 401);
    // Whoever was changed while it was down is out at once.
    assert!(second.running.stop().success());
    fs::write(
        folder.path().join("users.toml"),
        user_entry("alice", &["admin"], ""),
    )
    .unwrap();
    let third = Kept::start(folder.path(), port);
    assert_eq!(third.status(&kept).await, 401);
}

#[tokio::test]
async fn no_session_that_was_answered_is_lost_when_the_gateway_is_killed_under_load() {
    let upstream = Upstream::start();
    let folder = tempfile::tempdir().unwrap();
    let port = Kept::prepare(folder.path(), &upstream);
    let mut answered = 0;
    for round in 0..100 {
        let gateway = Kept::start(folder.path(), port);
        let known = Arc::new(Mutex::new(Vec::new()));
        // The tenth answer is the signal, while others are on their way.
        let (tell, enough) = tokio::sync::oneshot::channel();
        let tell = Mutex::new(Some(tell));
        let sign_ins = (0..16).map(|_| async {
            while let Some(cookie) = gateway.sign_in().await {
                let mut known = known.lock().await;
                known.push(cookie);
                if known.len() >= 10
                    && let Some(tell) = tell.lock().await.take()
                {
                    let _ = tell.send(());
                }
            }
        });
        let killed = async {
            enough.await.unwrap();
            gateway.running.kill();
        };
        tokio::join!(join_all(sign_ins), killed);
        let known = std::mem::take(&mut *known.lock().await);
        assert!(known.len() >= 10);
        answered += known.len();
        let after = Kept::start(folder.path(), port);
        for cookie in &known {
            assert_eq!(after.status(cookie).await, 200, "round {round}");
        }
        after.running.kill();
    }
    assert!(answered >= 1000, "{answered}");
}

#[tokio::test]
async fn tokens_are_remembered_in_the_same_file() {
    let upstream = Upstream::start();
    let gateway = gateway()
        .route("/", &upstream)
        .user("alice")
        .table(STORE)
        .start()
        .await;
    gateway.token("alice").await;
    gateway.sign_in("alice").await;
    let state = gateway.folder().join("state");
    assert!(state.join("sessions.redb").exists() && !state.join("tokens.redb").exists());
}
