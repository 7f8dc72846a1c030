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

mod server;
mod shared;

use server::RedisServer;
use shared::in_redis;

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
    let server = RedisServer::start();
    vec![
        Kept {
            store: SessionStore::Memory(MemoryStore::new(max_per_user)),
            _folder: None,
            _server: None,
        },
        Kept {
            store: SessionStore::File(file),
            _folder: Some(folder),
            _server: None,
        },
        Kept {
            store: in_redis(&server, 1000, max_per_user),
            _folder: None,
            _server: Some(server),
        },
    ]
}

/// Those that sweep themselves.
fn swept_stores(max_per_user: usize) -> Vec<Kept> {
    let mut stores = stores(max_per_user);
    stores.retain(|kept| !matches!(kept.store, SessionStore::Redis(_)));
    stores
}

/// A store, and where it is kept for as long as the test lasts.
struct Kept {
    store: SessionStore,
    _folder: Option<tempfile::TempDir>,
    _server: Option<RedisServer>,
}

/// A session that is in no store.
pub(super) fn session_of(user: &str, now: Timestamp) -> Arc<Session> {
    let store = SessionStore::Memory(MemoryStore::new(1));
    sign_in(&store, user, now).session
}

fn sign_in(store: &SessionStore, user: &str, now: Timestamp) -> NewSession {
    let name = UserName::parse(user).unwrap();
    let identity = Arc::new(Identity::new(name, None, None, Vec::new(), None));
    let device = Device::new("test", IpAddr::V4(Ipv4Addr::LOCALHOST).into());
    run(store.create(identity, device, LIFETIME, now)).unwrap()
}

fn run<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread();
    { runtime }.enable_all().build().unwrap().block_on(future)
}

fn is_live(store: &SessionStore, new: &NewSession, now: Timestamp) -> bool {
    run(store.find(&new.token.key(), now)).unwrap().is_some()
}

#[test]
fn a_session_lives_until_idle_or_absolute_expiry_and_a_use_renews_only_the_first() {
    for Kept {
        store,
        _folder,
        _server,
    } in stores(20)
    {
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
    for Kept {
        store,
        _folder,
        _server,
    } in swept_stores(2000)
    {
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
    for Kept {
        store,
        _folder,
        _server,
    } in stores(2)
    {
        let [first, second, third] = [0, 1, 2].map(|second| sign_in(&store, "alice", at(second)));
        let other = sign_in(&store, "bob", at(3));
        let live = [&first, &second, &third, &other].map(|session| is_live(&store, session, at(4)));
        assert_eq!(live, [false, true, true, true]);
    }
}

#[test]
fn one_session_or_all_of_a_user_can_be_ended() {
    for Kept {
        store,
        _folder,
        _server,
    } in stores(20)
    {
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
        for Kept {
            store,
            _folder,
            _server,
        } in swept_stores(20)
        {
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
    for Kept {
        store,
        _folder,
        _server,
    } in stores(20)
    {
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
    for Kept {
        store,
        _folder,
        _server,
    } in stores(5)
    {
        // Each of them waits for a disk.
        let rounds = match store {
            SessionStore::Memory(_) => 500,
            SessionStore::File(_) | SessionStore::Redis(_) => 40,
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

#[test]
fn whatever_ends_a_user_s_sessions_in_parallel_leaves_the_table_and_its_index_in_agreement() {
    for Kept {
        store,
        _folder,
        _server,
    } in stores(5)
    {
        // Each of them waits for a disk.
        let rounds = match store {
            SessionStore::Memory(_) => 1000,
            SessionStore::File(_) | SessionStore::Redis(_) => 30,
        };
        let barrier = Barrier::new(6);
        std::thread::scope(|scope| {
            for thread in 0..6_u64 {
                let (store, barrier) = (&store, &barrier);
                scope.spawn(move || {
                    barrier.wait();
                    for round in 0..rounds {
                        let now = at(round);
                        let new = sign_in(store, "alice", now);
                        new.session.renew(now.after(Duration::from_secs(10)));
                        match thread {
                            0 => drop(run(store.remove(&new.token.key()))),
                            1 => drop(store.sweep(at(round + 40), 64)),
                            2 => {
                                for (key, _) in
                                    run(store.of_user(&new.session.identity().username, now)).unwrap()
                                {
                                    run(store.remove(&key)).unwrap();
                                }
                            }
                            3 => drop(run(store.remove_where(|session| session.created() <= now))),
                            4 => run(store.write_uses()).unwrap(),
                            _ => drop(run(store.remove_user(&new.session.identity().username))),
                        }
                    }
                });
            }
        });
        if let Some(table) = table_of(&store) {
            assert_eq!(table.indexed(), table.len());
        }
        let left = run(store.remove_where(|_| true)).unwrap();
        assert!(left.len() <= 5, "{} are more than one may have", left.len());
        assert_eq!(store.len(), 0);
        assert_eq!(table_of(&store).map_or(0, MemoryStore::indexed), 0);
        while store.sweep(at(10_000), 64) > 0 {}
    }
}

fn table_of(store: &SessionStore) -> Option<&MemoryStore> {
    match store {
        SessionStore::Memory(table) => Some(table),
        SessionStore::File(store) => Some(&store.memory),
        SessionStore::Redis(_) => None,
    }
}

#[test]
fn the_newest_sessions_are_found_among_many_and_each_by_its_public_name() {
    for Kept {
        store,
        _folder,
        _server,
    } in swept_stores(5000)
    {
        let many: Vec<_> = (0..1200)
            .map(|n| sign_in(&store, ["alice", "bob"][usize::from(n % 3 == 0)], at(n % 50)))
            .collect();
        let seconds = |newest: &Newest| -> Vec<u64> {
            let created = newest.sessions.iter().map(|session| session.created());
            created.map(|time| time.unix_seconds() - 1_000_000).collect()
        };
        let newest = run(store.newest(None, 100, at(50))).unwrap();
        assert_eq!((newest.total, newest.sessions.len()), (1200, 100));
        assert_eq!(
            seconds(&newest),
            [[49; 24].as_slice(), &[48; 24], &[47; 24], &[46; 24], &[45; 4]].concat()
        );
        let bob = UserName::parse("bob").unwrap();
        let of_bob = run(store.newest(Some(&bob), 5000, at(50))).unwrap();
        assert_eq!((of_bob.total, of_bob.sessions.len()), (400, 400));
        assert!(seconds(&of_bob).is_sorted_by(|one, next| one >= next));
        // What has ended is no more, swept or not.
        assert_eq!(run(store.newest(None, 100, at(60))).unwrap().total, 1176);

        let one = &many[7];
        let handle = one.session.handle().as_str();
        let (key, found) = run(store.find_handle(handle, at(50))).unwrap().unwrap();
        assert!(key == one.token.key() && Arc::ptr_eq(&found, &one.session));
        assert!(run(store.find_handle(handle, at(67))).unwrap().is_none());
        assert!(
            run(store.find_handle(one.token.expose(), at(50)))
                .unwrap()
                .is_none()
        );
    }
}
