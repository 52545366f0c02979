//! What parsers put spans into: one draft for many traces, with everything shared between formats
//! decided in one place (ids, wanted attributes, senseless times).

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::FixedState;

use super::Sink;
use super::json::Node;
use crate::model::{
    Draft, DraftSpan, Event, FARTHEST_NS, Id, Key, Kind, Name, NameCache, NoDuration, Process, Reference, Run,
    UNKNOWN_OPERATION, UNKNOWN_SERVICE, ValueType, Wanted, longest_written,
};

/// Spans of any number of traces, as an element holds them.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) draft: Draft,
    /// The traces met, in the longest spelling of their ids.
    pub(crate) traces: Vec<Id>,
    /// For each span of the draft its trace.
    pub(crate) trace_of: Vec<u32>,
    by_id: HashMap<u128, u32, FixedState>,
    wanted: Arc<Wanted>,
    names: NameCache,
}

/// A place in the list of attributes or events, for [`Batch::attributes_since`] and [`Batch::events_since`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mark(u32);

/// A span as a parser understood it.
#[derive(Clone, Debug)]
pub(crate) struct NewSpan<'a> {
    pub(crate) trace: Id,
    pub(crate) id: Id,
    /// The span that waits for it.
    pub(crate) parent: Option<Id>,
    /// Other spans: references to other traces, or to spans that do not wait.
    pub(crate) links: Vec<Reference>,
    /// Empty for none.
    pub(crate) operation: &'a str,
    /// From [`Batch::process`].
    pub(crate) process: u32,
    pub(crate) kind: Option<Kind>,
    pub(crate) start_ns: Option<i64>,
    pub(crate) duration_ns: Result<i64, NoDuration>,
    /// The format's own word on whether it failed; without one the attributes decide.
    pub(crate) failed: Option<bool>,
    /// The server half of an id used on both sides of a call.
    pub(crate) shared: bool,
    pub(crate) attributes: Run,
    pub(crate) events: Run,
}

impl Batch {
    pub(crate) fn new(wanted: &Arc<Wanted>) -> Batch {
        Batch {
            draft: Draft::default(),
            traces: Vec::new(),
            trace_of: Vec::new(),
            by_id: HashMap::default(),
            wanted: Arc::clone(wanted),
            names: NameCache::default(),
        }
    }

    /// Forgets the spans and keeps the memory.
    pub(crate) fn clear(&mut self) {
        self.draft.clear();
        self.traces.clear();
        self.trace_of.clear();
        self.by_id.clear();
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.trace_of.is_empty()
    }

    /// The number of a text among those that spans were named by.
    pub(crate) fn number(&mut self, text: &str) -> u32 {
        self.names.numbered(text).1
    }

    /// The one name of a text.
    pub(crate) fn name(&mut self, text: &str) -> Name {
        self.names.get(text)
    }

    /// A process that reports spans: its service (empty or none is unknown) and its attributes. Call it
    /// once for many spans where the format says it once.
    pub(crate) fn process(&mut self, service: Option<&str>, attributes: Run) -> u32 {
        let service = service.filter(|it| !it.is_empty());
        let is_known = service.is_some();
        let service = self.names.get(service.unwrap_or(UNKNOWN_SERVICE));
        self.draft.processes.push(Process { service, is_known, is_parents: false, attributes });
        self.draft.processes.len() as u32 - 1
    }

    /// The process of an OpenTelemetry resource, whose `service.name` is the service, and no attribute besides.
    pub(crate) fn resource_process(&mut self, service: Option<&str>, mut attributes: Run) -> u32 {
        if let Some(service) = service.filter(|_| attributes.end == self.draft.attribute_mark()) {
            let draft = &self.draft;
            let is_service = |at: &usize| {
                let attribute = &draft.attributes[*at];
                attribute.key.as_str() == "service.name" && draft.text(attribute.value) == service
            };
            if let Some(at) = attributes.range().find(is_service) {
                self.draft.attributes.remove(at);
                attributes.end -= 1;
            }
        }
        self.process(service, attributes)
    }

    /// The process of spans that are of their parents' process, when those may stand in another element.
    pub(crate) fn parents_process(&mut self) -> u32 {
        let process = self.process(None, Run::default());
        self.draft.processes[process as usize].is_parents = true;
        process
    }

    /// Where the next attribute will stand. The attributes of one owner stand together: mark, add, run.
    pub(crate) fn mark_attributes(&self) -> Mark {
        Mark(self.draft.attribute_mark())
    }

    pub(crate) fn attributes_since(&self, mark: Mark) -> Run {
        Run { start: mark.0, end: self.draft.attribute_mark() }
    }

    /// Where the next event will stand. The events of one span stand together.
    pub(crate) fn mark_events(&self) -> Mark {
        Mark(self.draft.events.len() as u32)
    }

    pub(crate) fn events_since(&self, mark: Mark) -> Run {
        Run { start: mark.0, end: self.draft.events.len() as u32 }
    }

    /// Whether an attribute would be kept.
    pub(crate) fn wants(&self, key: &str) -> bool {
        self.wanted(key).is_some()
    }

    /// The key of an attribute that would be kept.
    pub(crate) fn wanted(&self, key: &str) -> Option<Key> {
        self.wanted.key(key)
    }

    /// Whether everything is kept.
    pub(crate) fn wants_all(&self) -> bool {
        self.wanted.is_all()
    }

