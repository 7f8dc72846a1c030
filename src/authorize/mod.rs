//! Whether a request may pass. The only maker of [`Permit`], without which nothing is forwarded.

use std::{rc::Rc, sync::Arc};

use http::{HeaderMap, Method};

use crate::{
    authenticate::{Authentication, Caller},
    config::{Access, RulePart},
    http::origin::OwnOrigin,
    identity::Identity,
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
            if let Some(why) = parts.iter().find_map(|part| unmet(part, caller.identity())) {
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
fn unmet(part: &RulePart, identity: &Identity) -> Option<Unmet> {
    match part {
        RulePart::Roles(roles) => {
            (!identity.roles.iter().any(|role| roles.contains(role))).then_some(Unmet::Roles)
        }
        RulePart::Users(users) => {
            (!users.iter().any(|user| user == identity.username.as_str())).then_some(Unmet::Users)
        }
    }
}

#[cfg(test)]
mod tests;
