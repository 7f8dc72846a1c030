//! A gateway in this process, with real sockets and files, from a configuration that reads like a sentence.

use std::{net::SocketAddr, sync::Arc, thread, time::Duration};

use portcullis::{
    clock::{Clock, Timestamp},
    config,
    server::{self, Listeners, ShutdownTrigger},
};
use tempfile::TempDir;
use tokio::net::TcpStream;

use super::{Browser, RawClient, RawResponse, SampleApp, Upstream, Wire};

/// Everybody's password.
pub const PASSWORD: &str = "correct horse battery staple";

/// `PASSWORD` at the lowest cost that Argon2 knows, so that tests measure the gateway and not the hash.
fn cheap_hash() -> &'static str {
    static HASH: std::sync::OnceLock<String> = std::sync::OnceLock::new();
    HASH.get_or_init(|| {
        use argon2::password_hash::PasswordHasher;
        let params = argon2::Params::new(8, 1, 1, None).unwrap();
        let argon2 = argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, params);
        argon2.hash_password(PASSWORD.as_bytes()).unwrap().to_string()
    })
}

/// An entry of the user file: somebody with [`PASSWORD`], these roles and more lines of TOML.
pub fn user_entry(name: &str, roles: &[&str], more: &str) -> String {
    let hash = cheap_hash();
    format!("[[user]]\nname = {name:?}\npassword = {hash:?}\nroles = {roles:?}\n{more}\n")
}

/// Begins a sentence: `gateway().route("/app", &upstream).user("alice").start().await`.
pub fn gateway() -> GatewayBuilder {
    GatewayBuilder {
        server: String::new(),
        tables: String::new(),
        routes: String::new(),
        users: String::new(),
        more_addresses: String::new(),
        tls: false,
        tls_lines: String::new(),
        clock: Clock::System,
        workers: 2,
    }
}

/// The configuration of a gateway to be.
pub struct GatewayBuilder {
    server: String,
    tables: String,
    routes: String,
    users: String,
    more_addresses: String,
    tls: bool,
    tls_lines: String,
    clock: Clock,
    workers: usize,
}

/// Where a route leads.
pub trait Url {
    /// As `gateway.toml` writes it.
    fn url(&self) -> String;
}

impl Url for Upstream {
    fn url(&self) -> String {
        Upstream::url(self)
    }
}

impl Url for SampleApp {
    fn url(&self) -> String {
        SampleApp::url(self)
    }
}

impl Url for str {
    fn url(&self) -> String {
        self.to_owned()
    }
}

impl Url for String {
    fn url(&self) -> String {
        self.clone()
    }
}

impl GatewayBuilder {
    /// A route for everybody who is signed in.
    pub fn route(self, path: &str, upstream: &(impl Url + ?Sized)) -> Self {
        self.route_with(path, upstream, "")
    }

    /// A route for everybody.
    pub fn public(self, path: &str, upstream: &(impl Url + ?Sized)) -> Self {
        self.route_with(path, upstream, "access = \"public\"")
    }

    /// A route with more lines of TOML.
    pub fn route_with(mut self, path: &str, upstream: &(impl Url + ?Sized), more: &str) -> Self {
        self.routes += &format!(
            "[[route]]\npath = {path:?}\nupstream = {:?}\n{more}\n",
            upstream.url()
        );
        self
    }

    /// A route for everybody to several upstreams, with more lines of TOML.
    pub fn balanced(self, path: &str, upstreams: &[&dyn Url], more: &str) -> Self {
        let upstreams: Vec<String> = upstreams
            .iter()
            .map(|upstream| format!("{:?}", upstream.url()))
            .collect();
        self.route_lines(&format!(
            "path = {path:?}\nupstream = [{}]\naccess = \"public\"\n{more}",
            upstreams.join(", ")
        ))
    }

    /// A route of these lines of TOML.
    pub fn route_lines(mut self, lines: &str) -> Self {
        self.routes += &format!("[[route]]\n{lines}\n");
        self
    }

    /// A user with [`PASSWORD`] and no roles.
    pub fn user(self, name: &str) -> Self {
        self.user_with(name, &[], "")
    }

    /// A user with [`PASSWORD`], these roles and more lines of TOML.
    pub fn user_with(mut self, name: &str, roles: &[&str], more: &str) -> Self {
        self.users += &user_entry(name, roles, more);
        self
    }

    /// Lines of the user file as they are.
    pub fn users_toml(mut self, lines: &str) -> Self {
        self.users += lines;
        self
    }

    /// Lines for `[server]`.
    pub fn server(mut self, lines: &str) -> Self {
        self.server += lines;
        self.server += "\n";
        self
    }

    /// Whole tables, such as `[session]`.
    pub fn table(mut self, table: &str) -> Self {
        self.tables += table;
        self.tables += "\n";
        self
    }

