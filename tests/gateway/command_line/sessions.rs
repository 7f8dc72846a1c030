//! `portcullis session …`, beside a gateway that runs.

use std::{fs, path::Path};

use serde_json::Value;
use tempfile::TempDir;

use super::{
    CHEAP, fails, folder, run,
    serving::{address, client, sign_in},
    succeeds,
};
use crate::harness::{PASSWORD, Running, Upstream, portcullis, user_entry};

const TOKEN: &str = "0123456789abcdef0123456789abcdef";
const SOCKET: &str = "[admin]\nlisten = \"unix:admin.sock\"\n";

/// A folder with a gateway on a free port, and alice and bob.
fn with_admin(upstream: &Upstream, admin: &str) -> TempDir {
    let folder = folder(&configuration(upstream, admin));
    let users = [user_entry("alice", &[], ""), user_entry("bob", &[], "")];
    fs::write(folder.path().join("users.toml"), users.concat()).unwrap();
    folder
}

fn configuration(upstream: &Upstream, admin: &str) -> String {
    format!(
        "[server]\nlisten = \"127.0.0.1:0\"\nworkers = 1\n{CHEAP}[log]\naccess = \"off\"\n{admin}\
         [[route]]\nupstream = \"{}\"\n",
        upstream.url()
    )
}

fn listed(folder: &Path, more: &[&str]) -> Vec<Value> {
    let said = run(folder, &[&["session", "list", "--json"], more].concat());
    assert_eq!((said.code, said.err.as_str()), (0, ""));
    serde_json::from_str(&said.out).unwrap()
}

#[tokio::test]
async fn sessions_of_a_running_gateway_are_listed_and_ended() {
    let upstream = Upstream::start();
    for admin in [SOCKET.to_owned(), format!("{SOCKET}token = {TOKEN:?}\n")] {
        let folder = with_admin(&upstream, &admin);
        let folder = folder.path();
        let gateway = Running::start(&mut portcullis(folder, &["serve"]), "admin.sock");
        let base = address(&gateway, "http");
        succeeds(folder, &["session", "list"], "", "nobody is signed in\n");

        let alice = sign_in(&base, "alice", PASSWORD).await.unwrap();
        let bob = sign_in(&base, "bob", PASSWORD).await.unwrap();
        let status = async |cookie: &str| {
            let request = client().get(&base).header("cookie", cookie);
            request.send().await.unwrap().status().as_u16()
        };
        assert_eq!((status(&alice).await, status(&bob).await), (200, 200));
        let of_alice = listed(folder, &["--user", "alice"]);
        let id = of_alice[0]["id"].as_str().unwrap();
        assert_eq!((of_alice.len(), listed(folder, &[]).len()), (1, 2));
        let said = run(folder, &["session", "list"]);
        let lines: Vec<Vec<&str>> = said
            .out
            .lines()
            .map(|line| line.split_whitespace().collect())
            .collect();
        assert_eq!(lines.len(), 3, "{}", said.out);
        assert_eq!(
            lines[0],
            [
                "ID", "USER", "SINCE", "LAST", "USED", "ENDS", "ADDRESS", "BROWSER"
            ]
        );
        assert!(
            lines.iter().any(|line| line[..2] == [id, "alice"]),
            "{}",
            said.out
        );
        let said = run(folder, &["session", "list", "--limit", "1"]);
        let rest = "and 1 more; narrow it with --user, or raise --limit\n";
        assert!(said.out.ends_with(rest), "{}", said.out);

        let ended = format!("ended session {id}\n");
        succeeds(folder, &["session", "revoke", id], "", &ended);
        assert_eq!((status(&alice).await, status(&bob).await), (401, 200));
        let gone = format!("error: there is no session {id}; `portcullis session list` shows them\n");
        fails(folder, &["session", "revoke", id], 2, &gone);
        let ended = "ended 1 session of bob, and every token they had\n";
        succeeds(folder, &["session", "revoke", "--user", "bob"], "", ended);
        assert_eq!(status(&bob).await, 401);
        succeeds(
            folder,
            &["session", "list", "--user", "bob"],
            "",
            "bob is not signed in\n",
        );

        let log = gateway.last_words();
        let ends: Vec<&str> = log.lines().filter(|line| line.contains("by=\"admin\"")).collect();
        let of_alice = ends
            .iter()
            .filter(|line| line.contains(id) && line.contains("alice"));
        assert_eq!(of_alice.count(), 1, "{log}");
        let of_bob = ends.iter().filter(|line| line.contains("bob"));
        assert_eq!(of_bob.count(), 2, "a session, and everything: {log}");
        assert!(!log.contains(TOKEN), "{log}");
    }
}

#[tokio::test]
async fn what_stands_in_the_way_is_said() {
    let upstream = Upstream::start();
    let folder = with_admin(&upstream, "");
    let folder = folder.path();
    let write =
        |admin: &str| fs::write(folder.join("gateway.toml"), configuration(&upstream, admin)).unwrap();
    let list = ["session", "list"];
    fails(
        folder,
        &list,
        2,
        "error: the configuration has no [admin], so the gateway cannot be asked; \
         write [admin] with listen = \"127.0.0.1:9900\" and start it anew\n",
    );
    write("[admin]\nlisten = \"127.0.0.1:0\"\n");
    fails(
        folder,
        &list,
        2,
        "error: `listen` in [admin] has port 0, which is another one at each start; name one\n",
    );
    write("[admin]\nlisten = \"127.0.0.1:9\"\n");
    let said = run(folder, &list);
    assert_eq!((said.code, said.out.as_str()), (1, ""));
    let says = "error: cannot connect to the admin listener at 127.0.0.1:9; does the gateway run?";
    assert!(said.err.starts_with(says), "{}", said.err);

    write(&format!("{SOCKET}token = {TOKEN:?}\n"));
    let socket = format!("unix:{}", "admin.sock");
    let said = run(folder, &list);
    let says = format!("error: cannot connect to the admin listener at {socket}; does the gateway run?");
    assert_eq!(
        (said.code, said.err.starts_with(&says)),
        (1, true),
        "{}",
        said.err
    );

    let gateway = Running::start(&mut portcullis(folder, &["serve"]), "admin.sock");
    for (admin, says) in [
        (
            SOCKET.to_owned(),
            format!("error: the gateway at {socket} asks for a token, and [admin] has no `token`\n"),
        ),
        (
            format!("{SOCKET}token = \"another token than that\"\n"),
            format!(
                "error: the gateway at {socket} has another token than `token` in [admin]: \
                 it was started with another configuration\n"
            ),
        ),
    ] {
        write(&admin);
        fails(folder, &list, 2, &says);
        fails(folder, &["session", "revoke", "x"], 2, &says);
    }
    assert!(gateway.last_words().contains("admin_refused"));
}
