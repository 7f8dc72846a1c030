//! A real Redis for one test.

use std::{
    io::{BufRead, BufReader, Read, Write},
    os::unix::net::UnixStream,
    process::{Child, Command, Stdio},
};

use crate::config::RedisAddress;

/// A Redis at a socket of its own; it ends with the test.
pub(super) struct RedisServer {
    process: Child,
    folder: tempfile::TempDir,
}

impl RedisServer {
    pub(super) fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut process = Command::new("redis-server")
            .args(["--port", "0", "--save", "", "--appendonly", "no", "--unixsocket"])
            .arg(folder.path().join("redis.sock"))
            .arg("--dir")
            .arg(folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .expect("redis-server is installed");
        let said = BufReader::new(process.stdout.take().unwrap());
        let mut lines = said.lines().map_while(Result::ok);
        assert!(
            lines.any(|line| line.contains("now ready to accept connections at")
                || line.contains("Ready to accept connections")),
            "it starts"
        );
        // What it says from here on is of no interest, but has to go somewhere.
        std::thread::spawn(move || lines.for_each(drop));
        Self { process, folder }
    }

    pub(super) fn address(&self) -> RedisAddress {
        let socket = self.folder.path().join("redis.sock");
        RedisAddress::parse(format!("redis+unix://{}", socket.display()).into()).unwrap()
    }

    /// Sends a command, and waits for its answer.
    pub(super) fn ask(&self, command: &str) {
        let mut stream = UnixStream::connect(self.folder.path().join("redis.sock")).unwrap();
        stream.write_all(format!("{command}\r\n").as_bytes()).unwrap();
        let mut answer = [0; 1];
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"+", "{command}");
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}
