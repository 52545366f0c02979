//! Lists of attributes that look like those before: most of a list's bytes are the same for every span
//! of an operation, so they are compared instead of parsed.
//!
//! What is remembered of a list is its text, in which the values that were seen to differ are slots.
//! The next list is compared with the text between the slots, and only the values in them are parsed. The text was
//! parsed once, at the same place of the same list: where its bytes come again, so does its meaning. Anything
//! else is read by the general way, and learned from.
//!
//! The text is cut behind each value, and short pieces that are the same in many lists are kept once.

use std::ops::Range;

use super::json::{BlockText, Blocks, Cursor, Fault, Value};
use super::trust::{NEARLY_ALL, Trust};
use crate::model::{Attribute, Draft, Key, Run, Text, ValueType, new_list_number};

/// So many shapes of list are remembered for one operation.
const MOST_SHAPES: usize = 8;

/// Longer lists are not remembered.
const LONGEST_LIST: usize = 16 * 1024;

/// Who has so many shapes may have any number: whether it pays to compare his lists, others of the kind tell.
const MANY_SHAPES: usize = MOST_SHAPES / 2;

/// Lists of operations beyond so many are not remembered.
const MOST_OWNERS: usize = 4096;

/// Lists by the number of what they belong to: an operation, a service.
#[derive(Debug, Default)]
pub(super) struct RememberedLists {
    owners: Vec<Owner>,
    /// How it went with owners of many shapes.
    trust: Trust<NEARLY_ALL>,
    /// The texts of all shapes.
    texts: Blocks,
    /// Nothing more is learned.
    is_full: bool,
}

#[derive(Debug, Default)]
struct Owner {
    shapes: Vec<Shape>,
    trust: Trust,
}

/// Where a value stood that was read by the general way.
#[derive(Clone, Debug)]
pub(super) struct Mention {
    /// In the element; empty if the value must not become a slot.
    pub(super) value: Range<usize>,
    /// Its attribute in the draft.
    pub(super) kept: Option<u32>,
}

/// A list as it was written, with slots where values differ.
#[derive(Debug, Default)]
struct Shape {
    /// None until a list of this shape has come twice.
    steps: Vec<Step>,
    /// The attributes that are kept; the values of slots are yet to come, the others count from the beginning of
    /// the text that is kept.
    attributes: Vec<Attribute>,
    kept_text: String,
    source: Source,
}

/// Text that is compared, and what stands behind it.
#[derive(Clone, Copy, Debug)]
struct Step {
    text: BlockText,
    behind: Behind,
    /// Which of the shape's attributes is in the slot, if it is kept.
    attribute: u16,
}

/// Said of slots that are not kept.
const NOT_KEPT: u16 = u16::MAX;

/// What stands behind a text: a slot has values of one kind (another may mean something else).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Behind {
    /// More text.
    Text,
    /// The list has ended.
    End,
    /// A text in quotes; these belong to what is compared.
    TextSlot,
    Number,
    /// `true` or `false`.
    Flag,
}

/// What a shape is made of.
#[derive(Debug, Default)]
struct Source {
    text: Vec<u8>,
    values: Vec<Remembered>,
    kept_text: String,
}

#[derive(Debug)]
struct Remembered {
    range: Range<usize>,
    /// The attribute it is kept as, its value in the text that is kept.
    kept: Option<Attribute>,
    is_slot: bool,
}

/// A list that was read by the general way.
struct New<'a> {
    text: &'a [u8],
    /// Where it began.
    at: usize,
    mentions: &'a [Mention],
    draft: &'a Draft,
}

impl RememberedLists {
    /// Reads a list if it looks like one that was remembered; the cursor stands on its bracket.
    #[inline]
    pub(super) fn read(
        &mut self,
        owner: u32,
        cursor: &mut Cursor<'_>,
        draft: &mut Draft,
    ) -> Result<Option<Run>, Fault> {
        let Some(owner) = self.owners.get_mut(owner as usize) else { return Ok(None) };
        let is_doubted = owner.is_doubted();
        if (is_doubted && !self.trust.tries()) || !owner.trust.tries() {
            return Ok(None);
        }
        let run = owner.read(&self.texts, cursor, draft)?;
        owner.trust.count(run.is_some());
        if is_doubted {
            self.trust.count(run.is_some());
        }
        Ok(run)
    }

