//! The documents of the repository, taken apart.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// The repository.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A Markdown file.
pub struct Document {
    /// Its place in the repository.
    pub path: PathBuf,
    /// All of it.
    pub text: String,
}

/// What stands between two fences.
pub struct Block {
    /// Where: `README.md:12`.
    pub place: String,
    /// What the fence says it is.
    pub language: String,
    /// The lines.
    pub text: String,
}

impl Document {
    /// A file of the repository.
    pub fn read(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        let text = fs::read_to_string(root().join(&path))
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Self { path, text }
    }

    /// All that the repository has, the README first.
    pub fn all() -> Vec<Self> {
        let mut paths = Vec::new();
        for folder in ["", "certs", "docs"] {
            markdown_files(&root().join(folder), folder == "docs", &mut paths);
        }
        paths.sort_by_key(|path| (!path.ends_with("README.md"), path.clone()));
        let inside = |path: &PathBuf| path.strip_prefix(root()).unwrap().to_owned();
        paths.iter().map(|path| Self::read(inside(path))).collect()
    }

    /// The fenced blocks.
    pub fn blocks(&self) -> Vec<Block> {
        let mut blocks = Vec::new();
        let mut lines = self.text.lines().zip(1..);
        while let Some((line, number)) = lines.next() {
            let Some(language) = line.strip_prefix("```") else {
                continue;
            };
            let inside = lines
                .by_ref()
                .map(|(line, _)| line)
                .take_while(|line| *line != "```");
            blocks.push(Block {
                place: format!("{}:{number}", self.path.display()),
                language: language.to_owned(),
                text: inside.map(|line| format!("{line}\n")).collect(),
            });
        }
        blocks
    }

    /// The only block that this is true of.
    pub fn block(&self, is_it: impl Fn(&Block) -> bool) -> Block {
        let mut found: Vec<Block> = self.blocks().into_iter().filter(is_it).collect();
        assert_eq!(found.len(), 1, "blocks of {}", self.path.display());
        found.remove(0)
    }

    /// What stands outside of blocks.
    pub fn prose(&self) -> String {
        let outside = self.text.split("\n```").step_by(2);
        outside.collect::<Vec<_>>().join("\n")
    }

    /// The code in the prose: what stands between two backticks.
    pub fn code_spans(&self) -> Vec<String> {
        self.prose()
            .split('`')
            .skip(1)
            .step_by(2)
            .map(str::to_owned)
            .collect()
    }

    /// The targets of links and images.
    pub fn links(&self) -> Vec<String> {
        let prose = self.prose();
        let targets = prose.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
        targets.map(|(target, _)| target.to_owned()).collect()
    }

    /// What links to its headings end in, spelled as forges do.
    pub fn anchors(&self) -> Vec<String> {
        let prose = self.prose();
        let headings = prose.lines().filter(|line| line.starts_with('#'));
        headings
            .map(|heading| {
                let text = heading.trim_start_matches('#').trim().to_lowercase();
                let kept = text.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
                kept.map(|c| if c == ' ' { '-' } else { c }).collect()
            })
            .collect()
    }
}

/// Text of a shell, a command a line: joined where a line goes on, without comments.
pub fn commands(text: &str) -> Vec<String> {
    let joined = text.replace("\\\n", " ");
    let lines = joined.lines().map(str::trim);
    let commands = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    commands.map(str::to_owned).collect()
}

fn markdown_files(folder: &Path, and_below: bool, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() && and_below {
            markdown_files(&path, and_below, files);
        } else if path.extension().is_some_and(|extension| extension == "md") {
            files.push(path);
        }
    }
}
