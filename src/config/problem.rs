//! What is wrong with a configuration, in one grammar: where, what, the line, and what to do.

use std::{fmt, ops::Range, path::PathBuf};

use super::{
    secrets,
    source::{Place, Source},
};

/// Characters of a line that are shown; a longer one is cut around the place that is meant.
const SHOWN: usize = 100;

/// Whether a configuration can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It cannot.
    Error,
    /// It can, but somebody should know.
    Warning,
}

/// Something that is wrong with a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// How bad it is.
    pub severity: Severity,
    /// In which file.
    pub file: PathBuf,
    /// Where in it; `None` when the file as a whole is meant.
    pub place: Option<Place>,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
    secret: bool,
}

impl Problem {
    /// An error of a whole file.
    pub fn of_file(file: impl Into<PathBuf>, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            file: file.into(),
            place: None,
            message: visible(&secrets::without_userinfo(&message.into()), |_| false),
            hint: None,
            secret: false,
        }
    }

    /// An error at a place. A line that may hold a secret is not shown.
    pub fn at(source: &Source, span: &Range<usize>, message: impl Into<String>) -> Self {
        let place = source.place(span);
        let secret = secrets::may_stand_on(&source.text, place.line);
        let problem = Self {
            place: Some(place),
            ..Self::of_file(&source.file, message)
        };
        if secret {
            problem.beside_a_secret()
        } else {
            problem
        }
    }

    /// An error at a place where the file is no TOML, so that nobody knows what is a key and what is not.
    pub fn of_syntax(source: &Source, span: &Range<usize>, message: impl Into<String>) -> Self {
        let problem = Self::at(source, span, message);
        match &problem.place {
            Some(place) if secrets::may_stand_on_broken(&source.text, place.line) => {
                problem.beside_a_secret()
            }
            _ => problem,
        }
    }

    /// With advice.
    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self {
            hint: Some(visible(&hint.into(), |c| c == '\n')),
            ..self
        }
    }

    /// As a warning.
    #[must_use]
    pub fn warning(self) -> Self {
        Self {
            severity: Severity::Warning,
            ..self
        }
    }

    /// At a line that holds a secret: from here on, nothing behind its key is known.
    #[must_use]
    pub fn beside_a_secret(self) -> Self {
        let place = self.place.map(|place| match place.text.split_once('=') {
            Some((key, _)) => Place {
                text: format!("{} = …", key.trim_end()),
                ..place
            },
            None => Place {
                text: "…".to_owned(),
                ..place
            },
        });
        Self {
            place,
            secret: true,
            ..self
        }
    }

    /// Where and what, in one line for a log.
    pub fn summary(&self) -> String {
        let file = self.file.display();
        match &self.place {
            Some(place) => format!("{file}:{}:{}: {}", place.line, place.column, self.message),
            None => format!("{file}: {}", self.message),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        write!(f, "{severity}: {}", self.summary())?;
        let mut margin = String::new();
        if let Some(place) = &self.place {
            margin = " ".repeat(place.line.to_string().len());
            let (text, before) = self.shown_line(place);
            let carets = "^".repeat(
                place
                    .length
                    .min(text.chars().count().saturating_sub(before))
                    .max(1),
            );
            // Tabs stay tabs, so that the caret stands under what it means however wide they are shown.
            let indent: String = text
                .chars()
                .take(before)
                .map(|c| if c == '\t' { '\t' } else { ' ' })
                .collect();
            write!(f, "\n {} | {text}\n {margin} | {indent}{carets}", place.line)?;
        }
        if let Some(hint) = &self.hint {
            write!(f, "\n {margin} = hint: {hint}")?;
        }
        Ok(())
    }
}

impl Problem {
    /// The line as it is shown, and how many characters of that stand before the place that is meant.
    fn shown_line(&self, place: &Place) -> (String, usize) {
        let end = place.text.chars().count();
        let before = place.column.saturating_sub(1);
        // Behind the key of a secret, the dots that stand for it are meant.
        let before = if self.secret {
            before.min(end.saturating_sub(1))
        } else {
            before
        };
        let skipped = before.saturating_sub(SHOWN / 2);
        let text: String = place.text.chars().skip(skipped).take(SHOWN).collect();
        (visible(&text, |c| c == '\t'), before - skipped)
    }
}

/// A text without control characters, which would move the cursor of whoever reads it, but for those that may stay.
fn visible(text: &str, stays: impl Fn(char) -> bool) -> String {
    let shown = |c: char| {
        if c.is_control() && !stays(c) {
            '\u{fffd}'
        } else {
            c
        }
    };
    text.chars().map(shown).collect()
}