    /// TLS with a certificate for localhost.
    pub fn tls(mut self) -> Self {
        self.tls = true;
        self
    }

    /// The same with more lines for `[server.tls]`.
    pub fn tls_with(mut self, lines: &str) -> Self {
        self.tls_lines += lines;
        self.tls()
    }

    /// One more address to listen on.
    pub fn also_listen(mut self, address: &str) -> Self {
        self.more_addresses += &format!(", {address:?}");
        self
    }

    /// A single worker, so that all connections are served from one pool.
    pub fn one_worker(mut self) -> Self {
        self.workers = 1;
        self
    }

    /// A clock that stands still until the test moves it.
    pub fn standing_clock(mut self) -> Self {
        self.clock = Clock::manual(Timestamp::from_unix_seconds(1_800_000_000));
        self
    }

    /// Starts it on a free port.
    pub async fn start(self) -> Gateway {
        let folder = tempfile::tempdir().unwrap();
        let mut text = format!(
            "[server]\nlisten = [\"127.0.0.1:0\"{}]\nworkers = {}\n{}\n",
            self.more_addresses, self.workers, self.server
        );
        if self.tls {
            let (cert, key) = server::self_signed::localhost_certificate().unwrap();
            std::fs::write(folder.path().join("localhost.crt"), cert).unwrap();
            std::fs::write(folder.path().join("localhost.key"), key).unwrap();
            text += "[server.tls]\ncert = \"localhost.crt\"\nkey = \"localhost.key\"\n";
            text += &self.tls_lines;
            text += "\n";
        }
        if !self.tables.contains("[log]") {
            text += "[log]\naccess = \"access.log\"\nformat = \"json\"\n";
        }
        // What an unknown name's hash costs.
        if !self.tables.contains("[users.password]") {
            text += "[users.password]\nargon2 = { memory = \"8MiB\", passes = 1, lanes = 1 }\n";
        }
        text += &self.tables;
        text += &self.routes;
        // A gateway must lead somewhere. Where a test names no upstream, none may be asked.
        let unnamed = self.routes.is_empty().then(Upstream::start);
        if let Some(upstream) = &unnamed {
            text += &format!("[[route]]\nupstream = {:?}\n", upstream.url());
        }
        let file = folder.path().join("gateway.toml");
        std::fs::write(&file, &text).unwrap();
        std::fs::write(folder.path().join("users.toml"), &self.users).unwrap();

        let loaded = config::load(&file).unwrap_or_else(|problems| {
            let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
            panic!("{}\n{text}", problems.join("\n"))
        });
        let (gateway, flush) =
            portcullis::gateway::Gateway::build(loaded.config, self.clock.clone()).unwrap();
        let gateway = Arc::new(gateway);
        let listeners = Listeners::bind(&gateway.server, gateway.admin.as_ref()).unwrap();
        let addresses = listeners.addresses().to_vec();
        let (redirect, admin) = (listeners.redirect_address(), listeners.admin_address());
        let address = addresses[0];
        let tls = gateway
            .server
            .tls
            .as_ref()
            .map(|tls| server::tls::Acceptor::new(tls).unwrap());
        let (trigger, shutdown) = server::shutdown::channel();
        let shared = Arc::clone(&gateway);
        let thread = thread::spawn(move || {
            let _flush = flush;
            server::serve(&shared, listeners, tls.as_ref(), &shutdown).unwrap();
        });
        let scheme = if self.tls { "https" } else { "http" };
        Gateway {
            address,
            addresses,
            redirect,
            admin,
            base: format!("{scheme}://localhost:{}", address.port()),
            clock: self.clock,
            shared: gateway,
            client: client_builder().build().unwrap(),
            stop: Some((trigger, thread)),
            folder,
            unnamed,
        }
    }
}

/// A client that follows no redirect and believes every certificate.
pub(super) fn client_builder() -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .tls_danger_accept_invalid_certs(true)
        .timeout(super::PATIENCE)
}

/// A running gateway.
pub struct Gateway {
    /// Where it listens.
    pub address: SocketAddr,
    /// All addresses it listens on.
    pub addresses: Vec<SocketAddr>,
    /// Where it only redirects.
    pub redirect: Option<SocketAddr>,
    /// Where its admin listener is.
    pub admin: Option<SocketAddr>,
    /// Its address as a browser writes it.
    pub base: String,
    clock: Clock,
    shared: Arc<portcullis::gateway::Gateway>,
    client: reqwest::Client,
    stop: Option<(ShutdownTrigger, thread::JoinHandle<()>)>,
    folder: TempDir,
    unnamed: Option<Upstream>,
}

