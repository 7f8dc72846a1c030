//! axe-core, which finds what keeps people from using a page.

use std::{fs, path::Path};

use serde_json::Value;

use super::Chromium;

/// Runs every rule that axe knows, the experimental ones and those of the strictest level (AAA) too, and returns a
/// line for whatever breaks one. Only the rule against having anything hidden is left out: a progress bar is.
const RUN: &str = r"
const done = arguments[arguments.length - 1];
const rules = Object.fromEntries(axe.getRules().map(rule => [rule.ruleId, { enabled: true }]));
rules['hidden-content'].enabled = false;
axe.run({ rules }).then(results => {
  const lines = found => found.flatMap(({ id, nodes }) => nodes.map(node =>
    id + ': ' + node.html + ' ' + node.failureSummary));
  done({ rules: results.passes.length, violations: lines(results.violations), unclear: lines(results.incomplete) });
}, error => done(String(error)));
";

/// What axe has to say about the page that is shown.
pub async fn axe(chromium: &Chromium) -> Vec<String> {
    if chromium.evaluate("return typeof axe").await == "undefined" {
        chromium.evaluate(&source()).await;
    }
    let found = chromium.evaluate_async(RUN).await;
    // A checker that checks nothing finds nothing.
    assert!(found["rules"].as_u64() > Some(5), "{found:#}");
    let lines = |key: &str| -> Vec<String> {
        let lines: &Vec<Value> = found[key].as_array().unwrap();
        lines
            .iter()
            .map(|line| line.as_str().unwrap().to_owned())
            .collect()
    };
    let mut all = lines("violations");
    all.extend(lines("unclear").iter().map(|line| format!("unclear: {line}")));
    all
}

/// axe-core as a Python package brings it along.
fn source() -> String {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
    let libraries = fs::read_dir(repository.join(".cache/python/lib")).ok();
    let file = libraries
        .into_iter()
        .flatten()
        .map(|python| {
            python
                .unwrap()
                .path()
                .join("site-packages/axe_playwright_python/axe.min.js")
        })
        .find(|file| file.exists())
        .expect("axe-core is missing; scripts/test installs it");
    fs::read_to_string(file).unwrap()
}
