use std::fs;

use secrecy::ExposeSecret;

use super::*;

const NOW: Timestamp = Timestamp::from_unix_seconds(1_800_000_000);
const DAY: Duration = Duration::from_secs(24 * 3600);

fn person(name: &str) -> Arc<Identity> {
    let name = UserName::parse(name).unwrap();
    Arc::new(Identity::new(
        name,
        None,
        None,
        vec!["staff".to_owned()],
        Some(Stamp::of(["1"])),
    ))
}

fn open(folder: &tempfile::TempDir) -> PersonalTokens {
    PersonalTokens::open(folder.path().join("tokens")).unwrap()
}

fn new(name: &str) -> NewToken<'_> {
    NewToken {
        name,
        scopes: None,
        lifetime: DAY,
    }
}

fn issue(tokens: &PersonalTokens, user: &str, name: &str) -> (Arc<PersonalToken>, String) {
    let (token, text) = tokens.issue(&person(user), new(name), NOW).unwrap();
    (token, text.expose_secret().to_owned())
}

fn counts(tokens: &PersonalTokens, text: &str) -> bool {
    tokens.find(text, NOW).is_some()
}

#[test]
fn one_counts_until_its_end_and_is_what_it_was_made_to_be() {
    let folder = tempfile::tempdir().unwrap();
    let tokens = open(&folder);
    let scoped = NewToken {
        scopes: Some(vec!["wiki".to_owned()]),
        ..new("  backup \u{fc}")
    };
    let (made, text) = tokens.issue(&person("alice"), scoped, NOW).unwrap();
    let text = text.expose_secret();
    assert!(text.starts_with(PREFIX) && text.len() == 47, "{text}");
    assert_eq!(made.name, "backup \u{fc}");
    // The same after a restart.
    for tokens in [&tokens, &open(&folder)] {
        let last = Timestamp::from_unix_millis(NOW.after(DAY).unix_millis() - 1);
        let found = tokens.find(text, last).unwrap();
        assert_eq!(
            (&found.id, &found.name, &found.user),
            (&made.id, &made.name, &made.user)
        );
        assert_eq!(found.last_use(), None);
        assert!(tokens.find(text, NOW.after(DAY)).is_none());
        let bearer = found.bearer(|_| Some(person("alice"))).unwrap();
        assert_eq!(bearer.scopes.as_deref(), Some(&["wiki".to_owned()][..]));
        assert_eq!(bearer.identity.roles, ["staff"]);
        assert!(tokens.find(&text[..46], NOW).is_none());
        assert!(tokens.find(&made.id, NOW).is_none());
    }
    let file = fs::read_dir(folder.path().join("tokens"))
        .unwrap()
        .next()
        .unwrap()
        .unwrap();
    let said = fs::read_to_string(file.path()).unwrap();
    assert!(
        said.contains("backup") && !said.contains(&text[PREFIX.len()..]),
        "{said}"
    );
}

#[test]
fn it_stands_for_nobody_once_its_owner_is_another() {
    let folder = tempfile::tempdir().unwrap();
    let (token, _) = issue(&open(&folder), "alice", "x");
    let name = || UserName::parse("alice").unwrap();
    let changed = Identity::new(name(), None, None, Vec::new(), Some(Stamp::of(["2"])));
    assert!(token.bearer(|_| Some(Arc::new(changed))).is_none());
    let unstamped = Identity::new(name(), None, None, Vec::new(), None);
    assert!(token.bearer(|_| Some(Arc::new(unstamped))).is_none());
    assert!(token.bearer(|_| None).is_none());
    assert!(token.bearer(|_| Some(person("alice"))).is_some());
}

#[test]
fn whoever_removes_the_file_ends_the_token_for_every_gateway_that_shares_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    let (tokens, other) = (open(&folder), open(&folder));
    let (one, one_text) = issue(&tokens, "alice", "one");
    let (_, two_text) = issue(&tokens, "alice", "two");
    let (_, bobs_text) = issue(&tokens, "bob", "three");
    assert!(!counts(&other, &one_text), "it has not looked yet");
    other.refresh().unwrap();
    assert!(
        [&one_text, &two_text, &bobs_text]
            .iter()
            .all(|text| counts(&other, text))
    );

    let bob = UserName::parse("bob").unwrap();
    assert!(!tokens.revoke(&bob, &one.id, NOW).unwrap(), "it is not bob's");
    assert!(tokens.revoke(&one.user, &one.id, NOW).unwrap());
    assert!(!tokens.revoke(&one.user, &one.id, NOW).unwrap());
    assert!(!counts(&tokens, &one_text) && counts(&tokens, &two_text));
    other.refresh().unwrap();
    assert!(!counts(&other, &one_text) && counts(&other, &two_text));

    tokens.revoke_all(&one.user, NOW).unwrap();
    assert!(!counts(&tokens, &two_text) && counts(&tokens, &bobs_text));
    let file = fs::read_dir(folder.path().join("tokens"))
        .unwrap()
        .next()
        .unwrap()
        .unwrap();
    fs::remove_file(file.path()).unwrap();
    tokens.refresh().unwrap();
    assert!(!counts(&tokens, &bobs_text));
}

