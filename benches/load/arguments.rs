//! The command line.

use std::{net::SocketAddr, num::NonZeroUsize, path::PathBuf, time::Duration};

use clap::{Parser, ValueEnum};
use portcullis::config::units;

/// Puts a load on a gateway of this machine, and tells what it holds and what a request costs.
///
/// Without --url it starts the gateway that belongs to this source, and an upstream behind it.
#[derive(Debug, Clone, Parser)]
#[command(
    name = "load",
    bin_name = "cargo bench --bench load --",
    max_term_width = 110,
    after_help = "docs/performance.md says how to read the figures. Everything stays on this machine: other addresses are refused."
)]
pub struct Arguments {
    /// The figures of docs/performance.md: no login, a session, an HS256 token and 10,000 ES256 tokens beside nginx
    #[arg(long, conflicts_with_all = ["url", "credential"], help_heading = "What to measure")]
    pub table: bool,

    /// Whom to measure as well, in turns
    #[arg(
        long,
        value_name = "NAME,…",
        value_delimiter = ',',
        conflicts_with = "url",
        help_heading = "What to measure"
    )]
    pub compare: Vec<Rival>,

    /// How often each is measured; 1, and 5 where there are several
    #[arg(long, value_name = "N", help_heading = "What to measure")]
    rounds: Option<NonZeroUsize>,

    /// What requests show
    #[arg(
        long,
        value_name = "KIND",
        default_value = "session",
        help_heading = "Requests"
    )]
    pub credential: Credential,

    /// How many people sign in; each has a session
    #[arg(long, value_name = "N", default_value = "1", help_heading = "Requests")]
    pub users: NonZeroUsize,

    /// How many tokens they buy; requests take turns with them. 1, and 10,000 ES256 ones with --table
    #[arg(long, value_name = "N", help_heading = "Requests")]
    tokens: Option<NonZeroUsize>,

    /// What the upstream answers
    #[arg(long, visible_alias = "body", value_name = "SIZE", default_value = "1KiB", value_parser = size, help_heading = "Requests")]
    pub answer: usize,

    /// What requests carry; above 0 they are POSTs
    #[arg(long, value_name = "SIZE", default_value = "0B", value_parser = size, help_heading = "Requests")]
    pub upload: usize,

    /// The version of HTTP
    #[arg(long, default_value = "h1", help_heading = "Connections")]
    pub protocol: Protocol,

    /// Over TLS 1.3
    #[arg(long, conflicts_with = "url", help_heading = "Connections")]
    pub tls: bool,

    /// How many connections there are at once
    #[arg(long, value_name = "N", default_value = "64", help_heading = "Connections")]
    pub connections: NonZeroUsize,

    /// How many requests are under way at once on each connection of HTTP/2
    #[arg(long, value_name = "N", default_value = "32", help_heading = "Connections")]
    pub streams: NonZeroUsize,

    /// A new connection for each request; with --tls a full handshake
    #[arg(long, help_heading = "Connections")]
    pub handshakes: bool,

    /// Threads that send requests
    #[arg(long, value_name = "N", default_value = "1", help_heading = "Connections")]
    pub threads: NonZeroUsize,

    /// This many requests a second, however slow the answers are; otherwise each answer is followed by a request
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000), help_heading = "Pace")]
    pub rate: Option<u32>,

    /// How long each round is measured
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = duration, help_heading = "Pace")]
    pub duration: Duration,

    /// How long each round runs before it is measured
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = duration, help_heading = "Pace")]
    pub warm_up: Duration,

    /// Ends a round after so many requests, if that is sooner; there is no warm-up then
    #[arg(long, value_name = "N", help_heading = "Pace")]
    pub requests: Option<u64>,

    /// A request that takes longer has failed
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = duration, help_heading = "Pace")]
    pub timeout: Duration,

    /// A gateway that runs already, with the path to ask for: http://localhost:8080/page
    #[arg(long, value_parser = url, help_heading = "A gateway that runs already")]
    pub url: Option<Url>,

    /// Its process, to tell what requests cost it
    #[arg(long, requires = "url", help_heading = "A gateway that runs already")]
    pub pid: Option<u32>,

    /// Who signs in there; the password comes from standard input
    #[arg(
        long,
        value_name = "NAME",
        requires = "url",
        requires = "password_stdin",
        help_heading = "A gateway that runs already"
    )]
    pub user: Option<String>,

    /// Reads the password of --user from standard input
    #[arg(long, requires = "user", help_heading = "A gateway that runs already")]
    pub password_stdin: bool,

    /// A session's cookie, in place of signing in
    #[arg(long, value_name = "NAME=VALUE", requires = "url", conflicts_with_all = ["user", "bearer"], help_heading = "A gateway that runs already")]
    pub cookie: Option<String>,

    /// A token, in place of signing in
    #[arg(
        long,
        value_name = "TOKEN",
        requires = "url",
        conflicts_with = "user",
        help_heading = "A gateway that runs already"
    )]
    pub bearer: Option<String>,

    /// The status of a good answer
    #[arg(long, value_name = "STATUS", default_value = "200", value_parser = clap::value_parser!(u16).range(200..600), help_heading = "A gateway that runs already")]
    pub expect: u16,

    /// Draws the latencies and the CPU time into this SVG file
    #[arg(long, value_name = "FILE")]
    pub chart: Option<PathBuf>,

    /// Drives every mode for a few hundred requests
    #[arg(long, hide = true)]
    pub test: bool,

    /// cargo says this of every bench
    #[arg(long, hide = true)]
    bench: bool,
}

