//! `portcullis init`: a first configuration for one's own app.

use std::{io::Write, path::Path};

use anyhow::bail;

use super::{Failure, write_new};
use crate::server::self_signed;

/// Writes the files into `dir`; overwrites nothing.
pub(super) fn run(dir: &Path, out: &mut impl Write) -> Result<(), Failure> {
    write_all(dir, out).map_err(Failure::Setup)
}

fn write_all(dir: &Path, out: &mut impl Write) -> anyhow::Result<()> {
    let (cert, key) = self_signed::localhost_certificate()?;
    let files = [
        ("gateway.toml", GATEWAY.to_owned(), 0o644),
        ("users.toml", USERS.to_owned(), 0o600),
        ("certs/localhost.crt", cert, 0o644),
        ("certs/localhost.key", key, 0o600),
    ];
    let existing: Vec<String> = files
        .iter()
        .map(|(name, ..)| dir.join(name))
        .filter(|path| path.symlink_metadata().is_ok())
        .map(|path| path.display().to_string())
        .collect();
    if !existing.is_empty() {
        bail!(
            "nothing was written, because this is there already: {}",
            existing.join(", ")
        );
    }
    for (name, text, mode) in &files {
        let path = dir.join(name);
        write_new(&path, text, *mode)?;
    }
    // Told once all of it is there: nobody who stops listening gets half of it.
    for (name, ..) in &files {
        writeln!(out, "wrote {}", dir.join(name).display())?;
    }
    let here = if dir == Path::new(".") {
        String::new()
    } else {
        format!("cd {} && ", dir.display())
    };
    writeln!(
        out,
        "\nNext:\n  1. put your app's address into gateway.toml (`upstream`)\n  2. {here}portcullis user add YOUR_NAME\n  3. {here}portcullis\n  4. open https://localhost:8443/"
    )?;
    Ok(())
}

const GATEWAY: &str = r#"# What portcullis does. `portcullis check` tells whether it understands this file.

[server]
listen = ["127.0.0.1:8443"]             # "0.0.0.0:8443" lets other machines in
public_url = "https://localhost:8443"   # how browsers reach it

[server.tls]                            # leave this table out where TLS ends in front
cert = "certs/localhost.crt"
key = "certs/localhost.key"

[users]
file = "users.toml"                     # `portcullis user add NAME` writes here

[session]
idle_timeout = "30m"                    # every request renews it
absolute_timeout = "12h"                # nothing renews it

# A route says which requests go where, and who may send them. The most specific one wins.
[[route]]
path = "/"
upstream = "http://127.0.0.1:3000"      # your app
# access = { roles = ["staff"] }        # only these; left out, everybody who is signed in
# headers = { "X-WEBAUTH-USER" = "{username}" }   # if your app expects the name there, beside Remote-User

# [[route]]
# path = "/assets"
# upstream = "http://127.0.0.1:3000"
# access = "public"                     # nobody is asked to sign in
"#;

const USERS: &str = r#"# Who may sign in. `portcullis user add NAME` adds somebody and keeps your comments.
#
# [[user]]
# name = "alice"
# password = "$argon2id$…"              # made by `portcullis hash`
# display_name = "Alice Liddell"
# email = "alice@example.com"
# roles = ["staff"]
# disabled = false
"#;
