//! `[admin]`: an address of its own, and a token wherever others can reach it.

use secrecy::ExposeSecret;

use super::*;
use crate::config::AdminAddress;

#[test]
fn there_is_no_admin_listener_unless_somebody_asks_for_one() {
    assert!(config("").admin.is_none());
    let admin = config("[admin]\nlisten = \"127.0.0.1:9900\"").admin.unwrap();
    assert_eq!(admin.listen, AdminAddress::Tcp("127.0.0.1:9900".parse().unwrap()));
    assert!(admin.token.is_none());
    let text = "[admin]\nlisten = \"unix:run/admin.sock\"\ntoken = { env = \"PORTCULLIS_SECRET\" }";
    let admin = config(text).admin.unwrap();
    assert_eq!(
        admin.listen,
        AdminAddress::Unix("/etc/portcullis/run/admin.sock".into())
    );
    assert_eq!(admin.token.unwrap().expose_secret().len(), 32);
}

#[test]
fn a_listener_that_others_can_reach_or_that_is_another_s_is_refused() {
    let token = "add token = { env = \"PORTCULLIS_ADMIN\" }, or listen on 127.0.0.1 or a unix socket";
    let needs_token = "others can reach this address, so [admin] needs a `token`";
    let own_port = "give [admin] a port of its own, such as \"127.0.0.1:9900\"";
    let make = "make one with: openssl rand -hex 32";
    refused(&[
        ("[admin]\nlisten = «\"0.0.0.0:9900\"»", needs_token, token),
        ("[admin]\nlisten = «\"[::]:9900\"»", needs_token, token),
        ("[admin]\nlisten = «\"192.0.2.1:9900\"»", needs_token, token),
        (
            "«[admin]»",
            "[admin] needs `listen`",
            "write listen = \"127.0.0.1:9900\", or leave [admin] out",
        ),
        (
            "[admin]\nlisten = «\"9900\"»",
            "\"9900\" is no address to listen on; write one such as \"0.0.0.0:8443\" or \"[::]:8443\"",
            "",
        ),
        (
            "[server]\nlisten = \"127.0.0.1:9900\"\n[admin]\nlisten = «\"127.0.0.1:9900\"»",
            "127.0.0.1:9900 and 127.0.0.1:9900 cannot be listened on both: one covers the other",
            own_port,
        ),
        (
            "[server]\npublic_url = \"https://localhost\"\nredirect_http = \"0.0.0.0:9900\"\n[admin]\nlisten = «\"127.0.0.1:9900\"»",
            "127.0.0.1:9900 and 0.0.0.0:9900 cannot be listened on both: one covers the other",
            own_port,
        ),
        (
            "[server]\nlisten = \"unix:a.sock\"\npublic_url = \"https://localhost\"\n[admin]\nlisten = «\"unix:a.sock\"»",
            "/etc/portcullis/a.sock is listened on by [server] already",
            "",
        ),
        (
            "[admin]\nlisten = \"127.0.0.1:9900\"\n[[route]]\nupstream = «\"http://127.0.0.1:9900\"»",
            "this is the gateway itself, which listens on 127.0.0.1:9900",
            "name the address of the app; the two cannot share a port",
        ),
    ]);
    // Of a line with a secret nothing is shown.
    let said = shown(
        &with_route("[admin]\nlisten = \"127.0.0.1:9900\"\ntoken = { env = \"SHORT\" }"),
        Severity::Error,
    );
    assert_eq!(said.len(), 1, "{said:?}");
    let message = "the token must have at least 16 characters, but has 7";
    assert!(said[0].contains(message) && said[0].contains(make), "{said:?}");
    assert!(said[0].contains(":3:9:"), "{said:?}");
}

#[test]
fn a_token_that_travels_in_the_clear_is_warned_of() {
    warned(&[(
        "[server]\npublic_url = \"https://localhost\"\n[admin]\nlisten = «\"0.0.0.0:9900\"»\ntoken = { env = \"PORTCULLIS_SECRET\" }",
        "the admin listener speaks plain HTTP, so others can read its token on the way",
        "listen on 127.0.0.1 or a unix socket, and come through ssh or a proxy that speaks TLS",
    )]);
}
