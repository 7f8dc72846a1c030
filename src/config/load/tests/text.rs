//! The file as a whole: empty, full, broken, and more than one mistake.

use super::*;
use crate::config::{Access, AccessLog, LogFormat};

const NO_ROUTE: &str = "there is no [[route]], so nothing could be reached";
const SMALLEST: &str = "the smallest route is:\n     [[route]]\n     upstream = \"http://127.0.0.1:3000\"";
const LOCAL: &str = "without TLS cookies are not Secure: good enough to try things out on this machine alone";
const ADD_TLS: &str = "add [server.tls], or set `public_url` to https:// where TLS ends in front";

#[test]
fn a_file_without_a_route_is_told_what_the_smallest_one_is() {
    for text in [
        "",
        "\n\n",
        "# nothing\n",
        "route = []",
        "[server]\nlisten = [\"127.0.0.1:80\"]\n",
    ] {
        let expected = expected(Severity::Error, "", NO_ROUTE, SMALLEST);
        assert_eq!(shown(text, Severity::Error), [expected], "{text:?}");
    }
}

#[test]
fn a_route_is_all_there_has_to_be_and_everything_else_has_a_safe_default() {
    let config = config("");
    let server = &config.server;
    assert_eq!(server.listen, ["127.0.0.1:8443".parse().unwrap()]);
    assert_eq!(server.public_url.to_string(), "http://localhost:8443");
    assert!(server.tls.is_none());
    assert_eq!(server.workers, std::thread::available_parallelism().unwrap());
    assert_eq!(server.shutdown_grace, Duration::from_secs(30));
    assert_eq!(server.limits.max_connections, 10_000);
    assert_eq!(server.limits.header_timeout, Duration::from_secs(10));
    assert_eq!(server.limits.idle_timeout, Duration::from_secs(75));
    assert_eq!(server.limits.max_header_bytes, 64 << 10);
    assert_eq!(server.limits.max_body, 100 << 20);
    assert_eq!(config.session.cookie, "portcullis");
    assert_eq!(config.session.idle_timeout, Duration::from_secs(30 * 60));
    assert_eq!(config.session.absolute_timeout, Duration::from_secs(12 * 3600));
    assert_eq!(
        config.session.remember_timeout,
        Some(Duration::from_secs(30 * 86_400))
    );
    assert_eq!(config.session.max_per_user, 20);
    assert_eq!(config.token.issuer, "http://localhost:8443");
    assert_eq!(config.token.audience, "portcullis");
    assert_eq!(config.token.lifetime, Duration::from_secs(900));
    assert_eq!(config.token.leeway, Duration::from_secs(30));
    assert_eq!(config.users.file, Path::new("/etc/portcullis/users.toml"));
    assert_eq!(config.users.hash_memory, 256 << 20);
    assert_eq!(
        (
            config.users.argon2.memory_kib,
            config.users.argon2.passes,
            config.users.argon2.lanes
        ),
        (19 * 1024, 2, 1)
    );
    assert_eq!(config.login.title, "Sign in");
    assert_eq!(config.log.format, LogFormat::Text);
    assert_eq!(config.log.level, tracing::Level::INFO);
    assert_eq!(config.log.access, AccessLog::Stdout);
    let [route] = config.routes.as_slice() else {
        panic!()
    };
    assert_eq!(route.name, "root");
    assert!(route.hosts.is_empty() && route.path.is_empty() && route.methods.is_none());
    assert_eq!(
        route.access,
        Access::Rule(Vec::new()),
        "nothing is public unless it says so"
    );
    assert_eq!(
        route.upstreams.targets[0].url.to_string(),
        "http://127.0.0.1:3000"
    );
    assert_eq!(route.timeout.connect, Duration::from_secs(5));
    assert_eq!(route.timeout.response, Duration::from_secs(60));
    assert_eq!(route.timeout.idle, None);
    assert!(route.headers.is_empty() && !route.strip_prefix && route.max_body.is_none());
}

