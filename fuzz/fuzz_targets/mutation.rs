//! Mutations that know JSON: values moved, doubled, lost, misspelled and replaced, the rest left whole.
//! Bytes changed blindly mostly break the text, and what is behind the reader is never reached.

use std::ops::Range;

use super::random::Random;

/// A value, and the key before it if it has one.
#[derive(Clone, Debug)]
struct Item {
    /// From the key on.
    whole: Range<usize>,
    value: Range<usize>,
    key: Option<Range<usize>>,
}

/// What stands where it should not.
const WRONG: &[&str] = &[
    "null",
    "true",
    "false",
    "0",
    "-1",
    "1",
    "1.5",
    "-0.0",
    "1e3",
    "1e300",
    "1e999",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775809",
    "18446744073709551615",
    "18446744073709551616",
    "253402300800000000000",
    "1700000000000000",
    "\"\"",
    "\"x\"",
    "\"0\"",
    "\"-1\"",
    "\"1e400\"",
    "\"NaN\"",
    "\"\\u0000\"",
    "\"\\ud83d\"",
    "\"\\ud83d\\ude00\"",
    "\"\u{fffd}é😀\"",
    "\"2024-02-30T25:00:00Z\"",
    "\"9999-12-31T23:59:59.999999999Z\"",
    "\"-262144-01-01T00:00:00Z\"",
    "\"1h\"",
    "\"//////////8=\"",
    "\"ffffffffffffffffffffffffffffffff\"",
    "\"00000000000000000000000000000000\"",
    "[]",
    "[null]",
    "[[1]]",
    "{}",
    "{\"a\":1}",
    "[{}]",
    "{\"key\":\"error\",\"value\":true}",
];

const SPACE: &[&str] = &[" ", "\n", "\r\n\t ", "", "/", "\0", "\u{feff}", ",", ":"];

/// Changes `size` bytes of a buffer, as JSON or `blindly`; gives how many there are then.
pub fn mutate_or_else(
    buffer: &mut [u8],
    size: usize,
    max_size: usize,
    random: &mut Random,
    blindly: fn(&mut [u8], usize, usize) -> usize,
) -> usize {
    if random.one_in(3) || max_size < size {
        return blindly(buffer, size, max_size);
    }
    let mut text = buffer[..size].to_vec();
    for _ in 0..=random.below(3) {
        mutate(&mut text, random);
    }
    if text.len() > max_size || text == buffer[..size] {
        return blindly(buffer, size, max_size);
    }
    buffer[..text.len()].copy_from_slice(&text);
    text.len()
}

/// Changes a text once, if it has values to change.
pub fn mutate(text: &mut Vec<u8>, random: &mut Random) {
    let items = items(text);
    let Some(one) = pick(&items, random) else { return };
    let other = pick(&items, random).expect("there is one");
    match random.below(14) {
        0..=2 => put(text, &one.value, WRONG[random.below(WRONG.len() as u64) as usize].as_bytes()),
        3 => put(text, &one.value, &text[other.value.clone()].to_vec()),
        4 => drop(text.drain(with_comma(text, &one.whole))),
        5 | 6 => {
            let times = if random.one_in(8) { random.between(2, 40) } else { 1 };
            let copy = [b",", &text[other.whole.clone()]].concat().repeat(times as usize);
            let at = one.whole.end;
            put(text, &(at..at), &copy);
        }
        7 => swap(text, one, other),
        8 => {
            if let (Some(key), Some(by)) = (&one.key, &other.key) {
                put(text, key, &text[by.clone()].to_vec());
            }
        }
        9 => {
            let at = if random.one_in(2) { one.value.start } else { one.value.end };
            put(text, &(at..at), SPACE[random.below(SPACE.len() as u64) as usize].as_bytes());
        }
        10 => escape(text, &one.whole, random),
        11 => nest(text, &one.value, random),
        12 => requote(text, &one.value),
        _ => digit(text, &one.value, random),
    }
}

fn pick<'i>(items: &'i [Item], random: &mut Random) -> Option<&'i Item> {
    (!items.is_empty()).then(|| &items[random.below(items.len() as u64) as usize])
}

fn put(text: &mut Vec<u8>, range: &Range<usize>, by: &[u8]) {
    text.splice(range.clone(), by.iter().copied());
}

