//! How durations and sizes are written.

use std::time::Duration;

/// Reads a duration such as `"30s"`, `"1h 30m"` or `"30d"`.
///
/// # Errors
/// What is wrong with it, for a message.
pub fn duration(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text)
        .map_err(|_| format!("`{text}` is not a duration; write a number and a unit, such as \"30s\", \"15m\", \"12h\" or \"30d\""))
}

/// Reads a size in bytes such as `"16KiB"` or `"100MiB"`.
///
/// # Errors
/// What is wrong with it, for a message.
pub fn size(text: &str) -> Result<u64, String> {
    text.parse::<bytesize::ByteSize>()
        .map(|size| size.as_u64())
        .map_err(|_| {
            format!(
                "`{text}` is not a size; write a number and a unit, such as \"64KiB\", \"100MiB\" or \"1GiB\""
            )
        })
}

/// Bytes as the configuration writes them, for messages.
pub fn show_size(bytes: u64) -> String {
    for (unit, name) in [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")] {
        if bytes >= unit && bytes.is_multiple_of(unit) {
            return format!("{}{name}", bytes / unit);
        }
    }
    format!("{bytes}B")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_sizes_are_read_with_their_units() {
        for (text, seconds) in [
            ("30s", 30),
            ("15m", 900),
            ("12h", 43_200),
            ("30d", 2_592_000),
            ("1h 30m", 5400),
            ("0s", 0),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for (text, bytes) in [
            ("16KiB", 16_384),
            ("100MiB", 104_857_600),
            ("1GiB", 1 << 30),
            ("1kB", 1000),
            ("5", 5),
        ] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for bad in ["", "30", "s", "-1s", "30 parsecs"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
        for bad in ["", "big", "-1KiB", "1 elephant"] {
            assert!(size(bad).is_err(), "{bad}");
        }
        assert_eq!(
            [show_size(65_536), show_size(19 << 20), show_size(1000)],
            ["64KiB", "19MiB", "1000B"]
        );
    }
}
