//! Reading the bodies of our own forms: small, in time, and of a kind we know.

use std::collections::HashMap;

use http::{HeaderMap, Request, header};
use http_body::Body;
use http_body_util::BodyExt;
use secrecy::SecretString;
use tokio::time::timeout;

use crate::{gateway::Gateway, http::incoming::Incoming, refusal::Refusal};

/// The largest form that is read, in bytes: room for the longest password and way back, several times over.
const MAX_FORM_BYTES: usize = 16 * 1024;

/// How a form was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FormKind {
    /// `application/x-www-form-urlencoded`.
    UrlEncoded,
    /// `application/json`.
    Json,
}

impl FormKind {
    /// The kind that `Content-Type` names.
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        let value = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
        let media_type = value
            .split(';')
            .next()
            .unwrap_or_default()
            .trim()
            .to_ascii_lowercase();
        match media_type.as_str() {
            "application/x-www-form-urlencoded" => Some(Self::UrlEncoded),
            "application/json" => Some(Self::Json),
            _ => None,
        }
    }
}

/// The fields of a form. Its `Debug` shows names alone: values may be passwords.
pub(super) struct Form {
    fields: HashMap<String, SecretString>,
}

impl Form {
    /// Reads a body as the kind its `Content-Type` names.
    ///
    /// # Errors
    /// The body is of another kind, too large, too slow, or not what it says it is.
    pub(super) async fn read(
        gateway: &Gateway,
        request: Request<Incoming>,
    ) -> Result<(FormKind, Self), Refusal> {
        let kind = FormKind::of(request.headers()).ok_or(Refusal::UnsupportedMediaType(
            "application/x-www-form-urlencoded or application/json",
        ))?;
        let body = read_body(request.into_body());
        let body = timeout(gateway.server.limits.header_timeout, body)
            .await
            .map_err(|_| Refusal::BodyTimeout)??;
        let fields = fields(kind, &body)?;
        Ok((kind, Self { fields }))
    }

    /// A field, `None` when it is missing.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.fields.get(name).map(secrecy::ExposeSecret::expose_secret)
    }

    /// A field, where one without a value counts as missing (RFC 6749, section 3.1).
    pub(super) fn given(&self, name: &str) -> Option<&str> {
        self.get(name).filter(|value| !value.is_empty())
    }

    /// Takes a field that is a secret out.
    pub(super) fn take_secret(&mut self, name: &str) -> Option<SecretString> {
        self.fields.remove(name)
    }

    /// Whether a box is ticked: browsers send `on`, programs `true` or `1`.
    pub(super) fn is_ticked(&self, name: &str) -> bool {
        matches!(self.get(name), Some("on" | "true" | "1"))
    }
}

/// The fields of a form of this kind.
///
/// # Errors
/// It has none that every program would read in the same way.
pub fn fields(kind: FormKind, body: &[u8]) -> Result<HashMap<String, SecretString>, Refusal> {
    match kind {
        FormKind::UrlEncoded => url_encoded(body),
        FormKind::Json => json(body),
    }
}

async fn read_body(mut body: Incoming) -> Result<Vec<u8>, Refusal> {
    if body.size_hint().lower() > MAX_FORM_BYTES as u64 {
        return Err(Refusal::BodyTooLarge);
    }
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| Refusal::BodyBrokeOff)?.into_data() else {
            continue;
        };
        if bytes.len() + data.len() > MAX_FORM_BYTES {
            return Err(Refusal::BodyTooLarge);
        }
        bytes.extend_from_slice(&data);
    }
    Ok(bytes)
}

/// Fields of a URL-encoded form. One that occurs twice is refused: two programs would each pick their own.
fn url_encoded(body: &[u8]) -> Result<HashMap<String, SecretString>, Refusal> {
    const BAD: Refusal = Refusal::BadForm("the form is not percent-encoded UTF-8");
    let text = std::str::from_utf8(body).map_err(|_| BAD)?;
    let mut fields = HashMap::new();
    for pair in text.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let decode = |part: &str| {
            let spaced = part.replace('+', " ");
            percent_encoding::percent_decode_str(&spaced)
                .decode_utf8()
                .map(std::borrow::Cow::into_owned)
                .map_err(|_| BAD)
        };
        if fields
            .insert(decode(name)?, SecretString::from(decode(value)?))
            .is_some()
        {
            return Err(Refusal::BadForm("the form has a field twice"));
        }
    }
    Ok(fields)
}

/// Members of a JSON object: strings, and booleans for boxes.
fn json(body: &[u8]) -> Result<HashMap<String, SecretString>, Refusal> {
    #[derive(serde::Deserialize)]
    #[serde(untagged)]
    enum Member {
        Text(String),
        Box(bool),
        Nothing(()),
    }
    // Duplicate members: serde_json keeps the last, as every common parser does.
    let members: HashMap<String, Member> = serde_json::from_slice(body).map_err(|_| {
        Refusal::BadForm("the body is not a JSON object whose members are strings or booleans")
    })?;
    let fields = members.into_iter().filter_map(|(name, member)| match member {
        Member::Text(text) => Some((name, SecretString::from(text))),
        Member::Box(ticked) => Some((name, SecretString::from(ticked.to_string()))),
        Member::Nothing(()) => None,
    });
    Ok(fields.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(fields: Result<HashMap<String, SecretString>, Refusal>, name: &str) -> Option<String> {
        let form = Form {
            fields: fields.unwrap(),
        };
        form.get(name).map(str::to_owned)
    }

    #[test]
    fn forms_are_read_as_browsers_write_them() {
        for (body, value) in [
            ("password=a+b%2Bc%26d", Some("a b+c&d")),
            ("x=1&password=%C3%BC", Some("\u{fc}")),
            ("password", Some("")),
            ("password=a=b", Some("a=b")),
            ("", None),
            ("&&", None),
        ] {
            assert_eq!(
                field(url_encoded(body.as_bytes()), "password").as_deref(),
                value,
                "{body}"
            );
        }
        for bad in [&b"password=%ff"[..], b"password=\xff", b"a=1&a=2", b"a=1&%61=2"] {
            assert!(matches!(url_encoded(bad), Err(Refusal::BadForm(_))), "{bad:?}");
        }
    }

    #[test]
    fn json_members_are_strings_or_boxes() {
        let body = br#"{"username":"a","remember":true,"otp":null}"#;
        assert_eq!(field(json(body), "username").as_deref(), Some("a"));
        assert_eq!(field(json(body), "remember").as_deref(), Some("true"));
        assert_eq!(field(json(body), "otp"), None);
        for bad in [
            &b""[..],
            b"[]",
            b"null",
            b"{\"a\":1}",
            b"{\"a\":{}}",
            b"{\"a\":\"\xff\"}",
            b"{\"a\":\"b\"} x",
        ] {
            assert!(matches!(json(bad), Err(Refusal::BadForm(_))), "{bad:?}");
        }
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(8000), "]".repeat(8000));
        assert!(json(deep.as_bytes()).is_err());
    }
}
