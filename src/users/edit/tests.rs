use super::*;
use crate::{config::Argon2Cost, users::password};

const START: &str = "# Our people.\n\n[[user]]\nname = \"alice\" # the boss\nroles = [\"staff\"]\n\n# Away until May.\n[[user]]\nname = \"bob\"\n";

fn hash() -> String {
    password::hash(
        b"secret",
        Argon2Cost {
            memory_kib: 8,
            passes: 1,
            lanes: 1,
        },
    )
    .unwrap()
}

fn name(name: &str) -> UserName {
    UserName::parse(name).unwrap()
}

fn new_user(called: &str) -> NewUser {
    NewUser {
        username: name(called),
        display_name: Some("New User".to_owned()),
        email: None,
        roles: vec!["wiki".to_owned()],
        password_hash: hash(),
    }
}

fn file(text: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("users.toml");
    fs::write(&path, text).unwrap();
    (folder, path)
}

#[test]
fn edits_keep_comments_and_order() {
    let (_folder, path) = file(START);
    let mut edit = UserFileEdit::open(&path).unwrap();
    edit.set_password(
        &name("alice"),
        "$2b$06$If6bvum7DFjUnE9p2uDeDu0YHzrHM6tf.iqN8.yx.jNN1ILEf7h0i",
    )
    .unwrap();
    edit.set_disabled(&name("bob"), true).unwrap();
    edit.add(new_user("carol")).unwrap();
    edit.save().unwrap();
    let text = fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "# Our people.");
    assert_eq!(lines[3], "name = \"alice\" # the boss");
    assert!(lines[5].starts_with("password = \"$2b$06$"));
    assert_eq!(lines[7], "# Away until May.");
    assert_eq!(lines[10], "disabled = true");
    assert_eq!(lines[12], "[[user]]");
    assert_eq!(lines[13], "name = \"carol\"");
    assert!(text.ends_with("roles = [\"wiki\"]\n"), "{text}");

    let mut edit = UserFileEdit::open(&path).unwrap();
    edit.set_disabled(&name("bob"), false).unwrap();
    edit.set_password(&name("alice"), &hash()).unwrap();
    edit.remove(&name("carol")).unwrap();
    edit.save().unwrap();
    let text = fs::read_to_string(&path).unwrap();
    assert!(
        !text.contains("disabled") && !text.contains("carol") && text.contains("# Away until May."),
        "{text}"
    );
}

#[test]
fn comments_stay_where_they_are_and_go_only_with_whom_they_are_about() {
    let comments = "# Who may sign in.\n#\n# [[user]]\n# name = \"alice\"\n";
    let (_folder, path) = file(comments);
    let text = || fs::read_to_string(&path).unwrap();
    let change = |change: &dyn Fn(&mut UserFileEdit)| {
        let mut edit = UserFileEdit::open(&path).unwrap();
        change(&mut edit);
        edit.save().unwrap();
    };
    for called in ["bob", "carol"] {
        change(&|edit| edit.add(new_user(called)).unwrap());
    }
    assert!(
        text().starts_with(&format!("{comments}\n[[user]]\nname = \"bob\"\n")),
        "{}",
        text()
    );
    assert!(text().contains("\n\n[[user]]\nname = \"carol\"\n"), "{}", text());
    for called in ["bob", "carol"] {
        change(&|edit| edit.remove(&name(called)).unwrap());
        assert!(text().starts_with(&format!("{comments}\n")), "{}", text());
    }
    assert_eq!(text().trim_end(), comments.trim_end());

    fs::write(&path, format!("{START}\n# The end.\n")).unwrap();
    change(&|edit| edit.remove(&name("alice")).unwrap());
    let left = "# Our people.\n\n# Away until May.\n[[user]]\nname = \"bob\"\n\n# The end.\n";
    assert_eq!(text(), left);
    change(&|edit| edit.remove(&name("bob")).unwrap());
    assert_eq!(text(), "# Our people.\n\n\n# The end.\n");
}

#[test]
fn what_cannot_be_done_changes_nothing() {
    let (_folder, path) = file(START);
    let mut edit = UserFileEdit::open(&path).unwrap();
    assert!(matches!(
        edit.add(new_user("alice")),
        Err(EditError::UserExists(_))
    ));
    assert!(matches!(
        edit.remove(&name("zoe")),
        Err(EditError::UnknownUser(_))
    ));
    assert!(matches!(
        edit.set_password(&name("zoe"), "x"),
        Err(EditError::UnknownUser(_))
    ));
    edit.set_password(&name("bob"), "no hash").unwrap();
    assert!(matches!(edit.save(), Err(EditError::Broken(_))));
    assert_eq!(fs::read_to_string(&path).unwrap(), START);

    let (_folder, path) = file("[[user]\n");
    assert!(matches!(UserFileEdit::open(&path), Err(EditError::Broken(_))));
}

#[test]
fn a_new_file_is_private_and_an_old_one_keeps_its_mode() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("users.toml");
    let mode = || fs::metadata(&path).unwrap().permissions().mode() & 0o777;
    let mut edit = UserFileEdit::open(&path).unwrap();
    edit.add(new_user("alice")).unwrap();
    edit.save().unwrap();
    assert_eq!(mode(), 0o600);
    fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
    let mut edit = UserFileEdit::open(&path).unwrap();
    edit.add(new_user("bob")).unwrap();
    edit.save().unwrap();
    assert_eq!(mode(), 0o640);
}

#[test]
fn a_link_stays_a_link_and_the_file_behind_it_keeps_its_owner() {
    let (folder, path) = file(START);
    let link = folder.path().join("link.toml");
    std::os::unix::fs::symlink("users.toml", &link).unwrap();
    // Only root can give a file away; anybody else keeps what is theirs already.
    let _ = std::os::unix::fs::chown(&path, Some(12_345), Some(54_321));
    let owner = |path| {
        let metadata = fs::metadata(path).unwrap();
        (metadata.uid(), metadata.gid())
    };
    let before = owner(&path);
    let mut edit = UserFileEdit::open(&link).unwrap();
    edit.add(new_user("carol")).unwrap();
    edit.save().unwrap();
    assert!(link.is_symlink() && !path.is_symlink());
    assert!(fs::read_to_string(&path).unwrap().contains("carol"));
    assert_eq!(owner(&path), before);

    fs::remove_file(&path).unwrap();
    let dangling = UserFileEdit::open(&link).unwrap_err();
    assert!(
        matches!(dangling, EditError::Io { action: "find", .. }),
        "{dangling}"
    );
    assert!(link.is_symlink() && !path.exists());
}

#[test]
fn users_in_a_form_that_cannot_be_edited_are_left_alone() {
    let text = "user = [{ name = \"alice\" }]\n";
    let (_folder, path) = file(text);
    assert!(matches!(UserFileEdit::open(&path), Err(EditError::Inline { .. })));
    assert_eq!(fs::read_to_string(&path).unwrap(), text);
}

#[test]
fn writers_at_the_same_time_lose_nothing() {
    let (_folder, path) = file("");
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let path = &path;
            scope.spawn(move || {
                for round in 0..10 {
                    let mut edit = UserFileEdit::open(path).unwrap();
                    edit.add(new_user(&format!("user-{writer}-{round}"))).unwrap();
                    edit.save().unwrap();
                }
            });
        }
    });
    assert_eq!(UserFile::load(&path, u64::MAX).unwrap().users().len(), 40);
}
