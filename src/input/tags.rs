//! Lists of attributes that look like those before: most of a list's bytes are the same for every span
//! of an operation, so they are compared instead of parsed.
//!
//! What is remembered of a list is its text, in which the values that were seen to differ are slots.
//! The next list is compared piece by piece with the text between the slots, and only the values in them
//! are parsed. A piece was parsed once, at the same place of the same text: where its bytes come again,
//! so does its meaning. Anything else is read by the general way, and learned from.

use std::ops::Range;

use super::json::{Cursor, Fault, Pattern, Patterns, Value};
use super::trust::Trust;
use crate::model::{Attribute, Draft, Key, Run, Text, ValueType};

/// So many shapes of list are remembered for one operation.
const MOST_SHAPES: usize = 8;

/// Longer lists are not remembered.
const LONGEST_LIST: usize = 16 * 1024;

/// Lists of operations beyond so many are not remembered.
const MOST_OWNERS: usize = 4096;

/// Lists by the number of what they belong to: an operation, a service.
#[derive(Debug, Default)]
pub(super) struct RememberedLists {
    owners: Vec<Owner>,
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
    /// Its key, if attributes with it are kept.
    pub(super) key: Option<Key>,
    /// Its attribute in the draft.
    pub(super) kept: Option<u32>,
    /// The text in quotes is a number.
    pub(super) is_number: bool,
}

/// A list as it was written, with slots where values differ.
#[derive(Debug)]
struct Shape {
    pieces: Vec<Piece>,
    /// The texts of the pieces.
    texts: Patterns,
    /// The attributes of the pieces, whose values count from the beginning of their piece's text that is kept.
    attributes: Vec<Attribute>,
    kept_text: String,
    source: Source,
}

/// What a shape is made of.
#[derive(Debug)]
struct Source {
    text: Vec<u8>,
    values: Vec<Remembered>,
}

#[derive(Debug)]
struct Remembered {
    range: Range<usize>,
    key: Option<Key>,
    kept: Option<(String, ValueType)>,
    is_number: bool,
    is_slot: bool,
}

/// Text that is compared, the attributes in it, and the slot behind it.
#[derive(Debug)]
struct Piece {
    text: Pattern,
    /// In the shape's lists: those of the piece before end where these begin.
    attributes_end: u32,
    kept_end: u32,
    slot: Slot,
}

/// Of which kind the values in a slot were (another may mean something else), and their key, if they are kept.
#[derive(Clone, Copy, Debug)]
enum Slot {
    /// The list ends here.
    End,
    /// The text in quotes; these belong to what is compared.
    Text(Option<Key>),
    /// Likewise, and the text is a number.
    QuotedNumber(Option<Key>),
    Number(Option<Key>),
    /// `true` or `false`.
    Flag(Option<Key>),
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
        if !owner.trust.tries() {
            return Ok(None);
        }
        let run = owner.read(cursor, draft)?;
        owner.trust.count(run.is_some());
        Ok(run)
    }

    /// Remembers a list that was read by the general way. `text` is all of it, `at` where it began.
    pub(super) fn learn(&mut self, owner: u32, text: &[u8], at: usize, mentions: &[Mention], draft: &Draft) {
        let owner = owner as usize;
        if owner >= MOST_OWNERS || text.len() > LONGEST_LIST {
            return;
        }
        if owner >= self.owners.len() {
            self.owners.resize_with(owner + 1, Owner::default);
        }
        self.owners[owner].learn(text, at, mentions, draft);
    }
}

impl Owner {
    #[inline]
    fn read(&mut self, cursor: &mut Cursor<'_>, draft: &mut Draft) -> Result<Option<Run>, Fault> {
        for nth in 0..self.shapes.len() {
            if let Some(run) = self.shapes[nth].read(cursor, draft)? {
                if nth > 0 {
                    self.shapes.swap(0, nth);
                }
                return Ok(Some(run));
            }
        }
        Ok(None)
    }

    fn learn(&mut self, text: &[u8], at: usize, mentions: &[Mention], draft: &Draft) {
        if !self.trust.learns() {
            return;
        }
        let new = Shape::of(text, at, mentions, draft);
        if let Some(alike) = self.shapes.iter_mut().find(|it| it.source.is_alike(&new.source)) {
            alike.widen(&new);
            return;
        }
        self.shapes.insert(0, new);
        self.shapes.truncate(MOST_SHAPES);
    }
}

impl Shape {
    fn of(text: &[u8], at: usize, mentions: &[Mention], draft: &Draft) -> Shape {
        let values = mentions
            .iter()
            .map(|it| Remembered {
                range: it.value.start - at..it.value.end - at,
                key: it.key,
                kept: it.kept.map(|it| &draft.attributes[it as usize]).map(|it| {
                    let text = draft.text(it.value).to_owned();
                    (text, it.value_type)
                }),
                is_number: it.is_number,
                is_slot: false,
            })
            .collect();
        let source = Source { text: text.to_vec(), values };
        let (pieces, texts) = (Vec::new(), Patterns::default());
        let mut shape = Shape { pieces, texts, attributes: Vec::new(), kept_text: String::new(), source };
        shape.cut();
        shape
    }

    /// Makes slots of the values that differ.
    fn widen(&mut self, other: &Shape) {
        self.source.widen(&other.source);
        self.cut();
    }

