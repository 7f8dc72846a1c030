//! `[log]`: what is written down, and where.

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
