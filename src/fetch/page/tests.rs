//! Answers cut into traces.

use super::*;

fn keys(page: &Page) -> Vec<u128> {
    page.traces.iter().map(|it| it.key).collect()
}

#[test]
fn copies_in_another_order_are_the_same() {
    let a = r#"{"data":[{"traceID":"0a","spans":[{"spanID":"1","startTime":5},{"spanID":"2"}],"processes":{}}],"errors":null}"#;
    let b = r#"{"data":[{"processes":{},"spans":[{"spanID":"2"},{"startTime":5,"spanID":"1"}],"traceID":"000A"}]}"#;
    let (a, b) = (jaeger(a.as_bytes()).unwrap(), jaeger(b.as_bytes()).unwrap());
    assert_eq!((keys(&a), a.traces[0].fingerprint, a.traces[0].n_spans), (vec![10], b.traces[0].fingerprint, 2));
    assert_eq!(keys(&a), keys(&b));
    let grown = jaeger(br#"{"data":{"traceID":"a","spans":[{"spanID":"1","startTime":5}]}}"#).unwrap();
    assert_ne!(grown.traces[0].fingerprint, a.traces[0].fingerprint);
}

#[test]
fn a_body_may_hold_several_answers_and_errors() {
    let page =
        jaeger(br#"{"data":null,"errors":[{"msg":"trace not found"}]} {"data":[{"traceID":"b","spans":[]}]}"#).unwrap();
    assert_eq!((keys(&page), page.incomplete), (vec![11], vec!["trace not found".to_owned()]));
    for broken in ["{\"data\":[", "{\"data\":[{\"traceID\":NaN}]}", "{\"data\":5}", "\u{0}"] {
        assert!(jaeger(broken.as_bytes()).is_err(), "{broken}");
    }
}

#[test]
fn a_list_of_batches_is_put_together_by_trace() {
    let span = |trace: &str, id: &str| format!(r#"{{"traceId":"{trace}","spanId":"{id}","name":"x"}}"#);
    let batch = |service: &str, spans: &[String]| {
        format!(
            r#"{{"resource":{{"s":"{service}"}},"scopeSpans":[{{"scope":{{"name":"l"}},"spans":[{}]}}]}}"#,
            spans.join(",")
        )
    };
    let of_one = batch("a", &[span("01", "1")]);
    let of_two = batch("b", &[span("01", "2"), span("02", "3")]);
    let body =
        format!("{{\"result\":{{\"resourceSpans\":[{of_one}]}}}}\n{{\"result\":{{\"resource_spans\":[{of_two}]}}}}");
    let page = otlp(body.as_bytes(), Wrapper::JaegerV3).unwrap();
    assert_eq!(keys(&page), [1, 2]);
    let expected = batch("b", &[span("01", "2")]);
    assert_eq!(page.traces[0].text, format!("{{\"result\":{{\"resourceSpans\":[{of_one},{expected}]}}}}"));
    assert_eq!((page.traces[0].n_spans, page.traces[1].n_spans), (2, 1));
    // The same spans, cut into batches differently.
    let other =
        format!("{{\"result\":{{\"resourceSpans\":[{},{of_one}]}}}}", batch("b", &[span("02", "3"), span("01", "2")]));
    let other = otlp(other.as_bytes(), Wrapper::JaegerV3).unwrap();
    assert_eq!(other.traces[0].fingerprint, page.traces[0].fingerprint);
}

#[test]
fn tempo_says_when_its_answer_is_partial() {
    let body = br#"{"trace":{"resourceSpans":[]},"status":"PARTIAL","message":"too large"}"#;
    assert_eq!(otlp(body, Wrapper::Tempo).unwrap().incomplete, ["too large"]);
    assert!(otlp(br#"{"trace":{},"status":"COMPLETE"}"#, Wrapper::Tempo).unwrap().incomplete.is_empty());
}

#[test]
fn zipkin_gives_lists_of_lists() {
    let page = zipkin(br#"[[{"traceId":"1","id":"1"}],[{"traceId":"2","id":"1"},{"traceId":"2","id":"2"}]]"#).unwrap();
    assert_eq!((keys(&page), page.traces[1].n_spans), (vec![1, 2], 2));
    assert_eq!(page.traces[0].text, r#"[[{"traceId":"1","id":"1"}]]"#);
    assert!(zipkin(br#"{"status":404}"#).is_err());
    assert_eq!(keys(&zipkin_trace(br#"[{"traceId":"ff","id":"1"}]"#).unwrap()), [255]);
}
