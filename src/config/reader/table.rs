//! A table of the document.

use std::{collections::BTreeMap, ops::Range};

use toml::de::{DeTable, DeValue};

use super::{Report, Value};
use crate::config::{nearest::nearest, problem::Problem};

/// A table whose keys are taken out one by one.
pub struct Table<'r, 'i> {
    report: &'r Report<'r>,
    name: String,
    span: Range<usize>,
    entries: BTreeMap<String, (Range<usize>, Range<usize>, DeValue<'i>)>,
    known: Vec<&'static str>,
    secret: bool,
}

/// A key that nobody asked for. What to say of it shows when the whole file has been read.
pub(super) struct UnknownKey {
    key: String,
    span: Range<usize>,
    table: String,
    known: Vec<&'static str>,
    later: Vec<&'static str>,
    secret: bool,
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
            secret: false,
        }
    }

    /// The same, as a table of which no message may show a line.
    pub(super) fn holding_a_secret(self, secret: bool) -> Self {
        Self { secret, ..self }
    }

    /// An empty table, in place of one that was left out.
    pub fn missing(report: &'r Report<'r>, name: impl Into<String>) -> Self {
        Self::new(report, name, 0..0, DeTable::new())
    }

    /// Whether no key is left.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
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
            secret: self.secret,
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
            secret: self.secret,
        };
        self.entries.into_iter().map(value).collect()
    }

    /// Reports every key that nobody asked for. `later` are keys that this version does not know yet.
    pub fn finish(self, later: &[&'static str]) {
        let known = self.known.iter().map(|key| (*key, self.name.clone()));
        self.report.known.borrow_mut().extend(known);
        for (key, (span, ..)) in self.entries {
            self.report.unknown.borrow_mut().push(UnknownKey {
                key,
                span,
                table: self.name.clone(),
                known: self.known.clone(),
                later: later.to_vec(),
                secret: self.secret,
            });
        }
    }
}

impl UnknownKey {
    /// What to say of it. `elsewhere` are the keys of all tables, each with its table's name.
    pub(super) fn problem(&self, report: &Report<'_>, elsewhere: &[(&'static str, String)]) -> Problem {
        let Self { key, table, .. } = self;
        let problem = if self.later.contains(&key.as_str()) {
            let problem = report.problem(&self.span, format!("`{key}` in {table} is not built yet"));
            problem.hint("this version cannot do it; leave the key out")
        } else {
            let problem = report.problem(&self.span, format!("unknown key `{key}` in {table}"));
            match self.hint(elsewhere) {
                Some(hint) => problem.hint(hint),
                None => problem,
            }
        };
        if self.secret {
            problem.beside_a_secret()
        } else {
            problem
        }
    }

    fn hint(&self, elsewhere: &[(&'static str, String)]) -> Option<String> {
        if let Some((key, table)) = elsewhere.iter().find(|(key, _)| *key == self.key) {
            return Some(format!("`{key}` belongs in {table}"));
        }
        let candidates = self.known.iter().chain(&self.later).copied();
        match nearest(&self.key, candidates) {
            Some(near) if self.later.contains(&near) => {
                Some(format!("`{near}`, if that is meant, is not built yet"))
            }
            Some(near) => Some(format!("did you mean `{near}`?")),
            None if self.known.is_empty() => None,
            None => Some(format!("the keys here are {}", self.known.join(", "))),
        }
    }
}
