use std::collections::HashSet;

use super::*;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const SPAN: &str = "00f067aa0ba902b7";

fn headers(fields: &[(&'static str, &str)]) -> HeaderMap {
    let field =
        |(name, value): &(&'static str, &str)| (HeaderName::from_static(name), value.parse().unwrap());
    let mut headers = HeaderMap::new();
    for (name, value) in fields.iter().map(field) {
        headers.append(name, value);
    }
    headers
}

#[test]
fn a_trace_goes_on_with_a_span_of_our_own() {
    let ids = TraceIds::new().unwrap();
    for (sent, flags) in [
        (format!("00-{TRACE}-{SPAN}-00"), "00"),
        (format!("00-{TRACE}-{SPAN}-01"), "01"),
        (format!("00-{TRACE}-{SPAN}-03"), "03"),
        // Flags that nobody has defined yet are not passed on.
        (format!("00-{TRACE}-{SPAN}-ff"), "03"),
        (format!("00-{TRACE}-{SPAN}-a9"), "01"),
        // A later version is read as far as this one goes, and answered in this one.
        (format!("01-{TRACE}-{SPAN}-01"), "01"),
        (format!("cc-{TRACE}-{SPAN}-01-what-the-future-will-be"), "01"),
        (format!("fe-{TRACE}-{SPAN}-01-"), "01"),
    ] {
        let mut headers = headers(&[
            ("traceparent", &sent),
            ("tracestate", "a=1"),
            ("tracestate", "b=2"),
        ]);
        let context = TraceContext::of(&mut headers, &ids);
        let parts: Vec<&str> = context.as_str().split('-').collect();
        let [version, trace, span, given] = parts[..] else {
            panic!("{context:?}")
        };
        assert_eq!((version, trace, given), ("00", TRACE, flags), "{sent}");
        assert_ne!(span, SPAN, "{sent}");
        assert!(TraceContext::parse(context.as_str().as_bytes()).is_some());
        assert_eq!(context.trace_id(), TRACE);
        assert_eq!(headers.get_all("tracestate").iter().count(), 2, "{sent}");
    }
}

#[test]
fn what_is_malformed_begins_a_new_trace() {
    let ids = TraceIds::new().unwrap();
    let good = format!("00-{TRACE}-{SPAN}-01");
    let (upper, zeros) = (TRACE.to_uppercase(), "0".repeat(32));
    for sent in [
        vec![],
        vec![String::new()],
        vec![good.clone(), good.clone()],
        vec![good.clone(), String::new()],
        vec![format!("{good}, {good}")],
        vec![format!("{good}-more")],
        vec![format!("{good}0")],
        vec![good[..54].to_owned()],
        vec![format!("00-{upper}-{SPAN}-01")],
        vec![format!("00-{zeros}-{SPAN}-01")],
        vec![format!("00-{TRACE}-{}-01", &zeros[..16])],
        vec![format!("ff-{TRACE}-{SPAN}-01")],
        vec![format!("0x-{TRACE}-{SPAN}-01")],
        vec![format!("01-{TRACE}-{SPAN}-01more")],
        vec![format!("00-{TRACE}-{SPAN}-0g")],
        vec![format!("00-{TRACE}-{SPAN}-+1")],
        vec![format!("00_{TRACE}-{SPAN}-01")],
        vec![format!("00-{TRACE}_{SPAN}-01")],
        vec![format!("00-{TRACE}-{SPAN}_01")],
        vec![format!("00-{}g-{SPAN}-01", &TRACE[..31])],
        vec!["4bf92f3577b34da6a3ce929d0e0e4736".to_owned()],
    ] {
        let mut fields: Vec<(&str, &str)> = sent.iter().map(|value| ("traceparent", &**value)).collect();
        fields.push(("tracestate", "a=1"));
        let mut headers = headers(&fields);
        let context = TraceContext::of(&mut headers, &ids);
        assert_ne!(context.trace_id(), TRACE, "{sent:?}");
        assert!(context.as_str().ends_with("-00"), "{sent:?}: not to be recorded");
        assert!(TraceContext::parse(context.as_str().as_bytes()).is_some());
        assert!(!headers.contains_key("tracestate"), "{sent:?}");
    }
}

#[test]
fn traces_and_spans_are_new_each_time_on_every_worker() {
    let workers = [TraceIds::new().unwrap(), TraceIds::new().unwrap()];
    let (mut traces, mut spans) = (HashSet::new(), HashSet::new());
    for ids in workers.iter().cycle().take(2000) {
        let context = TraceContext::of(&mut HeaderMap::new(), ids);
        traces.insert(context.trace_id().to_owned());
        spans.insert(context.as_str()[36..52].to_owned());
    }
    assert_eq!((traces.len(), spans.len()), (2000, 2000));
}

#[test]
fn digits_stand_for_their_numbers() {
    let digits = hex::digits(0x0123_4567_89ab_cdef);
    assert_eq!(digits.map(value), std::array::from_fn(|index| index as u8));
}