    /// Adds an attribute to a run: to the one added last in its place, otherwise to a copy of it.
    pub(crate) fn with_attribute(&mut self, run: Run, key: &str, value: &str) -> Run {
        if !self.wants(key) {
            return run;
        }
        if run.end == self.draft.attribute_mark() {
            self.text_attribute(key, value);
            return Run { start: run.start, end: run.end + 1 };
        }
        let mark = self.mark_attributes();
        self.draft.attributes.extend_from_within(run.range());
        self.text_attribute(key, value);
        self.attributes_since(mark)
    }

    /// Adds an attribute, if any pass or filter reads it. Null is none; lists and objects are kept as JSON.
    pub(crate) fn attribute(&mut self, key: &str, value: &Node<'_>) {
        match value {
            Node::Null => {}
            Node::Bool(it) => self.typed_attribute(key, if *it { "true" } else { "false" }, ValueType::Bool),
            Node::Number(text) => self.typed_attribute(key, text, ValueType::Number),
            Node::Text(text) => self.typed_attribute(key, text, ValueType::Text),
            Node::List(_) | Node::Object(_) => {
                if self.wants(key) {
                    self.typed_attribute(key, &value.to_json(), ValueType::Text);
                }
            }
        }
    }

    /// Adds an attribute that is a text.
    pub(crate) fn text_attribute(&mut self, key: &str, value: &str) {
        self.typed_attribute(key, value, ValueType::Text);
    }

    pub(crate) fn typed_attribute(&mut self, key: &str, value: &str, value_type: ValueType) {
        if let Some(key) = self.wanted.key(key) {
            self.draft.push_attribute(key, value, value_type);
        }
    }

    /// Adds the members of an object; nested ones under keys joined with dots.
    pub(crate) fn flat_attributes(&mut self, prefix: &str, object: &Node<'_>) {
        for (key, value) in object.members() {
            let key = if prefix.is_empty() { key.to_string() } else { format!("{prefix}.{key}") };
            // The parser bounds how deep this goes.
            if value.is_object() { self.flat_attributes(&key, value) } else { self.attribute(&key, value) }
        }
    }

    /// Adds an event of the span at hand. Its name is an attribute of it, `event`, unless it is an
    /// exception, which its own attributes tell.
    pub(crate) fn event(&mut self, at_ns: Option<i64>, attributes: Run) {
        self.draft.events.push(Event { at_ns, attributes });
    }

    /// Adds a span, or says why it makes no sense.
    pub(crate) fn push(&mut self, span: NewSpan<'_>) -> Result<(), &'static str> {
        let end_ns = span.start_ns.unwrap_or(0).checked_add(span.duration_ns.unwrap_or(0).max(0));
        let starts_too_early = span.start_ns.is_some_and(|it| it < -FARTHEST_NS);
        if starts_too_early || end_ns.is_none_or(|it| it > FARTHEST_NS) {
            return Err("a span whose times do not fit");
        }
        let duration_ns = match span.duration_ns {
            Ok(ns) if ns < 0 => Err(NoDuration::Negative),
            other => other,
        };
        let trace = self.trace(&span.trace);
        let start = self.draft.references.len() as u32;
        let parent =
            span.parent.into_iter().map(|it| Reference { span: it, trace: None, follows_from: false, is_link: false });
        self.draft.references.extend(parent.chain(span.links));
        let operation = if span.operation.is_empty() { UNKNOWN_OPERATION } else { span.operation };
        self.draft.spans.push(DraftSpan {
            id: span.id,
            operation: self.names.get(operation),
            process: span.process,
            start_ns: span.start_ns,
            duration_ns,
            kind: span.kind,
            failed: span.failed,
            shared: span.shared,
            supplement: false,
            attributes: span.attributes,
            events: span.events,
            references: Run { start, end: self.draft.references.len() as u32 },
        });
        self.trace_of.push(trace);
        Ok(())
    }

    /// Adds what is said about a span elsewhere: attributes and events that join it once all is read.
    pub(crate) fn supplement(&mut self, trace: &Id, id: Id, attributes: Run, events: Run) {
        let trace = self.trace(trace);
        let process = self.process(None, Run::default());
        self.draft.spans.push(DraftSpan {
            id,
            operation: self.names.get(UNKNOWN_OPERATION),
            process,
            start_ns: None,
            duration_ns: Err(NoDuration::Missing),
            kind: None,
            failed: None,
            shared: false,
            supplement: true,
            attributes,
            events,
            references: Run::default(),
        });
        self.trace_of.push(trace);
    }

    fn trace(&mut self, id: &Id) -> u32 {
        let next = self.traces.len() as u32;
        let trace = *self.by_id.entry(self.draft.links.trace_key(id)).or_insert(next);
        match self.traces.get_mut(trace as usize) {
            None => self.traces.push(id.clone()),
            Some(known) => *known = longest_written(known.clone(), id),
        }
        trace
    }

    /// Gives the spans on, of traces that may go on elsewhere.
    pub(crate) fn emit_spans(&mut self, sink: &mut dyn Sink) {
        if !self.is_empty() {
            sink.batch(self);
        }
        self.clear();
    }

    /// Gives the spans on as traces that are whole.
    pub(crate) fn emit_traces(&mut self, sink: &mut dyn Sink) {
        if self.traces.len() == 1 {
            self.draft.id = self.traces.pop();
            sink.trace(&mut self.draft);
        } else {
            self.drafts().iter_mut().for_each(|it| sink.trace(it));
        }
        self.clear();
    }

    /// Each trace in a draft of its own.
    pub(crate) fn drafts(&self) -> Vec<Draft> {
        let mut drafts = self.draft.parted(self.traces.len(), self.trace_of.iter().map(|it| *it as usize));
        for (draft, id) in drafts.iter_mut().zip(&self.traces) {
            draft.id = Some(id.clone());
        }
        drafts
    }
}
