//! Every mode, for a few hundred requests: what keeps this program working. An error is a failure, and so is a command
//! of `docs/performance.md` that is none.

use std::{fs, io, path::Path};

use anyhow::{Context, ensure};
use clap::Parser;
use indicatif::ProgressBar;

use crate::{
    arguments::Arguments,
    gateway::{PASSWORD, user_name},
    program,
    report::Report,
    run,
    stage::Stage,
};

/// What is said to each round, unless a mode says otherwise.
const SHORT: [&str; 12] = [
    "--requests",
    "300",
    "--duration",
    "60s",
    "--timeout",
    "30s",
    "--connections",
    "8",
    "--streams",
    "4",
    "--rounds",
    "1",
];

/// The modes.
const MODES: [&str; 14] = [
    "--credential none",
    "--credential session --users 3",
    "--credential bearer-hs256",
    "--credential bearer-es256 --tokens 20 --users 2",
    "--tls",
    "--tls --handshakes --requests 60",
    "--protocol h2",
    "--protocol h2 --tls --credential bearer-es256",
    "--protocol h2 --tls --handshakes --requests 60",
    "--rate 1000 --threads 2",
    "--rate 1000 --protocol h2",
    "--upload 100KiB --answer 0B",
    "--upload 100KiB --answer 100KiB --protocol h2 --tls",
    "--answer 1MiB --requests 50",
];

/// The modes beside somebody else.
const RIVAL_MODES: [&str; 4] = [
    "",
    "--tls --protocol h2 --credential bearer-hs256",
    "--protocol h2 --credential none",
    "--credential bearer-hs256 --upload 100KiB --answer 100KiB",
];

/// Drives all of them.
pub fn run_all() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let chart = folder.path().join("chart.svg");
    every_command_of_the_document_is_one()?;
    let (installed, missing): (Vec<&str>, Vec<&str>) = ["nginx", "haproxy"]
        .into_iter()
        .partition(|name| program::find(name).is_some());
    for rival in missing {
        println!("{rival} is not installed, and nothing was compared with it");
    }
    let mut modes: Vec<String> = MODES.map(str::to_owned).into();
    for rival in &installed {
        modes.extend(RIVAL_MODES.map(|more| format!("--compare {rival} --rounds 2 {more}")));
    }
    if installed.contains(&"nginx") {
        modes.push("--table --tokens 20".to_owned());
    }
    for mode in &modes {
        let report = drive(mode, "", &chart).with_context(|| mode.clone())?;
        is_whole(&report, mode)?;
        println!("{mode}: ok");
    }
    a_running_gateway(&chart)
}

fn every_command_of_the_document_is_one() -> anyhow::Result<()> {
    let document = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/performance.md");
    let text = fs::read_to_string(document)?.replace("\\\n", " ");
    let commands: Vec<&str> = text
        .split("cargo bench --bench load -- ")
        .skip(1)
        .filter_map(|rest| rest.split(['\n', '`']).next())
        .collect();
    ensure!(commands.len() > 5, "the document shows no commands");
    for command in commands.into_iter().filter(|command| *command != "--help") {
        let words = ["load"].into_iter().chain(command.split_whitespace());
        Arguments::try_parse_from(words).with_context(|| command.to_owned())?;
    }
    Ok(())
}

/// A gateway that was started by somebody else, and what it is to be shown.
fn a_running_gateway(chart: &Path) -> anyhow::Result<()> {
    let bar = ProgressBar::hidden();
    let arguments = parse("--test", chart)?;
    let stage = Stage::set(&arguments, &mut io::empty(), &bar)?;
    let [case] = stage.cases.as_slice() else {
        anyhow::bail!("there is one gateway");
    };
    let base = format!("http://{}", case.target.authority);
    let cookie = case.target.credentials.first().context("nobody signed in")?;
    let cookie = cookie.value.to_str()?;
    let pid = case.target.processes.context("there is no process")?.root;
    let user = user_name(0);
    for (mode, errors) in [
        (format!("--url {base}/public --pid {pid}"), 0),
        (format!("--url {base}/ --user {user} --password-stdin"), 0),
        (
            format!("--url {base} --user {user} --password-stdin --credential bearer-hs256 --tokens 5"),
            0,
        ),
        (format!("--url {base} --cookie {cookie}"), 0),
        // Errors are counted, whatever they are.
        (format!("--url {base}"), 100),
        (format!("--url {base} --bearer none"), 100),
        (format!("--url {base} --expect 401"), 0),
        (
            format!("--url {base} --protocol h2 --cookie {cookie} --expect 403"),
            100,
        ),
    ] {
        let mode = format!("{mode} --requests 100");
        let report = drive(&mode, PASSWORD, chart).with_context(|| mode.clone())?;
        let counted = report.errors();
        ensure!(counted == errors, "{mode}: {counted} errors\n{report}");
    }
    ensure!(
        parse("--url http://192.0.2.1/", chart).is_err(),
        "a load is put on somebody else's machine"
    );
    println!("--url: ok");
    Ok(())
}

fn parse(mode: &str, chart: &Path) -> anyhow::Result<Arguments> {
    let chart = chart.to_str().context("a path that is no text")?;
    let mut words: Vec<&str> = vec!["load", "--chart", chart];
    // What a mode says itself comes first.
    let said: Vec<&str> = mode.split_whitespace().collect();
    for pair in SHORT.chunks(2) {
        if !pair.first().is_some_and(|name| said.contains(name)) {
            words.extend(pair);
        }
    }
    words.extend(said);
    Ok(Arguments::try_parse_from(words)?)
}

fn drive(mode: &str, password: &str, chart: &Path) -> anyhow::Result<Report> {
    let _ = fs::remove_file(chart);
    let report = run(&parse(mode, chart)?, &mut password.as_bytes())?;
    let drawn = fs::read_to_string(chart).context("there is no chart")?;
    ensure!(
        drawn.contains("</svg>") && drawn.contains("p90"),
        "the chart is not whole"
    );
    Ok(report)
}

/// Holds that every request was answered, and every figure measured.
fn is_whole(report: &Report, mode: &str) -> anyhow::Result<()> {
    ensure!(report.errors() == 0, "errors\n{report}");
    let arguments = parse(mode, Path::new("chart.svg"))?;
    let expected = arguments.requests.unwrap_or_default() * arguments.rounds() as u64;
    for row in &report.rows {
        let answered = row.tally().latencies.len();
        ensure!(answered == expected, "{answered} of {expected}\n{report}");
        ensure!(row.cpu().is_some(), "no CPU time\n{report}");
    }
    let compared = report.rows.iter().any(|row| row.baseline);
    let rivals = arguments.rivals();
    ensure!(compared != rivals.is_empty(), "nothing to compare with\n{report}");
    ensure!(
        !rivals.is_empty() || report.rows.len() == 1,
        "more than one row\n{report}"
    );
    Ok(())
}
