//! Names that occur again and again: services and operations, each kept once for the whole process.

use std::collections::HashMap;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::{LazyLock, Mutex, PoisonError};

use foldhash::fast::FixedState;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An interned text: copied, compared and hashed as an address, ordered as text.
///
/// Names are never freed. Every pass keeps its operations for the whole run anyhow, so what this
/// holds is what the report needs; texts of which each span may have its own (statements,
/// messages) must not become names.
#[derive(Clone, Copy)]
pub struct Name(&'static Interned);

/// One word to point to: there are several names in every span.
struct Interned {
    text: Box<str>,
}

static NAMES: LazyLock<Mutex<HashMap<&'static str, Name, FixedState>>> = LazyLock::new(Mutex::default);

impl Name {
    /// The name for this text, the same one every time.
    pub fn new(text: &str) -> Name {
        // A panic elsewhere cannot leave a set of whole texts half-changed.
        let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = names.get(text) {
            return *known;
        }
        let name = Name(Box::leak(Box::new(Interned { text: Box::from(text) })));
        names.insert(name.as_str(), name);
        name
    }

    /// A number for it, in this run of the program.
    pub(super) fn address(self) -> u64 {
        std::ptr::from_ref(self.0).addr() as u64
    }

    /// The text itself.
    pub fn as_str(self) -> &'static str {
        &self.0.text
    }
}

impl PartialEq for Name {
    fn eq(&self, other: &Name) -> bool {
        std::ptr::eq(self.0, other.0)
    }
}

impl Eq for Name {}

impl Hash for Name {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_usize(std::ptr::from_ref(self.0).addr());
    }
}

impl PartialOrd for Name {
    fn partial_cmp(&self, other: &Name) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Name {
    fn cmp(&self, other: &Name) -> std::cmp::Ordering {
        if self == other { std::cmp::Ordering::Equal } else { self.as_str().cmp(other.as_str()) }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl Serialize for Name {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Name, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        Ok(Name::new(&text))
    }
}

/// One thread's memory of names, so that the common case takes no lock.
#[derive(Clone, Debug, Default)]
pub struct NameCache {
    known: HashMap<&'static str, (Name, u32), FixedState>,
    /// Those met last, by their length and both ends: mostly enough to know where to look.
    recent: Vec<Option<Recent>>,
}

/// A name met of late; its text is found without looking at the name.
#[derive(Clone, Copy, Debug)]
struct Recent {
    text: &'static str,
    numbered: (Name, u32),
}

/// So many names are looked for without a hash of all of their text.
const N_RECENT: usize = 512;

impl NameCache {
    /// As [`Name::new`], without a lock for a name this thread has met before.
    pub fn get(&mut self, text: &str) -> Name {
        self.numbered(text).0
    }

    /// As [`NameCache::get`], with the name's number among those this cache has given: the first is 0.
    pub fn numbered(&mut self, text: &str) -> (Name, u32) {
        let place = ends(text) % N_RECENT;
        if let Some(Some(recent)) = self.recent.get(place)
            && recent.text == text
        {
            return recent.numbered;
        }
        let numbered = match self.known.get(text) {
            Some(known) => *known,
            None => {
                let numbered = (Name::new(text), self.known.len() as u32);
                self.known.insert(numbered.0.as_str(), numbered);
                numbered
            }
        };
        self.recent.resize(N_RECENT, None);
        self.recent[place] = Some(Recent { text: numbered.0.as_str(), numbered });
        numbered
    }
}

/// A number made of a text's length and its ends.
#[inline]
fn ends(text: &str) -> usize {
    let bytes = text.as_bytes();
    let word = match (bytes.first_chunk::<8>(), bytes.last_chunk::<8>()) {
        (Some(first), Some(last)) => u64::from_le_bytes(*first).rotate_left(23) ^ u64::from_le_bytes(*last),
        _ => bytes.iter().fold(0, |word, byte| word << 8 | u64::from(*byte)),
    };
    // Fibonacci hashing.
    ((word ^ bytes.len() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_equal_ends_are_not_taken_for_each_other() {
        let mut cache = NameCache::default();
        let numbers = |cache: &mut NameCache| {
            let texts = ["", "a", "ab", "ba", "GET /a/1/orders", "GET /a/2/orders", "GET /a/1/orders/", "GET /a/1"];
            texts.map(|it| {
                let (name, number) = cache.numbered(it);
                assert_eq!(name, Name::new(it));
                number
            })
        };
        assert_eq!(numbers(&mut cache), [0, 1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(numbers(&mut cache), [0, 1, 2, 3, 4, 5, 6, 7]);
    }

    #[test]
    fn equal_texts_are_one_name() {
        let mut cache = NameCache::default();
        assert_eq!(Name::new("checkout"), cache.get(&String::from("checkout")));
        assert_ne!(Name::new("checkout"), Name::new("checkin"));
        assert_eq!(Name::new(""), Name::new(String::from("x").trim_start_matches("x")));
    }

    #[test]
    fn names_sort_as_texts() {
        let mut names = [Name::new("b"), Name::new("a"), Name::new("ab")];
        names.sort();
        assert_eq!(names.map(Name::as_str), ["a", "ab", "b"]);
    }
}
