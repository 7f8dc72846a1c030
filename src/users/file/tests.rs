use proptest::prelude::*;

use super::*;

const HASH: &str = "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";

fn parse(text: &str) -> Result<UserFile, String> {
    let shown = |error: UserFileError| error.0.iter().map(|problem| format!("{problem}\n")).collect();
    UserFile::parse(text.to_owned(), Path::new("users.toml"), 1 << 20).map_err(shown)
}

fn name(name: &str) -> UserName {
    UserName::parse(name).unwrap()
}

#[test]
fn a_user_file_says_who_there_is() {
    let text = format!(
        "[[user]]\nname = \"alice\"\npassword = \"{HASH}\"\ndisplay_name = \"Alice Liddell\"\n\
         email = \"alice@example.com\"\nroles = [\"staff\", \"wiki\"]\n[[user]]\nname = \"bob\"\ndisabled = true\n"
    );
    let file = parse(&text).unwrap();
    let alice = file.find(&name("alice")).unwrap();
    assert_eq!(alice.identity().roles_joined(), "staff,wiki");
    assert_eq!(alice.name.as_deref(), Some("Alice Liddell"));
    assert!(alice.password.is_some() && !alice.disabled);
    let bob = file.find(&name("bob")).unwrap();
    assert!(bob.password.is_none() && bob.disabled && bob.roles.is_empty());
    assert!(file.find(&name("Alice")).is_none(), "names are compared exactly");
    assert!(parse("").unwrap().users().is_empty());
    assert!(!format!("{alice:?}").contains("c29tZXNhbHQ"));
}

#[test]
fn every_mistake_is_named_with_its_place_and_no_hash_is_shown() {
    let text = format!(
        "[[user]]\nname = \"alice\"\npassword = \"{HASH}\"\n\
         [[user]]\nnme = \"bob\"\n\
         [[user]]\nname = \"alice\"\n\
         [[user]]\nname = \"carol\\n\"\n\
         [[user]]\nname = \"dave\"\npassword = \"hunter2\"\n\
         [[user]]\nname = \"erin\"\npassword = \"$apr1$abcdefgh$xyz\"\n\
         [[user]]\nname = \"frank\"\nroles = [\"a,b\", \"\"]\nemail = \"x\\r\\nSet-Cookie: a=b\"\n\
         [[user]]\nname = \"grace\"\npassword = \"$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4\"\n\
         [users]\nx = 1\n"
    );
    let error = parse(&text).unwrap_err();
    for part in [
        "users.toml:4:1: this user has no `name`",
        "users.toml:5:1: unknown key `nme` in [[user]]",
        "hint: did you mean `name`?",
        "users.toml:6:1: there is another user called \"alice\"",
        "users.toml:9:8: a user name cannot",
        "users.toml:12:12: this is not a password hash; make one with `portcullis hash`",
        "users.toml:15:12: the hash format `$apr1$` is not supported",
        "set a new password with `portcullis user passwd erin`",
        "users.toml:18:10: a role cannot be empty or contain a comma",
        "users.toml:19:9: this cannot have control or invisible characters",
        "users.toml:22:12: checking this hash takes 64MiB, but there is room for 1MiB",
        "users.toml:23:2: unknown key `users`",
    ] {
        assert!(error.contains(part), "{part}\n--- is missing in\n{error}");
    }
    for secret in ["hunter2", "abcdefgh", "c29tZXNhbHQ"] {
        assert!(!error.contains(secret), "{error}");
    }
    let broken = parse("[[user]]\nname = \"a\"\npassword = \"hunter2\n").unwrap_err();
    assert!(
        broken.contains("users.toml:3:") && !broken.contains("hunter2"),
        "{broken}"
    );
}

#[test]
fn a_broken_file_is_read_once_and_again_when_it_has_changed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("users.toml");
    fs::write(&path, "[[user]]\nname = \"alice\"\n").unwrap();
    let directory = UserDirectory::open(&path, 1 << 20).unwrap();
    let alice = UserName::parse("alice").unwrap();
    // Broken, then whole under the same time and length: whoever had looked inside would have noticed.
    let write = |text: &str, second: u64| {
        fs::write(&path, text).unwrap();
        let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(second);
        let file = fs::File::options().write(true).open(&path).unwrap();
        file.set_modified(time).unwrap();
    };
    write("[[user]]\nname = \"alice\"?", 1);
    for _ in 0..2 {
        assert!(matches!(directory.find(&alice), Err(DirectoryError::Broken(_))));
    }
    write("[[user]]\nname = \"alice\"\n", 1);
    assert!(matches!(directory.find(&alice), Err(DirectoryError::Broken(_))));
    write("[[user]]\nname = \"alice\"\n", 2);
    assert!(directory.find(&alice).unwrap().is_some());
}

