//! What Zipkin's JSON looks like from outside.

use crate::input::Sniff;
use crate::input::json::Node;

/// Judges a value, or as much of it as there is, as one of version 1 or 2.
pub(super) fn sniff(value: &Node<'_>, first_version: bool) -> Sniff {
    let Some(span) = first_span(value) else {
        let is_hollow = value.is_list() && !value.items().is_empty() && value.items().iter().all(is_empty_list);
        return if is_hollow && !first_version { Sniff::Maybe } else { Sniff::No };
    };
    if is_span(span) && spans(value).any(is_v1) == first_version { Sniff::Yes } else { Sniff::No }
}

/// All spans in sight: the value itself, the items of a list, or those of lists in a list.
fn spans<'n, 'a>(value: &'n Node<'a>) -> impl Iterator<Item = &'n Node<'a>> {
    let own = value.is_object().then_some(value);
    let items = value.items().iter().flat_map(|it| it.is_object().then_some(it).into_iter().chain(it.items()));
    own.into_iter().chain(items)
}

fn first_span<'n, 'a>(value: &'n Node<'a>) -> Option<&'n Node<'a>> {
    spans(value).find(|it| !it.is_null())
}

fn is_empty_list(node: &Node<'_>) -> bool {
    node.is_list() && node.items().is_empty()
}

fn is_span(span: &Node<'_>) -> bool {
    let has_ids = span.has_all(&["traceId", "id"]) && !span.has("spanId");
    let has_one = span.has("traceId") || span.has("id");
    let is_telling = ["localEndpoint", "remoteEndpoint", "binaryAnnotations"].iter().any(|it| span.has(it));
    has_ids || (has_one && is_telling) || (span.has("traceId") && has_endpoints(span))
}

/// Whether a span says what only version 1 says.
pub(super) fn is_v1(span: &Node<'_>) -> bool {
    span.get("binaryAnnotations").is_list() || has_endpoints(span)
}

fn has_endpoints(span: &Node<'_>) -> bool {
    span.get("annotations").items().iter().any(|it| it.get("endpoint").is_object())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_told_apart() {
        for v2 in [
            r#"[[{"traceId":"1","id":"2"}]]"#,
            r#"[[],[{"traceId":"1","parentId":"3","id":"2","na"#,
            r#"[{"traceId":"1","id":"2"}]"#,
            r#"{"id":"2","traceId":"1"}"#,
            r#"[null,{"tags":{},"localEndpoint":{"serviceName":"a"},"id":"2"#,
            r#"[{"traceId":"1","id":"2","annotations":[{"timestamp":1,"value":"x"}]}]"#,
        ] {
            assert_eq!(sniff(&Node::of_head(v2), false), Sniff::Yes, "{v2}");
            assert_eq!(sniff(&Node::of_head(v2), true), Sniff::No, "{v2}");
        }
        for v1 in [
            r#"[[{"traceId":"1","id":"2","binaryAnnotations":[]}]]"#,
            r#"[{"traceId":"1","id":"2"},{"annotations":[{"endpoint":{},"value":"sr"#,
            r#"{"traceId":"1","annotations":[{"value":"sr","endpoint":{"serviceName":"a"}}]"#,
        ] {
            assert_eq!(sniff(&Node::of_head(v1), true), Sniff::Yes, "{v1}");
            assert_eq!(sniff(&Node::of_head(v1), false), Sniff::No, "{v1}");
        }
        for no in [
            "[]",
            "{}",
            r#"["a"]"#,
            r#"[{"parent":"a","child":"b","callCount":1}]"#,
            r#"[{"traceId":"1","spanId":"2","startTimeUnixNano":"3"}]"#,
            r#"{"spans":[{"id":"1","trace.id":"2","attributes":{}}]}"#,
            r#"{"id":"1","name":"x","start_time":1.5,"trace_id":"1-2-3"}"#,
            r#"{"data":[{"traceID":"1","spans":[]}]}"#,
        ] {
            assert_eq!(sniff(&Node::of_head(no), false), Sniff::No, "{no}");
            assert_eq!(sniff(&Node::of_head(no), true), Sniff::No, "{no}");
        }
        assert_eq!(sniff(&Node::of_head("[[],[]]"), false), Sniff::Maybe);
    }
}
