use std::{
    fs,
    net::{IpAddr, Ipv4Addr},
};

use super::*;
use crate::{
    identity::{Identity, Stamp},
    session::{CreateError, Device, NewSession, SessionStore, lifetime::Lifetime},
};

const LIFETIME: Lifetime = Lifetime {
    idle: Duration::from_secs(60),
    absolute: Duration::from_secs(300),
    remembered: true,
};

fn at(second: u64) -> Timestamp {
    Timestamp::from_unix_seconds(1_000_000 + second)
}

fn run<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread();
    { runtime }.build().unwrap().block_on(future)
}

fn open(folder: &tempfile::TempDir, most: usize) -> SessionStore {
    let store = Store::open(&folder.path().join("state/sessions.redb")).unwrap();
    SessionStore::File(FileStore::open(Arc::new(store), most).unwrap())
}

fn person(user: &str) -> Arc<Identity> {
    let name = UserName::parse(user).unwrap();
    let roles = vec!["staff".to_owned()];
    Arc::new(Identity::new(
        name,
        Some("Al\u{ef}ce".to_owned()),
        None,
        roles,
        Some(Stamp::of(["1"])),
    ))
}

fn sign_in(store: &SessionStore, user: &str, now: Timestamp) -> Result<NewSession, CreateError> {
    let device = Device::new("Mozilla/5.0 \u{fc}", IpAddr::from(Ipv4Addr::LOCALHOST).into());
    run(store.create(person(user), device, LIFETIME, now))
}

#[test]
fn a_session_is_the_same_after_a_restart_and_its_people_share_who_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let made = {
        let store = open(&folder, 20);
        [0, 1].map(|second| sign_in(&store, "alice", at(second)).unwrap())
    };
    let store = open(&folder, 20);
    let found = made
        .each_ref()
        .map(|new| run(store.find(&new.token.key(), at(2))).unwrap().unwrap());
    for (new, found) in made.iter().zip(&found) {
        let was = &new.session;
        assert_eq!(found.handle(), was.handle());
        assert_eq!(found.identity(), was.identity());
        assert_eq!(
            (found.created(), found.last_use()),
            (was.created(), was.last_use())
        );
        assert_eq!(found.lifetime(), was.lifetime());
        assert_eq!(found.device().user_agent, was.device().user_agent);
        assert_eq!(found.device().address, was.device().address);
    }
    assert!(Arc::ptr_eq(found[0].identity(), found[1].identity()));
}

#[test]
fn what_has_ended_does_not_come_back_whatever_ended_it() {
    let folder = tempfile::tempdir().unwrap();
    let (gone, kept) = {
        let store = open(&folder, 2);
        let [surplus, removed, kept] = [0, 1, 50].map(|second| sign_in(&store, "alice", at(second)).unwrap());
        run(store.remove(&removed.token.key())).unwrap();
        let all_of_bob = [0, 1].map(|second| sign_in(&store, "bob", at(second)).unwrap());
        assert_eq!(run(store.remove_user(&person("bob").username)).unwrap(), 2);
        let named = sign_in(&store, "carol", at(40)).unwrap();
        let ended = run(store.remove_where(|session| session.created() == at(40))).unwrap();
        assert_eq!(ended.len(), 1);
        let expired = sign_in(&store, "dave", at(0)).unwrap();
        while store.sweep(at(60), 100) > 0 {}
        let [bob_1, bob_2] = all_of_bob;
        ([surplus, removed, bob_1, bob_2, named, expired], kept)
    };
    let store = open(&folder, 2);
    for new in &gone {
        assert!(run(store.find(&new.token.key(), at(51))).unwrap().is_none());
    }
    assert!(run(store.find(&kept.token.key(), at(51))).unwrap().is_some());
    assert_eq!(store.len(), 1);
}

#[test]
fn uses_are_written_together_and_bring_nothing_back() {
    let folder = tempfile::tempdir().unwrap();
    let (used, ended, lately) = {
        let store = open(&folder, 20);
        let [used, ended, lately] = [(); 3].map(|()| sign_in(&store, "alice", at(0)).unwrap());
        for new in [&used, &ended] {
            new.session.renew(at(50));
        }
        lately.session.renew(at(2));
        let SessionStore::File(file) = &store else {
            panic!("it is kept in a file")
        };
        // As if it ended between the look and the write.
        let record = record(&ended.token.key(), &ended.session, at(50));
        run(store.remove(&ended.token.key())).unwrap();
        run(file.store.update(Table::Sessions, vec![record])).unwrap();
        run(store.write_uses()).unwrap();
        (used, ended, lately)
    };
    let store = open(&folder, 20);
    assert_eq!(
        run(store.find(&used.token.key(), at(60)))
            .unwrap()
            .unwrap()
            .last_use(),
        at(50)
    );
    assert!(run(store.find(&ended.token.key(), at(1))).unwrap().is_none());
    let lately = run(store.find(&lately.token.key(), at(10))).unwrap().unwrap();
    assert_eq!(lately.last_use(), at(0), "that little may be lost");
}

#[test]
fn where_nothing_can_be_written_nobody_is_signed_in_and_whoever_is_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    let store = open(&folder, 20);
    fs::write(&state, "a file in the folder's place").unwrap();
    assert!(matches!(
        sign_in(&store, "alice", at(0)),
        Err(CreateError::Store(_))
    ));
    assert_eq!(store.len(), 0);
    fs::remove_file(&state).unwrap();
    let new = sign_in(&store, "alice", at(0)).unwrap();
    assert!(run(store.find(&new.token.key(), at(1))).unwrap().is_some());
}

#[test]
fn a_session_that_cannot_be_read_is_said_and_nothing_starts_over_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state/sessions.redb");
    {
        let store = Store::open(&path).unwrap();
        let record = Record {
            key: Key::from_bytes([7; 32]),
            value: b"{}".to_vec(),
            expires: at(1000),
        };
        run(store.write(Table::Sessions, record)).unwrap();
    }
    let store = Arc::new(Store::open(&path).unwrap());
    let error = FileStore::open(store, 20).map(drop).unwrap_err();
    assert!(error.to_string().contains("sessions.redb is damaged"), "{error}");
}
