//! What a parser makes of texts, as plain values for tests, and texts broken in every way.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::json::Node;
use super::{Batch, FORMATS, Format, Head, Sink, Sniff};
use crate::model::{Draft, Id, Kind, NoDuration, Wanted};

/// Everything that came out of a parser.
#[derive(Debug, Default)]
pub(super) struct Parsed {
    pub(super) spans: Vec<ParsedSpan>,
    pub(super) skips: Vec<&'static str>,
    /// How many traces were given on as whole.
    pub(super) n_whole: usize,
    pub(super) n_faults: usize,
}

pub(super) type Words = BTreeMap<&'static str, String>;

/// A span of a draft, with all that belongs to it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ParsedSpan {
    pub(super) trace: String,
    pub(super) id: String,
    /// The first reference into its own trace that waits.
    pub(super) parent: Option<String>,
    pub(super) links: Vec<(Option<Id>, Id, bool)>,
    pub(super) service: &'static str,
    pub(super) operation: &'static str,
    pub(super) kind: Option<Kind>,
    pub(super) start_ns: Option<i64>,
    pub(super) duration_ns: Result<i64, NoDuration>,
    pub(super) failed: Option<bool>,
    pub(super) supplement: bool,
    pub(super) attributes: Words,
    pub(super) of_process: Words,
    pub(super) events: Vec<(Option<i64>, Words)>,
}

impl Parsed {
    /// The only span.
    pub(super) fn only(&self) -> &ParsedSpan {
        assert_eq!((self.spans.len(), &self.skips), (1, &Vec::new()), "{self:?}");
        &self.spans[0]
    }

    fn take(&mut self, draft: &Draft) {
        let words = |run| draft.attributes_of(run).iter().map(|it| (it.key.as_str(), draft.text(it.value).to_owned()));
        for span in &draft.spans {
            let references = &draft.references[span.references.range()];
            let parent = references.iter().find(|it| it.trace.is_none() && !it.follows_from);
            let events = draft.events[span.events.range()].iter();
            self.spans.push(ParsedSpan {
                trace: draft.id.as_ref().unwrap().to_string(),
                id: span.id.to_string(),
                parent: parent.map(|it| it.span.to_string()),
                links: references
                    .iter()
                    .map(|it| (it.trace.as_deref().cloned(), it.span.clone(), it.follows_from))
                    .collect(),
                service: draft.service(span).as_str(),
                operation: span.operation.as_str(),
                kind: span.kind,
                start_ns: span.start_ns,
                duration_ns: span.duration_ns,
                failed: span.failed,
                supplement: span.supplement,
                attributes: words(span.attributes).collect(),
                of_process: words(draft.processes[span.process as usize].attributes).collect(),
                events: events.map(|it| (it.at_ns, words(it.attributes).collect())).collect(),
            });
        }
    }
}

impl Sink for Parsed {
    fn trace(&mut self, draft: &mut Draft) {
        self.n_whole += 1;
        self.take(draft);
    }

    fn spans(&mut self, draft: &mut Draft) {
        self.take(draft);
    }

    fn batch(&mut self, batch: &Batch) {
        batch.drafts().iter().for_each(|it| self.take(it));
    }

    fn incomplete(&mut self, _: &str) {}

    fn skip(&mut self, reason: &'static str, _: usize) {
        self.skips.push(reason);
    }
}

/// Parses elements one after the other, keeping every attribute.
pub(super) fn parse(format: &dyn Format, elements: &[&str]) -> Parsed {
    let mut parsed = Parsed::default();
    let mut parser = format.parser(&Arc::new(Wanted::all()));
    for element in elements {
        parsed.n_faults += usize::from(parser.element(element, &mut parsed).is_err());
    }
    parsed
}

/// Which formats are sure that a head is theirs.
pub(super) fn sure_of(text: &str) -> Vec<&'static str> {
    let head = Head::new(text);
    FORMATS.iter().filter(|it| it.sniff(&head) == Sniff::Yes).map(|it| it.name()).collect()
}

/// Parses and sniffs an element cut anywhere, and with each of its values replaced by each wrong one:
/// nothing panics, and what is skipped says why. With its keys reversed it says the same.
pub(super) fn batter(format: &dyn Format, element: &str) {
    for (at, _) in element.char_indices() {
        let _ = format.sniff(&Head::new(&element[..at]));
        parse(format, &[&element[..at]]);
    }
    let whole = Node::parse(element).unwrap();
    assert_eq!(parse(format, &[&reversed(&whole).to_json()]).spans, parse(format, &[element]).spans);
    let wrong = ["null", "true", "-1", "1e300", "18446744073709551615", "\"\"", "\"x\"", "[]", "[null]", "[[1]]", "{}"];
    for nth in 0.. {
        let mut left = nth;
        if !wrong.iter().all(|wrong| {
            left = nth;
            let Some(broken) = replaced(&whole, &mut left, &Node::parse(wrong).unwrap()) else { return false };
            let broken = broken.to_json();
            let _ = format.sniff(&Head::new(&broken));
            let parsed = parse(format, &[&broken]);
            assert_eq!(parsed.n_faults, 0, "{broken}");
            true
        }) {
            break;
        }
    }
}

fn reversed<'a>(node: &Node<'a>) -> Node<'a> {
    match node {
        Node::Object(members) => {
            Node::Object(members.iter().rev().map(|(key, value)| (key.clone(), reversed(value))).collect())
        }
        Node::List(items) => Node::List(items.iter().map(reversed).collect()),
        other => other.clone(),
    }
}

/// A copy with the value that comes after `left` others replaced; none if there are not so many.
fn replaced<'a>(node: &Node<'a>, left: &mut usize, by: &Node<'a>) -> Option<Node<'a>> {
    if *left == 0 {
        return Some(by.clone());
    }
    *left -= 1;
    match node {
        Node::Object(members) => {
            for (nth, (_, value)) in members.iter().enumerate() {
                if let Some(value) = replaced(value, left, by) {
                    let mut members = members.clone();
                    members[nth].1 = value;
                    return Some(Node::Object(members));
                }
            }
            None
        }
        Node::List(items) => {
            for (nth, item) in items.iter().enumerate() {
                if let Some(item) = replaced(item, left, by) {
                    let mut items = items.clone();
                    items[nth] = item;
                    return Some(Node::List(items));
                }
            }
            None
        }
        _ => None,
    }
}