#[test]
fn when_it_was_used_last_is_remembered_and_brings_no_removed_one_back() {
    let folder = tempfile::tempdir().unwrap();
    let tokens = open(&folder);
    let (_, used) = issue(&tokens, "alice", "used");
    let (removed, text) = issue(&tokens, "alice", "removed");
    issue(&tokens, "alice", "unused");
    let later = NOW.after(Duration::from_secs(90));
    for text in [&used, &text] {
        tokens.find(text, later).unwrap().note_use(later);
    }
    tokens.find(&used, NOW).unwrap().note_use(NOW);
    let path = folder.path().join("tokens").join(format!("{}.json", removed.id));
    fs::remove_file(&path).unwrap();
    tokens.tidy(later).unwrap();
    assert!(!path.exists());
    let uses: Vec<_> = open(&folder)
        .all(later)
        .iter()
        .map(|token| (token.name.clone(), token.last_use()))
        .collect();
    assert!(uses.contains(&("used".to_owned(), Some(later))), "{uses:?}");
    assert!(
        uses.contains(&("unused".to_owned(), None)) && uses.len() == 2,
        "{uses:?}"
    );
    tokens.tidy(NOW.after(DAY)).unwrap();
    assert_eq!(
        fs::read_dir(folder.path().join("tokens")).unwrap().count(),
        0,
        "they are over"
    );
}

#[test]
fn a_broken_file_is_named_and_its_token_does_not_count_but_all_others_do() {
    let folder = tempfile::tempdir().unwrap();
    let tokens = open(&folder);
    let (_, good) = issue(&tokens, "alice", "good");
    let (bad, bad_text) = issue(&tokens, "alice", "bad");
    let path = folder.path().join("tokens").join(format!("{}.json", bad.id));
    let whole = fs::read_to_string(&path).unwrap();
    for (what, text) in [
        ("empty", String::new()),
        ("no JSON", "user = \"alice\"".to_owned()),
        ("cut", whole[..whole.len() / 2].to_owned()),
        ("another's id", whole.replace(&bad.id, "other")),
        ("no hash", whole.replace("\"sha256\": \"", "\"sha256\": \"x")),
        ("an unknown member", whole.replacen('{', "{ \"admin\": true,", 1)),
    ] {
        // Another inode, as an editor makes it.
        let draft = path.with_extension("new");
        fs::write(&draft, text).unwrap();
        fs::rename(&draft, &path).unwrap();
        let error = tokens.refresh().unwrap_err().to_string();
        assert!(error.contains(&bad.id), "{what}: {error}");
        assert!(counts(&tokens, &good) && !counts(&tokens, &bad_text), "{what}");
        let opened = PersonalTokens::open(folder.path().join("tokens"));
        assert!(opened.is_err(), "{what}: nobody starts over it unawares");
    }
}

#[test]
fn what_is_no_token_is_not_made() {
    let folder = tempfile::tempdir().unwrap();
    let tokens = open(&folder);
    let alice = person("alice");
    let long = "x".repeat(MAX_NAME + 1);
    for name in ["", "   ", "a\nb", "a\u{202e}b", &long] {
        let made = tokens.issue(&alice, new(name), NOW);
        assert!(matches!(made, Err(PersonalError::Name)), "{name:?}");
    }
    for lifetime in [
        Duration::ZERO,
        Duration::from_secs(59),
        MAX_LIFETIME + DAY,
        Duration::MAX,
    ] {
        let new = NewToken { lifetime, ..new("x") };
        let made = tokens.issue(&alice, new, NOW);
        assert!(matches!(made, Err(PersonalError::Lifetime)), "{lifetime:?}");
    }
    for number in 0..MOST {
        tokens.issue(&alice, new(&number.to_string()), NOW).unwrap();
    }
    assert!(matches!(
        tokens.issue(&alice, new("one more"), NOW),
        Err(PersonalError::TooMany)
    ));
    tokens.issue(&person("bob"), new("his first"), NOW).unwrap();
}
