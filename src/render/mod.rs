//! How results look: tables for people, JSON for programs, Markdown, JUnit's XML and annotations for CI.

pub mod annotations;
mod bar;
mod columns;
pub mod cut;
mod fit;
pub mod json;
pub mod junit;
pub mod markdown;
#[cfg(test)]
mod sample;
pub mod sanitize;
pub mod scale;
pub mod table;
pub(crate) use crate::report::words as units;

use std::borrow::Cow;

pub use table::{section, sections};

/// What is known of the place the report is read at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Look {
    /// The columns of the terminal; `None` is a pipe or a file, where nothing is cut or wrapped.
    pub width: Option<usize>,
    /// Whether escape codes for colors are understood.
    pub color: bool,
}

/// What stands out, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ink {
    Bold,
    Dim,
    Red,
}

impl Ink {
    /// What switches the ink on and off again.
    const fn codes(self) -> (&'static str, &'static str) {
        match self {
            Ink::Bold => ("\u{1b}[1m", "\u{1b}[22m"),
            Ink::Dim => ("\u{1b}[2m", "\u{1b}[22m"),
            Ink::Red => ("\u{1b}[31m", "\u{1b}[39m"),
        }
    }
}

impl Look {
    /// The text in this ink, where there are colors.
    fn paint<'a>(&self, ink: Ink, text: &'a str) -> Cow<'a, str> {
        if !self.color || text.is_empty() {
            return Cow::Borrowed(text);
        }
        let (on, off) = ink.codes();
        Cow::Owned(format!("{on}{text}{off}"))
    }
}
