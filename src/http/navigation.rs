//! Whether a person at a browser is waiting for a page, or a program for data.

use http::{HeaderMap, HeaderName, Method, header};

use super::fields;

/// What a request is for, as browsers say (Fetch Metadata).
pub const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");

/// Whether the answer is to be a page: a browser navigation by `Sec-Fetch-Mode` (Fetch Metadata), or, from
/// browsers and programs without it, a GET or HEAD that prefers `text/html`. What asks for an upgrade is no
/// navigation: a WebSocket's handshake can follow no redirect.
pub fn wants_page(method: &Method, headers: &HeaderMap) -> bool {
    if let Some(mode) = fields::first(headers, &SEC_FETCH_MODE) {
        return mode == "navigate";
    }
    matches!(*method, Method::GET | Method::HEAD)
        && !fields::has(headers, &header::UPGRADE)
        && prefers_html(headers)
}

/// Whether the answer's body should be HTML rather than JSON, whatever the method (RFC 9110, section 12.5.1).
pub fn prefers_html(headers: &HeaderMap) -> bool {
    let accept = fields::all(headers, &header::ACCEPT).filter_map(|value| value.to_str().ok());
    let mut html = 0.0_f32;
    let mut other = 0.0_f32;
    for range in accept.flat_map(|value| value.split(',')) {
        let mut parts = range.split(';');
        let media_type = parts.next().unwrap_or_default().trim();
        let quality = parts
            .filter_map(|part| part.trim().strip_prefix("q="))
            .find_map(|q| q.parse::<f32>().ok())
            .unwrap_or(1.0);
        if media_type.eq_ignore_ascii_case("text/html")
            || media_type.eq_ignore_ascii_case("application/xhtml+xml")
        {
            html = html.max(quality);
        } else if media_type.to_ascii_lowercase().ends_with("json") {
            other = other.max(quality);
        }
    }
    html > 0.0 && html >= other
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_navigation_is_told_from_a_call() {
        let browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
        for (method, mode, accept, page) in [
            ("GET", Some("navigate"), Some("*/*"), true),
            ("POST", Some("navigate"), Some("*/*"), true),
            ("GET", Some("cors"), Some(browser), false),
            ("GET", Some("no-cors"), Some("image/png"), false),
            ("GET", None, Some(browser), true),
            ("HEAD", None, Some(browser), true),
            ("POST", None, Some(browser), false),
            ("GET", None, Some("*/*"), false),
            ("GET", None, Some("application/json"), false),
            ("GET", None, Some("application/json, text/html;q=0.5"), false),
            ("GET", None, Some("text/html;q=0"), false),
            ("GET", None, None, false),
            ("GET websocket", None, Some(browser), false),
            ("GET websocket", Some("websocket"), Some(browser), false),
        ] {
            let mut headers = HeaderMap::new();
            let (method, upgrade) = method
                .split_once(' ')
                .map_or((method, None), |(m, u)| (m, Some(u)));
            if let Some(upgrade) = upgrade {
                headers.insert(header::UPGRADE, upgrade.parse().unwrap());
            }
            if let Some(mode) = mode {
                headers.insert("sec-fetch-mode", mode.parse().unwrap());
            }
            if let Some(accept) = accept {
                headers.insert(header::ACCEPT, accept.parse().unwrap());
            }
            let method: Method = method.parse().unwrap();
            assert_eq!(
                wants_page(&method, &headers),
                page,
                "{method} {mode:?} {accept:?}"
            );
        }
    }
}
