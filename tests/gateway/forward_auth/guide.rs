//! nginx and Caddy, set up as `docs/guides/forward-auth.md` says.

use std::{fs, net::IpAddr, path::Path, process::Command};

use reqwest::{Client, Response, redirect};
use tempfile::TempDir;

use crate::harness::{
    Guide, PASSWORD, Running, Upstream, address_of_its_own, free_port, portcullis, user_entry,
};

/// Everything of the guide, at addresses of this test's own.
struct Site {
    folder: TempDir,
    guide: Guide,
    upstream: Upstream,
    /// Where the proxy listens.
    proxy: String,
    client: Client,
    _running: Vec<Running>,
}

impl Site {
    /// With portcullis running, and no proxy yet.
    fn new(address: IpAddr, port: u16) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let upstream = Upstream::start();
        let mut guide = Guide::open("forward-auth.md");
        guide.replace("127.0.0.1:8443", &format!("127.0.0.1:{}", free_port()));
        guide.replace("http://127.0.0.1:3000", &upstream.url());
        guide.replace("127.0.0.1:3000", upstream.url().strip_prefix("http://").unwrap());
        guide.write("gateway.toml", folder.path());
        let users = [user_entry("alice", &["staff"], ""), user_entry("bob", &[], "")].concat();
        fs::write(folder.path().join("users.toml"), users).unwrap();
        let running = Running::start(&mut portcullis(folder.path(), &["serve"]), "listening");
        Self {
            folder,
            guide,
            upstream,
            proxy: format!("http://{address}:{port}"),
            client: Client::builder()
                .redirect(redirect::Policy::none())
                .build()
                .unwrap(),
            _running: vec![running],
        }
    }

    fn start(&mut self, command: &mut Command, ready: &str) {
        self._running.push(Running::start(command, ready));
    }

    async fn send(&self, method: &str, path: &str, fields: &[(&str, &str)]) -> Response {
        let request = self
            .client
            .request(method.parse().unwrap(), format!("{}{path}", self.proxy))
            .header("host", "wiki.example.com");
        let request = fields
            .iter()
            .fold(request, |request, (name, value)| request.header(*name, *value));
        request.send().await.unwrap()
    }

    async fn sign_in(&self, user: &str) -> String {
        let answer = self
            .client
            .post(format!("{}/.auth/login", self.proxy))
            .header("host", "wiki.example.com")
            .json(&serde_json::json!({ "username": user, "password": PASSWORD }))
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 200);
        let cookie = answer.headers()["set-cookie"].to_str().unwrap();
        cookie.split(';').next().unwrap().to_owned()
    }

    /// What holds whichever proxy it is; `redirect` is how it sends people to the login page.
    async fn holds(&self, redirect: u16) {
        let page = ("accept", "text/html");
        let answer = self.send("GET", "/x?y=1", &[page]).await;
        assert_eq!(answer.status(), redirect);
        assert_eq!(
            answer.headers()["location"]
                .to_str()
                .unwrap()
                .split("/.auth")
                .nth(1),
            Some("/login?return_to=/x%3Fy%3D1")
        );
        assert_eq!(self.send("GET", "/x", &[]).await.status(), 401, "a program");
        let answer = self.send("GET", "/.auth/login", &[page]).await;
        assert_eq!(answer.status(), 200);
        assert!(answer.text().await.unwrap().contains("<form"));
        self.upstream.saw_nothing();

        let [alice, bob] = [self.sign_in("alice").await, self.sign_in("bob").await];
        let lies = [
            ("remote-user", "root"),
            ("remote-name", "Root"),
            ("remote-email", "root@example.com"),
            ("remote-groups", "wheel"),
            ("x-forwarded-uri", "/public"),
            ("x-forwarded-method", "GET"),
            ("x-forwarded-host", "other.example.com"),
            ("x-original-url", "http://wiki.example.com/public"),
            ("x-original-method", "GET"),
        ];
        assert_eq!(
            self.send("GET", "/x", &lies).await.status(),
            401,
            "no header opens a route"
        );
        self.upstream.saw_nothing();
        let answer = self
            .send("GET", "/x?y=1", &[&lies[..], &[("cookie", &alice)]].concat())
            .await;
        assert_eq!(answer.status(), 200);
        let request = self.upstream.only();
        assert_eq!(request.header("remote-user"), ["alice"]);
        assert_eq!(request.header("remote-groups"), ["staff"]);
        assert!(request.header("remote-name").is_empty() && request.header("remote-email").is_empty());
        self.upstream.forget();

        let answer = self.send("GET", "/public", &lies[..4]).await;
        assert_eq!(answer.status(), 200);
        let request = self.upstream.only();
        assert!(request.header("remote-user").is_empty() && request.header("remote-groups").is_empty());
        self.upstream.forget();

        assert_eq!(self.send("GET", "/x", &[("cookie", &bob)]).await.status(), 403);
        let forged = [("cookie", &*alice), ("origin", "https://evil.example")];
        assert_eq!(self.send("POST", "/x", &forged).await.status(), 403);
        let asked = self.send("GET", "/.auth/verify", &[("cookie", &alice)]).await;
        assert_eq!(asked.status(), 404, "nobody asks but the proxy");
        self.upstream.saw_nothing();
        assert_eq!(self.send("POST", "/x", &forged[..1]).await.status(), 200);
    }
}

