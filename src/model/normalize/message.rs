//! Error messages without the ids, addresses and numbers of one call.

use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

/// Longer than any message that says one thing; stack traces and bodies are cut here.
const MAX_BYTES: usize = 4096;

/// One token that is a value (to be replaced) or a word (kept), and what is glued to its end.
///
/// Words are tokens so that nothing is found inside of them. A `-`, `+`, `'` or `::` right after a
/// token is no sign of a number, opens no quote and begins no address: `order-1234`, `don't`,
/// `std::fmt`. A `?` is a token too, because what was replaced once must read the same again.
static TOKEN: LazyLock<Regex> = LazyLock::new(|| {
    let v4 = r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}";
    let group = "[0-9A-Fa-f]{1,4}";
    // Without a digit in front it is rather a path in a program: `add::bad`.
    let group_with_digit = "[A-Fa-f]{0,3}[0-9][0-9A-Fa-f]{0,3}";
    // Nearly `\w`, without the hundreds of ranges that take 10 ms to compile: no punctuation, no symbols.
    let letters = r"A-Za-z_\u{AA}\u{B5}\u{BA}\u{C0}-\u{D6}\u{D8}-\u{F6}\u{F8}-\u{1FFF}\u{2C00}-\u{2DFF}\u{3005}-\u{D7FF}\u{F900}-\u{FDFF}\u{10000}-\u{1EFFF}\u{20000}-\u{2FFFF}";
    let part = format!("[0-9{letters}]+");
    let v6 = format!(
        r"(?x: (?:{group}:){{7}}{group}(?-u:\b)
        | {group_with_digit}(?::{group}){{0,6}}::(?:{group}:){{0,6}}(?:{v4}|{group})(?-u:\b)
        | ::(?:(?:{group}:){{0,6}}{v4}|{group_with_digit}(?::{group}){{0,6}})(?-u:\b) )"
    );
    let pattern = format!(
        r#"(?x)
        (?: # Quoted; where a quote is followed by a letter (don't) or escaped it may go on.
            '(?s: \\. | '['0-9{letters}] | [^'] )*'
          | "(?s: \\. | [^"] )*"
          | `[^`]*`
            # An e-mail address. The bound keeps dotted words from being read again and again.
          | {part}(?:[.%+-]{part}){{0,5}} @ {part}(?:-{part})*(?:\.{part}(?:-{part})*)+
            # Addresses.
          | \[{v6}(?:%[0-9A-Za-z]+)?\](?::[0-9]{{1,5}})?
          | {v6}(?:%[0-9A-Za-z]+)?
          | [-+]?
            (?: {v4}(?::[0-9]{{1,5}})?
                # A UUID, then hexadecimal.
              | [0-9A-Fa-f]{{8}}-(?:[0-9A-Fa-f]{{4}}-){{3}}[0-9A-Fa-f]{{12}}(?-u:\b)
              | 0[Xx][0-9A-Fa-f]+(?-u:\b)
              | [0-9A-Fa-f]{{8,}}(?:\.[0-9]+)*(?-u:\b)
                # A duration, such as 3m20s.
              | (?:[0-9]+(?:\.[0-9]+)?(?:ns|us|µs|μs|ms|s|min|m|h|d))+(?-u:\b)
                # An id that begins with a digit and has another after its letters.
              | [0-9]+[A-Za-z_]+[0-9][0-9{letters}]*
                # A number, whatever is glued to its end.
              | (?:[0-9]{{1,3}}(?:,[0-9]{{3}})+(?-u:\b)|[0-9]+)(?:\.[0-9]+)*(?:[Ee][-+]?[0-9]+)?
            )
          | (?<kept> [{letters}][0-9{letters}]* | \? )
        )
        (?<tail> :: | [-+'] )?"#
    );
    Regex::new(&pattern).expect("the vectors below were read with it")
});

/// Whether this is the whole of what some clients say: here the number is the message.
fn is_code(text: &str) -> bool {
    let is_number = |it: &str| !it.is_empty() && it.bytes().all(|it| it.is_ascii_digit());
    match (text.strip_prefix("HTTP "), text.strip_prefix("gRPC ")) {
        (Some(code), _) => code.len() == 3 && is_number(code),
        (_, Some(code)) => is_number(code),
        _ => false,
    }
}

/// Whether there is nothing that any value has: no digit, no quote, no `@`, no run of letters that may be
/// hexadecimal. Most captures have messages of words only, and to compile what finds values takes milliseconds.
fn is_of_words(text: &str) -> bool {
    let is_sign = |it: u8| it.is_ascii_digit() || matches!(it, b'\'' | b'"' | b'`' | b'@');
    let is_long = |it: &[u8]| it.len() >= 8;
    !text.bytes().any(is_sign) && !text.as_bytes().split(|it| !it.is_ascii_hexdigit()).any(is_long)
}

