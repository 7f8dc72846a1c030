//! `/.auth/account`: where somebody is signed in, and the tokens of their scripts, to look at and to end.

use std::{sync::Arc, time::Duration};

use http::{Request, Response};
use secrecy::{ExposeSecret, SecretString};

use super::{
    Visit,
    form::Form,
    not_kept::{self, Wanted},
    oauth, same_origin,
    sessions::{self, Owner},
};
use crate::{
    authenticate::Idleness,
    clock::Timestamp,
    config::AcceptedCredentials,
    gateway::Gateway,
    http::incoming::Incoming,
    observe::audit::{self, Event},
    pages::account::{AccountPage, Ago, Day, SessionRow, TokenRow, device_name},
    refusal::Refusal,
    respond,
    token::personal::{NewToken, PersonalError, PersonalToken},
    users::sign_in::SignInError,
};

const ADDRESS: &str = "/.auth/account";

/// What differs between one showing of the page and the next.
#[derive(Default)]
struct Shown<'a> {
    made: Option<(&'a str, &'a str)>,
    message: Option<&'a str>,
}

/// The page.
pub(super) async fn page(
    gateway: &Gateway,
    request: &Request<Incoming>,
    visit: Visit<'_>,
) -> Result<Response<String>, Refusal> {
    let owner = Owner::by_session(gateway, request.headers(), visit).await;
    let owner = owner.map_err(|refusal| {
        let wanted = Wanted {
            method: request.method(),
            headers: request.headers(),
            credentials: AcceptedCredentials::default(),
            client: visit.client,
            request_id: visit.request_id,
            now: visit.now,
        };
        not_kept::explained(gateway, refusal, wanted)
    })?;
    owner.caller.renew(visit.now);
    show(gateway, &owner, visit, Shown::default()).await
}

async fn show(
    gateway: &Gateway,
    owner: &Owner,
    visit: Visit<'_>,
    shown: Shown<'_>,
) -> Result<Response<String>, Refusal> {
    let now = visit.now;
    let user = &owner.caller.identity().username;
    let mut sessions = gateway.authenticator.sessions.of_user(user, now).await?;
    // The newest first, as whoever looks for a stranger among them wants it; this browser before all.
    sessions.reverse();
    sessions.sort_by_key(|(key, _)| !owner.is_session(key));
    let sessions = sessions.iter().map(|(key, session)| SessionRow {
        id: session.handle().as_str().to_owned(),
        device: device_name(&session.device().user_agent),
        address: session.device().address.to_string(),
        since: Ago::new(now, session.created()),
        last_use: Ago::new(now, session.last_use()),
        is_this: owner.is_session(key),
    });
    let tokens = gateway.authenticator.personal.of_user(user, now);
    let page = AccountPage {
        username: user.as_str(),
        sessions: &sessions.collect::<Vec<_>>(),
        tokens: &tokens.iter().map(|token| row(token, now)).collect::<Vec<_>>(),
        made: shown.made,
        message: shown.message,
    };
    Ok(page.into_response())
}

fn row(token: &PersonalToken, now: Timestamp) -> TokenRow {
    TokenRow {
        id: token.id.clone(),
        name: token.name.clone(),
        what_for: match &token.scopes {
            None => "opens all that you may".to_owned(),
            Some(scopes) => format!("for {}", scopes.join(" ")),
        },
        until: Day(token.expires),
        last_use: match token.last_use() {
            None => "never used".to_owned(),
            Some(then) => format!("used {}", Ago::new(now, then)),
        },
    }
}

/// Does what a form of the page asks for.
pub(super) async fn change(
    gateway: &Gateway,
    request: Request<Incoming>,
    visit: Visit<'_>,
) -> Result<Response<String>, Refusal> {
    same_origin::check(request.headers(), visit)?;
    // What it says is read first: however long that takes, nobody is taken for who they were before.
    let headers = request.headers().clone();
    let (_, mut form) = Form::read(gateway, request).await?;
    let password = form.take_secret("password");
    let visit = Visit {
        now: gateway.clock.now(),
        ..visit
    };
    let owner = Owner::by_session(gateway, &headers, visit).await?;
    owner.caller.renew(visit.now);
    let id = form.get("id").unwrap_or_default();
    match form.get("action") {
        Some("end_session") => {
            sessions::end(gateway, &owner, id, visit).await?;
        }
        Some("end_others") => sessions::end_others(gateway, &owner, visit).await?,
        Some("revoke_token") => return revoke_token(gateway, &owner, id, visit).await,
        Some("make_token") => return make_token(gateway, &owner, &form, password, visit).await,
        _ => return Err(Refusal::BadForm("the form asks for nothing that is done here")),
    }
    Ok(respond::see_other(ADDRESS))
}