#[test]
fn a_changed_file_counts_from_the_next_sign_in_on_and_a_broken_one_lets_nobody_in() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("users.toml");
    let write = |text: &str| {
        let new = folder.path().join("new");
        fs::write(&new, text).unwrap();
        fs::rename(new, &path).unwrap();
    };
    write("[[user]]\nname = \"alice\"\n");
    let directory = UserDirectory::open(&path, 1 << 20).unwrap();
    assert!(directory.find(&name("alice")).unwrap().is_some());
    write("[[user]]\nname = \"alice\"\n[[user]]\nname = \"bob\"\n");
    assert!(directory.find(&name("bob")).unwrap().is_some());
    write("[[user]\nname = \"alice\"\n");
    for _ in 0..2 {
        assert!(matches!(
            directory.find(&name("alice")),
            Err(DirectoryError::Broken(_))
        ));
    }
    write("[[user]]\nname = \"bob\"\n");
    assert!(directory.find(&name("alice")).unwrap().is_none());
    fs::remove_file(&path).unwrap();
    assert!(matches!(
        directory.find(&name("bob")),
        Err(DirectoryError::Unreadable { .. })
    ));
}

#[test]
fn a_person_is_vouched_for_until_anything_about_them_changes() {
    let person = |more: &str| parse(&format!("[[user]]\nname = \"alice\"\n{more}\n")).unwrap();
    let password = format!("password = \"{HASH}\"");
    let other = format!("password = \"{}\"", HASH.replace("c29tZXNhbHQ", "b3RoZXJzYWx0"));
    let facts = [
        "",
        "roles = [\"staff\"]",
        "roles = [\"dev\"]",
        "roles = [\"staff\", \"dev\"]",
        "roles = [\"dev\", \"staff\"]",
        "display_name = \"staff\"",
        "email = \"staff\"",
        &password,
        &other,
        "disabled = true",
    ];
    for before in facts {
        let identity = person(before).find(&name("alice")).unwrap().identity();
        for after in facts {
            let same = before == after && before != "disabled = true";
            // Being enabled again is no reason to sign in again.
            let same = same || (before, after) == ("disabled = true", "");
            assert_eq!(
                person(after).vouches_for(&identity),
                same,
                "{before:?} then {after:?}"
            );
        }
        assert!(!parse("").unwrap().vouches_for(&identity));
        // Without a stamp there is only the name to go by.
        let unstamped = Identity::new(name("alice"), None, None, Vec::new(), None);
        assert!(person("roles = [\"other\"]").vouches_for(&unstamped));
        assert!(!person("disabled = true").vouches_for(&unstamped));
    }
}

/// A user file in a folder of its own, and a way to put another in its place.
fn open(text: &str) -> (tempfile::TempDir, UserDirectory) {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("users.toml"), text).unwrap();
    let directory = UserDirectory::open(&folder.path().join("users.toml"), 1 << 20).unwrap();
    (folder, directory)
}

fn change(directory: &UserDirectory, text: &str) -> Result<(), DirectoryError> {
    let new = directory.path.with_extension("new");
    fs::write(&new, text).unwrap();
    fs::rename(new, &directory.path).unwrap();
    directory.refresh()
}

const ALICE: &str = "[[user]]\nname = \"alice\"\n";
const DISABLED: &str = "[[user]]\nname = \"alice\"\ndisabled = true\n";

#[test]
fn whom_a_directory_vouches_for_is_looked_up_again_after_a_change_and_by_every_other() {
    let (_folder, directory) = open(ALICE);
    let (_other_folder, other) = open("");
    let alice = directory.find(&name("alice")).unwrap().unwrap().identity();
    let is_remembered = || alice.was_vouched_for_in(directory.generation.load(Ordering::Relaxed));
    assert!(!is_remembered());
    assert!(directory.vouches_for(&alice) && is_remembered());
    assert!(!other.vouches_for(&alice), "another one has never heard of her");
    for (text, vouches) in [
        (ALICE, true),
        ("[[user]]\nname = \"alice\"\n[[user]]\nname = \"bob\"\n", true),
        (DISABLED, false),
        (ALICE, true),
        ("", false),
        ("[[user]]\nname = \"alice\"\nroles = [\"staff\"]\n", false),
        (ALICE, true),
    ] {
        change(&directory, text).unwrap();
        assert!(!is_remembered(), "{text}");
        for _ in 0..2 {
            assert_eq!(directory.vouches_for(&alice), vouches, "{text}");
            assert_eq!(is_remembered(), vouches, "{text}");
        }
    }
    change(&directory, "[[user]\n").unwrap_err();
    assert!(is_remembered(), "what is broken changes nothing");
    let again = directory.current().find(&name("alice")).unwrap().identity();
    assert!(
        Arc::ptr_eq(&again, &directory.current().users()[0].identity()),
        "all sessions have one"
    );
}

