//! Shows a request as the app received it.

use askama::Template;
use http::{HeaderMap, Request, Response, StatusCode, header, request::Parts};
use hyper::body::Incoming;
use serde_json::json;

use super::{answer, body::Body, upload};

/// What the gateway says about who a request comes from.
const IDENTITY_HEADERS: [&str; 4] = ["remote-user", "remote-name", "remote-email", "remote-groups"];

/// Reads the body to its end and answers with all of the request but that: HTML where it is preferred, else
/// JSON.
pub(super) async fn show(request: Request<Incoming>) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let body_bytes = match upload::drain(body, |_| ()).await {
        Ok(bytes) => bytes,
        Err(error) => return upload::broken_off(&error),
    };
    let headers = texts(&parts.headers);
    if prefers_html(&parts.headers) {
        return answer::page(&ReceivedPage::new(&parts, headers, body_bytes));
    }
    answer::json(
        StatusCode::OK,
        &json!({
            "method": parts.method.as_str(),
            "path": parts.uri.path(),
            "query": parts.uri.query(),
            "version": format!("{:?}", parts.version),
            "headers": headers,
            "body_bytes": body_bytes,
        }),
    )
}

#[derive(Template)]
#[template(path = "sample_app/received.html")]
struct ReceivedPage {
    here: &'static str,
    user: Option<User>,
    method: String,
    target: String,
    version: String,
    headers: Vec<(String, String)>,
    body_bytes: u64,
}

impl ReceivedPage {
    fn new(parts: &Parts, mut headers: Vec<(String, String)>, body_bytes: u64) -> Self {
        let user = User::from_headers(&headers);
        // A stable sort: the identity comes first, all else stays in the order it came in.
        headers.sort_by_key(|(name, _)| !says_who(name));
        let target = parts.uri.path_and_query().map_or("/", |target| target.as_str());
        Self {
            here: "/",
            user,
            method: parts.method.to_string(),
            target: target.to_owned(),
            version: format!("{:?}", parts.version),
            headers,
            body_bytes,
        }
    }
}

fn says_who(header: &str) -> bool {
    IDENTITY_HEADERS.contains(&header)
}

/// Who the identity headers say it is.
struct User {
    username: String,
    name: String,
    email: Option<String>,
    groups: Vec<String>,
}

impl User {
    fn from_headers(headers: &[(String, String)]) -> Option<Self> {
        let value = |wanted: &str| {
            headers
                .iter()
                .find(|(name, value)| name == wanted && !value.is_empty())
                .map(|(_, value)| value.clone())
        };
        let username = value("remote-user")?;
        Some(Self {
            name: value("remote-name").unwrap_or_else(|| username.clone()),
            email: value("remote-email"),
            groups: value("remote-groups")
                .unwrap_or_default()
                .split(',')
                .map(|group| group.trim().to_owned())
                .filter(|group| !group.is_empty())
                .collect(),
            username,
        })
    }

    fn initial(&self) -> String {
        self.name.chars().take(1).flat_map(char::to_uppercase).collect()
    }
}

fn texts(headers: &HeaderMap) -> Vec<(String, String)> {
    headers
        .iter()
        .map(|(name, value)| {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            (name.as_str().to_owned(), value)
        })
        .collect()
}

/// Whether `Accept` names HTML and likes it better than JSON. A wildcard alone names nothing: scripts send it.
fn prefers_html(headers: &HeaderMap) -> bool {
    let ranges: Vec<(String, f32)> = headers
        .get_all(header::ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(media_range)
        .collect();
    let quality = |wanted: &[&str]| {
        ranges
            .iter()
            .filter(|(range, _)| wanted.contains(&range.as_str()))
            .map(|(_, quality)| *quality)
            .fold(0.0, f32::max)
    };
    quality(&["text/html", "application/xhtml+xml"]) > quality(&["application/json"])
}

/// One element of `Accept` (RFC 9110, section 12.5.1): its range in lower case, and its weight.
fn media_range(element: &str) -> (String, f32) {
    let mut parts = element.split(';').map(str::trim);
    let range = parts.next().unwrap_or_default().to_ascii_lowercase();
    let quality = parts
        .find_map(|parameter| parameter.strip_prefix("q="))
        .map_or(1.0, |quality| quality.parse().unwrap_or(0.0));
    (range, quality)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn html_is_for_those_who_ask_for_it() {
        for (accept, expected) in [
            (
                "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
                true,
            ),
            ("TEXT/HTML", true),
            ("application/json;q=0.5, text/html;q=0.9", true),
            ("*/*", false),
            ("", false),
            ("application/json", false),
            ("application/json, text/html;q=0.9", false),
            ("text/html, application/json", false),
            ("text/html;q=0", false),
            ("text/html;q=many", false),
        ] {
            let headers = HeaderMap::from_iter([(header::ACCEPT, accept.parse().unwrap())]);
            assert_eq!(prefers_html(&headers), expected, "{accept}");
        }
        assert!(!prefers_html(&HeaderMap::new()));
    }
}
