//! A value of the document, and what it may turn into.

use std::{
    ops::{Range, RangeInclusive},
    path::PathBuf,
    time::Duration,
};

use toml::de::DeValue;

use super::{Report, Table};
use crate::config::{nearest::nearest, problem::Problem, units};

/// The value of a key.
pub struct Value<'r, 'i> {
    pub(super) report: &'r Report<'r>,
    pub(super) key: String,
    pub(super) key_span: Range<usize>,
    pub(super) span: Range<usize>,
    pub(super) value: DeValue<'i>,
    pub(super) secret: bool,
}

impl<'r, 'i> Value<'r, 'i> {
    /// The same, as a value that no message may show.
    #[must_use]
    pub fn holding_a_secret(self) -> Self {
        Self { secret: true, ..self }
    }

    /// Where problems go.
    pub fn report(&self) -> &'r Report<'r> {
        self.report
    }

    /// The key.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Where the key stands.
    pub fn key_span(&self) -> Range<usize> {
        self.key_span.clone()
    }

    /// Where the value stands.
    pub fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    /// Reports a problem with the value.
    pub fn reject(&self, message: impl Into<String>) {
        self.report.add(self.problem(message));
    }

    /// Reports a problem with the value, with advice.
    pub fn reject_with(&self, message: impl Into<String>, hint: impl Into<String>) {
        self.report.add(self.problem(message).hint(hint));
    }

    /// Reports something about the value that is allowed but risky.
    pub fn warn(&self, message: impl Into<String>, hint: impl Into<String>) {
        self.report.add(self.problem(message).hint(hint).warning());
    }

    fn problem(&self, message: impl Into<String>) -> Problem {
        let problem = self.report.problem(&self.span, message);
        if self.secret {
            problem.beside_a_secret()
        } else {
            problem
        }
    }

    /// Whether it is a table.
    pub fn is_table(&self) -> bool {
        self.value.is_table()
    }

    /// Whether it is a list.
    pub fn is_list(&self) -> bool {
        self.value.is_array()
    }

    /// Whether it is a string.
    pub fn is_string(&self) -> bool {
        self.value.is_str()
    }

    /// Says that it must be something else.
    pub fn wrong_type<T>(&self, wanted: &str) -> Option<T> {
        let found = match &self.value {
            DeValue::String(_) => "a string",
            DeValue::Integer(_) => "a number",
            DeValue::Float(_) => "a number with a fraction",
            DeValue::Boolean(_) => "true or false",
            DeValue::Datetime(_) => "a date",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
        };
        self.reject(format!("`{}` must be {wanted}, but this is {found}", self.key));
        None
    }

    /// A string.
    pub fn string(&self) -> Option<String> {
        match &self.value {
            DeValue::String(text) => Some(text.clone().into_owned()),
            _ => self.wrong_type("a string"),
        }
    }

    /// A string that `parse` understands; its error is the message.
    pub fn parsed<T>(&self, parse: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        let text = self.string()?;
        parse(&text).map_err(|message| self.reject(message)).ok()
    }

    /// One of a few words.
    pub fn word<T: Copy>(&self, words: &[(&str, T)]) -> Option<T> {
        let text = self.string()?;
        if let Some((_, meaning)) = words.iter().find(|(word, _)| *word == text) {
            return Some(*meaning);
        }
        let all: Vec<String> = words.iter().map(|(word, _)| format!("\"{word}\"")).collect();
        let message = format!(
            "`{}` cannot be \"{text}\"; it is one of {}",
            self.key,
            all.join(", ")
        );
        match nearest(&text, words.iter().map(|(word, _)| *word)) {
            Some(near) => self.reject_with(message, format!("did you mean \"{near}\"?")),
            None => self.reject(message),
        }
        None
    }

    /// true or false.
    pub fn boolean(&self) -> Option<bool> {
        match &self.value {
            DeValue::Boolean(value) => Some(*value),
            _ => self.wrong_type("true or false"),
        }
    }

    /// A whole number within bounds.
    pub fn integer(&self, bounds: RangeInclusive<u64>) -> Option<u64> {
        let DeValue::Integer(number) = &self.value else {
            return self.wrong_type("a whole number");
        };
        let number = u64::from_str_radix(number.as_str(), number.radix())
            .ok()
            .filter(|n| bounds.contains(n));
        if number.is_none() {
            self.reject(format!(
                "`{}` must be between {} and {}",
                self.key,
                bounds.start(),
                bounds.end()
            ));
        }
        number
    }

    /// A duration, zero included.
    pub fn duration(&self) -> Option<Duration> {
        match &self.value {
            DeValue::String(text) => units::duration(text).map_err(|message| self.reject(message)).ok(),
            _ => self.wrong_type("a duration such as \"30s\""),
        }
    }

    /// A duration above zero.
    pub fn positive_duration(&self) -> Option<Duration> {
        let duration = self.duration()?;
        if duration.is_zero() {
            self.reject(format!("`{}` must be longer than zero", self.key));
            return None;
        }
        Some(duration)
    }

    /// A size in bytes within bounds.
    pub fn size(&self, bounds: RangeInclusive<u64>) -> Option<u64> {
        let DeValue::String(text) = &self.value else {
            return self.wrong_type("a size such as \"64KiB\"");
        };
        let size = units::size(text).map_err(|message| self.reject(message)).ok()?;
        if !bounds.contains(&size) {
            let (least, most) = (units::show_size(*bounds.start()), units::show_size(*bounds.end()));
            self.reject(format!("`{}` must be between {least} and {most}", self.key));
            return None;
        }
        Some(size)
    }

    /// A path; relative ones start at the file's folder.
    pub fn path(&self) -> Option<PathBuf> {
        self.path_behind("")
    }

    /// The path behind a word such as `unix:`.
    pub fn path_behind(&self, prefix: &str) -> Option<PathBuf> {
        let text = self.string()?;
        let path = text.strip_prefix(prefix)?;
        if path.is_empty() {
            self.reject(format!("`{}` must name a file or folder", self.key));
            return None;
        }
        Some(self.report.resolve(path))
    }

    /// A list, each element a value of its own.
    pub fn list(self) -> Option<Vec<Value<'r, 'i>>> {
        match self.value {
            DeValue::Array(values) => {
                let element = |value: toml::Spanned<DeValue<'i>>| Value {
                    report: self.report,
                    key: self.key.clone(),
                    key_span: self.key_span.clone(),
                    span: value.span(),
                    value: value.into_inner(),
                    secret: self.secret,
                };
                Some(values.into_iter().map(element).collect())
            }
            _ => self.wrong_type("a list"),
        }
    }

    /// A list, or a single string in place of a list of one.
    pub fn one_or_many(self) -> Option<Vec<Value<'r, 'i>>> {
        match self.value {
            DeValue::Array(_) => self.list(),
            DeValue::String(_) => Some(vec![self]),
            _ => self.wrong_type("a string or a list of strings"),
        }
    }

    /// A table, called `name` in messages.
    pub fn table(self, name: &str) -> Option<Table<'r, 'i>> {
        match self.value {
            DeValue::Table(table) => {
                Some(Table::new(self.report, name, self.span, table).holding_a_secret(self.secret))
            }
            DeValue::Array(_) if name.starts_with('[') && !name.starts_with("[[") => {
                let message = format!("{name} can be there only once");
                self.reject_with(message, format!("write {name}, with single brackets"));
                None
            }
            _ => self.wrong_type("a table"),
        }
    }
}
