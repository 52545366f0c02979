//! Instrumented and inferred calls in one graph.

use std::collections::{BTreeMap, BTreeSet};

use super::mesh::{End, Hop};
use super::zipkin::{Link, Teller};
use super::{Adds, Call, Dependencies, Service, Traffic};
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
        for (name, service) in state.services.entries() {
            let node = joined.nodes.entry(*name).or_default();
            node.service = service.clone();
            node.is_instrumented = true;
        }
        for ((service, operation), n_spans) in state.operations.entries() {
            joined.nodes.entry(*service).or_default().service.operations.insert(*operation, *n_spans);
        }
        let name = |it: End| it.name(|name| state.services.contains(&name));
        for (end, service) in sorted::entries(&state.stood_for) {
            let node = joined.nodes.entry(name(*end)).or_default();
            node.service.merge(service.clone());
            node.is_instrumented = true;
        }
        for (call, traffic) in state.calls.entries() {
            joined.add_edge(call, traffic).n_instrumented += traffic.n_spans;
        }
        for (hop, traffic) in sorted::entries(&state.hops) {
            joined.add_hop(Call { from: name(hop.from), to: name(hop.to), is_async: hop.is_async }, hop, traffic);
        }
        for ((call, peer_type), traffic) in state.peers.entries() {
            joined.add_peer(call, *peer_type, traffic);
        }
        for (call, traffic) in sorted::entries(&state.brokers) {
            joined.add_broker(call, traffic);
        }
        joined.add_links(state);
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

    fn add_hop(&mut self, call: Call, hop: &Hop, traffic: &Traffic) {
        if hop.is_inferred {
            self.add_peer(&call, Hop::PEER_TYPE, traffic);
        } else if call.from != call.to {
            self.add_edge(&call, traffic).n_instrumented += traffic.n_spans;
        }
    }

    fn add_peer(&mut self, call: &Call, peer_type: PeerType, traffic: &Traffic) {
        // A service that calls itself does not leave itself.
        if call.from == call.to {
            return;
        }
        self.add_edge(call, traffic);
        self.note_peer(call.to, peer_type, traffic);
    }

    /// Notes what a caller says of the other side.
    fn note_peer(&mut self, peer: Name, peer_type: PeerType, traffic: &Traffic) {
        let peer = self.nodes.entry(peer).or_default();
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
        self.note_broker(call.from, traffic);
    }

    fn note_broker(&mut self, broker: Name, traffic: &Traffic) {
        let broker = self.nodes.entry(broker).or_default();
        if !broker.is_instrumented {
            *broker.types.entry(PeerType::Messaging).or_default() += traffic.n_spans;
        }
    }
}

impl Joined {
    /// Zipkin's links know services in lower case: those that reported spans have their own spelling back.
    fn add_links(&mut self, state: &Dependencies) {
        let mut spellings: BTreeMap<String, Name> = BTreeMap::new();
        for name in self.nodes.keys().rev() {
            spellings.insert(name.as_str().to_lowercase(), *name);
        }
        let spelled = |name: Name| match self.nodes.contains_key(&name) {
            true => name,
            false => spellings.get(name.as_str()).copied().unwrap_or(name),
        };
        let links: Vec<(Link, &Traffic)> = sorted::entries(&state.links)
            .into_iter()
            .map(|(it, traffic)| {
                let call = Call { from: spelled(it.call.from), to: spelled(it.call.to), ..it.call };
                (Link { call, ..*it }, traffic)
            })
            .collect();
        for (link, traffic) in links {
            let edge = self.add_edge(&link.call, traffic);
            match link.told_by {
                Teller::Called => edge.n_instrumented += traffic.n_spans,
                Teller::Caller(peer_type) => self.note_peer(link.call.to, peer_type, traffic),
                Teller::Handler => self.note_broker(link.call.from, traffic),
            }
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
