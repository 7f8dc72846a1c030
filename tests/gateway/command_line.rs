//! The binary as a person or a script runs it: what it prints where, how it ends, and what it leaves behind.

use std::{
    fs,
    io::Write,
    path::Path,
    process::{Command, Output, Stdio},
};

use crate::harness::portcullis;

mod check;
mod init;
mod people;
mod serving;
mod sessions;
mod starting;
mod tokens;

/// Hashing as cheap as the configuration allows.
const CHEAP: &str = "[users.password]\nargon2 = { memory = \"8MiB\", passes = 1, lanes = 1 }\n";

/// A route to nowhere.
const ROUTE: &str = "[[route]]\nupstream = \"http://127.0.0.1:9\"\n";

/// What a command that has ended had to say.
#[derive(Debug, PartialEq, Eq)]
struct Said {
    code: i32,
    out: String,
    err: String,
}

/// Runs a command to its end.
#[track_caller]
fn run(folder: &Path, arguments: &[&str]) -> Said {
    run_with(folder, arguments, "")
}

/// Runs a command to its end with this on its standard input.
#[track_caller]
fn run_with(folder: &Path, arguments: &[&str], input: &str) -> Said {
    let output = finish(&mut portcullis(folder, arguments), input);
    let said = Said {
        code: output.status.code().expect("it was ended by a signal"),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    };
    for text in [&said.out, &said.err] {
        assert!(
            !text.contains("panicked") && !text.contains("backtrace"),
            "{arguments:?}: {text}"
        );
    }
    said
}

fn finish(command: &mut Command, input: &str) -> Output {
    command.env("RUST_BACKTRACE", "1");
    let piped = [Stdio::piped(), Stdio::piped(), Stdio::piped()];
    let [stdin, stdout, stderr] = piped;
    let mut child = command
        .stdin(stdin)
        .stdout(stdout)
        .stderr(stderr)
        .spawn()
        .unwrap();
    // A command that does not read its input has ended by now, or will.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

/// Holds that a command fails, with nothing on standard output and this on standard error.
#[track_caller]
fn fails(folder: &Path, arguments: &[&str], code: i32, err: &str) {
    let expected = Said {
        code,
        out: String::new(),
        err: err.to_owned(),
    };
    assert_eq!(run(folder, arguments), expected, "{arguments:?}");
}

/// Holds that a command succeeds, with this on standard output and nothing on standard error.
#[track_caller]
fn succeeds(folder: &Path, arguments: &[&str], input: &str, out: &str) {
    let expected = Said {
        code: 0,
        out: out.to_owned(),
        err: String::new(),
    };
    assert_eq!(run_with(folder, arguments, input), expected, "{arguments:?}");
}

/// A folder with this `gateway.toml`.
fn folder(gateway: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("gateway.toml"), gateway).unwrap();
    folder
}

#[test]
fn every_command_explains_itself() {
    let folder = tempfile::tempdir().unwrap();
    for command in [
        "",
        "serve",
        "demo",
        "check",
        "init",
        "user",
        "user add",
        "user passwd",
        "user disable",
        "user enable",
        "user remove",
        "user list",
        "user import",
        "key",
        "key list",
        "key retire",
        "token",
        "token issue",
        "token inspect",
        "token list",
        "token revoke",
        "session",
        "session list",
        "session revoke",
        "hash",
        "sample-app",
        "completions",
    ] {
        let arguments: Vec<&str> = command.split_whitespace().chain(["--help"]).collect();
        let said = run(folder.path(), &arguments);
        assert_eq!((said.code, said.err.as_str()), (0, ""), "{command}");
        let usage = format!(
            "Usage: portcullis{}{command}",
            if command.is_empty() { "" } else { " " }
        );
        assert!(said.out.contains(&usage), "{command}: {}", said.out);
    }
    let said = run(folder.path(), &["--version"]);
    assert_eq!(
        (said.code, said.out.as_str()),
        (0, concat!("portcullis ", env!("CARGO_PKG_VERSION"), "\n"))
    );
    assert_eq!(
        fs::read_dir(folder.path()).unwrap().count(),
        0,
        "nothing was written"
    );
}