/// What requests show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Credential {
    /// Nothing; the route is public
    None,
    /// A session's cookie
    Session,
    /// A token signed by a shared secret
    BearerHs256,
    /// A token signed by a key pair
    BearerEs256,
}

/// A version of HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Protocol {
    /// HTTP/1.1
    H1,
    /// HTTP/2, without TLS by prior knowledge
    H2,
}

/// Whom to measure beside the gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Rival {
    /// proxy_pass alone, without a login
    Nginx,
    /// Without a login; beside HS256 tokens also with jwt_verify
    Haproxy,
}

/// A gateway that runs already.
#[derive(Debug, Clone)]
pub struct Url {
    /// `http://host:port`.
    pub base: String,
    /// Whether it begins with `https`.
    pub tls: bool,
    /// `host:port` as it is written.
    pub authority: String,
    /// An address of this machine.
    pub address: SocketAddr,
    /// From the slash on.
    pub path: String,
}

impl Arguments {
    /// How often each case is measured.
    pub fn rounds(&self) -> usize {
        match self.rounds {
            Some(rounds) => rounds.get(),
            None if self.rivals().is_empty() => 1,
            None => 5,
        }
    }

    /// Whom to compare with.
    pub fn rivals(&self) -> Vec<Rival> {
        match self.table && !self.compare.contains(&Rival::Nginx) {
            true => [&[Rival::Nginx], self.compare.as_slice()].concat(),
            false => self.compare.clone(),
        }
    }

    /// What the gateway is shown, case by case, and how many of it.
    pub fn credentials(&self) -> Vec<(Credential, usize)> {
        let number = |credential, tokens: usize| match credential {
            Credential::None => (credential, 0),
            Credential::Session => (credential, self.users.get()),
            _ => (credential, self.tokens.map_or(tokens, NonZeroUsize::get)),
        };
        match self.table {
            true => vec![
                number(Credential::None, 0),
                number(Credential::Session, 1),
                (Credential::BearerHs256, 1),
                number(Credential::BearerEs256, 10_000),
            ],
            false => vec![number(self.credential, 1)],
        }
    }

    /// How many requests are under way at once, at most.
    pub fn concurrency(&self) -> usize {
        match self.protocol {
            Protocol::H1 => self.connections.get(),
            Protocol::H2 => self.connections.get() * self.streams.get(),
        }
    }

    /// Before a round is measured.
    pub fn warm_up(&self) -> Duration {
        match self.requests {
            Some(_) => Duration::ZERO,
            None => self.warm_up,
        }
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    const LONGEST: Duration = Duration::from_secs(24 * 3600);
    let duration = units::duration(text)?;
    match duration <= LONGEST {
        true => Ok(duration),
        false => Err("a day is the longest".to_owned()),
    }
}

fn size(text: &str) -> Result<usize, String> {
    const LARGEST: u64 = 1 << 30;
    match units::size(text)? {
        size @ 0..=LARGEST => usize::try_from(size).map_err(|error| error.to_string()),
        _ => Err("1GiB is the largest".to_owned()),
    }
}

fn url(text: &str) -> Result<Url, String> {
    use std::net::ToSocketAddrs;
    let (scheme, rest) = text
        .split_once("://")
        .ok_or("it begins with http:// or https://")?;
    let (tls, own_port) = match scheme {
        "http" => (false, 80),
        "https" => (true, 443),
        _ => return Err("it begins with http:// or https://".to_owned()),
    };
    let (authority, path) = match rest.find('/') {
        Some(at) => rest.split_at(at),
        None => (rest, "/"),
    };
    let has_port = authority
        .rsplit_once(':')
        .is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    let named = match has_port {
        true => authority.to_owned(),
        false => format!("{authority}:{own_port}"),
    };
    let address = named
        .to_socket_addrs()
        .map_err(|error| format!("{authority}: {error}"))?
        // `localhost` is two addresses, and most programs listen on this one.
        .min_by_key(SocketAddr::is_ipv6)
        .ok_or_else(|| format!("{authority} has no address"))?;
    if !address.ip().is_loopback() {
        return Err(format!(
            "{authority} is not this machine; this program puts no load on others"
        ));
    }
    Ok(Url {
        base: format!("{scheme}://{authority}"),
        tls,
        authority: authority.to_owned(),
        address,
        path: path.to_owned(),
    })
}
