//! Secrets: where they come from, and where one may stand by mistake.

use secrecy::SecretString;
use toml::de::DeValue;

use super::Value;
use crate::config::nearest::nearest;

/// Whether a key of this name, or of a similar one, may hold a secret.
pub(super) fn may_be_called(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    ["secret", "password", "token", "passwd"]
        .iter()
        .any(|word| key.contains(word))
        || nearest(&key, ["secret", "password"]).is_some()
}

impl Value<'_, '_> {
    /// A secret: the string itself, `{ env = "NAME" }` or `{ file = "path" }`. Never shown in a message.
    pub fn secret(self) -> Option<SecretString> {
        let value = self.holding_a_secret();
        match value.value {
            DeValue::String(text) => Some(SecretString::from(text.into_owned())),
            DeValue::Table(_) => {
                let mut table = value.table("a secret")?;
                let from_variable = table.take("env").map(|value| value.secret_of_variable());
                let from_file = table.take("file").map(|value| value.secret_of_file());
                let (report, span) = (table.report(), table.span().clone());
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
