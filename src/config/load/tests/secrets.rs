//! Whatever is wrong, what is secret is not shown: not in messages, not in lines, not in `Debug`.

use super::*;

const SECRET: &str = "hunter2hunter2";

/// Texts with something wrong, each with a secret in it.
const TEXTS: &[&str] = &[
    // A secret of the right kind that is wrong.
    "[token]\nalgorithm = \"HS256\"\nsecret = \"hunter2hunter2\"",
    "[token]\nsecret = \"hunter2hunter2\"",
    "[token]\nsecret = [\"hunter2hunter2\"]",
    "token = { algorithm = \"HS256\", secret = \"hunter2hunter2\" }",
    "token = { algorithm = \"XX\", secret = \"hunter2hunter2\" }",
    "token = { lifetim = \"1h\", secret = \"hunter2hunter2\" }",
    "token.secret = \"hunter2hunter2\"",
    // Keys that are misspelt, not built, or in the wrong place.
    "[token]\nsecrt = \"hunter2hunter2\"",
    "[token]\nSECRET = \"hunter2hunter2\"",
    "[token]\nsigning_secret = \"hunter2hunter2\"",
    "secret = \"hunter2hunter2\"",
    "[users]\npassword = \"hunter2hunter2\"",
    "[users]\npasword = \"hunter2hunter2\"",
    "admin = { token = \"hunter2hunter2\" }",
    "[admin]\nlisten = \"127.0.0.1:9900\"\ntoken = \"hunter2hunter2\"",
    "[admin]\nlisten = \"127.0.0.1:9900\"\ntoken = \"hunter2hunter2\\nhunter2hunter2\"",
    "[admin]\nlisten = \"hunter2\"\ntokn = \"hunter2hunter2\"",
    "[users]\nldap = { bind_password = \"hunter2hunter2\" }",
    "[users]\nsql = { url = \"postgres://app:hunter2hunter2@db/app\" }",
    "[session]\nstore = \"redis://:hunter2hunter2@127.0.0.1:port\"",
    "[[route]]\nupstream = \"http://a\"\nupstream_auth = { basic = { user = \"u\", password = \"hunter2hunter2\" } }",
    "[[route]]\nupstream = \"http://a\"\nupstream_auth = { basic = { username = \"{x}\", password = \"hunter2hunter2\" } }",
    "[[route]]\nupstream = \"http://a\"\nupstream_auth = { basic = { username = \"u\", password = [\"hunter2hunter2\"] } }",
    "[[route]]\nupstream = \"http://a\"\nupstream_auth = { basic = \"hunter2hunter2\" }",
    "[[route]]\nupstream = \"http://a\"\nupstream_auth = { bearer = [\"hunter2hunter2\"] }",
    "[[route]]\nupstream = \"http://a\"\nupstream_auth = { bearer = \"hunter2hunter2\", basic = {} }",
    "[[route]]\nupstream = \"http://a\"\nupstream_auth = { baerer = \"hunter2hunter2\" }",
    "[[route]]\nupstream = \"http://a\"\nupstream_auth = \"hunter2hunter2\"",
    "[[route]]\nupstream = \"http://app:hunter2hunter2@127.0.0.1\"",
    "[[route]]\nupstream = \"http://hunter2hunter2@127.0.0.1\"",
    "[server]\npublic_url = \"https://me:hunter2hunter2@example.com\"",
    "[[route]]\nupstream = \"http://a\"\nheaders = { Authorization = \"Bearer hunter2hunter2\", X-User = \"{usrname}\" }",
    "[[route]]\nupstream = \"http://a\"\nheaders = { \"X-Api-Key\" = \"hunter2hunter2{\" }",
    // A variable or a file that is not one.
    "[token]\nalgorithm = \"HS256\"\nsecret = { env = \"hunter2hunter2\" }",
    "[token]\nalgorithm = \"HS256\"\nsecret = { evn = \"hunter2hunter2\" }",
    "[token]\nalgorithm = \"HS256\"\n[token.secret]\nevn = \"hunter2hunter2\"",
    "[token]\nalgorithm = \"HS256\"\n[token.secret]\nvalue = \"hunter2hunter2\"",
    "[token]\nalgorithm = \"HS256\"\n[token.secret]\nenv = [\"hunter2hunter2\"]",
    // What is no TOML.
    "[token]\nsecret = \"hunter2hunter2",
    "[token]\nsecret = hunter2hunter2",
    "[token]\nsecret hunter2hunter2",
    "[token]\nsecret: \"hunter2hunter2\"",
    "[token]\nsecret = \"\"\"\nhunter2hunter2\\q\n\"\"\"",
    "[token]\nsecret = \"\"\"\n\nhunter2hunter2",
    "[token]\nsecret = '''\na = 1\nhunter2hunter2",
    "[token]\nsecret = [\n\"hunter2hunter2\" \"x\"]",
    "[token]\nsecret = \"a\"\nsecret = \"hunter2hunter2\"",
];

