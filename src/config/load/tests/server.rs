//! `[server]`, `[server.tls]` and `[server.limits]`.

use super::*;
use crate::config::TlsVersion;

#[test]
fn everything_that_server_can_say_is_taken() {
    let server = config(
        "[server]\nlisten = [\"127.0.0.1:1\", \"[::1]:2\"]\npublic_url = \"https://Wiki.example.com:444/\"\n\
         workers = 3\nshutdown_grace = \"0s\"\n\
         [server.tls]\ncert = \"a.crt\"\nkey = \"/keys/a.key\"\nmin_version = \"1.3\"\n\
         [server.limits]\nmax_connections = 1_000\nheader_timeout = \"1s\"\nidle_timeout = \"2s\"\nsend_timeout = \"3s\"\n\
         max_header_bytes = \"8KiB\"\nmax_body = \"0B\"\n",
    )
    .server;
    assert_eq!(
        server.listen,
        ["127.0.0.1:1".parse().unwrap(), "[::1]:2".parse().unwrap()]
    );
    assert_eq!(server.public_url.to_string(), "https://wiki.example.com:444");
    assert_eq!(server.workers.get(), 3);
    assert_eq!(server.shutdown_grace, Duration::ZERO);
    let tls = server.tls.unwrap();
    assert_eq!(
        tls.cert,
        Path::new("/etc/portcullis/a.crt"),
        "relative to the file"
    );
    assert_eq!(tls.key, Path::new("/keys/a.key"));
    assert_eq!(tls.min_version, TlsVersion::V1_3);
    assert_eq!(server.limits.max_connections, 1000);
    assert_eq!(server.limits.header_timeout, Duration::from_secs(1));
    assert_eq!(server.limits.idle_timeout, Duration::from_secs(2));
    assert_eq!(server.limits.send_timeout, Duration::from_secs(3));
    assert_eq!(server.limits.max_header_bytes, 8192);
    assert_eq!(server.limits.max_body, 0);
}

#[test]
fn no_workers_means_one_for_each_core() {
    let cores = std::thread::available_parallelism().unwrap();
    assert_eq!(config("[server]\nworkers = 0").server.workers, cores);
    assert_eq!(config("[server]\nworkers = 0x7").server.workers.get(), 7);
}

#[test]
fn a_single_address_needs_no_list_and_free_ports_may_be_asked_for_twice() {
    let listen = |text: &str| config(&format!("[server]\nlisten = {text}")).server.listen.len();
    assert_eq!(listen("\"0.0.0.0:443\""), 1);
    assert_eq!(listen("[\"127.0.0.1:0\", \"127.0.0.1:0\"]"), 2);
    assert_eq!(
        listen("[\"127.0.0.1:80\", \"127.0.0.2:80\", \"127.0.0.1:81\", \"[::1]:80\"]"),
        4
    );
}

#[test]
fn addresses_to_listen_on_are_addresses_and_none_is_there_twice() {
    let no_address = |text: &str| {
        format!("\"{text}\" is no address to listen on; write one such as \"0.0.0.0:8443\" or \"[::]:8443\"")
    };
    for text in [
        "",
        "8443",
        ":8443",
        "127.0.0.1",
        "localhost:8443",
        "127.0.0.1:65536",
        "127.0.0.1:-1",
        "256.0.0.1:80",
        "::1:8443",
        "https://127.0.0.1:8443",
        " 127.0.0.1:80",
        "127.0.0.1:80/",
    ] {
        let message = no_address(text);
        refused(&[
            (&format!("[server]\nlisten = «\"{text}\"»"), &message, ""),
            (
                &format!("[server]\nlisten = [\"127.0.0.1:1\", «\"{text}\"»]"),
                &message,
                "",
            ),
        ]);
    }
    let both = |one: &str, other: &str| {
        format!("{one} and {other} cannot be listened on both: one covers the other")
    };
    let leave = "leave one of them out";
    refused(&[
        (
            "[server]\nlisten = «[]»",
            "`listen` is empty, so nobody could connect",
            "name an address, or leave `listen` out for \"127.0.0.1:8443\"",
        ),
        (
            "[server]\nlisten = «8443»",
            "`listen` must be a string or a list of strings, but this is a number",
            "",
        ),
        (
            "[server]\nlisten = [«8443»]",
            "`listen` must be a string, but this is a number",
            "",
        ),
        (
            "[server]\nlisten = [\"127.0.0.1:80\", «\"127.0.0.1:80\"»]",
            &both("127.0.0.1:80", "127.0.0.1:80"),
            leave,
        ),
        (
            "[server]\nlisten = [\"127.0.0.1:80\", «\"0.0.0.0:80\"»]",
            &both("0.0.0.0:80", "127.0.0.1:80"),
            leave,
        ),
        (
            "[server]\nlisten = [\"[::]:80\", «\"[::1]:80\"»]",
            &both("[::1]:80", "[::]:80"),
            leave,
        ),
    ]);
}

