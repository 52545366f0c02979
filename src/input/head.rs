//! The first bytes of a value, to tell its format by.

use super::json::Node;

/// How much of a value is looked at to tell its format.
pub(crate) const HEAD: usize = 64 * 1024;

/// What can be seen of a value in its first bytes, which may end anywhere.
#[derive(Clone, Debug)]
pub(crate) struct Head<'a> {
    /// The bytes.
    pub(crate) text: &'a str,
    /// What they say, as far as they go.
    pub(crate) value: Node<'a>,
}

impl<'a> Head<'a> {
    pub(crate) fn new(text: &'a str) -> Head<'a> {
        Head { text, value: Node::of_head(text) }
    }

    /// The value itself if it is an object, or the first item of a list.
    pub(crate) fn element(&self) -> &Node<'a> {
        if self.value.is_list() { self.value.first() } else { &self.value }
    }
}
