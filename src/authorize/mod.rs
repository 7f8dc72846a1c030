//! Whether a request may pass. The only maker of [`Permit`], without which nothing is forwarded.

use std::{rc::Rc, sync::Arc};

use http::{HeaderMap, Method};
use serde_json::Value;

use crate::{
    address::ClientAddr,
    authenticate::{Authentication, Caller},
    config::{Access, ClaimPath, RulePart},
    http::origin::OwnOrigin,
    refusal::{Refusal, Unmet},
    route::Route,
};

mod cross_origin;

/// What of a request decides whether it may pass, beside who sent it.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// Its method.
    pub method: &'a Method,
    /// Its headers.
    pub headers: &'a HeaderMap,
    /// By which address of ours it came.
    pub own: OwnOrigin<'a>,
    /// Whom it comes from.
    pub client: ClientAddr,
}

/// The proof that a request passed its route's rule. `forward` takes it by value and nothing else makes it,
/// so that a way around the rule does not compile.
#[derive(Debug)]
pub struct Permit {
    route: Arc<Route>,
    caller: Option<Rc<Caller>>,
}

impl Permit {
    /// The route whose rule was passed.
    pub fn route(&self) -> &Arc<Route> {
        &self.route
    }

    /// Who passed it; `None` on a public route, or for an anonymous request on an optional one.
    pub fn caller(&self) -> Option<&Caller> {
        self.caller.as_deref()
    }
}

/// Checks a request against its route's rule.
///
/// # Errors
/// [`Refusal::NotSignedIn`], [`Refusal::NotAllowed`] or [`Refusal::CrossOrigin`].
pub fn authorize(
    route: &Arc<Route>,
    authentication: Authentication,
    asked: Asked<'_>,
) -> Result<Permit, Refusal> {
    let Authentication { caller, bad_token } = authentication;
    let caller = match (&route.access, caller) {
        // Nobody was looked at; should somebody have been, they still do not go up.
        (Access::Public, _) => None,
        (Access::Optional, caller) => caller,
        (Access::Rule(_), None) => return Err(Refusal::NotSignedIn { bad_token }),
        (Access::Rule(parts), Some(caller)) => {
            if let Some(why) = parts.iter().find_map(|part| unmet(part, &caller, asked.client)) {
                return Err(Refusal::NotAllowed {
                    why,
                    credential: caller.credential(),
                    username: caller.identity().username.to_string(),
                });
            }
            Some(caller)
        }
    };
    if let Some(caller) = &caller {
        cross_origin::check(route.cross_origin, caller.credential(), asked)?;
    }
    Ok(Permit {
        route: Arc::clone(route),
        caller,
    })
}

/// What of one part of a rule does not hold.
fn unmet(part: &RulePart, caller: &Caller, client: ClientAddr) -> Option<Unmet> {
    let identity = caller.identity();
    let (holds, otherwise) = match part {
        RulePart::Roles(roles) => (
            identity.roles.iter().any(|role| roles.contains(role)),
            Unmet::Roles,
        ),
        RulePart::Users(users) => (
            users.iter().any(|user| user == identity.username.as_str()),
            Unmet::Users,
        ),
        RulePart::Scopes(scopes) => {
            let granted = caller.scopes();
            let holds = granted.is_none_or(|granted| granted.iter().any(|scope| scopes.contains(scope)));
            (holds, Unmet::Scopes)
        }
        RulePart::Networks(networks) => {
            let address = client.ip();
            let holds = address.is_some_and(|ip| networks.iter().any(|network| network.contains(&ip)));
            (holds, Unmet::Networks)
        }
        RulePart::Claims(claims) => {
            let has = |(path, values): &(ClaimPath, Vec<String>)| {
                let claim = caller.claim(path);
                claim.is_some_and(|claim| has_one_of(claim, values))
            };
            (claims.iter().all(has), Unmet::Claims)
        }
    };
    (!holds).then_some(otherwise)
}

/// Whether a claim is one of these values, or a list that has one of them. Numbers and truth are compared as they are
/// written.
fn has_one_of(claim: &Value, values: &[String]) -> bool {
    match claim {
        Value::String(text) => values.contains(text),
        Value::Array(list) => list
            .iter()
            .any(|claim| !claim.is_array() && has_one_of(claim, values)),
        Value::Number(_) | Value::Bool(_) => values.contains(&claim.to_string()),
        Value::Null | Value::Object(_) => false,
    }
}

#[cfg(test)]
mod tests;
