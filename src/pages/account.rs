//! The account page: where somebody is signed in, and the tokens of their scripts.

use std::fmt;

use askama::Template;
use http::{Response, StatusCode};
use time::OffsetDateTime;

use crate::clock::Timestamp;

/// The page.
#[derive(Debug, Clone, Template)]
#[template(path = "pages/account.html")]
pub struct AccountPage<'a> {
    /// Who it is.
    pub username: &'a str,
    /// Where they are signed in.
    pub sessions: &'a [SessionRow],
    /// Their personal tokens.
    pub tokens: &'a [TokenRow],
    /// The name and the text of a token that was just made. It is shown this once.
    pub made: Option<(&'a str, &'a str)>,
    /// Why something was not done.
    pub message: Option<&'a str>,
}

impl AccountPage<'_> {
    /// The whole answer: status, headers and HTML.
    pub fn into_response(self) -> Response<String> {
        let status = match self.message {
            None => StatusCode::OK,
            Some(_) => StatusCode::UNPROCESSABLE_ENTITY,
        };
        super::respond(status, self.render())
    }
}

/// A session, in words.
#[derive(Debug, Clone)]
pub struct SessionRow {
    /// Its public name.
    pub id: String,
    /// The browser.
    pub device: String,
    /// Where it came from.
    pub address: String,
    /// How long ago it began.
    pub since: Ago,
    /// How long ago it was used.
    pub last_use: Ago,
    /// Whether it is the one that looks at the page.
    pub is_this: bool,
}

/// A personal token, in words.
#[derive(Debug, Clone)]
pub struct TokenRow {
    /// Its public name.
    pub id: String,
    /// What its owner calls it.
    pub name: String,
    /// What it opens.
    pub what_for: String,
    /// Its last day.
    pub until: Day,
    /// Whether it was used, and how long ago.
    pub last_use: String,
}

/// How long ago something was, as one says it.
#[derive(Debug, Clone, Copy)]
pub struct Ago {
    now: Timestamp,
    then: Timestamp,
}

impl Ago {
    /// From `then` to `now`.
    pub fn new(now: Timestamp, then: Timestamp) -> Self {
        Self { now, then }
    }
}

impl fmt::Display for Ago {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (count, unit) = match self.now.since(self.then).as_secs() {
            0..60 => return f.write_str("just now"),
            seconds @ 60..3600 => (seconds / 60, "minute"),
            seconds @ 3600..86400 => (seconds / 3600, "hour"),
            seconds => (seconds / 86400, "day"),
        };
        write!(f, "{count} {unit}{} ago", if count == 1 { "" } else { "s" })
    }
}

/// A day, as one writes it (in UTC).
#[derive(Debug, Clone, Copy)]
pub struct Day(pub Timestamp);

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = i64::try_from(self.0.unix_seconds()).unwrap_or(i64::MAX);
        match OffsetDateTime::from_unix_timestamp(seconds) {
            Ok(time) => write!(f, "{} {} {}", time.day(), time.month(), time.year()),
            Err(_) => f.write_str("the end of time"),
        }
    }
}

/// What to call a browser by its `User-Agent`: enough to recognise one's own by.
pub fn device_name(user_agent: &str) -> String {
    // Most name those that came before them as well, and so the newest name counts.
    let browsers = [
        ("Edg", "Edge"),
        ("OPR/", "Opera"),
        ("SamsungBrowser", "Samsung Internet"),
        ("Firefox", "Firefox"),
        ("FxiOS", "Firefox"),
        ("CriOS", "Chrome"),
        ("Chromium", "Chromium"),
        ("Chrome", "Chrome"),
        ("Safari", "Safari"),
        ("curl", "curl"),
    ];
    let systems = [
        ("Android", "Android"),
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("Windows", "Windows"),
        ("Mac OS X", "Mac"),
        ("CrOS", "ChromeOS"),
        ("Linux", "Linux"),
    ];
    let find = |names: &[(&str, &'static str)]| {
        let found = names.iter().find(|(word, _)| user_agent.contains(word));
        found.map(|(_, name)| *name)
    };
    match (find(&browsers), find(&systems)) {
        (Some(browser), Some(system)) => format!("{browser} on {system}"),
        (Some(one), None) | (None, Some(one)) => one.to_owned(),
        (None, None) => {
            let word = user_agent.split(['/', ' ']).next().unwrap_or_default();
            let word: String = word.chars().take(40).collect();
            match word.is_empty() {
                true => "A program".to_owned(),
                false => word,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_browser_is_called_what_its_owner_calls_it() {
        for (user_agent, name) in [
            (
                "Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0",
                "Firefox on Linux",
            ),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36",
                "Chrome on Windows",
            ),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36 Edg/131.0.0.0",
                "Edge on Windows",
            ),
            (
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Safari/605.1.15",
                "Safari on Mac",
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Mobile/15E148 Safari/604.1",
                "Safari on iPhone",
            ),
            (
                "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Mobile Safari/537.36",
                "Chrome on Android",
            ),
            ("curl/8.11.0", "curl"),
            ("python-requests/2.32.3", "python-requests"),
            ("", "A program"),
            ("<script>alert(1)</script>", "<script>alert(1)<"),
        ] {
            assert_eq!(device_name(user_agent), name, "{user_agent}");
        }
    }

    #[test]
    fn times_are_said_as_people_say_them() {
        let now = Timestamp::from_unix_seconds(1_800_000_000);
        for (seconds, words) in [
            (0, "just now"),
            (59, "just now"),
            (60, "1 minute ago"),
            (7199, "1 hour ago"),
            (7200, "2 hours ago"),
            (86400 * 30, "30 days ago"),
        ] {
            let then = Timestamp::from_unix_seconds(1_800_000_000 - seconds);
            assert_eq!(Ago::new(now, then).to_string(), words);
        }
        assert_eq!(
            Ago::new(now, now.after(Duration::from_secs(5))).to_string(),
            "just now"
        );
        assert_eq!(Day(now).to_string(), "15 January 2027");
        assert_eq!(
            Day(Timestamp::from_unix_millis(u64::MAX)).to_string(),
            "the end of time"
        );
    }
}
