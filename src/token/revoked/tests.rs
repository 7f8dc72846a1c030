use std::time::Duration;

use super::*;

const NOW: Timestamp = Timestamp::from_unix_seconds(1_800_000_000);

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(future)
}

fn revocations(folder: &tempfile::TempDir) -> Revocations {
    let store = Store::open(&folder.path().join("tokens.redb")).unwrap();
    Revocations::new(Arc::new(store))
}

fn user(name: &str) -> UserName {
    UserName::parse(name).unwrap()
}

fn token(id: &str, grant: Option<&str>, issued: u64) -> OwnToken {
    OwnToken::new(id, grant, issued, issued + 900, None)
}

#[test]
fn a_token_that_was_taken_back_is_covered_at_once_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let revoked = revocations(&folder);
    let seconds = NOW.unix_seconds();
    let (alice, bob) = (user("alice"), user("bob"));
    let (one, two) = (token("1", Some("g"), seconds), token("2", Some("g"), seconds));
    let same_id = token("1", Some("g"), seconds);
    for one in [&one, &two] {
        assert!(!revoked.cover(one, &alice, NOW), "nothing was taken back");
    }
    let until = NOW.after(Duration::from_secs(930));
    run(revoked.revoke(&one, &alice, until)).unwrap();
    assert!(revoked.cover(&one, &alice, NOW), "though it had passed before");
    assert!(!revoked.cover(&two, &alice, NOW));
    assert!(
        !revoked.cover(&same_id, &bob, NOW),
        "it is alice's that was taken back"
    );

    run(revoked.revoke_grant(Owner::of("alice"), "g", until, &[])).unwrap();
    assert!(revoked.cover(&two, &alice, NOW));
    assert!(!revoked.cover(&token("3", Some("h"), seconds), &alice, NOW));
    assert!(
        !revoked.cover(&token("g", None, seconds), &alice, NOW),
        "a name of another kind"
    );
}

#[test]
fn it_is_remembered_for_as_long_as_the_token_would_have_lived_over_a_restart_too() {
    let folder = tempfile::tempdir().unwrap();
    let alice = user("alice");
    let one = token("1", None, NOW.unix_seconds());
    let until = NOW.after(Duration::from_secs(930));
    run(revocations(&folder).revoke(&one, &alice, until)).unwrap();
    let revoked = revocations(&folder);
    assert!(revoked.cover(&token("1", None, NOW.unix_seconds()), &alice, NOW));
    assert_eq!(revoked.store.sweep(until, 10), 1);
    assert!(revoked.store.is_empty(Table::RevokedTokens));
}

#[test]
fn signing_out_everywhere_covers_what_was_made_until_then_and_nothing_later() {
    let folder = tempfile::tempdir().unwrap();
    let revoked = revocations(&folder);
    let seconds = NOW.unix_seconds();
    let (alice, bob) = (user("alice"), user("bob"));
    assert_eq!(revoked.date(&alice, NOW), seconds);
    run(revoked.revoke_all(&alice, &[], NOW, NOW)).unwrap();
    for (issued, user, covered) in [
        (seconds - 1, &alice, true),
        (seconds, &alice, true),
        (seconds + 1, &alice, false),
        (seconds - 1, &bob, false),
    ] {
        let token = token("1", None, issued);
        assert_eq!(revoked.cover(&token, user, NOW), covered, "{issued} {user}");
    }
    // Whoever signs in again in the same second has a token that counts.
    assert_eq!(revoked.date(&alice, NOW), seconds + 1);
    assert_eq!(
        revoked.date(&alice, NOW.after(Duration::from_secs(5))),
        seconds + 5
    );
    assert_eq!(revoked.date(&bob, NOW), seconds);
    run(revoked.revoke_all(&alice, &[], NOW, NOW)).unwrap();
    assert!(
        revoked.cover(&token("2", None, seconds + 1), &alice, NOW),
        "made between the two"
    );
    assert_eq!(revoked.date(&alice, NOW), seconds + 2);
}

/// Somebody refreshes at the moment of it: the store has the sign-in, but the token is dated later.
#[test]
fn signing_out_everywhere_ends_sign_ins_that_are_just_being_used() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(Store::open(&folder.path().join("tokens.redb")).unwrap());
    let revoked = Revocations::new(Arc::clone(&store));
    let tokens = RefreshTokens::new(store, Some(Duration::from_secs(1000)), 20);
    let alice = user("alice");
    let person = crate::identity::Identity::new(alice.clone(), None, None, Vec::new(), None);
    let (grant, _) = run(tokens.begin(&person, None, &["pwd"], NOW)).unwrap().unwrap();
    let until = NOW.after(Duration::from_secs(930));
    let grants = run(tokens.of_user(&alice, NOW)).unwrap();
    run(revoked.revoke_all(&alice, &grants, until, NOW)).unwrap();
    let dated_later = token("1", Some(&grant.id), revoked.date(&alice, NOW));
    assert!(revoked.cover(&dated_later, &alice, NOW));
    assert!(run(tokens.of_user(&alice, NOW)).unwrap().is_empty());
}
