//! Walking a TOML document and collecting every problem on the way.
//!
//! A [`Table`] hands out its values by name and at the end knows which keys nobody asked for; a
//! [`Value`] turns itself into what a key is meant to be, or says what it found instead. Neither ever
//! stops at the first mistake.

use std::{
    cell::RefCell,
    ops::Range,
    path::{Path, PathBuf},
};

use super::{problem::Problem, source::Source};

mod secret;
mod table;
mod value;

pub use table::Table;
use table::UnknownKey;
pub use value::Value;

/// Looks an environment variable up. A parameter, so that tests need not touch the process's own.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Where problems are collected while a file is read.
pub struct Report<'a> {
    source: &'a Source,
    environment: Environment<'a>,
    problems: RefCell<Vec<Problem>>,
    known: RefCell<Vec<(&'static str, String)>>,
    unknown: RefCell<Vec<UnknownKey>>,
}

impl<'a> Report<'a> {
    /// For a file.
    pub fn new(source: &'a Source, environment: Environment<'a>) -> Self {
        Self {
            source,
            environment,
            problems: RefCell::default(),
            known: RefCell::default(),
            unknown: RefCell::default(),
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

    /// Adds what the parser found where the file is no TOML, with the advice that it does not give itself. Of a file
    /// that is full of secrets no line is shown.
    pub fn add_syntax_errors(&self, errors: &[toml::de::Error], full_of_secrets: bool) {
        for error in errors {
            let span = error.span().unwrap_or(0..0);
            let message = error.message().replace('\n', ", ");
            let meant = self.source.text.get(span.clone()).unwrap_or_default();
            let is_word = meant.starts_with(|c: char| c.is_alphabetic());
            // A list that was not closed takes in everything below it, and there is no end to the errors in that.
            let open_list = message.contains("between array elements") || message.contains("unclosed array");
            let hint = match message.as_str() {
                _ if open_list => Some("is a list above not closed? look for a missing \"]\""),
                "duplicate key" => Some("it is there already, and can be there only once"),
                _ if is_word && !message.contains("key") => Some("text stands in quotes"),
                _ if message.starts_with("string values must be quoted") => Some("text stands in quotes"),
                _ => None,
            };
            let problem = Problem::of_syntax(self.source, &span, message);
            let problem = if full_of_secrets {
                problem.beside_a_secret()
            } else {
                problem
            };
            self.add(match hint {
                Some(hint) => problem.hint(hint),
                None => problem,
            });
            if open_list {
                break;
            }
        }
    }

    /// An error of the file as a whole, to be added.
    pub fn problem_of_file(&self, message: impl Into<String>) -> Problem {
        Problem::of_file(&self.source.file, message)
    }

    /// The line of a place, from 1.
    pub fn line(&self, span: &Range<usize>) -> usize {
        self.source.place(span).line
    }

    /// All problems, in the order of the file; those of the file as a whole come last.
    pub fn into_problems(self) -> Vec<Problem> {
        let unknown = self.unknown.take();
        let known = self.known.take();
        let unknown = unknown.iter().map(|key| key.problem(&self, &known));
        let mut problems: Vec<Problem> = unknown.collect();
        problems.extend(self.problems.take());
        problems.sort_by_key(|problem| match &problem.place {
            Some(place) => (place.line, place.column),
            None => (usize::MAX, 0),
        });
        problems
    }

    /// A path of the file, relative to the file's folder.
    fn resolve(&self, path: &str) -> PathBuf {
        self.source.file.parent().unwrap_or(Path::new("")).join(path)
    }
}
