//! Texts out of traces made safe to show: nothing in a name may drive the terminal or hide from the eye.

use std::borrow::Cow;

/// The text on one line, with everything that a terminal would obey or not show written as an escape.
///
/// Plain text, which nearly all names are, is borrowed. A backslash stays as it is: this is for eyes and cannot be
/// turned back.
pub fn line(text: &str) -> Cow<'_, str> {
    let Some(first) = text.find(needs_escape) else {
        return Cow::Borrowed(text);
    };
    let (clean, rest) = text.split_at(first);
    let mut escaped = String::with_capacity(text.len() + 16);
    escaped.push_str(clean);
    for it in rest.chars() {
        if needs_escape(it) {
            escaped.extend(it.escape_default());
        } else {
            escaped.push(it);
        }
    }
    Cow::Owned(escaped)
}

/// Whether a character does something instead of showing something.
fn needs_escape(it: char) -> bool {
    match it {
        ' '..='~' => false,
        // C0, DEL and C1: escape sequences, line breaks, tabs.
        _ if it.is_control() => true,
        // A soft hyphen shows in some terminals and not in others, so nothing would line up behind it.
        '\u{ad}' => true,
        // Marks, embeddings, overrides and isolates that turn the direction of what follows.
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => true,
        // Zero width spaces and joiners, invisible operators, deprecated format characters.
        '\u{180e}' | '\u{200b}'..='\u{200d}' | '\u{2060}'..='\u{2065}' | '\u{206a}'..='\u{206f}' | '\u{feff}' => true,
        // Line and paragraph separators.
        '\u{2028}' | '\u{2029}' => true,
        // Interlinear annotations and tags: text nobody sees.
        '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}' => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn plain_text_is_borrowed() {
        for text in ["", "GET /users/{id}", "SELECT *", "支払い 💳 e\u{301}"] {
            assert!(matches!(line(text), Cow::Borrowed(it) if it == text), "{text}");
        }
    }

    #[test]
    fn what_a_terminal_would_obey_is_escaped() {
        for (text, shown) in [
            ("a\nb\tc\r", r"a\nb\tc\r"),
            ("\u{1b}[2Jgone", r"\u{1b}[2Jgone"),
            ("\u{7f}\u{9b}31m", r"\u{7f}\u{9b}31m"),
            ("\u{202e}txt.exe\u{2066}", r"\u{202e}txt.exe\u{2066}"),
            ("a\u{200b}b\u{200f}c\u{61c}", r"a\u{200b}b\u{200f}c\u{61c}"),
            ("\u{feff}a\u{2028}b\u{2029}", r"\u{feff}a\u{2028}b\u{2029}"),
            ("👨\u{200d}👩", r"👨\u{200d}👩"),
        ] {
            assert_eq!(line(text), shown);
        }
    }

    proptest! {
        #[test]
        fn nothing_that_needs_an_escape_comes_out(text in any::<String>(), code in 0u32..0x2100) {
            let text = format!("{text}{}", char::from_u32(code).unwrap_or('x'));
            let shown = line(&text);
            prop_assert!(!shown.chars().any(char::is_control));
            prop_assert!(!shown.contains(needs_escape));
        }

        #[test]
        fn what_was_made_safe_stays_as_it_is(text in any::<String>()) {
            let shown = line(&text).into_owned();
            prop_assert!(matches!(line(&shown), Cow::Borrowed(_)));
        }
    }
}
