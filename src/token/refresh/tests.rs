use secrecy::ExposeSecret;

use super::*;

const NOW: Timestamp = Timestamp::from_unix_seconds(1_800_000_000);
const LIFETIME: Duration = Duration::from_secs(1000);

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(future)
}

fn person(name: &str) -> Identity {
    let name = UserName::parse(name).unwrap();
    Identity::new(name, None, None, Vec::new(), Some(Stamp::of(["x"])))
}

fn tokens(folder: &tempfile::TempDir, most: usize) -> RefreshTokens {
    let store = Store::open(&folder.path().join("tokens.redb")).unwrap();
    RefreshTokens::new(Arc::new(store), Some(LIFETIME), most)
}

fn begin(tokens: &RefreshTokens, user: &str, now: Timestamp) -> (Grant, SecretString) {
    run(tokens.begin(&person(user), Some("a b"), &["pwd"], now))
        .unwrap()
        .unwrap()
}

#[test]
fn each_is_good_once_and_brings_the_next_until_the_grant_is_over() {
    let folder = tempfile::tempdir().unwrap();
    let tokens = tokens(&folder, 20);
    let (begun, mut token) = begin(&tokens, "alice", NOW);
    for use_ in 1..10 {
        let now = NOW.after(LIFETIME / 10 * use_);
        let found = run(tokens.find(token.expose_secret(), now)).unwrap();
        assert_eq!(found.grant, begun);
        let (grant, next) = run(tokens.redeem(found)).unwrap();
        assert_eq!(grant, begun, "it stays what it was");
        assert_ne!(next.expose_secret(), token.expose_secret());
        token = next;
    }
    let end = NOW.after(LIFETIME);
    let last = Timestamp::from_unix_millis(end.unix_millis() - 1);
    assert!(run(tokens.find(token.expose_secret(), last)).is_ok());
    assert!(matches!(
        run(tokens.find(token.expose_secret(), end)),
        Err(RefreshError::Unknown)
    ));
}

#[test]
fn one_that_was_used_is_recognised_however_many_came_after_it_and_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let used: Vec<SecretString> = {
        let tokens = tokens(&folder, 20);
        let (_, mut token) = begin(&tokens, "alice", NOW);
        let uses = (0..5).map(|_| {
            let found = run(tokens.find(token.expose_secret(), NOW)).unwrap();
            let (_, next) = run(tokens.redeem(found)).unwrap();
            std::mem::replace(&mut token, next)
        });
        uses.collect()
    };
    let tokens = tokens(&folder, 20);
    for token in used {
        let Err(RefreshError::Reused(reused)) = run(tokens.find(token.expose_secret(), NOW)) else {
            panic!("it was used");
        };
        assert_eq!(reused.grant.user.as_str(), "alice");
    }
}

#[test]
fn of_many_who_use_one_at_once_one_succeeds_and_all_others_are_found_out() {
    let folder = tempfile::tempdir().unwrap();
    let tokens = tokens(&folder, 20);
    for _ in 0..20 {
        let (_, token) = begin(&tokens, "alice", NOW);
        let results: Vec<_> = std::thread::scope(|scope| {
            let uses = (0..8).map(|_| {
                let (tokens, token) = (&tokens, &token);
                scope.spawn(move || {
                    run(async {
                        tokens
                            .redeem(tokens.find(token.expose_secret(), NOW).await?)
                            .await
                    })
                })
            });
            let uses: Vec<_> = uses.collect();
            uses.into_iter().map(|one| one.join().unwrap()).collect()
        });
        assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
        for error in results.into_iter().filter_map(Result::err) {
            assert!(matches!(error, RefreshError::Reused(_)), "{error}");
        }
    }
}

