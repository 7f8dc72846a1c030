//! Who is signed in, and the end of that.

use http::{HeaderName, HeaderValue, Response, StatusCode};
use serde::{Deserialize, Serialize};

use super::Call;
use crate::{
    identity::UserName,
    observe::audit::AdminEvent,
    portal,
    refusal::Refusal,
    respond,
    session::{Newest, Session},
};

/// How many sessions there are in all, where fewer may have been listed.
pub const TOTAL_COUNT: HeaderName = HeaderName::from_static("x-total-count");

/// How many are listed unless somebody says otherwise.
pub const LIMIT: usize = 1000;

/// How many are listed at most: a few dozen megabytes.
pub const MOST: usize = 100_000;

/// A session. Times are in seconds since 1970.
#[derive(Debug, Serialize, Deserialize)]
pub struct Listed {
    /// Its public name.
    pub id: String,
    /// Who is signed in.
    pub user: String,
    /// What the browser called itself.
    pub user_agent: String,
    /// Where it was.
    pub address: String,
    /// When it began.
    pub created_at: u64,
    /// When a request of it passed last.
    pub last_used_at: u64,
    /// When it ends if nothing uses it until then.
    pub expires_at: u64,
    /// Whether somebody asked to be kept signed in.
    pub remembered: bool,
}

impl From<&Session> for Listed {
    fn from(session: &Session) -> Self {
        Self {
            id: session.handle().as_str().to_owned(),
            user: session.identity().username.to_string(),
            user_agent: session.device().user_agent.to_string(),
            address: session.device().address.to_string(),
            created_at: session.created().unix_seconds(),
            last_used_at: session.last_use().unix_seconds(),
            expires_at: session.expires_at().unix_seconds(),
            remembered: session.lifetime().remembered,
        }
    }
}

/// What ending everything that somebody has came to.
#[derive(Debug, Serialize, Deserialize)]
pub struct Ended {
    /// How many sessions.
    pub sessions: usize,
}

/// What is asked for.
#[derive(Debug)]
struct Wanted {
    /// Whose sessions; everybody's without.
    user: Option<String>,
    /// How many of them.
    most: usize,
}

impl Wanted {
    fn of(query: Option<&str>) -> Result<Self, Refusal> {
        let mut wanted = Self {
            user: None,
            most: LIMIT,
        };
        for (key, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
            match key.as_ref() {
                "user" => wanted.user = Some(value.into_owned()),
                "limit" => {
                    let most = value.parse().ok().filter(|most| (1..=MOST).contains(most));
                    let problem = Refusal::BadForm("limit is a number between 1 and 100000");
                    wanted.most = most.ok_or(problem)?;
                }
                // A misspelt `user` would list everybody.
                _ => return Err(Refusal::BadForm("the parameters are user and limit")),
            }
        }
        Ok(wanted)
    }
}

/// Lists sessions, the newest first.
pub(super) async fn list(call: Call<'_>, query: Option<&str>) -> Result<Response<String>, Refusal> {
    let wanted = Wanted::of(query)?;
    let sessions = &call.gateway.authenticator.sessions;
    let newest = match wanted.user.as_deref().map(UserName::parse) {
        None => sessions.newest(None, wanted.most, call.now).await,
        Some(Ok(user)) => sessions.newest(Some(&user), wanted.most, call.now).await,
        // Nobody is called that.
        Some(Err(_)) => Ok(Newest::default()),
    };
    let newest = newest.map_err(Refusal::StoreDown)?;
    let listed = newest.sessions.iter().map(|session| Listed::from(&**session));
    let mut response = respond::json(StatusCode::OK, &listed.collect::<Vec<_>>());
    let total = HeaderValue::from(newest.total);
    response.headers_mut().insert(TOTAL_COUNT, total);
    Ok(response)
}

/// Ends a session by its public name.
pub(super) async fn end(call: Call<'_>, id: &str) -> Result<Response<String>, Refusal> {
    let sessions = &call.gateway.authenticator.sessions;
    let found = sessions.find_handle(id, call.now).await;
    let (key, session) = found
        .map_err(Refusal::StoreDown)?
        .ok_or(Refusal::NoAdminAddress)?;
    let removed = sessions.remove(&key).await;
    // It has ended, whether that could be written or not; or somebody else was faster.
    if !matches!(removed, Ok(None)) {
        call.record(AdminEvent::SessionEnded {
            user: session.identity().username.as_str(),
            session: session.handle().as_str(),
        });
    }
    match removed.map_err(Refusal::Unremembered)? {
        Some(_) => Ok(respond::no_content()),
        None => Err(Refusal::NoAdminAddress),
    }
}

/// Ends everything that somebody has: sessions, and tokens of every kind, as signing out everywhere does.
pub(super) async fn end_all(call: Call<'_>, user: &UserName) -> Result<Response<String>, Refusal> {
    let sessions = call
        .gateway
        .authenticator
        .sessions
        .of_user(user, call.now)
        .await
        .map_err(Refusal::StoreDown)?;
    let mut ended = Ended { sessions: 0 };
    let done = portal::end_everything(call.gateway, user, call.now, |count| {
        ended.sessions = count;
        for (_, session) in &sessions {
            call.record(AdminEvent::SessionEnded {
                user: user.as_str(),
                session: session.handle().as_str(),
            });
        }
        call.record(AdminEvent::SignedOutEverywhere {
            user: user.as_str(),
            sessions: count,
        });
    });
    done.await?;
    Ok(respond::json(StatusCode::OK, &ended))
}
