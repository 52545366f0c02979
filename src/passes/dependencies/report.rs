//! The `dependencies` key.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use serde::Serialize;

use super::graph::{Graph, Shape};
use super::join::{Edge, Joined, Node};
use super::{Call, Dependencies, Options, Service};
use crate::model::Name;
use crate::model::semantics::PeerType;
use crate::passes::sorted;
use crate::report::TheirCalls;
use crate::stats::{DurationStats, percent};

/// As the old script had it.
const TOP_OPERATIONS: usize = 5;

/// The `dependencies` key.
#[derive(Debug, Serialize)]
pub(in crate::passes) struct DependenciesReport {
    pub(super) services: BTreeMap<Name, ServiceReport>,
    /// Instrumented calls only, as there were no others once.
    pub(super) dependencies: BTreeMap<Name, BTreeMap<Name, u64>>,
    pub(super) edges: Vec<EdgeReport>,
    pub(super) cycles: Vec<Vec<Name>>,
    pub(super) depth: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) blast_radius: Option<Vec<BlastRadius>>,
    /// Calls that a server counts differently.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) check: Option<Vec<Difference>>,
    #[serde(skip)]
    pub(super) options: Options,
}

#[derive(Debug, Serialize)]
pub(super) struct ServiceReport {
    pub(super) call_count: u64,
    pub(super) total_duration_ms: Option<f64>,
    pub(super) error_count: u64,
    pub(super) avg_duration_ms: Option<f64>,
    /// Unknown of a broker that only sends.
    pub(super) error_rate: Option<f64>,
    pub(super) p95_ms: Option<f64>,
    pub(super) entry_count: u64,
    pub(super) fan_in: usize,
    pub(super) fan_out: usize,
    pub(super) top_operations: Vec<TopOperation>,
    pub(super) instrumented: bool,
    #[serde(rename = "type")]
    pub(super) peer_type: PeerType,
}

#[derive(Debug, Serialize)]
pub(super) struct TopOperation {
    pub(super) operation: Name,
    pub(super) count: u64,
}

#[derive(Debug, Serialize)]
pub(super) struct EdgeReport {
    pub(super) from: Name,
    pub(super) to: Name,
    pub(super) call_count: u64,
    pub(super) error_count: u64,
    pub(super) error_rate: f64,
    pub(super) p50_ms: Option<f64>,
    pub(super) p95_ms: Option<f64>,
    #[serde(rename = "async")]
    pub(super) is_async: bool,
    pub(super) inferred: bool,
}

/// A number of calls that is not the same there.
#[derive(Debug, Serialize)]
pub(super) struct Difference {
    pub(super) from: String,
    pub(super) to: String,
    pub(super) ours: u64,
    pub(super) theirs: u64,
}

#[derive(Debug, Serialize)]
pub(super) struct BlastRadius {
    pub(super) service: Name,
    pub(super) dependents: Vec<Name>,
    #[serde(skip)]
    pub(super) is_known: bool,
}

impl DependenciesReport {
    pub(super) fn of(state: Dependencies) -> DependenciesReport {
        let joined = Joined::of(&state);
        let graph = Graph::of(&joined);
        let Shape { cycles, depth } = graph.shape();
        let mut dependencies: BTreeMap<Name, BTreeMap<Name, u64>> = BTreeMap::new();
        for (call, edge) in joined.edges.iter().filter(|(_, it)| !it.is_inferred()) {
            *dependencies.entry(call.from).or_default().entry(call.to).or_default() += edge.n_instrumented;
        }
        let radius = |service: &Name| BlastRadius::of(*service, graph.dependents(*service));
        let asked = &state.options.blast_radius;
        DependenciesReport {
            services: joined.nodes.iter().map(|(name, it)| (*name, ServiceReport::of(it))).collect(),
            dependencies,
            edges: joined.edges.iter().map(|(call, it)| EdgeReport::of(call, it)).collect(),
            cycles,
            depth,
            blast_radius: (!asked.is_empty()).then(|| asked.iter().map(radius).collect()),
            check: None,
            options: state.options,
        }
    }

    /// The calls that a server counts differently, by name.
    pub(super) fn differences(&self, theirs: &TheirCalls) -> Vec<Difference> {
        let mut both: BTreeMap<(&str, &str), (u64, u64)> = BTreeMap::new();
        for (from, callees) in &self.dependencies {
            for (to, count) in callees {
                both.entry((from.as_str(), to.as_str())).or_default().0 += count;
            }
        }
        for (from, to, count) in &theirs.calls {
            both.entry((from, to)).or_default().1 += count;
        }
        // What is inferred counts where the server infers it too.
        for edge in self.edges.iter().filter(|it| it.inferred) {
            if let Some((ours, _)) = both.get_mut(&(edge.from.as_str(), edge.to.as_str())).filter(|it| it.1 > 0) {
                *ours += edge.call_count;
            }
        }
        let is_looked_at = |(from, to): &(&str, &str)| {
            theirs.services.is_empty() || theirs.services.iter().any(|it| it == from || it == to)
        };
        both.into_iter()
            .filter(|(call, (ours, theirs))| ours != theirs && is_looked_at(call))
            .map(|((from, to), (ours, theirs))| Difference { from: from.to_owned(), to: to.to_owned(), ours, theirs })
            .collect()
    }
}

impl ServiceReport {
    fn of(node: &Node) -> ServiceReport {
        let spans = &node.service.spans;
        let durations = DurationStats::of(&spans.durations);
        ServiceReport {
            call_count: spans.n_spans,
            total_duration_ms: durations.total_ms,
            error_count: spans.n_errors,
            avg_duration_ms: durations.mean_ms,
            error_rate: (spans.n_spans > 0).then(|| percent(spans.n_errors, spans.n_spans)),
            p95_ms: durations.p95_ms,
            entry_count: node.service.n_entries,
            fan_in: node.callers.len(),
            fan_out: node.callees.len(),
            top_operations: top_operations(&node.service),
            instrumented: node.is_instrumented,
            peer_type: node.peer_type(),
        }
    }
}

fn top_operations(service: &Service) -> Vec<TopOperation> {
    let by_name = sorted::entries(&service.operations).into_iter();
    let mut operations: Vec<TopOperation> =
        by_name.map(|(operation, count)| TopOperation { operation: *operation, count: *count }).collect();
    // Stable: equal counts stay in the order of names.
    operations.sort_by_key(|it| Reverse(it.count));
    operations.truncate(TOP_OPERATIONS);
    operations
}

impl EdgeReport {
    fn of(call: &Call, edge: &Edge) -> EdgeReport {
        let traffic = &edge.traffic;
        let durations = DurationStats::of(&traffic.durations);
        EdgeReport {
            from: call.from,
            to: call.to,
            call_count: traffic.n_spans,
            error_count: traffic.n_errors,
            error_rate: percent(traffic.n_errors, traffic.n_spans),
            p50_ms: durations.median_ms,
            p95_ms: durations.p95_ms,
            is_async: call.is_async,
            inferred: edge.is_inferred(),
        }
    }
}

impl BlastRadius {
    fn of(service: Name, dependents: Option<Vec<Name>>) -> BlastRadius {
        BlastRadius { service, is_known: dependents.is_some(), dependents: dependents.unwrap_or_default() }
    }
}
