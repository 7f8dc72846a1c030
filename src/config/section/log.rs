//! `[log]`: what is written down, and where.

use crate::config::reader::Table;
use std::path::PathBuf;

/// `[log]`, checked.
#[derive(Debug, Clone)]
pub struct LogConfig {
    /// How lines look.
    pub format: LogFormat,
    /// The least severe level that is written.
    pub level: tracing::Level,
    /// Where access lines go.
    pub access: AccessLog,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// One line of `key=value` pairs for people.
    Text,
    /// One JSON object a line for machines.
    Json,
}

/// Where access lines go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccessLog {
    /// Standard output.
    Stdout,
    /// Nowhere.
    Off,
    /// Appended to this file.
    File(PathBuf),
}

impl LogConfig {
    pub(in crate::config) fn read(mut table: Table<'_, '_>) -> Self {
        let format = [("text", LogFormat::Text), ("json", LogFormat::Json)];
        let levels = [
            ("error", tracing::Level::ERROR),
            ("warn", tracing::Level::WARN),
            ("info", tracing::Level::INFO),
            ("debug", tracing::Level::DEBUG),
            ("trace", tracing::Level::TRACE),
        ];
        let log = Self {
            format: table
                .take("format")
                .and_then(|value| value.word(&format))
                .unwrap_or(LogFormat::Text),
            level: table
                .take("level")
                .and_then(|value| value.word(&levels))
                .unwrap_or(tracing::Level::INFO),
            access: table
                .take("access")
                .and_then(|value| match value.string()?.as_str() {
                    "stdout" => Some(AccessLog::Stdout),
                    "off" => Some(AccessLog::Off),
                    _ => value.path().map(AccessLog::File),
                })
                .unwrap_or(AccessLog::Stdout),
        };
        table.finish(&[]);
        log
    }
}