    /// Remembers a list that was read by the general way. `text` is all of it, `at` where it began.
    pub(super) fn learn(&mut self, owner: u32, text: &[u8], at: usize, mentions: &[Mention], draft: &Draft) {
        let owner = owner as usize;
        if owner >= MOST_OWNERS || text.len() > LONGEST_LIST || self.is_full {
            return;
        }
        if owner >= self.owners.len() {
            self.owners.resize_with(owner + 1, Owner::default);
        }
        if self.owners[owner].is_doubted() && !self.trust.learns() {
            return;
        }
        let new = New { text, at, mentions, draft };
        if self.owners[owner].learn(&mut self.texts, &new).is_none() {
            self.clean_up();
        }
    }

    /// Forgets texts that no shape has any more; where most are in use, that is all that is remembered.
    fn clean_up(&mut self) {
        self.texts = Blocks::default();
        for shape in self.owners.iter_mut().flat_map(|it| &mut it.shapes) {
            if !shape.steps.is_empty() && shape.cut(&mut self.texts).is_none() {
                shape.steps.clear();
            }
        }
        self.is_full = self.texts.fullness() > 0.5;
    }
}

impl Owner {
    #[inline]
    fn is_doubted(&self) -> bool {
        self.shapes.len() >= MANY_SHAPES && self.trust.is_doubted()
    }

    #[inline]
    fn read(&mut self, texts: &Blocks, cursor: &mut Cursor<'_>, draft: &mut Draft) -> Result<Option<Run>, Fault> {
        for nth in 0..self.shapes.len() {
            if let Some(run) = self.shapes[nth].read(texts, cursor, draft)? {
                if nth > 0 {
                    self.shapes.swap(0, nth);
                }
                return Ok(Some(run));
            }
        }
        Ok(None)
    }

    /// `None` if there is no room.
    fn learn(&mut self, texts: &mut Blocks, new: &New<'_>) -> Option<()> {
        if !self.trust.learns() {
            return Some(());
        }
        if let Some(alike) = self.shapes.iter_mut().find(|it| it.source.is_alike(new)) {
            alike.source.widen(new);
            return alike.cut(texts);
        }
        // One that was of no use of late makes room.
        let mut shape = if self.shapes.len() < MOST_SHAPES { None } else { self.shapes.pop() }.unwrap_or_default();
        shape.steps.clear();
        shape.source.become_copy(new);
        self.shapes.insert(0, shape);
        Some(())
    }
}

impl Shape {
    /// Cuts the text into steps; `None` if there is no room for them.
    fn cut(&mut self, texts: &mut Blocks) -> Option<()> {
        let Shape { steps, attributes, kept_text, source } = self;
        steps.clear();
        attributes.clear();
        kept_text.clear();
        let mut from = 0;
        for value in &source.values {
            let is_slot = value.is_slot;
            let attribute = if value.kept.is_some() { attributes.len() as u16 } else { NOT_KEPT };
            if let Some(kept) = value.kept {
                let text = if is_slot { "" } else { source.kept(kept.value) };
                let value = Text { start: kept_text.len() as u32, len: text.len() as u32 };
                attributes.push(Attribute { value, varies: is_slot, ..kept });
                kept_text.push_str(text);
            }
            let Range { start, end } = value.range;
            let (upto, next, behind) = match kind(&source.text, &value.range).filter(|_| is_slot) {
                None => (end, end, Behind::Text),
                Some(b'"') => (start + 1, end - 1, Behind::TextSlot),
                Some(b'0') => (start, end, Behind::Number),
                Some(_) => (start, end, Behind::Flag),
            };
            push_steps(steps, &source.text[from..upto], behind, attribute, texts)?;
            from = next;
        }
        let n_attributes = attributes.len() as u16;
        if let Some(first) = attributes.first_mut() {
            (first.list_number, first.list_length) = (new_list_number(), n_attributes);
        }
        push_steps(steps, &source.text[from..], Behind::End, NOT_KEPT, texts)
    }

