//! People who sign in: at the gateway's own addresses, as programs do.

use anyhow::{Context, ensure};
use futures_util::{StreamExt, TryStreamExt, stream};
use http::{HeaderName, HeaderValue, StatusCode, header};
use indicatif::ProgressBar;
use reqwest::Client;
use serde::Deserialize;
use serde_json::json;

use crate::arguments::Credential;

/// Sign-ins under way at once: few enough that none is turned away.
const AT_ONCE: usize = 4;

/// A header that says who somebody is.
#[derive(Debug, Clone)]
pub struct Header {
    /// `cookie` or `authorization`.
    pub name: HeaderName,
    /// The credential.
    pub value: HeaderValue,
}

impl Header {
    /// A session's cookie, `name=value`.
    pub fn cookie(cookie: &str) -> anyhow::Result<Self> {
        Self::new(header::COOKIE, cookie)
    }

    /// A token.
    pub fn bearer(token: &str) -> anyhow::Result<Self> {
        Self::new(header::AUTHORIZATION, &format!("Bearer {token}"))
    }

    fn new(name: HeaderName, value: &str) -> anyhow::Result<Self> {
        let mut value = HeaderValue::from_str(value).context("no header can carry this credential")?;
        value.set_sensitive(true);
        Ok(Self { name, value })
    }
}

/// Signs these people in, in turns, until there are so many credentials of this kind.
pub async fn sign_in(
    base: &str,
    people: &[String],
    password: &str,
    credential: Credential,
    number: usize,
    bar: &ProgressBar,
) -> anyhow::Result<Vec<Header>> {
    if credential == Credential::None {
        return Ok(Vec::new());
    }
    // What is measured never leaves this machine, and nobody is there to vouch for its certificate.
    let client = Client::builder().tls_danger_accept_invalid_certs(true).build()?;
    bar.set_message(format!("signing in at {base}"));
    bar.set_length(number as u64);
    bar.set_position(0);
    let client = &client;
    let credentials = stream::iter(people.iter().cycle().take(number))
        .map(async |user| {
            let header = match credential {
                Credential::Session => session(client, base, user, password).await,
                _ => token(client, base, user, password).await,
            };
            bar.inc(1);
            header.with_context(|| format!("{user} cannot sign in at {base}"))
        })
        .buffered(AT_ONCE)
        .try_collect()
        .await?;
    Ok(credentials)
}

async fn session(client: &Client, base: &str, user: &str, password: &str) -> anyhow::Result<Header> {
    let pair = json!({ "username": user, "password": password });
    let answer = client
        .post(format!("{base}/.auth/login"))
        .json(&pair)
        .send()
        .await?;
    ensure!(answer.status() == StatusCode::OK, "{}", answer.status());
    let cookie = answer
        .headers()
        .get(header::SET_COOKIE)
        .context("no cookie came")?;
    let cookie = cookie.to_str()?;
    Header::cookie(cookie.split_once(';').map_or(cookie, |(pair, _)| pair))
}

/// RFC 6749, section 5.1.
#[derive(Deserialize)]
struct Answer {
    access_token: String,
}

async fn token(client: &Client, base: &str, user: &str, password: &str) -> anyhow::Result<Header> {
    let form = [
        ("grant_type", "password"),
        ("username", user),
        ("password", password),
    ];
    let answer = client
        .post(format!("{base}/.auth/token"))
        .form(&form)
        .send()
        .await?;
    ensure!(answer.status() == StatusCode::OK, "{}", answer.status());
    let answer: Answer = answer.json().await?;
    Header::bearer(&answer.access_token)
}
