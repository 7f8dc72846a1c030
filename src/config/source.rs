//! The text of a configuration file, and where in it something stands.

use std::{fmt, ops::Range, path::PathBuf};

/// A file's name and text. Its `Debug` shows the name alone: the text may hold secrets.
pub struct Source {
    /// The file as the user named it.
    pub file: PathBuf,
    /// Its text.
    pub text: String,
    /// Where each line begins: a file of ten thousand routes is asked for a place as often.
    line_starts: Vec<usize>,
}

/// A place in a file, as a person counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// The line's text.
    pub text: String,
    /// How many characters of the line are meant, at least 1.
    pub length: usize,
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source")
            .field("file", &self.file)
            .finish_non_exhaustive()
    }
}

impl Source {
    /// A text as the contents of `file`.
    pub fn new(file: impl Into<PathBuf>, text: String) -> Self {
        // Some editors begin a file with a byte-order mark, which nobody counts as a character, and end lines with two
        // characters, of which TOML lets a reader make one.
        let text = match text.strip_prefix('\u{feff}') {
            Some(rest) => rest.to_owned(),
            None => text,
        };
        let text = match text.contains("\r\n") {
            true => text.replace("\r\n", "\n"),
            false => text,
        };
        let after_breaks = text.match_indices('\n').map(|(at, _)| at + 1);
        Self {
            line_starts: std::iter::once(0).chain(after_breaks).collect(),
            file: file.into(),
            text,
        }
    }

    /// The place of a range of bytes. What lies past the end is at the end.
    pub fn place(&self, span: &Range<usize>) -> Place {
        let start = self.text.floor_char_boundary(span.start);
        let line = self.line_starts.partition_point(|begin| *begin <= start);
        let line_start = self.line_starts.get(line - 1).copied().unwrap_or_default();
        let before = self.text.get(line_start..start).unwrap_or_default();
        let rest = self.text.get(line_start..).unwrap_or_default();
        let text = rest.lines().next().unwrap_or_default();
        let end = self.text.floor_char_boundary(span.end.max(start));
        let meant = self
            .text
            .get(start..end)
            .unwrap_or_default()
            .lines()
            .next()
            .unwrap_or_default();
        Place {
            line,
            column: before.chars().count() + 1,
            text: text.to_owned(),
            length: meant.chars().count().max(1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted_as_people_count() {
        let source = Source::new("x", "\u{feff}a = 1\r\nü = \"é\" # x\n".to_owned());
        let place = |start, end| {
            let place = source.place(&(start..end));
            (place.line, place.column, place.length, place.text)
        };
        assert_eq!(place(0, 1), (1, 1, 1, "a = 1".to_owned()));
        assert_eq!(place(6, 8), (2, 1, 1, "ü = \"é\" # x".to_owned()));
        assert_eq!(place(11, 15), (2, 5, 3, "ü = \"é\" # x".to_owned()));
        assert_eq!(place(900, 901), (3, 1, 1, String::new()));
    }
}
