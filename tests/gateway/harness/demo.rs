//! `portcullis demo`, as somebody who has just cloned the repository runs it.

use std::{fs, path::Path};

use tempfile::TempDir;

use super::{Running, free_port, portcullis};

/// A running demo.
pub struct Demo {
    /// The address that it prints, without the slash at its end.
    pub base: String,
    running: Running,
    _folder: TempDir,
}

impl Demo {
    /// Starts it in a folder of its own with copies of the repository's files, but on free ports.
    pub fn start() -> Self {
        let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
        let folder = tempfile::tempdir().unwrap();
        for name in ["demo", "certs"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        for name in ["gateway.toml", "demo/users.toml", "certs/README.md"] {
            fs::copy(repository.join(name), folder.path().join(name)).unwrap();
        }
        let file = folder.path().join("gateway.toml");
        let mut text = fs::read_to_string(&file).unwrap();
        for port in ["8443", "3000"] {
            assert!(text.contains(port), "{text}");
            text = text.replace(port, &free_port().to_string());
        }
        fs::write(&file, text).unwrap();

        let running = Running::start(&mut portcullis(folder.path(), &["demo"]), "(no role)");
        let base = word_after(&running.output(), "Open");
        Self {
            base: base.trim_end_matches('/').to_owned(),
            running,
            _folder: folder,
        }
    }

    /// A whole address.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// The password that it prints beside somebody's name.
    pub fn password(&self, name: &str) -> String {
        word_after(&self.running.output(), name)
    }

    /// Closes its terminal, and waits for its end.
    #[track_caller]
    pub fn ends_with_its_terminal(self) {
        self.running.hang_up();
        self.running.ended();
    }

    /// Waits until it has written `text`, in an access line for instance.
    #[track_caller]
    pub fn writes(&self, text: &str) {
        self.running.wait_for(text);
    }
}

/// The word that follows `word` in what was printed.
fn word_after(printed: &str, word: &str) -> String {
    let mut words = printed
        .split_whitespace()
        .skip_while(|candidate| *candidate != word);
    words
        .nth(1)
        .unwrap_or_else(|| panic!("no {word} in {printed}"))
        .to_owned()
}
