//! What becomes of a request.

use std::io;

/// Why a request had no good answer.
#[derive(Debug)]
pub struct Failure {
    /// In words that are the same for all of a kind: they are counted.
    pub what: String,
    /// Whether the connection can be used again.
    pub connection_lives: bool,
}

impl Failure {
    /// The end of its connection.
    pub fn fatal(what: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            connection_lives: false,
        }
    }

    /// A request's own trouble.
    pub fn of_request(what: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            connection_lives: true,
        }
    }

    /// An error of the system, while something was tried.
    pub fn io(trying: &str, error: &io::Error) -> Self {
        // A TLS error is inside, and says more than its kind.
        match error.get_ref() {
            Some(inside) => Self::fatal(format!("{trying}: {inside}")),
            None => Self::fatal(format!("{trying}: {}", error.kind())),
        }
    }
}

impl From<h2::Error> for Failure {
    fn from(error: h2::Error) -> Self {
        let what = match error.reason() {
            Some(reason) if error.is_reset() => format!("the stream was reset: {reason}"),
            Some(reason) => format!("the connection ended: {reason}"),
            None => match error.get_io() {
                Some(error) => format!("the connection broke: {}", error.kind()),
                None => format!("HTTP/2: {error}"),
            },
        };
        Self {
            what,
            connection_lives: error.is_reset(),
        }
    }
}

/// An answer that came to its end.
#[derive(Debug, Clone, Copy)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Its body, in bytes.
    pub length: usize,
    /// Whether the connection can be used again.
    pub connection_lives: bool,
}
