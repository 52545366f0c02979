//! Calls through proxies: each counted once, however many of those on its way report it.
//!
//! A call goes from a service through any of its own proxy (outbound), gateways, and the called service's proxy
//! (inbound) to the called service. Where the services themselves report, their proxies are only the way; a proxy
//! stands for its service where that does not. So the services on both sides of a call are looked for past
//! proxies, up and down, and what a proxy is called matters only where nothing better is there.

use serde::{Deserialize, Serialize};

use super::{Call, Dependencies, Traffic};
use crate::model::proxy::{self, Side};
use crate::model::semantics::{self, PeerType};
use crate::model::{Kind, Name, NameCache, Span, Trace};

/// One side of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(super) enum End {
    /// A name to be taken as it is.
    Exact(Name),
    /// `app.namespace`, which is `app`, unless there is a service of the full name.
    Workload(Name),
}

/// Calls with a proxy in the place of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(super) struct Hop {
    pub(super) from: End,
    pub(super) to: End,
    pub(super) is_async: bool,
    /// Only the calling side reported it.
    pub(super) is_inferred: bool,
}

/// A trace with proxies.
struct Mesh<'a> {
    trace: &'a Trace,
    /// The sides of proxies, none of them [`Side::Either`]; `None` for the spans of services.
    sides: Vec<Option<Side>>,
    /// The nearest service that reports below, for a proxy that calls go through to it.
    below: Vec<Option<Name>>,
    /// For proxies: what they stand for.
    stands: Vec<Option<End>>,
    /// Who calls.
    callers: Vec<Option<End>>,
    /// Whether nobody waits, on the way from the caller to here.
    is_async: Vec<bool>,
}

impl Dependencies {
    /// Adds the calls of a trace with proxies.
    pub(super) fn observe_mesh(&mut self, trace: &Trace) {
        let mesh = Mesh::of(trace, &mut self.names);
        for idx in 0..trace.spans().len() as u32 {
            match mesh.sides[idx as usize] {
                None => self.observe_service(&mesh, idx),
                Some(side) => self.observe_proxy(&mesh, idx, side),
            }
        }
    }

    fn observe_service(&mut self, mesh: &Mesh<'_>, idx: u32) {
        let trace = mesh.trace;
        let span = trace.span(idx);
        let caller = mesh.callers[idx as usize];
        let is_entry = caller.is_none_or(|it| !it.may_be(End::Exact(span.service)));
        self.count_span(span, is_entry);
        match caller {
            Some(from) => self.add_hop(mesh, idx, from, End::Exact(span.service)),
            None if span.kind == Some(Kind::Consumer) && span.parent.is_none() => self.observe_broker(trace, span),
            None => {}
        }
        self.observe_leaf(trace, idx);
    }

    fn observe_proxy(&mut self, mesh: &Mesh<'_>, idx: u32, side: Side) {
        let trace = mesh.trace;
        let span = trace.span(idx);
        let Some(own) = mesh.stands[idx as usize] else { return };
        let caller = mesh.callers[idx as usize];
        let stands = match side {
            Side::Inbound => mesh.below[idx as usize].is_none(),
            _ => caller.is_none(),
        };
        if stands {
            let is_entry = caller.is_none_or(|it| !it.may_be(own));
            let service = self.stood_for.entry(own).or_default();
            service.add(span, is_entry);
            *service.operations.entry(span.operation).or_default() += 1;
        }
        match (side, caller) {
            (Side::Inbound, Some(from)) if stands => self.add_hop(mesh, idx, from, own),
            (Side::Outbound, _) if trace.children(idx).is_empty() => {
                let Some(to) = mesh.peer(idx, &mut self.names) else { return };
                let is_async = mesh.is_async[idx as usize];
                let hop = Hop { from: caller.unwrap_or(own), to, is_async, is_inferred: true };
                self.hops.entry(hop).or_default().add(span);
            }
            _ => {}
        }
    }

    fn add_hop(&mut self, mesh: &Mesh<'_>, idx: u32, from: End, to: End) {
        let is_async = mesh.is_async[idx as usize];
        let traffic: &mut Traffic = match (from, to) {
            _ if from == to => return,
            (End::Exact(from), End::Exact(to)) => {
                let place = self.calls.place_of_key(Call { from, to, is_async }, Traffic::default);
                self.calls.at(place)
            }
            _ => self.hops.entry(Hop { from, to, is_async, is_inferred: false }).or_default(),
        };
        traffic.add(mesh.trace.span(idx));
    }
}