async fn make_token(
    gateway: &Gateway,
    owner: &Owner,
    form: &Form,
    password: Option<SecretString>,
    visit: Visit<'_>,
) -> Result<Response<String>, Refusal> {
    let again = async |message: &str| {
        let shown = Shown {
            message: Some(message),
            ..Shown::default()
        };
        show(gateway, owner, visit, shown).await
    };
    // Whoever has got hold of a browser, or of one of its pages, is not to have something that outlives it.
    let user = &owner.caller.identity().username;
    let password = password.unwrap_or_default();
    match gateway.sign_in.password(user.as_str(), password).await {
        Ok(_) => {}
        Err(SignInError::BadCredentials(_) | SignInError::PasswordTooLong) => {
            let event = Event::SignInFailed {
                reason: "wrong password for a personal token",
            };
            audit::record(event, user.as_str(), visit.client, visit.request_id.as_str());
            return again("The password is not right.").await;
        }
        Err(error) => {
            tracing::error!(%error, request_id = visit.request_id.as_str(), "no personal token can be made");
            return again("Tokens cannot be made right now. Please try again in a moment.").await;
        }
    }
    let person = Arc::clone(owner.caller.identity());
    let name = form.get("name").unwrap_or_default().trim().to_owned();
    let words: Vec<String> = form
        .get("scope")
        .unwrap_or_default()
        .split_ascii_whitespace()
        .map(str::to_owned)
        .collect();
    let scope = words.join(" ");
    if !words.is_empty() && !oauth::is_scope(&scope) {
        return again("Scopes are words of plain letters and signs, without quotes.").await;
    }
    let days: u64 = form.get("days").and_then(|days| days.parse().ok()).unwrap_or(0);
    let lifetime = Duration::from_secs(days.saturating_mul(24 * 3600));
    let authenticator = &gateway.authenticator;
    // Later than a sign-out from everywhere that is not a second old.
    let dated = authenticator.revocations.date(&person.username, visit.now);
    let made_at = visit.now.max(Timestamp::from_unix_seconds(dated));
    // Whoever signs out everywhere ends sessions first: if this one goes on, what is made now is dated before that.
    if !authenticator
        .still_stands(&owner.caller, visit.now, Idleness::Ends)
        .await
    {
        return Err(Refusal::NotSignedIn { bad_token: None });
    }
    let personal = Arc::clone(&authenticator.personal);
    let issued = tokio::task::spawn_blocking(move || {
        let new = NewToken {
            name: &name,
            scopes: (!words.is_empty()).then_some(words),
            lifetime,
        };
        personal.issue(&person, new, made_at)
    });
    let issued = issued
        .await
        .map_err(|_| Refusal::Internal("a personal token could not be made"))?;
    let (token, text) = match issued {
        Ok(made) => made,
        Err(error @ (PersonalError::Name | PersonalError::Lifetime | PersonalError::TooMany)) => {
            return again(&format!("There is no such token: {error}.")).await;
        }
        Err(error) => return Err(failed(&error, visit)),
    };
    let event = Event::TokenIssued {
        id: &token.id,
        grant: "account_page",
    };
    let user = owner.caller.identity().username.as_str();
    audit::record(event, user, visit.client, visit.request_id.as_str());
    let shown = Shown {
        made: Some((&token.name, text.expose_secret())),
        ..Shown::default()
    };
    show(gateway, owner, visit, shown).await
}

async fn revoke_token(
    gateway: &Gateway,
    owner: &Owner,
    id: &str,
    visit: Visit<'_>,
) -> Result<Response<String>, Refusal> {
    let user = owner.caller.identity().username.clone();
    end_token(gateway, &user, id, visit).await?;
    Ok(respond::see_other(ADDRESS))
}

/// Ends a personal token.
///
/// # Errors
/// Its file cannot be removed.
pub(super) async fn end_token(
    gateway: &Gateway,
    user: &crate::identity::UserName,
    id: &str,
    visit: Visit<'_>,
) -> Result<(), Refusal> {
    let personal = Arc::clone(&gateway.authenticator.personal);
    let (owner, name, now) = (user.clone(), id.to_owned(), visit.now);
    let revoked = tokio::task::spawn_blocking(move || personal.revoke(&owner, &name, now));
    let revoked = revoked
        .await
        .map_err(|_| Refusal::Internal("a personal token could not be ended"))?;
    if revoked.map_err(|error| failed(&error, visit))? {
        let event = Event::TokenRevoked { id };
        audit::record(event, user.as_str(), visit.client, visit.request_id.as_str());
    }
    Ok(())
}

fn failed(error: &PersonalError, visit: Visit<'_>) -> Refusal {
    let source = std::error::Error::source(error).map(ToString::to_string);
    tracing::error!(source, request_id = visit.request_id.as_str(), "{error}");
    Refusal::Internal("the personal tokens cannot be changed")
}
