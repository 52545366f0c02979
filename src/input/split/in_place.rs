//! Items of an array that are parsed where they stand, a window after the other: nothing is looked for first,
//! and no item has to be whole in memory.

use super::{CUT_OFF, Result, SplitError, Splitter, WINDOW, Window, valid_text};
use crate::input::json::Problem;
use crate::input::stream::Place;
use crate::input::{AheadEnd, FORMATS};

/// After so many items in turn that had to be cut out, all are.
const MOST_LEFT: u32 = 16;

/// What is still known of an item whose beginning is gone.
struct Begun {
    place: Place,
    head: Vec<u8>,
}

impl Splitter<'_, '_> {
    /// One item of an array, or as many as can be parsed where they stand.
    pub(super) fn items(&mut self) -> Result<()> {
        let is_single = self.is_parsed_in_place() && self.emit.takes_stretches() && self.parse_stretches()?;
        if !self.is_parsed_in_place() || !self.parse_items(is_single)? {
            return self.item();
        }
        Ok(())
    }

    fn is_parsed_in_place(&self) -> bool {
        // With `lenient`, what is lost is told by whole items.
        !self.options.lenient && self.n_left <= MOST_LEFT && FORMATS[self.origin.format].parses_in_place()
    }

    /// The rest of this source is cut.
    pub(super) fn cut_from_here(&mut self) {
        self.n_left = MOST_LEFT + 1;
    }

    /// Parses items up to where a comma or the array's end belongs; `false` if an item stands there that has to be
    /// cut out.
    fn parse_items(&mut self, is_single: bool) -> Result<bool> {
        if !self.elements.is_empty() {
            self.flush()?;
        }
        let mut is_first = true;
        let mut begun: Option<Begun> = None;
        // A file may hold many small arrays: bytes behind this one are not looked at for nothing.
        let mut n_shown = self.first_window;
        // The lines of a large window are counted once.
        let mut place = self.stream.place(self.stream.at);
        let offset = place.offset;
        loop {
            let start = self.stream.at;
            let end = self.stream.bytes.len().min(start.saturating_add(n_shown));
            let (text, is_bad) = valid_text(&self.stream.bytes[start..end]);
            let (n_valid, max_item_bytes) = (text.len(), self.options.max_element_bytes);
            let known = begun.as_ref().map(|it| it.place);
            let window = Window { text, is_first, is_single, origin: self.origin, place, begun: known, max_item_bytes };
            let Some(ahead) = self.emit.items(&window) else {
                self.cut_from_here();
                return Ok(false);
            };
            is_first = false;
            self.found.n_elements += ahead.n_items;
            if ahead.n_items > 0 {
                self.n_left = 0;
            }
            let at = start + ahead.at;
            match ahead.end {
                AheadEnd::Separator | AheadEnd::Item => {
                    self.stream.at = at;
                    let n_bytes = place.offset + ahead.at as u64 - offset;
                    self.first_window = (n_bytes as usize).saturating_mul(2).max(WINDOW);
                    let is_item = matches!(ahead.end, AheadEnd::Item);
                    self.n_left += u32::from(is_item);
                    return Ok(!is_item);
                }
                AheadEnd::Fault(fault) => return self.broken(start + fault.at, fault.problem),
                AheadEnd::Starved { .. } | AheadEnd::BeforeItem if is_bad => {
                    return self.broken(start + n_valid, Problem::Utf8);
                }
                AheadEnd::TooLarge { begun: from } => {
                    let here = place.after(&self.stream.bytes[start..at]);
                    return self.too_large_item(Begun::new(self, start, from, (at, here), begun));
                }
                AheadEnd::Starved { .. } | AheadEnd::BeforeItem => {
                    let from = if let AheadEnd::Starved { begun } = ahead.end { begun } else { None };
                    place = place.after(&self.stream.bytes[start..at]);
                    let item = Begun::new(self, start, from.unwrap_or(ahead.at as isize), (at, place), begun);
                    if place.offset + (end - at) as u64 - item.place.offset > max_item_bytes {
                        return self.too_large_item(item);
                    }
                    begun = from.map(|_| item);
                    self.stream.at = at;
                    if end == self.stream.bytes.len() {
                        self.read_on(place)?;
                    }
                    n_shown = n_shown.saturating_mul(4);
                }
            }
        }
    }

    /// Forgets what was parsed, and reads more behind what is left.
    fn read_on(&mut self, place: Place) -> Result<()> {
        if !self.emit.wants_more() {
            return Err(SplitError::Stopped);
        }
        self.stream.forget_up_to(self.stream.at, place);
        if self.stream.more()? {
            return Ok(());
        }
        self.stream.at = self.stream.bytes.len();
        self.syntax(CUT_OFF)
    }

    fn broken<T>(&self, at: usize, problem: Problem) -> Result<T> {
        Err(SplitError::Syntax { place: self.stream.place(at), what: problem.to_string() })
    }

    fn too_large_item<T>(&self, Begun { place, head }: Begun) -> Result<T> {
        Err(SplitError::Syntax { place, what: self.said_of_too_large(&head) })
    }
}

impl Begun {
    /// Where an item begins, counted from a byte of the buffer: not far before a place that is known, as a rule. If
    /// that is gone, it was noted `before`.
    fn new(
        splitter: &Splitter<'_, '_>,
        from: usize,
        at: isize,
        (known_at, known): (usize, Place),
        before: Option<Begun>,
    ) -> Begun {
        match (usize::try_from(at), before) {
            (Err(_), Some(before)) => before,
            (at, _) => {
                let start = from + at.unwrap_or(0);
                let place = known.before(&splitter.stream.bytes[start..known_at]);
                let place = place.unwrap_or_else(|| splitter.stream.place(start));
                Begun { place, head: splitter.head_at(start).to_vec() }
            }
        }
    }
}
