//! Grafana Tempo: a search gives ids, each trace is fetched on its own.

use std::sync::atomic::{AtomicBool, Ordering};

use serde::Deserialize;
use url::Url;

use super::{Link, Query, Store, endpoint, parse, sorted};
use crate::fetch::client::Client;
use crate::fetch::fault::{Fault, FaultKind};
use crate::fetch::page::{self, Page, Wrapper, key_of};
use crate::fetch::slicer::{Request, Rules};

/// `/api/search` and `/api/v2/traces/{id}`.
pub(super) struct Tempo {
    pub(super) base: Url,
    /// Only the older `/api/traces/{id}` is there.
    pub(super) is_old: AtomicBool,
}

#[derive(Deserialize)]
struct Found {
    #[serde(default)]
    traces: Vec<Summary>,
}

#[derive(Deserialize)]
struct Summary {
    #[serde(rename = "traceID")]
    trace_id: String,
}

#[derive(Deserialize)]
struct TagValues {
    #[serde(rename = "tagValues", default)]
    values: Vec<String>,
}

const SECOND: i64 = 1_000_000;

impl Store for Tempo {
    fn name(&self) -> &'static str {
        "Tempo"
    }

    fn base(&self) -> &Url {
        &self.base
    }

    fn rules(&self, page_size: usize) -> Rules {
        // It knows whole seconds.
        Rules { unit_us: SECOND, margin_us: SECOND, page_size, largest_page: page_size.max(100_000) }
    }

    fn needs_service(&self) -> bool {
        false
    }

    fn search(
        &self,
        client: &Client,
        query: &Query,
        request: Request,
        is_known: &dyn Fn(u128) -> bool,
    ) -> Result<Page, Fault> {
        let mut url = endpoint(&self.base, &["api", "search"]);
        url.query_pairs_mut()
            .append_pair("q", &trace_ql(query))
            .append_pair("start", &request.from_us.div_euclid(SECOND).to_string())
            .append_pair("end", &(request.until_us.div_euclid(SECOND) + 1).to_string())
            .append_pair("limit", &request.limit.to_string())
            .append_pair("spss", "1");
        let body = client.get_success(&url)?;
        let found: Found = parse(client, &url, &body)?;
        let mut page = Page::default();
        for id in found.traces.into_iter().map(|it| it.trace_id) {
            let key = key_of(&id);
            page.keys.push(key);
            if is_known(key) {
                continue;
            }
            match self.trace(client, &id)? {
                Some(mut trace) => {
                    page.traces.append(&mut trace.traces);
                    page.incomplete.append(&mut trace.incomplete);
                }
                None => page.incomplete.push(format!("trace {id} was found but could not be fetched")),
            }
        }
        Ok(page)
    }

    fn trace(&self, client: &Client, id: &str) -> Result<Option<Page>, Fault> {
        if !self.is_old.load(Ordering::Relaxed) {
            let url = endpoint(&self.base, &["api", "v2", "traces", id]);
            let answer = client.get(&url)?;
            // A trace that is not there is an empty answer or a 404, as is the endpoint where it is not.
            if answer.is_success() {
                let body = client.success(&url, answer)?;
                let page = page::otlp(&body, Wrapper::Tempo).map_err(|what| client.broken(&url, &what))?;
                return Ok((!page.traces.is_empty()).then_some(page));
            }
            if answer.status != 404 {
                return Err(client.refused(&url, &answer));
            }
        }
        let url = endpoint(&self.base, &["api", "traces", id]);
        let answer = client.get(&url)?;
        if answer.status == 404 {
            return Ok(None);
        }
        let body = client.success(&url, answer)?;
        self.is_old.store(true, Ordering::Relaxed);
        let page = page::otlp(&body, Wrapper::Tempo).map_err(|what| client.broken(&url, &what))?;
        Ok((!page.traces.is_empty()).then_some(page))
    }

    fn services(&self, client: &Client) -> Result<Vec<String>, Fault> {
        let url = endpoint(&self.base, &["api", "search", "tag", "service.name", "values"]);
        let body = client.get_success(&url)?;
        let answer: TagValues = parse(client, &url, &body)?;
        Ok(sorted(answer.values))
    }

    fn dependencies(&self, client: &Client, _: i64, _: i64) -> Result<Option<Vec<Link>>, Fault> {
        if client.is_stopped() {
            return Err(Fault::new(FaultKind::Stopped, client.shown(&self.base), "stopped"));
        }
        // Its service graph is in Prometheus.
        Ok(None)
    }

    fn empty(&self) -> &'static str {
        "{\"batches\":[]}"
    }
}

/// The search in Tempo's language.
fn trace_ql(query: &Query) -> String {
    let text = |it: &str| format!("\"{}\"", it.replace('\\', "\\\\").replace('"', "\\\""));
    let service = query.service.as_deref().map(|it| format!("resource.service.name = {}", text(it)));
    let operation = query.operation.as_deref().map(|it| format!("name = {}", text(it)));
    let terms: Vec<String> = service.into_iter().chain(operation).collect();
    if terms.is_empty() { "{}".to_owned() } else { format!("{{ {} }}", terms.join(" && ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_escaped() {
        assert_eq!(trace_ql(&Query::default()), "{}");
        let query = Query { service: Some("a\"b".to_owned()), operation: Some("GET /".to_owned()) };
        assert_eq!(trace_ql(&query), r#"{ resource.service.name = "a\"b" && name = "GET /" }"#);
    }
}
