//! Calls between services as Zipkin's own linker finds them: by kinds and remote endpoints.
//!
//! A call is told by the called side's span where there is one, else by the caller's; messages are calls to
//! and from their broker. `docs/zipkin.md` has the rules, and where they differ on purpose.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::{Call, Dependencies};
use crate::model::semantics::{self, PeerType};
use crate::model::{Kind, Known, Name, Span, Trace};

/// What is read besides the keys of any peer.
pub(super) const KEYS: &[Known] = &[Known::RemoteServiceName];

/// Calls told alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(super) struct Link {
    /// Services in lower case: Zipkin knows no other.
    pub(super) call: Call,
    pub(super) told_by: Teller,
}

/// Whose span tells of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(super) enum Teller {
    /// The called side's, or another one of the called service.
    Called,
    /// The caller's, who takes the other side for this.
    Caller(PeerType),
    /// That of a message's handler, who names the broker.
    Handler,
}

/// A trace's spans as one tree.
struct Tree<'a> {
    trace: &'a Trace,
    /// The root that Zipkin hangs everything on that hangs nowhere.
    root: Option<u32>,
    /// For each span the nearest one above that has a side in a call.
    remote_above: Vec<Option<u32>>,
}

/// What is known of a call before its tree is looked at.
struct Sides {
    from: Option<Name>,
    to: Option<Name>,
}

impl Dependencies {
    /// Adds the links of a trace.
    pub(super) fn observe_links(&mut self, trace: &Trace) {
        let tree = Tree::of(trace);
        for idx in 0..trace.spans().len() as u32 {
            self.observe_link(&tree, idx);
        }
    }

    fn observe_link(&mut self, tree: &Tree<'_>, idx: u32) {
        let trace = tree.trace;
        let span = trace.span(idx);
        let kind = side(span);
        // The called side will tell.
        if kind == Some(Kind::Client) && tree.has_children(idx) {
            return;
        }
        let own = self.service(trace, span);
        let remote = trace.value(span, Known::RemoteServiceName).filter(|it| !it.is_empty());
        let remote = remote.map(|it| self.lower_case(it));
        let kind = match kind {
            Some(kind) => kind,
            None if own.is_some() && remote.is_some() => Kind::Client,
            None => return,
        };
        let is_called = matches!(kind, Kind::Server | Kind::Consumer);
        let sides = if is_called { Sides { from: remote, to: own } } else { Sides { from: own, to: remote } };
        if is_called && tree.root == Some(idx) && sides.from.is_none() {
            return;
        }
        match kind {
            Kind::Producer | Kind::Consumer => self.add_message(tree, span, &sides, is_called),
            _ => self.add_call(tree, idx, kind, sides),
        }
    }

    /// A message, sent to its broker or handled from there.
    fn add_message(&mut self, tree: &Tree<'_>, span: &Span, sides: &Sides, is_handled: bool) {
        let (Some(from), Some(to)) = (sides.from, sides.to) else { return };
        let told_by = if is_handled { Teller::Handler } else { Teller::Caller(peer_type(tree.trace, span)) };
        let link = Link { call: Call { from, to, is_async: true }, told_by };
        self.links.entry(link).or_default().add_call(span.error, span.duration_ns);
    }

    /// A call and its answer.
    fn add_call(&mut self, tree: &Tree<'_>, idx: u32, kind: Kind, mut sides: Sides) {
        let is_called = kind == Kind::Server;
        let trace = tree.trace;
        let span = trace.span(idx);
        let mut failed = span.error;
        let above = tree.remote_above[idx as usize];
        if let Some(above_idx) = above
            && let Some(above_name) = self.service(trace, trace.span(above_idx))
        {
            let above = trace.span(above_idx);
            // Between a call and the service above it one is missing: who called this service.
            if kind == Kind::Client
                && let Some(from) = sides.from.filter(|it| *it != above_name)
            {
                let call = Call { from: above_name, to: from, is_async: false };
                self.links.entry(Link { call, told_by: Teller::Called }).or_default().add_call(false, None);
            }
            // What is instrumented knows better than what only saw an address.
            if is_called || sides.from.is_none() {
                sides.from = Some(above_name);
            }
            // The caller may be the only one who noticed.
            let answers = span.parent == Some(above_idx) && !span.shared;
            failed |= answers && above.kind == Some(Kind::Client) && above.error;
        }
        let Sides { from: Some(from), to: Some(to) } = sides else { return };
        let told_by = if is_called { Teller::Called } else { Teller::Caller(peer_type(trace, span)) };
        let link = Link { call: Call { from, to, is_async: false }, told_by };
        self.links.entry(link).or_default().add_call(failed, span.duration_ns);
    }

    /// The service of a span, if it was said.
    fn service(&mut self, trace: &Trace, span: &Span) -> Option<Name> {
        trace.names_service(span).then(|| self.lower_case(span.service.as_str()))
    }

    fn lower_case(&mut self, name: &str) -> Name {
        let is_lower = name.bytes().all(|it| it.is_ascii() && !it.is_ascii_uppercase());
        let name = if is_lower { Cow::Borrowed(name) } else { Cow::Owned(name.to_lowercase()) };
        self.names.get(&name)
    }
}

impl<'a> Tree<'a> {
    fn of(trace: &'a Trace) -> Tree<'a> {
        let roots = trace.roots().iter().map(|it| it.span);
        let root = roots.filter(|it| !trace.span(*it).orphan).min_by_key(|it| &trace.span(*it).id);
        let mut remote_above = Vec::with_capacity(trace.spans().len());
        for (idx, span) in trace.spans().iter().enumerate() {
            let above = span.parent.or(root.filter(|it| *it != idx as u32));
            let found = above.and_then(|it| {
                // Parents come before children, but not the root before all that is hung on it.
                if side(trace.span(it)).is_some() { Some(it) } else { remote_above.get(it as usize).copied().flatten() }
            });
            remote_above.push(found);
        }
        Tree { trace, root, remote_above }
    }

    fn has_children(&self, idx: u32) -> bool {
        !self.trace.children(idx).is_empty() || (self.root == Some(idx) && self.trace.roots().len() > 1)
    }
}

/// A span's side of a call; work inside a service has none.
fn side(span: &Span) -> Option<Kind> {
    span.kind.filter(|it| *it != Kind::Internal)
}

/// What a caller takes the other side for.
fn peer_type(trace: &Trace, span: &Span) -> PeerType {
    semantics::peer(trace, span).map_or(PeerType::Service, |(_, peer_type)| peer_type)
}
