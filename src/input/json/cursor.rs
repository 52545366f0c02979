//! A strict pull parser over one piece of JSON text.
//!
//! It accepts exactly RFC 8259, nothing else: the same texts as serde_json with its depth limit of
//! 128, lone surrogates and numbers beyond a double refused, also inside values that are read over.

use std::borrow::Cow;

use super::blocks::{BlockText, Blocks};
use super::pattern::{Pattern, Patterns};
use super::simd::{decimal, hexadecimal, plain_end};

/// Deeper nesting than this is refused, as serde_json does: no export needs it, and a stack overflow is worse.
const MAX_DEPTH: usize = 128;

/// What is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// Byte position in the text.
    pub(crate) at: usize,
    pub(crate) problem: Problem,
}

/// What is wrong with a text that should be JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Problem {
    /// The text ends inside a value.
    End,
    /// Something else stands where this should.
    Expected(&'static str),
    ControlCharacter,
    Escape,
    LoneSurrogate,
    NumberRange,
    TooDeep,
    Utf8,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Problem::End => f.write_str("the text ends inside a value"),
            Problem::Expected(what) => write!(f, "expected {what}"),
            Problem::ControlCharacter => f.write_str("a control character inside a string"),
            Problem::Escape => f.write_str("an invalid escape inside a string"),
            Problem::LoneSurrogate => f.write_str("half of a surrogate pair inside a string"),
            Problem::NumberRange => f.write_str("a number too large for a double"),
            Problem::TooDeep => write!(f, "nested deeper than {MAX_DEPTH} levels"),
            Problem::Utf8 => f.write_str("invalid UTF-8"),
        }
    }
}

pub(crate) type Result<T> = std::result::Result<T, Fault>;

