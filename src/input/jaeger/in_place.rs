//! An array of traces parsed where it stands, as far as its bytes have come: no trace has to be looked for
//! first, and none has to be whole in memory.
//!
//! What is parsed in one go is small: the members before a trace's spans, a span, a member behind them. Where the
//! text ends inside of one, it is parsed again when there is more. Up to a trace's spans nothing is kept at all, so
//! that whatever turns out to be no trace can still be cut out and read as an element.

use super::{Element, JaegerParser, Result, is_of_spans};
use crate::input::json::{Cursor, Problem};
use crate::input::{Ahead, AheadEnd, Sink, Window};

/// Where in an array of traces the next byte stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Level {
    /// Before an item.
    Item,
    /// Behind one.
    AfterItem,
    /// Before the first span of a trace, or the end of the list.
    FirstSpan,
    /// Before a span.
    Span,
    /// Behind one.
    AfterSpan,
    /// Behind a member of a trace.
    AfterMember,
}

impl Level {
    /// How many containers of the item are open.
    fn depth(self) -> usize {
        match self {
            Level::Item | Level::AfterItem => 0,
            Level::AfterMember => 1,
            Level::FirstSpan | Level::Span | Level::AfterSpan => 2,
        }
    }
}

/// What a step came to.
enum Step {
    To(Level),
    /// The item is over.
    ItemDone,
    /// What stands here is for others to read: an item, or what follows one.
    Leave(AheadEnd),
}

impl JaegerParser {
    /// Parses items, from where those before ended.
    pub(super) fn items_in_place(&mut self, window: &Window<'_>, sink: &mut dyn Sink) -> Ahead {
        if window.is_first {
            self.level = Level::Item;
        }
        let mut element = std::mem::take(&mut self.element);
        let mut cursor = Cursor::inside(window.text, self.level.depth());
        let mut n_items = 0;
        let ahead = loop {
            let at = cursor.position();
            let mark = self.draft.mark();
            match self.step(&mut cursor, &mut element, sink) {
                Ok(Step::To(level)) => {
                    self.level = level;
                    if level.depth() > 0 && self.in_element(&cursor) as u64 > window.max_item_bytes {
                        break Ahead { at, n_items, end: AheadEnd::TooLarge { begun: self.element_start } };
                    }
                }
                Ok(Step::ItemDone) => {
                    n_items += 1;
                    self.level = Level::AfterItem;
                    if window.is_single {
                        break Ahead { at: cursor.position(), n_items, end: AheadEnd::Separator };
                    }
                }
                Ok(Step::Leave(end)) => break Ahead { at, n_items, end },
                Err(_) if self.level == Level::Item && window.text[at..].trim_ascii().is_empty() => {
                    break Ahead { at, n_items, end: AheadEnd::BeforeItem };
                }
                Err(fault) if fault.problem == Problem::End => {
                    match self.level {
                        // What was marked is of the item before, and gone.
                        Level::Item => self.draft.clear(),
                        _ => self.draft.back_to(&mark),
                    }
                    let begun = (self.level.depth() > 0).then_some(self.element_start);
                    break Ahead { at, n_items, end: AheadEnd::Starved { begun } };
                }
                Err(fault) => break Ahead { at, n_items, end: AheadEnd::Fault(fault) },
            }
        };
        // The next text begins where this one was left.
        self.element_start -= ahead.at as isize;
        self.element = element;
        ahead
    }

    #[inline]
    fn step(&mut self, cursor: &mut Cursor<'_>, element: &mut Element, sink: &mut dyn Sink) -> Result<Step> {
        match self.level {
            Level::Item => self.begin(cursor, element, sink),
            Level::AfterItem => match cursor.peek() {
                Some(b',') => {
                    cursor.pass();
                    Ok(Step::To(Level::Item))
                }
                Some(_) => Ok(Step::Leave(AheadEnd::Separator)),
                None => cursor.starved(),
            },
            Level::FirstSpan if cursor.peek() == Some(b']') => {
                cursor.pass_end();
                Ok(Step::To(Level::AfterMember))
            }
            Level::FirstSpan | Level::Span => {
                self.item_of_spans(cursor, element, sink)?;
                Ok(Step::To(Level::AfterSpan))
            }
            Level::AfterSpan => match cursor.peek() {
                Some(b',') => {
                    cursor.pass();
                    Ok(Step::To(Level::Span))
                }
                Some(b']') => {
                    cursor.pass_end();
                    Ok(Step::To(Level::AfterMember))
                }
                _ => cursor.fault(Problem::Expected("`,` or `]`")),
            },
            Level::AfterMember => self.next_member(cursor, element, sink),
        }
    }

