//! What a request is called: its id, and the trace it belongs to (W3C Trace Context).

use super::{ask_from, head};
use crate::harness::{Gateway, Received, Upstream, gateway};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const SPAN: &str = "00f067aa0ba902b7";

async fn started(upstream: &Upstream) -> Gateway {
    gateway()
        .public("/", upstream)
        .route("/admin", upstream)
        .server("trusted_proxies = \"127.0.0.1\"")
        .start()
        .await
}

/// The parts of the only `traceparent`.
#[track_caller]
fn trace(request: &Received) -> [String; 4] {
    let values = request.header("traceparent");
    assert_eq!(values.len(), 1, "{}", request.head);
    let parts: Vec<String> = values[0].split('-').map(str::to_owned).collect();
    let lengths: Vec<usize> = parts.iter().map(String::len).collect();
    assert_eq!(lengths, [2, 32, 16, 2], "{values:?}");
    parts.try_into().unwrap()
}

#[tokio::test]
async fn an_id_is_kept_of_a_trusted_proxy_and_of_nobody_else() {
    let upstream = Upstream::start();
    let gateway = started(&upstream).await;
    let longest = "a".repeat(72);
    let too_long = "a".repeat(73);
    let mut kept = Vec::new();
    for (source, fields, keeps) in [
        (
            "127.0.0.1",
            &["X-Request-Id: f81d4fae-7dec-11d0-a765-00a0c91e6bf6"][..],
            true,
        ),
        ("127.0.0.1", &[&format!("x-request-id: {longest}")], true),
        (
            "127.0.0.1",
            &["X-Request-Id: Root=1-67891233-abcdef012345678912345678"],
            true,
        ),
        (
            "127.0.0.2",
            &["X-Request-Id: f81d4fae-7dec-11d0-a765-00a0c91e6bf6"],
            false,
        ),
        ("127.0.0.1", &[&format!("X-Request-Id: {too_long}")], false),
        ("127.0.0.1", &["X-Request-Id: a", "X-Request-Id: a"], false),
        ("127.0.0.1", &["X-Request-Id: a b"], false),
        ("127.0.0.1", &["X-Request-Id: <b>"], false),
        ("127.0.0.1", &["X-Request-Id: a\"b"], false),
        ("127.0.0.1", &["X-Request-Id:"], false),
        ("127.0.0.1", &["X_Request_Id: a"], false),
        ("127.0.0.1", &[], false),
    ] {
        upstream.forget();
        assert_eq!(ask_from(source, &gateway, "GET /", fields).await.status, 200);
        let request = upstream.only();
        let told = request.header("x-request-id");
        assert_eq!(told.len(), 1, "{}", request.head);
        let sent = fields
            .first()
            .and_then(|field| field.split_once(": "))
            .map(|(_, value)| value);
        match keeps {
            true => assert_eq!(Some(told[0]), sent),
            false => {
                assert!(
                    told[0].len() == 32 && Some(told[0]) != sent,
                    "{fields:?}: {told:?}"
                );
                assert!(told[0].bytes().all(|byte| byte.is_ascii_hexdigit()));
            }
        }
        kept.push(told[0].to_owned());
    }
    // A refusal is called the same, where the client sees it and in the log.
    upstream.forget();
    let refused = ask_from("127.0.0.1", &gateway, "GET /admin", &["X-Request-Id: abc-1"]).await;
    assert_eq!(refused.status, 401);
    let problem: serde_json::Value = serde_json::from_str(&refused.text()).unwrap();
    assert_eq!(problem["request_id"], "abc-1");
    upstream.saw_nothing();
    kept.push("abc-1".to_owned());
    let log = gateway.stopped();
    let logged: Vec<&str> = log
        .iter()
        .map(|line| line["request_id"].as_str().unwrap())
        .collect();
    assert_eq!(logged, kept);
}

