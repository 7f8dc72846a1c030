use std::{fs, os::unix::fs::PermissionsExt, time::Duration};

use super::*;

const TABLE: Table = Table::RefreshTokens;

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_unix_seconds(seconds)
}

fn record(owner: &str, id: &str, value: &str, expires: u64) -> Record {
    Record {
        key: Owner::of(owner).key(id),
        value: value.as_bytes().to_vec(),
        expires: at(expires),
    }
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(future)
}

fn open(folder: &tempfile::TempDir) -> Store {
    Store::open(&folder.path().join("state/tokens.redb")).unwrap()
}

#[test]
fn a_record_counts_until_its_end_and_is_its_owners() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder);
    let (one, two) = (record("alice", "1", "one", 20), record("alice", "2", "two", 10));
    let other = record("bob", "1", "other", 30);
    run(async {
        for record in [&one, &two, &other] {
            store.put(TABLE, record.clone(), at(0)).await.unwrap();
        }
    });
    assert_eq!(store.get(TABLE, &one.key, at(19)), Some(one.clone()));
    assert_eq!(
        store.get(TABLE, &one.key, at(20)),
        None,
        "not at its end any more"
    );
    assert_eq!(store.get(Table::RevokedTokens, &one.key, at(0)), None);
    let owners = |owner, now| run(store.of_owner(TABLE, Owner::of(owner), at(now))).unwrap();
    assert_eq!(owners("alice", 0), [two.clone(), one.clone()]);
    assert_eq!(owners("alice", 10), [one]);
    assert_eq!(owners("bob", 0), [other]);
    assert_eq!(owners("carol", 0), []);
    assert!(run(store.remove(TABLE, two.key)).unwrap());
    assert!(!run(store.remove(TABLE, two.key)).unwrap(), "it is gone already");
}

#[test]
fn of_several_who_replace_a_record_one_succeeds() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder);
    let first = record("alice", "1", "0", 100);
    run(store.put(TABLE, first.clone(), at(0))).unwrap();
    let succeeded: usize = std::thread::scope(|scope| {
        let tries = (0..16).map(|index| {
            let (store, first) = (&store, &first);
            scope.spawn(move || {
                let record = record("alice", "1", &format!("by {index}"), 100);
                usize::from(run(store.replace(TABLE, first, record)).unwrap())
            })
        });
        let tries: Vec<_> = tries.collect();
        tries.into_iter().map(|one| one.join().unwrap()).sum()
    });
    assert_eq!(succeeded, 1);
}

#[test]
fn what_was_answered_is_there_after_a_restart_and_what_was_taken_out_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state/tokens.redb");
    let (kept, gone, over) = (
        record("alice", "kept", "1", 100),
        record("alice", "gone", "2", 100),
        record("alice", "over", "3", 10),
    );
    {
        let store = open(&folder);
        assert!(
            !path.exists(),
            "nothing is made before there is something to remember"
        );
        run(async {
            for record in [&kept, &gone, &over] {
                store.put(TABLE, record.clone(), at(0)).await.unwrap();
            }
            let revoked = record("alice", "token", "", 50);
            store
                .take_back(vec![(Table::RevokedTokens, revoked)], &[(TABLE, gone.key)])
                .await
                .unwrap();
        });
        assert_eq!(store.sweep(at(10), 100), 1);
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let mode = fs::metadata(path.parent().unwrap()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
    }
    let store = open(&folder);
    assert_eq!(
        run(store.of_owner(TABLE, Owner::of("alice"), at(0))).unwrap(),
        [kept]
    );
    let token = Owner::of("alice").key("token");
    assert!(store.get(Table::RevokedTokens, &token, at(49)).is_some());
    assert_eq!(
        (store.len(TABLE), store.len(Table::RevokedTokens)),
        (1, 1),
        "what had expired is gone from the file as well"
    );
}

#[test]
fn whoever_takes_something_back_changes_the_generation_when_it_counts() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder);
    let before = store.generation();
    run(store.put(TABLE, record("alice", "1", "", 10), at(0))).unwrap();
    assert_eq!(store.generation(), before, "nothing was taken back");
    run(store.take_back(vec![(Table::RevokedTokens, record("alice", "1", "", 10))], &[])).unwrap();
    assert_ne!(store.generation(), before);
}

