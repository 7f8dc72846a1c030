//! One line per request, written when its answer has gone out.

use std::{
    fmt::Write as _,
    fs::{File, OpenOptions},
    io::{self, Write},
    num::NonZero,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use serde::Serialize;
use time::format_description::well_known::{
    Iso8601,
    iso8601::{self, EncodedConfig, TimePrecision},
};
use tracing_appender::non_blocking::{NonBlocking, WorkerGuard};

use super::printable;
use crate::{
    address::ClientAddr,
    clock::Timestamp,
    config::{AccessLog, LogConfig, LogFormat},
};

/// What an access line says. Times are in milliseconds.
#[derive(Debug, Clone, Serialize)]
pub struct AccessRecord {
    /// When the request came.
    #[serde(serialize_with = "rfc3339")]
    pub time: Timestamp,
    /// Its name.
    pub request_id: String,
    /// The trace that it belongs to.
    pub trace_id: String,
    /// Who sent it.
    pub client: ClientAddr,
    /// Its method.
    pub method: String,
    /// The host it was for.
    pub host: String,
    /// Its path; never its query, where secrets end up.
    pub path: String,
    /// The status of the answer.
    pub status: u16,
    /// The route's name.
    pub route: Option<String>,
    /// Where it went.
    pub upstream: Option<String>,
    /// Who was signed in.
    pub user: Option<String>,
    /// What signed them in: `session`, `bearer` or `none`.
    pub credential: &'static str,
    /// Why it was refused.
    pub refusal: Option<&'static str>,
    /// Bytes of the answer's body.
    pub bytes: u64,
    /// From the request's head to the end of the answer.
    pub ms: f64,
    /// Of that, waiting for the head of the upstream's answer.
    pub upstream_ms: Option<f64>,
}

fn rfc3339<S: serde::Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&format_time(*time))
}

/// Always to the millisecond, so that lines are as long as one another and sort by time.
const TIME: EncodedConfig = iso8601::Config::DEFAULT
    .set_time_precision(TimePrecision::Second {
        decimal_digits: NonZero::new(3),
    })
    .encode();

fn format_time(time: Timestamp) -> String {
    let nanos = i128::from(time.unix_millis()) * 1_000_000;
    time::OffsetDateTime::from_unix_timestamp_nanos(nanos)
        .ok()
        .and_then(|time| time.format(&Iso8601::<TIME>).ok())
        .unwrap_or_default()
}

/// A duration as the log writes it: milliseconds, to the microsecond.
pub fn millis(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1_000_000.0).round() / 1000.0
}

/// Where access lines go. Lines are handed to a thread of their own: a slow disk delays no request, and lines
/// that it cannot keep up with are dropped rather than kept in memory.
#[derive(Debug, Clone, Default)]
pub struct AccessLogger {
    writer: Option<(LogFormat, NonBlocking)>,
    moved: Arc<AtomicBool>,
}

/// Writes out what is still on its way when it is dropped.
#[derive(Debug, Default)]
pub struct FlushOnDrop {
    _worker: Option<WorkerGuard>,
}

impl AccessLogger {
    /// The log that the configuration names.
    ///
    /// # Errors
    /// The file cannot be opened for appending.
    pub fn open(config: &LogConfig) -> io::Result<(Self, FlushOnDrop)> {
        let moved = Arc::default();
        let (writer, guard) = match &config.access {
            AccessLog::Off => return Ok((Self::default(), FlushOnDrop::default())),
            AccessLog::Stdout => tracing_appender::non_blocking(io::stdout()),
            AccessLog::File(path) => tracing_appender::non_blocking(LogFile {
                file: append_to(path)?,
                path: path.clone(),
                moved: Arc::clone(&moved),
            }),
        };
        Ok((
            Self {
                writer: Some((config.format, writer)),
                moved,
            },
            FlushOnDrop { _worker: Some(guard) },
        ))
    }

    /// Whether lines go anywhere.
    pub fn is_on(&self) -> bool {
        self.writer.is_some()
    }

    /// Opens the file anew before the next line: somebody has moved it away.
    pub fn reopen(&self) {
        self.moved.store(true, Ordering::Relaxed);
    }

