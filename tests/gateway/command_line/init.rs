//! `portcullis init`, and the way from there to the first sign-in.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use super::{Said, fails, run, run_with, succeeds};
use crate::harness::{Running, Upstream, portcullis};

const FILES: [(&str, u32); 4] = [
    ("gateway.toml", 0o644),
    ("users.toml", 0o600),
    ("certs/localhost.crt", 0o644),
    ("certs/localhost.key", 0o600),
];

#[test]
fn a_newcomer_gets_files_that_only_they_can_read_where_it_matters() {
    let folder = tempfile::tempdir().unwrap();
    let wrote = |dir: &str, here: &str| {
        let files: String = FILES
            .iter()
            .map(|(name, _)| format!("wrote {dir}/{name}\n"))
            .collect();
        format!(
            "{files}\nNext:\n  1. put your app's address into gateway.toml (`upstream`)\n  \
             2. {here}portcullis user add YOUR_NAME\n  3. {here}portcullis\n  4. open https://localhost:8443/\n"
        )
    };
    succeeds(folder.path(), &["init"], "", &wrote(".", ""));
    succeeds(
        folder.path(),
        &["init", "deep/er"],
        "",
        &wrote("deep/er", "cd deep/er && "),
    );
    for base in [folder.path().to_owned(), folder.path().join("deep/er")] {
        for (name, mode) in FILES {
            let found = fs::metadata(base.join(name)).unwrap().permissions().mode() & 0o777;
            assert_eq!(found & !mode, 0, "{name} is {found:o}");
        }
        let said = run(&base, &["check"]);
        assert_eq!(
            (said.code, said.out.as_str()),
            (
                0,
                "warning: users.toml: there is no user, so nobody can sign in\n  = hint: add one: portcullis user add NAME\n\n\
                 gateway.toml can be used: 1 route, 1 warning\n"
            )
        );
    }
}

#[test]
fn nothing_is_ever_overwritten_and_nothing_written_beside_it() {
    for (name, _) in FILES {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "mine").unwrap();
        let err = format!("error: nothing was written, because this is there already: ./{name}\n");
        fails(folder.path(), &["init"], 2, &err);
        assert_eq!(fs::read_to_string(&path).unwrap(), "mine");
        for (other, _) in FILES.iter().filter(|(other, _)| *other != name) {
            assert!(!folder.path().join(other).exists(), "{other}");
        }
    }
    // A link that leads nowhere yet is somebody's, too.
    let folder = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink("elsewhere", folder.path().join("users.toml")).unwrap();
    let said = run(folder.path(), &["init"]);
    assert_eq!(
        said.err,
        "error: nothing was written, because this is there already: ./users.toml\n"
    );
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    // A folder that cannot be made.
    fs::write(folder.path().join("file"), "").unwrap();
    let said = run(folder.path(), &["init", "file/below"]);
    assert_eq!(said.code, 2);
    assert_eq!(
        said.err,
        "error: cannot write file/below/gateway.toml: Not a directory (os error 20)\n"
    );
}

/// Puts an app's address and a free port into what `init` wrote.
fn adapt(folder: &Path, upstream: &Upstream) {
    let path = folder.join("gateway.toml");
    let text = fs::read_to_string(&path).unwrap();
    let adapted = text
        .replace("\"127.0.0.1:8443\"", "\"127.0.0.1:0\"")
        .replace("http://127.0.0.1:3000", &upstream.url());
    assert_ne!(adapted, text);
    fs::write(path, adapted).unwrap();
}

#[tokio::test]
async fn three_commands_put_an_app_behind_a_login() {
    let folder = tempfile::tempdir().unwrap();
    let upstream = Upstream::start();
    assert_eq!(run(folder.path(), &["init"]).code, 0);
    adapt(folder.path(), &upstream);
    let added = run_with(
        folder.path(),
        &["user", "add", "alice", "--password-stdin"],
        "correct horse\n",
    );
    let expected = Said {
        code: 0,
        out: "added alice to users.toml\n".to_owned(),
        err: String::new(),
    };
    assert_eq!(added, expected);
    let gateway = Running::start(&mut portcullis(folder.path(), &[]), "listening");
    let base = super::serving::address(&gateway, "https");
    let client = super::serving::client();

    let refused = client.get(format!("{base}/")).send().await.unwrap();
    assert_eq!(refused.status(), 401);
    upstream.saw_nothing();
    let cookie = super::serving::sign_in(&base, "alice", "correct horse")
        .await
        .unwrap();
    assert!(cookie.starts_with("__Host-portcullis="), "{cookie}");
    let page = client
        .get(format!("{base}/"))
        .header("cookie", cookie)
        .send()
        .await
        .unwrap();
    assert_eq!(page.status(), 200);
    assert_eq!(upstream.only().header("remote-user"), ["alice"]);
    assert!(gateway.stop().success());
}