#[test]
fn a_damaged_file_is_named_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state/tokens.redb");
    run(open(&folder).put(TABLE, record("alice", "1", "one", 10), at(0))).unwrap();
    let whole = fs::read(&path).unwrap();
    let truncated = &whole[..whole.len() / 2];
    let mut scribbled = whole.clone();
    scribbled[64..512].fill(0xa5);
    for (what, bytes) in [
        ("empty", &b""[..]),
        ("no database", b"[[user]]\nname = \"alice\"\n"),
        ("truncated", truncated),
        ("scribbled over", &scribbled),
    ] {
        fs::write(&path, bytes).unwrap();
        let error = Store::open(&path).map(drop).unwrap_err();
        assert!(
            matches!(error, StoreError::Damaged { .. }),
            "{what}: {error} ({error:?})"
        );
        assert!(
            error.to_string().contains("tokens.redb is damaged"),
            "{what}: {error}"
        );
        assert_eq!(fs::read(&path).unwrap(), bytes, "{what}: it is left as it is");
    }
}

#[test]
fn two_gateways_do_not_write_one_file() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder);
    run(store.put(TABLE, record("alice", "1", "", 10), at(0))).unwrap();
    let path = folder.path().join("state/tokens.redb");
    let error = Store::open(&path).map(drop).unwrap_err();
    assert!(matches!(error, StoreError::InUse { .. }), "{error:?}");
}

#[test]
fn a_gateway_that_stops_lets_go_for_the_next_and_writes_what_nobody_else_can() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state/tokens.redb");
    let old = open(&folder);
    run(old.put(TABLE, record("alice", "1", "one", 10), at(0))).unwrap();
    old.release();
    run(old.put(TABLE, record("alice", "2", "two", 10), at(0))).unwrap();
    let new = Store::open(&path).unwrap();
    assert_eq!(new.len(TABLE), 2, "it has what was written before and after");
    assert!(run(old.put(TABLE, record("alice", "3", "three", 10), at(0))).is_err());
    run(new.put(TABLE, record("alice", "4", "four", 10), at(0))).unwrap();
    drop(old);
    drop(new);
    assert_eq!(open(&folder).len(TABLE), 3);
}

#[test]
fn where_nothing_can_be_written_nothing_is_promised_and_what_is_taken_back_counts_all_the_same() {
    let folder = tempfile::tempdir().unwrap();
    // A file stands where the folder would be: not even root can write there.
    let state = folder.path().join("state");
    fs::write(&state, "").unwrap();
    let error = Store::open(&state.join("tokens.redb")).map(drop).unwrap_err();
    assert!(matches!(error, StoreError::Unusable { .. }), "{error:?}");

    fs::remove_file(&state).unwrap();
    let store = open(&folder);
    fs::write(&state, "").unwrap();
    let token = record("alice", "1", "one", 1000);
    let revoked = record("alice", "2", "", 1000);
    run(async {
        assert!(store.put(TABLE, token.clone(), at(0)).await.is_err());
        assert_eq!(store.get(TABLE, &token.key, at(0)), None, "it was refused");
        let taken_back = store
            .take_back(vec![(Table::RevokedTokens, revoked.clone())], &[])
            .await;
        assert!(taken_back.is_err(), "a restart would forget it");
        assert!(store.get(Table::RevokedTokens, &revoked.key, at(0)).is_some());
        // The disk is well again: what was owed is written with whatever comes next.
        fs::remove_file(&state).unwrap();
        store.put(TABLE, token.clone(), at(0)).await.unwrap();
    });
    drop(store);
    let store = open(&folder);
    assert!(store.get(Table::RevokedTokens, &revoked.key, at(0)).is_some());
    assert!(store.get(TABLE, &token.key, at(0)).is_some());
}

#[test]
fn the_sweep_takes_as_many_as_it_may_and_no_live_one() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder);
    run(async {
        for end in 1..=30 {
            let name = end.to_string();
            store
                .put(TABLE, record("alice", &name, "", end), at(0))
                .await
                .unwrap();
            let ends = at(end).after(Duration::from_secs(1));
            let revoked = Record {
                expires: ends,
                ..record("alice", &name, "", end)
            };
            store
                .take_back(vec![(Table::RevokedTokens, revoked)], &[])
                .await
                .unwrap();
        }
    });
    assert_eq!(store.sweep(at(10), 4), 4);
    assert_eq!(
        store.sweep(at(10), 100),
        15,
        "10 of one table, 9 of the other, less 4"
    );
    assert_eq!(store.sweep(at(10), 100), 0);
    assert_eq!((store.len(TABLE), store.len(Table::RevokedTokens)), (20, 21));
}
