use tokio::sync::Semaphore;

use super::*;

/// A connection of a worker whose clock the test moves: 10 s for a head, 20 s idle, 60 s to take nothing.
struct Connection {
    all: Rc<Connections>,
    place: Rc<Guard>,
}

impl Connection {
    fn open() -> Self {
        let all = Rc::new(Connections::new(&LimitsConfig {
            max_connections: 1,
            header_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(20),
            send_timeout: Duration::from_secs(60),
            max_header_bytes: 1,
            max_body: 1,
        }));
        let permit = Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap();
        let place = all.open(permit);
        Self { all, place }
    }

    fn activity(&self) -> &Arc<Activity> {
        &self.place.activity
    }

    /// What is said of it so many seconds after it was opened.
    fn at(&self, seconds: u64) -> Option<Overdue> {
        self.all
            .close_overdue(self.all.clock.started + Duration::from_secs(seconds));
        self.activity().why_overdue()
    }

    fn request(&self) -> RequestGuard {
        self.activity().received();
        RequestGuard::new(&self.place)
    }
}

#[test]
fn silence_has_a_limit_before_a_head_amid_it_and_between_requests() {
    let connection = Connection::open();
    assert_eq!(connection.at(9), None);
    connection.activity().received();
    assert_eq!(connection.at(10), Some(Overdue::Silent), "a byte gains nothing");

    let connection = Connection::open();
    let request = connection.request();
    assert_eq!(connection.at(1_000), None, "a request has no limit here");
    drop(request);
    assert_eq!(connection.at(1_019), None);
    assert_eq!(connection.at(1_020), Some(Overdue::Silent));
}

#[test]
fn a_request_lasts_until_its_last_part_has_ended() {
    let connection = Connection::open();
    let answer = connection.request();
    let body = answer.clone();
    assert_eq!(connection.at(50), None);
    drop(answer);
    connection.activity().received();
    assert_eq!(connection.at(99), None, "what comes is its body");
    drop(body);
    assert_eq!(connection.at(118), None);
    assert_eq!(connection.at(119), Some(Overdue::Silent));
}

#[test]
fn who_takes_nothing_is_given_up_and_whoever_takes_a_little_is_not() {
    let connection = Connection::open();
    let _request = connection.request();
    assert_eq!(connection.at(100), None);
    connection.activity().refused();
    assert_eq!(connection.at(159), None);
    // Asking once more is no progress.
    connection.activity().refused();
    assert_eq!(connection.at(160), Some(Overdue::Stalled));
    // A little is.
    connection.activity().took();
    assert_eq!(connection.at(1_000), None, "nothing waits to be taken");
    connection.activity().refused();
    assert_eq!(connection.at(1_059), None);
    connection.activity().took();
    connection.activity().refused();
    assert_eq!(connection.at(1_118), None);
    assert_eq!(connection.at(1_119), Some(Overdue::Stalled));
}

#[test]
fn who_keeps_a_window_shut_is_given_up_as_well() {
    let connection = Connection::open();
    connection.activity().set_multiplexed(true);
    let mut turn = Turn::new(connection.request());
    turn.asked();
    assert_eq!(connection.at(1_000), None, "the app is asked");
    turn.gave();
    assert_eq!(connection.at(1_059), None);
    assert_eq!(connection.at(1_060), Some(Overdue::Stalled));
    // Another answer that is not taken either makes it no better.
    let mut other = Turn::new(connection.request());
    other.gave();
    assert_eq!(connection.at(1_060), Some(Overdue::Stalled));
    // Once something moves, the time begins anew; once all is asked for again, there is nothing to wait for.
    connection.activity().took();
    assert_eq!(connection.at(1_119), None);
    assert_eq!(connection.at(1_120), Some(Overdue::Stalled));
    drop(turn);
    assert_eq!(connection.at(1_120), Some(Overdue::Stalled));
    other.asked();
    assert_eq!(connection.at(1_120), None);
}

#[test]
fn a_slow_client_is_not_idle_while_it_takes_the_rest_of_an_answer_that_is_over() {
    for (multiplexed, at_25) in [(false, None), (true, Some(Overdue::Silent))] {
        let connection = Connection::open();
        connection.activity().set_multiplexed(multiplexed);
        drop(connection.request());
        assert_eq!(connection.at(15), None);
        connection.activity().took();
        assert_eq!(
            connection.at(25),
            at_25,
            "HTTP/2 acknowledges pings: {multiplexed}"
        );
    }
    // Nor is its next head given more time by that.
    let connection = Connection::open();
    drop(connection.request());
    connection.activity().received();
    assert_eq!(connection.at(9), None);
    connection.activity().took();
    assert_eq!(connection.at(10), Some(Overdue::Silent));
}
