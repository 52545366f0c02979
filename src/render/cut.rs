//! Texts cut, padded and wrapped by the columns they take on a terminal, not by bytes or characters.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Stands for what was cut.
const ELLIPSIS: char = '…';

/// The columns a text takes on a terminal.
pub fn width(text: &str) -> usize {
    // Nearly everything is ASCII, and this is asked of every cell.
    if text.is_ascii() { text.len() } else { text.width() }
}

/// The text in at most `max` columns, with its start and its end kept.
pub fn middle(text: &str, max: usize) -> String {
    // The end of an operation tells more than its middle, the start most of all.
    shorten(text, max, max.saturating_sub(1) / 2)
}

/// The text in at most `max` columns, with its start kept.
pub fn end(text: &str, max: usize) -> String {
    shorten(text, max, 0)
}

/// The text with spaces behind it up to `width` columns.
pub fn pad_right(text: &str, to: usize) -> String {
    format!("{text}{}", " ".repeat(to.saturating_sub(width(text))))
}

/// The text with spaces before it up to `width` columns.
pub fn pad_left(text: &str, to: usize) -> String {
    format!("{}{text}", " ".repeat(to.saturating_sub(width(text))))
}

/// The text in lines of at most `max` columns, broken between words; a word longer than a line is broken anywhere.
pub fn wrap(text: &str, max: usize) -> Vec<String> {
    let max = max.max(1);
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split(' ').filter(|it| !it.is_empty()) {
        let longer = if line.is_empty() { word.to_owned() } else { format!("{line} {word}") };
        if width(&longer) <= max {
            line = longer;
            continue;
        }
        if !line.is_empty() {
            lines.push(std::mem::take(&mut line));
        }
        let mut rest = word;
        while width(rest) > max {
            let (head, tail) = split(rest, max);
            if width(head) <= max {
                lines.push(head.to_owned());
            }
            rest = tail;
        }
        line = rest.to_owned();
    }
    if !line.is_empty() {
        lines.push(line);
    }
    lines
}

/// Keeps up to `tail_room` columns of the end, the rest of the room from the start, and an ellipsis between.
fn shorten(text: &str, max: usize, tail_room: usize) -> String {
    if width(text) <= max {
        return text.to_owned();
    }
    if max == 0 {
        return String::new();
    }
    let clusters = clusters(text);
    let mut tail = clusters.len();
    let mut tail_width = 0;
    while tail > 0 && tail_width + width(clusters[tail - 1]) <= tail_room {
        tail -= 1;
        tail_width += width(clusters[tail]);
    }
    // What the tail could not use, half of a wide character, goes to the head.
    let head_room = max - 1 - tail_width;
    let mut head = 0;
    let mut head_width = 0;
    while head < tail && head_width + width(clusters[head]) <= head_room {
        head_width += width(clusters[head]);
        head += 1;
    }
    loop {
        let mut shortened = clusters[..head].concat();
        shortened.push(ELLIPSIS);
        shortened.extend(clusters[tail..].iter().copied());
        // Some scripts join across what we hold for separate, so the whole is measured before it is believed.
        if width(&shortened) <= max || (head == 0 && tail == clusters.len()) {
            return shortened;
        }
        if head > 0 {
            head -= 1;
        } else {
            tail += 1;
        }
    }
}

/// The first part, of at most `max` columns but at least one cluster, and the rest.
fn split(text: &str, max: usize) -> (&str, &str) {
    let mut at = 0;
    for cluster in clusters(text) {
        if at > 0 && width(&text[..at + cluster.len()]) > max {
            break;
        }
        at += cluster.len();
    }
    text.split_at(at)
}

