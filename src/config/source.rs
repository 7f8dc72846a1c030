//! The text of a configuration file, and where in it something stands.

use std::{ops::Range, path::PathBuf};

/// A file's name and text.
#[derive(Debug)]
pub struct Source {
    /// The file as the user named it.
    pub file: PathBuf,
    /// Its text.
    pub text: String,
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

impl Source {
    /// The place of a range of bytes. What lies past the end is at the end.
    pub fn place(&self, span: &Range<usize>) -> Place {
        let start = self.text.floor_char_boundary(span.start);
        let before = self.text.get(..start).unwrap_or_default();
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let rest = self.text.get(line_start..).unwrap_or_default();
        let text = rest.lines().next().unwrap_or_default();
        let column = before.get(line_start..).unwrap_or_default().chars().count() + 1;
        let end = self.text.floor_char_boundary(span.end.max(start));
        let meant = self
            .text
            .get(start..end)
            .unwrap_or_default()
            .lines()
            .next()
            .unwrap_or_default();
        Place {
            line: before.matches('\n').count() + 1,
            column,
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
        let source = Source {
            file: "x".into(),
            text: "a = 1\nü = \"é\" # x\n".to_owned(),
        };
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
