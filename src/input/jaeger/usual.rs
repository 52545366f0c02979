//! Spans that hold what most do, laid out as those before them: read without a detour.
//!
//! Such a span is of the trace of the span before, has one parent in it or none, names its process by key, and
//! spells ids, times and names without escapes. Anything else is left to the general way, from its beginning.

use super::span::{Field, LIMIT_NS, kind_of, usual_micros, usual_reference};
use super::template::{Part, Step, Templates};
use super::{Element, JaegerParser, ProcessRef, Result};
use crate::input::json::Cursor;
use crate::model::{DraftMark, DraftSpan, Id, Name, Reference, Run};

/// What was read of a span.
#[derive(Default)]
struct Members {
    is_of_last_trace: bool,
    id: Option<Id>,
    operation: Option<(Name, u32)>,
    parent: Option<Id>,
    start_ns: Option<i64>,
    duration_ns: Option<i64>,
    attributes: Run,
    events: Run,
    /// The place of its process among the element's.
    process: Option<u32>,
}

/// Consumes 16 digits of one case, if that is what is next.
#[inline]
fn usual_id(cursor: &mut Cursor<'_>) -> Option<Id> {
    match cursor.sixteen_digits() {
        Some(number) => Some(Id::of_number(0, number, 16)),
        None => cursor.take(16).and_then(Id::of_digits),
    }
}

impl JaegerParser {
    /// Reads a span into the draft, if it is as most are; otherwise leaves everything as it was.
    #[inline]
    pub(super) fn usual_span(&mut self, cursor: &mut Cursor<'_>, element: &mut Element) -> Result<bool> {
        if element.last_trace.is_empty() || cursor.peek() != Some(b'{') {
            return Ok(false);
        }
        let (start, mark, text) = (cursor.position(), self.draft.mark(), cursor.rest());
        let members = self.remembered_members(cursor, element, &mark)?;
        if members.is_some_and(|it| self.push_usual(it, element)) {
            return Ok(true);
        }
        cursor.back_to(start);
        self.draft.back_to(&mark);
        self.templates.begin();
        let members = self.usual_members(cursor, element)?;
        if members.is_some_and(|it| self.push_usual(it, element)) {
            self.templates.learn(&text[..cursor.position() - start], start, &element.last_trace);
            return Ok(true);
        }
        cursor.back_to(start);
        self.draft.back_to(&mark);
        Ok(false)
    }

    /// Reads the members of a span that is written as one of those before; `None` for any other.
    #[inline]
    fn remembered_members(
        &mut self,
        cursor: &mut Cursor<'_>,
        element: &mut Element,
        mark: &DraftMark,
    ) -> Result<Option<Members>> {
        if !self.templates.try_next() {
            return Ok(None);
        }
        let start = cursor.position();
        cursor.enter()?;
        for nth in 0..Templates::N {
            cursor.back_to(start);
            if let Some(members) = self.members_like(nth, cursor, element)? {
                cursor.leave_behind();
                self.templates.count(Some(nth));
                return Ok(Some(members));
            }
            self.draft.back_to(mark);
        }
        cursor.leave_behind();
        self.templates.count(None);
        Ok(None)
    }

    /// Reads the members of a span that is written as the nth template.
    #[inline]
    fn members_like(&mut self, nth: usize, cursor: &mut Cursor<'_>, element: &mut Element) -> Result<Option<Members>> {
        let n_steps = self.templates.of_trace(nth, &element.last_trace).steps.len();
        // Its trace is part of what is compared.
        let mut members = Members { is_of_last_trace: true, ..Members::default() };
        for step in 0..n_steps {
            let template = self.templates.get(nth);
            let Step { text, part } = template.steps[step];
            if !cursor.passes(&template.texts, text) || !self.part(part, cursor, element, &mut members)? {
                return Ok(None);
            }
        }
        let template = self.templates.get(nth);
        let is_like = n_steps > 0 && cursor.passes(&template.texts, template.end);
        Ok(is_like.then_some(members))
    }

    /// Reads a value of a span, without the quotes around it; `false` if it is unusual.
    #[inline(always)]
    fn part(
        &mut self,
        part: Part,
        cursor: &mut Cursor<'_>,
        element: &mut Element,
        members: &mut Members,
    ) -> Result<bool> {
        let owner = members.operation.map(|it| it.1);
        Ok(match part {
            Part::Id => {
                members.id = usual_id(cursor);
                members.id.is_some()
            }
            Part::Operation => {
                let text = cursor.plain_inside().filter(|it| !it.is_empty());
                members.operation = text.map(|it| self.names.numbered(it));
                members.operation.is_some()
            }
            Part::Parent => {
                members.parent = usual_id(cursor);
                members.parent.is_some()
            }
            Part::Start => {
                members.start_ns = usual_micros(cursor);
                members.start_ns.is_some()
            }
            Part::Duration => {
                members.duration_ns = usual_micros(cursor);
                members.duration_ns.is_some()
            }
            Part::Tags => {
                members.attributes = self.attributes(cursor, owner)?;
                true
            }
            Part::Logs => {
                members.events = self.events(cursor, owner)?;
                true
            }
            Part::Process => {
                let key = cursor.plain_inside().filter(|it| !it.is_empty());
                members.process = key.map(|it| element.process_place(it));
                members.process.is_some()
            }
        })
    }