#[test]
fn whoever_leaves_tls_out_is_warned_the_louder_the_further_it_reaches() {
    let plain = |where_to: &str| {
        format!("passwords and cookies travel over plain HTTP to {where_to}, where others can read them")
    };
    for (text, message) in [
        ("", Some(LOCAL.to_owned())),
        ("[server]\nlisten = \"[::1]:80\"", Some(LOCAL.to_owned())),
        (
            "[server]\npublic_url = \"http://127.0.0.1:8443\"",
            Some(LOCAL.to_owned()),
        ),
        (
            "[server]\nlisten = [\"127.0.0.1:1\", \"0.0.0.0:80\"]",
            Some(plain("0.0.0.0:80")),
        ),
        (
            "[server]\npublic_url = \"http://wiki.example.com\"",
            Some(plain("http://wiki.example.com")),
        ),
        // TLS ends in front, or here.
        (
            "[server]\nlisten = \"0.0.0.0:80\"\npublic_url = \"https://wiki.example.com\"",
            None,
        ),
        ("[server.tls]\ncert = \"x\"\nkey = \"x\"", None),
    ] {
        let expected: Vec<String> = message
            .iter()
            .map(|message| expected(Severity::Warning, "", message, ADD_TLS))
            .collect();
        assert_eq!(shown(&with_route(text), Severity::Warning), expected, "{text}");
    }
}

#[test]
fn what_is_no_toml_is_shown_where_it_breaks_off_and_nothing_that_follows_from_it() {
    refused(&[
        ("[server«»\nlisten = 5", "unclosed table, expected `]`", ""),
        (
            "[log]\nlevel = «»\n",
            "string values must be quoted, expected literal string",
            "text stands in quotes",
        ),
        (
            "[log]\nlevel = «info»\n",
            "invalid float, expected `inf`",
            "text stands in quotes",
        ),
        (
            "[log]\nlevel = «loud»\n",
            "string values must be quoted, expected literal string",
            "text stands in quotes",
        ),
        ("[log]\nlevel «»\"info\"\n", "key with no value, expected `=`", ""),
        (
            "[log]\nlevel = \"info«»\n",
            "invalid basic string, expected `\"`",
            "",
        ),
        (
            "[log]\nlevel = \"info\"\n«level» = \"warn\"\n",
            "duplicate key",
            "it is there already, and can be there only once",
        ),
        (
            "[log]\nlevel = \"info\"\n[«log»]\n",
            "duplicate key",
            "it is there already, and can be there only once",
        ),
        (
            "[server]\nlisten = [\"127.0.0.1:80\"\n«[»[route]]\nupstream = \"http://a\"\n",
            "missing comma between array elements, expected `,`",
            "is a list above not closed? look for a missing \"]\"",
        ),
        (
            "«é» = 1\n",
            "invalid unquoted key, expected letters, numbers, `-`, `_`",
            "",
        ),
    ]);
    let text = "[server\nlisten = 5\n[log]\nlevel = loud\nformat = \"x\n";
    let lines: Vec<usize> = load_text(text)
        .unwrap_err()
        .iter()
        .map(|problem| problem.place.as_ref().unwrap().line)
        .collect();
    assert_eq!(
        lines,
        [1, 4, 5],
        "every place where it breaks off is told at once"
    );
}

#[test]
fn every_mistake_is_told_at_once_in_the_order_of_the_file() {
    let text = "listen = \"0.0.0.0:80\"\n[sesion]\nidle_timeout = \"30m\"\n\
        [[route]]\npath = \"wiki\"\nupstream = \"127.0.0.1:3000\"\nmethds = [\"GET\"]\n\
        [log]\nlevel = \"loud\"\n\
        [[route]]\naccess = \"publc\"\n\
        [server]\nlisten = [\"x\", \"127.0.0.1:1\", \"y\"]\nworkers = \"many\"\n\
        [server.limits]\nmax_body = 5\n";
    let told: Vec<(usize, usize)> = load_text(text)
        .unwrap_err()
        .iter()
        .map(|problem| {
            problem
                .place
                .as_ref()
                .map_or((0, 0), |place| (place.line, place.column))
        })
        .collect();
    assert_eq!(
        told,
        [
            (1, 1),
            (2, 2),
            (5, 8),
            (6, 12),
            (7, 1),
            (9, 9),
            (10, 1),
            (11, 10),
            (13, 11),
            (13, 31),
            (14, 11),
            (16, 12),
            // The warning that there is no TLS is one of the file as a whole.
            (0, 0),
        ]
    );
}