/// The message with `?` for each UUID, hexadecimal run, address, quoted text, duration and number.
///
/// Words keep their digits (`http2`), and `HTTP 500` or `gRPC 14` alone stay. What goes beyond
/// 4 KiB is cut, with `…` in its place. Doing it twice changes nothing.
pub fn message(text: &str) -> String {
    without(text, &values(text))
}

/// Where the values of a message stand.
///
/// Which digit a digit is makes no difference, except for the 0 of `0x`.
pub(crate) fn values(text: &str) -> Vec<Range<usize>> {
    if is_code(text) || is_of_words(text) {
        return Vec::new();
    }
    found_in(text)
}

fn found_in(text: &str) -> Vec<Range<usize>> {
    let (text, _) = super::cut(text, MAX_BYTES);
    let value = |token: regex::Captures<'_>| {
        let end = token.name("tail").map_or(token.get_match().end(), |tail| tail.start());
        token.name("kept").is_none().then_some(token.get_match().start()..end)
    };
    TOKEN.captures_iter(text).filter_map(value).collect()
}

/// The message with `?` in the place of its values.
pub(crate) fn without(text: &str, values: &[Range<usize>]) -> String {
    let (text, is_cut) = super::cut(text, MAX_BYTES);
    let mut out = String::with_capacity(text.len());
    let mut end = 0;
    for value in values {
        out.push_str(&text[end..value.start]);
        out.push('?');
        end = value.end;
    }
    out.push_str(&text[end..]);
    if is_cut {
        out.push('…');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const VECTORS: &[(&str, &str)] = &[
        ("", ""),
        ("no values here", "no values here"),
        ("attempt 12 failed", "attempt ? failed"),
        ("attempt#3", "attempt#?"),
        ("id=42", "id=?"),
        ("order-1234", "order-?"),
        ("delta -1.5 or +2", "delta ? or ?"),
        ("lines 10-20", "lines ?-?"),
        ("5--3", "?-?"),
        ("1e9 bytes, 2.5E-3 s", "? bytes, ? s"),
        ("1,234 of 1,234,567.89", "? of ?"),
        ("[1,2,34567]", "[?,?,?]"),
        ("50% of 3rd try, 5MB", "?% of ?rd try, ?MB"),
        ("version 1.22.333", "version ?"),
        ("http2 utf8 p95 user_v2 v1", "http2 utf8 p95 user_v2 v1"),
        ("_12 stays", "_12 stays"),
        ("user 550e8400-e29b-41d4-a716-446655440000 gone", "user ? gone"),
        ("user-550E8400-E29B-41D4-A716-446655440000", "user-?"),
        ("{550e8400-e29b-41d4-a716-446655440000}", "{?}"),
        ("trace deadbeefcafe0123", "trace ?"),
        ("trace-deadbeef.", "trace-?."),
        ("short cafe1 stays, so does deadbee", "short cafe1 stays, so does deadbee"),
        ("at 0xDEADBEEF and 0x1f", "at ? and ?"),
        ("commit 3f2a9bc", "commit ?"),
        ("deadbeefs and xdeadbeef", "deadbeefs and xdeadbeef"),
        ("since 1700000000.123456", "since ?"),
        ("at 2024-01-02T03:04:05.123Z", "at ?-?-?:?:?Z"),
        ("dial tcp 10.0.0.12:8080: connection refused", "dial tcp ?: connection refused"),
        ("10.1.2.3/24", "?/?"),
        ("host ip-10-0-0-12", "host ip-?-?-?-?"),
        ("from fe80::1ff:fe23:4567:890a%eth0", "from ?"),
        ("from [2001:db8::1]:443 and ::1", "from ? and ?"),
        ("2001:0db8:85a3:0000:0000:8a2e:0370:7334", "?"),
        ("::ffff:192.168.0.1", "?"),
        ("std::fmt, add::bad and Foo::1", "std::fmt, add::bad and Foo::?"),
        ("at 12:34:56", "at ?:?:?"),
        ("main.rs:12:34", "main.rs:?:?"),
        ("http://cart:7070/items/12?page=3", "http://cart:?/items/??page=?"),
        ("mail to jane.doe+spam@mail.example.com bounced", "mail to ? bounced"),
        ("müller@example.com", "?"),
        ("root@localhost", "root@localhost"),
        ("key 'user:12' not found", "key ? not found"),
        ("key \"a \\\"b\\\" c\" not found", "key ? not found"),
        ("key `x y` not found", "key ? not found"),
        ("expected 'a' or 'b', got ''", "expected ? or ?, got ?"),
        ("can't find 'x', won't look", "can't find ?, won't look"),
        ("the users' 12 names and 'x'", "the users' ? names and ?"),
        ("'don't do it' said 'I'", "? said ?"),
        ("'it''s'", "?"),
        ("the 1990's and 'x'", "the ?'s and ?"),
        ("an \"open quote of 12", "an \"open quote of ?"),
        ("timeout after 12ms", "timeout after ?"),
        ("took 1.5s, 3m20s, 200µs, 7μs, -5ms and 1h30min", "took ?, ?, ?, ?, ? and ?"),
        ("12 ms or 30msg", "? ms or ?msg"),
        ("HTTP 500", "HTTP 500"),
        ("HTTP 504", "HTTP 504"),
        ("gRPC 14", "gRPC 14"),
        ("HTTP 500 from cart", "HTTP ? from cart"),
        ("HTTP 5000", "HTTP ?"),
        ("bad HTTP 500", "bad HTTP ?"),
        ("got gRPC 14", "got gRPC ?"),
        ("Ошибка №15: 写入失败(3 次)", "Ошибка №?: 写入失败(? 次)"),
        ("naïve12 größe3", "naïve12 größe3"),
        ("🦀 7 crabs", "🦀 ? crabs"),
        ("what? 'x'", "what? ?"),
    ];

    #[test]
    fn messages_are_made_alike() {
        for (text, expected) in VECTORS {
            assert_eq!(message(text), *expected, "{text}");
        }
    }

    #[test]
    fn what_is_too_long_is_cut_between_characters() {
        let long = "é".repeat(3000);
        let cut = message(&format!("x{long}"));
        assert_eq!(cut.len(), 4095 + "…".len());
        assert!(cut.ends_with("é…"));
        assert_eq!(message(&cut), cut);
        assert_eq!(message(&long[..4096]), long[..4096]);
    }

    #[test]
    fn texts_made_to_be_slow_are_not() {
        let start = std::time::Instant::now();
        for unit in
            ["\"\\", "'a", "' ", "a.", "a@", "1:", "::", "a::", "0", "1,", "a-", "5'", "`", "é'", "1.", "f:", "1m"]
        {
            message(&unit.repeat(MAX_BYTES / unit.len()));
        }
        // Generous: a debug build on a busy machine.
        assert!(start.elapsed().as_secs() < 5, "{:?}", start.elapsed());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn words_have_no_values(text in r#"[ :a-fg-kA-FxT.,/(){}%\u{e9}'"@`0-]{0,40}"#) {
            prop_assert!(!is_of_words(&text) || found_in(&text).is_empty(), "{:?}", found_in(&text));
        }

        #[test]
        fn a_code_is_the_whole_message(text in "(HTTP|gRPC|http)? ?[0-9a]{0,4}\n?") {
            let code = Regex::new(r"\A(?:HTTP [0-9]{3}|gRPC [0-9]+)\z").unwrap();
            prop_assert_eq!(is_code(&text), code.is_match(&text));
        }

        #[test]
        fn which_digit_a_digit_is_makes_no_difference(
            text in prop_oneof!["[-+?'\"`:.,@%0-9a-fxms \\\\é\\[\\]_]{0,40}", "(HTTP|gRPC) ?.{0,4}", "[0-9a-fA-FxX:.]{0,40}"],
            digits in prop::collection::vec(b'1'..=b'9', 40),
        ) {
            let mut other = text.clone().into_bytes();
            for at in (0..other.len()).filter(|it| text.as_bytes()[*it].is_ascii_digit()) {
                if text.as_bytes()[at] != b'0' || !matches!(text.as_bytes().get(at + 1), Some(b'x' | b'X')) {
                    other[at] = digits[at % digits.len()];
                }
            }
            prop_assert_eq!(values(&text), values(&String::from_utf8(other).unwrap()), "{}", text);
        }

        #[test]
        fn twice_is_the_same_as_once(
            text in prop_oneof![any::<String>(), "[-+?'\"`:.,@%0-9a-fxms \\\\é\\[\\]_]{0,40}", "(HTTP|gRPC) ?.{0,4}"],
        ) {
            let once = message(&text);
            prop_assert_eq!(message(&once), once);
        }
    }
}
