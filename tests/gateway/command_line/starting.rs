//! What keeps the gateway from starting. It never serves with less protection than it was told to have.

use std::{
    fs,
    net::{TcpListener, TcpStream},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use super::{CHEAP, folder, run, run_with};
use crate::harness::{Upstream, free_port};

/// What a file that must be there may be instead.
#[derive(Debug, Clone, Copy)]
enum Instead {
    Missing,
    Empty,
    Garbage,
    Folder,
}

impl Instead {
    fn of(self, path: &Path) {
        fs::remove_file(path).unwrap();
        match self {
            Self::Missing => {}
            Self::Empty => fs::write(path, "").unwrap(),
            Self::Garbage => fs::write(path, b"\x00\xff\xfegarbage = [\n").unwrap(),
            Self::Folder => fs::create_dir(path).unwrap(),
        }
        if path.exists() {
            fs::set_permissions(path, fs::Permissions::from_mode(0o700)).unwrap();
        }
    }
}

/// A gateway that could start: certificate, users, a signing key. The file of the key is returned.
fn ready(upstream: &Upstream, port: u16) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(run(folder.path(), &["init"]).code, 0);
    let text = format!(
        "[server]\nlisten = \"127.0.0.1:{port}\"\nworkers = 1\n[server.tls]\ncert = \"certs/localhost.crt\"\n\
         key = \"certs/localhost.key\"\n{CHEAP}\
         [[route]]\nupstream = \"{url}\"\n[[route]]\npath = \"/public\"\naccess = \"public\"\nupstream = \"{url}\"\n",
        url = upstream.url()
    );
    fs::write(folder.path().join("gateway.toml"), text).unwrap();
    let added = run_with(
        folder.path(),
        &["user", "add", "alice", "--password-stdin"],
        "secret\n",
    );
    assert_eq!(added.code, 0);
    let keys = folder.path().join("state/keys");
    let config = portcullis::config::load(&folder.path().join("gateway.toml"))
        .unwrap()
        .config;
    portcullis::token::KeyRing::open(&config.token).unwrap();
    let key = fs::read_dir(keys).unwrap().next().unwrap().unwrap().path();
    (folder, key)
}

/// Holds that neither `serve` nor `check` takes it, that both say the same, and that nobody listens.
#[track_caller]
fn refuses(folder: &Path, port: u16, upstream: &Upstream, says: &[&str], case: &str) {
    let served = run(folder, &["serve"]);
    assert_eq!(
        (served.code, served.out.as_str()),
        (2, ""),
        "{case}: {}",
        served.err
    );
    let checked = run(folder, &["check"]);
    assert_eq!(
        (checked.code, checked.err.as_str()),
        (2, ""),
        "{case}: {}",
        checked.out
    );
    for part in says {
        assert!(
            served.err.contains(part),
            "{case}: {part:?} is missing in\n{}",
            served.err
        );
    }
    assert!(
        checked.out.contains(served.err.trim_end()),
        "{case}: serve says\n{}\nand check\n{}",
        served.err,
        checked.out
    );
    assert_eq!(
        served
            .err
            .lines()
            .filter(|line| line.starts_with("error:"))
            .count(),
        1,
        "{case}: one chain of causes\n{}",
        served.err
    );
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err(), "{case}");
    upstream.saw_nothing();
}

#[test]
fn without_its_users_certificate_or_keys_it_does_not_start() {
    use Instead::{Empty, Folder, Garbage, Missing};
    let upstream = Upstream::start();
    let users = "make one with `portcullis user add NAME`, or name another as `file` in [users]";
    let pair = "name files that are there; `portcullis init` makes a pair for localhost";
    let pem = "it is to be a PEM file, with a line that starts with \"-----BEGIN\"";
    for (file, instead, says) in [
        (
            "users.toml",
            Missing,
            &["users.toml: cannot read the user file: No such file", users][..],
        ),
        (
            "users.toml",
            Garbage,
            &["users.toml: cannot read the user file: stream did not contain valid UTF-8"],
        ),
        (
            "users.toml",
            Folder,
            &["users.toml: cannot read the user file: Is a directory", users],
        ),
        (
            "certs/localhost.crt",
            Missing,
            &[
                "cannot read the certificate in certs/localhost.crt",
                "No such file",
                pair,
            ],
        ),
        (
            "certs/localhost.crt",
            Empty,
            &["there is no certificate in certs/localhost.crt", pem],
        ),
        (
            "certs/localhost.crt",
            Garbage,
            &["there is no certificate in certs/localhost.crt", pem],
        ),
        (
            "certs/localhost.crt",
            Folder,
            &[
                "cannot read the certificate in certs/localhost.crt",
                "Is a directory",
                pair,
            ],
        ),
        (
            "certs/localhost.key",
            Missing,
            &[
                "cannot read the private key in certs/localhost.key",
                "No such file",
                pair,
            ],
        ),
        (
            "certs/localhost.key",
            Empty,
            &["there is no private key in certs/localhost.key", pem],
        ),
        (
            "certs/localhost.key",
            Garbage,
            &["there is no private key in certs/localhost.key", pem],
        ),
        (
            "certs/localhost.key",
            Folder,
            &[
                "cannot read the private key in certs/localhost.key",
                "Is a directory",
                pair,
            ],
        ),
        (
            "KEY",
            Empty,
            &[
                ".pem is not a PKCS#8 PEM file with a private key of RSA (2048 bits or more), ECDSA P-256 or P-384, or Ed25519",
                "move it away",
            ],
        ),
        (
            "KEY",
            Garbage,
            &[
                ".pem is not a PKCS#8 PEM file with a private key of RSA (2048 bits or more), ECDSA P-256 or P-384, or Ed25519",
                "move it away",
            ],
        ),
        (
            "KEY",
            Folder,
            &["cannot read the key state/keys/", "Is a directory"],
        ),
    ] {
        let port = free_port();
        let (folder, key) = ready(&upstream, port);
        let path = if file == "KEY" {
            key
        } else {
            folder.path().join(file)
        };
        instead.of(&path);
        refuses(
            folder.path(),
            port,
            &upstream,
            says,
            &format!("{file} {instead:?}"),
        );
    }
}