/// A value whose inside matters only if it is a scalar.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value<'a> {
    Null,
    Bool(bool),
    /// As it is written.
    Number(&'a str),
    String(Cow<'a, str>),
    /// An object or array, read over; as it is written.
    Container(&'a str),
}

/// A scalar that may stand where a text belongs.
pub(crate) fn text_of(value: Value<'_>) -> Option<Cow<'_, str>> {
    match value {
        Value::String(text) => Some(text),
        Value::Number(text) => Some(Cow::Borrowed(text)),
        _ => None,
    }
}

/// The same; what is empty is none.
pub(crate) fn nonempty_text_of(value: Value<'_>) -> Option<Cow<'_, str>> {
    text_of(value).filter(|it| !it.is_empty())
}

/// How many of eight bytes are digits, up to the first that is none, and the number that they are.
#[inline]
fn leading_digits(bytes: [u8; 8]) -> (usize, u64) {
    const ONES: u64 = 0x0101_0101_0101_0101;
    // Digits are 0 to 9 now; what is added takes anything else to the highest bit.
    let text = u64::from_le_bytes(bytes) ^ (0x30 * ONES);
    let others = (text.wrapping_add(0x76 * ONES) | text) & (0x80 * ONES);
    let n_digits = others.trailing_zeros() as usize / 8;
    if n_digits == 0 {
        return (0, 0);
    }
    // The first digit is the lowest byte, below which zeros are put in: pairs, then fours, then all.
    let text = text << (64 - 8 * n_digits);
    let pairs = text.wrapping_mul(2561) >> 8 & 0x00ff_00ff_00ff_00ff;
    let fours = pairs.wrapping_mul(6_553_601) >> 16 & 0x0000_ffff_0000_ffff;
    (n_digits, fours.wrapping_mul(42_949_672_960_001) >> 32)
}

/// Powers of ten.
const TENS: [u64; 9] = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000];

/// A position in a JSON text.
#[derive(Debug)]
pub(crate) struct Cursor<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(text: &'a str) -> Cursor<'a> {
        Cursor { text, at: 0, depth: 0 }
    }

    /// A cursor at the beginning of a text that goes on inside of so many containers.
    pub(crate) fn inside(text: &'a str, depth: usize) -> Cursor<'a> {
        Cursor { text, at: 0, depth }
    }

    #[inline]
    pub(crate) fn position(&self) -> usize {
        self.at
    }

    #[inline]
    pub(super) fn bytes(&self) -> &'a [u8] {
        self.text.as_bytes()
    }

    pub(crate) fn fault<T>(&self, problem: Problem) -> Result<T> {
        let problem = if self.at >= self.text.len() { Problem::End } else { problem };
        Err(Fault { at: self.at, problem })
    }

    /// The next byte that is not white space, not consumed.
    #[inline]
    pub(crate) fn peek(&mut self) -> Option<u8> {
        let bytes = self.bytes();
        while let Some(&byte) = bytes.get(self.at) {
            if !matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
                return Some(byte);
            }
            self.at += 1;
        }
        None
    }

    /// Nothing but white space may follow.
    pub(crate) fn end(&mut self) -> Result<()> {
        match self.peek() {
            None => Ok(()),
            Some(_) => self.fault(Problem::Expected("nothing more after the value")),
        }
    }

    /// Passes the bracket that opens a container.
    pub(crate) fn enter(&mut self) -> Result<()> {
        // serde_json counts the same way: the 128th nested container is one too many.
        if self.depth + 1 >= MAX_DEPTH {
            return self.fault(Problem::TooDeep);
        }
        self.depth += 1;
        self.at += 1;
        Ok(())
    }

    /// Reads an object, giving each key to `member`, which must consume the value.
    #[inline]
    pub(crate) fn object(&mut self, mut member: impl FnMut(&mut Self, &str) -> Result<()>) -> Result<()> {
        self.members(|cursor, key| member(cursor, &key))
    }

    /// As [`Cursor::object`], with keys to keep.
    #[inline]
    pub(crate) fn members(&mut self, mut member: impl FnMut(&mut Self, Cow<'a, str>) -> Result<()>) -> Result<()> {
        if self.peek() != Some(b'{') {
            return self.fault(Problem::Expected("`{`"));
        }
        self.enter()?;
        if self.peek() == Some(b'}') {
            return self.leave();
        }
        loop {
            let key = self.key()?;
            member(self, key)?;
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => return self.leave(),
                _ => return self.fault(Problem::Expected("`,` or `}`")),
            }
        }
    }

    /// Reads an array; `item` must consume one value each time.
    #[inline]
    pub(crate) fn array(&mut self, mut item: impl FnMut(&mut Self) -> Result<()>) -> Result<()> {
        if self.peek() != Some(b'[') {
            return self.fault(Problem::Expected("`[`"));
        }
        self.enter()?;
        if self.peek() == Some(b']') {
            return self.leave();
        }
        loop {
            item(self)?;
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => return self.leave(),
                _ => return self.fault(Problem::Expected("`,` or `]`")),
            }
        }
    }

    fn leave(&mut self) -> Result<()> {
        self.pass_end();
        Ok(())
    }

    /// The text ends too early.
    pub(crate) fn starved<T>(&self) -> Result<T> {
        Err(Fault { at: self.text.len(), problem: Problem::End })
    }

    /// Passes a comma.
    pub(crate) fn pass(&mut self) {
        self.at += 1;
    }

    /// Passes the bracket that closes a container.
    pub(crate) fn pass_end(&mut self) {
        self.at += 1;
        self.depth -= 1;
    }

    /// The container whose end was read as well is left.
    pub(crate) fn leave_behind(&mut self) {
        self.depth -= 1;
    }

    /// Reads on in an object up to the next value, or up to behind its end; `from` is where its brace stands
    /// or where the value before ended.
    pub(crate) fn next_key(&mut self, from: usize) -> Result<Option<Cow<'a, str>>> {
        let is_first = self.bytes().get(from) == Some(&b'{') && self.at == from + 1;
        if let Some(key) = self.usual_key(is_first) {
            return Ok(Some(Cow::Borrowed(key)));
        }
        match self.peek() {
            Some(b'}') => {
                self.at += 1;
                return Ok(None);
            }
            Some(b',') if !is_first => self.at += 1,
            _ if is_first => {}
            _ => return self.fault(Problem::Expected("`,` or `}`")),
        }
        let key = self.key()?;
        // White space before the value belongs to what is compared the next time.
        self.peek();
        Ok(Some(key))
    }

    /// Consumes a key without escapes, and what stands around it, if there is no white space.
    #[inline]
    fn usual_key(&mut self, is_first: bool) -> Option<&'a str> {
        let rest = self.rest();
        let rest = if is_first { rest } else { rest.strip_prefix(b",")? };
        let start = self.bytes().len() - rest.strip_prefix(b"\"")?.len();
        let end = plain_end(self.bytes(), start);
        let is_usual = matches!(self.bytes()[end..], [b'"', b':', next, ..] if next > b' ');
        if is_usual {
            self.at = end + 2;
        }
        is_usual.then(|| &self.text[start..end])
    }

    #[inline]
    fn key(&mut self) -> Result<Cow<'a, str>> {
        if self.peek() != Some(b'"') {
            return self.fault(Problem::Expected("a key in quotes"));
        }
        let key = self.string()?;
        self.colon()?;
        Ok(key)
    }

    fn colon(&mut self) -> Result<()> {
        if self.peek() != Some(b':') {
            return self.fault(Problem::Expected("`:`"));
        }
        self.at += 1;
        Ok(())
    }

    /// Reads any value.
    #[inline]
    pub(crate) fn value(&mut self) -> Result<Value<'a>> {
        match self.peek() {
            Some(b'"') => self.string().map(Value::String),
            Some(b'-' | b'0'..=b'9') => self.number().map(Value::Number),
            Some(b't') => self.word("true", Value::Bool(true)),
            Some(b'f') => self.word("false", Value::Bool(false)),
            Some(b'n') => self.word("null", Value::Null),
            Some(b'{' | b'[') => {
                let start = self.at;
                self.skip()?;
                Ok(Value::Container(&self.text[start..self.at]))
            }
            _ => self.fault(Problem::Expected("a value")),
        }
    }

    fn word(&mut self, word: &'static str, value: Value<'a>) -> Result<Value<'a>> {
        let bytes = &self.bytes()[self.at..];
        for (nth, byte) in word.bytes().enumerate() {
            match bytes.get(nth) {
                Some(it) if *it == byte => {}
                Some(_) => return self.fault(Problem::Expected("a value")),
                None => {
                    self.at = self.text.len();
                    return self.fault(Problem::End);
                }
            }
        }
        self.at += word.len();
        Ok(value)
    }

    /// Consumes these very bytes if they are next.
    #[inline]
    pub(crate) fn exactly(&mut self, text: &[u8]) -> bool {
        let is_next = self.bytes()[self.at..].starts_with(text);
        if is_next {
            self.at += text.len();
        }
        is_next
    }

    /// Consumes the text of a pattern if it is next.
    #[inline]
    pub(crate) fn passes(&mut self, patterns: &Patterns, pattern: Pattern) -> bool {
        let is_next = patterns.begin(pattern, self.rest());
        if is_next {
            self.at += pattern.length();
        }
        is_next
    }

    /// Consumes a short text if it is next.
    #[inline]
    pub(crate) fn passes_block(&mut self, blocks: &Blocks, text: BlockText) -> bool {
        let is_next = blocks.begin(text, self.rest());
        if is_next {
            self.at += text.length();
        }
        is_next
    }

    /// Consumes the rest of a string without escapes, with its closing quote; its opening one is behind.
    #[inline]
    pub(crate) fn plain_rest(&mut self) -> Option<&'a str> {
        let end = plain_end(self.bytes(), self.at);
        if self.bytes().get(end) != Some(&b'"') {
            return None;
        }
        let text = &self.text[self.at..end];
        self.at = end + 1;
        Some(text)
    }

    /// Consumes a string without escapes, if that is what is next.
    #[inline]
    pub(crate) fn plain_string(&mut self) -> Option<&'a str> {
        let bytes = self.bytes();
        if bytes.get(self.at) != Some(&b'"') {
            return None;
        }
        let start = self.at + 1;
        let end = plain_end(bytes, start);
        if bytes.get(end) != Some(&b'"') {
            return None;
        }
        self.at = end + 1;
        Some(&self.text[start..end])
    }

    /// Consumes a string up to its closing quote, and puts it behind this text; its opening one is behind.
    #[inline]
    pub(crate) fn inside_quotes(&mut self, text: &mut String) -> Result<()> {
        let start = self.at;
        let end = plain_end(self.bytes(), start);
        if self.bytes().get(end) == Some(&b'"') {
            self.at = end;
            text.push_str(&self.text[start..end]);
        } else {
            self.escaped_rest(text)?;
            self.at -= 1;
        }
        Ok(())
    }

    /// Consumes a string up to its closing quote; its opening one is behind.
    #[inline]
    pub(crate) fn skip_inside_quotes(&mut self) -> Result<()> {
        self.at = plain_end(self.bytes(), self.at);
        if self.bytes().get(self.at) != Some(&b'"') {
            self.escaped_rest(&mut String::new())?;
            self.at -= 1;
        }
        Ok(())
    }

    /// Consumes the rest of a string without escapes, but not its closing quote; its opening one is behind.
    #[inline]
    pub(crate) fn plain_inside(&mut self) -> Option<&'a str> {
        let text = self.plain_rest()?;
        self.at -= 1;
        Some(text)
    }

    /// Consumes so many bytes, if there are as many; the caller sees to it that they are whole characters.
    #[inline]
    pub(crate) fn take(&mut self, n_bytes: usize) -> Option<&'a [u8]> {
        let bytes = self.rest().get(..n_bytes)?;
        self.at += n_bytes;
        Some(bytes)
    }

    /// Consumes 16 hexadecimal digits with small letters, if that is what is next.
    #[inline]
    pub(crate) fn sixteen_digits(&mut self) -> Option<u64> {
        let number = hexadecimal(self.rest().first_chunk::<16>()?)?;
        self.at += 16;
        Some(number)
    }

    /// Consumes a number of a few digits, if that is what is next and something else follows.
    #[inline]
    pub(crate) fn plain_number(&mut self) -> Option<&'a str> {
        let rest = self.rest();
        let (n_digits, _) = leading_digits(*rest.first_chunk::<8>()?);
        let is_plain = match rest.get(n_digits) {
            Some(b',' | b'}' | b']') => n_digits == 1 || (n_digits > 0 && rest[0] != b'0'),
            _ => false,
        };
        if !is_plain {
            return None;
        }
        self.at += n_digits;
        Some(&self.text[self.at - n_digits..self.at])
    }

    /// Consumes a text of this many bytes without escapes, if that is what is next; the caller knows that none
    /// of these bytes needs one.
    #[inline]
    pub(crate) fn quoted(&mut self, length: usize) -> Option<&'a [u8]> {
        let rest = &self.bytes()[self.at..];
        if rest.first() != Some(&b'"') || rest.get(length + 1) != Some(&b'"') {
            return None;
        }
        self.at += length + 2;
        Some(&rest[1..=length])
    }

    /// Consumes a whole number of up to 18 digits, if that is what is next.
    #[inline(always)]
    pub(crate) fn whole_number(&mut self) -> Option<u64> {
        let rest = &self.bytes()[self.at..];
        // Times in microseconds have 16 digits.
        if let Some((first, [b',' | b'}', ..])) = rest.split_first_chunk::<16>()
            && first[0] != b'0'
            && let Some(number) = decimal(first)
        {
            self.at += 16;
            return Some(number);
        }
        let (mut n_digits, mut value) = match rest.first_chunk::<8>() {
            Some(first) => leading_digits(*first),
            None => (0, 0),
        };
        if n_digits == 8
            && let Some(second) = rest[8..].first_chunk::<8>()
        {
            let (n_more, more) = leading_digits(*second);
            (n_digits, value) = (8 + n_more, value * TENS[n_more] + more);
        }
        while let Some(digit @ b'0'..=b'9') = rest.get(n_digits) {
            value = value * 10 + u64::from(digit - b'0');
            n_digits += 1;
            if n_digits > 18 {
                return None;
            }
        }
        let is_whole = match rest.get(n_digits) {
            Some(b',' | b'}' | b']' | b' ' | b'\n' | b'\r') => n_digits > 0 && (n_digits == 1 || rest[0] != b'0'),
            _ => false,
        };
        if !is_whole {
            return None;
        }
        self.at += n_digits;
        Some(value)
    }

    /// What is still to be read.
    #[inline]
    pub(crate) fn rest(&self) -> &'a [u8] {
        &self.bytes()[self.at..]
    }

    /// The byte at a position.
    pub(crate) fn text_at(&self, position: usize) -> Option<u8> {
        self.bytes().get(position).copied()
    }

    /// Goes back to a position where a value begins.
    #[inline]
    pub(crate) fn back_to(&mut self, position: usize) {
        self.at = position;
    }

    /// Reads over any value, however large, checking all of it.
    pub(crate) fn skip(&mut self) -> Result<()> {
        // One bit a level: whether it is an object.
        let mut objects = 0u128;
        let outer = self.depth;
        loop {
            match self.peek() {
                Some(open @ (b'{' | b'[')) => {
                    self.enter()?;
                    objects = (objects << 1) | u128::from(open == b'{');
                    let close = if open == b'{' { b'}' } else { b']' };
                    if self.peek() == Some(close) {
                        self.leave()?;
                        objects >>= 1;
                    } else {
                        if open == b'{' {
                            self.skip_key()?;
                        }
                        continue;
                    }
                }
                Some(b'"') => self.skip_string()?,
                _ => {
                    self.value()?;
                }
            }
            // A value is over: go on with the next one, up as many levels as end here.
            loop {
                if self.depth == outer {
                    return Ok(());
                }
                let in_object = objects & 1 == 1;
                match self.peek() {
                    Some(b',') => {
                        self.at += 1;
                        if in_object {
                            self.skip_key()?;
                        }
                        break;
                    }
                    Some(b'}') if in_object => self.leave()?,
                    Some(b']') if !in_object => self.leave()?,
                    _ if in_object => return self.fault(Problem::Expected("`,` or `}`")),
                    _ => return self.fault(Problem::Expected("`,` or `]`")),
                }
                objects >>= 1;
            }
        }
    }

    fn skip_key(&mut self) -> Result<()> {
        if self.peek() != Some(b'"') {
            return self.fault(Problem::Expected("a key in quotes"));
        }
        self.skip_string()?;
        self.colon()
    }

    fn skip_string(&mut self) -> Result<()> {
        self.at += 1;
        loop {
            self.at = plain_end(self.bytes(), self.at);
            match self.bytes().get(self.at) {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(b'\\') => {
                    self.escape()?;
                }
                _ => return self.fault(Problem::ControlCharacter),
            }
        }
    }

    /// Reads a string; the cursor stands on its opening quote.
    #[inline]
    fn string(&mut self) -> Result<Cow<'a, str>> {
        if let Some(text) = self.plain_string() {
            return Ok(Cow::Borrowed(text));
        }
        self.at += 1;
        let mut decoded = String::new();
        self.escaped_rest(&mut decoded)?;
        Ok(Cow::Owned(decoded))
    }

    /// Consumes the rest of a string with its closing quote, and puts it behind this text.
    #[cold]
    fn escaped_rest(&mut self, decoded: &mut String) -> Result<()> {
        loop {
            let end = plain_end(self.bytes(), self.at);
            decoded.push_str(&self.text[self.at..end]);
            self.at = end;
            match self.bytes().get(end) {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(b'\\') => decoded.push(self.escape()?),
                _ => return self.fault(Problem::ControlCharacter),
            }
        }
    }

    /// Reads an escape; the cursor stands on its backslash.
    fn escape(&mut self) -> Result<char> {
        let start = self.at;
        self.at += 1;
        let plain = match self.bytes().get(self.at) {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.unicode_escape(start),
            _ => return self.fault(Problem::Escape),
        };
        self.at += 1;
        Ok(plain)
    }

    fn unicode_escape(&mut self, start: usize) -> Result<char> {
        let first = self.four_digits()?;
        if let Some(char) = char::from_u32(first) {
            return Ok(char);
        }
        let lone = Fault { at: start, problem: Problem::LoneSurrogate };
        if first >= 0xDC00 {
            return Err(lone);
        }
        for byte in *b"\\u" {
            match self.bytes().get(self.at) {
                Some(it) if *it == byte => self.at += 1,
                Some(_) => return Err(lone),
                None => return self.fault(Problem::End),
            }
        }
        // `four_digits` wants to stand on the u.
        self.at -= 1;
        let second = self.four_digits()?;
        if !(0xDC00..0xE000).contains(&second) {
            return Err(lone);
        }
        let code = 0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00);
        char::from_u32(code).ok_or(lone)
    }

    /// Reads `uXXXX`; the cursor stands on the u.
    fn four_digits(&mut self) -> Result<u32> {
        self.at += 1;
        let mut code = 0;
        for _ in 0..4 {
            let Some(digit) = self.bytes().get(self.at).and_then(|it| char::from(*it).to_digit(16)) else {
                return self.fault(Problem::Escape);
            };
            code = code * 16 + digit;
            self.at += 1;
        }
        Ok(code)
    }

    fn number(&mut self) -> Result<&'a str> {
        let bytes = self.bytes();
        let start = self.at;
        if bytes[self.at] == b'-' {
            self.at += 1;
        }
        match bytes.get(self.at) {
            Some(b'0') => self.at += 1,
            Some(b'1'..=b'9') => self.digits(),
            _ => return self.fault(Problem::Expected("a digit")),
        }
        if let Some(b'0'..=b'9') = bytes.get(self.at) {
            return self.fault(Problem::Expected("a number without a leading zero"));
        }
        let whole_end = self.at;
        if bytes.get(self.at) == Some(&b'.') {
            self.at += 1;
            self.some_digits()?;
        }
        let mut has_exponent = false;
        if let Some(b'e' | b'E') = bytes.get(self.at) {
            has_exponent = true;
            self.at += 1;
            if let Some(b'+' | b'-') = bytes.get(self.at) {
                self.at += 1;
            }
            self.some_digits()?;
        }
        let text = &self.text[start..self.at];
        // The largest double has 309 digits before the point.
        if (has_exponent || whole_end - start > 300) && text.parse::<f64>().is_ok_and(f64::is_infinite) {
            return Err(Fault { at: start, problem: Problem::NumberRange });
        }
        Ok(text)
    }

    fn digits(&mut self) {
        while let Some(b'0'..=b'9') = self.bytes().get(self.at) {
            self.at += 1;
        }
    }

    fn some_digits(&mut self) -> Result<()> {
        match self.bytes().get(self.at) {
            Some(b'0'..=b'9') => {
                self.digits();
                Ok(())
            }
            _ => self.fault(Problem::Expected("a digit")),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(text: &str) -> std::result::Result<(), Fault> {
        let mut cursor = Cursor::new(text);
        cursor.skip()?;
        cursor.end()
    }

    /// serde_json reads over strings without looking at surrogates, so it has to build them.
    fn serde_accepts(text: &str) -> bool {
        serde_json::from_str::<serde_json::Value>(text).is_ok()
    }

    #[track_caller]
    fn agrees(text: &str) {
        assert_eq!(check(text).is_ok(), serde_accepts(text), "{text:?}: {:?}", check(text));
        let mut cursor = Cursor::new(text);
        let by_value = cursor.value().and_then(|_| cursor.end()).is_ok();
        assert_eq!(by_value, serde_accepts(text), "{text:?} by value");
    }

    #[test]
    fn accepts_what_serde_json_accepts_and_nothing_else() {
        for text in [
            "",
            " ",
            "null",
            "nul",
            "nulll",
            "true",
            "false",
            "tru",
            "0",
            "-0",
            "01",
            "-",
            "1.",
            "1.5",
            ".5",
            "1e5",
            "1E+5",
            "1e",
            "1e400",
            "-1e400",
            "1e-400",
            "12345678901234567890123",
            "\"\"",
            "\"a",
            "\"\\u0041\"",
            "\"\\ud800\"",
            "\"\\ud83d\\ude00\"",
            "\"\\udc00\"",
            "\"\\ud800\\u0041\"",
            "\"\\ud800x\"",
            "\"\\x\"",
            "\"\n\"",
            "\"\t\"",
            "[]",
            "[1,]",
            "[,1]",
            "[1 2]",
            "[1",
            "{}",
            "{\"a\":1}",
            "{\"a\":1,}",
            "{\"a\"}",
            "{a:1}",
            "{\"a\":1 \"b\":2}",
            "[}",
            "{]",
            "[[],{}]",
            "[1]x",
            "NaN",
            "Infinity",
            "'a'",
            "\u{feff}1",
            "[\"\u{7f}\"]",
            "\"ü€😀\"",
            "[1}",
            "{\"a\":[1}",
        ] {
            agrees(text);
        }
        agrees(&"9".repeat(308));
        agrees(&"9".repeat(310));
    }

    #[test]
    fn nesting_is_refused_at_the_same_depth_as_serde_json() {
        for depth in [126, 127, 128, 129, 10_000] {
            agrees(&format!("{}{}", "[".repeat(depth), "]".repeat(depth)));
            agrees(&format!("{}1{}", "{\"a\":".repeat(depth), "}".repeat(depth)));
        }
    }

    #[test]
    fn digits_at_once_are_the_number_that_they_are_one_by_one() {
        for byte in 0..=u8::MAX {
            for at in 0..8 {
                let mut bytes = *b"90817263";
                bytes[at] = byte;
                let digits: Vec<u8> = bytes.into_iter().take_while(u8::is_ascii_digit).collect();
                let number = digits.iter().fold(0, |value, it| value * 10 + u64::from(it - b'0'));
                assert_eq!(leading_digits(bytes), (digits.len(), number), "{bytes:?}");
            }
        }
        for text in [
            "0",
            "7",
            "1234",
            "12345678",
            "123456789",
            "123456789012",
            "1700000000000000",
            "123456789012345678",
            "99999999999999999",
        ] {
            let number = text.parse().ok();
            assert_eq!(Cursor::new(&format!("{text},")).whole_number(), number, "{text}");
        }
        for text in ["00,", "012345678,", "1234567890123456789,", "12", "12.5,", "-1,", ""] {
            assert_eq!(Cursor::new(text).whole_number(), None, "{text}");
        }
    }

    #[test]
    fn says_where_and_what() {
        assert_eq!(check("{\"a\" 1}"), Err(Fault { at: 5, problem: Problem::Expected("`:`") }));
        assert_eq!(check("{\"a\":"), Err(Fault { at: 5, problem: Problem::End }));
        assert_eq!(check("[\"\\ud800\"]"), Err(Fault { at: 2, problem: Problem::LoneSurrogate }));
        assert_eq!(check("[1, NaN]"), Err(Fault { at: 4, problem: Problem::Expected("a value") }));
    }

    #[test]
    fn strings_are_decoded() {
        for text in ["\"a\\n\\\"b\\u00fc\\ud83d\\ude00 /\\/\"", "\"plain\"", "\"12345678\\\\\""] {
            let expected: String = serde_json::from_str(text).unwrap();
            assert_eq!(Cursor::new(text).value(), Ok(Value::String(expected.into())));
        }
    }

    fn json() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(Into::into),
            any::<i64>().prop_map(Into::into),
            any::<f64>().prop_map(Into::into),
            any::<String>().prop_map(Into::into),
        ];
        leaf.prop_recursive(4, 40, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Into::into),
                prop::collection::btree_map(any::<String>(), inner, 0..6)
                    .prop_map(|it| serde_json::Value::Object(it.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn random_json_is_accepted(value in json(), pretty: bool) {
            let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) }.unwrap();
            prop_assert_eq!(check(&text), Ok(()));
        }

        #[test]
        fn a_changed_byte_is_judged_as_serde_json_does(value in json(), at: prop::sample::Index, byte in prop::sample::select(b" \"\\{}[]:,0e-.tn\x01u".to_vec())) {
            let mut text = serde_json::to_string(&value).unwrap().into_bytes();
            let at = at.index(text.len());
            text[at] = byte;
            if let Ok(text) = std::str::from_utf8(&text) {
                agrees(text);
            }
        }

        #[test]
        fn a_cut_text_is_an_early_end(value in json(), at: prop::sample::Index) {
            let text = serde_json::to_string(&serde_json::json!([value])).unwrap();
            let at = at.index(text.len());
            if text.is_char_boundary(at) {
                let fault = check(&text[..at]).unwrap_err();
                prop_assert_eq!(fault.problem, Problem::End);
            }
        }
    }
}
