//! Real servers as upstreams: Debian's nginx and nghttpd, each on an address that no other test uses.

use std::{fs, net::IpAddr, process::Command};

use tempfile::TempDir;

use super::{Pair, Running, address_of_its_own, gateway::Url};

/// A port, at an address of its own.
const PORT: u16 = 8080;

/// nginx, with a server of these lines.
pub struct Nginx {
    url: String,
    folder: TempDir,
    _running: Running,
}

impl Nginx {
    /// In TLS, with more words for its `listen` and more lines for its `server` block.
    pub fn secure(address: IpAddr, pair: &Pair, listen: &str, lines: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let prefix = folder.path().display();
        let text = format!(
            "daemon off; master_process off; pid {prefix}/pid; error_log stderr notice;\n\
             events {{}}\n\
             http {{\n\
               access_log {prefix}/access.log; client_body_temp_path {prefix}/body;\n\
               proxy_temp_path {prefix}/proxy; fastcgi_temp_path {prefix}/fastcgi;\n\
               uwsgi_temp_path {prefix}/uwsgi; scgi_temp_path {prefix}/scgi;\n\
               server {{ listen {address}:{PORT} ssl {listen};\n\
                 ssl_certificate {}; ssl_certificate_key {}; root {prefix};\n{lines} }}\n\
             }}\n",
            pair.cert.display(),
            pair.key.display(),
        );
        let file = folder.path().join("nginx.conf");
        fs::write(&file, text).unwrap();
        let mut command = Command::new("nginx");
        command
            .args(["-e", "stderr", "-p"])
            .arg(folder.path())
            .arg("-c")
            .arg(file);
        let running = Running::start(&mut command, "getrlimit(RLIMIT_NOFILE)");
        Self {
            url: format!("https://{address}:{PORT}"),
            folder,
            _running: running,
        }
    }

    /// Its folder, from which it serves files.
    pub fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// Its access log: a line for each request.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("access.log")).unwrap()
    }
}

impl Url for Nginx {
    fn url(&self) -> String {
        self.url.clone()
    }
}

/// nghttpd, which speaks HTTP/2 alone.
pub struct Nghttpd {
    url: String,
    folder: TempDir,
    running: Running,
}

impl Nghttpd {
    /// In the clear, with these arguments more.
    pub fn start(arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let address = address_of_its_own();
        let mut command = Command::new("nghttpd");
        command
            .args(["--no-tls", "-v", "-a", &address.to_string(), "-d"])
            .arg(folder.path())
            .args(arguments)
            .arg(PORT.to_string());
        let running = Running::start(&mut command, "listen ");
        Self {
            url: format!("h2c://{address}:{PORT}"),
            folder,
            running,
        }
    }

    /// Its folder, from which it serves files.
    pub fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// What it has written of every frame.
    pub fn output(&self) -> String {
        self.running.output()
    }
}

impl Url for Nghttpd {
    fn url(&self) -> String {
        self.url.clone()
    }
}