#[test]
fn nothing_that_is_said_or_printed_shows_a_secret() {
    for text in TEXTS {
        let problems = load_text(&with_route(text)).unwrap_err();
        for problem in &problems {
            for said in [problem.to_string(), problem.summary(), format!("{problem:?}")] {
                assert!(!said.contains(SECRET), "{text}\n---\n{said}");
            }
        }
    }
}

#[test]
fn nothing_of_a_file_with_secrets_in_it_is_said_either() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("short"), SECRET).unwrap();
    fs::write(folder.path().join("binary"), b"hunter2hunter2\xff").unwrap();
    for name in ["short", "binary"] {
        let text = format!("[token]\nalgorithm = \"HS256\"\nsecret = {{ file = \"{name}\" }}\n{ROUTE}");
        let problems = load_str(text, &folder.path().join("gateway.toml"), &environment).unwrap_err();
        let said = format!("{problems:?}{}", problems[0]);
        assert!(!said.contains(SECRET), "{said}");
    }
}

#[test]
fn a_secret_that_cannot_be_had_says_why() {
    for (value, column, message, hint) in [
        (
            "{ env = \"NOT_SET\" }",
            18,
            "the environment variable NOT_SET is not set, or not UTF-8",
            "set it before starting: export NOT_SET=…",
        ),
        (
            "{ env = \"not/a-name\" }",
            18,
            "the environment variable that `env` names is not set, or not UTF-8",
            "`env` holds a variable's name, such as \"PORTCULLIS_SECRET\", never the secret itself",
        ),
        (
            "{ file = \"missing\" }",
            19,
            "cannot read the secret in /etc/portcullis/missing: No such file or directory (os error 2)",
            "",
        ),
        (
            "{}",
            10,
            "a secret has either `env` or `file`",
            "write { env = \"NAME\" } or { file = \"path\" }",
        ),
        (
            "{ env = \"PORTCULLIS_SECRET\", file = \"/dev/null\" }",
            10,
            "a secret has either `env` or `file`",
            "write { env = \"NAME\" } or { file = \"path\" }",
        ),
        (
            "5",
            10,
            "`secret` must be a string, { env = \"NAME\" } or { file = \"path\" }, but this is a number",
            "",
        ),
        (
            "{ env = 5 }",
            18,
            "`env` must be a string, but this is a number",
            "",
        ),
    ] {
        let text = format!("[token]\nalgorithm = \"HS256\"\nsecret = {value}");
        let hint = match hint {
            "" => String::new(),
            hint => format!("\n   = hint: {hint}"),
        };
        // The line is not shown behind its key, and the caret stands under the dots.
        let said = format!("error: {FILE}:3:{column}: {message}\n 3 | secret = …\n   |          ^{hint}");
        assert_eq!(shown(&with_route(&text), Severity::Error), [said]);
    }
}
