//! Cuts a stream of JSON into elements: the values of top-level arrays, of an envelope's array, or on their own.
//!
//! Only the frame around the elements is parsed here. Inside an element the brackets are counted;
//! whether it is valid JSON is for its parser to say. A cut is therefore right up to the first fault,
//! and the first fault in the order of the bytes is the one reported.

mod in_place;
mod resync;
mod stretch;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::ops::Range;
use std::sync::Arc;

use super::detect::{BOM, of_next_value};
use super::head::HEAD;
use super::json::{Cursor, Fault, Problem, Scanner, Value};
use super::stream::{Buffer, Chunk, Origin, PIECE, Place, Stream};
use super::{Ahead, FORMATS};
pub(crate) use stretch::{Stretch, Stretches};

/// Where a format keeps its elements.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Frame {
    /// The keys of a top-level object whose value is an element or an array of them; `a.b` is the key
    /// `b` of the object below the key `a`.
    pub(crate) envelopes: &'static [&'static str],
    /// Keys that show a top-level object to be an element itself.
    pub(crate) element_keys: &'static [&'static str],
    /// Keys that nothing inside an element has: by them `lenient` finds the next element.
    pub(crate) sure_keys: &'static [&'static str],
    /// What an element is called in messages.
    pub(crate) element: &'static str,
}

/// How to cut.
#[derive(Clone, Copy, Debug)]
pub struct SplitOptions {
    /// Go on behind broken elements, and count them.
    pub lenient: bool,
    /// The largest element there may be.
    pub max_element_bytes: u64,
    /// The format that was asked for, by its index: every value is of it.
    pub format: Option<usize>,
}

/// What was found beside the elements.
#[derive(Clone, Debug, Default)]
pub(crate) struct Frames {
    /// How many elements there were.
    pub(crate) n_elements: u64,
    /// Members of top-level objects that are no elements: key and value as written. Small ones, and not
    /// without end: what a server says once.
    pub(crate) members: Vec<(String, String)>,
    /// Top-level objects that hold no elements, by their first key: how many, and where the first stood.
    pub(crate) foreign: BTreeMap<String, (u64, Place)>,
    /// The formats met, by index.
    pub(crate) formats: BTreeSet<usize>,
    /// An envelope was there, even if empty.
    pub(crate) has_envelope: bool,
    /// A top-level array was there.
    pub(crate) has_array: bool,
    /// Pieces that could not be read, with `lenient`.
    pub(crate) losses: Vec<Loss>,
    /// How many bytes there were.
    pub(crate) n_bytes: u64,
}

/// A piece of a source that could not be read.
#[derive(Clone, Debug)]
pub(crate) struct Loss {
    pub(crate) place: Place,
    /// Unknown where the source itself ends early.
    pub(crate) n_bytes: Option<u64>,
    pub(crate) why: String,
}

/// Why cutting stopped.
#[derive(Debug)]
pub(crate) enum SplitError {
    Io(io::Error),
    /// The bytes are not JSON, or not in this frame.
    Syntax {
        place: Place,
        what: String,
    },
    /// The one who takes the chunks wants no more.
    Stopped,
}

impl From<io::Error> for SplitError {
    fn from(err: io::Error) -> SplitError {
        SplitError::Io(err)
    }
}

type Result<T> = std::result::Result<T, SplitError>;

/// Said of a text that ends too early.
pub(crate) const CUT_OFF: &str = "the text ends inside a value";

/// Takes chunks as they are cut.
pub(crate) trait Emit {
    /// Takes a chunk; says whether to go on.
    fn emit(&mut self, chunk: Chunk) -> bool;

    /// The memory of a chunk that is done with.
    fn spare(&mut self) -> Option<Buffer>;

    /// Parses items of an array where they stand; `None` if they have to be cut out.
    fn items(&mut self, window: &Window<'_>) -> Option<Ahead> {
        let _ = window;
        None
    }

    /// Whether there is any use in more.
    fn wants_more(&mut self) -> bool {
        true
    }

    /// Whether it parses stretches of an array that are guessed rather than cut out.
    fn takes_stretches(&self) -> bool {
        false
    }

    /// Whether it takes elements that are lines by the looks of them: all is read again if one is not.
    fn takes_lines(&self) -> bool {
        false
    }

    /// Parses the first stretch and those behind it, side by side; gives how many items were in them.
    fn stretches(&mut self, first: Stretch, rest: &mut Stretches<'_, '_>) -> u64 {
        let _ = (first, rest);
        0
    }

