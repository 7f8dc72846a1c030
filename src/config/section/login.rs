//! `[login]`: the sign-in page.

/// `[login]`, checked.
#[derive(Debug, Clone)]
pub struct LoginConfig {
    /// The heading of the sign-in page, and its title in the browser's tab.
    pub title: String,
}
