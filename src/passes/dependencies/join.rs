//! Instrumented and inferred calls in one graph.

use std::collections::{BTreeMap, BTreeSet};

use super::{Call, Dependencies, Service, Traffic};
use crate::model::Name;
use crate::model::semantics::PeerType;
use crate::passes::sorted;

/// Everything that calls or is called, and the calls.
#[derive(Debug, Default)]
pub(super) struct Joined {
    pub(super) nodes: BTreeMap<Name, Node>,
    pub(super) edges: BTreeMap<Call, Edge>,
}

/// A service, or what its callers say of it.
#[derive(Debug, Default)]
pub(super) struct Node {
    /// Its own spans; of what is not instrumented, the calls to it.
    pub(super) service: Service,
    pub(super) is_instrumented: bool,
    /// How many calls took it for what.
    types: BTreeMap<PeerType, u64>,
    pub(super) callers: BTreeSet<Name>,
    pub(super) callees: BTreeSet<Name>,
}

#[derive(Debug, Default)]
pub(super) struct Edge {
    pub(super) traffic: Traffic,
    /// Calls of which the called side reported a span.
    pub(super) n_instrumented: u64,
}

impl Joined {
    pub(super) fn of(state: &Dependencies) -> Joined {
        let mut joined = Joined::default();
        for (name, service) in sorted::entries(&state.services) {
            let node = joined.nodes.entry(*name).or_default();
            node.service = service.clone();
            node.is_instrumented = true;
        }
        for (call, traffic) in sorted::entries(&state.calls) {
            joined.add_edge(call, traffic).n_instrumented += traffic.n_spans;
        }
        for ((call, peer_type), traffic) in sorted::entries(&state.peers) {
            joined.add_peer(call, *peer_type, traffic);
        }
        for (call, traffic) in sorted::entries(&state.brokers) {
            joined.add_broker(call, traffic);
        }
        for call in joined.edges.keys() {
            joined.nodes.entry(call.from).or_default().callees.insert(call.to);
            joined.nodes.entry(call.to).or_default().callers.insert(call.from);
        }
        joined
    }

    fn add_edge(&mut self, call: &Call, traffic: &Traffic) -> &mut Edge {
        let edge = self.edges.entry(*call).or_default();
        edge.traffic.merge(traffic.clone());
        edge
    }

    fn add_peer(&mut self, call: &Call, peer_type: PeerType, traffic: &Traffic) {
        // A service that calls itself does not leave itself.
        if call.from == call.to {
            return;
        }
        self.add_edge(call, traffic);
        let peer = self.nodes.entry(call.to).or_default();
        if !peer.is_instrumented {
            peer.service.spans.merge(traffic.clone());
            peer.service.n_entries += traffic.n_spans;
            *peer.types.entry(peer_type).or_default() += traffic.n_spans;
        }
    }

    fn add_broker(&mut self, call: &Call, traffic: &Traffic) {
        if call.from == call.to {
            return;
        }
        self.add_edge(call, traffic);
        let broker = self.nodes.entry(call.from).or_default();
        if !broker.is_instrumented {
            *broker.types.entry(PeerType::Messaging).or_default() += traffic.n_spans;
        }
    }
}

impl Node {
    /// What most callers take it for, those not counted that know nothing.
    pub(super) fn peer_type(&self) -> PeerType {
        let known = self.types.iter().filter(|(it, _)| **it != PeerType::Service);
        known.max_by_key(|(_, n_calls)| **n_calls).map_or(PeerType::Service, |(it, _)| *it)
    }
}

impl Edge {
    pub(super) fn is_inferred(&self) -> bool {
        self.n_instrumented == 0
    }
}