impl<'a> Mesh<'a> {
    fn of(trace: &'a Trace, names: &mut NameCache) -> Mesh<'a> {
        let n_spans = trace.spans().len();
        let mut mesh = Mesh {
            trace,
            sides: trace.spans().iter().map(|it| proxy::side(trace, it)).collect(),
            below: vec![None; n_spans],
            stands: vec![None; n_spans],
            callers: vec![None; n_spans],
            is_async: vec![false; n_spans],
        };
        // Parents come before their children.
        for idx in 0..n_spans {
            mesh.stands[idx] = mesh.sides[idx].map(|it| mesh.stands_for(idx, it, names));
        }
        for idx in (0..n_spans).rev() {
            mesh.look_below(idx);
        }
        for idx in 0..n_spans {
            mesh.look_above(idx);
        }
        mesh
    }

    /// What a proxy stands for where its service does not report.
    fn stands_for(&self, idx: usize, side: Side, names: &mut NameCache) -> End {
        let span = &self.trace.spans()[idx];
        if let Some(service) = proxy::service(self.trace, span) {
            return End::of_proxy(service, names);
        }
        // It does not know its own service: who called it does.
        let sender = span.parent.map(|it| it as usize).filter(|it| self.sides[*it] == Some(Side::Outbound));
        let sent_to = sender.and_then(|it| proxy::upstream(self.trace, &self.trace.spans()[it]));
        let delivers_to = proxy::upstream(self.trace, span);
        match delivers_to.or(sent_to).filter(|_| side != Side::Outbound) {
            Some(host) => End::of_host(host, names),
            None => End::Exact(span.service),
        }
    }

    fn look_below(&mut self, idx: usize) {
        let Some(side) = self.sides[idx] else {
            self.below[idx] = Some(self.trace.spans()[idx].service);
            return;
        };
        // What goes out behind a service's own proxy was sent by the service, not to it.
        let leads_on = |it: &u32| side != Side::Inbound || self.sides[*it as usize] != Some(Side::Outbound);
        let below = self.trace.children(idx as u32).filter(leads_on).find_map(|it| self.below[it as usize]);
        self.below[idx] = below;
        if side == Side::Either {
            let is_own = |it: Name| self.stands[idx].is_some_and(|own| own.may_be(End::Exact(it)));
            self.sides[idx] = Some(if below.is_none_or(is_own) { Side::Inbound } else { Side::Outbound });
        }
    }

    fn look_above(&mut self, idx: usize) {
        let span = &self.trace.spans()[idx];
        let Some(parent) = span.parent.map(|it| it as usize) else { return };
        let (above, own) = (self.callers[parent], self.stands[parent]);
        let is_outbound = self.sides[idx] == Some(Side::Outbound);
        // Whether the parent is on the way, rather than at its end.
        let mut is_way = true;
        self.callers[idx] = match (self.sides[parent], self.below[parent]) {
            (None, service) => {
                is_way = false;
                service.map(End::Exact)
            }
            (Some(Side::Inbound), Some(service)) if is_outbound => {
                is_way = false;
                Some(End::Exact(service))
            }
            (Some(Side::Inbound), Some(_)) => above,
            (Some(Side::Inbound), None) => {
                is_way = false;
                own
            }
            (Some(_), _) => above.or(own),
        };
        self.is_async[idx] = !span.blocking || (is_way && self.is_async[parent]);
    }

    /// Whom a proxy called that reports nothing: by its cluster, or else by the words of a caller.
    fn peer(&self, idx: u32, names: &mut NameCache) -> Option<End> {
        let span = self.trace.span(idx);
        let said = |it: &Span| semantics::peer(self.trace, it).map(|it| it.0);
        let caller = || span.parent.map(|it| self.trace.span(it)).filter(|it| it.kind == Some(Kind::Client));
        let host = proxy::upstream(self.trace, span).or_else(|| said(span)).or_else(|| caller().and_then(said))?;
        Some(End::of_host(host, names))
    }
}

impl Hop {
    /// What a proxy calls speaks HTTP, or it would not have a span.
    pub(super) const PEER_TYPE: PeerType = PeerType::Http;
}

impl End {
    fn of_proxy(service: &str, names: &mut NameCache) -> End {
        End::Workload(names.get(proxy::workload_of_host(service).unwrap_or(service)))
    }

    fn of_host(host: &str, names: &mut NameCache) -> End {
        match proxy::workload_of_host(host) {
            Some(workload) => End::Workload(names.get(workload)),
            None => End::Exact(names.get(host)),
        }
    }

    /// Whether two ends may turn out to be one, before all services are known.
    fn may_be(self, other: End) -> bool {
        let short = |it: End| match it {
            End::Exact(name) => name.as_str(),
            End::Workload(name) => proxy::without_namespace(name.as_str()),
        };
        let (End::Exact(mine) | End::Workload(mine)) = self;
        let (End::Exact(theirs) | End::Workload(theirs)) = other;
        mine == theirs || short(self) == short(other)
    }

    /// Its name, once it is known which services there are.
    pub(super) fn name(self, is_service: impl Fn(Name) -> bool) -> Name {
        match self {
            End::Exact(name) => name,
            End::Workload(name) if is_service(name) => name,
            End::Workload(name) => Name::new(proxy::without_namespace(name.as_str())),
        }
    }
}

#[cfg(test)]
mod tests;
