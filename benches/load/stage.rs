//! Who is there before the first request: an upstream, the gateway, whom to compare it with, and people signed in.

use std::{
    fs,
    io::Read,
    net::{IpAddr, SocketAddr, TcpListener},
    path::Path,
};

use anyhow::Context;
use indicatif::ProgressBar;
use portcullis::server::self_signed::localhost_certificate;
use tempfile::TempDir;

use crate::{
    arguments::{Arguments, Credential, Protocol, Rival, Url},
    cost::Processes,
    gateway::{Gateway, PASSWORD, SECRET, user_name, write_users},
    program::Program,
    rivals,
    sign_in::{self, Header},
    upstream::Upstream,
};

/// Somebody who answers requests, and what they are asked.
pub struct Target {
    /// Where they listen.
    pub address: SocketAddr,
    /// What requests call them.
    pub authority: String,
    /// Whether they speak TLS.
    pub tls: bool,
    /// What is asked for.
    pub path: String,
    /// What requests show, in turns. None at all means nothing.
    pub credentials: Vec<Header>,
    /// How long each answer is, where that is known.
    pub answer: Option<usize>,
    /// Whose time it takes, where that is known.
    pub processes: Option<Processes>,
}

/// A target with its name in the table.
pub struct Case {
    /// In the table.
    pub name: String,
    /// Whether others are compared with this one.
    pub baseline: bool,
    /// Who is asked, and what.
    pub target: Target,
}

impl Case {
    fn new(name: String, target: Target) -> Self {
        Self {
            name,
            baseline: false,
            target,
        }
    }
}

/// Everybody. They stop when it goes out of scope, the folder of their files last.
pub struct Stage {
    /// What is measured.
    pub cases: Vec<Case>,
    _programs: Vec<Program>,
    _upstream: Option<Upstream>,
    _folder: TempDir,
}

/// Where programs are started.
pub struct Place<'a> {
    /// For their files.
    pub folder: &'a Path,
    /// What was asked for.
    pub arguments: &'a Arguments,
    /// Who answers behind them.
    pub upstream: SocketAddr,
}

impl Place<'_> {
    /// Whether they speak HTTP/2.
    pub fn multiplexed(&self) -> bool {
        self.arguments.protocol == Protocol::H2
    }
}

impl Stage {
    /// Starts everybody that the arguments name, and signs people in.
    pub fn set(arguments: &Arguments, password: &mut dyn Read, bar: &ProgressBar) -> anyhow::Result<Self> {
        // It ends with this function, and with it the connections that people signed in over: nobody would answer
        // on them any more, and a gateway that stops would wait for that.
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("cannot start")?;
        bar.set_message("starting");
        let folder = tempfile::tempdir().context("there is no room for temporary files")?;
        if let Some(url) = &arguments.url {
            let target = runtime.block_on(running(arguments, url, password, bar))?;
            return Ok(Self {
                cases: vec![Case::new(url.base.clone(), target)],
                _programs: Vec::new(),
                _upstream: None,
                _folder: folder,
            });
        }
        let upstream = Upstream::start(arguments.answer).context("cannot start an upstream")?;
        let place = Place {
            folder: folder.path(),
            arguments,
            upstream: upstream.address,
        };
        if arguments.tls {
            let (cert, key) = localhost_certificate()?;
            fs::write(place.folder.join("both.pem"), format!("{cert}{key}"))?;
            fs::write(place.folder.join("cert.pem"), cert)?;
            fs::write(place.folder.join("key.pem"), key)?;
        }
        write_users(place.folder, arguments.users.get())?;
        let (mut cases, programs) = runtime.block_on(set_up(&place, bar))?;
        let baseline = cases.iter_mut().find(|case| case.name.starts_with("nginx"));
        if let Some(case) = baseline {
            case.baseline = true;
        } else if let (Some(case), false) = (cases.first_mut(), arguments.rivals().is_empty()) {
            case.baseline = true;
        }
        Ok(Self {
            cases,
            _programs: programs,
            _upstream: Some(upstream),
            _folder: folder,
        })
    }
}

