//! Jaeger's older API, which versions before 2.21 have and those who imitate it.

use serde::Deserialize;
use url::Url;

use super::{Link, Query, Store, endpoint, parse, sorted};
use crate::fetch::client::Client;
use crate::fetch::fault::{Fault, FaultKind};
use crate::fetch::page::{self, Page};
use crate::fetch::slicer::Request;

/// `/api/traces`.
pub(super) struct Jaeger {
    pub(super) base: Url,
}

#[derive(Deserialize)]
struct Envelope<T> {
    data: Option<Vec<T>>,
}

impl Store for Jaeger {
    fn name(&self) -> &'static str {
        "Jaeger"
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
        let mut url = endpoint(&self.base, &["api", "traces"]);
        {
            let mut pairs = url.query_pairs_mut();
            pairs.append_pair("service", query.service.as_deref().unwrap_or(""));
            if let Some(operation) = &query.operation {
                pairs.append_pair("operation", operation);
            }
            pairs.append_pair("start", &request.from_us.to_string());
            pairs.append_pair("end", &request.until_us.to_string());
            pairs.append_pair("limit", &request.limit.to_string());
        }
        let body = client.get_success(&url)?;
        page::jaeger(&body).map_err(|what| client.broken(&url, &what))
    }

    fn trace(&self, client: &Client, id: &str) -> Result<Option<Page>, Fault> {
        trace(client, &self.base, id)
    }

    fn services(&self, client: &Client) -> Result<Vec<String>, Fault> {
        let url = endpoint(&self.base, &["api", "services"]);
        let body = client.get_success(&url)?;
        let envelope: Envelope<String> = parse(client, &url, &body)?;
        Ok(sorted(envelope.data.unwrap_or_default()))
    }

    fn dependencies(&self, client: &Client, end_ms: i64, lookback_ms: i64) -> Result<Option<Vec<Link>>, Fault> {
        dependencies(client, &self.base, end_ms, lookback_ms)
    }

    fn empty(&self) -> &'static str {
        "{\"data\":[]}"
    }
}

/// `/api/traces/{id}`, which newer versions keep.
pub(super) fn trace(client: &Client, base: &Url, id: &str) -> Result<Option<Page>, Fault> {
    let url = endpoint(base, &["api", "traces", id]);
    let answer = client.get(&url)?;
    if answer.status == 404 && client.refused(&url, &answer).kind == FaultKind::Status(404) {
        return Ok(None);
    }
    let body = client.success(&url, answer)?;
    let page = page::jaeger(&body).map_err(|what| client.broken(&url, &what))?;
    Ok((!page.traces.is_empty()).then_some(page))
}

/// `/api/dependencies`, which newer versions keep.
pub(super) fn dependencies(
    client: &Client,
    base: &Url,
    end_ms: i64,
    lookback_ms: i64,
) -> Result<Option<Vec<Link>>, Fault> {
    let mut url = endpoint(base, &["api", "dependencies"]);
    let times = [("endTs", end_ms.to_string()), ("lookback", lookback_ms.to_string())];
    url.query_pairs_mut().extend_pairs(times);
    let body = client.get_success(&url)?;
    let envelope: Envelope<Link> = parse(client, &url, &body)?;
    Ok(Some(envelope.data.unwrap_or_default()))
}
