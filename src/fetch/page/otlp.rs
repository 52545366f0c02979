//! OTLP in its wrappers: Jaeger's newer API, which puts all traces into one list, and Tempo.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{FoundTrace, Page, Problem, hash_of, key_of, key_of_text, raw, text, values};

/// How the traces are written down again, so that the format shows where they are from.
#[derive(Clone, Copy, Debug)]
pub(in crate::fetch) enum Wrapper {
    JaegerV3,
    Tempo,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    result: Option<Batches<'a>>,
    #[serde(borrow)]
    trace: Option<Batches<'a>>,
    #[serde(borrow, alias = "resourceSpans", alias = "resource_spans")]
    batches: Option<Vec<&'a RawValue>>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
    #[serde(borrow)]
    status: Option<&'a RawValue>,
    #[serde(borrow)]
    message: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Batches<'a> {
    #[serde(borrow, alias = "resource_spans", alias = "resourceSpans")]
    batches: Option<Vec<&'a RawValue>>,
}

#[derive(Deserialize)]
struct ResourceSpans<'a> {
    #[serde(borrow)]
    resource: Option<&'a RawValue>,
    #[serde(
        borrow,
        rename = "scopeSpans",
        alias = "scope_spans",
        alias = "instrumentationLibrarySpans",
        alias = "instrumentation_library_spans"
    )]
    scope_spans: Option<Vec<ScopeSpans<'a>>>,
}

#[derive(Deserialize)]
struct ScopeSpans<'a> {
    #[serde(borrow, alias = "instrumentationLibrary", alias = "instrumentation_library")]
    scope: Option<&'a RawValue>,
    #[serde(borrow)]
    spans: Option<Vec<&'a RawValue>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct SpanShape<'a> {
    #[serde(borrow, alias = "trace_id")]
    trace_id: Option<&'a RawValue>,
    #[serde(borrow, alias = "span_id")]
    span_id: Option<&'a RawValue>,
    #[serde(borrow, alias = "start_time_unix_nano")]
    start_time_unix_nano: Option<&'a RawValue>,
    #[serde(borrow, alias = "end_time_unix_nano")]
    end_time_unix_nano: Option<&'a RawValue>,
    #[serde(borrow)]
    name: Option<&'a RawValue>,
    #[serde(borrow)]
    attributes: Option<&'a RawValue>,
    #[serde(borrow)]
    events: Option<&'a RawValue>,
}

/// What an answer has of one trace.
#[derive(Default)]
struct Gathered<'a> {
    fingerprint: u64,
    n_spans: u64,
    /// Its spans by batch and scope.
    spans: BTreeMap<(usize, usize), Vec<&'a str>>,
}

/// Reads an answer, or several in one body, and puts together what is of one trace.
pub(in crate::fetch) fn read(body: &[u8], wrapper: Wrapper) -> Result<Page, Problem> {
    let mut page = Page::default();
    let mut batches = Vec::new();
    for envelope in values::<Envelope<'_>>(body)? {
        if let Some(error) = envelope.error {
            page.incomplete.push(super::super::message::of_body(error.get().as_bytes()).unwrap_or_default());
        }
        if raw(envelope.status).contains("PARTIAL") {
            let words = text(envelope.message).filter(|it| !it.is_empty());
            page.incomplete.push(words.unwrap_or_else(|| "the answer is partial".to_owned()));
        }
        let lists =
            [envelope.result.and_then(|it| it.batches), envelope.trace.and_then(|it| it.batches), envelope.batches];
        for batch in lists.into_iter().flatten().flatten() {
            let spans: ResourceSpans<'_> =
                serde_json::from_str(batch.get()).map_err(|err| format!("a batch of spans makes no sense ({err})"))?;
            batches.push((batch.get(), spans));
        }
    }
    let traces = gather(&batches);
    // Batches of one trace are passed on as they are.
    let mut n_traces_of = vec![0; batches.len()];
    for gathered in traces.values() {
        let mut of: Vec<usize> = gathered.spans.keys().map(|it| it.0).collect();
        of.dedup();
        of.into_iter().for_each(|it| n_traces_of[it] += 1);
    }
    for (key, gathered) in traces {
        page.push(gathered.found(key, &batches, &n_traces_of, wrapper));
    }
    Ok(page)
}

fn gather<'a>(batches: &[(&'a str, ResourceSpans<'a>)]) -> BTreeMap<u128, Gathered<'a>> {
    let mut traces: BTreeMap<u128, Gathered<'a>> = BTreeMap::new();
    for (nth, (_, batch)) in batches.iter().enumerate() {
        for (scope, spans) in batch.scope_spans.iter().flatten().enumerate() {
            for span in spans.spans.iter().flatten() {
                // What is no span is passed on too: the format counts it.
                let shape: SpanShape<'a> = serde_json::from_str(span.get()).unwrap_or_default();
                let key = text(shape.trace_id).map_or_else(|| key_of_text(span.get()), |it| key_of(&it));
                let trace = traces.entry(key).or_default();
                trace.n_spans += 1;
                let n_bytes = (raw(shape.attributes).len(), raw(shape.events).len());
                let times = (raw(shape.start_time_unix_nano), raw(shape.end_time_unix_nano));
                let hash = hash_of(&(raw(shape.span_id), times, raw(shape.name), n_bytes));
                trace.fingerprint = trace.fingerprint.wrapping_add(hash);
                trace.spans.entry((nth, scope)).or_default().push(span.get());
            }
        }
    }
    traces
}

impl Gathered<'_> {
    fn found(
        self,
        key: u128,
        batches: &[(&str, ResourceSpans<'_>)],
        n_traces_of: &[usize],
        wrapper: Wrapper,
    ) -> FoundTrace {
        let mut parts: Vec<String> = Vec::new();
        let mut nths: Vec<usize> = self.spans.keys().map(|it| it.0).collect();
        nths.dedup();
        for nth in nths {
            let (whole, batch) = &batches[nth];
            if n_traces_of[nth] == 1 {
                parts.push((*whole).to_owned());
                continue;
            }
            let scopes: Vec<String> = self
                .spans
                .range((nth, 0)..(nth + 1, 0))
                .map(|((_, scope), spans)| {
                    let scope = batch.scope_spans.iter().flatten().nth(*scope).and_then(|it| it.scope);
                    let scope = scope.map_or(String::new(), |it| format!("\"scope\":{},", it.get()));
                    format!("{{{scope}\"spans\":[{}]}}", spans.join(","))
                })
                .collect();
            let resource = batch.resource.map_or("{}", RawValue::get);
            parts.push(format!("{{\"resource\":{resource},\"scopeSpans\":[{}]}}", scopes.join(",")));
        }
        let parts = parts.join(",");
        let text = match wrapper {
            Wrapper::JaegerV3 => format!("{{\"result\":{{\"resourceSpans\":[{parts}]}}}}"),
            Wrapper::Tempo => format!("{{\"trace\":{{\"resourceSpans\":[{parts}]}}}}"),
        };
        FoundTrace { key, fingerprint: self.fingerprint, n_spans: self.n_spans, text }
    }
}
