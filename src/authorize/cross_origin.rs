//! Requests that pages of other origins make a browser send, which adds the session's cookie to them by itself: forged
//! writes (CSRF) and hijacked WebSockets. Many apps have no defence of their own, and behind a gateway need none.
//!
//! Reads pass, since the page that caused one does not get to see its answer. Programs pass, since nobody else makes them
//! send anything; and so does whatever a token signed in, since a browser adds none.

use http::{HeaderMap, Method, header};

use super::Asked;
use crate::{
    config::CrossOrigin,
    http::{fields, hygiene, navigation::SEC_FETCH_MODE, origin},
    identity::Credential,
    refusal::Refusal,
};

/// Refuses what a page of another origin does in somebody's name.
///
/// # Errors
/// [`Refusal::CrossOrigin`].
pub(super) fn check(
    cross_origin: CrossOrigin,
    credential: Credential,
    asked: Asked<'_>,
) -> Result<(), Refusal> {
    let by_itself = match (cross_origin, credential) {
        (CrossOrigin::Block, Credential::Session) => true,
        (CrossOrigin::Allow, _) | (_, Credential::Bearer) => false,
    };
    match by_itself && does_more_than_read(asked) && !origin::is_own(asked.headers, asked.own) {
        true => Err(Refusal::CrossOrigin),
        false => Ok(()),
    }
}

/// Whether a request may change something (RFC 9110, section 9.2.1), or opens a conversation, of which the page that
/// caused it would see every word. An app that takes a header's word for the method is asked to by that header.
fn does_more_than_read(asked: Asked<'_>) -> bool {
    !is_read(asked.method) || opens_a_conversation(asked.headers) || overrides_with_a_write(asked.headers)
}

fn is_read(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

fn opens_a_conversation(headers: &HeaderMap) -> bool {
    // A proxy that asks about a handshake may keep the header that makes it one, but not the browser's word for it.
    fields::has(headers, &header::UPGRADE)
        || fields::first(headers, &SEC_FETCH_MODE).is_some_and(|mode| mode == "websocket")
}

fn overrides_with_a_write(headers: &HeaderMap) -> bool {
    let reads = [Method::GET, Method::HEAD, Method::OPTIONS];
    hygiene::method_overrides(headers).any(|named| {
        !reads
            .iter()
            .any(|read| named.eq_ignore_ascii_case(read.as_str().as_bytes()))
    })
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;
    use crate::http::origin::OwnOrigin;

    fn passes(
        cross_origin: CrossOrigin,
        credential: Credential,
        method: &str,
        fields: &[(&'static str, &'static str)],
    ) -> bool {
        let headers: HeaderMap = fields
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value)))
            .collect();
        let asked = Asked {
            method: &method.parse().unwrap(),
            headers: &headers,
            own: OwnOrigin {
                scheme: "https",
                authority: Some("app.example.com"),
            },
            client: std::net::IpAddr::from([127, 0, 0, 1]).into(),
        };
        check(cross_origin, credential, asked).is_ok()
    }

    #[test]
    fn only_what_a_cookie_signed_in_and_another_origin_sent_and_does_more_than_read_is_refused() {
        const FOREIGN: (&str, &str) = ("origin", "https://evil.com");
        for (method, more, reads) in [
            ("GET", &[][..], true),
            ("HEAD", &[], true),
            ("OPTIONS", &[], true),
            ("GET", &[("x-http-method-override", "HEAD")], true),
            ("POST", &[], false),
            ("PUT", &[], false),
            ("DELETE", &[], false),
            ("PATCH", &[], false),
            ("PROPFIND", &[], false),
            ("get", &[], false),
            ("GET", &[("upgrade", "websocket")], false),
            ("GET", &[("upgrade", "talk/1")], false),
            ("GET", &[("x-http-method-override", "DELETE")], false),
            ("GET", &[("x_http_method", "PUT")], false),
            ("OPTIONS", &[("x-method-override", "post")], false),
        ] {
            let foreign = [more, &[FOREIGN]].concat();
            let (block, allow) = (CrossOrigin::Block, CrossOrigin::Allow);
            let session = Credential::Session;
            assert_eq!(
                passes(block, session, method, &foreign),
                reads,
                "{method} {more:?}"
            );
            assert!(passes(block, session, method, more), "{method} {more:?}");
            assert!(passes(allow, session, method, &foreign), "{method} {more:?}");
            assert!(
                passes(block, Credential::Bearer, method, &foreign),
                "{method} {more:?}"
            );
        }
    }
}
