//! A table of the document.

use std::{collections::BTreeMap, ops::Range};

use toml::de::{DeTable, DeValue};

use super::{Report, Value, secret};
use crate::config::nearest::nearest;

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
            let problem = if secret::may_be_called(key) {
                problem.beside_a_secret()
            } else {
                problem
            };
            self.report.add(problem);
        }
    }
}
