//! Unmodified apps from PyPI behind the gateway, each set up as its guide under `docs/guides/` says: the files are the
//! guide's, and so are the commands, `portcullis` itself included. Only addresses are this test's own.

mod jupyterlab;
mod kernel;
mod radicale;

use std::{
    fs,
    io::Write,
    net::SocketAddr,
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
    process::{Command, Stdio},
};

use reqwest::Response;
use rustls::pki_types::{CertificateDer, pem::PemObject};
use tempfile::TempDir;

use crate::harness::{Browser, Guide, PASSWORD, Running, Tap, address_of_its_own, shell};

/// The port the gateway is told to use, since 443 may be root's.
const PORT: u16 = 8443;

/// A guide that is being followed, in a folder of its own.
struct Site {
    guide: Guide,
    folder: TempDir,
    host: &'static str,
    /// The gateway's address as a browser writes it.
    base: String,
    address: SocketAddr,
    certificate: CertificateDer<'static>,
    /// What the gateway sends to the app.
    app: Tap,
    /// Where the app itself listens.
    app_address: SocketAddr,
    /// The app and the gateway, while they run.
    running: Vec<Running>,
}

impl Site {
    /// Opens a guide that puts the app on `port` behind the gateway as `host`.
    fn of(guide: &str, host: &'static str, port: u16) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let ip = address_of_its_own();
        let address = SocketAddr::new(ip, PORT);
        let base = format!("https://{host}:{PORT}");
        let app_address = SocketAddr::new(ip, port);
        let app = Tap::before(app_address);
        let mut guide = Guide::open(guide);
        guide.replace(&format!("http://127.0.0.1:{port}"), &app.url());
        guide.replace("127.0.0.1", &ip.to_string());
        guide.replace("0.0.0.0:443", &address.to_string());
        guide.replace(&format!("https://{host}"), &base);

        let name = host.split('.').next().unwrap();
        let certificate = certify(host, &folder.path().join("certs"), name);
        // curl has no other way to learn what a browser is told by the system: where the host is, and whom to trust.
        let curlrc = format!("resolve = \"{host}:{PORT}:{ip}\"\ncacert = \"certs/{name}.crt\"\n");
        fs::write(folder.path().join(".curlrc"), curlrc).unwrap();
        Self {
            guide,
            folder,
            host,
            base,
            address,
            certificate,
            app,
            app_address,
            running: Vec::new(),
        }
    }

    /// What the guide's installation makes; scripts/test has made it already.
    #[track_caller]
    fn install(&self, caption: &str) {
        let python = Path::new(env!("CARGO_MANIFEST_DIR")).join(".cache/python");
        assert!(
            python.join("installed").exists(),
            "{} is missing: scripts/test installs it",
            python.display()
        );
        let (_, packages) = self.guide.text(caption).split_once("pip install ").unwrap();
        let requirements = include_str!("../../requirements.txt");
        for package in packages.split_whitespace() {
            let pinned = format!("\n{package}==");
            assert!(requirements.contains(&pinned), "the tests use no {package}");
        }
        symlink(python, self.folder.path().join("python")).unwrap();
    }

    /// Writes a file of the guide.
    #[track_caller]
    fn write(&self, file: &str) {
        self.guide.write(file, self.folder.path());
    }

    /// Runs commands of the guide to their end and returns what they print. `typed` is what a person types.
    #[track_caller]
    fn run(&self, caption: &str, typed: &str) -> String {
        run(self.guide.command(caption, self.folder.path()), typed)
    }

    /// Runs a command that the guide shows with another name in it.
    #[track_caller]
    fn shell(&self, script: &str, typed: &str) -> String {
        run(shell(script, self.folder.path()), typed)
    }

    /// Starts a program of the guide, which runs for as long as this does.
    #[track_caller]
    fn start(&mut self, caption: &str, ready: &str) {
        let mut command = self.guide.program(caption, self.folder.path());
        self.running.push(Running::start(&mut command, ready));
    }

    /// Adds the guide's user alice, checks the configuration and starts the gateway.
    fn open(&mut self) {
        self.run("add a user", PASSWORD);
        let checked = self.run("check the configuration", "");
        assert!(checked.contains("is fine"), "{checked}");
        self.start("start the gateway", "listening");
    }

    /// A browser in which nobody has signed in.
    fn browser(&self) -> Browser {
        Browser::resolving(&self.base, self.host, self.address)
    }

    /// A browser in which somebody signed in, after having asked for `path`.
    async fn signed_in(&self, user: &str, path: &str) -> (Browser, Response) {
        let browser = self.browser();
        let sent_away = browser.navigate(path).await;
        assert_eq!(sent_away.status(), 303);
        let login = sent_away.headers()["location"].to_str().unwrap().to_owned();
        let welcome = browser.submit_login(&login, user, PASSWORD, &[]).await;
        assert_eq!(welcome.status(), 303);
        assert_eq!(welcome.headers()["location"], path);
        let page = browser.navigate(path).await;
        (browser, page)
    }
}

/// What people do at a site. When they have done it their connections end with their runtime, so that the gateway need
/// not wait for them when it is stopped.
fn visit(people: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.unwrap().block_on(people);
}

/// Runs a command to its end and returns what it prints.
#[track_caller]
fn run(mut command: Command, typed: &str) -> String {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A command that asks nothing may have ended by now.
    let _ = child
        .stdin
        .take()
        .unwrap()
        .write_all(format!("{typed}\n").as_bytes());
    let output = child.wait_with_output().unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{command:?} failed; scripts/test installs what it needs\n{stdout}{stderr}"
    );
    stdout
}

/// Writes a certificate for `host` and its key, as a certificate authority would have issued them.
fn certify(host: &str, folder: &Path, name: &str) -> CertificateDer<'static> {
    let key = rcgen::KeyPair::generate().unwrap();
    let params = rcgen::CertificateParams::new([host.to_owned()]).unwrap();
    let certificate = params.self_signed(&key).unwrap().pem();
    fs::create_dir(folder).unwrap();
    fs::write(folder.join(format!("{name}.crt")), &certificate).unwrap();
    let file = folder.join(format!("{name}.key"));
    fs::write(&file, key.serialize_pem()).unwrap();
    fs::set_permissions(file, fs::Permissions::from_mode(0o600)).unwrap();
    CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()
}
