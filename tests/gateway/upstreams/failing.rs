//! Upstreams that are gone, go while they are asked, and come back: who stands in for them, and what is never sent twice.

use std::{cell::Cell, collections::HashMap};

use crate::harness::{
    Gateway, HEALTH, HOLD, PlayedUpstream, Replica, Upstream, Url, address_of_its_own, free_port, gateway,
    soon,
};

const HELLO: &str = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";

/// An address at which nobody listens, nor will.
fn nobody() -> String {
    format!("http://{}:{}", address_of_its_own(), free_port())
}

async fn send(gateway: &Gateway, request: &str) -> (u16, String) {
    let answer = gateway.exchange(request).await.unwrap();
    (answer.status, answer.text())
}

const GET: &str = "GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
const POST: &str = "POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 4\r\n\r\nbody";

#[tokio::test]
async fn whatever_did_not_arrive_goes_to_another_upstream() {
    let a = Replica::start("a");
    let gateway = gateway()
        .balanced("/", &[&nobody(), &a], "balance = \"round_robin\"")
        .start()
        .await;
    for request in [GET, POST, GET, POST, GET, POST] {
        assert_eq!(send(&gateway, request).await, (200, "a".to_owned()), "{request}");
    }
    assert_eq!(a.count(), 6);
    assert!(
        a.received()
            .iter()
            .skip(1)
            .step_by(2)
            .all(|post| post.body == b"body")
    );
    let log = gateway.stopped();
    assert!(log.iter().all(|line| line["upstream"] == a.url()), "{log:?}");
}

#[tokio::test]
async fn a_request_is_tried_at_as_many_others_as_its_route_says() {
    for (retries, nobodies, status) in [
        ("retries = 0", 1, 502),
        ("retries = 0", 0, 200),
        ("", 1, 200),
        ("", 2, 502),
        ("retries = 2", 2, 200),
        ("retries = 10", 5, 200),
    ] {
        let a = Replica::start("a");
        let mut upstreams: Vec<String> = (0..nobodies).map(|_| nobody()).collect();
        upstreams.push(a.url());
        let upstreams: Vec<&dyn Url> = upstreams.iter().map(|url| url as &dyn Url).collect();
        let gateway = gateway().balanced("/", &upstreams, retries).start().await;
        assert_eq!(send(&gateway, POST).await.0, status, "{retries} {nobodies}");
        assert_eq!(a.count(), usize::from(status == 200), "{retries} {nobodies}");
    }
}

#[tokio::test]
async fn killing_one_of_two_under_load_is_noticed_by_nobody() {
    let [mut a, b] = ["a", "b"].map(Replica::start);
    for round in 0..5 {
        let gateway = gateway().balanced("/", &[&a, &b], "").start().await;
        let loops = (0..8).map(|client| {
            let gateway = &gateway;
            async move {
                let mut answers = Vec::new();
                let mut client_side = gateway.raw().await;
                for number in 0..40 {
                    let method = if number % 2 == 0 { "GET" } else { "POST" };
                    let id = format!("/{round}/{client}/{number}");
                    client_side
                        .send(format!(
                            "{method} {id} HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n"
                        ))
                        .await;
                    let answer = client_side.response().await.unwrap();
                    answers.push((method, id, answer.status));
                }
                answers
            }
        });
        let killing = async {
            a.receives(20).await;
            a.die();
        };
        let (answers, ()) = tokio::join!(futures_util::future::join_all(loops), killing);
        let mut arrived: HashMap<String, usize> = HashMap::new();
        for request in a.received().iter().chain(&b.received()) {
            let words: Vec<&str> = request.line().split(' ').collect();
            *arrived.entry(format!("{} {}", words[0], words[1])).or_default() += 1;
        }
        for (method, id, status) in answers.into_iter().flatten() {
            let times = arrived
                .get(&format!("{method} {id}"))
                .copied()
                .unwrap_or_default();
            match method {
                "GET" => assert_eq!(status, 200, "{id}"),
                // A POST that was with the upstream when it died may have been acted on: nobody knows, and it is said.
                _ => assert!(
                    times <= 1 && (status == 200) <= (times == 1) && matches!(status, 200 | 502),
                    "{id}: {status}, {times} times"
                ),
            }
        }
        a.live();
        a.forget();
        b.forget();
    }
}