    /// Whether what is left of a source is parsed at once while other sources wait.
    fn has_others(&self) -> bool {
        false
    }
}

/// Bytes of an array that are parsed where they stand.
pub(crate) struct Window<'a> {
    pub(crate) text: &'a str,
    /// The text begins with an item, and goes on where the window before was left otherwise.
    pub(crate) is_first: bool,
    /// No more than one item is parsed.
    pub(crate) is_single: bool,
    pub(crate) origin: Origin,
    /// Where the text stands in the source.
    pub(crate) place: Place,
    /// Where the item began that the window before was left in.
    pub(crate) begun: Option<Place>,
    /// The largest item there may be.
    pub(crate) max_item_bytes: u64,
}

/// Cuts a stream.
pub(crate) fn split(
    stream: &mut Stream<'_>,
    frame: Frame,
    origin: Origin,
    options: SplitOptions,
    emit: &mut dyn Emit,
) -> (Frames, std::result::Result<(), SplitError>) {
    let mut splitter = Splitter {
        stream,
        frame,
        origin,
        options,
        emit,
        elements: Vec::new(),
        context: None,
        context_before: None,
        found: Frames::default(),
        adrift: false,
        anchor: None,
        has_lines: None,
        is_guessed: false,
        beginnings: Vec::new(),
        n_left: 0,
        first_window: WINDOW,
    };
    splitter.found.formats.insert(origin.format);
    let outcome = splitter.run().and_then(|()| splitter.flush());
    // What came before the fault may hold an earlier one: let it be parsed too.
    if matches!(outcome, Err(SplitError::Syntax { .. })) {
        let _ = splitter.flush();
    }
    splitter.found.n_bytes = splitter.stream.n_read();
    (splitter.found, outcome)
}

struct Splitter<'a, 'r> {
    stream: &'a mut Stream<'r>,
    frame: Frame,
    origin: Origin,
    options: SplitOptions,
    emit: &'a mut dyn Emit,
    /// Elements found and not yet handed on.
    elements: Vec<Range<usize>>,
    /// The element that holds for those that follow, and the one that held before `elements`.
    context: Option<Arc<str>>,
    context_before: Option<Arc<str>>,
    found: Frames,
    /// Whether the element read last was found behind a broken one, in a frame that is not known.
    adrift: bool,
    /// The first byte of the buffer that is still needed, when it is before the stream's position.
    anchor: Option<usize>,
    /// Whether the elements that stood alone were lines, if there were any.
    has_lines: Option<bool>,
    /// Whether any of `elements` was taken to be a line.
    is_guessed: bool,
    /// How the values met so far began, up to their first key, and of which format those were.
    beginnings: Vec<(Vec<u8>, usize)>,
    /// How many items in turn could not be parsed where they stand.
    n_left: u32,
    /// So many bytes of an array are looked at in the first go.
    first_window: usize,
}

/// So many ways to begin are remembered.
const MOST_BEGINNINGS: usize = 16;

/// Members of frames are kept up to so many, and each up to so many bytes.
const MOST_MEMBERS: usize = 256;
const LARGEST_MEMBER: usize = 64 * 1024;

/// Envelopes that are lines are parsed whole up to so many bytes: the elements of others are cut out.
const LONGEST_LINE: u64 = 2 * PIECE as u64;

/// How much of the buffer a small value is looked for in at first.
const WINDOW: usize = 256;

impl Splitter<'_, '_> {
    fn run(&mut self) -> Result<()> {
        loop {
            match self.top_values() {
                Err(SplitError::Syntax { place, what }) if self.options.lenient => {
                    if !self.resync(place, what)? {
                        return Ok(());
                    }
                }
                outcome => return outcome,
            }
        }
    }

    /// Any number of values one after the other.
    fn top_values(&mut self) -> Result<()> {
        if std::mem::take(&mut self.adrift) {
            self.rest_of_frame()?;
        }
        while let Some(byte) = self.peek()? {
            match byte {
                b'{' => {
                    self.tell_format()?;
                    if !self.line_of_elements()? {
                        self.top_object()?;
                    }
                }
                b'[' => {
                    self.tell_format()?;
                    self.found.has_array = true;
                    self.array()?;
                }
                // Files that each began with a mark were put together.
                0xef if self.skip_mark()? => {}
                _ => return self.syntax("expected `{` or `[`"),
            }
        }
        Ok(())
    }

