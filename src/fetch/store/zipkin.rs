//! Zipkin's API v2.

use url::Url;

use super::{Link, Query, Store, endpoint, parse, sorted};
use crate::fetch::client::Client;
use crate::fetch::fault::Fault;
use crate::fetch::page::{self, Page};
use crate::fetch::slicer::Request;

/// `/api/v2/traces`.
pub(super) struct Zipkin {
    pub(super) base: Url,
}

impl Store for Zipkin {
    fn name(&self) -> &'static str {
        "Zipkin"
    }

    fn base(&self) -> &Url {
        &self.base
    }

    fn needs_service(&self) -> bool {
        false
    }

    fn search(
        &self,
        client: &Client,
        query: &Query,
        request: Request,
        _: &dyn Fn(u128) -> bool,
    ) -> Result<Page, Fault> {
        let mut url = endpoint(&self.base, &["api", "v2", "traces"]);
        {
            let mut pairs = url.query_pairs_mut();
            if let Some(service) = &query.service {
                pairs.append_pair("serviceName", service);
            }
            if let Some(operation) = &query.operation {
                pairs.append_pair("spanName", operation);
            }
            // Whole milliseconds: the end rounded up, and as far back as the start.
            let end_ms = request.until_us.div_euclid(1_000) + 1;
            let start_ms = request.from_us.div_euclid(1_000);
            pairs.append_pair("endTs", &end_ms.to_string());
            pairs.append_pair("lookback", &(end_ms - start_ms).max(1).to_string());
            pairs.append_pair("limit", &request.limit.to_string());
        }
        let body = client.get_success(&url)?;
        page::zipkin(&body).map_err(|what| client.broken(&url, &what))
    }

    fn trace(&self, client: &Client, id: &str) -> Result<Option<Page>, Fault> {
        let url = endpoint(&self.base, &["api", "v2", "trace", id]);
        let answer = client.get(&url)?;
        // Said in plain text, as Zipkin does.
        if answer.status == 404 && answer.body.windows(id.len().max(1)).any(|it| it.eq_ignore_ascii_case(id.as_bytes()))
        {
            return Ok(None);
        }
        let body = client.success(&url, answer)?;
        let page = page::zipkin_trace(&body).map_err(|what| client.broken(&url, &what))?;
        Ok((!page.traces.is_empty()).then_some(page))
    }

    fn services(&self, client: &Client) -> Result<Vec<String>, Fault> {
        let url = endpoint(&self.base, &["api", "v2", "services"]);
        let body = client.get_success(&url)?;
        parse(client, &url, &body).map(sorted)
    }

    fn dependencies(&self, client: &Client, end_ms: i64, lookback_ms: i64) -> Result<Option<Vec<Link>>, Fault> {
        let mut url = endpoint(&self.base, &["api", "v2", "dependencies"]);
        let times = [("endTs", end_ms.to_string()), ("lookback", lookback_ms.to_string())];
        url.query_pairs_mut().extend_pairs(times);
        let body = client.get_success(&url)?;
        parse(client, &url, &body).map(Some)
    }

    fn empty(&self) -> &'static str {
        "[]"
    }
}
