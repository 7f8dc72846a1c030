//! Short tokens that tell an app who is calling, so that it need not believe a header.
//!
//! One is made for a person, an app and a minute, not for a request. It is of another type and for another audience than
//! an access token, and so opens nothing here.

use std::{cell::RefCell, sync::Arc};

use jsonwebtoken::Header;
use quick_cache::unsync::Cache;
use serde::Serialize;

use super::{KeyRing, issue::IssueError};
use crate::{clock::Timestamp, config::TokenConfig, identity::Identity};

/// The `typ` of an assertion.
const TYPE: &str = "assertion+jwt";

/// How long one counts, and after how much of that another is made, in seconds: what is sent has some of it left.
const LIFETIME: u64 = 60;
const RENEWED_AFTER: u64 = 50;

/// How many of one worker are kept.
const KEPT: usize = 10_000;

/// One worker's assertions.
#[derive(Debug)]
pub struct Assertions {
    made: RefCell<Cache<(usize, Box<str>), Made>>,
}

/// One that was made. It holds its person, so that no other can be taken for them.
#[derive(Debug, Clone)]
struct Made {
    _person: Arc<Identity>,
    signer: String,
    at: u64,
    token: Arc<str>,
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    sub: &'a str,
    aud: &'a str,
    iat: u64,
    exp: u64,
    username: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<&'a str>,
    roles: &'a [String],
}

impl Default for Assertions {
    fn default() -> Self {
        Self {
            made: RefCell::new(Cache::new(KEPT)),
        }
    }
}

impl Assertions {
    /// What an app is told of a person now. `audience` is the app's address.
    ///
    /// # Errors
    /// There is no key that signs, or signing failed.
    pub fn of(
        &self,
        keys: &KeyRing,
        config: &TokenConfig,
        person: &Arc<Identity>,
        audience: &str,
        now: Timestamp,
    ) -> Result<Arc<str>, IssueError> {
        let signer = keys.signer().ok_or(IssueError::NoKey)?;
        let seconds = now.unix_seconds();
        let place = (Arc::as_ptr(person) as usize, Box::<str>::from(audience));
        if let Some(made) = self.made.borrow().get(&place)
            && made.signer == signer.id
            && (made.at..made.at + RENEWED_AFTER).contains(&seconds)
        {
            return Ok(Arc::clone(&made.token));
        }
        let claims = Claims {
            iss: &config.issuer,
            sub: person.username.as_str(),
            aud: audience,
            iat: seconds,
            exp: seconds + LIFETIME,
            username: person.username.as_str(),
            name: person.name.as_deref(),
            email: person.email.as_deref(),
            roles: &person.roles,
        };
        let mut header = Header::new(signer.algorithm);
        header.typ = Some(TYPE.to_owned());
        header.kid = Some(signer.id.clone());
        let token: Arc<str> = jsonwebtoken::encode(&header, &claims, &signer.signing)?.into();
        let made = Made {
            _person: Arc::clone(person),
            signer: signer.id.clone(),
            at: seconds,
            token: Arc::clone(&token),
        };
        self.made.borrow_mut().insert(place, made);
        Ok(token)
    }
}