/// Characters with the marks that stand on them.
///
/// Less than the standard's grapheme clusters, and enough here: joiners were escaped before.
fn clusters(text: &str) -> Vec<&str> {
    let mut clusters = Vec::with_capacity(text.len());
    let mut start = 0;
    let mut open_flag = false;
    for (at, it) in text.char_indices() {
        let half_flag = matches!(it, '\u{1f1e6}'..='\u{1f1ff}');
        let joins = it.width() == Some(0) || matches!(it, '\u{1f3fb}'..='\u{1f3ff}') || (half_flag && open_flag);
        if at > start && !joins {
            clusters.push(&text[start..at]);
            start = at;
        }
        open_flag = half_flag && !open_flag;
    }
    if start < text.len() {
        clusters.push(&text[start..]);
    }
    clusters
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_middle_goes_first() {
        assert_eq!(middle("GET /api/v1/users/{id}", 22), "GET /api/v1/users/{id}");
        assert_eq!(middle("GET /api/v1/users/{id}", 21), "GET /api/v…users/{id}");
        assert_eq!(middle("GET /api/v1/users/{id}", 6), "GET…d}");
        assert_eq!(middle("GET /api/v1/users/{id}", 2), "G…");
        assert_eq!(middle("GET /api/v1/users/{id}", 1), "…");
        assert_eq!(middle("GET /api/v1/users/{id}", 0), "");
    }

    #[test]
    fn the_end_goes_first() {
        assert_eq!(end("deadline exceeded", 17), "deadline exceeded");
        assert_eq!(end("deadline exceeded", 16), "deadline exceed…");
        assert_eq!(end("deadline exceeded", 1), "…");
    }

    #[test]
    fn wide_characters_count_twice_and_are_not_halved() {
        assert_eq!(middle("支払いサービス", 14), "支払いサービス");
        assert_eq!(middle("支払いサービス", 13), "支払い…ービス");
        assert_eq!(middle("支払いサービス", 12), "支払い…ビス");
        assert_eq!(end("支払いサービス", 4), "支…");
    }

    #[test]
    fn marks_stay_with_what_they_stand_on() {
        assert_eq!(clusters("e\u{301}a🇩🇪🇫🇷👍🏽❤\u{fe0f}"), ["e\u{301}", "a", "🇩🇪", "🇫🇷", "👍🏽", "❤\u{fe0f}"]);
        assert_eq!(end("e\u{301}e\u{301}e\u{301}", 2), "e\u{301}…");
        assert_eq!(middle("🇩🇪🇫🇷🇩🇪🇫🇷", 5), "🇩🇪…🇫🇷");
    }

    #[test]
    fn words_wrap_and_long_words_break() {
        assert_eq!(wrap("8 of 100 traces failed", 12), ["8 of 100", "traces", "failed"]);
        assert_eq!(wrap("a deadbeefdeadbeef b", 8), ["a", "deadbeef", "deadbeef", "b"]);
        assert_eq!(wrap("支払い", 3), ["支", "払", "い"]);
        assert_eq!(wrap("  ", 3), Vec::<String>::new());
        assert_eq!(wrap("支a", 1), ["a"], "what does not fit into any line is left out");
    }

    proptest! {
        #[test]
        fn nothing_is_wider_than_asked(text in any::<String>(), max in 0usize..30) {
            prop_assert!(width(&middle(&text, max)) <= max);
            prop_assert!(width(&end(&text, max)) <= max);
            for line in wrap(&text, max.max(1)) {
                prop_assert!(width(&line) <= max.max(1), "{line:?}");
            }
        }

        #[test]
        fn joining_scripts_are_not_wider_either(text in "[\u{627}\u{644}\u{651}لا🇩🇪👍🏽❤\u{fe0f}ａe\u{301}한ᄒ\u{1161} -]{0,40}", max in 0usize..20) {
            prop_assert!(width(&middle(&text, max)) <= max);
            prop_assert!(width(&end(&text, max)) <= max);
            for line in wrap(&text, max.max(1)) {
                prop_assert!(width(&line) <= max.max(1), "{line:?}");
            }
        }

        #[test]
        fn clusters_are_the_text(text in any::<String>()) {
            prop_assert_eq!(clusters(&text).concat(), text);
        }
    }
}
