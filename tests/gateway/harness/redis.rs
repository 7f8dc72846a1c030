//! A real Redis, or a cluster of three, and what can happen to it.

use std::{
    io::{BufRead, BufReader},
    net::SocketAddr,
    process::{Child, Command, Stdio},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
};

use super::free_port;

/// A server that remembers what it was told over a restart, as long as this is held.
pub struct Redis {
    folder: tempfile::TempDir,
    port: u16,
    more: Vec<String>,
    process: Option<Child>,
}

impl Redis {
    /// One that anybody may use.
    pub fn start() -> Self {
        Self::with(&[])
    }

    /// One with more settings.
    pub fn with(more: &[&str]) -> Self {
        let mut redis = Self {
            folder: tempfile::tempdir().unwrap(),
            port: free_port(),
            more: more.iter().map(ToString::to_string).collect(),
            process: None,
        };
        redis.revive();
        redis
    }

    /// Three nodes of one cluster.
    pub fn cluster() -> [Self; 3] {
        let nodes = [0, 1, 2].map(|_| {
            let bus = free_port().to_string();
            Self::with(&["--cluster-enabled", "yes", "--cluster-port", &bus])
        });
        let mut create = Command::new("redis-cli");
        create.args(["--cluster", "create", "--cluster-yes"]);
        create.args(nodes.iter().map(|node| format!("127.0.0.1:{}", node.port)));
        let created = create.output().unwrap();
        let said = String::from_utf8_lossy(&created.stdout);
        assert!(created.status.success(), "{said}");
        for node in &nodes {
            while !node.ask(&["CLUSTER", "INFO"]).contains("cluster_state:ok") {}
        }
        nodes
    }

    /// Starts it again, on the same port and with what it had.
    pub fn revive(&mut self) {
        let mut command = Command::new("redis-server");
        command.args([
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--appendonly",
            "yes",
            "--appendfsync",
            "always",
        ]);
        if !self.more.iter().any(|setting| setting == "--tls-port") {
            command.args(["--port", &self.port.to_string()]);
        }
        command.arg("--dir").arg(self.folder.path());
        command.args(&self.more).stdout(Stdio::piped());
        let mut process = command.spawn().expect("redis-server is installed");
        let said = BufReader::new(process.stdout.take().unwrap());
        let mut lines = said.lines().map_while(Result::ok);
        assert!(
            lines.any(|line| line.contains("Ready to accept connections")),
            "it starts"
        );
        // What it says from here on has to go somewhere.
        std::thread::spawn(move || lines.for_each(drop));
        self.process = Some(process);
    }

    /// Ends it at once.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }

    /// Sends it a signal, such as `STOP`.
    pub fn signal(&self, name: &str) {
        let process = self.process.as_ref().unwrap().id().to_string();
        let sent = Command::new("kill").args(["-s", name, &process]).status();
        assert!(sent.unwrap().success());
    }

    /// What it answers.
    pub fn ask(&self, command: &[&str]) -> String {
        let mut ask = Command::new("redis-cli");
        ask.args(["-p", &self.port.to_string()]).args(command);
        String::from_utf8_lossy(&ask.output().unwrap().stdout).into_owned()
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A way through the network that can be cut: whatever is on it does not arrive, and nobody is told. On a thread of its own,
/// as a gateway that is being built waits for it.
pub struct Cut {
    address: SocketAddr,
    is_cut: watch::Sender<bool>,
}

impl Cut {
    /// A way to this port. It lasts as long as the process.
    pub fn to(port: u16) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let is_cut = watch::Sender::new(false);
        let cut = is_cut.subscribe();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async {
                let listener = TcpListener::from_std(listener).unwrap();
                while let Ok((near, _)) = listener.accept().await {
                    let Ok(far) = TcpStream::connect(("127.0.0.1", port)).await else {
                        continue;
                    };
                    let (near_read, near_write) = near.into_split();
                    let (far_read, far_write) = far.into_split();
                    tokio::spawn(carry(near_read, far_write, cut.clone()));
                    tokio::spawn(carry(far_read, near_write, cut.clone()));
                }
            });
        });
        Self { address, is_cut }
    }

    /// Where it begins.
    pub fn url(&self) -> String {
        format!("redis://{}", self.address)
    }

    /// From now on nothing arrives.
    pub fn cut(&self) {
        self.is_cut.send_replace(true);
    }

    /// What was held up arrives.
    pub fn mend(&self) {
        self.is_cut.send_replace(false);
    }
}

async fn carry(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut cut: watch::Receiver<bool>) {
    let mut bytes = vec![0; 1 << 16];
    while let Ok(count @ 1..) = from.read(&mut bytes).await {
        if cut.wait_for(|is_cut| !is_cut).await.is_err() || to.write_all(&bytes[..count]).await.is_err() {
            return;
        }
    }
}