#[test]
fn the_public_url_is_the_origin_that_browsers_send() {
    for (text, url) in [
        ("https://wiki.example.com", "https://wiki.example.com"),
        ("https://wiki.example.com/", "https://wiki.example.com"),
        ("HTTPS://Wiki.Example.COM", "https://wiki.example.com"),
        ("https://wiki.example.com:443", "https://wiki.example.com"),
        ("https://wiki.example.com:8443/", "https://wiki.example.com:8443"),
        ("https://wiki.example.com.", "https://wiki.example.com"),
        ("http://wiki:80", "http://wiki"),
        ("http://wiki:443", "http://wiki:443"),
        ("https://192.0.2.1", "https://192.0.2.1"),
        ("https://[::1]", "https://[::1]"),
        ("https://[2001:DB8::0:1]:8443", "https://[2001:db8::1]:8443"),
    ] {
        let config = config(&format!("[server]\npublic_url = \"{text}\""));
        assert_eq!(config.server.public_url.to_string(), url, "{text}");
        assert_eq!(config.token.issuer, url);
    }
    // Where none is given, it is the first address that is listened on, as a browser of this machine writes it.
    for (server, url) in [
        ("listen = \"127.0.0.1:8443\"", "http://localhost:8443"),
        ("listen = [\"0.0.0.0:80\", \"127.0.0.1:81\"]", "http://localhost"),
        ("listen = \"192.0.2.1:8080\"", "http://192.0.2.1:8080"),
        (
            "listen = \"[2001:db8::1]:443\"\ntls = { cert = \"a\", key = \"a\" }",
            "https://[2001:db8::1]",
        ),
    ] {
        assert_eq!(
            config(&format!("[server]\n{server}"))
                .server
                .public_url
                .to_string(),
            url,
            "{server}"
        );
    }
}

#[test]
fn what_is_more_or_less_than_an_origin_is_no_public_url() {
    for (text, why) in [
        ("", "it has no scheme"),
        ("wiki.example.com", "it has no scheme"),
        ("wiki.example.com:8443", "it has no scheme"),
        ("ftp://wiki.example.com", "the scheme is https, or http"),
        (
            "https://wiki.example.com/app",
            "nothing can follow the host, since the gateway answers its whole host",
        ),
        (
            "https://wiki.example.com//",
            "nothing can follow the host, since the gateway answers its whole host",
        ),
        (
            "https://wiki.example.com?x=1",
            "nothing can follow the host, since the gateway answers its whole host",
        ),
        (
            "https://wiki.example.com/#x",
            "nothing can follow the host, since the gateway answers its whole host",
        ),
        (
            "https://wiki.example.com:",
            "a port is a number between 1 and 65535",
        ),
        (
            "https://wiki.example.com:0",
            "a port is a number between 1 and 65535",
        ),
        (
            "https://wiki.example.com:65536",
            "a port is a number between 1 and 65535",
        ),
        (
            "https://wiki.example.com:+443",
            "a port is a number between 1 and 65535",
        ),
        (
            "https://wiki.example.com:x",
            "a port is a number between 1 and 65535",
        ),
        (
            "https://",
            "letters, digits and \"-\", in labels with dots between them, make one",
        ),
        (
            "https://:8443",
            "letters, digits and \"-\", in labels with dots between them, make one",
        ),
        (
            "https://*.example.com",
            "letters, digits and \"-\", in labels with dots between them, make one",
        ),
        (
            "https://wiki example.com",
            "letters, digits and \"-\", in labels with dots between them, make one",
        ),
        (
            "https://a..b",
            "letters, digits and \"-\", in labels with dots between them, make one",
        ),
        (
            "https://[::1",
            "an IPv6 address is written as \"[::1]\", without a port",
        ),
        (
            "https://[wiki]",
            "an IPv6 address is written as \"[::1]\", without a port",
        ),
        (
            "https://bücher.example",
            "write it as browsers send it, in the ASCII form that begins with \"xn--\"",
        ),
    ] {
        let message =
            format!("\"{text}\" is no public URL: {why}; write \"https://host\" or \"https://host:port\"");
        refused(&[(&format!("[server]\npublic_url = «\"{text}\"»"), &message, "")]);
    }
    refused(&[(
        "[server]\npublic_url = «[]»",
        "`public_url` must be a string, but this is a list",
        "",
    )]);
}

