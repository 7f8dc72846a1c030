//! What must hold for any bytes at all: the properties that `fuzz/` looks for counterexamples to, held against many
//! inputs that look like what they are meant for.

#[path = "../../fuzz/properties/form.rs"]
mod form;
#[path = "../../fuzz/properties/header_hygiene.rs"]
mod header_hygiene;
#[path = "../../fuzz/properties/proxy_protocol.rs"]
mod proxy_protocol;
#[path = "../../fuzz/properties/target.rs"]
mod target;
#[path = "../../fuzz/properties/token.rs"]
mod token;

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

const TOKENS: &[&str] = &[
    "{",
    "}",
    "}",
    "\n",
    "\n{",
    ",",
    ",",
    "\"alg\":\"HS256\"",
    "\"alg\":\"none\"",
    "\"typ\":\"at+jwt\"",
    "\"kid\":\"hs256\"",
    "\"crit\":[\"exp\"]",
    "\"iss\":\"https://gateway\"",
    "\"aud\":\"portcullis\"",
    "\"aud\":[\"x\",\"portcullis\"]",
    "\"sub\":\"alice\"",
    "\"sub\":\"bob\"",
    "\"username\":\"alice\"",
    "\"exp\":1800000900",
    "\"exp\":\"never\"",
    "\"iat\":1800000000",
    "\"nbf\":1900000000",
    "\"jti\":\"x\"",
    "\"roles\":[]",
    "\"scope\":\"a b\"",
    ".",
    "eyJhbGciOiJIUzI1NiJ9.",
];

/// A token's header and claims that count, with something changed in them.
fn nearly_a_token() -> impl Strategy<Value = Vec<u8>> {
    let good = "{\"alg\":\"HS256\",\"typ\":\"at+jwt\",\"kid\":\"hs256\"}\n{\"iss\":\"https://gateway\",\
                \"aud\":\"portcullis\",\"sub\":\"alice\",\"username\":\"alice\",\"exp\":1800000900,\
                \"iat\":1800000000,\"jti\":\"x\",\"roles\":[]}";
    let place = 0..good.len();
    (place, 0..12_usize, of_words(TOKENS)).prop_map(move |(at, taken, put)| {
        let end = (at + taken).min(good.len());
        let good = good.as_bytes();
        [&good[..at], &put[..put.len().min(40)], &good[end..]].concat()
    })
}

const FORMS: &[&str] = &[
    "grant_type=",
    "password",
    "username=",
    "=",
    "&",
    "&",
    "+",
    "%20",
    "%2",
    "%zz",
    "%c3%a9",
    "%ff",
    "%00",
    "a",
    "b",
    "{",
    "}",
    "\"a\":",
    "\"b\":",
    "\"x\"",
    "true",
    "null",
    "1",
    "[",
    "]",
    ",",
    "\\u0000",
    "\u{e9}",
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
    fn whoever_has_no_key_has_no_token(
        bytes in prop_oneof![of_words(TOKENS), nearly_a_token(), any::<Vec<u8>>()]
    ) {
        token::holds(&bytes);
    }

    #[test]
    fn a_form_that_passes_has_one_reading(bytes in of_words(FORMS)) {
        form::holds(&bytes);
    }

    #[test]
    fn no_header_that_is_ours_or_one_connections_gets_through(bytes in of_words(FIELDS)) {
        header_hygiene::holds(&bytes);
    }
}