#[test]
fn files_that_do_not_fit_or_that_others_can_read_keep_it_from_starting() {
    let upstream = Upstream::start();
    let port = free_port();
    let (folder, key) = ready(&upstream, port);
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    refuses(
        folder.path(),
        port,
        &upstream,
        &["can be read by other users; run: chmod 600 state/keys/"],
        "open key",
    );
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();

    let (_, other) = portcullis::server::self_signed::localhost_certificate().unwrap();
    fs::write(folder.path().join("certs/localhost.key"), other).unwrap();
    let says = [
        "the key certs/localhost.key does not belong to the certificate certs/localhost.crt",
        "name the key that the certificate was made with",
    ];
    refuses(folder.path(), port, &upstream, &says, "another's key");

    let (folder, _) = ready(&upstream, port);
    let users = folder.path().join("users.toml");
    fs::write(
        &users,
        "alice:$2y$06$If6bvum7DFjUnE9p2uDeDu0YHzrHM6tf.iqN8.yx.jNN1ILEf7h0i\n",
    )
    .unwrap();
    let says = [
        "users.toml: this is an .htpasswd file, which cannot be used as it is",
        "portcullis user import --htpasswd FILE",
    ];
    refuses(folder.path(), port, &upstream, &says, "an .htpasswd file");

    let (folder, _) = ready(&upstream, port);
    fs::remove_dir_all(folder.path().join("state")).unwrap();
    fs::write(folder.path().join("state"), "").unwrap();
    let says = [
        "cannot read the keys in state/keys",
        "`keys` names a folder that the gateway can read",
    ];
    refuses(folder.path(), port, &upstream, &says, "no folder of keys");
}

#[test]
fn a_port_that_somebody_else_has_is_a_failure_of_the_moment() {
    let upstream = Upstream::start();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let (folder, _) = ready(&upstream, address.port());
    let said = run(folder.path(), &["serve"]);
    assert_eq!((said.code, said.out.as_str()), (1, ""));
    assert_eq!(
        said.err,
        format!("error: cannot listen on {address}: Address already in use (os error 98)\n")
    );
}

#[test]
fn an_access_log_that_cannot_be_opened_is_named() {
    let upstream = Upstream::start();
    let (folder, _) = ready(&upstream, free_port());
    let path = folder.path().join("gateway.toml");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, format!("[log]\naccess = \"logs/access.log\"\n{text}")).unwrap();
    let said = run(folder.path(), &["serve"]);
    assert_eq!((said.code, said.out.as_str()), (2, ""));
    assert_eq!(
        said.err,
        "error: cannot open the access log logs/access.log: No such file or directory (os error 2)\n"
    );
}

#[test]
fn a_bad_configuration_is_told_in_full_before_anything_is_tried() {
    let folder = folder("[server]\nlisten = \"nowhere\"\nworkers = -1\n[[route]]\npath = \"/\"\n");
    for arguments in [&["serve"][..], &[], &["demo"]] {
        let said = run(folder.path(), arguments);
        assert_eq!((said.code, said.out.as_str()), (2, ""), "{arguments:?}");
        assert_eq!(
            said.err,
            "error: gateway.toml:2:10: \"nowhere\" is no address to listen on; write one such as \"0.0.0.0:8443\" or \"[::]:8443\"\n \
             2 | listen = \"nowhere\"\n   |          ^^^^^^^^^\n\
             error: gateway.toml:3:11: `workers` must be between 0 and 1024\n 3 | workers = -1\n   |           ^^\n\
             error: gateway.toml:4:1: this route has no `upstream`\n 4 | [[route]]\n   | ^^^^^^^^^\n   \
             = hint: say where it leads: upstream = \"http://127.0.0.1:3000\"\n\
             warning: gateway.toml: without TLS cookies are not Secure: good enough to try things out on this machine alone\n  \
             = hint: add [server.tls], or set `public_url` to https:// where TLS ends in front\n",
            "{arguments:?}"
        );
    }
}
