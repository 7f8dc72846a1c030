use std::num::NonZeroU32;

use super::*;
use crate::config::{TargetConfig, UpstreamScheme};

/// Upstreams called a, b, c … with these weights.
fn config(balance: Balance, weights: &[u32]) -> UpstreamsConfig {
    let targets = ('a'..).zip(weights).map(|(name, weight)| TargetConfig {
        url: UpstreamUrl::Tcp {
            scheme: UpstreamScheme::Http,
            host: name.to_string(),
            port: 80,
        },
        weight: NonZeroU32::new(*weight).unwrap(),
    });
    UpstreamsConfig {
        targets: targets.collect(),
        balance,
        health: None,
        retries: 1,
    }
}

fn host(place: &Place) -> String {
    match place.target().url() {
        UpstreamUrl::Tcp { host, .. } => host.clone(),
        UpstreamUrl::Unix(path) => path.display().to_string(),
    }
}

fn set(balance: Balance, weights: &[u32]) -> (UpstreamSet, Instant) {
    let start = Instant::now();
    let set = Targets::new(start)
        .unwrap()
        .set(&config(balance, weights), &UpstreamTls::default())
        .unwrap();
    (set, start)
}

/// The names of the upstreams of the next requests, each of which is over before the next one comes.
fn next(set: &UpstreamSet, now: Instant, count: usize) -> String {
    let names = (0..count).map(|_| {
        let place = set.choose_at(now, None, &[]);
        place.map_or_else(|| "-".to_owned(), |place| host(&place))
    });
    names.collect()
}

fn fail(set: &UpstreamSet, index: usize, now: Instant) {
    for _ in 0..3 {
        set.members[index].target.standing.failed(now);
    }
}

fn tell(set: &UpstreamSet, index: usize, is_well: bool, now: Instant) {
    set.members[index].target.standing.told(is_well, now);
}

#[test]
fn who_is_left_out_or_down_gets_nothing_and_the_others_share_it_by_weight() {
    for take_out in [fail, |set: &UpstreamSet, index, now| tell(set, index, false, now)] {
        let (set, now) = set(Balance::RoundRobin, &[1, 1, 2]);
        assert_eq!(next(&set, now, 8), "cabccabc");
        take_out(&set, 0, now);
        assert_eq!(next(&set, now, 6), "cbccbc");
        take_out(&set, 2, now);
        assert_eq!(next(&set, now, 3), "bbb");
    }
}

#[test]
fn where_all_were_left_out_the_next_one_to_come_back_is_tried_but_none_that_is_down() {
    let (set, now) = set(Balance::RoundRobin, &[1, 1, 1]);
    let later = |millis| now + Duration::from_millis(millis);
    fail(&set, 1, now);
    fail(&set, 0, later(100));
    fail(&set, 2, later(200));
    assert_eq!(next(&set, later(200), 3), "bbb");
    let place = set.choose_at(later(200), None, &[1]).unwrap();
    assert_eq!(host(&place), "a");
    assert!(set.choose_at(later(200), None, &[0, 1, 2]).is_none());
    tell(&set, 1, false, later(300));
    assert_eq!(next(&set, later(300), 2), "aa");
    tell(&set, 0, false, later(300));
    tell(&set, 2, false, later(300));
    assert_eq!(next(&set, later(300), 2), "--");
}

#[test]
fn who_comes_back_gets_its_share_slowly_and_nothing_of_what_it_missed() {
    let (set, now) = set(Balance::RoundRobin, &[1, 1]);
    let later = |millis| now + Duration::from_millis(millis);
    tell(&set, 0, false, now);
    assert_eq!(next(&set, now, 100), "b".repeat(100));
    tell(&set, 0, true, later(1_000));
    for (at, share) in [(1_000, 10), (6_000, 33), (11_000, 50), (60_000, 50)] {
        let share_of_a = next(&set, later(at), 110).matches('a').count() * 100 / 110;
        assert!(share_of_a.abs_diff(share) <= 3, "{at}: {share_of_a}");
    }
}

#[test]
fn a_request_counts_until_its_place_is_given_up() {
    let (set, now) = set(Balance::LeastRequests, &[1, 1, 1]);
    let take = || set.choose_at(now, None, &[]).unwrap();
    let name = |place: &Place| host(place);
    let (first, second) = (take(), take());
    assert_eq!([name(&first), name(&second)], ["a", "b"]);
    assert_eq!(next(&set, now, 3), "ccc");
    let third = take();
    assert_eq!(name(&third), "c");
    drop(second);
    assert_eq!(next(&set, now, 3), "bbb");
    drop((first, third));
    let all = next(&set, now, 4);
    assert!(
        all.contains('a') && all.contains('b') && all.contains('c'),
        "{all}"
    );
}

#[test]
fn a_known_browser_goes_where_it_was_unless_that_one_cannot_take_it() {
    let (set, now) = set(Balance::Sticky, &[1, 1, 1]);
    let goes_to = |tried: &[usize]| {
        let place = set.choose_at(now, Some(1), tried).unwrap();
        host(&place)
    };
    let held: Vec<Place> = (0..10).filter_map(|_| set.choose_at(now, Some(1), &[])).collect();
    assert_eq!(goes_to(&[]), "b", "however busy it is");
    assert_ne!(goes_to(&[1]), "b");
    fail(&set, 1, now);
    assert_ne!(goes_to(&[]), "b");
    assert_eq!(goes_to(&[0, 2]), "b", "left out, but nobody else is left");
    tell(&set, 1, false, now);
    assert!(set.choose_at(now, Some(1), &[0, 2]).is_none());
    drop(held);
}

#[test]
fn routes_that_lead_to_one_upstream_know_the_same_of_it() {
    let mut targets = Targets::new(Instant::now()).unwrap();
    let asked = |path: &str, mut config: UpstreamsConfig| {
        config.health = Some(HealthConfig {
            path: path.to_owned(),
            interval: Duration::from_secs(1),
            timeout: Duration::from_secs(1),
            healthy_after: 1,
            unhealthy_after: 1,
        });
        config
    };
    let plain = || config(Balance::LeastRequests, &[1, 1]);
    let tls = UpstreamTls::default();
    let sets = [
        targets.set(&plain(), &tls).unwrap(),
        targets.set(&plain(), &tls).unwrap(),
        targets.set(&asked("/x", plain()), &tls).unwrap(),
        targets
            .set(&asked("/x", config(Balance::Sticky, &[5, 1])), &tls)
            .unwrap(),
        targets.set(&asked("/y", plain()), &tls).unwrap(),
    ];
    let same = |a: usize, b: usize| Arc::ptr_eq(&sets[a].members[0].target, &sets[b].members[0].target);
    assert!(same(0, 1) && same(2, 3));
    assert!(!same(0, 2) && !same(2, 4));
    assert_eq!(targets.into_watched().len(), 4, "two upstreams, two questions");
}

#[test]
fn a_single_upstream_is_tried_whatever_happened_to_it_but_not_when_it_says_that_it_is_not_well() {
    let (set, now) = set(Balance::RoundRobin, &[1]);
    fail(&set, 0, now);
    fail(&set, 0, now);
    assert!(set.choose(None, &[]).is_some());
    assert!(set.choose(None, &[0]).is_none());
    tell(&set, 0, false, now);
    assert!(set.choose(None, &[]).is_none());
}