    /// Reads a list of this shape; leaves everything as it was if it is of another.
    #[inline]
    fn read(&self, texts: &Blocks, cursor: &mut Cursor<'_>, draft: &mut Draft) -> Result<Option<Run>, Fault> {
        let (at, start, n_text) = (cursor.position(), draft.attribute_mark(), draft.text.len());
        draft.keep_attributes(&self.attributes, &self.kept_text);
        for step in &self.steps {
            if !cursor.passes_block(texts, step.text) {
                break;
            }
            let attribute = (step.attribute != NOT_KEPT).then(|| start as usize + usize::from(step.attribute));
            let is_alike = match step.behind {
                Behind::Text => continue,
                Behind::End => return Ok(Some(Run { start, end: draft.attribute_mark() })),
                Behind::TextSlot => read_text(cursor, attribute, draft)?,
                Behind::Number => read_number(cursor, attribute, draft)?,
                Behind::Flag => read_flag(cursor, attribute, draft)?,
            };
            if !is_alike {
                break;
            }
        }
        cursor.back_to(at);
        draft.attributes.truncate(start as usize);
        draft.text.truncate(n_text);
        Ok(None)
    }
}

/// Adds the steps to compare a text, and what stands behind it.
fn push_steps(steps: &mut Vec<Step>, text: &[u8], behind: Behind, attribute: u16, texts: &mut Blocks) -> Option<()> {
    let mut rest = text;
    while let Some((text, more)) = rest.split_at_checked(Blocks::LONGEST).filter(|it| !it.1.is_empty()) {
        steps.push(Step { text: texts.add(text)?, behind: Behind::Text, attribute: NOT_KEPT });
        rest = more;
    }
    if rest.is_empty() {
        return Some(());
    }
    steps.push(Step { text: texts.add(rest)?, behind, attribute });
    Some(())
}

#[inline]
fn read_text(cursor: &mut Cursor<'_>, attribute: Option<usize>, draft: &mut Draft) -> Result<bool, Fault> {
    let start = draft.text.len();
    match attribute {
        Some(attribute) => {
            cursor.inside_quotes(&mut draft.text)?;
            draft.attributes[attribute].value = Text { start: start as u32, len: (draft.text.len() - start) as u32 };
        }
        None => cursor.skip_inside_quotes()?,
    }
    Ok(true)
}

#[inline]
fn read_number(cursor: &mut Cursor<'_>, attribute: Option<usize>, draft: &mut Draft) -> Result<bool, Fault> {
    let text = match cursor.plain_number() {
        Some(text) => text,
        None => match cursor.value()? {
            Value::Number(text) => text,
            _ => return Ok(false),
        },
    };
    if let Some(attribute) = attribute {
        draft.attributes[attribute].value = draft.keep(text);
    }
    Ok(true)
}

fn read_flag(cursor: &mut Cursor<'_>, attribute: Option<usize>, draft: &mut Draft) -> Result<bool, Fault> {
    let Value::Bool(value) = cursor.value()? else { return Ok(false) };
    if let Some(attribute) = attribute {
        draft.attributes[attribute].value = draft.keep(if value { "true" } else { "false" });
    }
    Ok(true)
}

impl Source {
    fn become_copy(&mut self, new: &New<'_>) {
        let Source { text, values, kept_text } = self;
        text.clear();
        text.extend_from_slice(new.text);
        kept_text.clear();
        values.clear();
        values.extend(new.mentions.iter().map(|it| {
            let kept = it.kept.map(|it| new.draft.attributes[it as usize]).map(|it| {
                let text = new.draft.text(it.value);
                let value = Text { start: kept_text.len() as u32, len: text.len() as u32 };
                kept_text.push_str(text);
                Attribute { value, ..it }
            });
            Remembered { range: new.range(it), kept, is_slot: false }
        }));
    }

    fn kept(&self, text: Text) -> &str {
        &self.kept_text[text.start as usize..][..text.len as usize]
    }

    /// Whether another list differs in values that can be slots only.
    fn is_alike(&self, new: &New<'_>) -> bool {
        let mut upto = (0, 0);
        let is_alike = |(mine, theirs): (&Remembered, &Mention)| {
            let (mine, theirs) = (&mine.range, new.range(theirs));
            let between = self.text[upto.0..mine.start] == new.text[upto.1..theirs.start];
            upto = (mine.end, theirs.end);
            between && kind(&self.text, mine) == kind(new.text, &theirs)
        };
        self.values.len() == new.mentions.len()
            && self.values.iter().zip(new.mentions).all(is_alike)
            && self.text[upto.0..] == new.text[upto.1..]
    }