#[tokio::test]
async fn killing_the_only_one_under_load_costs_its_own_routes_alone_until_it_is_back() {
    let [mut dying, other] = ["dying", "other"].map(Replica::start);
    let health = format!("health = {{ path = {HEALTH:?}, interval = \"20ms\", timeout = \"20s\" }}");
    for health in ["", &health] {
        let gateway = gateway()
            .balanced("/", &[&dying], health)
            .public("/other", &other)
            .start()
            .await;
        let is_over = Cell::new(false);
        let load = |path: &'static str| {
            let (gateway, is_over) = (&gateway, &is_over);
            async move {
                let mut statuses = Vec::new();
                let mut client = gateway.raw().await;
                while !is_over.get() {
                    client
                        .send(format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n"))
                        .await;
                    statuses.push(client.response().await.unwrap().status);
                }
                statuses
            }
        };
        let loads = futures_util::future::join_all(["/", "/", "/", "/other"].map(load));
        let events = async {
            dying.receives(20).await;
            dying.die();
            while send(&gateway, GET).await.0 == 200 {}
            assert!(matches!(send(&gateway, POST).await.0, 502 | 503), "{health}");
            dying.live();
            dying.forget();
            let back = async { while send(&gateway, GET).await.0 != 200 {} };
            soon("the first good answer", back).await;
            // And not just that one.
            for _ in 0..20 {
                assert_eq!(send(&gateway, POST).await.0, 200, "{health}");
            }
            is_over.set(true);
        };
        let (mut statuses, ()) = tokio::join!(loads, events);
        let of_other = statuses.pop().unwrap();
        assert!(of_other.iter().all(|status| *status == 200), "{of_other:?}");
        for statuses in statuses {
            let unexpected = statuses.iter().find(|status| !matches!(status, 200 | 502 | 503));
            assert_eq!(unexpected, None, "{health}");
            assert_eq!(statuses.last(), Some(&200), "{health}");
        }
        dying.forget();
    }
}

#[tokio::test]
async fn an_upstream_that_was_left_out_gets_its_share_again_when_it_is_back() {
    let [mut a, b] = ["a", "b"].map(Replica::start);
    let gateway = gateway()
        .balanced("/", &[&a, &b], "balance = \"round_robin\"")
        .start()
        .await;
    a.die();
    for _ in 0..10 {
        assert_eq!(send(&gateway, GET).await, (200, "b".to_owned()));
    }
    a.live();
    let asking = async {
        while a.count() == 0 {
            assert_eq!(send(&gateway, GET).await.0, 200);
        }
    };
    soon("its share of requests", asking).await;
}

#[tokio::test]
async fn what_may_have_been_acted_on_is_not_sent_to_another_upstream() {
    let get = "GET /first HTTP/1.1\r\nhost: x\r\n\r\n";
    let delete = "DELETE /first HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n";
    let post = "POST /first HTTP/1.1\r\nhost: x\r\n\r\n";
    let post_with_body = "POST /first HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\n\r\nbody";
    let put_with_body = "PUT /first HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\n\r\nbody";
    for (request, said, status) in [
        (get, "", 200),
        (delete, "", 200),
        (post, "", 502),
        (post_with_body, "", 502),
        (put_with_body, "", 502),
        // Who has begun to answer has begun to act.
        (get, "H", 502),
        (get, "HTTP/1.1 100 Continue\r\n\r\n", 502),
        (get, "what is this?\r\n\r\n", 502),
    ] {
        let (played, b) = (PlayedUpstream::start().await, Replica::start("b"));
        let gateway = gateway().balanced("/", &[&played, &b], "").start().await;
        let mut client = gateway.wire().await;
        client.send(request).await;
        let mut app = played.accept().await;
        app.head().await;
        if request.ends_with("body") {
            app.until("body").await;
        }
        app.send(said).await;
        app.finish().await;
        let head = client.head().await;
        assert!(
            head.starts_with(&format!("HTTP/1.1 {status} ")),
            "{request}{said}: {head}"
        );
        match status {
            200 => assert_eq!(b.count(), 1, "{request}"),
            _ => b.saw_nothing(),
        }
    }
}

#[tokio::test]
async fn no_request_that_an_app_cannot_stand_has_it_left_out() {
    let name = |name: &'static str| {
        Upstream::answering(move |request| match request.line() {
            "POST /boom HTTP/1.1" => Vec::new(),
            "POST /500 HTTP/1.1" => b"HTTP/1.1 500 Oops\r\ncontent-length: 0\r\n\r\n".to_vec(),
            _ => format!("HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n{name}").into(),
        })
    };
    let (a, b) = (name("a"), name("b"));
    let gateway = gateway()
        .balanced("/", &[&a, &b], "balance = \"round_robin\"")
        .start()
        .await;
    for (path, status) in [("/boom", 502), ("/500", 500)] {
        let request = POST.replace("POST / ", &format!("POST {path} "));
        for _ in 0..20 {
            assert_eq!(send(&gateway, &request).await.0, status);
        }
    }
    let mut names = String::new();
    for _ in 0..6 {
        names += &send(&gateway, GET).await.1;
    }
    assert_eq!(names, "ababab");
    assert_eq!(
        a.received().len() + b.received().len(),
        46,
        "none of them came twice"
    );
}

