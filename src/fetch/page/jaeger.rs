//! Jaeger's older API: `{"data":[trace…],"errors":[…]}`.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{FoundTrace, Page, Problem, hash_of, key_of, key_of_text, raw, text, values};

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    #[serde(borrow)]
    errors: Option<Vec<ServerError<'a>>>,
}

#[derive(Deserialize)]
struct ServerError<'a> {
    #[serde(borrow)]
    msg: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Shape<'a> {
    #[serde(borrow, rename = "traceID")]
    trace_id: Option<&'a RawValue>,
    #[serde(borrow)]
    spans: Option<Vec<SpanShape<'a>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SpanShape<'a> {
    #[serde(borrow, rename = "spanID")]
    span_id: Option<&'a RawValue>,
    #[serde(borrow)]
    start_time: Option<&'a RawValue>,
    #[serde(borrow)]
    duration: Option<&'a RawValue>,
    #[serde(borrow)]
    operation_name: Option<&'a RawValue>,
    #[serde(borrow)]
    tags: Option<&'a RawValue>,
    #[serde(borrow)]
    logs: Option<&'a RawValue>,
}

/// Reads an answer, or several in one body.
pub(in crate::fetch) fn read(body: &[u8]) -> Result<Page, Problem> {
    let mut page = Page::default();
    for envelope in values::<Envelope<'_>>(body)? {
        let errors = envelope.errors.unwrap_or_default();
        page.incomplete
            .extend(errors.iter().map(|it| text(it.msg).unwrap_or_else(|| "an error without words".to_owned())));
        let data = raw(envelope.data);
        let traces: Vec<&RawValue> = match data.as_bytes().first() {
            Some(b'[') => serde_json::from_str(data).map_err(|err| err.to_string())?,
            Some(b'{') => envelope.data.into_iter().collect(),
            Some(b'n') | None => Vec::new(),
            Some(_) => return Err("`data` holds no traces".to_owned()),
        };
        for trace in traces {
            page.push(found(trace.get()));
        }
    }
    Ok(page)
}

fn found(trace: &str) -> FoundTrace {
    let shape = serde_json::from_str::<Shape<'_>>(trace).unwrap_or(Shape { trace_id: None, spans: None });
    let spans = shape.spans.unwrap_or_default();
    let of_span = |it: &SpanShape<'_>| {
        // Lists come in any order, but not in any length.
        let n_bytes = (raw(it.tags).len(), raw(it.logs).len());
        hash_of(&(raw(it.span_id), raw(it.start_time), raw(it.duration), raw(it.operation_name), n_bytes))
    };
    FoundTrace {
        key: text(shape.trace_id).map_or_else(|| key_of_text(trace), |it| key_of(&it)),
        fingerprint: spans.iter().map(of_span).fold(0, u64::wrapping_add),
        n_spans: spans.len() as u64,
        text: trace.to_owned(),
    }
}
