//! Whatever comes first on a connection either is a header of the PROXY protocol, or may become one, or is none; and what
//! is known of it early stays so.

use portcullis::server::proxy_protocol::{Beginning, parse};

/// No header is longer, and so no more bytes than these are waited for.
const LONGEST: usize = 4096;

/// Panics where it does not hold.
pub fn holds(bytes: &[u8]) {
    let whole = parse(bytes);
    match whole {
        Beginning::Header { length, .. } => assert!(length <= bytes.len() && length <= LONGEST),
        Beginning::Unfinished => assert!(bytes.len() < LONGEST),
        Beginning::Malformed => {}
    }
    for cut in 0..bytes.len().min(LONGEST) {
        let early = parse(&bytes[..cut]);
        assert!(
            early == Beginning::Unfinished || early == whole,
            "after {cut} bytes {early:?}, then {whole:?}"
        );
    }
}
