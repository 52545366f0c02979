//! A span's parent and links, as the trace was assembled.

use crate::model::{Id, Reference, Span, Trace};

/// Whom a span names.
#[derive(Clone, Debug)]
pub(super) struct Relations<'a> {
    pub(super) parent: Option<Parent<'a>>,
    /// The others, in the order in which they were read.
    pub(super) links: Vec<&'a Reference>,
}

/// The span that another is below.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parent<'a> {
    pub(super) id: &'a Id,
    /// Whether it is only followed, and does not wait.
    pub(super) followed: bool,
}

impl<'a> Relations<'a> {
    /// Those of a span. An orphan keeps the parent it named, also where that made a cycle which was
    /// cut: read again, it is the same orphan.
    pub(super) fn of(trace: &'a Trace, span: &'a Span) -> Relations<'a> {
        let references = trace.references(span);
        let is_foreign = |it: &Reference| is_foreign(trace, it);
        let own = || references.iter().filter(|it| !is_foreign(it));
        let named: Option<&Id> = match span.parent {
            Some(parent) => Some(&trace.span(parent).id),
            None if span.orphan => own().map(|it| &it.span).find(|it| !it.is_zero()),
            None => None,
        };
        let followed = !is_server_half(trace, span)
            && named.is_some_and(|parent| {
                let mut to_it = own().filter(|it| it.span == *parent).peekable();
                to_it.peek().is_some() && to_it.all(|it| it.follows_from)
            });
        // Its parent is its client, whatever else it says.
        let says_more = !is_server_half(trace, span);
        let is_repaired = |it: &Reference| {
            Some(&it.span) == named || it.span.is_zero() || (span.parent.is_some() && it.span == span.id)
        };
        let links = references.iter().filter(|it| is_foreign(it) || (says_more && !is_repaired(it))).collect();
        Relations { parent: named.map(|id| Parent { id, followed }), links }
    }

    /// The same for targets that write both halves of a shared id below the client's parent.
    pub(super) fn beside_client(trace: &'a Trace, span: &'a Span) -> Relations<'a> {
        let own = Relations::of(trace, span);
        match span.parent.filter(|_| is_server_half(trace, span)) {
            Some(client) => Relations { parent: Relations::of(trace, trace.span(client)).parent, ..own },
            None => own,
        }
    }
}

/// Whether a reference is into another trace.
pub(super) fn is_foreign(trace: &Trace, reference: &Reference) -> bool {
    reference.trace.as_deref().is_some_and(|it| *it != trace.id)
}

/// Whether a span is the server's half of an id that its client, the parent, uses too.
fn is_server_half(trace: &Trace, span: &Span) -> bool {
    span.shared && span.parent.is_some_and(|it| trace.span(it).id == span.id)
}
