//! `portcullis user …`: what it prints, what it leaves of the file, and what it does not.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::Stdio,
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use portcullis::users::UserFile;

use super::{CHEAP, ROUTE, fails, folder, run, run_with, succeeds};

const BCRYPT: &str = "$2y$06$If6bvum7DFjUnE9p2uDeDu0YHzrHM6tf.iqN8.yx.jNN1ILEf7h0i";

/// A folder with a cheap configuration and this `users.toml`.
fn people(users: &str) -> tempfile::TempDir {
    let folder = folder(&format!("{CHEAP}{ROUTE}"));
    let path = folder.path().join("users.toml");
    fs::write(&path, users).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
    folder
}

fn users(folder: &Path) -> String {
    fs::read_to_string(folder.join("users.toml")).unwrap()
}

/// The file with every hash of ours as `HASH`.
fn without_hashes(folder: &Path) -> String {
    let line = |line: &str| match line.split_once("\"$argon2id$v=19$m=8192,t=1,p=1$") {
        Some((before, hash)) => format!("{before}\"HASH\"{}\n", hash.split_once('"').unwrap().1),
        None => format!("{line}\n"),
    };
    users(folder).lines().map(line).collect()
}

#[test]
fn people_come_change_and_go_and_comments_and_order_stay() {
    let start = format!(
        "# Our people.\n\n[[user]]\nname = \"bob\" # the boss\npassword = \"{BCRYPT}\"   # from the old days\n\n\
         # Away until May.\n[[user]]\nname = \"carol\"\nroles = [ \"wiki\", # for now\n  \"staff\" ]\n"
    );
    let folder = people(&start);
    let folder = folder.path();
    let add = [
        "user",
        "add",
        "alice",
        "--display-name",
        "Alice \"Al\" Liddell",
        "--email",
        "alice@example.com",
        "--role",
        "staff",
        "--role",
        "it",
        "--password-stdin",
    ];
    succeeds(folder, &add, "secret\n", "added alice to users.toml\n");
    let alice = "\n[[user]]\nname = \"alice\"\npassword = \"HASH\"\ndisplay_name = 'Alice \"Al\" Liddell'\n\
         email = \"alice@example.com\"\nroles = [\"staff\", \"it\"]\n";
    assert_eq!(without_hashes(folder), format!("{start}{alice}"));
    succeeds(
        folder,
        &["user", "list"],
        "",
        "NAME   DISPLAY NAME        E-MAIL             ROLES       STATE\n\
         bob    -                   -                  -           active\n\
         carol  -                   -                  wiki,staff  no password\n\
         alice  Alice \"Al\" Liddell  alice@example.com  staff,it    active\n",
    );

    succeeds(
        folder,
        &["user", "passwd", "bob", "--password-stdin"],
        "another\n",
        "changed the password of bob\n",
    );
    succeeds(folder, &["user", "disable", "carol"], "", "disabled carol\n");
    succeeds(folder, &["user", "disable", "carol"], "", "disabled carol\n");
    let changed = start
        .replace(BCRYPT, "HASH")
        .replace("\"staff\" ]\n", "\"staff\" ]\ndisabled = true\n");
    assert_eq!(without_hashes(folder), format!("{changed}{alice}"));
    let said = run(folder, &["user", "list", "--json"]);
    let listed: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(
        listed[1],
        serde_json::json!({
            "name": "carol", "display_name": null, "email": null, "roles": ["wiki", "staff"], "disabled": true,
            "has_password": false,
        })
    );
    assert!(!said.out.contains('$'), "no hash is shown");

    succeeds(folder, &["user", "enable", "carol"], "", "enabled carol\n");
    succeeds(folder, &["user", "remove", "alice"], "", "removed alice\n");
    assert_eq!(without_hashes(folder), start.replace(BCRYPT, "HASH"));
}

