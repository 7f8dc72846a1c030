//! Browsers that have signed in and are asked to again: instead of going round in circles they are told why.
//!
//! Nothing has to be remembered for that. From the login page only a sign-in that worked leads to an address that
//! can lead back to it, and a browser says where such a chain began.

use http::{HeaderMap, Uri, header};

use super::{OwnAddress, Visit};
use crate::{
    config::AcceptedCredentials,
    gateway::Gateway,
    http::{
        cookies::{self, Presented},
        target::NormalPath,
    },
    pages::NotKept,
};

/// Why somebody is not signed in who has just signed in; `None` where nobody has.
pub(super) async fn after_sign_in(
    gateway: &Gateway,
    headers: &HeaderMap,
    visit: Visit<'_>,
) -> Option<NotKept> {
    if !comes_from_login(headers, visit) {
        return None;
    }
    let authentication = gateway
        .authenticator
        .authenticate(AcceptedCredentials::default(), headers, visit.now, visit.tokens)
        .await
        .ok()?;
    let why = match cookies::find(headers, &gateway.session.cookie) {
        // What counts here did not count where they wanted to go: something else was sent there beside it.
        _ if authentication.caller.is_some() => NotKept::TwoCookies,
        Presented::Several => NotKept::TwoCookies,
        Presented::Absent => NotKept::NoCookie,
        Presented::One(_) => NotKept::NoSession,
    };
    tracing::warn!(
        request_id = visit.request_id.as_str(),
        client = %visit.client,
        "somebody has signed in and is not signed in: {why:?}"
    );
    Some(why)
}

fn comes_from_login(headers: &HeaderMap, visit: Visit<'_>) -> bool {
    let referer = || {
        let referer = headers.get(header::REFERER)?.to_str().ok()?;
        referer.parse::<Uri>().ok()
    };
    referer().is_some_and(|referer| {
        let here = referer.authority().zip(visit.authority);
        here.is_some_and(|(theirs, ours)| theirs.as_str().eq_ignore_ascii_case(ours))
            && NormalPath::parse(referer.path())
                .is_ok_and(|path| OwnAddress::of(path) == Some(OwnAddress::Login))
    })
}
