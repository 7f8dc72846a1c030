//! Every key of the interface: those of this version are taken, the others are refused by name.

use super::*;

/// A key, the table it stands in, and whether this version has it.
const KEYS: &[(&str, &str, bool)] = &[
    ("server", "listen = [\"127.0.0.1:8443\"]", true),
    ("server", "listen = [\"unix:/run/portcullis.sock\"]", true),
    ("server", "public_url = \"https://localhost:8443\"", true),
    ("server", "workers = 0", true),
    ("server", "trusted_proxies = []", true),
    ("server", "proxy_protocol = false", true),
    ("server", "redirect_http = \"127.0.0.1:8080\"", true),
    ("server", "shutdown_grace = \"30s\"", true),
    ("server.tls", "min_version = \"1.2\"", true),
    ("server.tls", "certificates = []", false),
    ("server.tls", "client_ca = \"certs/clients.pem\"", false),
    ("server.limits", "max_connections = 10000", true),
    ("server.limits", "header_timeout = \"10s\"", true),
    ("server", "state = \"state\"", true),
    ("server.limits", "idle_timeout = \"75s\"", true),
    ("server.limits", "send_timeout = \"60s\"", true),
    ("server.limits", "max_header_bytes = \"64KiB\"", true),
    ("server.limits", "max_body = \"100MiB\"", true),
    ("session", "store = \"memory\"", true),
    ("session", "store = \"file:state/sessions.redb\"", true),
    ("session", "store = \"redis://127.0.0.1\"", true),
    ("session", "store = [\"rediss://a\", \"rediss://b\"]", true),
    ("session", "store = \"redis://a\"\nredis_ca = \"ca.pem\"", true),
    ("session", "store = \"redis://a\"\nnear_cache = 1000", true),
    ("session", "store = \"redis://a\"\noutage_grace = \"5s\"", true),
    ("session", "cookie = \"portcullis\"", true),
    ("session", "cookie_domain = \"example.com\"", true),
    ("session", "cookie_domain = [\"example.com\"]", true),
    ("session", "idle_timeout = \"30m\"", true),
    ("session", "absolute_timeout = \"12h\"", true),
    ("session", "remember_timeout = \"30d\"", true),
    ("session", "max_per_user = 20", true),
    ("session", "end_uploads = false", true),
    ("token", "issuer = \"https://localhost:8443\"", true),
    ("token", "audience = \"portcullis\"", true),
    ("token", "lifetime = \"15m\"", true),
    ("token", "refresh_lifetime = \"30d\"", true),
    ("token", "algorithm = \"ES256\"", true),
    ("token", "keys = \"state/keys\"", true),
    ("token", "leeway = \"30s\"", true),
    (
        "token",
        "trust = [{ issuer = \"https://idp.example.com\", audience = \"apps\", discovery = true }]",
        true,
    ),
    ("users", "file = \"users.toml\"", true),
    ("users", "sql = { url = \"sqlite:users.db\" }", false),
    ("users", "ldap = { url = \"ldaps://ldap.example.com\" }", false),
    (
        "users.password",
        "argon2 = { memory = \"19MiB\", passes = 2, lanes = 1 }",
        true,
    ),
    ("users.password", "hash_memory = \"256MiB\"", true),
    ("users.password", "allow_weak_hashes = false", false),
    ("login", "title = \"Sign in\"", true),
    ("login", "stylesheet = \"brand.css\"", false),
    ("login", "logo = \"logo.svg\"", false),
    ("login", "second_factor = \"optional\"", false),
    ("login", "throttle = { per_user = \"5/1m\" }", false),
    ("admin", "listen = \"127.0.0.1:9900\"", true),
    (
        "admin",
        "listen = \"unix:/run/portcullis-admin.sock\"\ntoken = { env = \"PORTCULLIS_SECRET\" }",
        true,
    ),
    ("log", "format = \"text\"", true),
    ("log", "level = \"info\"", true),
    ("log", "access = \"stdout\"", true),
    ("", "telemetry = { otlp = \"http://127.0.0.1:4317\" }", false),
    ("route", "name = \"wiki\"", true),
    ("route", "host = \"wiki.example.com\"", true),
    ("route", "path = \"/\"", true),
    ("route", "methods = [\"GET\", \"HEAD\"]", true),
    ("route", "access = \"authenticated\"", true),
    (
        "route",
        "access = { roles = [\"staff\"], users = [\"alice\"] }",
        true,
    ),
    ("access", "scopes = [\"wiki\"]", true),
    ("access", "networks = [\"10.0.0.0/8\"]", true),
    ("access", "claims = { dept = \"it\" }", true),
    ("access", "second_factor = true", false),
    ("route", "credentials = [\"session\", \"bearer\"]", true),
    ("route", "balance = \"least_requests\"", true),
    (
        "route",
        "health = { path = \"/healthz\", interval = \"5s\" }",
        true,
    ),
    (
        "route",
        "timeout = { connect = \"5s\", response = \"60s\", idle = \"0s\" }",
        true,
    ),
    ("route", "retries = 1", true),
    ("route", "strip_prefix = false", true),
    (
        "route",
        "rewrite = { from = \"^/old/(.*)$\", to = \"/new/$1\" }",
        true,
    ),
    ("route", "host_header = \"preserve\"", true),
    ("route", "headers = { \"X-WEBAUTH-USER\" = \"{username}\" }", true),
    (
        "route",
        "response_headers = { \"X-Frame-Options\" = \"DENY\" }",
        true,
    ),
    ("route", "repair_paths = false", true),
    ("route", "upstream_auth = \"assertion\"", true),
    ("route", "forward_credentials = false", true),
    ("route", "renews_session = true", true),
    ("route", "session_expires_at = true", true),
    ("route", "cross_origin = \"block\"", true),
    ("route", "max_body = \"1GiB\"", true),
    ("route", "encoded_slash = \"reject\"", false),
    ("route", "mode = \"enforce\"", false),
    ("route", "require_client_cert = true", false),
];

