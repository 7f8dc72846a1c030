//! What does a gateway hold on this machine? `cargo bench --bench load -- --help`.
//!
//! Starts the gateway and an upstream, or aims at a gateway that runs already; signs people in; sends requests over
//! many connections, and tells how many were answered, how fast, and what each cost the gateway. With `--compare` it
//! does the same to nginx and HAProxy, in turns. `docs/performance.md` says how to read it.
//!
//! With `--test` every mode is driven for a few hundred requests, and an error is a failure.
#![allow(
    unreachable_pub,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program of its own: it prints its figures, and nobody else uses its modules"
)]

mod arguments;

mod stage;

mod gateway;
mod program;
mod rivals;
mod sign_in;
mod upstream;

mod cost;
mod driver;

mod chart;
mod report;

mod smoke;

use std::{io, process::ExitCode, time::Duration};

use anyhow::Context;
use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};

use arguments::Arguments;
use driver::Load;
use report::Report;
use stage::Stage;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let errors = match arguments.test {
        true => smoke::run_all().map(|()| 0),
        false => run(&arguments, &mut io::stdin().lock()).map(|report| {
            print!("{report}");
            report.errors()
        }),
    };
    match errors {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Does what the arguments say. A password is read from `password` where they say so.
fn run(arguments: &Arguments, password: &mut dyn io::Read) -> anyhow::Result<Report> {
    raise_file_limit();
    let bar = progress_bar(arguments)?;
    let stage = Stage::set(arguments, password, &bar)?;
    let load = Load::new(arguments);
    let mut report = Report::new(arguments, &stage.cases);
    for case in &stage.cases {
        bar.set_message(format!("{} (before the first round)", case.name));
        driver::show_credentials(&load, &case.target, &bar)?;
    }
    for round in 1..=arguments.rounds() {
        for (case, row) in stage.cases.iter().zip(&mut report.rows) {
            bar.set_message(format!("{} ({round}/{})", case.name, arguments.rounds()));
            row.rounds.push(driver::drive(&load, &case.target, &bar)?);
        }
    }
    bar.finish_and_clear();
    if let Some(file) = &arguments.chart {
        chart::draw(&report, file).with_context(|| format!("cannot draw {}", file.display()))?;
    }
    Ok(report)
}

/// Every connection is a file. Whoever is started from here inherits the limit.
fn raise_file_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let most = Rlimit {
        current: maximum,
        maximum,
    };
    // Where it stays low, connections fail, and that is counted.
    let _ = setrlimit(Resource::Nofile, most);
}

/// On a terminal alone.
fn progress_bar(arguments: &Arguments) -> anyhow::Result<ProgressBar> {
    let style = ProgressStyle::with_template("{bar:30} {elapsed:>3}/{duration}  {msg}  {prefix}")?;
    let bar = ProgressBar::new(0).with_style(style.progress_chars("━╾─"));
    if arguments.test {
        bar.set_draw_target(indicatif::ProgressDrawTarget::hidden());
    }
    bar.enable_steady_tick(Duration::from_millis(100));
    Ok(bar)
}