#[test]
fn what_cannot_be_done_says_why_and_changes_nothing() {
    let start = "[[user]]\nname = \"alice\"\n";
    let folder = people(start);
    let nobody = "error: there is no user called \"zoe\" in users.toml\n";
    for (arguments, err) in [
        (
            &["add", "alice"][..],
            "error: there is a user called \"alice\" already\n",
        ),
        (&["add", ""], "error: a user name cannot be empty\n"),
        (
            &["add", " bob"],
            "error: a user name cannot begin or end with white space\n",
        ),
        (
            &["add", "b\u{202e}ob"],
            "error: a user name cannot contain control or invisible characters\n",
        ),
        (
            &["add", "b\nob"],
            "error: a user name cannot contain control or invisible characters\n",
        ),
        (&["passwd", "zoe"], nobody),
        (&["disable", "zoe"], nobody),
        (&["enable", "zoe"], nobody),
        (&["remove", "zoe"], nobody),
        (
            &["remove", "Alice"],
            "error: there is no user called \"Alice\" in users.toml\n",
        ),
        (
            &["import", "--htpasswd", "missing"],
            "error: cannot read missing: No such file or directory (os error 2)\n",
        ),
    ] {
        fails(folder.path(), &[&["user"], arguments].concat(), 2, err);
        assert_eq!(users(folder.path()), start, "{arguments:?}");
    }
    for (arguments, input, says) in [
        (&["add", "bob"][..], "", "error: the password is empty\n"),
        (
            &["passwd", "alice", "--password-stdin"],
            "a\nb\n",
            "error: the password is more than one line\n",
        ),
        (
            &["add", "bob", "--role", "a,b"],
            "x\n",
            "a role cannot be empty or contain a comma",
        ),
        (
            &["add", "bob", "--email", "x\r\nSet-Cookie: a=b"],
            "x\n",
            "this cannot have control or invisible characters",
        ),
        (
            &["add", "bob", "--display-name", " Bob"],
            "x\n",
            "or white space around it",
        ),
    ] {
        let said = run_with(folder.path(), &[&["user"], arguments].concat(), input);
        assert_eq!((said.code, said.out.as_str()), (2, ""), "{arguments:?}");
        assert!(said.err.contains(says), "{arguments:?}: {}", said.err);
        assert_eq!(users(folder.path()), start, "{arguments:?}");
    }
}

#[test]
fn a_broken_file_is_not_touched() {
    for (broken, says) in [
        (
            "[[user]\nname = \"a\"\n",
            "error: users.toml:1:8: unclosed array table",
        ),
        (
            "[[user]]\nname = 5\n",
            "error: users.toml:2:8: `name` must be a string, but this is a number",
        ),
        (
            "user = [{ name = \"alice\" }]\n",
            "error: users.toml can only be edited where each user begins with a line [[user]]\n",
        ),
    ] {
        let folder = people(broken);
        for arguments in [
            &["add", "bob"][..],
            &["passwd", "alice"],
            &["disable", "alice"],
            &["remove", "alice"],
        ] {
            let said = run_with(folder.path(), &[&["user"], arguments].concat(), "secret\n");
            assert_eq!((said.code, said.out.as_str()), (2, ""), "{arguments:?}");
            assert!(said.err.starts_with(says), "{arguments:?}: {}", said.err);
            assert_eq!(users(folder.path()), broken);
        }
    }
    // Nor is anything done with a configuration that does not say where the users are.
    let folder = folder("[users]\nfile = 5\n");
    let said = run(folder.path(), &["user", "list"]);
    assert_eq!(said.code, 2);
    assert!(
        said.err
            .starts_with("error: gateway.toml:2:8: `file` must be a string"),
        "{}",
        said.err
    );
}

#[test]
fn the_file_is_the_configurations_its_modes_stay_and_a_link_stays_a_link() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let mode = |name: &str| fs::metadata(path(name)).unwrap().permissions().mode() & 0o777;
    // Without a configuration it is the one that a newcomer has, and private.
    succeeds(
        folder.path(),
        &["user", "add", "alice"],
        "secret",
        "added alice to users.toml\n",
    );
    assert_eq!(mode("users.toml"), 0o600);

    let text = format!("[users]\nfile = \"link.toml\"\n{CHEAP}{ROUTE}");
    fs::write(path("gateway.toml"), text).unwrap();
    fs::set_permissions(path("users.toml"), fs::Permissions::from_mode(0o640)).unwrap();
    std::os::unix::fs::symlink("users.toml", path("link.toml")).unwrap();
    succeeds(
        folder.path(),
        &["user", "disable", "alice"],
        "",
        "disabled alice\n",
    );
    assert_eq!(mode("users.toml"), 0o640);
    assert!(path("link.toml").is_symlink());
    assert!(users(folder.path()).contains("disabled = true"));
    // From elsewhere, the file is the one beside the configuration.
    let config = path("gateway.toml");
    succeeds(
        Path::new("/"),
        &["-c", config.to_str().unwrap(), "user", "enable", "alice"],
        "",
        "enabled alice\n",
    );
    assert!(!users(folder.path()).contains("disabled"));
    let left: Vec<_> = fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(left.len(), 4, "nothing temporary is left: {left:?}");
}

#[test]
fn whoever_edits_users_needs_no_other_secret() {
    let folder = folder(&format!(
        "[token]\nalgorithm = \"HS256\"\nsecret = {{ env = \"ONLY_THE_SERVICE_HAS_IT\" }}\n{CHEAP}{ROUTE}"
    ));
    succeeds(
        folder.path(),
        &["user", "add", "alice"],
        "secret",
        "added alice to users.toml\n",
    );
    let said = run(folder.path(), &["check"]);
    assert_eq!(said.code, 2);
    assert!(
        said.out
            .contains("the environment variable ONLY_THE_SERVICE_HAS_IT is not set"),
        "{}",
        said.out
    );
}

