//! Programs that run beside this one, and end with it.

use std::{
    env,
    fs::{self, File},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Context, bail};
use rustix::process::{Pid, Signal, kill_process};
use tokio::{net::TcpStream, time};

/// How long a program may take until it listens.
const PATIENCE: Duration = Duration::from_secs(30);

/// A program that runs until it goes out of scope.
pub struct Program {
    child: Child,
}

impl Program {
    /// Starts it and waits until it takes connections. What it says goes to a file of this name.
    pub async fn start(
        command: &mut Command,
        folder: &Path,
        name: &str,
        address: SocketAddr,
    ) -> anyhow::Result<Self> {
        let log = folder.join(format!("{name}.log"));
        let file = File::create(&log)?;
        let child = command
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .spawn()
            .with_context(|| format!("cannot start {name}"))?;
        let mut program = Self { child };
        let listens = async {
            // None of them says when it listens in a way that the others do too.
            let mut again = time::interval(Duration::from_millis(10));
            while TcpStream::connect(address).await.is_err() {
                if program.child.try_wait()?.is_some() {
                    bail!("{name} ended: {}", fs::read_to_string(&log)?);
                }
                again.tick().await;
            }
            Ok(())
        };
        match time::timeout(PATIENCE, listens).await {
            Ok(listens) => listens?,
            Err(_) => bail!("{name} does not listen: {}", fs::read_to_string(&log)?),
        }
        Ok(program)
    }

    /// Its id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if !matches!(self.child.try_wait(), Ok(Some(_))) {
            // nginx's workers go with their master only if it is asked, and not killed.
            let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
            let _ = self.child.wait();
        }
    }
}

/// A program that is installed. Debian's servers are in folders that not everybody's shell looks in.
pub fn find(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/local/sbin".into()]);
    folders
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
}
