//! The gateway of this source, as a process of its own.

use std::{fs, net::SocketAddr, path::Path, process::Command};

use anyhow::Context;
use argon2::{Algorithm, Argon2, Params, Version, password_hash::PasswordHasher};

use crate::{
    cost::Processes,
    program::Program,
    sign_in::Header,
    stage::{Place, Target, free_address},
};

/// Everybody's password.
pub const PASSWORD: &str = "everybody knows this one";

/// What HS256 tokens are signed with.
pub const SECRET: &str = "everybody knows this secret of more than 32 bytes";

/// A gateway that runs until its program goes out of scope.
pub struct Gateway {
    /// Its process.
    pub program: Program,
    address: SocketAddr,
    tls: bool,
}

impl Gateway {
    /// Starts it. It signs tokens with ES256, or with HS256.
    pub async fn start(place: &Place<'_>, es256: bool) -> anyhow::Result<Self> {
        let name = if es256 { "gateway-es256" } else { "gateway" };
        let address = free_address(u8::from(es256))?;
        let arguments = place.arguments;
        let scheme = if arguments.tls { "https" } else { "http" };
        // Room for whoever signs in, beside the connections that are measured.
        let connections = arguments.connections.get() + 1_000;
        let mut text = format!(
            "[server]\nlisten = [\"{address}\"]\npublic_url = \"{scheme}://{address}\"\nstate = \"state-{name}\"\n\
             [server.limits]\nmax_connections = {connections}\nmax_body = \"1GiB\"\n\
             [users]\nfile = \"users.toml\"\n[log]\naccess = \"off\"\n[token]\nlifetime = \"24h\"\n"
        );
        text += &match es256 {
            true => "algorithm = \"ES256\"\n".to_owned(),
            false => format!("algorithm = \"HS256\"\nsecret = {SECRET:?}\n"),
        };
        if arguments.tls {
            text += "[server.tls]\ncert = \"cert.pem\"\nkey = \"key.pem\"\n";
        }
        for (path, access) in [("/", "authenticated"), ("/public", "public")] {
            text += &format!(
                "[[route]]\npath = \"{path}\"\naccess = \"{access}\"\nupstream = \"http://{}\"\n",
                place.upstream
            );
        }
        let file = place.folder.join(format!("{name}.toml"));
        fs::write(&file, text)?;
        let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis"));
        let program = Program::start(command.arg("--config").arg(file), place.folder, name, address).await?;
        Ok(Self {
            program,
            address,
            tls: arguments.tls,
        })
    }

    /// Its address as a browser writes it.
    pub fn base(&self) -> String {
        let scheme = if self.tls { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    /// It as a target. Whoever shows nothing is sent where everybody may go.
    pub fn target(&self, place: &Place<'_>, credentials: Vec<Header>) -> Target {
        Target {
            address: self.address,
            authority: self.address.to_string(),
            tls: self.tls,
            path: if credentials.is_empty() { "/public" } else { "/" }.to_owned(),
            credentials,
            answer: Some(place.arguments.answer),
            processes: Some(Processes::of(self.program.id())),
        }
    }
}

/// The name of one of the users.
pub fn user_name(number: usize) -> String {
    format!("user{number}")
}

/// A user file with this many people. Their hash is the cheapest there is: it is not what is measured.
pub fn write_users(folder: &Path, number: usize) -> anyhow::Result<()> {
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::new(8, 1, 1, None)?);
    let hash = argon2
        .hash_password(PASSWORD.as_bytes())
        .context("cannot hash a password")?
        .to_string();
    let users: String = (0..number)
        .map(|number| format!("[[user]]\nname = {:?}\npassword = {hash:?}\n", user_name(number)))
        .collect();
    Ok(fs::write(folder.join("users.toml"), users)?)
}
