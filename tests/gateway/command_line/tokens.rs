//! `portcullis token …`: what it makes, lists, ends and says, beside a gateway that runs.

use std::{fs, path::Path};

use serde_json::Value;

use super::{CHEAP, fails, folder, run, run_with, succeeds};
use crate::{
    harness::{Running, Upstream, portcullis, soon, user_entry},
    tokens::claims_of,
};

/// A folder with a configuration, alice, and carol, who is disabled.
fn with_people(more: &str) -> tempfile::TempDir {
    let folder = folder(&format!(
        "{CHEAP}{more}[[route]]\nupstream = \"http://127.0.0.1:9\"\n"
    ));
    let users = [
        user_entry("alice", &["staff"], "email = \"a@example.com\""),
        user_entry("carol", &[], "disabled = true"),
    ];
    fs::write(folder.path().join("users.toml"), users.concat()).unwrap();
    folder
}

/// What a command prints that succeeds, without the end of its line.
#[track_caller]
fn prints(folder: &Path, arguments: &[&str]) -> String {
    let said = run(folder, arguments);
    assert_eq!((said.code, said.err.as_str()), (0, ""), "{arguments:?}");
    said.out.trim_end().to_owned()
}

#[test]
fn a_signed_token_says_what_was_asked_for() {
    let folder = with_people("[token]\nissuer = \"https://gateway.example.com\"\n");
    let folder = folder.path();
    let issue = |more: &[&str]| claims_of(&prints(folder, &[&["token", "issue", "alice"], more].concat()));
    let plain = issue(&[]);
    let lived = |claims: &Value| claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap();
    assert_eq!(lived(&plain), 900);
    assert_eq!(plain["aud"], "portcullis");
    assert_eq!(plain["iss"], "https://gateway.example.com");
    assert_eq!(plain["username"], "alice");
    assert_eq!(plain["email"], "a@example.com");
    assert_eq!(plain["roles"], serde_json::json!(["staff"]));
    assert!(
        plain.get("scope").is_none() && plain.get("amr").is_none(),
        "{plain}"
    );
    let more = issue(&[
        "--lifetime",
        "2h",
        "--audience",
        "ci",
        "--scope",
        "wiki",
        "--scope",
        "mail",
    ]);
    assert_eq!(
        (lived(&more), &more["aud"], &more["scope"]),
        (7200, &"ci".into(), &"wiki mail".into())
    );
}

#[test]
fn what_cannot_be_made_is_said_and_nothing_is_printed() {
    let folder = with_people("");
    let folder = folder.path();
    for (arguments, err) in [
        (&["issue", "bob"][..], "error: there is no user called \"bob\"\n"),
        (&["issue", "carol"], "error: carol is disabled\n"),
        (&["issue", "carol", "--name", "x"], "error: carol is disabled\n"),
        (
            &["issue", " alice"],
            "error: a user name cannot begin or end with white space\n",
        ),
        (
            &["issue", "alice", "--scope", "a b"],
            "error: \"a b\" is no scope; it is one word of plain letters and signs, without quotes\n",
        ),
        (
            &["issue", "alice", "--name", ""],
            "error: a token's name has 1 to 60 printable characters\n",
        ),
        (
            &["issue", "alice", "--name", "x", "--lifetime", "400d"],
            "error: a token lives for at least a minute, and 366 days at most\n",
        ),
        (
            &["revoke", "x"],
            "error: there is no personal token x; `portcullis token list` shows them\n",
        ),
    ] {
        fails(folder, &[&["token"], arguments].concat(), 2, err);
    }
    for (arguments, says) in [
        (
            &["issue", "alice", "--lifetime", "soon"][..],
            "invalid value 'soon' for '--lifetime <DURATION>'",
        ),
        (
            &["issue", "alice", "--name", "x", "--audience", "y"],
            "cannot be used with '--audience",
        ),
        (&["issue"], "<USER>"),
    ] {
        let said = run(folder, &[&["token"], arguments].concat());
        assert!(
            said.code == 2 && said.err.contains(says),
            "{arguments:?}: {said:?}"
        );
    }
    succeeds(folder, &["token", "list"], "", "there is no personal token\n");
}

