//! What came out, as a table that can be pasted into a document.

use std::{collections::BTreeMap, fmt, time::Duration};

use comfy_table::{Cell, CellAlignment, Table, presets::ASCII_MARKDOWN};

use crate::{
    arguments::Arguments,
    driver::{Measured, Tally},
    stage::Case,
};

/// From this size on, what a byte costs is of interest.
const LARGE: usize = 64 * 1024;

/// All rounds of all cases.
pub struct Report {
    /// One for each case.
    pub rows: Vec<Row>,
    what: String,
    /// Bytes that a request and its answer carry, where they are large.
    bytes: Option<usize>,
}

/// One case.
pub struct Row {
    /// Its name.
    pub name: String,
    /// Whether the others are compared with it.
    pub baseline: bool,
    /// What each round has shown.
    pub rounds: Vec<Measured>,
}

/// A figure of several rounds.
#[derive(Debug, Clone, Copy)]
pub struct Spread {
    /// In the middle.
    pub median: f64,
    /// The least.
    pub min: f64,
    /// The most.
    pub max: f64,
}

impl Report {
    /// Without a round so far.
    pub fn new(arguments: &Arguments, cases: &[Case]) -> Self {
        let rows = cases.iter().map(|case| Row {
            name: case.name.clone(),
            baseline: case.baseline,
            rounds: Vec::new(),
        });
        let bytes = arguments.answer + arguments.upload;
        Self {
            rows: rows.collect(),
            what: what(arguments),
            bytes: (arguments.url.is_none() && bytes >= LARGE).then_some(bytes),
        }
    }

    /// How many requests have failed, of all.
    pub fn errors(&self) -> u64 {
        self.rows.iter().flat_map(|row| row.errors().into_values()).sum()
    }

    /// A row's CPU time per request as a ratio to the baseline's, round by round.
    fn ratios(&self, row: &Row) -> Option<Spread> {
        let baseline = self.rows.iter().find(|row| row.baseline)?;
        let pairs = row.rounds.iter().zip(&baseline.rounds);
        Spread::of(pairs.filter_map(|(one, base)| Some(cpu(one)?.0 / cpu(base)?.0)))
    }
}

impl Row {
    /// The latencies of all rounds.
    pub fn tally(&self) -> Tally {
        let mut sum = Tally::new();
        for round in &self.rounds {
            sum.add(round.tally.clone());
        }
        sum
    }

    /// CPU time per request in microseconds: all of it, and how much of it is the program's own.
    pub fn cpu(&self) -> Option<(Spread, Spread)> {
        let all = self.rounds.iter().filter_map(cpu);
        Some((
            Spread::of(all.clone().map(|(total, _)| total))?,
            Spread::of(all.map(|(_, user)| user))?,
        ))
    }

    fn errors(&self) -> BTreeMap<String, u64> {
        self.tally().errors
    }

    fn rate(&self) -> Option<Spread> {
        let rates = self
            .rounds
            .iter()
            .map(|round| round.answered as f64 / round.elapsed.as_secs_f64());
        Spread::of(rates)
    }
}

/// CPU time per request in microseconds: all of it, and the program's own.
fn cpu(round: &Measured) -> Option<(f64, f64)> {
    let cpu = round.cpu.filter(|_| round.answered > 0)?;
    let per_request = |time: Duration| time.as_secs_f64() * 1e6 / round.answered as f64;
    Some((per_request(cpu.total()), per_request(cpu.user)))
}