impl Gateway {
    /// A GET for this path.
    pub fn get(&self, path: &str) -> reqwest::RequestBuilder {
        self.request("GET", path)
    }

    /// A POST for this path.
    pub fn post(&self, path: &str) -> reqwest::RequestBuilder {
        self.request("POST", path)
    }

    /// A request for this path.
    pub fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        let url = format!("{}{path}", self.base);
        self.client.request(method.parse().unwrap(), url)
    }

    /// A request to the admin listener.
    pub fn admin(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        let url = format!("http://{}{path}", self.admin.unwrap());
        self.client.request(method.parse().unwrap(), url)
    }

    /// A raw connection.
    pub async fn raw(&self) -> RawClient {
        RawClient::connect(self.address).await
    }

    /// A connection to play with byte by byte.
    pub async fn wire(&self) -> Wire<TcpStream> {
        Wire::new(TcpStream::connect(self.address).await.unwrap())
    }

    /// Sends bytes over a connection of their own and reads one answer.
    pub async fn exchange(&self, bytes: impl AsRef<[u8]>) -> Option<RawResponse> {
        let mut client = self.raw().await;
        client.send(bytes).await;
        client.response().await
    }

    /// Signs somebody in as a program does and returns the session cookie as `name=value`.
    pub async fn sign_in(&self, user: &str) -> String {
        let response = self
            .post("/.auth/login")
            .json(&serde_json::json!({ "username": user, "password": PASSWORD }))
            .send()
            .await
            .unwrap();
        assert_eq!(response.status(), 200, "{user} could not sign in");
        let cookie = response.headers()["set-cookie"].to_str().unwrap();
        cookie.split(';').next().unwrap().to_owned()
    }

    /// A bearer token for somebody.
    pub async fn token(&self, user: &str) -> String {
        let form = [
            ("grant_type", "password"),
            ("username", user),
            ("password", PASSWORD),
        ];
        let response = self.post("/.auth/token").form(&form).send().await.unwrap();
        assert_eq!(response.status(), 200, "no token for {user}");
        let answer: serde_json::Value = response.json().await.unwrap();
        answer["access_token"].as_str().unwrap().to_owned()
    }

    /// A browser that has never been here.
    pub fn browser(&self) -> Browser {
        Browser::new(&self.base)
    }

    /// Waits until there are this many sessions: expired ones are swept by a thread of their own.
    pub async fn sessions_become(&self, count: usize) {
        let become_so = async {
            while self.sessions() != count {
                tokio::task::yield_now().await;
            }
        };
        super::soon("the sweep of expired sessions", become_so).await;
    }

    /// How many sessions there are.
    pub fn sessions(&self) -> usize {
        self.shared.authenticator.sessions.len()
    }

    /// How many refresh tokens there are.
    pub fn refresh_tokens(&self) -> usize {
        self.shared.store.len(portcullis::store::Table::RefreshTokens)
    }

    /// How many password hashes were computed so far.
    pub fn hashes_computed(&self) -> u64 {
        self.shared.sign_in.hashes_computed()
    }

    /// Changes the user file as an editor does: a new file takes the place of the old one.
    pub fn change_users(&self, change: impl FnOnce(String) -> String) {
        let file = self.folder.path().join("users.toml");
        let new = self.folder.path().join("users.toml.new");
        std::fs::write(&new, change(std::fs::read_to_string(&file).unwrap())).unwrap();
        std::fs::rename(new, file).unwrap();
    }

    /// Moves a standing clock.
    pub fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }

    /// The folder of its files.
    pub fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// Begins the stop, as SIGTERM does.
    pub fn drain(&self) {
        if let Some((trigger, _)) = &self.stop {
            trigger.drain();
        }
    }

    /// Waits for its end and returns its access log, a JSON object a line.
    pub fn stopped(mut self) -> Vec<serde_json::Value> {
        self.join();
        let log = std::fs::read_to_string(self.folder.path().join("access.log")).unwrap_or_default();
        log.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// Waits until it has ended by itself, which something must have begun; returns its access log.
    pub async fn ended(mut self) -> Vec<serde_json::Value> {
        let (trigger, thread) = self.stop.take().unwrap();
        let joined = tokio::task::spawn_blocking(move || thread.join());
        super::soon("the gateway's end", joined).await.unwrap().unwrap();
        drop(trigger);
        self.stopped()
    }

    fn join(&mut self) {
        if let Some((trigger, thread)) = self.stop.take() {
            trigger.drain();
            trigger.now();
            // A panic of the gateway is a failure of the test, unless it is failing already.
            if thread.join().is_err() && !thread::panicking() {
                panic!("the gateway panicked");
            }
            if let (Some(upstream), false) = (&self.unnamed, thread::panicking()) {
                upstream.saw_nothing();
            }
        }
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.join();
    }
}
