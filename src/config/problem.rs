//! What is wrong with a configuration, in one grammar: where, what, the line, and what to do.

use std::{fmt, ops::Range, path::PathBuf};

use super::source::{Place, Source};

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
            message: message.into(),
            hint: None,
            secret: false,
        }
    }

    /// An error at a place.
    pub fn at(source: &Source, span: &Range<usize>, message: impl Into<String>) -> Self {
        Self {
            place: Some(source.place(span)),
            ..Self::of_file(&source.file, message)
        }
    }

    /// With advice.
    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self {
            hint: Some(hint.into()),
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

    /// At a line that holds a secret, which is then not shown.
    #[must_use]
    pub fn beside_a_secret(self) -> Self {
        Self { secret: true, ..self }
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
        if self.secret {
            let key: String = place.text.chars().take_while(|c| *c != '=').collect();
            return (
                format!("{key}= …"),
                place.column.saturating_sub(1).min(key.chars().count()),
            );
        }
        // Control characters would move the cursor of whoever reads this.
        let visible = |c: char| {
            if c.is_control() && c != '\t' {
                '\u{fffd}'
            } else {
                c
            }
        };
        let before = place.column.saturating_sub(1);
        let skipped = before.saturating_sub(SHOWN / 2);
        let text: String = place
            .text
            .chars()
            .skip(skipped)
            .take(SHOWN)
            .map(visible)
            .collect();
        (text, before - skipped)
    }
}