#[test]
fn a_change_counts_at_once_whoever_else_is_asking() {
    let (_folder, directory) = open(ALICE);
    let alice = directory.find(&name("alice")).unwrap().unwrap().identity();
    let done = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while done.load(Ordering::Relaxed) == 0 {
                    directory.vouches_for(&alice);
                }
            });
        }
        let counts = (0..200).all(|_| {
            change(&directory, DISABLED).unwrap();
            let disabled = !directory.vouches_for(&alice);
            change(&directory, ALICE).unwrap();
            disabled && directory.vouches_for(&alice)
        });
        done.store(1, Ordering::Relaxed);
        assert!(counts);
    });
}

/// Hashes of three formats and costs, and somebody without one.
const MIXED: &str = "\
    [[user]]\nname = \"alice\"\npassword = \"$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4\"\n\
    [[user]]\nname = \"bob\"\npassword = \"$2a$06$If6bvum7DFjUnE9p2uDeDu0YHzrHM6tf.iqN8.yx.jNN1ILEf7h0i\"\n\
    [[user]]\nname = \"carol\"\n\
    [[user]]\nname = \"dave\"\npassword = \"$argon2i$v=19$m=512,t=2,p=1$c29tZXNhbHQ$iekCn0Y3spW+sCcFanM2xBT63UP2sghkUoHLIUpWRS8\"\n";

#[test]
fn a_name_without_a_hash_is_always_lent_the_same_and_all_names_together_every_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("users.toml");
    fs::write(&path, MIXED).unwrap();
    let directory = UserDirectory {
        lending: RandomState::with_seeds(1, 2, 3, 4),
        ..UserDirectory::open(&path, 1 << 20).unwrap()
    };
    let hashes = directory.current().hashes.clone();
    assert_eq!(hashes.len(), 3);
    let lent = |name: &str| {
        let hash = directory.lent_hash(name).unwrap();
        hashes.iter().position(|other| *other == hash).unwrap()
    };
    // A user without a password is treated like a name that nobody has.
    for name in ["carol", "zoe", "", "not a name\n"] {
        let first = lent(name);
        assert!((0..100).all(|_| lent(name) == first), "{name:?}");
    }
    let mut counts = [0; 3];
    for number in 0..3000 {
        counts[lent(&format!("user-{number}"))] += 1;
    }
    assert!(
        counts.iter().all(|count| (850..1150).contains(count)),
        "in the proportions of the file: {counts:?}"
    );

    // Another process chooses otherwise: nobody can find out beforehand what a name costs.
    let other = UserDirectory {
        lending: RandomState::with_seeds(5, 6, 7, 8),
        ..UserDirectory::open(&path, 1 << 20).unwrap()
    };
    let differs =
        |number: &i32| other.lent_hash(&number.to_string()) != directory.lent_hash(&number.to_string());
    assert!((0..100).any(|number| differs(&number)));

    fs::write(&path, "[[user]]\nname = \"carol\"\n").unwrap();
    directory.refresh().unwrap();
    assert_eq!(directory.lent_hash("zoe"), None, "there is none to lend");
}

#[test]
fn a_file_that_is_no_toml_is_told_so_without_a_line_of_it() {
    for (text, said) in [
        (
            "[[user]\nname = \"alice\"\n",
            "error: users.toml:1:8: unclosed array table, expected `]`\n 1 | …\n   | ^\n",
        ),
        (
            "[[user]]\nname = \"a\"\npassword = \"hunter2\n",
            "error: users.toml:3:20: invalid basic string, expected `\"`\n 3 | password = …\n   |            ^\n",
        ),
        (
            "alice:hunter2\n",
            "error: users.toml:1:6: invalid unquoted key, expected letters, numbers, `-`, `_`\n 1 | …\n   | ^\n",
        ),
        (
            "# ours\n\nalice:$2y$06$If6bvum7DFjUnE9p2uDeDu0YHzrHM6tf.iqN8.yx.jNN1ILEf7h0i\nbob:$apr1$a$b\n",
            "error: users.toml: this is an .htpasswd file, which cannot be used as it is\n  = hint: take its users over: portcullis user import --htpasswd FILE\n",
        ),
    ] {
        let error = parse(text).unwrap_err();
        assert!(error.starts_with(said), "{error}");
        assert!(
            !error.contains("hunter2") && !error.contains("If6bvum"),
            "{error}"
        );
    }
    let error = UserFile::parse("[[user]]\n[[user]]\n".to_owned(), Path::new("u"), 1).unwrap_err();
    assert_eq!(
        error.to_string(),
        "u:1:1: this user has no `name`; u:2:1: this user has no `name`",
        "one line for the log"
    );
}

proptest! {
    #[test]
    fn no_text_makes_the_reader_panic(text in "(\\[\\[user\\]\\]\n)?(name|password|roles|disabled)? ?=? ?\\PC{0,60}") {
        let _ = parse(&text);
    }
}