    /// Passes over a byte order mark at the stream's position, if there is one.
    fn skip_mark(&mut self) -> Result<bool> {
        while self.stream.bytes.len() - self.stream.at < BOM.len() && self.more()? {}
        let is_mark = self.stream.bytes[self.stream.at..].starts_with(BOM);
        self.stream.at += if is_mark { BOM.len() } else { 0 };
        Ok(is_mark)
    }

    /// After a broken element what follows the next whole one shows in which brackets both stand: those
    /// of an array, maybe in a list of such, maybe of an envelope, or none.
    fn rest_of_frame(&mut self) -> Result<()> {
        if let Some(b',' | b']') = self.peek()? {
            self.rest_of_array(false)?;
        }
        loop {
            match self.peek()? {
                Some(b',') => {
                    self.stream.at += 1;
                    if self.peek()? == Some(b'"') {
                        self.members("")?;
                    } else {
                        // The array was itself an item of one.
                        self.item()?;
                        self.rest_of_array(false)?;
                    }
                }
                // An envelope may lie in others, and so may a list.
                Some(b'}' | b']') => self.stream.at += 1,
                _ => return Ok(()),
            }
        }
    }

    /// A stream may mix formats: tells that of the value at the stream's position.
    fn tell_format(&mut self) -> Result<()> {
        if self.options.format.is_some() {
            return Ok(());
        }
        let start = self.stream.at;
        self.anchor = Some(start);
        let format = self.known_format();
        self.anchor = None;
        let format = format?;
        if format != self.origin.format {
            self.flush()?;
            self.origin.format = format;
            self.frame = FORMATS[format].frame();
            self.found.formats.insert(format);
        }
        Ok(())
    }

    fn known_format(&mut self) -> Result<usize> {
        let shown = |stream: &Stream<'_>| stream.bytes[stream.at..].len();
        // The first value was looked at when the source was opened.
        let is_first = self.beginnings.is_empty();
        while shown(self.stream) < HEAD && !is_first && self.beginning().is_none() && self.more()? {}
        // This is done for every line of some captures: nothing is copied for those that begin alike.
        let beginning = self.beginning();
        if let Some((_, format)) = self.beginnings.iter().find(|(known, _)| Some(&known[..]) == beginning) {
            return Ok(*format);
        }
        let beginning = beginning.map(<[u8]>::to_vec);
        let mut format = self.origin.format;
        if !is_first {
            while shown(self.stream) < HEAD && self.more()? {}
            let bytes = &self.stream.bytes[self.stream.at..];
            format = of_next_value(&bytes[..bytes.len().min(HEAD)]).unwrap_or(format);
        }
        if let Some(beginning) = beginning
            && self.beginnings.len() < MOST_BEGINNINGS
        {
            self.beginnings.push((beginning, format));
        }
        Ok(format)
    }

    /// The value's bytes up to the end of its first key, as they are written.
    fn beginning(&self) -> Option<&[u8]> {
        let bytes = &self.stream.bytes[self.stream.at..];
        let open = memchr::memchr(b'"', bytes)?;
        let close = open + 1 + memchr::memchr(b'"', &bytes[open + 1..])?;
        Some(&bytes[..=close.min(255)])
    }

    /// An envelope, or an element that stands alone.
    fn top_object(&mut self) -> Result<()> {
        // Until it is clear what it is, all of it has to stay.
        self.anchor = Some(self.stream.at);
        self.stream.at += 1;
        if self.peek()? == Some(b'}') {
            self.stream.at += 1;
            self.anchor = None;
            return Ok(());
        }
        let first_key = self.members("")?;
        if let Some(start) = self.anchor.take()
            && let Some(key) = first_key
            && !FORMATS[self.origin.format].headers().contains(&key.as_str())
            && (self.found.foreign.len() < MOST_MEMBERS || self.found.foreign.contains_key(&key))
        {
            // Worked out only here: in a file of lines it would be looked for again and again.
            let start = self.stream.place(start);
            self.found.foreign.entry(key).or_insert((0, start)).0 += 1;
        }
        Ok(())
    }

