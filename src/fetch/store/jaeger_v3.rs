//! Jaeger's newer API, the only one from 2.21 on.

use serde::Deserialize;
use url::Url;

use super::{Link, Query, Store, endpoint, jaeger, parse, sorted};
use crate::fetch::client::{Answer, Client};
use crate::fetch::fault::{Fault, FaultKind};
use crate::fetch::page::{self, Page, Wrapper};
use crate::fetch::slicer::Request;

/// `/api/v3/traces`.
pub(super) struct JaegerV3 {
    pub(super) base: Url,
}

#[derive(Deserialize)]
struct Services {
    #[serde(default)]
    services: Vec<String>,
}

impl Store for JaegerV3 {
    fn name(&self) -> &'static str {
        "Jaeger (API v3)"
    }

    fn base(&self) -> &Url {
        &self.base
    }

    fn needs_service(&self) -> bool {
        true
    }

    fn search(
        &self,
        client: &Client,
        query: &Query,
        request: Request,
        _: &dyn Fn(u128) -> bool,
    ) -> Result<Page, Fault> {
        let mut url = endpoint(&self.base, &["api", "v3", "traces"]);
        {
            // Versions before 2.19 know only the second spelling, some the third; what one does not know it ignores.
            let mut pairs = url.query_pairs_mut();
            let mut each = |names: &[&str], value: &str| {
                for name in names {
                    pairs.append_pair(&format!("query.{name}"), value);
                }
            };
            if let Some(service) = &query.service {
                each(&["serviceName", "service_name"], service);
            }
            if let Some(operation) = &query.operation {
                each(&["operationName", "operation_name"], operation);
            }
            each(&["startTimeMin", "start_time_min"], &rfc3339(request.from_us));
            each(&["startTimeMax", "start_time_max"], &rfc3339(request.until_us));
            each(&["searchDepth", "search_depth", "num_traces"], &request.limit.to_string());
        }
        let answer = client.get(&url)?;
        read(client, &url, answer).map(Option::unwrap_or_default)
    }

    fn trace(&self, client: &Client, id: &str) -> Result<Option<Page>, Fault> {
        let url = endpoint(&self.base, &["api", "v3", "traces", id]);
        let answer = client.get(&url)?;
        match read(client, &url, answer) {
            Err(fault) if fault.kind == FaultKind::NoRoute => jaeger::trace(client, &self.base, id),
            outcome => outcome,
        }
    }

    fn services(&self, client: &Client) -> Result<Vec<String>, Fault> {
        let url = endpoint(&self.base, &["api", "v3", "services"]);
        let body = client.get_success(&url)?;
        let answer: Services = parse(client, &url, &body)?;
        Ok(sorted(answer.services))
    }

    fn dependencies(&self, client: &Client, end_ms: i64, lookback_ms: i64) -> Result<Option<Vec<Link>>, Fault> {
        jaeger::dependencies(client, &self.base, end_ms, lookback_ms)
    }

    fn empty(&self) -> &'static str {
        "{\"result\":{\"resourceSpans\":[]}}"
    }
}

/// Reads the traces of an answer.
fn read(client: &Client, url: &Url, answer: Answer) -> Result<Option<Page>, Fault> {
    if is_none(client, url, &answer) {
        return Ok(None);
    }
    let body = client.success(url, answer)?;
    let page = page::otlp(&body, Wrapper::JaegerV3).map_err(|what| client.broken(url, &what))?;
    match page.incomplete.first() {
        // A stream that ends in an error, as it had not begun when the status was sent.
        Some(why) if page.traces.is_empty() => Err(client.broken(url, why)),
        _ => Ok((!page.traces.is_empty()).then_some(page)),
    }
}

/// Whether an answer says that there is no trace: a 404 in JSON. Versions before 1.54 end the stream of traces before
/// it has begun, and call an unknown id a failure of their own.
fn is_none(client: &Client, url: &Url, answer: &Answer) -> bool {
    match answer.status {
        200 => answer.body.trim_ascii().is_empty(),
        404 => client.refused(url, answer).kind == FaultKind::Status(404),
        500 => client.refused(url, answer).what.ends_with(": trace not found"),
        _ => false,
    }
}

fn rfc3339(us: i64) -> String {
    let timestamp = jiff::Timestamp::from_microsecond(us).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    format!("{timestamp:.6}")
}