impl Spread {
    fn of(figures: impl Iterator<Item = f64>) -> Option<Self> {
        let mut sorted: Vec<f64> = figures.filter(|figure| figure.is_finite()).collect();
        sorted.sort_by(f64::total_cmp);
        let middle = |index: usize| sorted.get(index).copied();
        Some(Self {
            // Of an even number the mean of the two in the middle.
            median: f64::midpoint(
                middle(sorted.len().checked_sub(1)? / 2)?,
                middle(sorted.len() / 2)?,
            ),
            min: sorted.first().copied()?,
            max: sorted.last().copied()?,
        })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let compared = self.rows.iter().any(|row| row.baseline);
        let mut head = vec![
            "", "requests", "errors", "req/s", "p50 ms", "p90", "p99", "p99.9", "max", "CPU µs", "user",
            "system", "RSS MiB",
        ];
        if self.bytes.is_some() {
            head.push("CPU s/GiB");
        }
        if compared {
            head.extend(["CPU ratio", "min", "max"]);
        }
        let mut table = Table::new();
        table.load_style(ASCII_MARKDOWN).set_header(&head);
        for row in &self.rows {
            table.add_row(self.cells(row, compared));
        }
        for column in table.column_iter_mut().skip(1) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        writeln!(f, "{}\n\n{table}", self.what)?;
        for row in &self.rows {
            for (error, times) in row.errors() {
                writeln!(f, "{}: {times} × {error}", row.name)?;
            }
        }
        Ok(())
    }
}

impl Report {
    fn cells(&self, row: &Row, compared: bool) -> Vec<Cell> {
        let tally = row.tally();
        let figure = |figure: Option<f64>, digits: usize| match figure {
            Some(figure) => format!("{figure:.digits$}"),
            None => "–".to_owned(),
        };
        let cpu = row.cpu();
        let total = cpu.map(|(total, _)| total.median);
        let user = cpu.map(|(_, user)| user.median);
        let resident = row.rounds.iter().filter_map(|round| round.resident).max();
        let mut cells = vec![
            row.name.clone(),
            tally.latencies.len().to_string(),
            tally.errors.values().sum::<u64>().to_string(),
            figure(row.rate().map(|rate| rate.median), 0),
        ];
        for quantile in [0.5, 0.9, 0.99, 0.999, 1.0] {
            let micros = tally.latencies.value_at_quantile(quantile);
            cells.push(figure(Some(micros as f64 / 1e3), 2));
        }
        cells.extend([
            figure(total, 1),
            figure(user, 1),
            figure(total.zip(user).map(|(total, user)| total - user), 1),
            figure(resident.map(|bytes| bytes as f64 / f64::from(1 << 20)), 1),
        ]);
        if let Some(bytes) = self.bytes {
            let per_gib = f64::from(1 << 30) / bytes as f64 / 1e6;
            cells.push(figure(total.map(|total| total * per_gib), 2));
        }
        if compared {
            let ratios = self.ratios(row);
            cells.push(figure(ratios.map(|ratios| ratios.median), 2));
            cells.push(figure(ratios.map(|ratios| ratios.min), 2));
            cells.push(figure(ratios.map(|ratios| ratios.max), 2));
        }
        cells.into_iter().map(Cell::new).collect()
    }
}

/// What was measured, in a line.
fn what(arguments: &Arguments) -> String {
    use crate::arguments::Protocol;
    use portcullis::config::units::show_size;
    let size = |bytes: usize| show_size(bytes as u64);
    let mut parts = vec![match arguments.protocol {
        Protocol::H1 => format!("HTTP/1.1, {} connections", arguments.connections),
        Protocol::H2 => format!(
            "HTTP/2, {} connections × {} streams",
            arguments.connections, arguments.streams
        ),
    }];
    let tls = arguments.tls || arguments.url.as_ref().is_some_and(|url| url.tls);
    if tls {
        parts.push("TLS 1.3".to_owned());
    }
    if arguments.handshakes {
        parts.push("a connection for each request".to_owned());
    }
    if arguments.upload > 0 {
        parts.push(format!("uploads of {}", size(arguments.upload)));
    }
    if arguments.url.is_none() {
        parts.push(format!("answers of {}", size(arguments.answer)));
    }
    parts.push(match arguments.rate {
        None => "closed loop".to_owned(),
        Some(rate) => format!("{rate} requests/s"),
    });
    let rounds = arguments.rounds();
    parts.push(match arguments.requests {
        Some(requests) => format!("{rounds} × {requests} requests"),
        None => format!("{rounds} × {} s", arguments.duration.as_secs_f64()),
    });
    parts.join(", ")
}
