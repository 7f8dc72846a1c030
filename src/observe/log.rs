//! Setting the log up.

use std::io;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::{filter::Targets, fmt, layer::SubscriberExt, util::SubscriberInitExt};

use super::printable::JsonLines;
use crate::config::{LogConfig, LogFormat};

/// Sends log and audit lines to standard error from now on. Called once, by `cli`; a second call changes nothing.
pub fn init(config: &LogConfig) {
    let level = LevelFilter::from_level(config.level);
    // What a library warns of, a client may have caused, and as often as it likes (one line for each HTTP/2 PING that
    // answers none of ours). Whoever wants to know asks for `debug`.
    let of_libraries = match level {
        LevelFilter::DEBUG | LevelFilter::TRACE => level,
        _ => LevelFilter::ERROR.min(level),
    };
    let filter = Targets::new()
        .with_default(of_libraries)
        .with_target(env!("CARGO_CRATE_NAME"), level)
        .with_target("audit", level);
    let builder = fmt()
        .with_writer(io::stderr)
        .with_max_level(level)
        .with_target(true);
    // Failing means that somebody has set a log up already, which then stays.
    let _ = match config.format {
        LogFormat::Text => builder
            .with_ansi(io::IsTerminal::is_terminal(&io::stderr()))
            .finish()
            .with(filter)
            .try_init(),
        LogFormat::Json => builder
            .json()
            .flatten_event(true)
            .with_writer(|| JsonLines(io::stderr()))
            .finish()
            .with(filter)
            .try_init(),
    };
}
