use std::{
    net::{IpAddr, Ipv4Addr},
    sync::Barrier,
    time::Duration,
};

use super::*;
use crate::{
    identity::Identity,
    session::{Device, NewSession, SessionStore, file::FileStore, lifetime::Lifetime},
    store::Store,
};

const LIFETIME: Lifetime = Lifetime {
    idle: Duration::from_secs(60),
    absolute: Duration::from_secs(300),
    remembered: false,
};

fn at(second: u64) -> Timestamp {
    Timestamp::from_unix_seconds(1_000_000 + second)
}

/// One of each kind: what holds of one holds of all.
fn stores(max_per_user: usize) -> Vec<Kept> {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(Store::open(&folder.path().join("sessions.redb")).unwrap());
    let file = FileStore::open(store, max_per_user).unwrap();
    vec![
        Kept {
            store: SessionStore::Memory(MemoryStore::new(max_per_user)),
            _folder: None,
        },
        Kept {
            store: SessionStore::File(file),
            _folder: Some(folder),
        },
    ]
}

/// A store, and where it is kept for as long as the test lasts.
struct Kept {
    store: SessionStore,
    _folder: Option<tempfile::TempDir>,
}

fn sign_in(store: &SessionStore, user: &str, now: Timestamp) -> NewSession {
    let name = UserName::parse(user).unwrap();
    let identity = Arc::new(Identity::new(name, None, None, Vec::new(), None));
    let device = Device::new("test", IpAddr::V4(Ipv4Addr::LOCALHOST).into());
    run(store.create(identity, device, LIFETIME, now)).unwrap()
}

fn run<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread();
    { runtime }.build().unwrap().block_on(future)
}

fn is_live(store: &SessionStore, new: &NewSession, now: Timestamp) -> bool {
    run(store.find(&new.token.key(), now)).is_some()
}

#[test]
fn a_session_lives_until_idle_or_absolute_expiry_and_a_use_renews_only_the_first() {
    for Kept { store, _folder } in stores(20) {
        let session = sign_in(&store, "alice", at(0));
        assert!(is_live(&store, &session, at(59)));
        assert!(!is_live(&store, &session, at(60)));
        for used in [50, 100, 150, 200, 250, 290] {
            assert!(is_live(&store, &session, at(used)));
            session.session.renew(at(used));
        }
        assert!(is_live(&store, &session, at(299)));
        assert!(!is_live(&store, &session, at(300)));
    }
}

#[test]
fn sweeping_takes_out_what_has_ended_in_steps_and_nothing_else() {
    for Kept { store, _folder } in stores(2000) {
        let sessions: Vec<_> = (0..1000).map(|_| sign_in(&store, "alice", at(0))).collect();
        for session in sessions.iter().take(300) {
            session.session.renew(at(50));
        }
        assert_eq!(store.sweep(at(59), 100), 0, "nothing is due yet");
        assert_eq!(
            store.sweep(at(60), 100),
            100,
            "a step is as large as it was allowed to be"
        );
        while store.sweep(at(60), 100) > 0 {}
        assert_eq!(store.len(), 300, "renewed sessions stay");
        while store.sweep(at(110), 100) > 0 {}
        assert_eq!(store.len(), 0);
        assert_eq!(
            run(store.remove_user(&UserName::parse("alice").unwrap())).unwrap(),
            0,
            "the index is empty too"
        );
    }
}

#[test]
fn the_oldest_session_goes_when_a_user_has_too_many() {
    for Kept { store, _folder } in stores(2) {
        let [first, second, third] = [0, 1, 2].map(|second| sign_in(&store, "alice", at(second)));
        let other = sign_in(&store, "bob", at(3));
        let live = [&first, &second, &third, &other].map(|session| is_live(&store, session, at(4)));
        assert_eq!(live, [false, true, true, true]);
    }
}

#[test]
fn one_session_or_all_of_a_user_can_be_ended() {
    for Kept { store, _folder } in stores(20) {
        let [first, second, third] = [0, 1, 2].map(|second| sign_in(&store, "alice", at(second)));
        let other = sign_in(&store, "bob", at(3));
        assert!(run(store.remove(&first.token.key())).unwrap().is_some());
        assert!(run(store.remove(&first.token.key())).unwrap().is_none());
        assert!(!is_live(&store, &first, at(4)));
        assert_eq!(
            run(store.remove_user(&UserName::parse("alice").unwrap())).unwrap(),
            2
        );
        let live = [&second, &third, &other].map(|session| is_live(&store, session, at(4)));
        assert_eq!(live, [false, false, true]);
    }
}

#[test]
fn a_session_is_looked_at_once_it_has_ended_and_not_before() {
    for millis in [0, 1, 499, 999] {
        for Kept { store, _folder } in stores(20) {
            let start = Timestamp::from_unix_millis(1_000_000_000 + millis);
            let end = start.after(LIFETIME.idle);
            sign_in(&store, "alice", start);
            assert_eq!(
                store.sweep(Timestamp::from_unix_millis(end.unix_millis() - 1), 10),
                0
            );
            assert_eq!(store.sweep(end.after(Duration::from_millis(999)), 10), 1);
            assert_eq!(store.len(), 0, "it is not filed a second time");
        }
    }
}

#[test]
fn the_sessions_that_a_condition_names_are_ended_and_no_others() {
    for Kept { store, _folder } in stores(20) {
        let [first, second] = [0, 1].map(|second| sign_in(&store, "alice", at(second)));
        let other = sign_in(&store, "bob", at(2));
        let ended = run(store.remove_where(|session| session.created() == at(1))).unwrap();
        assert_eq!(ended.len(), 1);
        let live = [&first, &second, &other].map(|session| is_live(&store, session, at(3)));
        assert_eq!(live, [true, false, true]);
        assert_eq!(
            run(store.remove_user(&UserName::parse("alice").unwrap())).unwrap(),
            1,
            "the index knows of it"
        );
    }
}

#[test]
fn sign_in_sign_out_and_sweep_of_one_user_in_parallel_leave_nothing_behind() {
    for Kept { store, _folder } in stores(5) {
        // Each of them waits for a disk.
        let rounds = if matches!(store, SessionStore::File(_)) {
            40
        } else {
            500
        };
        let barrier = Barrier::new(4);
        std::thread::scope(|scope| {
            for thread in 0..4_u64 {
                let (store, barrier) = (&store, &barrier);
                scope.spawn(move || {
                    barrier.wait();
                    for round in 0..rounds {
                        let session = sign_in(store, "alice", at(round));
                        match thread {
                            0 => drop(run(store.remove(&session.token.key()))),
                            1 => drop(run(store.remove_user(&session.session.identity().username))),
                            _ => drop(store.sweep(at(round + 100), 64)),
                        }
                    }
                });
            }
        });
        run(store.remove_user(&UserName::parse("alice").unwrap())).unwrap();
        while store.sweep(at(10_000), 64) > 0 {}
        assert_eq!(store.len(), 0);
    }
}
