//! Asking the admin listener of a running gateway, which `[admin]` in its configuration names.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use anyhow::{Context, anyhow};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, UnixStream},
    time::timeout,
};

use super::Failure;
use crate::config::{AdminAddress, AdminConfig, Config};

/// How long an answer may take. A gateway that needs longer for one is not well.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(30);

/// The longest answer that is read, in bytes.
const MAX_ANSWER: usize = 256 * 1024 * 1024;

/// A running gateway.
#[derive(Debug)]
pub(super) struct Admin {
    address: AdminAddress,
    token: Option<SecretString>,
}

/// What it answered.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Admin {
    /// The gateway that serves this configuration.
    pub(super) fn of(config: Config) -> Result<Self, Failure> {
        let AdminConfig { listen, token } = config.admin.ok_or_else(|| {
            Failure::Setup(anyhow!(
                "the configuration has no [admin], so the gateway cannot be asked; \
                 write [admin] with listen = \"127.0.0.1:9900\" and start it anew"
            ))
        })?;
        let address = match listen {
            AdminAddress::Tcp(address) if address.port() == 0 => {
                return Err(Failure::Setup(anyhow!(
                    "`listen` in [admin] has port 0, which is another one at each start; name one"
                )));
            }
            AdminAddress::Tcp(address) => {
                AdminAddress::Tcp(SocketAddr::new(nearest(address.ip()), address.port()))
            }
            AdminAddress::Unix(path) => AdminAddress::Unix(path),
        };
        Ok(Self { address, token })
    }

    /// Asks it; whatever it refuses but what is not there is a failure.
    pub(super) fn ask(&self, method: Method, path: &str) -> Result<Answer, Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("cannot start")?;
        let answer = runtime.block_on(async {
            let asked = timeout(PATIENCE, self.exchange(method, path)).await;
            asked.unwrap_or_else(|_| Err(anyhow!("the gateway at {} does not answer", self.name())))
        })?;
        match answer.status {
            status if status.is_success() || status == StatusCode::NOT_FOUND => Ok(answer),
            StatusCode::UNAUTHORIZED => Err(Failure::Setup(match self.token {
                Some(_) => anyhow!(
                    "the gateway at {} has another token than `token` in [admin]: \
                     it was started with another configuration",
                    self.name()
                ),
                None => anyhow!(
                    "the gateway at {} asks for a token, and [admin] has no `token`",
                    self.name()
                ),
            })),
            status => Err(Failure::Running(anyhow!(
                "the gateway at {} answers {status}: {}",
                self.name(),
                answer.detail()
            ))),
        }
    }

    /// Where it is, for people.
    fn name(&self) -> String {
        match &self.address {
            AdminAddress::Tcp(address) => address.to_string(),
            AdminAddress::Unix(path) => format!("unix:{}", path.display()),
        }
    }

    async fn exchange(&self, method: Method, path: &str) -> anyhow::Result<Answer> {
        let cannot_connect = || {
            format!(
                "cannot connect to the admin listener at {}; does the gateway run?",
                self.name()
            )
        };
        match &self.address {
            AdminAddress::Tcp(address) => {
                let stream = TcpStream::connect(address).await.with_context(cannot_connect)?;
                self.exchange_over(stream, &address.to_string(), method, path)
                    .await
            }
            AdminAddress::Unix(socket) => {
                let stream = UnixStream::connect(socket).await.with_context(cannot_connect)?;
                self.exchange_over(stream, "localhost", method, path).await
            }
        }
    }

    async fn exchange_over<S>(
        &self,
        stream: S,
        host: &str,
        method: Method,
        path: &str,
    ) -> anyhow::Result<Answer>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let no_answer = || format!("the program at {} does not answer as a gateway does", self.name());
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .with_context(no_answer)?;
        tokio::spawn(connection);
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, host)
            .body(Empty::<Bytes>::new())?;
        if let Some(token) = &self.token {
            let mut value = HeaderValue::try_from(format!("Bearer {}", token.expose_secret()))?;
            value.set_sensitive(true);
            request.headers_mut().insert(header::AUTHORIZATION, value);
        }
        let answer = sender.send_request(request).await.with_context(no_answer)?;
        let (head, body) = answer.into_parts();
        let body = Limited::new(body, MAX_ANSWER).collect().await;
        let body = body.map_err(|error| anyhow!(error)).with_context(no_answer)?;
        Ok(Answer {
            status: head.status,
            headers: head.headers,
            body: body.to_bytes(),
        })
    }
}

impl Answer {
    /// What it says is wrong.
    fn detail(&self) -> String {
        #[derive(Deserialize)]
        struct Problem {
            detail: String,
        }
        let problem: Option<Problem> = serde_json::from_slice(&self.body).ok();
        problem.map_or_else(|| "it does not say why".to_owned(), |problem| problem.detail)
    }
}

/// Where to connect to a program that listens on this address: one that listens on all of them is on this machine as well.
fn nearest(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv6Addr::LOCALHOST.into(),
        address => address,
    }
}
