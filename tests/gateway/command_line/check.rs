//! `portcullis check`, word for word.

use std::{fs, os::unix::fs::PermissionsExt};

use super::{CHEAP, ROUTE, Said, folder, run, run_with, succeeds};
use crate::harness::Authority;

#[test]
fn a_good_configuration_is_fine() {
    let folder = tempfile::tempdir().unwrap();
    run(folder.path(), &["init"]);
    run_with(
        folder.path(),
        &["user", "add", "alice", "--password-stdin"],
        "secret\n",
    );
    succeeds(folder.path(), &["check"], "", "gateway.toml is fine: 1 route\n");
    let path = folder.path().join("gateway.toml");
    let path = path.to_str().unwrap();
    succeeds(
        std::path::Path::new("/"),
        &["check", "-c", path],
        "",
        &format!("{path} is fine: 1 route\n"),
    );
    let made = folder.path().join("state");
    assert!(!made.exists(), "checking makes nothing");
}

#[test]
fn what_is_legal_but_risky_is_warned_of() {
    let folder = folder(&format!(
        "[server]\nlisten = \"0.0.0.0:8080\"\n{CHEAP}{ROUTE}access = \"public\"\n"
    ));
    let users = folder.path().join("users.toml");
    fs::write(&users, "").unwrap();
    fs::set_permissions(&users, fs::Permissions::from_mode(0o644)).unwrap();
    let expected = "\
warning: gateway.toml:5:1: every route is public, so nobody will ever be asked to sign in
 5 | [[route]]
   | ^^^^^^^^^
   = hint: leave `access` out where people should sign in

warning: gateway.toml: passwords and cookies travel over plain HTTP to 0.0.0.0:8080, where others can read them
  = hint: add [server.tls], or set `public_url` to https:// where TLS ends in front

warning: users.toml: there is no user, so nobody can sign in
  = hint: add one: portcullis user add NAME

warning: users.toml: other users of this machine can read the password hashes
  = hint: chmod 600 users.toml

gateway.toml can be used: 1 route, 4 warnings
";
    succeeds(folder.path(), &["check"], "", expected);
}

