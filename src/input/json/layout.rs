//! What stood between the values of an object the last times: keys, punctuation, white space.
//!
//! Exporters write every object of a kind with the same keys in the same order. So the bytes between
//! two values are compared, as one piece, with what stood at that place before; only where they
//! differ is the key read. A piece that was read once, between the same two kinds of places, is the
//! same JSON wherever it stands again: nothing is guessed, and nothing has to be taken back.

use super::cursor::{Cursor, Problem, Result};
use super::pattern::{Pattern, Patterns};
use crate::input::trust::{NEARLY_ALL, Trust};

/// So many pieces are remembered: objects whose keys come in any order would fill the memory otherwise.
const MOST_PIECES: usize = 256;

/// So many ways to go on from one place are remembered.
const MOST_WAYS: usize = 4;

/// Longer pieces (of white space, mostly) are not remembered.
const LONGEST_PIECE: usize = 256;

const NONE: u16 = u16::MAX;

/// The beginning of every object.
const BEGINNING: u16 = 0;

/// The pieces met in objects of one kind, as a tree: each may follow the one above it.
#[derive(Debug)]
pub(crate) struct Layout<F> {
    pieces: Vec<Piece<F>>,
    texts: Patterns,
    trust: Trust<NEARLY_ALL>,
}

#[derive(Debug)]
struct Piece<F> {
    text: Pattern,
    /// Which field's value follows; nothing behind the last.
    field: Option<F>,
    first_next: u16,
    sibling: u16,
}

impl<F> Default for Layout<F> {
    fn default() -> Layout<F> {
        Layout { pieces: Vec::new(), texts: Patterns::default(), trust: Trust::default() }
    }
}

impl<F: Copy> Layout<F> {
    /// The piece behind `before` that comes next, the field whose value follows it (none behind the last), and
    /// the piece's length.
    #[inline(always)]
    fn next(&self, before: u16, bytes: &[u8]) -> Option<(u16, Option<F>, usize)> {
        let mut way = self.pieces.get(usize::from(before))?.first_next;
        while let Some(piece) = self.pieces.get(usize::from(way)) {
            if self.texts.begin(piece.text, bytes) {
                return Some((way, piece.field, piece.text.length()));
            }
            way = piece.sibling;
        }
        None
    }

    /// Remembers a piece behind `before`; `NONE` if it cannot be.
    fn learn(&mut self, before: u16, text: &[u8], field: Option<F>) -> u16 {
        if self.pieces.is_empty() {
            self.pieces.push(Piece { text: Pattern::default(), field: None, first_next: NONE, sibling: NONE });
        }
        if usize::from(before) >= self.pieces.len()
            || self.pieces.len() >= MOST_PIECES
            || text.len() > LONGEST_PIECE
            || self.n_ways(before) >= MOST_WAYS
        {
            return NONE;
        }
        let number = self.pieces.len() as u16;
        let sibling = std::mem::replace(&mut self.pieces[usize::from(before)].first_next, number);
        let text = self.texts.add(text);
        self.pieces.push(Piece { text, field, first_next: NONE, sibling });
        number
    }

    fn n_ways(&self, before: u16) -> usize {
        let mut way = self.pieces[usize::from(before)].first_next;
        let mut n_ways = 0;
        while let Some(piece) = self.pieces.get(usize::from(way)) {
            n_ways += 1;
            way = piece.sibling;
        }
        n_ways
    }
}

impl<'a> Cursor<'a> {
    /// Reads an object, giving each field to `member`, which must consume the value. `field_of` tells the
    /// field of a key, the same one every time.
    #[inline]
    pub(crate) fn fields<F: Copy>(
        &mut self,
        layout: &mut Layout<F>,
        field_of: impl Fn(&str) -> F,
        mut member: impl FnMut(&mut Self, F) -> Result<()>,
    ) -> Result<()> {
        let mut way = self.enter_fields(layout)?;
        while let Some(field) = self.next_field(layout, &mut way, &field_of)? {
            member(self, field)?;
        }
        Ok(())
    }

    /// Stands before an object whose fields are to be read one by one.
    #[inline]
    pub(crate) fn enter_fields<F>(&mut self, layout: &mut Layout<F>) -> Result<Way> {
        if self.peek() != Some(b'{') {
            return self.fault(Problem::Expected("`{`"));
        }
        let at = self.position();
        self.enter()?;
        self.back_to(at);
        let is_tried = layout.trust.tries();
        Ok(Way { before: if is_tried { BEGINNING } else { NONE }, at, is_tried, is_met: true })
    }

