//! Programs of their own: the `portcullis` binary as a user runs it, and servers from Debian and PyPI.

use std::{
    io::{BufRead, BufReader, Read},
    net::{IpAddr, TcpListener},
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicU8, Ordering},
    },
    thread,
};

use super::PATIENCE;

/// The `portcullis` binary with these arguments, run in `folder`.
pub fn portcullis(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis"));
    command.current_dir(folder).args(arguments);
    command
}

/// A port of 127.0.0.1 that nobody listens on, for programs that must be told one.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// An address of this machine that no other test uses, for programs that are slow to listen: somebody else could have
/// a free port by then, but all of 127.0.0.0/8 is this machine, and nobody else takes this part of it.
pub fn address_of_its_own() -> IpAddr {
    static TAKEN: AtomicU8 = AtomicU8::new(0);
    let [.., high, low] = std::process::id().to_be_bytes();
    let taken = TAKEN.fetch_add(1, Ordering::Relaxed);
    assert!(taken < 250, "more tests than addresses");
    IpAddr::from([127, taken + 1, high, low])
}

/// A program that runs until it goes out of scope.
pub struct Running {
    child: Child,
    said: Arc<Said>,
}

/// What a program has written so far, to standard output and to standard error.
#[derive(Default)]
struct Said {
    text: Mutex<(String, usize)>,
    changed: Condvar,
}

impl Running {
    /// Starts it and waits until it has written `ready`.
    #[track_caller]
    pub fn start(command: &mut Command, ready: &str) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {command:?}: {error}; scripts/test installs it"));
        let said = Arc::new(Said::default());
        let (stdout, stderr) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        listen(stdout, Arc::clone(&said));
        listen(stderr, Arc::clone(&said));
        let running = Self { child, said };
        running.wait_for(ready);
        running
    }

    /// Waits until it has written `text`.
    #[track_caller]
    pub fn wait_for(&self, text: &str) {
        let guard = self.said.text.lock().unwrap();
        let waiting = |(said, ended): &mut (String, usize)| !said.contains(text) && *ended < 2;
        let (guard, _) = self
            .said
            .changed
            .wait_timeout_while(guard, PATIENCE * 3, waiting)
            .unwrap();
        assert!(
            guard.0.contains(text),
            "waited in vain for {text:?}; it wrote:\n{}",
            guard.0
        );
    }

    /// Sends SIGTERM, waits for its end and returns everything it has ever written.
    pub fn last_words(mut self) -> String {
        self.terminate();
        self.child.wait().unwrap();
        let said = self.said.text.lock().unwrap();
        let (said, _) = self
            .said
            .changed
            .wait_timeout_while(said, PATIENCE, |(_, ended)| *ended < 2)
            .unwrap();
        said.0.clone()
    }

    /// What it has written so far.
    pub fn output(&self) -> String {
        self.said.text.lock().unwrap().0.clone()
    }

    /// Sends SIGTERM.
    pub fn terminate(&self) {
        self.signal(rustix::process::Signal::TERM);
    }

    /// Sends SIGKILL, which no program hears.
    pub fn kill(&self) {
        self.signal(rustix::process::Signal::KILL);
    }

    /// Sends SIGINT, as Ctrl-C does.
    pub fn interrupt(&self) {
        self.signal(rustix::process::Signal::INT);
    }

    /// Sends SIGHUP, as programs do that have moved a log away, and terminals that are closed.
    pub fn hang_up(&self) {
        self.signal(rustix::process::Signal::HUP);
    }

    fn signal(&self, signal: rustix::process::Signal) {
        let id = rustix::process::Pid::from_child(&self.child);
        // It may have ended already, which is all that is wanted.
        let _ = rustix::process::kill_process(id, signal);
    }

    /// Waits for the end that it comes to by itself.
    #[track_caller]
    pub fn ended(mut self) -> ExitStatus {
        let guard = self.said.text.lock().unwrap();
        let runs = |(_, ended): &mut (String, usize)| *ended < 2;
        let waited = self.said.changed.wait_timeout_while(guard, PATIENCE * 3, runs);
        let (guard, timeout) = waited.unwrap();
        assert!(!timeout.timed_out(), "it goes on; it wrote:\n{}", guard.0);
        drop(guard);
        self.child.wait().unwrap()
    }

    /// Sends SIGTERM and waits for its end.
    pub fn stop(mut self) -> ExitStatus {
        self.terminate();
        self.child.wait().unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Once it has ended its id may be another program's.
        if !matches!(self.child.try_wait(), Ok(Some(_))) {
            self.terminate();
            let _ = self.child.wait();
        }
    }
}

fn listen(stream: impl Read + Send + 'static, said: Arc<Said>) {
    thread::spawn(move || {
        for line in BufReader::new(stream).lines() {
            let Ok(line) = line else { break };
            let mut text = said.text.lock().unwrap();
            text.0.push_str(&line);
            text.0.push('\n');
            said.changed.notify_all();
        }
        said.text.lock().unwrap().1 += 1;
        said.changed.notify_all();
    });
}
