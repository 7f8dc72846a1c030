//! `upstream_auth` and `forward_credentials`: how an app that has a login of its own knows who is there.

use secrecy::SecretString;

use super::{Template, parse};
use crate::config::reader::{Table, Value};

/// What an app is shown beside the identity headers.
#[derive(Debug, Clone, Default)]
pub struct UpstreamLogin {
    /// A credential for the app, in place of whatever the client sent for it.
    pub auth: Option<UpstreamAuth>,
    /// Whether the cookie or token that signed the request in goes up as well.
    pub forwards_credentials: bool,
}

/// A credential for an app.
#[derive(Debug, Clone)]
pub enum UpstreamAuth {
    /// A token of our own that says who it is, in `X-Portcullis-Assertion`.
    Assertion,
    /// A name and a password (RFC 7617).
    Basic {
        /// The name, which may be the user's.
        username: Template,
        /// The password.
        password: SecretString,
    },
    /// A bearer token (RFC 6750).
    Bearer(SecretString),
}

impl UpstreamLogin {
    pub(super) fn read(table: &mut Table<'_, '_>) -> Self {
        Self {
            auth: table.take("upstream_auth").and_then(auth),
            forwards_credentials: table
                .take("forward_credentials")
                .and_then(|value| value.boolean())
                .unwrap_or(false),
        }
    }
}

fn auth(value: Value<'_, '_>) -> Option<UpstreamAuth> {
    const FORMS: &str = "\"assertion\", { basic = { username = \"{username}\", password = { env = \"APP_PASSWORD\" } } } \
                         or { bearer = { env = \"APP_TOKEN\" } }";
    // Whatever is wrong with it, a password may be in it.
    let value = value.holding_a_secret();
    if value.is_string() {
        if value.string().as_deref() == Some("assertion") {
            return Some(UpstreamAuth::Assertion);
        }
        value.reject(format!("`upstream_auth` is {FORMS}"));
        return None;
    }
    if !value.is_table() {
        return value.wrong_type(FORMS);
    }
    let mut table = value.table("`upstream_auth`")?;
    let report = table.report();
    let span = table.span().clone();
    let bearer = table.take("bearer");
    let basic = table.take("basic");
    table.finish(&[]);
    let said = match (bearer, basic) {
        (Some(token), None) => return token.secret().map(UpstreamAuth::Bearer),
        (None, Some(basic)) => {
            let mut basic = basic.table("`basic`")?;
            let said = basic.take("username").zip(basic.take("password"));
            basic.finish(&[]);
            said
        }
        _ => None,
    };
    let Some((username, password)) = said else {
        let problem = report.problem(&span, "`upstream_auth` does not say what the app is shown");
        report.add(problem.hint(format!("write {FORMS}")).beside_a_secret());
        return None;
    };
    let (username, password) = (username.parsed(parse::template), password.secret());
    Some(UpstreamAuth::Basic {
        username: username?,
        password: password?,
    })
}