    /// Reads a value, and notes where it stands.
    #[inline]
    fn noted(
        &mut self,
        part: Part,
        cursor: &mut Cursor<'_>,
        element: &mut Element,
        members: &mut Members,
    ) -> Result<bool> {
        let start = cursor.position();
        let is_usual = self.part(part, cursor, element, members)?;
        self.templates.note(part, start..cursor.position());
        Ok(is_usual)
    }

    /// As [`JaegerParser::noted`], of a value in quotes.
    #[inline]
    fn noted_in_quotes(
        &mut self,
        part: Part,
        cursor: &mut Cursor<'_>,
        element: &mut Element,
        members: &mut Members,
    ) -> Result<bool> {
        Ok(cursor.exactly(b"\"") && self.noted(part, cursor, element, members)? && cursor.exactly(b"\""))
    }

    /// Reads the members of a span up to behind its brace; `None` where one is unusual.
    #[inline]
    fn usual_members(&mut self, cursor: &mut Cursor<'_>, element: &mut Element) -> Result<Option<Members>> {
        let mut members = Members::default();
        let mut way = cursor.enter_fields(&mut self.layouts.span)?;
        while let Some(field) = cursor.next_field(&mut self.layouts.span, &mut way, Field::of)? {
            let is_usual = match field {
                Field::TraceId => {
                    let last = element.last_trace.as_bytes();
                    members.is_of_last_trace = cursor.quoted(last.len()) == Some(last);
                    members.is_of_last_trace
                }
                Field::References if cursor.exactly(b"[]") => true,
                Field::References => {
                    let is_first = members.parent.is_none();
                    members.parent = usual_reference(cursor, &element.last_trace);
                    // Its digits stand before `"}]`.
                    let end = cursor.position().saturating_sub(3);
                    self.templates.note(Part::Parent, end.saturating_sub(16)..end);
                    is_first && members.parent.is_some()
                }
                Field::SpanId => self.noted_in_quotes(Part::Id, cursor, element, &mut members)?,
                Field::Operation => self.noted_in_quotes(Part::Operation, cursor, element, &mut members)?,
                Field::ProcessId => self.noted_in_quotes(Part::Process, cursor, element, &mut members)?,
                Field::Start => self.noted(Part::Start, cursor, element, &mut members)?,
                Field::Duration => self.noted(Part::Duration, cursor, element, &mut members)?,
                Field::Tags => self.noted(Part::Tags, cursor, element, &mut members)?,
                Field::Logs => self.noted(Part::Logs, cursor, element, &mut members)?,
                Field::Warnings if cursor.exactly(b"null") => true,
                Field::Warnings => {
                    self.warnings(cursor)?;
                    self.templates.spoil();
                    true
                }
                Field::Other => {
                    if cursor.whole_number().is_none() {
                        cursor.skip()?;
                    }
                    true
                }
                Field::Process | Field::Parent => false,
            };
            if !is_usual {
                cursor.leave_behind();
                return Ok(None);
            }
        }
        Ok(Some(members))
    }

    /// Puts a span into the draft, if all is there.
    #[inline]
    fn push_usual(&mut self, members: Members, element: &mut Element) -> bool {
        let Members { id: Some(id), operation: Some((operation, _)), start_ns: Some(start_ns), .. } = members else {
            return false;
        };
        let (Some(duration_ns), Some(process), true) = (members.duration_ns, members.process, members.is_of_last_trace)
        else {
            return false;
        };
        if start_ns + duration_ns > LIMIT_NS {
            return false;
        }
        let first = self.draft.references.len() as u32;
        if let Some(span) = members.parent {
            self.draft.references.push(Reference { span, trace: None, follows_from: false, is_link: false });
        }
        self.draft.spans.push(DraftSpan {
            id,
            operation,
            process: 0,
            start_ns: Some(start_ns),
            duration_ns: Ok(duration_ns),
            kind: kind_of(&self.draft, members.attributes),
            failed: None,
            shared: false,
            supplement: false,
            attributes: members.attributes,
            events: members.events,
            references: Run { start: first, end: self.draft.references.len() as u32 },
        });
        element.spans.push((element.last_tag, ProcessRef::Key(process)));
        true
    }
}
