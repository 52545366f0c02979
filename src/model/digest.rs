//! A number for all that a draft holds, made anew for every trace that is read: two words at a time.

use std::hash::{Hash, Hasher};

use foldhash::SharedSeed;
use foldhash::fast::FoldHasher;

use super::attributes::{Key, Run, Text};
use super::draft::{Draft, SEED};
use super::{Id, NoDuration};

/// What was mixed so far.
struct Digest(u64);

impl Digest {
    /// Mixes two words into it, as wyhash does: both halves of a product.
    #[inline]
    fn add(&mut self, one: u64, other: u64) {
        let product = u128::from(self.0 ^ one) * u128::from(other ^ SEED);
        self.0 = product as u64 ^ (product >> 64) as u64;
    }

    #[inline]
    fn add_id(&mut self, id: &Id) {
        match id {
            Id::Hex { high, low, digits, upper } => {
                self.add(*low, *high);
                self.add(u64::from(*digits), u64::from(*upper));
            }
            Id::Odd(_) => self.add_hash(|hasher| id.hash_written(hasher)),
        }
    }

    /// Mixes what is rare in as others hash it.
    fn add_hash(&mut self, write: impl FnOnce(&mut FoldHasher<'static>)) {
        let mut hasher = FoldHasher::with_seed(SEED, SharedSeed::global_fixed());
        write(&mut hasher);
        self.add(hasher.finish(), 0);
    }
}

impl Draft {
    /// A number that is the same for the same spans in the same order, and (almost surely) no other; in this
    /// run of the program only. A fraction of the work of [`Draft::fingerprint`].
    pub fn digest(&self) -> u64 {
        let mut digest = Digest(SEED);
        digest.add_hash(|hasher| {
            self.id.iter().for_each(|it| it.hash_written(hasher));
            (self.skew_corrected, &self.cut, self.links).hash(hasher);
            hasher.write(self.text.as_bytes());
            for process in &self.processes {
                (process.service, process.is_known, process.is_parents, process.attributes).hash(hasher);
            }
            for event in &self.events {
                (event.at_ns, event.attributes).hash(hasher);
            }
        });
        digest.add(self.spans.len() as u64, self.processes.len() as u64);
        digest.add(self.attributes.len() as u64, self.events.len() as u64);
        for attribute in &self.attributes {
            let key = match attribute.key {
                Key::Known(known) => known as u64,
                Key::Other(name) => name.address(),
            };
            digest.add(word_of(attribute.value), key ^ (attribute.value_type as u64) << 56);
        }
        for reference in &self.references {
            digest.add_id(&reference.span);
            let flags = u64::from(reference.follows_from) | u64::from(reference.is_link) << 1;
            digest.add(flags, u64::from(reference.trace.is_some()));
            if let Some(trace) = &reference.trace {
                digest.add_hash(|hasher| trace.hash(hasher));
            }
        }
        for span in &self.spans {
            digest.add_id(&span.id);
            let duration_ns = match span.duration_ns {
                Ok(ns) => ns as u64,
                Err(NoDuration::Negative) => u64::MAX,
                Err(NoDuration::Missing) => u64::MAX - 1,
            };
            digest.add(span.operation.address(), duration_ns);
            let flags = span.kind.map_or(0, |it| it as u64 + 1)
                | span.failed.map_or(0, |it| u64::from(it) + 1) << 8
                | u64::from(span.shared) << 16
                | u64::from(span.supplement) << 24
                | u64::from(span.process) << 32;
            // Starts are within ±2^62.
            digest.add(span.start_ns.map_or(u64::MAX >> 1, |it| it as u64), flags);
            digest.add(word_of_run(span.attributes), word_of_run(span.events));
            digest.add(word_of_run(span.references), 0);
        }
        digest.0
    }
}

#[inline]
fn word_of(text: Text) -> u64 {
    u64::from(text.start) << 32 | u64::from(text.len)
}

#[inline]
fn word_of_run(run: Run) -> u64 {
    u64::from(run.start) << 32 | u64::from(run.end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::attributes::{Known, ValueType};
    use crate::model::{Kind, Name, sketch};

    #[test]
    fn whatever_differs_the_digest_does() {
        let whole = || sketch::draft("web GET / 0..10 client http.route=/x\n  db SELECT 1..2 ! db.name=users");
        assert_eq!(whole().digest(), whole().digest());
        let changes: [fn(&mut Draft); 17] = [
            |_| {},
            |it| it.id = Id::parse("77"),
            |it| it.skew_corrected = true,
            |it| it.cut = Some("2 spans".to_owned()),
            |it| it.spans[0].id = Id::parse("0000000000000099").unwrap(),
            |it| it.spans[0].id = Id::parse("A").unwrap(),
            |it| it.spans[0].operation = Name::new("GET /y"),
            |it| it.spans[0].start_ns = Some(7),
            |it| it.spans[0].start_ns = None,
            |it| it.spans[0].duration_ns = Err(NoDuration::Missing),
            |it| it.spans[0].duration_ns = Err(NoDuration::Negative),
            |it| it.spans[0].kind = Some(Kind::Server),
            |it| it.spans[0].failed = Some(false),
            |it| it.spans[1].process = 0,
            |it| it.references[0].follows_from = true,
            |it| it.attributes[0].key = Key::Known(Known::HttpUrl),
            |it| it.attributes[0].value_type = ValueType::Number,
        ];
        let mut digests: Vec<u64> = changes
            .iter()
            .map(|change| {
                let mut draft = whole();
                change(&mut draft);
                draft.digest()
            })
            .collect();
        digests.sort_unstable();
        digests.dedup();
        assert_eq!(digests.len(), changes.len());
    }
}
