//! Walking a TOML document and collecting every problem on the way.
//!
//! A [`Table`] hands out its values by name and at the end knows which keys nobody asked for; a
//! [`Value`] turns itself into what a key is meant to be, or says what it found instead. Neither ever
//! stops at the first mistake.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    ops::{Range, RangeInclusive},
    path::{Path, PathBuf},
    time::Duration,
};

use secrecy::SecretString;
use toml::de::{DeTable, DeValue};

use super::{nearest::nearest, problem::Problem, source::Source, units};

/// Looks an environment variable up. A parameter, so that tests need not touch the process's own.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Where problems are collected while a file is read.
pub struct Report<'a> {
    source: &'a Source,
    environment: Environment<'a>,
    problems: RefCell<Vec<Problem>>,
}

impl<'a> Report<'a> {
    /// For a file.
    pub fn new(source: &'a Source, environment: Environment<'a>) -> Self {
        Self {
            source,
            environment,
            problems: RefCell::default(),
        }
    }

    /// Adds a problem.
    pub fn add(&self, problem: Problem) {
        self.problems.borrow_mut().push(problem);
    }

    /// An error at a place, to be added.
    pub fn problem(&self, span: &Range<usize>, message: impl Into<String>) -> Problem {
        Problem::at(self.source, span, message)
    }

    /// The line of a place, from 1.
    pub fn line(&self, span: &Range<usize>) -> usize {
        self.source.place(span).line
    }

    /// All problems, in the order of the file.
    pub fn into_problems(self) -> Vec<Problem> {
        let mut problems = self.problems.into_inner();
        problems.sort_by_key(|problem| problem.place.as_ref().map(|place| (place.line, place.column)));
        problems
    }

    /// A path of the file, relative to the file's folder.
    fn resolve(&self, path: &str) -> PathBuf {
        self.source.file.parent().unwrap_or(Path::new("")).join(path)
    }
}

/// A table whose keys are taken out one by one.
pub struct Table<'r, 'i> {
    report: &'r Report<'r>,
    name: String,
    span: Range<usize>,
    entries: BTreeMap<String, (Range<usize>, Range<usize>, DeValue<'i>)>,
    known: Vec<&'static str>,
}

impl<'r, 'i> Table<'r, 'i> {
    /// A table of this name (`[server]`), as messages call it.
    pub fn new(
        report: &'r Report<'r>,
        name: impl Into<String>,
        span: Range<usize>,
        table: DeTable<'i>,
    ) -> Self {
        let entries = table.into_iter().map(|(key, value)| {
            let (key_span, value_span) = (key.span(), value.span());
            (
                key.into_inner().into_owned(),
                (key_span, value_span, value.into_inner()),
            )
        });
        Self {
            report,
            name: name.into(),
            span,
            entries: entries.collect(),
            known: Vec::new(),
        }
    }

    /// An empty table, in place of one that was left out.
    pub fn missing(report: &'r Report<'r>, name: impl Into<String>) -> Self {
        Self::new(report, name, 0..0, DeTable::new())
    }

    /// Where the table stands.
    pub fn span(&self) -> &Range<usize> {
        &self.span
    }

    /// Where problems go.
    pub fn report(&self) -> &'r Report<'r> {
        self.report
    }

    /// The value of a key, if it is there.
    pub fn take(&mut self, key: &'static str) -> Option<Value<'r, 'i>> {
        self.known.push(key);
        let (key_span, span, value) = self.entries.remove(key)?;
        Some(Value {
            report: self.report,
            key: key.to_owned(),
            key_span,
            span,
            value,
            secret: false,
        })
    }

    /// The table of a key; an empty one where it is missing or no table.
    pub fn table(&mut self, key: &'static str, name: &str) -> Table<'r, 'i> {
        let report = self.report;
        self.take(key)
            .and_then(|value| value.table(name))
            .unwrap_or_else(|| Table::missing(report, name))
    }

    /// What is left when a table may have any keys.
    pub fn into_values(self) -> Vec<Value<'r, 'i>> {
        let report = self.report;
        let value = |(key, (key_span, span, value))| Value {
            report,
            key,
            key_span,
            span,
            value,
            secret: false,
        };
        self.entries.into_iter().map(value).collect()
    }

