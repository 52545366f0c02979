//! What all kinds of trace stores can be asked.

mod jaeger;
mod jaeger_v3;
mod probe;
mod tempo;
mod zipkin;

use url::Url;

use super::client::Client;
use super::fault::Fault;
use super::page::Page;
use super::slicer::{Request, Rules};
pub(super) use probe::find;

/// What a search asks for beside the time: only what cannot lose a trace that the filters would keep.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Query {
    pub(super) service: Option<String>,
    pub(super) operation: Option<String>,
}

/// How often one service calls another, as the server counts.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Link {
    /// The caller.
    pub parent: String,
    /// The called.
    pub child: String,
    /// How often.
    pub call_count: u64,
}

/// One kind of store behind one address.
pub(super) trait Store: Send + Sync {
    /// What it is called in messages.
    fn name(&self) -> &'static str;

    /// Where it stands.
    fn base(&self) -> &Url;

    /// How it may be asked.
    fn rules(&self, page_size: usize) -> Rules {
        // Elasticsearch compares whole milliseconds.
        Rules { unit_us: 1_000, margin_us: 1_000, page_size, largest_page: page_size.max(LARGEST_PAGE) }
    }

    /// Whether it only searches the traces of a service.
    fn needs_service(&self) -> bool;

    /// One page; traces that are `known` need not be fetched again.
    fn search(
        &self,
        client: &Client,
        query: &Query,
        request: Request,
        is_known: &dyn Fn(u128) -> bool,
    ) -> Result<Page, Fault>;

    /// One trace by its id; nothing if there is none.
    fn trace(&self, client: &Client, id: &str) -> Result<Option<Page>, Fault>;

    /// The services there are.
    fn services(&self, client: &Client) -> Result<Vec<String>, Fault>;

    /// Who calls whom in the time up to a moment, in milliseconds; nothing if it does not know.
    fn dependencies(&self, client: &Client, end_ms: i64, lookback_ms: i64) -> Result<Option<Vec<Link>>, Fault>;

    /// What an answer without traces looks like, so that the format is known of nothing.
    fn empty(&self) -> &'static str;
}

/// Stores refuse more, or answer after minutes.
const LARGEST_PAGE: usize = 1_500;

/// An address below another.
pub(super) fn endpoint(base: &Url, path: &[&str]) -> Url {
    let mut url = base.clone();
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.pop_if_empty().extend(path);
    }
    url
}

/// A body that is a JSON value of a known kind.
fn parse<T: serde::de::DeserializeOwned>(client: &Client, url: &Url, body: &[u8]) -> Result<T, Fault> {
    serde_json::from_slice(body).map_err(|err| client.broken(url, &format!("the answer makes no sense ({err})")))
}

/// Names in the order that people look for them.
fn sorted(mut names: Vec<String>) -> Vec<String> {
    names.sort();
    names.dedup();
    names
}
