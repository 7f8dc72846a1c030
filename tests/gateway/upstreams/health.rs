//! Upstreams that are asked whether they are well.

use serde_json::Value;

use crate::harness::{Gateway, HEALTH, Replica, Upstream, Url, as_navigation, gateway, soon};

/// Asked often, and patiently: a busy machine is no reason to be unwell.
fn asked_often(more: &str) -> String {
    format!(
        "balance = \"round_robin\"\n\
         health = {{ path = {HEALTH:?}, interval = \"20ms\", timeout = \"20s\", unhealthy_after = 2{more} }}"
    )
}

/// Waits until what an upstream says now is known: a question is only asked when the answer before it has been taken in.
async fn is_known(replica: &Replica, answers: usize) {
    replica.is_asked(answers + 2).await;
}

async fn send(gateway: &Gateway, count: usize) -> String {
    let mut names = String::new();
    for _ in 0..count {
        let answer = gateway
            .exchange("GET / HTTP/1.1\r\nhost: x\r\n\r\n")
            .await
            .unwrap();
        assert_eq!(answer.status, 200);
        names += &answer.text();
    }
    names
}

#[tokio::test]
async fn an_upstream_that_is_not_well_gets_nothing_until_it_is() {
    for bad in [
        "500 Internal Server Error",
        "503 Service Unavailable",
        "404 Not Found",
    ] {
        let [a, b] = ["a", "b"].map(Replica::start);
        let gateway = gateway().balanced("/", &[&a, &b], &asked_often("")).start().await;
        a.is_asked(2).await;
        assert_eq!(send(&gateway, 4).await, "abab");
        a.says(Some(bad));
        is_known(&a, 2).await;
        assert_eq!(send(&gateway, 20).await, "b".repeat(20), "{bad}");
        a.says(Some("302 Found"));
        is_known(&a, 1).await;
        // Its share begins small, and a tenth of it is one in eleven.
        assert!(send(&gateway, 40).await.contains('a'), "{bad}");
    }
}

#[tokio::test]
async fn an_upstream_that_is_gone_or_says_nothing_is_taken_out_and_brought_back() {
    let [mut a, b] = ["a", "b"].map(Replica::start);
    let gateway = gateway()
        .balanced(
            "/",
            &[&a, &b],
            &format!("{}\nretries = 0", asked_often("").replace("20s", "200ms")),
        )
        .start()
        .await;
    let takes_all = async |gateway: &Gateway| {
        // Nobody stands in for the other here, so that it shows when it is known.
        let known = async {
            let mut in_a_row = 0;
            while in_a_row < 10 {
                let request = "GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
                let answer = gateway.exchange(request).await.unwrap();
                let is_b = answer.status == 200 && answer.text() == "b";
                in_a_row = if is_b { in_a_row + 1 } else { 0 };
            }
        };
        soon("the other to take it all", known).await;
    };
    a.says(None);
    takes_all(&gateway).await;
    a.says(Some("200 OK"));
    is_known(&a, 1).await;
    assert!(send(&gateway, 40).await.contains('a'));
    a.die();
    takes_all(&gateway).await;
    a.live();
    is_known(&a, 1).await;
    assert!(send(&gateway, 40).await.contains('a'));
}

#[tokio::test]
async fn one_bad_answer_is_none_and_as_many_good_ones_are_needed_as_the_route_says() {
    let [a, b] = ["a", "b"].map(Replica::start);
    let gateway = gateway()
        .balanced("/", &[&a, &b], &asked_often(", healthy_after = 3"))
        .start()
        .await;
    a.is_asked(2).await;
    a.says(Some("500 Oops"));
    is_known(&a, 2).await;
    assert_eq!(send(&gateway, 4).await, "bbbb");
    a.says(Some("200 OK"));
    is_known(&a, 3).await;
    assert!(send(&gateway, 40).await.contains('a'));
}

#[tokio::test]
async fn an_upstream_that_is_not_well_at_the_start_gets_nothing() {
    let [a, b] = ["a", "b"].map(Replica::start);
    a.says(Some("503 Starting"));
    let gateway = gateway().balanced("/", &[&a, &b], &asked_often("")).start().await;
    a.is_asked(2).await;
    assert_eq!(
        send(&gateway, 10).await,
        "b".repeat(10),
        "the first answer decides"
    );
    a.saw_nothing();
}

