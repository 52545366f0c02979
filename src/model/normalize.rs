//! Texts that differ only in what changes from call to call, made alike.

mod message;
mod messages;
mod sql;
mod url_path;

pub use message::message;
pub(crate) use message::{values, without};
pub use messages::Messages;
pub use sql::sql;
pub use url_path::url_path;

/// As much of a text as is looked at, and whether that is not all of it.
fn cut(text: &str, max_bytes: usize) -> (&str, bool) {
    (&text[..text.floor_char_boundary(max_bytes)], text.len() > max_bytes)
}
