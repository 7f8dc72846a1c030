//! Reading who may pass a route, and by which credentials.

use super::{AcceptedCredentials, Access, RulePart, read::many};
use crate::config::{
    reader::Value,
    section::{proxies::network, trust::ClaimPath},
};

/// `access`.
pub(super) fn access(value: Value<'_, '_>) -> Option<Access> {
    if value.is_string() {
        let words = [("authenticated", 0), ("public", 1), ("optional", 2)];
        return value.word(&words).map(|word| match word {
            1 => Access::Public,
            2 => Access::Optional,
            _ => Access::Rule(Vec::new()),
        });
    }
    if !value.is_table() {
        return value.wrong_type(
            "\"authenticated\", \"public\", \"optional\" or a table such as { roles = [\"staff\"] }",
        );
    }
    let mut table = value.table("`access`")?;
    let mut parts = Vec::new();
    for (key, part) in [
        ("roles", RulePart::Roles as fn(Vec<String>) -> RulePart),
        ("users", RulePart::Users),
        ("scopes", RulePart::Scopes),
    ] {
        let Some(value) = table.take(key) else { continue };
        let entry = |text: &str| match text {
            "" => Err(format!("`{key}` has an empty entry")),
            // Roles travel as a comma-separated list, so that none has a comma.
            _ if key == "roles" && text.contains(',') => Err(format!(
                "\"{text}\" is no role, since it has a comma; write each role as a string of its own"
            )),
            _ if key == "scopes" && text.contains(char::is_whitespace) => Err(format!(
                "\"{text}\" is no scope, since it has a space; write each scope as a string of its own"
            )),
            _ => Ok(text.to_owned()),
        };
        let entries = many(Some(value), entry);
        parts.push(part(entries));
    }
    if let Some(value) = table.take("networks") {
        let entry = |text: &str| {
            let network = network(text).filter(|network| network.trunc() == *network);
            network.ok_or_else(|| format!("\"{text}\" is no network such as \"10.0.0.0/8\", and no address"))
        };
        parts.push(RulePart::Networks(many(Some(value), entry)));
    }
    if let Some(claims) = table.take("claims").and_then(|value| value.table("`claims`")) {
        let claims = claims.into_values().into_iter().map(|value| {
            let path = ClaimPath(value.key().to_owned());
            (path, many(Some(value), |text| Ok(text.to_owned())))
        });
        parts.push(RulePart::Claims(claims.collect()));
    }
    if parts.is_empty() && table.is_empty() {
        let report = table.report();
        let problem = report.problem(table.span(), "`access` is a table without a condition");
        report.add(problem.hint("write access = \"authenticated\" for everybody who is signed in"));
    }
    table.finish(&["second_factor"]);
    Some(Access::Rule(parts))
}

/// `credentials`.
pub(super) fn credentials(value: Value<'_, '_>) -> Option<AcceptedCredentials> {
    let mut accepted = AcceptedCredentials {
        session: false,
        bearer: false,
    };
    let span = value.span();
    let report = value.report();
    let values = value.one_or_many()?;
    if values.is_empty() {
        report.add(report.problem(&span, "`credentials` is empty, so nothing could pass"));
    }
    for value in values {
        match value.string()?.as_str() {
            "session" => accepted.session = true,
            "bearer" => accepted.bearer = true,
            "basic" => value.reject_with(
                "the credential \"basic\" is not built yet",
                "this version takes \"session\" and \"bearer\"",
            ),
            other => value.reject(format!(
                "\"{other}\" is no credential; \"session\" and \"bearer\" are"
            )),
        }
    }
    Some(accepted)
}