#[test]
fn a_token_is_inspected_without_a_gateway() {
    let folder = with_people("");
    let other = with_people("");
    let inspect = |token: &str| run_with(folder.path(), &["token", "inspect"], token);
    let good = prints(folder.path(), &["token", "issue", "alice"]);
    for shown in [good.clone(), format!("Bearer {good}\n")] {
        let said = inspect(&shown);
        assert_eq!((said.code, said.err.as_str()), (0, ""));
        assert!(said.out.contains("\"alg\": \"ES256\"") && said.out.contains("\"username\": \"alice\""));
        assert!(
            said.out
                .contains("signed by one of our keys, and counts until 20"),
            "{}",
            said.out
        );
    }
    let foreign = prints(other.path(), &["token", "issue", "alice"]);
    let elsewhere = prints(folder.path(), &["token", "issue", "alice", "--audience", "ci"]);
    let personal = prints(folder.path(), &["token", "issue", "alice", "--name", "backup"]);
    let (signed, _) = good.rsplit_once('.').unwrap();
    for (token, code, says) in [
        (&*foreign, 1, "does not count: the token names an unknown key"),
        (&elsewhere, 1, "does not count: the token is for another audience"),
        (
            &format!("{signed}.AAAA"),
            1,
            "does not count: the token's signature or claims are not valid",
        ),
        ("x.y.z", 1, "(not readable)"),
        (&personal, 0, "\"name\": \"backup\""),
        ("pcp_x", 1, "this is no personal token of ours, or not any more"),
    ] {
        let said = inspect(token);
        assert_eq!((said.code, said.err.as_str()), (code, ""), "{token}");
        assert!(said.out.contains(says), "{token}: {}", said.out);
    }
    for token in ["", "\n", "pcr_x"] {
        let said = inspect(token);
        assert_eq!((said.code, said.out.as_str()), (1, ""), "{token}");
        assert!(said.err.starts_with("error: "), "{}", said.err);
    }
}

#[tokio::test]
async fn a_gateway_that_runs_follows_what_is_made_and_ended_beside_it() {
    let upstream = Upstream::start();
    let folder = tempfile::tempdir().unwrap();
    let port = crate::harness::free_port();
    let text = format!(
        "[server]\nlisten = [\"127.0.0.1:{port}\"]\n{CHEAP}[[route]]\nupstream = {:?}\n",
        upstream.url()
    );
    fs::write(folder.path().join("gateway.toml"), text).unwrap();
    fs::write(
        folder.path().join("users.toml"),
        user_entry("alice", &["staff"], ""),
    )
    .unwrap();
    let running = Running::start(&mut portcullis(folder.path(), &["serve"]), "listening");
    let client = reqwest::Client::new();
    let accepts = async |token: &str| {
        let request = client.get(format!("http://127.0.0.1:{port}/")).bearer_auth(token);
        request.send().await.unwrap().status() == 200
    };
    let signed = prints(folder.path(), &["token", "issue", "alice", "--lifetime", "1h"]);
    assert!(accepts(&signed).await, "our key has signed it");

    let arguments = ["token", "issue", "alice", "--name", "backup", "--lifetime", "30d"];
    let token = prints(folder.path(), &arguments);
    let is_in = async { while !accepts(&token).await {} };
    soon("the new token", is_in).await;
    let listed: Value = serde_json::from_str(&prints(folder.path(), &["token", "list", "--json"])).unwrap();
    let id = listed[0]["id"].as_str().unwrap();
    assert_eq!(
        (&listed[0]["user"], &listed[0]["name"], &listed[0]["scopes"]),
        (&"alice".into(), &"backup".into(), &Value::Null)
    );
    let line = prints(folder.path(), &["token", "list", "alice"]);
    assert!(
        line.starts_with(&format!("{id}  alice  \"backup\"  all scopes, until 20")),
        "{line}"
    );
    succeeds(
        folder.path(),
        &["token", "list", "bob"],
        "",
        "there is no personal token\n",
    );

    succeeds(
        folder.path(),
        &["token", "revoke", id],
        "",
        "ended \"backup\" of alice\n",
    );
    let is_out = async { while accepts(&token).await {} };
    soon("the end of the token", is_out).await;
    assert!(running.stop().success());
}

#[test]
fn a_key_goes_on_for_as_long_as_the_longest_token_that_it_has_signed() {
    let folder = with_people("");
    let folder = folder.path();
    let until = |state: &str| -> Option<String> {
        let keys: Value = serde_json::from_str(&prints(folder, &["key", "list", "--json"])).unwrap();
        let keys = keys.as_array().unwrap();
        let key = keys.iter().find(|key| key["state"] == state).unwrap();
        key["verifies_until"].as_str().map(str::to_owned)
    };
    let token = prints(folder, &["token", "issue", "alice", "--lifetime", "30d"]);
    prints(folder, &["token", "issue", "alice", "--lifetime", "1d"]);
    prints(folder, &["key", "rotate"]);
    assert_eq!(until("signs"), None);
    let expires = claims_of(&token)["exp"].as_i64().unwrap();
    let leeway = 30;
    let expected = time::OffsetDateTime::from_unix_timestamp(expires + leeway).unwrap();
    let said = until("verifies").unwrap();
    // The file has the milliseconds that the claim has not.
    assert_eq!(
        said[..19],
        expected
            .format(&time::format_description::well_known::Rfc3339)
            .unwrap()[..19]
    );
    let said = run_with(folder, &["token", "inspect"], &token);
    assert_eq!(said.code, 0, "{}", said.out);
}