/// An address that nobody else listens on. All of 127.0.0.0/8 is this machine, and the programs of one run have
/// a part of it to themselves.
pub fn free_address(number: u8) -> anyhow::Result<SocketAddr> {
    let [.., high, low] = std::process::id().to_be_bytes();
    let ip = IpAddr::from([127, 100 + number, high, low]);
    let listener = TcpListener::bind((ip, 0)).context("no port is free")?;
    Ok(listener.local_addr()?)
}

async fn set_up(place: &Place<'_>, bar: &ProgressBar) -> anyhow::Result<(Vec<Case>, Vec<Program>)> {
    let arguments = place.arguments;
    let (mut cases, mut programs) = (Vec::new(), Vec::new());
    let mut add = |name: String, target: Target| cases.push(Case::new(name, target));
    let rivals = arguments.rivals();
    if rivals.contains(&Rival::Nginx) {
        let (program, target) = rivals::nginx(place).await?;
        programs.push(program);
        add("nginx, plain".to_owned(), target);
    }
    if rivals.contains(&Rival::Haproxy) {
        let (program, target) = rivals::haproxy(place, None).await?;
        programs.push(program);
        add("haproxy, plain".to_owned(), target);
    }
    let mut gateways: Vec<(bool, Gateway)> = Vec::new();
    for (credential, number) in arguments.credentials() {
        // A gateway signs with one algorithm; a second one is started only for the other.
        let es256 = credential == Credential::BearerEs256;
        let index = match gateways.iter().position(|(other, _)| *other == es256) {
            Some(index) => index,
            None => {
                gateways.push((es256, Gateway::start(place, es256).await?));
                gateways.len() - 1
            }
        };
        let Some((_, gateway)) = gateways.get(index) else {
            continue;
        };
        let people: Vec<String> = (0..arguments.users.get()).map(user_name).collect();
        let credentials =
            sign_in::sign_in(&gateway.base(), &people, PASSWORD, credential, number, bar).await?;
        if credential == Credential::BearerHs256 && rivals.contains(&Rival::Haproxy) {
            let (program, mut target) = rivals::haproxy(place, Some(SECRET)).await?;
            target.credentials = credentials.clone();
            programs.push(program);
            add("haproxy, jwt_verify HS256".to_owned(), target);
        }
        let name = match (credential, number) {
            (Credential::None, _) => "portcullis, no login".to_owned(),
            (Credential::Session, 1) => "portcullis, session".to_owned(),
            (Credential::Session, _) => format!("portcullis, {number} sessions"),
            (Credential::BearerHs256, 1) => "portcullis, 1 HS256 token".to_owned(),
            (Credential::BearerHs256, _) => format!("portcullis, {number} HS256 tokens"),
            (Credential::BearerEs256, 1) => "portcullis, 1 ES256 token".to_owned(),
            (Credential::BearerEs256, _) => format!("portcullis, {number} ES256 tokens"),
        };
        add(name, gateway.target(place, credentials));
    }
    programs.extend(gateways.into_iter().map(|(_, gateway)| gateway.program));
    Ok((cases, programs))
}

/// A gateway that was started by somebody else.
async fn running(
    arguments: &Arguments,
    url: &Url,
    password: &mut dyn Read,
    bar: &ProgressBar,
) -> anyhow::Result<Target> {
    let credentials = if let Some(cookie) = &arguments.cookie {
        vec![Header::cookie(cookie)?]
    } else if let Some(token) = &arguments.bearer {
        vec![Header::bearer(token)?]
    } else if let Some(user) = &arguments.user {
        let mut text = String::new();
        password.read_to_string(&mut text).context("no password came")?;
        let password = text.trim_end_matches(['\r', '\n']);
        let [(credential, number)] = arguments.credentials()[..] else {
            anyhow::bail!("one kind of credential at a time");
        };
        sign_in::sign_in(
            &url.base,
            std::slice::from_ref(user),
            password,
            credential,
            number,
            bar,
        )
        .await?
    } else {
        Vec::new()
    };
    Ok(Target {
        address: url.address,
        authority: url.authority.clone(),
        tls: url.tls,
        path: url.path.clone(),
        credentials,
        answer: None,
        processes: arguments.pid.map(Processes::of),
    })
}