    /// Cuts the text into pieces at the slots.
    fn cut(&mut self) {
        self.pieces.clear();
        self.texts.clear();
        self.attributes.clear();
        self.kept_text.clear();
        let source = &self.source;
        let (mut from, mut kept_from) = (0, 0);
        for value in &source.values {
            if value.is_slot {
                let (slot, n_quotes) = match source.kind(value) {
                    Some(b'"') if value.is_number => (Slot::QuotedNumber(value.key), 1),
                    Some(b'"') => (Slot::Text(value.key), 1),
                    Some(b'0') => (Slot::Number(value.key), 0),
                    _ => (Slot::Flag(value.key), 0),
                };
                let text = self.texts.add(&source.text[from..value.range.start + n_quotes]);
                self.pieces.push(Piece::upto(text, &self.attributes, &self.kept_text, slot));
                (from, kept_from) = (value.range.end - n_quotes, self.kept_text.len());
            } else if let (Some(key), Some((text, value_type))) = (value.key, &value.kept) {
                let value = Text { start: (self.kept_text.len() - kept_from) as u32, len: text.len() as u32 };
                self.attributes.push(Attribute { key, value, value_type: *value_type });
                self.kept_text.push_str(text);
            }
        }
        let text = self.texts.add(&source.text[from..]);
        self.pieces.push(Piece::upto(text, &self.attributes, &self.kept_text, Slot::End));
    }

    /// Reads a list of this shape; leaves everything as it was if it is of another.
    #[inline]
    fn read(&self, cursor: &mut Cursor<'_>, draft: &mut Draft) -> Result<Option<Run>, Fault> {
        let (at, start, n_text) = (cursor.position(), draft.attribute_mark(), draft.text.len());
        let mut from = (0, 0);
        for piece in &self.pieces {
            let mut is_alike = cursor.passes(&self.texts, piece.text);
            if is_alike {
                let upto = (piece.attributes_end as usize, piece.kept_end as usize);
                if upto.0 > from.0 {
                    self.keep(from.0..upto.0, from.1..upto.1, draft);
                }
                from = upto;
                is_alike = piece.slot.read(cursor, draft)?;
            }
            if !is_alike {
                cursor.back_to(at);
                draft.attributes.truncate(start as usize);
                draft.text.truncate(n_text);
                return Ok(None);
            }
        }
        Ok(Some(Run { start, end: draft.attribute_mark() }))
    }

    /// Keeps the attributes in the text of a piece.
    #[inline]
    fn keep(&self, attributes: Range<usize>, kept_text: Range<usize>, draft: &mut Draft) {
        let base = draft.text.len() as u32;
        draft.text.push_str(&self.kept_text[kept_text]);
        draft.attributes.extend(self.attributes[attributes].iter().map(|it| {
            let value = Text { start: it.value.start + base, ..it.value };
            Attribute { value, ..*it }
        }));
    }
}

impl Source {
    /// Whether two lists differ in values that can be slots only.
    fn is_alike(&self, other: &Source) -> bool {
        let mut upto = (0, 0);
        let is_alike = |(mine, theirs): (&Remembered, &Remembered)| {
            let between = self.text[upto.0..mine.range.start] == other.text[upto.1..theirs.range.start];
            upto = (mine.range.end, theirs.range.end);
            let kind = (self.kind(mine), other.kind(theirs));
            between && kind.0 == kind.1
        };
        self.values.len() == other.values.len()
            && self.values.iter().zip(&other.values).all(is_alike)
            && self.text[upto.0..] == other.text[upto.1..]
    }

    fn kind(&self, value: &Remembered) -> Option<u8> {
        if value.range.is_empty() { None } else { kind_of(self.text.get(value.range.start).copied()) }
    }

    /// Makes slots of the values that differ.
    fn widen(&mut self, other: &Source) {
        for (mine, theirs) in self.values.iter_mut().zip(&other.values) {
            mine.is_slot |= self.text[mine.range.clone()] != other.text[theirs.range.clone()];
        }
    }
}

impl Piece {
    /// A piece whose attributes come last so far.
    fn upto(text: Pattern, attributes: &[Attribute], kept_text: &str, slot: Slot) -> Piece {
        Piece { text, attributes_end: attributes.len() as u32, kept_end: kept_text.len() as u32, slot }
    }
}

impl Slot {
    /// Reads what is in the slot; says whether it is of the same kind as before.
    #[inline]
    fn read(self, cursor: &mut Cursor<'_>, draft: &mut Draft) -> Result<bool, Fault> {
        match self {
            Slot::End => {}
            Slot::Text(key) => {
                let text = cursor.inside_quotes()?;
                if let Some(key) = key {
                    draft.push_attribute(key, &text, ValueType::Text);
                }
            }
            Slot::QuotedNumber(key) => {
                let text = cursor.inside_quotes()?;
                if let Some(key) = key {
                    draft.push_attribute(key, &text, ValueType::Number);
                }
            }
            Slot::Number(key) => {
                let text = match cursor.plain_number() {
                    Some(text) => text,
                    None => match cursor.value()? {
                        Value::Number(text) => text,
                        _ => return Ok(false),
                    },
                };
                if let Some(key) = key {
                    draft.push_attribute(key, text, ValueType::Number);
                }
            }
            Slot::Flag(key) => {
                let value = cursor.value()?;
                if !matches!(value, Value::Bool(_)) {
                    return Ok(false);
                }
                key.iter().for_each(|it| keep(draft, *it, &value));
            }
        }
        Ok(true)
    }
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