#[tokio::test]
async fn nginx_asks_before_it_forwards() {
    let address = address_of_its_own();
    let mut site = Site::new(address, 8080);
    // TLS is nginx's own business, and not what is tried here.
    site.guide
        .replace("listen 443 ssl;", &format!("listen {address}:8080;"));
    let certificate = "    ssl_certificate     wiki.crt;\n    ssl_certificate_key wiki.key;\n";
    site.guide.replace(certificate, "");
    let prefix = site.folder.path().display().to_string();
    let conf = format!(
        "daemon off; master_process off; pid {prefix}/pid; error_log stderr notice;\nevents {{}}\n\
         http {{ access_log off; client_body_temp_path {prefix}/body; proxy_temp_path {prefix}/proxy;\n\
         fastcgi_temp_path {prefix}/fastcgi; uwsgi_temp_path {prefix}/uwsgi; scgi_temp_path {prefix}/scgi;\n{}}}\n",
        site.guide.text("wiki.conf")
    );
    let file = Path::new(&prefix).join("nginx.conf");
    fs::write(&file, conf).unwrap();
    let mut nginx = Command::new("nginx");
    nginx.args(["-e", "stderr", "-p", &prefix, "-c"]).arg(file);
    site.start(&mut nginx, "getrlimit(RLIMIT_NOFILE)");
    site.holds(302).await;
}

#[tokio::test]
async fn caddy_asks_before_it_forwards() {
    let address = address_of_its_own();
    let mut site = Site::new(address, 8080);
    site.guide.replace(
        "# Caddyfile\nwiki.example.com {",
        "# Caddyfile\nhttp://wiki.example.com:8080 {",
    );
    let prefix = site.folder.path().to_owned();
    let conf = format!(
        "{{\n  admin off\n  default_bind {address}\n}}\n{}",
        site.guide.text("Caddyfile")
    );
    fs::write(prefix.join("Caddyfile"), conf).unwrap();
    let caddy = Path::new(env!("CARGO_MANIFEST_DIR")).join(".cache/python/bin/caddy");
    let mut caddy = Command::new(caddy);
    caddy
        .args(["run", "--config", "Caddyfile"])
        .current_dir(&prefix)
        .env("HOME", &prefix)
        .env("XDG_DATA_HOME", &prefix)
        .env("XDG_CONFIG_HOME", &prefix);
    site.start(&mut caddy, "serving initial configuration");
    site.holds(303).await;
}