    /// Makes slots of the values that differ.
    fn widen(&mut self, new: &New<'_>) {
        for (mine, theirs) in self.values.iter_mut().zip(new.mentions) {
            mine.is_slot |= self.text[mine.range.clone()] != new.text[new.range(theirs)];
        }
    }
}

impl New<'_> {
    /// Where a value stands in the list.
    fn range(&self, mention: &Mention) -> Range<usize> {
        mention.value.start - self.at..mention.value.end - self.at
    }
}

fn kind(text: &[u8], value: &Range<usize>) -> Option<u8> {
    if value.is_empty() { None } else { kind_of(text.get(value.start).copied()) }
}

/// The kind of a scalar by its first byte.
fn kind_of(first: Option<u8>) -> Option<u8> {
    match first? {
        b'-' | b'0'..=b'9' => Some(b'0'),
        b't' | b'f' => Some(b't'),
        it @ (b'"' | b'n') => Some(it),
        _ => None,
    }
}

/// Keeps a value as an attribute, unless there is none.
pub(super) fn keep(draft: &mut Draft, key: Key, value: &Value<'_>) {
    match value {
        Value::Null => {}
        Value::Bool(it) => draft.push_attribute(key, if *it { "true" } else { "false" }, ValueType::Bool),
        Value::Number(text) => draft.push_attribute(key, text, ValueType::Number),
        Value::String(text) => draft.push_attribute(key, text, ValueType::Text),
        Value::Container(text) => draft.push_attribute(key, &one_spelling(text), ValueType::Text),
    }
}

/// An object or array the way it is compared: without white space, its keys sorted.
fn one_spelling(container: &str) -> String {
    // The cursor accepted it, so it is JSON and not too deep.
    serde_json::from_str::<serde_json::Value>(container).map_or_else(|_| container.to_owned(), |it| it.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const N_VALUES: u32 = 20;

    /// A list of attributes of which nobody has met any.
    fn list(owner: u32) -> String {
        let values: Vec<String> =
            (0..N_VALUES).map(|it| format!(r#"{{"value":"{:064}"}}"#, owner * 100 + it)).collect();
        format!("[{}]", values.join(","))
    }

    fn mentions(text: &str) -> Vec<Mention> {
        let values = text.match_indices(r#":""#).map(|(at, _)| at + 1..at + 1 + 66);
        values.map(|value| Mention { value, kept: None }).collect()
    }

    /// Whether a list is known; then all of it is consumed, and nothing otherwise.
    fn is_known(lists: &mut RememberedLists, owner: u32, text: &str) -> bool {
        let mut cursor = Cursor::new(text);
        let run = lists.read(owner, &mut cursor, &mut Draft::default()).unwrap();
        assert_eq!(cursor.position(), if run.is_some() { text.len() } else { 0 });
        run.is_some()
    }

    #[test]
    fn a_list_is_known_when_it_has_come_twice() {
        let (mut lists, text) = (RememberedLists::default(), list(7));
        for expected in [false, false, true] {
            assert_eq!(is_known(&mut lists, 3, &text), expected);
            lists.learn(3, text.as_bytes(), 0, &mentions(&text), &Draft::default());
        }
        assert!(!is_known(&mut lists, 4, &text));
        let other = text.replace('7', "8");
        assert!(!is_known(&mut lists, 3, &other));
        lists.learn(3, other.as_bytes(), 0, &mentions(&other), &Draft::default());
        assert!(is_known(&mut lists, 3, &text) && is_known(&mut lists, 3, &other), "the values are slots now");
    }

    #[test]
    fn more_than_there_is_room_for_is_not_remembered_but_what_is_stays_right() {
        let mut lists = RememberedLists::default();
        let n_owners = MOST_OWNERS as u32;
        for owner in 0..n_owners {
            let text = list(owner);
            for _ in 0..2 {
                lists.learn(owner, text.as_bytes(), 0, &mentions(&text), &Draft::default());
            }
        }
        assert!(lists.is_full && lists.texts.fullness() <= 1.0);
        let n_known = (0..n_owners).filter(|it| is_known(&mut lists, *it, &list(*it))).count();
        assert!((1_000..4_000).contains(&n_known), "{n_known}");
        assert!((0..n_owners).all(|it| !is_known(&mut lists, it, &list(it + 1))));
    }
}