#[tokio::test]
async fn where_all_are_down_503_says_when_to_come_back_and_the_next_good_answer_opens_the_door() {
    for count in [1, 2] {
        let replicas = ["a", "b"].map(Replica::start);
        let replicas = &replicas[..count];
        let upstreams: Vec<&dyn Url> = replicas.iter().map(|replica| replica as &dyn Url).collect();
        for replica in replicas {
            replica.says(Some("500 Oops"));
        }
        let gateway = gateway()
            .balanced("/", &upstreams, &asked_often(""))
            .start()
            .await;
        for replica in replicas {
            replica.is_asked(2).await;
        }
        let answer = gateway.get("/x?secret").send().await.unwrap();
        assert_eq!(answer.status(), 503);
        assert_eq!(answer.headers()["retry-after"], "1");
        assert_eq!(answer.headers()["content-type"], "application/problem+json");
        assert_eq!(answer.headers()["cache-control"], "no-store");
        let problem: Value = answer.json().await.unwrap();
        assert_eq!(problem["status"], 503);
        let post = gateway.post("/x").body("body").send().await.unwrap();
        assert_eq!(post.status(), 503);
        let answer = as_navigation(gateway.get("/x?secret")).send().await.unwrap();
        assert_eq!(answer.status(), 503);
        assert_eq!(answer.headers()["content-type"], "text/html; charset=utf-8");
        let page = answer.text().await.unwrap();
        for replica in replicas {
            replica.saw_nothing();
            assert!(!page.contains(&replica.url()) && !problem.to_string().contains(&replica.url()));
        }
        // The first good answer is enough.
        replicas[0].says(Some("204 No Content"));
        is_known(&replicas[0], 1).await;
        assert_eq!(send(&gateway, 3).await, "aaa");
        let log = gateway.stopped();
        for line in &log[..3] {
            assert_eq!(line["refusal"], "upstreams_down");
            assert_eq!(
                (&line["upstream"], &line["upstream_ms"]),
                (&Value::Null, &Value::Null)
            );
        }
        assert_eq!(log.len(), 6);
    }
}

#[tokio::test]
async fn retry_after_is_one_interval() {
    for (interval, seconds) in [("20ms", "1"), ("1s", "1"), ("1500ms", "2"), ("30s", "30")] {
        let a = Replica::start("a");
        a.says(Some("500 Oops"));
        let health = format!("health = {{ path = {HEALTH:?}, interval = {interval:?} }}");
        let gateway = gateway().balanced("/", &[&a], &health).start().await;
        let known = async {
            loop {
                let answer = gateway.get("/").send().await.unwrap();
                if answer.status() == 503 {
                    break answer;
                }
            }
        };
        let answer = soon("the first answer to be known", known).await;
        assert_eq!(answer.headers()["retry-after"], seconds, "{interval}");
    }
}

#[tokio::test]
async fn the_question_is_a_plain_request_over_a_connection_of_its_own() {
    let upstream = Upstream::start();
    let gateway = gateway()
        .route_with(
            "/",
            &upstream,
            "health = { path = \"/deep/health?x=1\", interval = \"20ms\" }",
        )
        .start()
        .await;
    let asked = async {
        while upstream.received().len() < 3 {
            tokio::task::yield_now().await;
        }
    };
    soon("three questions", asked).await;
    let questions = upstream.received();
    drop(gateway);
    assert!(upstream.connections() >= 3);
    let host = upstream.url().trim_start_matches("http://").to_owned();
    for question in &questions {
        assert_eq!(question.line(), "GET /deep/health?x=1 HTTP/1.1");
        assert_eq!(question.header("host"), [&*host]);
        assert_eq!(question.header("connection"), ["close"]);
        assert_eq!(question.names(), ["host", "user-agent", "accept", "connection"]);
        assert!(question.header("user-agent")[0].starts_with("portcullis/"));
    }
}