#[test]
fn wrong_arguments_end_with_2_and_are_said_on_standard_error() {
    let folder = folder(ROUTE);
    for (arguments, says) in [
        (&["srve"][..], "unrecognized subcommand 'srve'"),
        (&["check", "x"], "unexpected argument 'x'"),
        (&["--config"], "a value is required for '--config <FILE>'"),
        (&["init", "a", "b"], "unexpected argument 'b'"),
        (&["user"], "Usage: portcullis user"),
        (&["user", "add"], "<NAME>"),
        (&["user", "import", "x"], "unexpected argument 'x'"),
        // A password is never an argument, where other users of the machine would see it.
        (
            &["user", "add", "alice", "--password", "x"],
            "unexpected argument '--password'",
        ),
        (
            &["user", "add", "alice", "--password-stdin=x"],
            "unexpected value 'x'",
        ),
        (&["user", "passwd", "alice", "x"], "unexpected argument 'x'"),
        (&["session", "revoke"], "<ID>"),
        (
            &["session", "list", "--limit", "0"],
            "invalid value '0' for '--limit <N>'",
        ),
        (&["hash", "x"], "unexpected argument 'x'"),
        (
            &["sample-app", "--listen", "x"],
            "invalid value 'x' for '--listen <ADDR>'",
        ),
        (&["completions", "dos"], "invalid value 'dos' for '<SHELL>'"),
    ] {
        let said = run(folder.path(), arguments);
        assert_eq!((said.code, said.out.as_str()), (2, ""), "{arguments:?}");
        assert!(said.err.contains(says), "{arguments:?}: {}", said.err);
    }
}

#[test]
fn every_shell_has_its_completions() {
    let folder = tempfile::tempdir().unwrap();
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let said = run(folder.path(), &["completions", shell]);
        assert_eq!((said.code, said.err.as_str()), (0, ""), "{shell}");
        assert!(
            said.out.contains("portcullis") && said.out.contains("sample-app"),
            "{shell}"
        );
    }
}

#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    let folder = folder(&format!("{CHEAP}{ROUTE}"));
    run_with(
        folder.path(),
        &["user", "add", "alice", "--password-stdin"],
        "secret\n",
    );
    for arguments in [
        &["--help"][..],
        &["--version"],
        &["completions", "bash"],
        &["check"],
        &["hash", "--password-stdin"],
        &["user", "list"],
        &["user", "list", "--json"],
        &["user", "disable", "alice"],
        &["init", "new"],
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut child = portcullis(folder.path(), arguments)
            .env("RUST_BACKTRACE", "1")
            .stdin(Stdio::piped())
            .stdout(writer)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let _ = child.stdin.take().unwrap().write_all(b"secret\n");
        let output = child.wait_with_output().unwrap();
        let err = String::from_utf8(output.stderr).unwrap();
        assert_eq!(
            (output.status.code(), err.as_str()),
            (Some(0), ""),
            "{arguments:?}"
        );
    }
    // And what there was to do has been done.
    assert!(run(folder.path(), &["user", "list"]).out.contains("disabled"));
    let new = folder.path().join("new");
    assert!(new.join("gateway.toml").exists() && new.join("certs/localhost.key").exists());
}

#[test]
fn a_password_becomes_its_hash_at_the_cost_of_the_configuration() {
    use argon2::{Argon2, PasswordVerifier};
    let cheap = folder(&format!("{CHEAP}{ROUTE}"));
    let usual = tempfile::tempdir().unwrap();
    for (folder, cost) in [(&cheap, "m=8192,t=1,p=1"), (&usual, "m=19456,t=2,p=1")] {
        let said = run_with(folder.path(), &["hash", "--password-stdin"], "sécret \r\n");
        assert_eq!((said.code, said.err.as_str()), (0, ""));
        let hash = said.out.strip_suffix('\n').unwrap();
        assert!(hash.starts_with(&format!("$argon2id$v=19${cost}$")), "{hash}");
        assert!(
            Argon2::default()
                .verify_password("sécret ".as_bytes(), hash)
                .is_ok(),
            "{hash}"
        );
        // Without the option too, where nobody could be asked.
        assert_ne!(
            run_with(folder.path(), &["hash"], "sécret ").out,
            said.out,
            "the salt differs"
        );
    }
    let long = "x".repeat(1025);
    for (input, says) in [
        ("", "error: the password is empty\n"),
        ("\n", "error: the password is empty\n"),
        ("a\nb\n", "error: the password is more than one line\n"),
        (&long, "error: the password is longer than 1024 bytes\n"),
    ] {
        let said = run_with(cheap.path(), &["hash", "--password-stdin"], input);
        assert_eq!((said.code, said.out.as_str(), said.err.as_str()), (2, "", says));
    }
    let mut command = portcullis(cheap.path(), &["hash", "--password-stdin"]);
    let mut child = command
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"\xff\n").unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(
        String::from_utf8(output.stderr).unwrap(),
        "error: cannot read the password from standard input: stream did not contain valid UTF-8\n"
    );
}