#[test]
fn writers_take_turns_and_a_reader_never_sees_half_a_file() {
    let folder = people("# Our people.\n");
    let path = folder.path().join("users.toml");
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut seen = 0;
            while !done.load(Ordering::Relaxed) {
                let users = UserFile::load(&path, u64::MAX).unwrap().users().len();
                assert!(users >= seen, "{users} after {seen}");
                seen = users;
            }
        });
        let writers: Vec<_> = (0..6)
            .map(|number| {
                let folder = folder.path();
                scope.spawn(move || {
                    let name = format!("user-{number}");
                    let added = format!("added {name} to users.toml\n");
                    succeeds(folder, &["user", "add", &name], "secret\n", &added);
                })
            })
            .collect();
        let ended: Vec<_> = writers.into_iter().map(thread::ScopedJoinHandle::join).collect();
        done.store(true, Ordering::Relaxed);
        reader.join().unwrap();
        assert!(ended.iter().all(Result::is_ok));
    });
    assert_eq!(UserFile::load(&path, u64::MAX).unwrap().users().len(), 6);
    assert!(users(folder.path()).starts_with("# Our people.\n"));
}

#[test]
fn a_second_writer_waits_for_the_first() {
    let folder = people("[[user]]\nname = \"alice\"\n");
    let path = folder.path().join("users.toml");
    let first = portcullis::users::edit::UserFileEdit::open(&path).unwrap();
    let mut second = crate::harness::portcullis(folder.path(), &["user", "disable", "alice"])
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    // The kernel's list of locks says who waits for one.
    let waits = || {
        let locks = fs::read_to_string("/proc/locks").unwrap();
        locks
            .lines()
            .any(|line| line.contains("->") && line.contains(&format!(" {} ", second.id())))
    };
    let began = std::time::Instant::now();
    while !waits() {
        assert!(began.elapsed() < crate::harness::PATIENCE, "it does not wait");
        thread::yield_now();
    }
    assert!(!users(folder.path()).contains("disabled"));
    drop(first);
    assert!(second.wait().unwrap().success());
    assert!(users(folder.path()).contains("disabled = true"));
}

#[test]
fn an_htpasswd_file_is_taken_over_as_far_as_its_hashes_can_be_checked() {
    let folder = people("[[user]]\nname = \"alice\"\n");
    let from = folder.path().join("old.htpasswd");
    let lines = format!(
        "# made by hand\r\n\r\nalice:{BCRYPT}\r\nbob:{BCRYPT}\r\ncarol:$apr1$abcdefgh$xxxxxxxxxxxxxxxxxxxxxx\r\n\
         dave:{{SHA}}fDYHuOYbzxlE6ehQOmYPIfS28/E=\r\nerin:hunter2\r\nfrank\r\nbob:{BCRYPT}\r\n:{BCRYPT}\r\n\
         grace:$2y$06$short\r\nheidi:$2y$31$If6bvum7DFjUnE9p2uDeDu0YHzrHM6tf.iqN8.yx.jNN1ILEf7h0i\r\n\
         ivan:$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4\r\n"
    );
    fs::write(&from, lines).unwrap();
    succeeds(
        folder.path(),
        &["user", "import", "--htpasswd", "old.htpasswd"],
        "",
        "alice: is there already, left as it is\n\
         old.htpasswd:5 (carol): not imported: the hash format `$apr1$` is not supported\n\
         old.htpasswd:6 (dave): not imported: the hash format `{SHA}` is not supported\n\
         old.htpasswd:7 (erin): not imported: this is not a password hash; make one with `portcullis hash`\n\
         old.htpasswd:8: not imported: it is not of the form name:hash\n\
         bob: is there already, left as it is\n\
         old.htpasswd:10: not imported: a user name cannot be empty\n\
         old.htpasswd:11 (grace): not imported: the password hash is malformed\n\
         old.htpasswd:12 (heidi): not imported: the password hash asks for more memory or time than is allowed\n\
         imported 2 of 11 users\n",
    );
    let names = UserFile::load(&folder.path().join("users.toml"), u64::MAX).unwrap();
    let names: Vec<_> = names
        .users()
        .iter()
        .map(|user| user.username.as_str().to_owned())
        .collect();
    assert_eq!(names, ["alice", "bob", "ivan"]);
    assert!(users(folder.path()).contains(BCRYPT), "the hash is the same");

    fs::write(&from, b"al\xffice:x\n").unwrap();
    fails(
        folder.path(),
        &["user", "import", "--htpasswd", "old.htpasswd"],
        2,
        "error: cannot read old.htpasswd: stream did not contain valid UTF-8\n",
    );
}
