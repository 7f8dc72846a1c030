//! `[login]`: the sign-in page.

use crate::config::reader::Table;

/// `[login]`, checked.
#[derive(Debug, Clone)]
pub struct LoginConfig {
    /// The heading of the sign-in page, and its title in the browser's tab.
    pub title: String,
}

impl LoginConfig {
    /// Says what the page is for, and nothing about who runs it.
    const TITLE: &str = "Sign in";

    /// Longer ones would not fit a phone's heading.
    const MAX_TITLE_CHARS: usize = 100;

    pub(in crate::config) fn read(mut table: Table<'_, '_>) -> Self {
        let title = |text: &str| match text.chars().count() {
            _ if text.trim().is_empty() => Err("`title` cannot be empty".to_owned()),
            _ if text.chars().any(char::is_control) => {
                Err("`title` is one line, without control characters".to_owned())
            }
            ..=Self::MAX_TITLE_CHARS => Ok(text.to_owned()),
            _ => Err(format!(
                "`title` cannot be longer than {} characters",
                Self::MAX_TITLE_CHARS
            )),
        };
        let title = table.take("title").and_then(|value| value.parsed(title));
        table.finish(&["stylesheet", "logo", "second_factor", "throttle"]);
        Self {
            title: title.unwrap_or_else(|| Self::TITLE.to_owned()),
        }
    }
}