#[test]
fn a_bad_configuration_is_told_all_that_is_wrong_with_it() {
    let folder = folder(
        "[server]\nlisen = [\"0.0.0.0:8443\"]\npublic_url = \"https://wiki.example.com/app\"\n\
         [token]\nalgorithm = \"HS256\"\nsecret = \"hunter2\"\n\
         [[route]]\npath = \"/\"\nupstream = \"ws://127.0.0.1:3000\"\nmode = \"report\"\n",
    );
    let expected = "\
error: gateway.toml:2:1: unknown key `lisen` in [server]
 2 | lisen = [\"0.0.0.0:8443\"]
   | ^^^^^
   = hint: did you mean `listen`?

error: gateway.toml:3:14: \"https://wiki.example.com/app\" is no public URL: nothing can follow the host, since the gateway answers its whole host; write \"https://host\" or \"https://host:port\"
 3 | public_url = \"https://wiki.example.com/app\"
   |              ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^

error: gateway.toml:6:10: the secret must have at least 32 bytes for HS256, but has 7
 6 | secret = …
   |          ^
   = hint: make one: head -c 32 /dev/urandom | base64

error: gateway.toml:9:12: \"ws://127.0.0.1:3000\" is no upstream: write its address, such as \"http://127.0.0.1:3000\"; it begins with http://, https://, h2c:// or unix:
 9 | upstream = \"ws://127.0.0.1:3000\"
   |            ^^^^^^^^^^^^^^^^^^^^^

error: gateway.toml:10:1: `mode` in [[route]] is not built yet
 10 | mode = \"report\"
    | ^^^^
    = hint: this version cannot do it; leave the key out

warning: gateway.toml: without TLS cookies are not Secure: good enough to try things out on this machine alone
  = hint: add [server.tls], or set `public_url` to https:// where TLS ends in front

gateway.toml cannot be used: 5 errors, 1 warning
";
    let said = Said {
        code: 2,
        out: expected.to_owned(),
        err: String::new(),
    };
    assert_eq!(run(folder.path(), &["check"]), said);
}

#[test]
fn a_configuration_that_is_not_there_says_how_to_get_one() {
    let folder = tempfile::tempdir().unwrap();
    let said = run(folder.path(), &["check", "--config", "other.toml"]);
    assert_eq!(
        (said.code, said.out.as_str()),
        (
            2,
            "error: other.toml: cannot read the configuration: No such file or directory (os error 2)\n  \
             = hint: name one with --config FILE, or write one with `portcullis init`\n\n\
             other.toml cannot be used: 1 error, 0 warnings\n"
        )
    );
}

#[test]
fn mistakes_in_the_user_file_are_told_with_the_others() {
    let folder = folder(&format!("[server]\npublic_url = \"https://a\"\n{ROUTE}"));
    let users = folder.path().join("users.toml");
    fs::write(
        &users,
        "[[user]]\nname = \"alice\"\npasword = \"hunter2\"\n[[user]]\nname = \"alice\"\n",
    )
    .unwrap();
    fs::set_permissions(&users, fs::Permissions::from_mode(0o600)).unwrap();
    let expected = "\
error: users.toml:3:1: unknown key `pasword` in [[user]]
 3 | pasword = …
   | ^^^^^^^
   = hint: did you mean `password`?

error: users.toml:4:1: there is another user called \"alice\"
 4 | [[user]]
   | ^^^^^^^^

gateway.toml cannot be used: 2 errors, 0 warnings
";
    let said = run(folder.path(), &["check"]);
    assert_eq!((said.code, said.out.as_str()), (2, expected));
    // `serve` says the same of them, on standard error.
    let served = run(folder.path(), &["serve"]);
    let problems = expected
        .split("\n\ngateway")
        .next()
        .unwrap()
        .replace("\n\n", "\n");
    assert_eq!(
        (served.code, served.out.as_str(), served.err),
        (2, "", format!("{problems}\n"))
    );
}

#[test]
fn a_certificate_that_browsers_will_not_believe_is_warned_of() {
    let folder = folder(&format!(
        "[server]\npublic_url = \"https://wiki.example.com\"\n[server.tls]\ncert = \"a.crt\"\nkey = \"a.key\"\n{ROUTE}"
    ));
    let mut params = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap();
    params.not_after = rcgen::date_time_ymd(2020, 1, 1);
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    fs::write(folder.path().join("a.crt"), certificate.pem()).unwrap();
    fs::write(folder.path().join("users.toml"), "").unwrap();
    for (file, text) in [("a.key", key.serialize_pem()), ("users.toml", String::new())] {
        let path = folder.path().join(file);
        fs::write(&path, text).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
    }
    let expected = "\
warning: a.crt: the certificate has expired
  = hint: renew it

warning: a.crt: the certificate does not name \"wiki.example.com\", the host of `public_url`
  = hint: name a certificate of that host, or correct `public_url`

warning: users.toml: there is no user, so nobody can sign in
  = hint: add one: portcullis user add NAME

gateway.toml can be used: 1 route, 3 warnings
";
    succeeds(folder.path(), &["check"], "", expected);
}

#[test]
fn files_of_an_upstream_s_tls_are_looked_at() {
    let ours = Authority::new();
    let (pair, other) = (ours.pair("gateway"), ours.pair("gateway"));
    let folder = folder("");
    let write = |name: &str, text: &[u8]| fs::write(folder.path().join(name), text).unwrap();
    for (name, file) in [
        ("ca.pem", &ours.ca()),
        ("a.crt", &pair.cert),
        ("a.key", &pair.key),
        ("b.key", &other.key),
    ] {
        write(name, &fs::read(file).unwrap());
    }
    write("empty.pem", b"nothing here\n");
    write(
        "odd.pem",
        b"-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n",
    );
    for file in ["a.key", "users.toml"] {
        let path = folder.path().join(file);
        fs::write(&path, fs::read(&path).unwrap_or_default()).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
    }
    let route = |tls: &str| {
        format!(
            "[server]\npublic_url = \"https://a\"\n[[route]]\nname = \"wiki\"\nupstream = \"https://app\"\nupstream_tls = {tls}\n"
        )
    };
    let pem = "it is to be a PEM file, with a line that starts with \"-----BEGIN\"";
    for (tls, problem, hint) in [
        (
            "{ ca = \"none.pem\" }",
            "cannot read the certificate in none.pem: I/O error: No such file or directory (os error 2)",
            "name a PEM file that is there, and that the gateway can read",
        ),
        (
            "{ ca = \"empty.pem\" }",
            "there is no certificate in empty.pem",
            pem,
        ),
        ("{ ca = \"a.key\" }", "there is no certificate in a.key", pem),
        (
            "{ ca = \"odd.pem\" }",
            "a certificate in odd.pem cannot be used to check others: invalid peer certificate: BadEncoding",
            "name the certificate of whoever signed the upstream's",
        ),
        (
            "{ cert = \"a.crt\", key = \"a.crt\" }",
            "there is no private key in a.crt",
            pem,
        ),
        (
            "{ cert = \"a.crt\", key = \"b.key\" }",
            "the key b.key does not belong to the certificate a.crt",
            "name the key that the certificate was made with",
        ),
    ] {
        write("gateway.toml", route(tls).as_bytes());
        let problem = format!(
            "error: [[route]]: the upstream of the route \"wiki\" cannot be used: {problem}\n  = hint: {hint}\n"
        );
        let said = run(folder.path(), &["check"]);
        assert_eq!(said.code, 2, "{tls}");
        assert!(said.out.starts_with(&problem), "{tls}\n{}\n{problem}", said.out);
        let served = run(folder.path(), &["serve"]);
        assert_eq!((served.code, served.err), (2, problem), "{tls}");
    }
    write(
        "gateway.toml",
        route("{ ca = \"ca.pem\", cert = \"a.crt\", key = \"a.key\" }").as_bytes(),
    );
    assert_eq!(run(folder.path(), &["check"]).code, 0);
    fs::set_permissions(folder.path().join("a.key"), fs::Permissions::from_mode(0o644)).unwrap();
    let said = run(folder.path(), &["check"]).out;
    let warning =
        "warning: a.key: other users of this machine can read the private key\n  = hint: chmod 600 a.key\n";
    assert!(said.contains(warning), "{said}");
}
