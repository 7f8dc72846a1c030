//! Where a request's body ends, beyond what HTTP/2 says: h2 takes an empty Content-Length for 0, and lets a transfer
//! coding pass that means nothing to it. Whoever the request is handed on to may not.

use http::{HeaderMap, header};

/// Whether the headers leave one reading of where the body ends: no coding but one `chunked` (RFC 9112, section 6.1),
/// and no length that is not a number (RFC 9110, section 8.6).
pub fn has_one_reading(headers: &HeaderMap) -> bool {
    let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter();
    let chunked = codings
        .next()
        .is_none_or(|coding| coding.as_bytes().eq_ignore_ascii_case(b"chunked"));
    let mut lengths = headers.get_all(header::CONTENT_LENGTH).iter();
    let is_number = |text: &[u8]| !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    chunked && codings.next().is_none() && lengths.all(|length| is_number(length.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_ends_where_one_number_or_one_chunked_says() {
        for (fields, one_reading) in [
            (&[][..], true),
            (&[("content-length", "0")], true),
            (&[("content-length", "5"), ("content-length", "5")], true),
            (&[("transfer-encoding", "chunked")], true),
            (&[("transfer-encoding", "Chunked")], true),
            (&[("content-length", "")], false),
            (&[("content-length", "+5")], false),
            (&[("content-length", "5"), ("content-length", "")], false),
            (&[("transfer-encoding", "")], false),
            (&[("transfer-encoding", "identity")], false),
            (&[("transfer-encoding", "gzip, chunked")], false),
            (&[("transfer-encoding", "chunked, chunked")], false),
            (
                &[("transfer-encoding", "chunked"), ("transfer-encoding", "chunked")],
                false,
            ),
            (
                &[("transfer-encoding", "chunked"), ("transfer-encoding", "")],
                false,
            ),
        ] {
            let mut headers = HeaderMap::new();
            for (name, value) in fields {
                headers.append(*name, value.parse().unwrap());
            }
            assert_eq!(has_one_reading(&headers), one_reading, "{fields:?}");
        }
    }
}
