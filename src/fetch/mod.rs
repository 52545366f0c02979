//! Traces out of a running server: Jaeger (both of its APIs), Zipkin, Tempo.
//!
//! An address is understood ([`address`](Address)), the kind of server found out, and everything of a
//! window of time fetched over a few connections: the slicer says what to ask for, pages are cut into
//! traces, and each trace is written once to a spool that the pipeline reads like any capture while it
//! grows. Where not all could be had, that is known in the end, and why.
//!
//! Only what cannot lose a trace is asked of the server: service, operation, time. Its durations and
//! tags are of spans, and mean something else in each kind of storage; all filters are applied to
//! what comes.

mod address;
mod client;
mod crew;
mod download;
mod fault;

mod message;
mod page;
mod secret;
mod slicer;
mod spool;
mod store;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crate::failure::Failure;
use crate::input::source::Source;
pub use address::{Address, Search, Target, is_address, shown};
use client::Client;
pub use client::{ClientOptions, Credentials, Proxies};
use crew::Crew;
pub use secret::Secret;
use slicer::Slicer;
pub use store::Link;
use store::{Query, Store};

/// The APIs that can be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Api {
    /// Jaeger's before 2.21: /api/traces
    Jaeger,
    /// Jaeger's newer: /api/v3
    JaegerV3,
    /// Zipkin's v2: /api/v2
    Zipkin,
    /// Grafana Tempo's: /api/search
    Tempo,
}

/// How servers are asked.
#[derive(Clone, Debug)]
pub struct FetchOptions {
    /// How they are reached.
    pub client: ClientOptions,
    /// The API, where it is not to be found out.
    pub api: Option<Api>,
    /// So many traces are enough.
    pub limit: Option<u64>,
    /// How many traces are asked for at once.
    pub page_size: usize,
    /// Ask for the traces of every service.
    pub all_services: bool,
}

/// What is asked for.
#[derive(Clone, Debug, Default)]
pub struct Wish {
    /// Any of these services.
    pub services: Vec<String>,
    /// An operation, if there is but one.
    pub operation: Option<String>,
    /// These traces and no others.
    pub trace_ids: Vec<String>,
    /// From when, in microseconds since the epoch.
    pub from_us: i64,
    /// Until when, exclusive.
    pub until_us: i64,
}

/// A server that is ready to be asked.
pub struct Server {
    client: Client,
    store: Box<dyn Store>,
}

impl Server {
    /// Finds out what stands at an address.
    pub fn connect(address: &Address, options: &FetchOptions, stopped: Arc<AtomicBool>) -> anyhow::Result<Server> {
        let client = Client::new(&address.base, address.credentials.clone(), options.client.clone(), stopped)?;
        let api = options.api.or(address.api.filter(|it| *it != Api::JaegerV3));
        let store = store::find(&client, &address.base, api).map_err(fault::Fault::into_failure)?;
        Ok(Server { client, store })
    }

    /// Its address, without anything secret.
    pub fn name(&self) -> String {
        self.client.shown(self.store.base()).trim_end_matches('/').to_owned()
    }

    /// What kind of store it is.
    pub fn kind(&self) -> &'static str {
        self.store.name()
    }

    /// Who calls whom, as the server counts; nothing if it does not count.
    pub fn dependencies(&self, from_us: i64, until_us: i64) -> anyhow::Result<Option<Vec<Link>>> {
        let end_ms = until_us.div_euclid(1_000) + 1;
        let lookback_ms = (end_ms - from_us.div_euclid(1_000)).max(1);
        Ok(self.store.dependencies(&self.client, end_ms, lookback_ms).map_err(fault::Fault::into_failure)?)
    }

    /// A source of all that is wished for; fetching begins when it is first read.
    pub fn source(self: &Arc<Server>, wish: Wish, options: &FetchOptions) -> anyhow::Result<Source> {
        let mut known = None;
        let services = self.services(&wish, options, &mut known)?;
        let page_size = match options.limit {
            // One more shows whether there are more.
            Some(limit) => options.page_size.min(usize::try_from(limit).unwrap_or(usize::MAX).saturating_add(1)),
            None => options.page_size,
        };
        let searches = services
            .into_iter()
            .map(|service| {
                let query = Query { service, operation: wish.operation.clone() };
                (query, Slicer::new(wish.from_us, wish.until_us, self.store.rules(page_size)))
            })
            .collect();
        let crew = Crew::new(Arc::clone(self), searches, wish.trace_ids, options.limit, known)?;
        Ok(Source::fed(self.name(), Arc::new(crew)))
    }

    /// Whose traces to ask for; `None` is everybody's.
    fn services(
        &self,
        wish: &Wish,
        options: &FetchOptions,
        known: &mut Option<Vec<String>>,
    ) -> anyhow::Result<Vec<Option<String>>> {
        if !wish.trace_ids.is_empty() {
            return Ok(Vec::new());
        }
        if !wish.services.is_empty() && !options.all_services {
            let mut services = wish.services.clone();
            services.sort();
            services.dedup();
            // For hints only.
            *known = self.store.services(&self.client).ok();
            return Ok(services.into_iter().map(Some).collect());
        }
        if !self.store.needs_service() {
            return Ok(vec![None]);
        }
        let services = self.store.services(&self.client).map_err(fault::Fault::into_failure)?;
        if options.all_services {
            return Ok(services.into_iter().map(Some).collect());
        }
        let there_are = if services.is_empty() {
            "it has none yet".to_owned()
        } else {
            format!("it has {}", listed(&services, 50))
        };
        let what = format!("failed to ask {}: whose traces? {there_are}", self.name());
        Err(Failure::with_hint(what, "name one with --service NAME, or ask for each in turn with --all-services")
            .into())
    }
}

/// The first names of a list.
fn listed(names: &[String], most: usize) -> String {
    let shown = names.iter().take(most).map(String::as_str).collect::<Vec<_>>().join(", ");
    if names.len() > most { format!("{shown} and {} more", names.len() - most) } else { shown }
}

/// The capture at an address, loaded whole.
pub fn file(address: &Address, options: &FetchOptions, stopped: Arc<AtomicBool>) -> anyhow::Result<Source> {
    let client = Client::new(&address.base, address.credentials.clone(), options.client.clone(), stopped)?;
    let spool = client.download(&address.base)?;
    Ok(Source::fed(address.file_name(), Arc::new(download::Downloaded::new(spool))))
}
