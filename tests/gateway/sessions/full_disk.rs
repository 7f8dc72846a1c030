//! `store = "file:…"` on a disk that is really full, and a file that something has damaged.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::Command,
};

use crate::harness::{PASSWORD, Running, Upstream, free_port, portcullis, user_entry};

/// A file system of a few megabytes, in namespaces that everybody may make: a program holds on to them, and its root leads
/// there from outside.
struct SmallDisk {
    _holder: Running,
    root: PathBuf,
}

impl SmallDisk {
    fn mount(folder: &Path) -> Self {
        let script =
            "mount -t tmpfs -o size=4m,mode=700 small \"$0\" && echo \"holding $$.\" && exec sleep infinity";
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "--mount", "sh", "-c", script]);
        let holder = Running::start(command.arg(folder), "holding");
        let said = holder.output();
        let (_, id) = said.split_once("holding ").unwrap();
        let id = id.split('.').next().unwrap();
        let root = Path::new("/proc")
            .join(id)
            .join("root")
            .join(folder.strip_prefix("/").unwrap());
        Self {
            _holder: holder,
            root,
        }
    }

    /// Leaves no byte free.
    fn fill(&self) {
        let mut file = fs::File::create(self.root.join("filler")).unwrap();
        for size in [64 * 1024, 4096, 1] {
            while file.write(&vec![b'x'; size]).is_ok_and(|written| written == size) {}
        }
    }

    fn make_room(&self) {
        fs::remove_file(self.root.join("filler")).unwrap();
    }
}

/// A gateway that keeps its sessions in this file.
fn prepare(folder: &Path, store: &Path, upstream: &Upstream) -> u16 {
    let port = free_port();
    let text = format!(
        "[server]\nlisten = [\"127.0.0.1:{port}\"]\n[log]\naccess = \"off\"\n\
         [session]\nstore = \"file:{}\"\nmax_per_user = 100000\n[[route]]\nupstream = {:?}\n",
        store.display(),
        upstream.url()
    );
    fs::write(folder.join("gateway.toml"), text).unwrap();
    fs::write(folder.join("users.toml"), user_entry("alice", &["staff"], "")).unwrap();
    port
}

fn serve(folder: &Path) -> Running {
    Running::start(&mut portcullis(folder, &["serve"]), "listening")
}

async fn sign_in(base: &str) -> reqwest::Response {
    let pair = serde_json::json!({ "username": "alice", "password": PASSWORD });
    let login = reqwest::Client::new()
        .post(format!("{base}/.auth/login"))
        .json(&pair);
    login.send().await.unwrap()
}

fn cookie(answer: &reqwest::Response) -> String {
    let cookie = answer.headers()["set-cookie"].to_str().unwrap();
    cookie.split(';').next().unwrap().to_owned()
}

async fn status(base: &str, cookie: &str) -> u16 {
    let request = reqwest::Client::new().get(base).header("cookie", cookie);
    request.send().await.unwrap().status().as_u16()
}

#[tokio::test]
async fn on_a_full_disk_nobody_signs_in_and_nothing_that_was_said_is_lost() {
    let upstream = Upstream::start();
    let folder = tempfile::tempdir().unwrap();
    let mount = folder.path().join("small");
    fs::create_dir(&mount).unwrap();
    let disk = SmallDisk::mount(&mount);
    let port = prepare(folder.path(), &disk.root.join("sessions.redb"), &upstream);
    let base = format!("http://127.0.0.1:{port}");
    let gateway = serve(folder.path());
    let mut kept = Vec::new();
    for _ in 0..3 {
        kept.push(cookie(&sign_in(&base).await));
    }
    let ended = kept.pop().unwrap();

    disk.fill();
    // What the database has left of its own is used up first.
    let refused = loop {
        let answer = sign_in(&base).await;
        if answer.status() != 200 {
            break answer;
        }
        kept.push(cookie(&answer));
        assert!(kept.len() < 20_000, "the disk is not full");
    };
    assert_eq!(refused.status(), 503);
    assert!(refused.headers().contains_key("retry-after"));
    assert!(!refused.headers().contains_key("set-cookie"));
    for cookie in &kept {
        assert_eq!(status(&base, cookie).await, 200, "whoever is signed in goes on");
    }
    let logout = reqwest::Client::new().post(format!("{base}/.auth/logout"));
    let said = logout
        .header("cookie", &ended)
        .send()
        .await
        .unwrap()
        .status()
        .as_u16();
    assert!([204, 503].contains(&said), "{said}");
    assert_eq!(
        status(&base, &ended).await,
        401,
        "at once, whether it is written or not"
    );

    disk.make_room();
    let answer = sign_in(&base).await;
    assert_eq!(answer.status(), 200, "without a restart");
    kept.push(cookie(&answer));
    assert!(gateway.stop().success());
    let gateway = serve(folder.path());
    for cookie in &kept {
        assert_eq!(status(&base, cookie).await, 200);
    }
    assert_eq!(
        status(&base, &ended).await,
        401,
        "what was owed to the disk is there"
    );
    assert!(gateway.stop().success());
}

#[test]
fn a_file_that_something_has_damaged_is_named_and_stays_as_it_is() {
    let upstream = Upstream::start();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sessions.redb");
    prepare(folder.path(), &path, &upstream);
    let refuses = |what: &str| {
        let before = fs::read(&path).ok();
        let said = portcullis(folder.path(), &["serve"]).output().unwrap();
        let text = String::from_utf8(said.stderr).unwrap();
        assert!(matches!(said.status.code(), Some(1 | 2)), "{what}: {text}");
        assert!(text.contains("sessions.redb"), "{what}: {text}");
        assert!(!text.contains("panicked"), "{what}: {text}");
        assert_eq!(fs::read(&path).ok(), before, "{what}");
    };
    for (what, bytes) in [
        ("empty", Vec::new()),
        ("another program's", b"SQLite format 3\0".repeat(512)),
        (
            "noise",
            (0..100_000_u32)
                .map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8)
                .collect(),
        ),
    ] {
        fs::write(&path, bytes).unwrap();
        refuses(what);
    }
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    refuses("a folder");
}
