//! Secrets, and where they come from.

use secrecy::SecretString;
use toml::de::DeValue;

use super::Value;

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
            // Whoever wrote the secret itself here does not want to read it again.
            let is_name = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
            match !name.is_empty() && name.bytes().all(is_name) {
                true => self.reject_with(
                    format!("the environment variable {name} is not set, or not UTF-8"),
                    format!("set it before starting: export {name}=…"),
                ),
                false => self.reject_with(
                    "the environment variable that `env` names is not set, or not UTF-8",
                    "`env` holds a variable's name, such as \"PORTCULLIS_SECRET\", never the secret itself",
                ),
            }
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