/// With the comma behind it, or else the one before.
fn with_comma(text: &[u8], range: &Range<usize>) -> Range<usize> {
    if text.get(range.end) == Some(&b',') {
        return range.start..range.end + 1;
    }
    let has_before = range.start.checked_sub(1).is_some_and(|it| text[it] == b',');
    range.start - usize::from(has_before)..range.end
}

/// Two values change places, unless one holds the other.
fn swap(text: &mut Vec<u8>, one: &Item, other: &Item) {
    let (first, second) = if one.value.start < other.value.start { (one, other) } else { (other, one) };
    if first.value.end <= second.value.start {
        let (a, b) = (text[first.value.clone()].to_vec(), text[second.value.clone()].to_vec());
        put(text, &second.value, &a);
        put(text, &first.value, &b);
    }
}

/// Some character of it as `\uXXXX`, which is the same one inside a string.
fn escape(text: &mut Vec<u8>, range: &Range<usize>, random: &mut Random) {
    let at = range.start + random.below(range.len() as u64) as usize;
    if text[at].is_ascii_alphanumeric() {
        let escaped = format!("\\u{:04x}", text[at]);
        put(text, &(at..at + 1), escaped.as_bytes());
    }
}

/// Inside so many brackets, at times about as many as may be.
fn nest(text: &mut Vec<u8>, range: &Range<usize>, random: &mut Random) {
    let depth = if random.one_in(4) { random.between(110, 135) } else { random.between(1, 3) } as usize;
    let (open, close) = if random.one_in(2) { ("[", "]") } else { ("{\"a\":", "}") };
    let nested = [open.repeat(depth).as_bytes(), &text[range.clone()], close.repeat(depth).as_bytes()].concat();
    put(text, range, &nested);
}

/// Out of its quotes, or into some.
fn requote(text: &mut Vec<u8>, range: &Range<usize>) {
    let value = &text[range.clone()];
    let changed = match value {
        [b'"', inner @ .., b'"'] => inner.to_vec(),
        [b'{' | b'[', ..] => return,
        bare => [b"\"", bare, b"\""].concat(),
    };
    put(text, range, &changed);
}

/// One byte of it is another digit, or letter of a number.
fn digit(text: &mut [u8], range: &Range<usize>, random: &mut Random) {
    let digits: Vec<usize> = range.clone().filter(|it| text[*it].is_ascii_digit()).collect();
    if !digits.is_empty() {
        const OTHERS: &[u8] = b"0123456789-.eE+af";
        text[digits[random.below(digits.len() as u64) as usize]] = OTHERS[random.below(OTHERS.len() as u64) as usize];
    }
}

/// The values of a text, broken as it may be.
fn items(text: &[u8]) -> Vec<Item> {
    let mut items = Vec::new();
    let mut open: Vec<(usize, Option<Range<usize>>)> = Vec::new();
    let mut key: Option<Range<usize>> = None;
    let item = |value: Range<usize>, key: Option<Range<usize>>| {
        let start = key.as_ref().map_or(value.start, |it| it.start);
        Item { whole: start..value.end, value, key }
    };
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        match byte {
            b'{' | b'[' => {
                open.push((at, key.take()));
                at += 1;
            }
            b'}' | b']' => {
                at += 1;
                if let Some((start, key)) = open.pop() {
                    items.push(item(start..at, key));
                }
                key = None;
            }
            b'"' => {
                let end = end_of_string(text, at);
                let behind = text[end..].iter().find(|it| !it.is_ascii_whitespace());
                if behind == Some(&b':') {
                    key = Some(at..end);
                } else {
                    items.push(item(at..end, key.take()));
                }
                at = end;
            }
            b',' | b':' => at += 1,
            _ if byte.is_ascii_whitespace() => at += 1,
            _ => {
                let is_end = |it: &u8| it.is_ascii_whitespace() || b",:{}[]\"".contains(it);
                let end = text[at..].iter().position(is_end).map_or(text.len(), |it| at + it);
                items.push(item(at..end, key.take()));
                at = end;
            }
        }
    }
    items
}

fn end_of_string(text: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while let Some(&byte) = text.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    text.len()
}
