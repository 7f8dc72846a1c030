//! A page of `docs/guides/` as its reader follows it: the files it shows are written, and its commands are run.

use std::{fs, path::Path, process::Command};

/// A guide's blocks of code, in their order.
pub struct Guide {
    name: String,
    blocks: Vec<Block>,
}

/// A fenced block. Its first line is a comment that says what it is: a file's name, or what the commands do.
struct Block {
    language: String,
    caption: String,
    text: String,
}

impl Guide {
    /// Reads a page.
    pub fn open(name: &str) -> Self {
        let file = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("docs/guides")
            .join(name);
        let page = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        Self {
            name: name.to_owned(),
            blocks: blocks(&page),
        }
    }

    /// What its blocks are called, in order.
    pub fn captions(&self) -> Vec<&str> {
        self.blocks.iter().map(|block| block.caption.as_str()).collect()
    }

    /// Puts this test's address in place of the guide's, which must be there.
    #[track_caller]
    pub fn replace(&mut self, theirs: &str, ours: &str) {
        let found = self.blocks.iter().any(|block| block.text.contains(theirs));
        assert!(found, "{} no longer says {theirs}", self.name);
        for block in &mut self.blocks {
            block.text = block.text.replace(theirs, ours);
        }
    }

    /// The text of a block.
    #[track_caller]
    pub fn text(&self, caption: &str) -> &str {
        &self.block(caption).text
    }

    /// Writes a file that the guide shows.
    #[track_caller]
    pub fn write(&self, file: &str, folder: &Path) {
        fs::write(folder.join(file), self.text(file)).unwrap();
    }

    /// The commands of a block, for a shell in `folder`.
    #[track_caller]
    pub fn command(&self, caption: &str, folder: &Path) -> Command {
        shell(self.script(caption), folder)
    }

    /// The one command of a block, in place of the shell: a signal to end reaches the program itself.
    #[track_caller]
    pub fn program(&self, caption: &str, folder: &Path) -> Command {
        let (_, command) = self.script(caption).split_once('\n').unwrap();
        shell(&format!("exec {command}"), folder)
    }

    #[track_caller]
    fn script(&self, caption: &str) -> &str {
        let block = self.block(caption);
        assert_eq!(block.language, "sh", "{caption} is no command");
        &block.text
    }

    #[track_caller]
    fn block(&self, caption: &str) -> &Block {
        let mut found = self.blocks.iter().filter(|block| block.caption == caption);
        let block = found
            .next()
            .unwrap_or_else(|| panic!("{} has only {:?}, not {caption:?}", self.name, self.captions()));
        assert!(found.next().is_none(), "{} has {caption:?} twice", self.name);
        block
    }
}

/// A shell that runs this in `folder`, which is its home as well: nobody's own settings take part. It finds
/// `portcullis` as one who has installed it does.
pub fn shell(script: &str, folder: &Path) -> Command {
    let installed = Path::new(env!("CARGO_BIN_EXE_portcullis")).parent().unwrap();
    let mut command = Command::new("bash");
    command
        .args(["-euo", "pipefail", "-c", script])
        .current_dir(folder)
        .env_clear()
        .env("HOME", folder)
        .env(
            "PATH",
            format!("{}:/usr/local/bin:/usr/bin:/bin", installed.display()),
        );
    command
}

fn blocks(page: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        let Some(language) = line.strip_prefix("```") else {
            continue;
        };
        let body: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
        let first = body
            .first()
            .unwrap_or_else(|| panic!("an empty block in\n{page}"));
        let caption = first
            .strip_prefix("# ")
            .unwrap_or_else(|| panic!("a block that begins with {first:?} instead of a comment"));
        blocks.push(Block {
            language: language.to_owned(),
            caption: caption.to_owned(),
            text: body.join("\n") + "\n",
        });
    }
    blocks
}
