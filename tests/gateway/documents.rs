//! What the documents show is what the program does: their commands, configurations, answers, links and names.

mod markdown;

use std::{
    collections::HashSet,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use portcullis::{config, server::self_signed::localhost_certificate, users::UserFile};
use tempfile::TempDir;

use crate::harness::{PASSWORD, Running, Upstream, gateway, portcullis, shell};
use markdown::{Block, Document, commands, root};

/// The smallest route, for what shows the rest of a configuration.
const ROUTE: &str = "[[route]]\nupstream = \"http://127.0.0.1:3000\"\n";

/// The table in front of a part that shows none of its own.
const SERVER: &str = "[server]\npublic_url = \"https://localhost\"\n";

fn readme() -> Document {
    Document::read("README.md")
}

/// The README's configuration.
fn example() -> String {
    readme().block(|block| block.language == "toml").text
}

/// Runs it to its end, with the password on standard input.
fn run(command: &mut Command) -> Output {
    let (reader, mut writer) = std::io::pipe().unwrap();
    std::io::Write::write_all(&mut writer, PASSWORD.as_bytes()).unwrap();
    drop(writer);
    command.stdin(Stdio::from(reader)).output().unwrap()
}

#[track_caller]
fn succeeds(command: &mut Command) -> String {
    let output = run(command);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{command:?}: {said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    said
}

#[test]
fn every_configuration_that_a_document_shows_is_one() {
    let mut shown = 0;
    for document in Document::all() {
        for block in document.blocks().iter().filter(|block| block.language == "toml") {
            is_a_configuration(block);
            shown += 1;
        }
    }
    assert!(shown > 0);
}

/// Holds that a block can be used as it stands, or as the part of a file that it shows.
fn is_a_configuration(block: &Block) {
    let lines = commands(&block.text);
    let Block { place, text, .. } = block;
    if lines.contains(&"[[user]]".to_owned()) {
        let users = UserFile::parse(text.clone(), Path::new("users.toml"), u64::MAX);
        assert!(users.is_ok(), "{place}: {users:?}");
        return;
    }
    let whole = match lines.first() {
        Some(first) if !first.starts_with('[') => format!("{ROUTE}{text}"),
        _ if lines.iter().any(|line| line == "[[route]]") => text.clone(),
        _ => format!("{text}\n{ROUTE}"),
    };
    let whole = match lines.iter().any(|line| line == "[server]") {
        true => whole,
        false => format!("{SERVER}{whole}"),
    };
    let secrets = |_: &str| Some("a secret of more than thirty-two bytes".to_owned());
    let problems = match config::load_str(whole, Path::new("gateway.toml"), &secrets) {
        Ok(loaded) => loaded.warnings,
        Err(problems) => problems,
    };
    let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert!(problems.is_empty(), "{place}: {}", problems.join("\n"));
}

#[test]
fn the_repository_s_own_configuration_is_one() {
    let loaded = config::load(&root().join("gateway.toml"));
    assert!(loaded.is_ok_and(|loaded| loaded.warnings.is_empty()));
}

#[test]
fn every_command_that_a_document_shows_is_one() {
    let folder = tempfile::tempdir().unwrap();
    let mut shown = HashSet::new();
    for document in Document::all() {
        let blocks = document.blocks();
        let in_blocks = blocks
            .iter()
            .filter(|block| block.language == "sh")
            .flat_map(|block| commands(&block.text));
        for command in in_blocks.chain(document.code_spans()) {
            let words: Vec<&str> = command.split_whitespace().collect();
            let arguments = match words.as_slice() {
                ["portcullis", arguments @ ..] | ["cargo", "run", "--release", "--", arguments @ ..] => {
                    arguments
                }
                [script, ..] if script.starts_with("scripts/") => {
                    assert!(
                        root().join(script).is_file(),
                        "{}: {command}",
                        document.path.display()
                    );
                    continue;
                }
                _ => continue,
            };
            // `portcullis user …` stands for any of its commands.
            let arguments: Vec<&str> = arguments
                .iter()
                .copied()
                .filter(|word| *word != "…")
                .chain(["--help"])
                .collect();
            let output = run(&mut portcullis(folder.path(), &arguments));
            let error = String::from_utf8_lossy(&output.stderr);
            assert!(
                output.status.success(),
                "{}: {command}: {error}",
                document.path.display()
            );
            shown.insert(arguments.join(" "));
        }
    }
    for command in [
        "--help",
        "demo --help",
        "check --help",
        "user add alice --role staff --help",
    ] {
        assert!(shown.contains(command), "no document shows {command}");
    }
}

/// The README's configuration in a folder of its own, where all that it names is there.
fn own_app() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mut text = example();
    for (theirs, ours) in [
        ("\"0.0.0.0:443\"", "\"127.0.0.1:0\""),
        ("\"/etc/ssl/wiki.crt\"", "\"wiki.crt\""),
        ("\"/etc/ssl/wiki.key\"", "\"wiki.key\""),
    ] {
        assert!(text.contains(theirs), "{theirs}");
        text = text.replace(theirs, ours);
    }
    let (cert, key) = localhost_certificate().unwrap();
    for (name, text) in [("gateway.toml", text), ("wiki.crt", cert), ("wiki.key", key)] {
        fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

#[test]
fn the_readme_s_steps_put_a_login_in_front_of_an_app() {
    let folder = own_app();
    let steps = readme().block(|block| commands(&block.text).contains(&"portcullis check".to_owned()));
    let steps = commands(&steps.text);
    let [prepare @ .., serve] = steps.as_slice() else {
        panic!("{steps:?}")
    };
    for step in prepare {
        let arguments: Vec<&str> = step.split_whitespace().skip(1).collect();
        succeeds(&mut portcullis(folder.path(), &arguments));
    }
    let users = succeeds(&mut portcullis(folder.path(), &["user", "list"]));
    assert!(users.contains("alice") && users.contains("staff"), "{users}");
    assert_eq!(serve, "portcullis");
    let running = Running::start(&mut portcullis(folder.path(), &[]), "listening");
    assert!(running.stop().success());
}

#[test]
fn what_init_writes_is_ready_for_use() {
    let folder = tempfile::tempdir().unwrap();
    succeeds(&mut portcullis(folder.path(), &["init"]));
    succeeds(&mut portcullis(folder.path(), &["user", "add", "alice"]));
    let verdict = succeeds(&mut portcullis(folder.path(), &["check"]));
    assert!(verdict.contains("gateway.toml is fine"), "{verdict}");
}

#[test]
fn the_readme_s_mistake_is_explained_in_the_readme_s_words() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(
        folder.path().join("gateway.toml"),
        example().replace("listen", "lisen"),
    )
    .unwrap();
    let output = run(&mut portcullis(folder.path(), &[]));
    let shown = readme().block(|block| block.text.starts_with("error: "));
    assert_eq!(String::from_utf8_lossy(&output.stderr), shown.text);
    assert_eq!(output.status.code(), Some(2));
}

#[tokio::test]
async fn the_app_is_told_what_the_readme_says() {
    let upstream = Upstream::start();
    let gateway = gateway()
        .route("/", &upstream)
        .user_with(
            "alice",
            &["staff"],
            "display_name = \"Alice Liddell\"\nemail = \"alice@example.com\"",
        )
        .start()
        .await;
    let cookie = gateway.sign_in("alice").await;
    gateway.get("/").header("cookie", cookie).send().await.unwrap();
    let shown = readme().block(|block| block.text.starts_with("Remote-User: "));
    for line in shown.text.lines() {
        let (name, value) = line.split_once(": ").unwrap();
        assert_eq!(upstream.only().header(name), [value], "{name}");
    }
}

#[test]
fn every_link_leads_somewhere() {
    let mut broken = Vec::new();
    for document in Document::all() {
        for link in document.links() {
            let (file, anchor) = link.split_once('#').unwrap_or((&link, ""));
            if file.contains("://") {
                continue;
            }
            let target = match file {
                "" => document.path.clone(),
                _ => document.path.parent().unwrap().join(file),
            };
            let found = root().join(&target).exists()
                && (anchor.is_empty()
                    || Document::read(target)
                        .anchors()
                        .iter()
                        .any(|known| known == anchor));
            if !found {
                broken.push(format!("{}: {link}", document.path.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

/// The sources, with their places in the repository.
fn sources() -> Vec<(PathBuf, String)> {
    let mut folders = vec![root().join("src"), root().join("tests")];
    let mut sources = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                sources.push((path.strip_prefix(root()).unwrap().to_owned(), text));
            }
        }
    }
    sources
}

/// Whether a file declares something of this name.
fn declares(text: &str, name: &str) -> bool {
    let keywords = ["fn", "struct", "enum", "trait", "mod", "const", "type"];
    let ends = |rest: &str| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_');
    keywords
        .iter()
        .flat_map(|keyword| {
            text.match_indices(&format!("{keyword} {name}"))
                .map(|(at, found)| at + found.len())
                .collect::<Vec<_>>()
        })
        .any(|end| ends(&text[end..]))
}

/// Whether `http::target::Target::of` is where its path says.
fn exists(sources: &[(PathBuf, String)], path: &str, is_it: impl Fn(&str, &str) -> bool) -> bool {
    let segments: Vec<&str> = path.split("::").collect();
    let (name, owners) = segments.split_last().unwrap();
    sources.iter().any(|(file, text)| {
        let parts: Vec<&str> = file
            .iter()
            .map(|part| part.to_str().unwrap().trim_end_matches(".rs"))
            .collect();
        is_it(text, name)
            && owners
                .iter()
                .all(|owner| parts.contains(owner) || declares(text, owner))
    })
}

fn is_path(span: &str) -> bool {
    let word = |word: &str| !word.is_empty() && word.chars().all(|c| c.is_alphanumeric() || c == '_');
    span.contains("::") && span.split("::").all(word)
}

#[test]
fn every_name_that_the_architecture_names_is_in_the_code() {
    let sources = sources();
    let paths: Vec<String> = Document::read("ARCHITECTURE.md")
        .code_spans()
        .into_iter()
        .filter(|span| is_path(span))
        .collect();
    assert!(paths.len() > 10);
    let missing: Vec<&String> = paths
        .iter()
        .filter(|path| !exists(&sources, path, declares))
        .collect();
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn every_attack_of_the_architecture_names_a_test_that_holds_it_off() {
    let is_test = |text: &str, name: &str| {
        let declared = format!("fn {name}(");
        text.match_indices(&declared).any(|(at, _)| {
            let above = text[..at].rsplit("\n\n").next().unwrap_or_default();
            above.contains("#[test]") || above.contains("#[tokio::test")
        })
    };
    let sources = sources();
    let architecture = Document::read("ARCHITECTURE.md");
    let (_, attacks) = architecture.text.split_once("## Known attacks").unwrap();
    let rows: Vec<&str> = attacks
        .lines()
        .filter(|line| {
            line.starts_with("| ") && !line.starts_with("| attack |") && !line.starts_with("| --- |")
        })
        .collect();
    assert!(rows.len() > 10, "the table of attacks is gone");
    for row in rows {
        let tests: Vec<&str> = row
            .split('`')
            .skip(1)
            .step_by(2)
            .filter(|span| is_path(span))
            .collect();
        assert!(!tests.is_empty(), "no test holds this off: {row}");
        for test in tests {
            assert!(exists(&sources, test, is_test), "there is no test {test}: {row}");
        }
    }
}

#[tokio::test]
async fn the_requests_that_the_page_on_tokens_shows_are_answered_as_it_says() {
    let gateway = gateway().user_with("alice", &["introspect"], "").start().await;
    let bearer = gateway.token("alice").await;
    let folder = tempfile::tempdir().unwrap();
    let page = Document::read("docs/tokens.md").blocks();
    let requests: Vec<String> = page
        .iter()
        .filter(|block| block.language == "sh" && block.text.starts_with("curl "))
        .map(|block| block.text.replace("https://apps.example.com", &gateway.base))
        .collect();
    let [by_password, by_refresh_token, introspection] = &requests[..] else {
        panic!("{requests:#?}")
    };
    let ask = |script: &str| -> serde_json::Value {
        let mut command = shell(script, folder.path());
        let said = succeeds(command.env("TOKEN", &bearer));
        serde_json::from_str(&said).unwrap_or_else(|_| panic!("{script}: {said}"))
    };
    let first = ask(by_password);
    let refresh_token = first["refresh_token"].as_str().unwrap();
    assert!(refresh_token.starts_with("pcr_"));
    let second = ask(&by_refresh_token.replace("pcr_…", refresh_token));
    let access_token = second["access_token"].as_str().unwrap();
    assert!(access_token.starts_with("eyJ"));
    let said = ask(&introspection.replace("eyJ…", access_token));
    assert_eq!(
        (&said["active"], &said["username"]),
        (&true.into(), &"alice".into())
    );
}