    /// Reads an item up to its spans.
    fn begin(&mut self, cursor: &mut Cursor<'_>, element: &mut Element, sink: &mut dyn Sink) -> Result<Step> {
        match cursor.peek() {
            Some(b'{') => {}
            Some(_) => return Ok(Step::Leave(AheadEnd::Item)),
            None => return cursor.starved(),
        }
        self.draft.clear();
        element.clear();
        sink.begin(cursor.position());
        self.element_start = cursor.position() as isize;
        let mut from = cursor.position();
        cursor.enter()?;
        let mut has_list = false;
        loop {
            let Some(key) = cursor.next_key(from)? else {
                if !has_list {
                    return Ok(Step::Leave(AheadEnd::Item));
                }
                cursor.leave_behind();
                self.finish_trace(element, sink);
                return Ok(Step::ItemDone);
            };
            if key == "spans" && cursor.peek() == Some(b'[') {
                cursor.enter()?;
                match cursor.peek() {
                    // As long as it has no spans it may be one.
                    Some(b']') => {
                        cursor.pass_end();
                        has_list = true;
                    }
                    Some(_) => return Ok(Step::To(Level::FirstSpan)),
                    None => return cursor.starved(),
                }
            } else if is_of_spans(&key) {
                return Ok(Step::Leave(AheadEnd::Item));
            } else {
                self.trace_member(cursor, &key, element)?;
            }
            cursor.peek();
            from = cursor.position();
        }
    }