#[tokio::test]
async fn a_slow_answer_is_waited_for_and_not_asked_for_elsewhere() {
    let [a, b] = ["a", "b"].map(Replica::start);
    let gateway = gateway()
        .balanced("/", &[&a, &b], "timeout = { response = \"300ms\" }")
        .start()
        .await;
    let request = format!("GET {HOLD} HTTP/1.1\r\nhost: x\r\n\r\n");
    assert_eq!(send(&gateway, &request).await.0, 504);
    assert_eq!(a.count(), 1);
    b.saw_nothing();
}

#[tokio::test]
async fn an_upstream_that_died_with_its_connections_kept_open_is_stood_in_for() {
    for request in [GET, POST] {
        let [mut a, b] = ["a", "b"].map(Replica::start);
        let gateway = gateway()
            .balanced("/", &[&a, &b], "balance = \"round_robin\"")
            .start()
            .await;
        // Both workers keep a connection to each.
        for _ in 0..16 {
            assert_eq!(send(&gateway, GET).await.0, 200);
        }
        a.die();
        b.forget();
        for _ in 0..8 {
            assert_eq!(send(&gateway, request).await, (200, "b".to_owned()), "{request}");
        }
        assert_eq!(b.count(), 8);
    }
}

#[tokio::test]
async fn each_upstream_gets_the_head_that_is_meant_for_it() {
    let a = Replica::start("a");
    let gateway = gateway().balanced("/", &[&nobody(), &a], "").start().await;
    // Without a Host header, the upstream's own name takes its place.
    let (status, _) = send(&gateway, "POST /x HTTP/1.0\r\ncontent-length: 4\r\n\r\nbody").await;
    assert_eq!(status, 200);
    let host = a.url().trim_start_matches("http://").to_owned();
    assert_eq!(a.received()[0].header("host"), [host]);
    assert_eq!(a.received()[0].body, b"body");
}

#[tokio::test]
async fn a_single_upstream_that_is_gone_is_always_tried_and_found_at_once_when_it_is_back() {
    let mut a = Replica::start("a");
    let mut b = Replica::start("b");
    let gateway = gateway()
        .balanced("/one", &[&a], "")
        .balanced("/two", &[&a, &b], "")
        .start()
        .await;
    a.die();
    b.die();
    for path in ["/one", "/two"] {
        for _ in 0..10 {
            let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
            assert_eq!(send(&gateway, &request).await.0, 502, "{path}");
        }
    }
    // Both were left out long ago, and neither said that it is not well.
    a.live();
    for path in ["/one", "/two"] {
        let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        assert_eq!(send(&gateway, &request).await, (200, "a".to_owned()), "{path}");
    }
}

#[tokio::test]
async fn a_route_s_dead_upstream_is_no_other_route_s_concern() {
    let (a, b) = (Replica::start("a"), Upstream::start());
    let gateway = gateway()
        .balanced("/dead", &[&nobody(), &nobody()], "")
        .balanced("/", &[&a], "")
        .public("/other", &b)
        .start()
        .await;
    for _ in 0..5 {
        let dead = send(&gateway, "GET /dead HTTP/1.1\r\nhost: x\r\n\r\n").await;
        assert_eq!(dead.0, 502);
        assert_eq!(send(&gateway, GET).await.0, 200);
        let other = send(&gateway, "GET /other HTTP/1.1\r\nhost: x\r\n\r\n").await;
        assert_eq!(other, (200, "hello".to_owned()));
    }
}

#[tokio::test]
async fn every_address_of_a_name_is_tried() {
    // `localhost` is ::1 and 127.0.0.1 on most machines, and this app listens on the second alone.
    let upstream = Upstream::answering(|_| HELLO.into());
    let url = upstream.url().replace("127.0.0.1", "localhost");
    let gateway = gateway().public("/", &*url).start().await;
    for _ in 0..10 {
        assert_eq!(send(&gateway, GET).await, (200, "hello".to_owned()));
    }
}
