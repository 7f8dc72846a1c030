//! Whose page made a browser send a request (RFC 6454; Fetch Metadata).

use http::{HeaderMap, HeaderName, HeaderValue, header};

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The gateway's own address, as the browser that sent a request reached it.
#[derive(Debug, Clone, Copy)]
pub struct OwnOrigin<'a> {
    /// `https` or `http`.
    pub scheme: &'static str,
    /// `host[:port]` as the client wrote it.
    pub authority: Option<&'a str>,
}

/// Whether a request was sent by a page of this very origin, or by no page at all.
///
/// `Sec-Fetch-Site` is the browser's own word, which pages cannot set; browsers without it send `Origin` with
/// every POST and every WebSocket's handshake, or at least `Referer`. A request with none of them comes from no page.
/// One that says it twice is believed only where both are right.
pub fn is_own(headers: &HeaderMap, own: OwnOrigin<'_>) -> bool {
    let ours = |value: &HeaderValue| {
        let sent = value.to_str().ok().and_then(parse_origin);
        sent.is_some() && sent == own.authority.map(|authority| origin(own.scheme, authority))
    };
    if headers.contains_key(SEC_FETCH_SITE) {
        let own_word = |site: &HeaderValue| site == "same-origin" || site == "none";
        headers.get_all(SEC_FETCH_SITE).iter().all(own_word)
    } else if headers.contains_key(header::ORIGIN) {
        headers.get_all(header::ORIGIN).iter().all(ours)
    } else {
        headers.get_all(header::REFERER).iter().all(ours)
    }
}

/// Whether a page of ours sent it that came over plain HTTP. Browsers say nothing of their own there but `Origin`. Whatever
/// a proxy says of how they came is no reason to doubt that.
pub fn is_over_plain_http(headers: &HeaderMap, authority: Option<&str>) -> bool {
    let plain = OwnOrigin {
        scheme: "http",
        authority,
    };
    !headers.contains_key(SEC_FETCH_SITE) && headers.contains_key(header::ORIGIN) && is_own(headers, plain)
}

/// Scheme and authority of a URL (RFC 6454, section 4), or of an `Origin`; `null` has none.
fn parse_origin(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    (!authority.is_empty() && !authority.contains('@')).then(|| origin(scheme, authority))
}

/// The one spelling of an origin: lower case, without the scheme's own port.
fn origin(scheme: &str, authority: &str) -> String {
    let scheme = scheme.to_ascii_lowercase();
    let authority = authority.to_ascii_lowercase();
    let own_port = if scheme == "https" { ":443" } else { ":80" };
    let authority = authority.strip_suffix(own_port).unwrap_or(&authority);
    format!("{scheme}://{authority}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_compare_by_scheme_host_and_port() {
        let ours = origin("https", "App.example.com:443");
        for (sent, same) in [
            ("https://app.example.com", true),
            ("https://APP.example.com:443", true),
            ("https://app.example.com/path?x", true),
            ("http://app.example.com", false),
            ("http://app.example.com:443", false),
            ("https://app.example.com:80", false),
            ("https://app.example.com:8443", false),
            ("https://app.example.com.evil.com", false),
            ("https://evil.com/https://app.example.com", false),
            ("https://app.example.com@evil.com", false),
            ("https://app.example.com\\@evil.com", false),
            ("https://evil-app.example.com", false),
            ("https://app.example.com, https://evil.com", false),
            ("app.example.com", false),
            ("null", false),
            ("", false),
            ("https://", false),
        ] {
            assert_eq!(parse_origin(sent) == Some(ours.clone()), same, "{sent}");
        }
    }

    #[test]
    fn the_browser_s_own_word_comes_before_origin_and_origin_before_referer() {
        const OURS: (&str, &str) = ("origin", "https://app.example.com");
        const THEIRS: (&str, &str) = ("origin", "https://evil.com");
        for (fields, own) in [
            (&[][..], true),
            (&[("sec-fetch-site", "same-origin"), THEIRS], true),
            (&[("sec-fetch-site", "none")], true),
            (&[("sec-fetch-site", "same-site"), OURS], false),
            (&[("sec-fetch-site", "cross-site"), OURS], false),
            (
                &[
                    ("sec-fetch-site", "same-origin"),
                    ("sec-fetch-site", "cross-site"),
                ],
                false,
            ),
            (&[OURS], true),
            (&[THEIRS], false),
            (&[OURS, THEIRS], false),
            (&[THEIRS, OURS], false),
            (&[THEIRS, ("referer", "https://app.example.com/")], false),
            (&[("referer", "https://app.example.com/x")], true),
            (&[("referer", "https://evil.com/")], false),
        ] {
            let mut headers = HeaderMap::new();
            for (name, value) in fields {
                headers.append(*name, value.parse().unwrap());
            }
            let address = |authority| OwnOrigin {
                scheme: "https",
                authority,
            };
            assert_eq!(
                is_own(&headers, address(Some("app.example.com"))),
                own,
                "{fields:?}"
            );
            // Without an address nobody's word can be compared with it.
            let nothing_to_compare = fields.is_empty() || headers.contains_key("sec-fetch-site");
            assert_eq!(
                is_own(&headers, address(None)),
                own && nothing_to_compare,
                "{fields:?}"
            );
        }
    }
}