    /// Reports every key that nobody asked for. `later` are keys that this version does not know yet.
    pub fn finish(self, later: &[&str]) {
        for (key, (span, ..)) in &self.entries {
            let problem = if later.contains(&key.as_str()) {
                self.report
                    .problem(span, format!("`{key}` in {} is not built yet", self.name))
                    .hint("this version cannot do it; leave the key out")
            } else {
                let problem = self
                    .report
                    .problem(span, format!("unknown key `{key}` in {}", self.name));
                match nearest(key, self.known.iter().copied().chain(later.iter().copied())) {
                    Some(near) => problem.hint(format!("did you mean `{near}`?")),
                    None if self.known.is_empty() => problem,
                    None => problem.hint(format!("the keys here are {}", self.known.join(", "))),
                }
            };
            // A misspelt `secret` is still a secret.
            let problem = if is_secret(key) {
                problem.beside_a_secret()
            } else {
                problem
            };
            self.report.add(problem);
        }
    }
}

/// Whether a key of this name, or of a similar one, may hold a secret.
fn is_secret(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    ["secret", "password", "token", "passwd"]
        .iter()
        .any(|word| key.contains(word))
        || nearest(&key, ["secret", "password"]).is_some()
}

/// The value of a key.
pub struct Value<'r, 'i> {
    report: &'r Report<'r>,
    key: String,
    key_span: Range<usize>,
    span: Range<usize>,
    value: DeValue<'i>,
    secret: bool,
}

impl<'r, 'i> Value<'r, 'i> {
    /// The same, as a value that no message may show.
    #[must_use]
    pub fn holding_a_secret(self) -> Self {
        Self { secret: true, ..self }
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

    /// Whether it is a string.
    pub fn is_string(&self) -> bool {
        self.value.is_str()
    }

    fn wrong_type<T>(&self, wanted: &str) -> Option<T> {
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
        let text = self.string()?;
        if text.is_empty() {
            self.reject(format!("`{}` must name a file or folder", self.key));
            return None;
        }
        Some(self.report.resolve(&text))
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
            DeValue::Table(table) => Some(Table::new(self.report, name, self.span, table)),
            _ => self.wrong_type("a table"),
        }
    }

    /// A secret: the string itself, `{ env = "NAME" }` or `{ file = "path" }`. Never shown in a message.
    pub fn secret(self) -> Option<SecretString> {
        let value = self.holding_a_secret();
        match value.value {
            DeValue::String(text) => Some(SecretString::from(text.into_owned())),
            DeValue::Table(_) => {
                let mut table = value.table("a secret")?;
                let from_variable = table.take("env").map(|value| value.secret_of_variable());
                let from_file = table.take("file").map(|value| value.secret_of_file());
                let (report, span) = (table.report, table.span.clone());
                table.finish(&[]);
                match (from_variable, from_file) {
                    (Some(secret), None) | (None, Some(secret)) => secret,
                    _ => {
                        let problem = report.problem(&span, "a secret has either `env` or `file`");
                        report.add(problem.hint("write { env = \"NAME\" } or { file = \"path\" }"));
                        None
                    }
                }
            }
            _ => value.wrong_type("a string, { env = \"NAME\" } or { file = \"path\" }"),
        }
    }

    fn secret_of_variable(&self) -> Option<SecretString> {
        let name = self.string()?;
        let value = (self.report.environment)(&name);
        if value.is_none() {
            self.reject_with(
                format!("the environment variable `{name}` is not set, or not UTF-8"),
                format!("set it before starting: export {name}=…"),
            );
        }
        value.map(SecretString::from)
    }

    fn secret_of_file(&self) -> Option<SecretString> {
        let path = self.path()?;
        match std::fs::read_to_string(&path) {
            // Editors end a file with a line end that nobody means as part of the secret.
            Ok(text) => Some(SecretString::from(text.trim_end_matches(['\r', '\n']).to_owned())),
            Err(error) => {
                self.reject(format!("cannot read the secret in {}: {error}", path.display()));
                None
            }
        }
    }
}