    /// Writes one line.
    pub fn write(&self, record: &AccessRecord) {
        let Some((format, writer)) = &self.writer else {
            return;
        };
        let mut line = match format {
            LogFormat::Json => {
                let line = serde_json::to_string(record).unwrap_or_default();
                printable::json(&line).into_owned()
            }
            LogFormat::Text => text(record),
        };
        line.push('\n');
        // Standard output that was closed is no reason to stop serving.
        let _ = writer.clone().write_all(line.as_bytes());
    }
}

/// The file of an access log, which others may move away.
struct LogFile {
    path: PathBuf,
    file: File,
    moved: Arc<AtomicBool>,
}

fn append_to(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

impl Write for LogFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.moved.swap(false, Ordering::Relaxed) {
            match append_to(&self.path) {
                Ok(file) => self.file = file,
                // Lines in the wrong file are better than none.
                Err(error) => {
                    tracing::error!(%error, path = %self.path.display(), "cannot open the access log anew");
                }
            }
        }
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// `key=value` pairs; what a client chose is quoted and escaped, so that it stays one value on one line.
fn text(record: &AccessRecord) -> String {
    let mut line = format_time(record.time);
    let or_none = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    // Writing to a String does not fail.
    let _ = write!(
        line,
        " access id={} trace_id={} client={} method={} host={:?} path={:?} status={} route={} upstream={} user={:?} \
         credential={} refusal={} bytes={} ms={:.3} upstream_ms={}",
        record.request_id,
        record.trace_id,
        record.client,
        record.method,
        record.host,
        record.path,
        record.status,
        or_none(&record.route),
        or_none(&record.upstream),
        record.user.as_deref().unwrap_or("-"),
        record.credential,
        record.refusal.unwrap_or("-"),
        record.bytes,
        record.ms,
        record
            .upstream_ms
            .map_or_else(|| "-".to_owned(), |ms| format!("{ms:.3}")),
    );
    line
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    fn record(hostile: &str) -> AccessRecord {
        AccessRecord {
            time: Timestamp::from_unix_millis(1_700_000_000_123),
            request_id: "0123".to_owned(),
            trace_id: "4567".to_owned(),
            client: IpAddr::from([127, 0, 0, 1]).into(),
            method: "GET".to_owned(),
            host: hostile.to_owned(),
            path: hostile.to_owned(),
            status: 200,
            route: Some("root".to_owned()),
            upstream: None,
            user: Some(hostile.to_owned()),
            credential: "session",
            refusal: None,
            bytes: 5,
            ms: 1.5,
            upstream_ms: Some(1.25),
        }
    }

    #[test]
    fn what_a_client_sends_cannot_break_a_line() {
        for hostile in [
            "a\nb",
            "a\r\nb",
            "\" status=500",
            "\u{1b}[31m",
            "a\u{2028}b",
            "\0",
        ] {
            let record = record(hostile);
            for line in [text(&record), serde_json::to_string(&record).unwrap()] {
                assert_eq!(line.lines().count(), 1, "{line}");
                assert!(!line.contains(['\n', '\r', '\0', '\u{1b}']), "{line}");
                assert!(!text(&record).contains('\u{2028}'));
            }
            let parsed: serde_json::Value =
                serde_json::from_str(&serde_json::to_string(&record).unwrap()).unwrap();
            assert_eq!(parsed["user"], hostile);
        }
    }

    #[test]
    fn times_are_written_to_the_millisecond() {
        for (millis, text) in [
            (1_700_000_000_000, "2023-11-14T22:13:20.000Z"),
            (1_700_000_000_100, "2023-11-14T22:13:20.100Z"),
            (1_700_000_000_007, "2023-11-14T22:13:20.007Z"),
        ] {
            assert_eq!(format_time(Timestamp::from_unix_millis(millis)), text);
        }
    }

    #[test]
    fn a_text_line_has_its_fields_in_a_fixed_order() {
        assert_eq!(
            text(&record("x")),
            "2023-11-14T22:13:20.123Z access id=0123 trace_id=4567 client=127.0.0.1 method=GET host=\"x\" path=\"x\" status=200 \
             route=root upstream=- user=\"x\" credential=session refusal=- bytes=5 ms=1.500 upstream_ms=1.250"
        );
    }
}
