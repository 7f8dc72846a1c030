//! How durations and sizes are written: whole numbers with a unit.
//!
//! Stricter than the crates for it, on purpose: to them `30M` is two and a half years, and `64k` or a bare `64` a size.
//! Here what could mean two things is an error that says how to write it.

use std::time::Duration;

/// Units of a duration, in milliseconds.
const DURATIONS: [(&str, u64); 6] = [
    ("ms", 1),
    ("s", 1000),
    ("m", 60_000),
    ("h", 3_600_000),
    ("d", 86_400_000),
    ("w", 604_800_000),
];

/// Units of a size, in bytes.
const SIZES: [(&str, u64); 10] = [
    ("B", 1),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
    ("kB", 1000),
    ("KB", 1000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
];

/// A hundred years. What is meant to last longer is meant to last for ever, and no clock can count it.
const LONGEST: Duration = Duration::from_secs(36_500 * 86_400);

/// Reads a duration such as `"30s"`, `"1h 30m"` or `"30d"`.
///
/// # Errors
/// What is wrong with it, for a message.
pub fn duration(text: &str) -> Result<Duration, String> {
    let bad = || {
        format!(
            "\"{text}\" is not a duration; write a whole number and a unit, such as \"30s\", \"15m\", \"12h\" or \"30d\""
        )
    };
    let mut rest = text.trim();
    let mut total = Some(0_u64);
    loop {
        let (quantity, after) = quantity(rest, &DURATIONS).ok_or_else(bad)?;
        total = total.zip(quantity).and_then(|(sum, part)| sum.checked_add(part));
        rest = after.trim_start();
        if rest.is_empty() {
            break;
        }
    }
    total
        .map(Duration::from_millis)
        .filter(|duration| *duration <= LONGEST)
        .ok_or_else(|| format!("\"{text}\" is too long; the longest duration is \"36500d\""))
}

/// Reads a size in bytes such as `"16KiB"` or `"100MiB"`.
///
/// # Errors
/// What is wrong with it, for a message.
pub fn size(text: &str) -> Result<u64, String> {
    match quantity(text.trim(), &SIZES) {
        Some((Some(bytes), "")) => Ok(bytes),
        Some((None, "")) => Err(format!("\"{text}\" is more than can be counted")),
        _ => Err(format!(
            "\"{text}\" is not a size; write a whole number and a unit, such as \"64KiB\", \"100MiB\" or \"1GiB\""
        )),
    }
}

/// A number and its unit at the beginning of a text, and what follows. The quantity is `None` where it is too large
/// to be counted.
fn quantity<'a>(text: &'a str, units: &[(&str, u64)]) -> Option<(Option<u64>, &'a str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, rest) = text.split_at(end);
    let rest = rest.trim_start();
    let end = rest
        .find(|c: char| !c.is_ascii_alphabetic())
        .unwrap_or(rest.len());
    let (name, rest) = rest.split_at(end);
    let (_, unit) = units.iter().find(|(known, _)| *known == name)?;
    // Only digits are left, so that what fails to be parsed is nothing or too much.
    if number.is_empty() {
        return None;
    }
    let quantity = number
        .parse()
        .ok()
        .and_then(|number: u64| number.checked_mul(*unit));
    Some((quantity, rest))
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
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn durations_are_read_with_their_units() {
        for (text, millis) in [
            ("0s", 0),
            ("250ms", 250),
            ("30s", 30_000),
            ("15m", 900_000),
            ("12h", 43_200_000),
            ("30d", 2_592_000_000),
            ("2w", 1_209_600_000),
            ("1h 30m", 5_400_000),
            ("1h30m", 5_400_000),
            (" 30 s ", 30_000),
            ("007s", 7000),
            ("36500d", 3_153_600_000_000),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for bad in [
            "",
            " ",
            "0",
            "30",
            "s",
            "-1s",
            "+1s",
            "1.5h",
            "1e3s",
            "30S",
            "30M",
            "30 parsecs",
            "30s 5",
            "1h,30m",
            "٣s",
            "30s\0",
        ] {
            let message = duration(bad).unwrap_err();
            assert!(
                message.starts_with(&format!(
                    "\"{bad}\" is not a duration; write a whole number and a unit"
                )),
                "{message}"
            );
        }
        for long in [
            "36501d",
            "36500d 1ms",
            "99999999999999999999s",
            "18446744073709551615w",
        ] {
            let message = format!("\"{long}\" is too long; the longest duration is \"36500d\"");
            assert_eq!(duration(long), Err(message));
        }
    }

    #[test]
    fn sizes_are_read_with_their_units() {
        for (text, bytes) in [
            ("0B", 0),
            ("5B", 5),
            ("16KiB", 16_384),
            ("100MiB", 104_857_600),
            ("1GiB", 1 << 30),
            ("1TiB", 1 << 40),
            ("1kB", 1000),
            ("1KB", 1000),
            ("2MB", 2_000_000),
            (" 16 KiB ", 16_384),
            ("18446744073709551615B", u64::MAX),
        ] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for bad in [
            "",
            "0",
            "5",
            "KiB",
            "big",
            "-1KiB",
            "1.5GiB",
            "1k",
            "1K",
            "1M",
            "1kib",
            "1 elephant",
            "1KiB 2KiB",
            "0x10B",
        ] {
            let message = size(bad).unwrap_err();
            assert!(
                message.starts_with(&format!(
                    "\"{bad}\" is not a size; write a whole number and a unit"
                )),
                "{message}"
            );
        }
        for large in ["18446744073709551616B", "99999999999GiB"] {
            assert_eq!(
                size(large),
                Err(format!("\"{large}\" is more than can be counted"))
            );
        }
    }

    #[test]
    fn sizes_are_shown_as_they_are_written() {
        for (bytes, shown) in [(65_536, "64KiB"), (19 << 20, "19MiB"), (1000, "1000B"), (0, "0B")] {
            assert_eq!(show_size(bytes), shown);
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_the_readers_panic(text in "[0-9]{0,25} ?\\PC{0,6}") {
            let _ = (duration(&text), size(&text));
        }

        #[test]
        fn a_size_that_is_shown_reads_the_same(bytes: u64) {
            prop_assert_eq!(size(&show_size(bytes)), Ok(bytes));
        }
    }
}