#[tokio::test]
async fn a_trace_goes_through_with_a_span_of_the_gateways_own() {
    let upstream = Upstream::start();
    let gateway = started(&upstream).await;
    let mut logged = Vec::new();
    // Anybody may begin a trace.
    for source in ["127.0.0.1", "127.0.0.2"] {
        for (name, sent, flags) in [
            ("traceparent", format!("00-{TRACE}-{SPAN}-01"), "01"),
            ("Traceparent", format!("00-{TRACE}-{SPAN}-00"), "00"),
            ("TRACEPARENT", format!("42-{TRACE}-{SPAN}-01-more"), "01"),
        ] {
            upstream.forget();
            let field = format!("{name}: {sent}");
            let state = [
                "tracestate: rojo=00f067aa0ba902b7",
                "Tracestate: congo=t61rcWkgMzE",
            ];
            let fields = [field.as_str(), state[0], state[1]];
            assert_eq!(ask_from(source, &gateway, "GET /", &fields).await.status, 200);
            let request = upstream.only();
            let [version, trace_id, span, given] = trace(&request);
            assert_eq!([&*version, &*trace_id, &*given], ["00", TRACE, flags], "{field}");
            assert_ne!(span, SPAN, "{field}");
            assert_eq!(
                request.header("tracestate"),
                ["rojo=00f067aa0ba902b7", "congo=t61rcWkgMzE"],
                "{field}"
            );
            logged.push(trace_id);
        }
    }
    let log = gateway.stopped();
    let seen: Vec<&str> = log
        .iter()
        .map(|line| line["trace_id"].as_str().unwrap())
        .collect();
    assert_eq!(seen, logged);
}

#[tokio::test]
async fn where_there_is_no_trace_or_a_malformed_one_a_new_one_begins() {
    let upstream = Upstream::start();
    let gateway = started(&upstream).await;
    let good = format!("traceparent: 00-{TRACE}-{SPAN}-01");
    let zeros = "0".repeat(32);
    let mut traces = Vec::new();
    for fields in [
        vec![],
        vec![good.clone(), good.clone()],
        vec![format!("traceparent: 00-{}-{SPAN}-01", TRACE.to_uppercase())],
        vec![format!("traceparent: 00-{zeros}-{SPAN}-01")],
        vec![format!("traceparent: 00-{TRACE}-{}-01", &zeros[..16])],
        vec![format!("traceparent: ff-{TRACE}-{SPAN}-01")],
        vec![format!("{good}-more")],
        vec![good[..good.len() - 1].to_owned()],
        vec![format!("traceparent: {TRACE}")],
        vec!["traceparent:".to_owned()],
        vec![format!("traceparent: {}", "0-".repeat(2000))],
    ] {
        upstream.forget();
        let mut fields: Vec<&str> = fields.iter().map(String::as_str).collect();
        fields.push("tracestate: rojo=00f067aa0ba902b7");
        assert_eq!(
            ask_from("127.0.0.1", &gateway, "GET /", &fields).await.status,
            200
        );
        let request = upstream.only();
        let [version, trace_id, _, flags] = trace(&request);
        assert_eq!([&*version, &*flags], ["00", "00"], "{fields:?}");
        assert_ne!(trace_id, TRACE, "{fields:?}");
        // It is the other trace's.
        assert!(request.header("tracestate").is_empty(), "{fields:?}");
        traces.push(trace_id);
    }
    // Requests of one connection are not one trace.
    let mut wire = gateway.wire().await;
    for _ in 0..3 {
        upstream.forget();
        wire.send(head("GET /", &[])).await;
        assert_eq!(wire.answer().await.status, 200);
        let [_, trace_id, ..] = trace(&upstream.only());
        traces.push(trace_id);
    }
    drop(wire);
    let log = gateway.stopped();
    let seen: Vec<&str> = log
        .iter()
        .map(|line| line["trace_id"].as_str().unwrap())
        .collect();
    assert_eq!(seen, traces);
    traces.sort();
    traces.dedup();
    assert_eq!(traces.len(), 14, "each is another");
}

#[tokio::test]
async fn a_trace_cannot_be_named_for_removal_or_in_trailers() {
    let upstream = Upstream::start();
    let gateway = started(&upstream).await;
    let good = format!("traceparent: 00-{TRACE}-{SPAN}-01");
    let fields = [
        &*good,
        "Connection: traceparent, x-request-id, x-forwarded-for, forwarded",
        "Transfer-Encoding: chunked",
        "Trailer: traceparent, x-request-id, x-checksum",
    ];
    let mut wire = gateway.wire().await;
    wire.send(head("POST /", &fields)).await;
    wire.send(format!(
        "0\r\n{good}\r\nX-Request-Id: evil\r\nX-Checksum: fine\r\n\r\n"
    ))
    .await;
    assert_eq!(wire.answer().await.status, 200);
    let request = upstream.only();
    let [_, trace_id, ..] = trace(&request);
    assert_eq!(trace_id, TRACE);
    assert_eq!(request.header("x-forwarded-for"), ["127.0.0.1"]);
    assert_eq!(request.header("x-request-id").len(), 1);
    assert_eq!(request.body, b"0\r\nx-checksum: fine\r\n\r\n");
}