    /// The members of a top-level object, or of one on the way to an envelope, up to its end; the stream
    /// stands on a key. Gives the first key, unless the object was an element.
    fn members(&mut self, way: &str) -> Result<Option<String>> {
        let mut first_key = None;
        loop {
            self.peek()?;
            let mut key = self.key()?;
            key.insert_str(0, way);
            first_key.get_or_insert_with(|| key.clone());
            let is_on_the_way =
                || self.frame.envelopes.iter().any(|it| it.strip_prefix(&key).is_some_and(|it| it.starts_with('.')));
            if self.frame.envelopes.contains(&key.as_str()) {
                self.found.has_envelope = true;
                self.anchor = None;
                self.envelope()?;
            } else if is_on_the_way() && self.peek()? == Some(b'{') {
                self.stream.at += 1;
                match self.peek()? {
                    Some(b'}') => self.stream.at += 1,
                    _ => drop(self.members(&format!("{key}."))?),
                }
            } else if let Some(start) = self.anchor
                && self.frame.element_keys.contains(&key.as_str())
            {
                self.anchor = None;
                self.stream.at = start;
                if self.has_lines != Some(true) || !self.line(self.options.max_element_bytes)? {
                    self.element()?;
                    self.note_line();
                }
                if FORMATS[self.origin.format].context_key() == Some(key.as_str()) {
                    self.remember_context();
                }
                return Ok(None);
            } else {
                let value = self.small()?;
                if self.found.members.len() < MOST_MEMBERS && value.len() <= LARGEST_MEMBER {
                    self.found.members.push((key, value));
                }
            }
            match self.peek()? {
                Some(b',') => self.stream.at += 1,
                Some(b'}') => {
                    self.stream.at += 1;
                    return Ok(first_key);
                }
                _ => return self.syntax("expected `,` or `}`"),
            }
        }
    }

    /// The element read last holds for those that follow, whichever thread parses them.
    fn remember_context(&mut self) {
        let bytes = self.elements.last().map(|it| &self.stream.bytes[it.clone()]);
        // What is no text is a fault that its parser reports.
        self.context = bytes.and_then(|it| std::str::from_utf8(it).ok()).map(Arc::from);
    }

    /// The value of an envelope's key.
    fn envelope(&mut self) -> Result<()> {
        match self.peek()? {
            Some(b'[') => self.array(),
            Some(b'{') => self.element(),
            Some(b'n') => self.small().map(|_| ()),
            _ => self.syntax("expected an array, an object or null"),
        }
    }

    /// An array of elements.
    fn array(&mut self) -> Result<()> {
        self.stream.at += 1;
        self.rest_of_array(true)
    }

    /// The rest of an array, from behind an element (or its opening bracket).
    fn rest_of_array(&mut self, mut first: bool) -> Result<()> {
        loop {
            match self.peek()? {
                Some(b']') => {
                    self.stream.at += 1;
                    return Ok(());
                }
                Some(b',') if !first => {
                    self.stream.at += 1;
                    self.items()?;
                }
                Some(_) if first => self.items()?,
                _ => return self.syntax("expected `,` or `]`"),
            }
            first = false;
        }
    }

    /// One item of an array: an element, or a scalar that its parser will count as none.
    fn item(&mut self) -> Result<()> {
        match self.peek()? {
            Some(b'{' | b'[') => self.element(),
            Some(b']' | b',' | b'}') | None => self.syntax("expected a value"),
            Some(_) => {
                let n_bytes = self.small()?.len();
                self.push(self.stream.at - n_bytes..self.stream.at);
                Ok(())
            }
        }
    }

    /// An envelope that is a line, for a parser that parses it whole; `false` if it does not look like one.
    fn line_of_elements(&mut self) -> Result<bool> {
        let Some(beginning) = FORMATS[self.origin.format].parses_lines() else { return Ok(false) };
        // The first is looked at as others are: it may be all there is.
        let looks_so = self.found.has_envelope && self.stream.bytes[self.stream.at..].starts_with(beginning);
        Ok(looks_so && self.line(self.options.max_element_bytes.min(LONGEST_LINE))?)
    }

