//! What must hold for any bytes at all: the properties that `fuzz/` looks for counterexamples to, held against many
//! inputs that look like what they are meant for.

#[path = "../../fuzz/properties/header_hygiene.rs"]
mod header_hygiene;
#[path = "../../fuzz/properties/proxy_protocol.rs"]
mod proxy_protocol;
#[path = "../../fuzz/properties/target.rs"]
mod target;

use proptest::{collection::vec, prelude::*, sample::select};

/// Texts that are made of these words, with any bytes strewn in.
fn of_words(words: &'static [&'static str]) -> impl Strategy<Value = Vec<u8>> {
    let word = select(words).prop_map(|word| word.as_bytes().to_vec());
    let piece = prop_oneof![
        12 => word,
        1 => vec(any::<u8>(), 0..4),
    ];
    vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

/// Version 2 of the PROXY protocol behind its signature, as far as it goes.
fn proxy_v2() -> impl Strategy<Value = Vec<u8>> {
    let family = select(&[0x00, 0x11, 0x12, 0x21, 0x22, 0x31, 0x41][..]);
    let command = select(&[0x20, 0x21, 0x11, 0x2f][..]);
    (command, family, 0..600_u16, vec(any::<u8>(), 0..700)).prop_map(|(command, family, length, rest)| {
        let [high, low] = length.to_be_bytes();
        [&b"\r\n\r\n\0\r\nQUIT\n"[..], &[command, family, high, low], &rest].concat()
    })
}

const PROXY_V1: &[&str] = &[
    "PROXY ",
    "PROXY TCP4 ",
    "PROXY TCP6 ",
    "PROXY UNKNOWN",
    "TCP4",
    " ",
    "192.0.2.1 ",
    "::1 ",
    "2001:db8::9 ",
    "80 ",
    "443",
    "+1",
    "\r\n",
    "\r",
    "\n",
    "GET / HTTP/1.1\r\n",
];

const PATHS: &[&str] = &[
    "/",
    "//",
    ".",
    "..",
    "%2e",
    "%2E%2e",
    "%252e",
    "%25",
    "%2f",
    "%5c",
    "\\",
    ";",
    "%3b",
    "a",
    "admin",
    "%61",
    "%c0%ae",
    "%e0%80%ae",
    "%f0%80%80%ae",
    "\u{e9}",
    "%c3%a9",
    "%00",
    "%",
    "%zz",
    "?",
    "#",
    "@",
    ":",
    "[::1]",
    "example.com",
    "EXAMPLE",
    ":80",
    "http://",
    "\nexample.com",
    "\n[::1]:80",
    "\n",
];

const FIELDS: &[&str] = &[
    "remote-user",
    "Remote_User",
    "x-forwarded-for",
    "X.Forwarded~Host",
    "forwarded",
    "x-request-id",
    "traceparent",
    "X_Webauth-User",
    "x-portcullis-",
    "connection",
    "Connection: ",
    "te",
    "Keep-Alive",
    "x-mine",
    "accept",
    "cookie",
    ": ",
    ":",
    ",",
    ", ",
    "close",
    "\n",
    "\n",
    "1",
    "-",
    "_",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn the_beginning_of_a_connection_has_one_reading(
        bytes in prop_oneof![of_words(PROXY_V1), proxy_v2(), any::<Vec<u8>>()]
    ) {
        proxy_protocol::holds(&bytes);
    }

    #[test]
    fn a_path_or_a_host_that_passes_has_one_reading(bytes in of_words(PATHS)) {
        target::holds(&bytes);
        target::holds(&[b"/", &bytes[..]].concat());
    }

    #[test]
    fn no_header_that_is_ours_or_one_connections_gets_through(bytes in of_words(FIELDS)) {
        header_hygiene::holds(&bytes);
    }
}