    fn next_member(&mut self, cursor: &mut Cursor<'_>, element: &mut Element, sink: &mut dyn Sink) -> Result<Step> {
        cursor.peek();
        let from = cursor.position();
        let Some(key) = cursor.next_key(from)? else {
            cursor.leave_behind();
            self.finish_trace(element, sink);
            return Ok(Step::ItemDone);
        };
        if key == "spans" && cursor.peek() == Some(b'[') {
            cursor.enter()?;
            return Ok(Step::To(Level::FirstSpan));
        }
        self.trace_member(cursor, &key, element)?;
        // A number may go on.
        if cursor.peek().is_none() {
            return cursor.starved();
        }
        Ok(Step::To(Level::AfterMember))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::super::Jaeger;
    use super::*;
    use crate::input::Format;
    use crate::input::parsed::{Parsed, parse};
    use crate::input::stream::{Origin, Place};
    use crate::model::Wanted;

    /// Parses the items in windows of these sizes in turn, each longer where it holds nothing whole; gives what was
    /// parsed, what is left, and how it ended.
    fn in_windows(text: &str, sizes: &[usize]) -> (Parsed, usize, AheadEnd) {
        let mut parsed = Parsed::default();
        let mut parser = Jaeger.parser(&Arc::new(Wanted::all()));
        let (mut at, mut n_more, mut is_first) = (0, 0, true);
        for nth in 0.. {
            let mut end = (at + sizes[nth % sizes.len()] + n_more).min(text.len());
            while !text.is_char_boundary(end) {
                end += 1;
            }
            let origin = Origin { source: 0, format: 0 };
            let window = Window {
                text: &text[at..end],
                is_first,
                is_single: false,
                origin,
                place: Place::START,
                begun: None,
                max_item_bytes: 1 << 20,
            };
            let ahead = parser.items(&window, &mut parsed).unwrap();
            is_first = false;
            at += ahead.at;
            match ahead.end {
                AheadEnd::Starved { .. } | AheadEnd::BeforeItem if end < text.len() => {
                    n_more = if ahead.at > 0 { 0 } else { n_more + 7 }
                }
                end => return (parsed, at, end),
            }
        }
        unreachable!()
    }

    fn span() -> impl Strategy<Value = String> {
        let trace = prop::sample::select(vec!["aa", "aa", "aa", "bb", "a\\u0061"]);
        let reference = prop::sample::select(vec![
            "",
            r#"{"refType":"CHILD_OF","traceID":"aa","spanID":"1"}"#,
            r#"{"refType":"FOLLOWS_FROM","traceID":"bb","spanID":"0123456789abcdef"}"#,
        ]);
        let rest = prop::sample::select(vec![
            r#""processID":"p1""#,
            r#""processID" : "p2" , "logs":[{"timestamp":1,"fields":[{"key":"event","type":"string","value":"é\n"}]}]"#,
            r#""process":{"serviceName":"own","tags":[{"key":"ip","value":"1.2.3.4"}]}"#,
            r#""processID":"p1","spanID":"""#,
            r#""warnings":null"#,
        ]);
        let value = prop::sample::select(vec!["12", "\"x\"", "true", "\"\\ud83d\\ude00\"", "{\"a\":[1]}"]);
        (trace, 1u64..40, reference, value, rest).prop_map(|(trace, id, reference, value, rest)| {
            format!(
                r#"{{"traceID":"{trace}","spanID":"{id:016x}","operationName":"o{}","references":[{reference}],"startTime":{},"duration":{id},"tags":[{{"key":"k","type":"t","value":{value}}}],{rest}}}"#,
                id % 3,
                1_700_000_000_000_000 + id,
            )
        })
    }

    fn trace() -> impl Strategy<Value = String> {
        let not_a_span = prop::sample::select(vec!["[1,{}]", "9223372036854775808", "true"]).prop_map(str::to_owned);
        let spans = prop::collection::vec(prop_oneof![8 => span(), 1 => not_a_span], 0..6);
        let processes = r#""processes":{"p1":{"serviceName":"s1","tags":[]},"p2":{"serviceName":"s2","tags":[{"key":"host.name","value":"h"}]}}"#;
        (spans, any::<bool>(), any::<bool>()).prop_map(move |(spans, is_before, has_more)| {
            let (before, behind) = if is_before {
                (format!("{processes},"), String::new())
            } else {
                (String::new(), format!(",{processes}"))
            };
            let more = if has_more { r#" , "x":12 ,"warnings":["timestamps were adjusted by 1ms"]"# } else { "" };
            format!(r#"{{"traceID":"aa",{before}"spans":[{}]{behind}{more}}}"#, spans.join(", "))
        })
    }

    #[test]
    fn what_has_an_empty_list_may_be_a_span() {
        let trace = r#"{"spans":[],"traceID":"1","processes":{}}"#;
        for (span, left) in [
            (r#"{"spans":[],"traceID":"1","startTime":1}"#, true),
            (r#"{"spans":[],"traceID":"1","spans":[{"spanID":"1"}]}"#, false),
            (trace, false),
        ] {
            let text = format!("{trace},{span}]");
            let (found, at, end) = in_windows(&text, &[60]);
            assert_eq!(at == trace.len() + 1, left, "{span}: {end:?}");
            assert_eq!(found.skips.len(), if span == trace { 2 } else { 1 }, "{span}");
        }
    }

    proptest! {
        #[test]
        fn wherever_the_windows_end_the_spans_are_the_same(
            traces in prop::collection::vec(trace(), 1..5),
            sizes in prop::collection::vec(1usize..600, 1..6),
        ) {
            let text = format!("{}]", traces.join(" ,\n"));
            let elements: Vec<&str> = traces.iter().map(String::as_str).collect();
            let expected = parse(&Jaeger, &elements);
            let (found, at, end) = in_windows(&text, &sizes);
            prop_assert!(matches!(end, AheadEnd::Separator), "{:?}", end);
            prop_assert_eq!(&text[at..], "]");
            prop_assert_eq!(found.spans, expected.spans);
            prop_assert_eq!(found.skips, expected.skips);
            prop_assert_eq!(found.n_whole, expected.n_whole);
        }

        #[test]
        fn what_is_wrong_is_found_where_it_stands(
            traces in prop::collection::vec(trace(), 1..3),
            sizes in prop::collection::vec(1usize..600, 1..6),
            at: prop::sample::Index,
            byte in prop::sample::select(b"{}[],:\" ax1".to_vec()),
        ) {
            let mut text = format!("[{}]", traces.join(",")).into_bytes();
            let at = 1 + at.index(text.len() - 2);
            text[at] = byte;
            let Ok(text) = String::from_utf8(text) else { return Ok(()) };
            let mut plain = Cursor::new(&text);
            let fault = plain.skip().and_then(|()| plain.end()).err();
            match (in_windows(&text[1..], &sizes).2, fault) {
                (AheadEnd::Fault(found), Some(fault)) => prop_assert_eq!(found.problem, fault.problem),
                (AheadEnd::Starved { .. } | AheadEnd::BeforeItem, Some(fault)) => prop_assert_eq!(fault.problem, Problem::End),
                (AheadEnd::Fault(found), None) => prop_assert!(false, "{:?} in what is sound", found),
                // Some other reader says what is wrong here, if anything is.
                (AheadEnd::Item | AheadEnd::Separator, _) => {}
                (end, None) => prop_assert!(false, "{:?} in what is sound", end),
                (end, _) => prop_assert!(false, "{:?}", end),
            }
        }
    }
}
