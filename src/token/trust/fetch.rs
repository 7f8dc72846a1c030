//! Getting an issuer's keys: at the start, then now and then, and when somebody has a token of a key that is not there.

use std::{
    fs,
    io::{self, Read},
    path::Path,
    sync::Arc,
    time::Duration,
};

use reqwest::{Client, redirect};
use serde::Deserialize;
use tokio::time::{Instant, sleep_until};

use super::{Trust, jwks};
use crate::config::{TrustedKeys, trust_address};

/// How old keys get before they are fetched anew.
const REFRESH: Duration = Duration::from_secs(10 * 60);

/// How often an issuer is asked at most, whatever tokens come.
const MIN_INTERVAL: Duration = Duration::from_secs(5);

/// How often one is asked that does not answer.
const RETRY: Duration = Duration::from_secs(30);

/// How long an answer may take, and how large it may be.
const TIMEOUT: Duration = Duration::from_secs(10);
const MAX_BYTES: usize = 256 * 1024;

/// Why there are no keys, or no new ones.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The file cannot be read.
    #[error("the file cannot be read")]
    File(#[from] io::Error),
    /// The address gave no answer.
    #[error("{url} gives no answer")]
    Unreachable {
        /// The address.
        url: String,
        /// Why.
        #[source]
        source: reqwest::Error,
    },
    /// It gave another answer than 200.
    #[error("{url} answers {status}")]
    Status {
        /// The address.
        url: String,
        /// The answer.
        status: u16,
    },
    /// The answer is too large to be keys.
    #[error("the answer is larger than {MAX_BYTES} bytes")]
    TooLarge,
    /// It is not what it should be.
    #[error("the answer is not the JSON that it should be")]
    Malformed(#[from] serde_json::Error),
    /// The issuer says that it is another.
    #[error("the issuer calls itself \"{0}\"")]
    AnotherIssuer(String),
    /// The issuer names an address that is not asked.
    #[error("the issuer's `jwks_uri` cannot be asked: {0}")]
    BadAddress(&'static str),
    /// There is none among them that could have signed what is accepted.
    #[error("none of the keys can be used")]
    NoKeys,
}

/// OpenID Connect Discovery 1.0, section 3: the members that matter.
#[derive(Deserialize)]
struct Discovered {
    issuer: String,
    jwks_uri: String,
}

/// A client for asking issuers.
///
/// # Errors
/// TLS cannot be set up on this machine.
pub fn client() -> reqwest::Result<Client> {
    // An issuer that sends us elsewhere could be anybody by then.
    Client::builder()
        .timeout(TIMEOUT)
        .redirect(redirect::Policy::none())
        .user_agent(concat!("portcullis/", env!("CARGO_PKG_VERSION")))
        .build()
}

/// Keeps an issuer's keys fresh, for ever.
pub async fn keep(trust: Arc<Trust>, client: Client) {
    let mut is_down = false;
    loop {
        let begun = Instant::now();
        match fetch(&trust, &client).await {
            Ok(()) => is_down = false,
            Err(error) => {
                // Said once, and not once a minute.
                if !is_down {
                    let source = std::error::Error::source(&error).map(ToString::to_string);
                    let issuer = trust.config.issuer.as_str();
                    let has_keys = !trust.keys().is_empty();
                    tracing::warn!(
                        issuer,
                        has_keys,
                        source,
                        "an issuer's keys could not be fetched: {error}"
                    );
                }
                is_down = true;
            }
        }
        trust.asked.send_modify(|count| *count += 1);
        let next = begun + if is_down { RETRY } else { REFRESH };
        tokio::select! {
            () = sleep_until(next) => {}
            () = async {
                sleep_until(begun + MIN_INTERVAL).await;
                trust.wanted.notified().await;
            } => {}
        }
    }
}

async fn fetch(trust: &Trust, client: &Client) -> Result<(), FetchError> {
    let text = match &trust.config.keys {
        TrustedKeys::File(path) => read(path)?,
        TrustedKeys::Url(url) => get(client, url).await?,
        TrustedKeys::Discovery => {
            let issuer = trust.config.issuer.as_str();
            let url = format!(
                "{}/.well-known/openid-configuration",
                issuer.trim_end_matches('/')
            );
            let discovered: Discovered = serde_json::from_slice(&get(client, &url).await?)?;
            if discovered.issuer != issuer {
                return Err(FetchError::AnotherIssuer(discovered.issuer));
            }
            trust_address(&discovered.jwks_uri).map_err(FetchError::BadAddress)?;
            get(client, &discovered.jwks_uri).await?
        }
    };
    let keys = jwks::read(&text, &trust.config.algorithms, &trust.keys())?;
    if keys.is_empty() {
        return Err(FetchError::NoKeys);
    }
    trust.keys.store(Arc::new(keys));
    Ok(())
}

fn read(path: &Path) -> Result<Vec<u8>, FetchError> {
    let mut text = Vec::new();
    fs::File::open(path)?
        .take(MAX_BYTES as u64 + 1)
        .read_to_end(&mut text)?;
    match text.len() <= MAX_BYTES {
        true => Ok(text),
        false => Err(FetchError::TooLarge),
    }
}

async fn get(client: &Client, url: &str) -> Result<Vec<u8>, FetchError> {
    let unreachable = |source| FetchError::Unreachable {
        url: url.to_owned(),
        source,
    };
    let mut answer = client.get(url).send().await.map_err(unreachable)?;
    let status = answer.status().as_u16();
    if status != 200 {
        let url = url.to_owned();
        return Err(FetchError::Status { url, status });
    }
    let mut text = Vec::new();
    while let Some(piece) = answer.chunk().await.map_err(unreachable)? {
        text.extend_from_slice(&piece);
        if text.len() > MAX_BYTES {
            return Err(FetchError::TooLarge);
        }
    }
    Ok(text)
}