/// A configuration with this one line more, the key marked.
fn around(table: &str, line: &str) -> (String, String) {
    let line = format!("«{}", line.replacen(" =", "» =", 1));
    match table {
        "" => (line, "the configuration".to_owned()),
        "access" => (
            format!("[[route]]\nupstream = \"http://127.0.0.1:3000\"\naccess = {{ {line} }}"),
            "`access`".to_owned(),
        ),
        "route" => (
            format!("[[route]]\nupstream = \"http://127.0.0.1:3000\"\n{line}"),
            "[[route]]".to_owned(),
        ),
        "server.tls" => (
            format!("[server.tls]\ncert = \"a.crt\"\nkey = \"a.key\"\n{line}"),
            "[server.tls]".to_owned(),
        ),
        table => (format!("[{table}]\n{line}"), format!("[{table}]")),
    }
}

#[test]
fn every_key_is_taken_or_said_not_to_be_built_yet() {
    for (table, line, built) in KEYS {
        let (marked, name) = around(table, line);
        if *built {
            let text = with_route(&marked.replace(['«', '»'], ""));
            assert_eq!(shown(&text, Severity::Error), [""; 0], "{text}");
            continue;
        }
        let key = line.split(' ').next().unwrap();
        let message = format!("`{key}` in {name} is not built yet");
        refused(&[(&marked, &message, "this version cannot do it; leave the key out")]);
    }
    let built = KEYS.iter().filter(|(.., built)| *built).count();
    assert!(built > 35 && KEYS.len() - built > 5);
}

#[test]
fn tables_that_are_not_built_are_refused_as_a_whole() {
    let advice = "this version cannot do it; leave the key out";
    refused(&[
        (
            "[«telemetry»]\notlp = \"http://127.0.0.1\"",
            "`telemetry` in the configuration is not built yet",
            advice,
        ),
        (
            "[users.«sql»]\nurl = \"sqlite:a\"",
            "`sql` in [users] is not built yet",
            advice,
        ),
        (
            "[users.«ldap»]\nurl = \"ldaps://a\"",
            "`ldap` in [users] is not built yet",
            advice,
        ),
        (
            "[[server.tls.«certificates»]]\ncert = \"b\"\n[server.tls]\ncert = \"a\"\nkey = \"a\"",
            "`certificates` in [server.tls] is not built yet",
            advice,
        ),
    ]);
}

#[test]
fn values_that_are_not_built_are_refused_by_name() {
    refused(&[(
        "[[route]]\nupstream = \"http://a\"\nheaders = { X-Id = «\"{id}\"» }",
        "the placeholder {id} is not built yet",
        "",
    )]);
}