#[test]
fn what_is_none_of_ours_is_unknown_whatever_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let tokens = tokens(&folder, 20);
    let (_, token) = begin(&tokens, "alice", NOW);
    let token = token.expose_secret();
    let bytes = URL_SAFE_NO_PAD.decode(&token[PREFIX.len()..]).unwrap();
    let changed = |at: usize| {
        let mut bytes = bytes.clone();
        bytes[at] ^= 1;
        [PREFIX, &URL_SAFE_NO_PAD.encode(bytes)].concat()
    };
    let long = "A".repeat(1 << 20);
    for (what, shown) in [
        ("nothing", String::new()),
        ("the prefix", PREFIX.to_owned()),
        ("no prefix", token[PREFIX.len()..].to_owned()),
        ("another prefix", format!("pcp_{}", &token[4..])),
        ("cut", token[..token.len() - 1].to_owned()),
        ("longer", format!("{token}A")),
        ("no base64", format!("{}!", &token[..token.len() - 1])),
        ("a megabyte", format!("{PREFIX}{long}")),
        ("another owner", changed(0)),
        ("another grant", changed(16)),
    ] {
        let found = run(tokens.find(&shown, NOW));
        assert!(matches!(found, Err(RefreshError::Unknown)), "{what}: {found:?}");
    }
    // Its secret is what tells the one that can be used from those that were.
    assert!(matches!(
        run(tokens.find(&changed(32), NOW)),
        Err(RefreshError::Reused(_))
    ));
}

#[test]
fn an_access_tokens_name_for_the_grant_opens_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let tokens = tokens(&folder, 20);
    let (grant, token) = begin(&tokens, "alice", NOW);
    let bytes = URL_SAFE_NO_PAD
        .decode(&token.expose_secret()[PREFIX.len()..])
        .unwrap();
    let name = URL_SAFE_NO_PAD.decode(&grant.id).unwrap();
    assert!(!bytes.windows(name.len()).any(|window| window == name));
    let found = run(tokens.find_grant(&grant.user, &grant.id, NOW))
        .unwrap()
        .unwrap();
    assert_eq!(found.grant, grant);
    let (bob, other) = (UserName::parse("bob").unwrap(), "A".repeat(22));
    assert!(run(tokens.find_grant(&bob, &grant.id, NOW)).unwrap().is_none());
    assert!(
        run(tokens.find_grant(&grant.user, &other, NOW))
            .unwrap()
            .is_none()
    );
}

#[test]
fn a_users_oldest_goes_where_they_have_too_many() {
    let folder = tempfile::tempdir().unwrap();
    let tokens = tokens(&folder, 3);
    let begun: Vec<_> = (0..5)
        .map(|second| begin(&tokens, "alice", NOW.after(Duration::from_secs(second))).1)
        .collect();
    let (_, other) = begin(&tokens, "bob", NOW);
    let counts = |token: &SecretString| run(tokens.find(token.expose_secret(), NOW)).is_ok();
    assert_eq!(
        begun.iter().map(counts).collect::<Vec<_>>(),
        [false, false, true, true, true]
    );
    assert!(counts(&other));
}

#[test]
fn the_store_has_no_token_in_it() {
    let folder = tempfile::tempdir().unwrap();
    let token = {
        let tokens = tokens(&folder, 20);
        let (_, token) = begin(&tokens, "alice", NOW);
        let found = run(tokens.find(token.expose_secret(), NOW)).unwrap();
        run(tokens.redeem(found)).unwrap().1
    };
    let file = std::fs::read(folder.path().join("tokens.redb")).unwrap();
    let contains = |needle: &[u8]| file.windows(needle.len()).any(|window| window == needle);
    let text = &token.expose_secret()[PREFIX.len()..];
    let bytes = URL_SAFE_NO_PAD.decode(text).unwrap();
    assert!(contains(b"alice"), "the file is what is looked at");
    let secret = &bytes[32..];
    assert!(!contains(&text.as_bytes()[43..]) && !contains(secret));
    let listed = serde_json::to_string(secret).unwrap();
    assert!(!contains(listed.trim_matches(['[', ']']).as_bytes()));
}
