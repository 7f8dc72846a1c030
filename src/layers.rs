//! Holds the layers of the crate documentation: imports only go down.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
};

/// The layers as the crate documentation lists them, the highest first.
fn layers() -> HashMap<String, usize> {
    let documentation = include_str!("lib.rs");
    let (_, rest) = documentation.split_once("//! ```text\n").unwrap();
    let (list, _) = rest.split_once("//! ```").unwrap();
    let names = list.lines().enumerate().flat_map(|(layer, line)| {
        line.trim_start_matches("//!")
            .split_whitespace()
            .map(move |name| (name.to_owned(), layer))
    });
    names.collect()
}

fn source_files(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            source_files(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// The top-level modules that a file imports: the names behind `crate::`, also inside a `use crate::{…}`.
fn imports(text: &str) -> Vec<String> {
    let word = |text: &str| {
        text.chars()
            .take_while(|c| c.is_alphanumeric() || *c == '_')
            .collect::<String>()
    };
    let mut names = Vec::new();
    for (at, _) in text.match_indices("crate::") {
        let rest = &text[at + "crate::".len()..];
        let Some(group) = rest.strip_prefix('{') else {
            names.push(word(rest));
            continue;
        };
        let mut depth = 1;
        let mut start = 0;
        for (index, c) in group.char_indices() {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                _ => {}
            }
            if (c == ',' && depth == 1) || depth == 0 {
                names.push(word(group[start..index].trim_start()));
                start = index + 1;
            }
            if depth == 0 {
                break;
            }
        }
    }
    names.retain(|name| !name.is_empty());
    names
}

#[test]
fn imports_only_go_down_the_layers() {
    let layers = layers();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    source_files(&root, &mut files);
    let mut wrong = Vec::new();
    let mut edges = 0;
    for file in files {
        let inside = file.strip_prefix(&root).unwrap();
        let module = inside
            .iter()
            .next()
            .unwrap()
            .to_str()
            .unwrap()
            .trim_end_matches(".rs")
            .to_owned();
        let (is_test, is_root) = (
            inside.iter().any(|part| part == "tests.rs" || part == "tests"),
            ["lib", "main", "layers"].contains(&module.as_str()),
        );
        if is_test || is_root {
            continue;
        }
        let text = fs::read_to_string(&file).unwrap();
        // Unit tests may reach anywhere; they stand last in a file.
        let text = text.split("#[cfg(test)]").next().unwrap();
        for import in imports(text) {
            edges += 1;
            let allowed = match (layers.get(&module), layers.get(&import)) {
                _ if module == import => true,
                (Some(from), Some(to)) => from < to,
                _ => false,
            };
            if !allowed {
                wrong.push(format!("{} imports crate::{import}", inside.display()));
            }
        }
    }
    assert!(
        edges > 100,
        "only {edges} imports were found: the test looks at the wrong thing"
    );
    assert!(
        wrong.is_empty(),
        "these imports go up or sideways:\n{}",
        wrong.join("\n")
    );
}

#[test]
fn no_file_has_more_than_about_400_lines() {
    let mut files = Vec::new();
    for folder in ["src", "tests", "benches"] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        if folder.exists() {
            source_files(&folder, &mut files);
        }
    }
    let long: Vec<_> = files
        .iter()
        .map(|file| (fs::read_to_string(file).unwrap().lines().count(), file))
        .filter(|(lines, _)| *lines > 450)
        .collect();
    assert!(long.is_empty(), "{long:#?}");
}