#[test]
fn unknown_keys_are_told_the_nearest_one_or_where_they_belong_or_which_there_are() {
    refused(&[
        (
            "[«servr»]\nlisten = 5",
            "unknown key `servr` in the configuration",
            "did you mean `server`?",
        ),
        (
            "«Server» = 5",
            "unknown key `Server` in the configuration",
            "did you mean `server`?",
        ),
        (
            "[server]\n«lisen» = 5",
            "unknown key `lisen` in [server]",
            "did you mean `listen`?",
        ),
        (
            "[server]\n«publicUrl» = 5",
            "unknown key `publicUrl` in [server]",
            "did you mean `public_url`?",
        ),
        (
            "«public_url» = 5",
            "unknown key `public_url` in the configuration",
            "`public_url` belongs in [server]",
        ),
        (
            "[session]\n«max_connections» = 5",
            "unknown key `max_connections` in [session]",
            "`max_connections` belongs in [server.limits]",
        ),
        (
            "[log]\n«trusted_proxy» = []",
            "unknown key `trusted_proxy` in [log]",
            "the keys here are format, level, access",
        ),
        (
            "[server]\n«trusted_proxy» = []",
            "unknown key `trusted_proxy` in [server]",
            "did you mean `trusted_proxies`?",
        ),
        (
            "[session]\n«cookie_domains» = \"example.com\"",
            "unknown key `cookie_domains` in [session]",
            "did you mean `cookie_domain`?",
        ),
        (
            "[login]\n«\"a b\"» = 5",
            "unknown key `a b` in [login]",
            "the keys here are title",
        ),
        (
            "[users.password]\nargon2 = { «memry» = \"19MiB\" }",
            "unknown key `memry` in `argon2`",
            "did you mean `memory`?",
        ),
        (
            "[[route]]\nupstream = \"http://a\"\ntimeout = { «conect» = \"5s\" }",
            "unknown key `conect` in `timeout`",
            "did you mean `connect`?",
        ),
        (
            "[[route]]\nupstream = \"http://a\"\naccess = { «role» = \"staff\" }",
            "unknown key `role` in `access`",
            "did you mean `roles`?",
        ),
        (
            "[[route]]\nupstream = \"http://a\"\n«header» = {}",
            "unknown key `header` in [[route]]",
            "did you mean `headers`?",
        ),
    ]);
}

#[test]
fn tables_and_lists_of_tables_are_not_confused() {
    refused(&[
        (
            "«[[server]]»\nlisten = \"127.0.0.1:80\"",
            "[server] can be there only once",
            "write [server], with single brackets",
        ),
        (
            "server = «5»",
            "`server` must be a table, but this is a number",
            "",
        ),
        (
            "session = «\"memory\"»",
            "`session` must be a table, but this is a string",
            "",
        ),
        (
            "«[route]»\nupstream = \"http://127.0.0.1:3000\"",
            "`route` must be a list, but this is a table",
            "write [[route]], with double brackets",
        ),
        ("route = «5»", "`route` must be a list, but this is a number", ""),
        (
            "route = [«5»]",
            "`route` must be a table, but this is a number",
            "",
        ),
    ]);
}

#[test]
fn a_file_that_cannot_be_read_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("gateway.toml");
    let told = |file: &Path| {
        let problems = load(file).unwrap_err();
        assert_eq!(problems.len(), 1);
        problems[0].to_string()
    };
    let (path, parent) = (file.display(), folder.path().display());
    let advice = "\n  = hint: name one with --config FILE, or write one with `portcullis init`";
    assert_eq!(
        told(&file),
        format!(
            "error: {path}: cannot read the configuration: No such file or directory (os error 2){advice}"
        )
    );
    assert_eq!(
        told(folder.path()),
        format!("error: {parent}: cannot read the configuration: Is a directory (os error 21){advice}")
    );
    fs::write(&file, b"[login]\ntitle = \"caf\xe9\"\n").unwrap();
    assert_eq!(
        told(&file),
        format!(
            "error: {path}: the configuration is not UTF-8 (the first bad byte is on line 2)\n  = hint: save it as UTF-8"
        )
    );
    fs::write(&file, format!("[login]\ntitle = \"café\"\n{ROUTE}")).unwrap();
    assert_eq!(load(&file).unwrap().config.login.title, "café");
}

#[test]
fn long_lines_are_cut_around_what_is_meant_and_control_characters_do_nothing() {
    let text = format!("[log]\nlevel = [{}1{}]\n", " ".repeat(300), " ".repeat(300));
    let said = shown(&with_route(&text), Severity::Error);
    assert!(said[0].lines().all(|line| line.chars().count() < 120), "{said:?}");
    refused(&[(
        "[log]\nlevel = «\"\\u001b[31m\"»",
        "`level` cannot be \"\u{fffd}[31m\"; it is one of \"error\", \"warn\", \"info\", \"debug\", \"trace\"",
        "",
    )]);
}