#[test]
fn tls_needs_both_files_and_a_public_url_to_match() {
    let both = "[server.tls] needs both `cert` and `key`";
    let name = "name two PEM files, or leave [server.tls] out to speak plain HTTP";
    refused(&[
        ("«[server.tls]»", both, name),
        ("«[server.tls]»\ncert = \"a\"", both, name),
        ("«[server.tls]»\nkey = \"a\"", both, name),
        ("[server]\ntls = «{ key = \"a\" }»", both, name),
        (
            "[server]\ntls = «true»",
            "`tls` must be a table, but this is true or false",
            "",
        ),
        (
            "[server.tls]\ncert = «\"\"»\nkey = \"a\"",
            "`cert` must name a file or folder",
            "",
        ),
        (
            "[server.tls]\ncert = \"a\"\nkey = «1.5»",
            "`key` must be a string, but this is a number with a fraction",
            "",
        ),
        (
            "[server.tls]\ncert = \"a\"\nkey = \"a\"\nmin_version = «\"1.1\"»",
            "`min_version` cannot be \"1.1\"; it is one of \"1.2\", \"1.3\"",
            "did you mean \"1.2\"?",
        ),
        (
            "[server.tls]\ncert = \"a\"\nkey = \"a\"\nmin_version = «1.2»",
            "`min_version` must be a string, but this is a number with a fraction",
            "",
        ),
    ]);
    warned(&[(
        "[server]\npublic_url = «\"http://wiki\"»\n[server.tls]\ncert = \"a\"\nkey = \"a\"",
        "`public_url` begins with http://, but the gateway speaks TLS, so its cookies are not Secure",
        "write https://",
    )]);
}

#[test]
fn numbers_times_and_sizes_have_bounds() {
    let duration =
        "is not a duration; write a whole number and a unit, such as \"30s\", \"15m\", \"12h\" or \"30d\"";
    let size = "is not a size; write a whole number and a unit, such as \"64KiB\", \"100MiB\" or \"1GiB\"";
    refused(&[
        (
            "[server]\nworkers = «-1»",
            "`workers` must be between 0 and 1024",
            "",
        ),
        (
            "[server]\nworkers = «1025»",
            "`workers` must be between 0 and 1024",
            "",
        ),
        (
            "[server]\nworkers = «99999999999999999999999»",
            "`workers` must be between 0 and 1024",
            "",
        ),
        (
            "[server]\nworkers = «1.5»",
            "`workers` must be a whole number, but this is a number with a fraction",
            "",
        ),
        (
            "[server]\nworkers = «\"2\"»",
            "`workers` must be a whole number, but this is a string",
            "",
        ),
        (
            "[server]\nworkers = «2026-01-01»",
            "`workers` must be a whole number, but this is a date",
            "",
        ),
        (
            "[server]\nshutdown_grace = «30»",
            "`shutdown_grace` must be a duration such as \"30s\", but this is a number",
            "",
        ),
        (
            "[server]\nshutdown_grace = «\"30\"»",
            &format!("\"30\" {duration}"),
            "",
        ),
        (
            "[server]\nshutdown_grace = «\"-1s\"»",
            &format!("\"-1s\" {duration}"),
            "",
        ),
        (
            "[server]\nshutdown_grace = «\"99999999999d\"»",
            "\"99999999999d\" is too long; the longest duration is \"36500d\"",
            "",
        ),
        (
            "[server.limits]\nmax_connections = «0»",
            "`max_connections` must be between 1 and 10000000",
            "",
        ),
        (
            "[server.limits]\nheader_timeout = «\"0s\"»",
            "`header_timeout` must be longer than zero",
            "",
        ),
        (
            "[server.limits]\nidle_timeout = «\"0ms\"»",
            "`idle_timeout` must be longer than zero",
            "",
        ),
        (
            "[server.limits]\nmax_header_bytes = «\"8191B\"»",
            "`max_header_bytes` must be between 8KiB and 16MiB",
            "",
        ),
        (
            "[server.limits]\nmax_header_bytes = «\"17MiB\"»",
            "`max_header_bytes` must be between 8KiB and 16MiB",
            "",
        ),
        (
            "[server.limits]\nmax_header_bytes = «65536»",
            "`max_header_bytes` must be a size such as \"64KiB\", but this is a number",
            "",
        ),
        (
            "[server.limits]\nmax_body = «\"100\"»",
            &format!("\"100\" {size}"),
            "",
        ),
        (
            "[server.limits]\nmax_body = «\"-1MiB\"»",
            &format!("\"-1MiB\" {size}"),
            "",
        ),
        (
            "[server.limits]\nmax_body = «\"99999999999GiB\"»",
            "\"99999999999GiB\" is more than can be counted",
            "",
        ),
        (
            "[server.limits]\nmax_body = «false»",
            "`max_body` must be a size such as \"64KiB\", but this is true or false",
            "",
        ),
    ]);
}
