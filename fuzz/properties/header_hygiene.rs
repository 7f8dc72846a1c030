//! What only the gateway may say is taken out in every spelling, so is what belongs to one connection, and nothing else.

use http::{HeaderMap, HeaderName, HeaderValue};
use portcullis::http::hygiene::{self, OwnHeaders};

const OURS: [&str; 4] = ["x-webauth-user", "forwarded", "x-request-id", "traceparent"];
const OUR_FAMILIES: [&str; 3] = ["remote-", "x-forwarded-", "x-portcullis-"];
const OF_ONE_CONNECTION: [&str; 5] = ["connection", "keep-alive", "te", "transfer-encoding", "upgrade"];

/// Panics where it does not hold, for the bytes as lines of a head.
pub fn holds(bytes: &[u8]) {
    let own = OwnHeaders::new([&HeaderName::from_static(OURS[0])]);
    let sent = fields(bytes);
    let named: Vec<String> = hygiene::tokens(&sent, &http::header::CONNECTION)
        .map(str::to_ascii_lowercase)
        .collect();
    let mut headers = sent.clone();
    own.remove_from(&mut headers);
    // Removal by name comes second: it can name nothing of ours, which then is not there yet.
    hygiene::remove_hop_by_hop(&mut headers);
    for name in headers.keys().map(HeaderName::as_str) {
        let folded: String = name
            .chars()
            .map(|letter| {
                if letter.is_ascii_alphanumeric() {
                    letter
                } else {
                    '-'
                }
            })
            .collect();
        assert!(!OURS.contains(&&*folded), "{name}");
        assert!(
            !OUR_FAMILIES.iter().any(|family| folded.starts_with(family)),
            "{name}"
        );
        assert!(!OF_ONE_CONNECTION.contains(&name), "{name}");
        assert!(!named.iter().any(|other| other == name), "{name}");
    }
    // What was taken out was ours or named; the rest is as it was.
    for name in sent.keys().filter(|name| !own.contains(name.as_str())) {
        let kept = headers.get_all(name).iter().eq(sent.get_all(name));
        let gone = !headers.contains_key(name);
        assert!(kept || gone, "{name}");
        if named.is_empty() && name.as_str().starts_with("x-") {
            assert!(kept, "{name}");
        }
    }
    // Doing it again changes nothing.
    let mut again = headers.clone();
    own.remove_from(&mut again);
    hygiene::remove_hop_by_hop(&mut again);
    assert_eq!(again, headers);
}

fn fields(bytes: &[u8]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in bytes.split(|&byte| byte == b'\n').take(100) {
        let mut halves = line.splitn(2, |&byte| byte == b':');
        let (Some(name), Some(value)) = (halves.next(), halves.next()) else {
            continue;
        };
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name), HeaderValue::from_bytes(value)) {
            headers.append(name, value);
        }
    }
    headers
}
