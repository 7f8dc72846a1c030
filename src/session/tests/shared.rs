//! What only sessions in a Redis do.

use super::*;
use crate::{
    config::RedisConfig,
    session::near::Near,
    store::redis::{Event, Link},
};

/// What a gateway has of the sessions in a Redis, with room for so many.
pub(super) fn in_redis(server: &RedisServer, near_cache: usize, max_per_user: usize) -> SessionStore {
    let near = Arc::new(Near::new(near_cache));
    let config = RedisConfig {
        addresses: vec![server.address()],
        ca: None,
        near_cache,
        outage_grace: Duration::ZERO,
    };
    let told = Arc::clone(&near);
    let listener = move |event| {
        if let Event::SessionEnded(key) = event {
            told.forget(&SessionKey::from_bytes(key));
        }
    };
    let link = Link::start(config, Box::new(listener)).unwrap();
    SessionStore::Redis(RedisStore::new(Arc::new(link), near, max_per_user))
}

#[test]
fn several_gateways_of_one_redis_are_one() {
    let server = RedisServer::start();
    let [one, other] = [0, 1].map(|_| in_redis(&server, 1000, 3));
    let session = sign_in(&one, "alice", at(0));
    assert!(
        is_live(&other, &session, at(1)),
        "what one has made the other knows"
    );
    let seen = run(other.find(&session.token.key(), at(1))).unwrap().unwrap();
    assert_eq!(seen.identity(), session.session.identity());
    assert_eq!(seen.handle(), session.session.handle());

    seen.renew(at(50));
    run(other.write_uses()).unwrap();
    assert!(
        is_live(&one, &session, at(100)),
        "what was used there is not idle here"
    );

    let found = run(other.find_handle(session.session.handle().as_str(), at(100))).unwrap();
    assert!(found.is_some_and(|(key, _)| key == session.token.key()));
    let newest = run(other.newest(None, 10, at(100))).unwrap();
    assert_eq!((newest.total, newest.sessions.len()), (1, 1));

    let more = [1, 2, 3].map(|second| sign_in(&other, "alice", at(second)));
    let live = run(one.of_user(&UserName::parse("alice").unwrap(), at(3))).unwrap();
    assert_eq!(live.len(), 3, "all count together");
    assert!(run(other.remove(&more[2].token.key())).unwrap().is_some());
    assert!(!is_live(&other, &more[2], at(3)));
    assert_eq!(
        run(one.remove_user(&UserName::parse("alice").unwrap())).unwrap(),
        2
    );
    for session in &more {
        assert!(!is_live(&one, session, at(3)));
    }
}

#[test]
fn more_sessions_than_a_gateway_remembers_all_go_on_and_none_is_idle_that_is_used() {
    let server = RedisServer::start();
    let store = in_redis(&server, 8, 1000);
    let sessions: Vec<_> = (0..64).map(|_| sign_in(&store, "alice", at(0))).collect();
    for now in [40, 80, 120] {
        for session in &sessions {
            let found = run(store.find(&session.token.key(), at(now)))
                .unwrap()
                .expect("it is used");
            found.renew(at(now));
        }
        run(store.write_uses()).unwrap();
    }
    assert!(
        store.len() <= 16,
        "it remembers no more than it may: {}",
        store.len()
    );
}

#[test]
fn what_somebody_takes_out_of_the_redis_by_hand_is_found_out_with_the_next_use_that_is_written() {
    let server = RedisServer::start();
    let store = in_redis(&server, 100, 20);
    let session = sign_in(&store, "alice", at(0));
    server.ask("FLUSHALL");
    session.session.renew(at(30));
    run(store.write_uses()).unwrap();
    assert!(!is_live(&store, &session, at(31)));
}

#[test]
fn without_its_redis_a_gateway_knows_nothing_and_says_so() {
    let server = RedisServer::start();
    let store = in_redis(&server, 100, 20);
    let session = sign_in(&store, "alice", at(0));
    drop(server);
    // What is remembered counts for a moment longer.
    while run(store.find(&session.token.key(), at(1))).is_ok() {}
    let name = UserName::parse("alice").unwrap();
    assert!(run(store.remove(&session.token.key())).is_err());
    assert!(run(store.remove_user(&name)).is_err());
    assert!(run(store.of_user(&name, at(1))).is_err());
    let identity = Arc::clone(session.session.identity());
    let device = session.session.device().clone();
    assert!(run(store.create(identity, device, LIFETIME, at(2))).is_err());
}
