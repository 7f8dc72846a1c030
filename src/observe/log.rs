//! Setting the log up.

use std::io;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::fmt;

use super::printable::JsonLines;
use crate::config::{LogConfig, LogFormat};

/// Sends log and audit lines to standard error from now on. Called once, by `cli`; a second call changes nothing.
pub fn init(config: &LogConfig) {
    let level = LevelFilter::from_level(config.level);
    let builder = fmt()
        .with_writer(io::stderr)
        .with_max_level(level)
        .with_target(true);
    // Failing means that somebody has set a log up already, which then stays.
    let _ = match config.format {
        LogFormat::Text => builder
            .with_ansi(io::IsTerminal::is_terminal(&io::stderr()))
            .try_init(),
        LogFormat::Json => builder
            .json()
            .flatten_event(true)
            .with_writer(|| JsonLines(io::stderr()))
            .try_init(),
    };
}
