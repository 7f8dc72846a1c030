//! JSON lines that are safe to look at: characters that a terminal obeys, or at which a viewer breaks lines, are
//! escaped. JSON itself asks for that below U+0020 alone (RFC 8259, section 7).

use std::{
    borrow::Cow,
    fmt::Write as _,
    io::{self, Write},
};

/// Whether a character is shown as something other than itself. ASCII control characters are escaped already,
/// all but DEL.
fn acts(c: char) -> bool {
    c == '\u{7f}' || (!c.is_ascii() && c.escape_debug().len() > 1)
}

/// The same JSON without such characters. Outside of strings it has none, so each can become an escape sequence.
pub(super) fn json(text: &str) -> Cow<'_, str> {
    if !text.contains(acts) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if !acts(c) {
            escaped.push(c);
            continue;
        }
        for unit in c.encode_utf16(&mut [0; 2]) {
            // Writing to a String does not fail.
            let _ = write!(escaped, "\\u{unit:04x}");
        }
    }
    Cow::Owned(escaped)
}

/// Writes JSON lines to `W` in that form. Whoever uses it writes whole lines.
pub(super) struct JsonLines<W>(pub(super) W);

impl<W: Write> Write for JsonLines<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        match std::str::from_utf8(line) {
            Ok(text) => self.0.write_all(json(text).as_bytes())?,
            Err(_) => self.0.write_all(line)?,
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_acts_is_escaped_and_means_the_same() {
        for (text, shown) in [
            ("plain", "plain"),
            ("\u{fc}\u{4e2d}\u{1f512}", "\u{fc}\u{4e2d}\u{1f512}"),
            ("a\u{7f}b", "a\\u007fb"),
            ("\u{9b}31m", "\\u009b31m"),
            ("a\u{85}b\u{2028}c\u{2029}d", "a\\u0085b\\u2028c\\u2029d"),
            ("\u{202e}\u{200b}\u{feff}", "\\u202e\\u200b\\ufeff"),
            ("\u{e0001}", "\\udb40\\udc01"),
        ] {
            let line = serde_json::to_string(text).unwrap();
            let escaped = json(&line);
            assert_eq!(escaped, format!("\"{shown}\""));
            assert_eq!(serde_json::from_str::<String>(&escaped).unwrap(), text);
            let mut written = Vec::new();
            JsonLines(&mut written).write_all(line.as_bytes()).unwrap();
            assert_eq!(written, escaped.as_bytes());
        }
    }
}