    /// Passes what stands before the value of the next field, of which the one before was consumed, or before
    /// the end of the object.
    #[inline(always)]
    pub(crate) fn next_field<F: Copy>(
        &mut self,
        layout: &mut Layout<F>,
        way: &mut Way,
        field_of: impl Fn(&str) -> F,
    ) -> Result<Option<F>> {
        let field = match layout.next(way.before, self.rest()) {
            Some((piece, field, length)) => {
                self.back_to(self.position() + length);
                way.before = piece;
                field
            }
            None => self.unmet_field(layout, way, field_of)?,
        };
        if field.is_none() {
            self.leave_behind();
            if way.is_tried {
                layout.trust.count(way.is_met);
            }
        }
        Ok(field)
    }

    /// Reads what stands before the value of the next field, and remembers it.
    #[inline(never)]
    fn unmet_field<F: Copy>(
        &mut self,
        layout: &mut Layout<F>,
        way: &mut Way,
        field_of: impl Fn(&str) -> F,
    ) -> Result<Option<F>> {
        way.is_met = false;
        let from = self.position();
        if way.at == from {
            // Behind the brace, which is the first byte of the first piece.
            self.back_to(from + 1);
        }
        let field = self.next_key(from)?.map(|key| field_of(&key));
        way.before = layout.learn(way.before, &self.bytes()[from..self.position()], field);
        Ok(field)
    }
}

/// How far an object was read.
#[derive(Debug)]
pub(crate) struct Way {
    /// The piece met last.
    before: u16,
    /// Where the object begins.
    at: usize,
    /// Whether it is compared with those before.
    is_tried: bool,
    /// Whether all pieces so far were met before.
    is_met: bool,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::input::json::Value;

    /// The members of an object, as read with what was learned before.
    fn read(layout: &mut Layout<u8>, text: &str) -> Result<Vec<(u8, String)>> {
        let mut cursor = Cursor::new(text);
        let mut members = Vec::new();
        cursor.fields(
            layout,
            |key| key.len() as u8,
            |cursor, field| {
                let value = cursor.value()?;
                members.push((field, format!("{value:?}")));
                Ok(())
            },
        )?;
        cursor.end()?;
        Ok(members)
    }

    #[test]
    fn what_was_met_once_is_compared_the_second_time() {
        let mut layout = Layout::default();
        let text = r#"{"a":1, "bb" : "x","ccc":[1,{"d":2}] }"#;
        let members = read(&mut layout, text).unwrap();
        let n_pieces = layout.pieces.len();
        assert_eq!(read(&mut layout, text).unwrap(), members);
        assert_eq!(layout.pieces.len(), n_pieces, "nothing new was learned");
        assert_eq!(n_pieces, 5, "the start, three keys, the end");
        assert_eq!(read(&mut layout, r#"{"a":1, "bb" : "x"}"#).unwrap().len(), 2);
        assert_eq!(read(&mut layout, "{}").unwrap(), []);
    }

    #[test]
    fn memory_is_bounded_whatever_the_order_of_keys() {
        let mut layout = Layout::default();
        for nth in 0..5_000 {
            let text = format!(r#"{{"{}":1,"{}":2}}"#, "k".repeat(nth % 90), nth);
            read(&mut layout, &text).unwrap();
        }
        assert!(layout.pieces.len() <= MOST_PIECES);
    }

    fn object() -> impl Strategy<Value = String> {
        let key = prop::sample::select(vec!["a", "bb", "ccc", "dd\\u0064d"]);
        let value = prop::sample::select(vec!["1", "\"x\"", "null", "[]", "{\"a\":1}", "[1,2]", " 7 "]);
        let space = prop::sample::select(vec!["", "", "", " ", "\n  "]);
        prop::collection::vec((space.clone(), key, value, space), 0..5).prop_map(|members| {
            let members: Vec<String> = members.iter().map(|(a, k, v, b)| format!("{a}\"{k}\"{b}:{a}{v}")).collect();
            format!("{{{}}}", members.join(","))
        })
    }

    proptest! {
        #[test]
        fn what_was_learned_never_shows(texts in prop::collection::vec(object(), 1..40), cut: prop::sample::Index, byte in prop::sample::select(b"{}[],:\" ax1".to_vec())) {
            let mut layout = Layout::default();
            for text in &texts {
                let mut broken = text.clone().into_bytes();
                let at = cut.index(broken.len());
                broken[at] = byte;
                let broken = String::from_utf8(broken).unwrap();
                for text in [text.as_str(), &broken, &text[..at]] {
                    prop_assert_eq!(read(&mut layout, text), read(&mut Layout::default(), text), "{}", text);
                    let mut plain = Cursor::new(text);
                    let mut members: Vec<(u8, String)> = Vec::new();
                    let outcome = plain.object(|cursor, key| {
                        let key = key.len() as u8;
                        let value: Value<'_> = cursor.value()?;
                        members.push((key, format!("{value:?}")));
                        Ok(())
                    });
                    let outcome = outcome.and_then(|()| plain.end()).map(|()| members);
                    prop_assert_eq!(read(&mut layout, text), outcome, "{}", text);
                }
            }
        }
    }
}
