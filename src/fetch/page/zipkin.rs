//! Zipkin: a list of traces, each a list of spans.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{FoundTrace, Page, Problem, hash_of, key_of, key_of_text, raw, text, values};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SpanShape<'a> {
    #[serde(borrow)]
    trace_id: Option<&'a RawValue>,
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    kind: Option<&'a RawValue>,
    #[serde(borrow)]
    timestamp: Option<&'a RawValue>,
    #[serde(borrow)]
    duration: Option<&'a RawValue>,
    #[serde(borrow)]
    tags: Option<&'a RawValue>,
    #[serde(borrow)]
    local_endpoint: Option<&'a RawValue>,
}

/// Reads an answer to a search.
pub(in crate::fetch) fn read(body: &[u8]) -> Result<Page, Problem> {
    let mut page = Page::default();
    for traces in values::<Vec<&RawValue>>(body)? {
        for trace in traces {
            page.push(found(trace.get())?);
        }
    }
    Ok(page)
}

/// Reads the answer for one trace.
pub(in crate::fetch) fn read_trace(body: &[u8]) -> Result<Page, Problem> {
    let mut page = Page::default();
    for trace in values::<&RawValue>(body)? {
        page.push(found(trace.get())?);
    }
    Ok(page)
}

fn found(trace: &str) -> Result<FoundTrace, Problem> {
    let spans: Vec<SpanShape<'_>> =
        serde_json::from_str(trace).map_err(|err| format!("a trace is no list of spans ({err})"))?;
    let of_span = |it: &SpanShape<'_>| {
        let n_bytes = (raw(it.tags).len(), raw(it.local_endpoint).len());
        hash_of(&(raw(it.id), raw(it.kind), raw(it.timestamp), raw(it.duration), n_bytes))
    };
    let id = spans.first().and_then(|it| text(it.trace_id));
    Ok(FoundTrace {
        key: id.map_or_else(|| key_of_text(trace), |it| key_of(&it)),
        fingerprint: spans.iter().map(of_span).fold(0, u64::wrapping_add),
        n_spans: spans.len() as u64,
        text: format!("[{trace}]"),
    })
}
