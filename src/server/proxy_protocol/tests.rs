use super::{Beginning::*, *};

/// Signature, version and command, family, a length and what follows.
fn v2(command: u8, family: u8, length: u16, rest: &[u8]) -> Vec<u8> {
    let mut bytes = SIGNATURE.to_vec();
    bytes.extend([command, family]);
    bytes.extend(length.to_be_bytes());
    bytes.extend(rest);
    bytes
}

fn header(length: usize, source: &str) -> Beginning {
    let source = (!source.is_empty()).then(|| source.parse().unwrap());
    Header { length, source }
}

const V6: [u8; 16] = [0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9];

/// Addresses of TCP over IPv4, and 40 bytes of something else behind them.
fn v4_and_more() -> Vec<u8> {
    let mut rest = vec![203, 0, 113, 9, 10, 0, 0, 1, 0xdc, 0x04, 0x01, 0xbb];
    rest.extend([0xee; 40]);
    rest
}

/// Whole headers, and whom each names.
fn headers() -> Vec<(Vec<u8>, &'static str)> {
    let v6 = [&V6[..], &V6, &[0xdc, 0x04, 0x01, 0xbb]].concat();
    let longest = "PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n";
    let text = |text: &str| text.as_bytes().to_vec();
    vec![
        (
            text("PROXY TCP4 203.0.113.9 10.0.0.1 56324 443\r\n"),
            "203.0.113.9",
        ),
        (
            text("PROXY TCP4 255.255.255.255 255.255.255.255 65535 0\r\n"),
            "255.255.255.255",
        ),
        (text("PROXY TCP6 2001:db8::9 ::1 56324 443\r\n"), "2001:db8::9"),
        (text(longest), "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
        (text("PROXY UNKNOWN\r\n"), ""),
        (text("PROXY UNKNOWN 203.0.113.9 whatever follows\r\n"), ""),
        (v2(0x21, 0x11, 12, &v4_and_more()[..12]), "203.0.113.9"),
        (v2(0x21, 0x11, 52, &v4_and_more()), "203.0.113.9"),
        (v2(0x21, 0x21, 36, &v6), "2001:db8::9"),
        (v2(0x21, 0x31, 216, &[0; 216]), ""),
        (v2(0x21, 0x00, 0, &[]), ""),
        (v2(0x21, 0x00, 52, &v4_and_more()), ""),
        (v2(0x20, 0x00, 0, &[]), ""),
        // A proxy that speaks for itself; its addresses are to be skipped, whatever they are.
        (v2(0x20, 0x11, 52, &v4_and_more()), ""),
        (v2(0x20, 0x77, 3, b"abc"), ""),
        (v2(0x21, 0x11, 4080, &[9; 4080]), "9.9.9.9"),
    ]
}

#[test]
fn a_header_is_recognised_wherever_the_bytes_are_cut() {
    for (bytes, source) in headers() {
        let whole = header(bytes.len(), source);
        assert_eq!(parse(&bytes), whole, "{bytes:?}");
        let followed = [&bytes[..], b"GET / HTTP/1.1\r\n\r\n"].concat();
        assert_eq!(parse(&followed), whole, "{bytes:?}");
        for cut in 0..bytes.len() {
            assert_eq!(parse(&bytes[..cut]), Unfinished, "{:?}", &bytes[..cut]);
        }
    }
}

#[test]
fn what_is_not_exactly_a_header_is_none() {
    for text in [
        "G",
        "GET / HTTP/1.1\r\n",
        "\u{16}\u{3}\u{1}",
        "proxy TCP4",
        "PROXY\tTCP4",
        "PROXYTCP4",
        " PROXY TCP4",
        "PROXY TCP4 203.0.113.9 10.0.0.1 56324\r\n",
        "PROXY TCP4 203.0.113.9 10.0.0.1 56324 443 x\r\n",
        "PROXY TCP4 203.0.113.9 10.0.0.1 56324 443 \r\n",
        "PROXY TCP4  203.0.113.9 10.0.0.1 56324 443\r\n",
        "PROXY  TCP4 203.0.113.9 10.0.0.1 56324 443\r\n",
        "PROXY TCP4 203.0.113.9 10.0.0.1 +56324 443\r\n",
        "PROXY TCP4 203.0.113.9 10.0.0.1 056324 443\r\n",
        "PROXY TCP4 203.0.113.9 10.0.0.1 65536 443\r\n",
        "PROXY TCP4 203.0.113.9 10.0.0.1 -1 443\r\n",
        "PROXY TCP4 203.0.113.9 10.0.0.1 56324 443\n\r\n",
        "PROXY TCP4 203.0.113.09 10.0.0.1 56324 443\r\n",
        "PROXY TCP4 2001:db8::9 10.0.0.1 56324 443\r\n",
        "PROXY TCP4 203.0.113.9 ::1 56324 443\r\n",
        "PROXY TCP6 203.0.113.9 ::1 56324 443\r\n",
        "PROXY TCP6 fe80::1%eth0 ::1 56324 443\r\n",
        "PROXY TCP6 [::1] ::1 56324 443\r\n",
        "PROXY TCP4 localhost 10.0.0.1 56324 443\r\n",
        "PROXY UDP4 203.0.113.9 10.0.0.1 56324 443\r\n",
        "PROXY tcp4 203.0.113.9 10.0.0.1 56324 443\r\n",
        "PROXY UNKNOWNS\r\n",
        "PROXY \r\n",
        "PROXY caf\u{e9}\r\n",
        &format!("PROXY UNKNOWN {}\r\n", "x".repeat(92)),
        &format!("PROXY {}", "x".repeat(200)),
    ] {
        assert_eq!(parse(text.as_bytes()), Malformed, "{text:?}");
    }
    for bytes in [
        v2(0x11, 0x11, 12, &v4_and_more()),
        v2(0x22, 0x11, 12, &v4_and_more()),
        v2(0x2f, 0x11, 12, &v4_and_more()),
        v2(0x01, 0x11, 12, &v4_and_more()),
        // Datagrams, and families that nobody knows.
        v2(0x21, 0x12, 12, &v4_and_more()),
        v2(0x21, 0x22, 36, &[0; 36]),
        v2(0x21, 0x10, 12, &v4_and_more()),
        v2(0x21, 0x01, 12, &v4_and_more()),
        v2(0x21, 0x41, 12, &v4_and_more()),
        v2(0x21, 0xff, 12, &v4_and_more()),
        // Shorter than its addresses, and longer than anybody needs.
        v2(0x21, 0x11, 11, &v4_and_more()),
        v2(0x21, 0x11, 0, &[]),
        v2(0x21, 0x21, 35, &[0; 35]),
        v2(0x21, 0x31, 215, &[0; 215]),
        v2(0x21, 0x11, 4081, &[]),
        v2(0x21, 0x11, u16::MAX, &[]),
        v2(0x20, 0x00, u16::MAX, &[]),
    ] {
        assert_eq!(parse(&bytes), Malformed, "{bytes:?}");
    }
}
