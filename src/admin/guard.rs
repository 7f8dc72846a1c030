//! Who may ask the admin listener: whoever shows its token; or, where it has none, programs on this machine. A browser on
//! this machine is a program as well, and obeys pages of other people: neither those that have pointed a name of theirs here
//! (DNS rebinding) nor those that send something from their own (CSRF) are answered. No answer ever has a header of CORS.

use std::net::IpAddr;

use http::{Method, Request, header, uri::Authority};
use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;

use crate::{
    http::{
        fields,
        origin::{self, OwnOrigin},
        target::Host,
    },
    refusal::Refusal,
};

/// Lets a request pass that may ask.
///
/// # Errors
/// [`Refusal::NotAdmin`]; without a token [`Refusal::NotThisMachine`] and [`Refusal::CrossOrigin`].
pub(super) fn check<B>(request: &Request<B>, token: Option<&SecretString>) -> Result<(), Refusal> {
    match token {
        Some(token) => match shows(request, token) {
            true => Ok(()),
            false => Err(Refusal::NotAdmin),
        },
        None => of_this_machine(request),
    }
}

/// Whether a request has one `Authorization` header, with this token.
fn shows<B>(request: &Request<B>, token: &SecretString) -> bool {
    let mut values = fields::all(request.headers(), &header::AUTHORIZATION);
    let (Some(value), None) = (values.next(), values.next()) else {
        return false;
    };
    let Some((scheme, shown)) = value.as_bytes().split_at_checked("Bearer ".len()) else {
        return false;
    };
    scheme.eq_ignore_ascii_case(b"Bearer ") && bool::from(shown.ct_eq(token.expose_secret().as_bytes()))
}

fn of_this_machine<B>(request: &Request<B>) -> Result<(), Refusal> {
    let named = fields::all(request.headers(), &header::HOST).map(|value| value.to_str().unwrap_or_default());
    let target = request.uri().authority().map(Authority::as_str);
    let names: Vec<&str> = target.into_iter().chain(named).collect();
    if names.is_empty() || !names.iter().all(|name| is_this_machine(name)) {
        return Err(Refusal::NotThisMachine);
    }
    let own = OwnOrigin {
        scheme: "http",
        authority: names.first().copied(),
    };
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    match reads || origin::is_own(request.headers(), own) {
        true => Ok(()),
        false => Err(Refusal::CrossOrigin),
    }
}

/// Whether an authority is a name that this machine alone has: nobody else can point it here.
fn is_this_machine(authority: &str) -> bool {
    let Ok(host) = Host::parse(authority) else {
        return false;
    };
    let host = host.as_str().trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || host
            .parse()
            .is_ok_and(|address: IpAddr| address.to_canonical().is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_that_nobody_else_can_point_here_are_this_machine() {
        for (authority, is) in [
            ("localhost", true),
            ("LOCALHOST:9900", true),
            ("localhost.", true),
            ("127.0.0.1:9900", true),
            ("127.8.8.8", true),
            ("[::1]:9900", true),
            ("[::ffff:127.0.0.1]", true),
            ("localhost.evil.com", false),
            ("127.0.0.1.evil.com", false),
            ("evil.com:9900", false),
            ("0.0.0.0", false),
            ("192.0.2.1", false),
            ("localhost@evil.com", false),
            ("localhost:x", false),
            ("", false),
        ] {
            assert_eq!(is_this_machine(authority), is, "{authority}");
        }
    }

    #[test]
    fn a_token_is_shown_once_and_as_it_is() {
        let token = SecretString::from("0123456789abcdef");
        for (values, shown) in [
            (&["Bearer 0123456789abcdef"][..], true),
            (&["bearer 0123456789abcdef"], true),
            (&["Bearer 0123456789abcdeF"], false),
            (&["Bearer 0123456789abcde"], false),
            (&["Bearer 0123456789abcdef0"], false),
            (&["Bearer  0123456789abcdef"], false),
            (&["Basic 0123456789abcdef"], false),
            (&["0123456789abcdef"], false),
            (&["Bearer"], false),
            (&[""], false),
            (&[], false),
            (&["Bearer 0123456789abcdef", "Bearer 0123456789abcdef"], false),
        ] {
            let mut request = Request::get("/").body(()).unwrap();
            for value in values {
                let value = value.parse().unwrap();
                request.headers_mut().append(header::AUTHORIZATION, value);
            }
            assert_eq!(shows(&request, &token), shown, "{values:?}");
        }
    }
}