    /// An element that is a line, as those before it were; `false` if it does not look like one. Where it begins is
    /// known; that it ends with the line is for its parser to prove.
    fn line(&mut self, longest: u64) -> Result<bool> {
        if self.options.lenient || !self.emit.takes_lines() {
            return Ok(false);
        }
        self.anchor = Some(self.stream.at);
        let mut n_scanned = 0;
        let end = loop {
            let start = self.anchor.unwrap_or(self.stream.at);
            let rest = &self.stream.bytes[start..];
            if let Some(end) = memchr::memchr(b'\n', &rest[n_scanned..]) {
                break rest[..n_scanned + end].trim_ascii_end().len();
            }
            n_scanned = rest.len();
            if n_scanned as u64 > longest || !self.more()? {
                break 0;
            }
        };
        let start = self.anchor.take().unwrap_or(self.stream.at);
        self.stream.at = start;
        let is_line = end as u64 <= longest && self.stream.bytes[start..start + end].ends_with(b"}");
        if is_line {
            self.is_guessed = true;
            self.stream.at += end;
            self.push(start..start + end);
        }
        Ok(is_line)
    }

    /// An element in brackets, however large.
    fn element(&mut self) -> Result<()> {
        // Handing on what is before it moves it to the front of the buffer.
        self.anchor = Some(self.stream.at);
        let mut scanner = Scanner::default();
        let mut n_scanned = 0;
        let mut checked = 256 * PIECE;
        loop {
            let start = self.anchor.unwrap_or(self.stream.at);
            if let Some(end) = scanner.scan(&self.stream.bytes[start + n_scanned..]) {
                let end = start + n_scanned + end;
                if (end - start) as u64 > self.options.max_element_bytes {
                    return self.too_large(start);
                }
                if self.options.lenient {
                    self.check(start..end, true)?;
                }
                self.stream.at = end;
                self.anchor = None;
                self.push(start..end);
                return Ok(());
            }
            n_scanned = self.stream.bytes.len() - start;
            if n_scanned >= checked {
                // Either one huge element, or a quote is missing and its end was run over: find out
                // before the rest of the source is swallowed.
                self.check(start..start + n_scanned, false)?;
                checked = 4 * n_scanned;
            }
            if n_scanned as u64 > self.options.max_element_bytes {
                return self.too_large(start);
            }
            if !self.more()? {
                return self.cut_off();
            }
        }
    }

    /// The source ends inside the element at the anchor.
    fn cut_off<T>(&mut self) -> Result<T> {
        let start = self.anchor.unwrap_or(self.stream.at);
        self.check(start..self.stream.bytes.len(), true)?;
        self.stream.at = self.stream.bytes.len();
        self.syntax(CUT_OFF)
    }

    /// Notes whether the element found last, which stands alone, is a line.
    fn note_line(&mut self) {
        if self.has_lines != Some(false)
            && let Some(element) = self.elements.last()
        {
            self.has_lines = Some(memchr::memchr(b'\n', &self.stream.bytes[element.clone()]).is_none());
        }
    }

    fn push(&mut self, element: Range<usize>) {
        self.found.n_elements += 1;
        self.elements.push(element);
    }

    fn too_large<T>(&mut self, start: usize) -> Result<T> {
        let what = self.said_of_too_large(self.head_at(start));
        self.stream.at = start;
        self.syntax(&what)
    }

    fn said_of_too_large(&self, head: &[u8]) -> String {
        format!(
            "a {} of more than {} bytes (see --max-trace-bytes), which begins {}",
            self.frame.element,
            self.options.max_element_bytes,
            String::from_utf8_lossy(head)
        )
    }

    /// The first bytes of what begins here.
    fn head_at(&self, start: usize) -> &[u8] {
        &self.stream.bytes[start..(start + 60).min(self.stream.bytes.len())]
    }

    /// Parses bytes of the buffer strictly, to find what is wrong with them; an early end only if `whole`.
    fn check(&mut self, range: Range<usize>, whole: bool) -> Result<()> {
        let start = range.start;
        match fault_in(&self.stream.bytes[range]) {
            Some(fault) if whole || fault.problem != Problem::End => {
                let place = self.stream.place(start + fault.at);
                // Where `lenient` begins to look for the next element.
                self.stream.at = start;
                Err(SplitError::Syntax { place, what: fault.problem.to_string() })
            }
            _ => Ok(()),
        }
    }

    /// A key and its colon.
    fn key(&mut self) -> Result<String> {
        if self.peek()? != Some(b'"') {
            return self.syntax("expected a key in quotes");
        }
        let text = self.small()?;
        let Ok(Value::String(key)) = Cursor::new(&text).value() else {
            return self.syntax("expected a key in quotes");
        };
        let key = key.into_owned();
        if self.peek()? != Some(b':') {
            return self.syntax("expected `:`");
        }
        self.stream.at += 1;
        self.peek()?;
        Ok(key)
    }

    /// Parses a value that is small as a rule, and gives it as it is written.
    fn small(&mut self) -> Result<String> {
        let mut window = WINDOW;
        loop {
            let tail = &self.stream.bytes[self.stream.at..];
            let shown = &tail[..window.min(tail.len())];
            let (text, bad) = valid_text(shown);
            let mut cursor = Cursor::new(text);
            let outcome = cursor.skip();
            let at = cursor.position();
            let is_undecided = match &outcome {
                // A number may go on behind the window.
                Ok(()) => at == shown.len(),
                Err(fault) => fault.problem == Problem::End && !bad,
            };
            let value = text.get(..at).unwrap_or("").to_owned();
            if is_undecided && (shown.len() < tail.len() || self.more()?) {
                window = window.saturating_mul(8);
                continue;
            }
            return match outcome {
                Ok(()) => {
                    self.stream.at += at;
                    Ok(value)
                }
                Err(fault) => {
                    let problem = if bad && fault.problem == Problem::End { Problem::Utf8 } else { fault.problem };
                    self.stream.at += fault.at;
                    self.syntax(&problem.to_string())
                }
            };
        }
    }

    /// The next byte that is not white space, not consumed; `None` at the end.
    fn peek(&mut self) -> Result<Option<u8>> {
        loop {
            while let Some(&byte) = self.stream.bytes.get(self.stream.at) {
                if !matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
                    return Ok(Some(byte));
                }
                self.stream.at += 1;
            }
            if !self.more()? {
                return Ok(None);
            }
        }
    }

    /// Reads on, having handed on the elements that are there.
    fn more(&mut self) -> Result<bool> {
        // Lines have been looked at once only: they are parsed while they are in the cache.
        let enough = if self.is_guessed { PIECE / 4 } else { PIECE };
        if self.stream.bytes.len() >= enough {
            self.flush()?;
        }
        Ok(self.stream.more()?)
    }

    /// Hands on what is before the position (or the anchor before it).
    fn flush(&mut self) -> Result<()> {
        let keep = self.anchor.unwrap_or(self.stream.at);
        if self.elements.is_empty() {
            self.stream.forget(keep);
        } else {
            let spare = self.emit.spare().unwrap_or_default();
            let elements = std::mem::take(&mut self.elements);
            let context = std::mem::replace(&mut self.context_before, self.context.clone());
            let (bytes, place) = self.stream.hand_over(keep, spare);
            let is_guessed = std::mem::take(&mut self.is_guessed);
            if !self.emit.emit(Chunk { bytes, elements, origin: self.origin, place, context, is_guessed }) {
                return Err(SplitError::Stopped);
            }
        }
        if let Some(anchor) = &mut self.anchor {
            *anchor -= keep;
        }
        Ok(())
    }

    /// A fault at the stream's position.
    fn syntax<T>(&mut self, what: &str) -> Result<T> {
        let at_end = self.stream.at >= self.stream.bytes.len() && self.stream.ended();
        let what = if at_end { Problem::End.to_string() } else { what.to_owned() };
        Err(SplitError::Syntax { place: self.stream.place(self.stream.at), what })
    }
}

/// The first fault in bytes that should be one JSON value.
pub(crate) fn fault_in(bytes: &[u8]) -> Option<Fault> {
    let (text, is_bad) = valid_text(bytes);
    let bad_at = is_bad.then_some(text.len());
    let mut cursor = Cursor::new(text);
    let fault = cursor.skip().and_then(|()| cursor.end()).err();
    match (fault, bad_at) {
        (Some(fault), Some(at)) if fault.problem == Problem::End => Some(Fault { at, problem: Problem::Utf8 }),
        (None, Some(at)) => Some(Fault { at, problem: Problem::Utf8 }),
        (fault, _) => fault,
    }
}

/// The text that bytes begin with, and whether what follows it is none (rather than one that goes on).
pub(super) fn valid_text(bytes: &[u8]) -> (&str, bool) {
    match simdutf8::basic::from_utf8(bytes) {
        Ok(text) => (text, false),
        Err(_) => valid_part(bytes),
    }
}

#[cold]
fn valid_part(bytes: &[u8]) -> (&str, bool) {
    match std::str::from_utf8(bytes) {
        Ok(text) => (text, false),
        Err(err) => {
            let good = &bytes[..err.valid_up_to()];
            (std::str::from_utf8(good).unwrap_or(""), err.error_len().is_some())
        }
    }
}
