//! The same captures read through serde_json: what the parser of this crate is measured against.
//!
//! The fast way with serde: the file is mapped, one trace at a time is read into borrowed structs, lists are
//! visited without being collected, what nobody asks for is ignored, ids become numbers. Then the answers
//! that every peer gives, as `benches/peers/README.md` has them.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::marker::PhantomData;
use std::path::Path;

use foldhash::fast::FixedState;
use serde::de::{Deserialize, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

type Map<K, V> = HashMap<K, V, FixedState>;

/// Reads a capture and writes the answers.
pub(crate) fn answer(path: &Path, out: impl Write) -> io::Result<()> {
    let file = File::open(path)?;
    #[expect(unsafe_code, reason = "nobody writes to the benchmark's files while they are read")]
    let bytes = unsafe { memmap2::Mmap::map(&file)? };
    // UTF-8 is checked once, at memory speed, and not again with every string.
    let text = std::str::from_utf8(&bytes).map_err(io::Error::other)?;
    let mut tally = Tally::default();
    let mut json = serde_json::Deserializer::from_str(text);
    Envelope(&mut tally).deserialize(&mut json)?;
    json.end()?;
    tally.write(&mut BufWriter::new(out))
}

// --- What is read ---

#[derive(serde::Deserialize)]
struct Trace<'a> {
    #[serde(borrow)]
    spans: Vec<Span<'a>>,
    #[serde(borrow)]
    processes: Processes<'a>,
}

#[derive(serde::Deserialize)]
struct Span<'a> {
    #[serde(rename = "traceID")]
    trace_id: Id,
    #[serde(rename = "spanID")]
    id: Id,
    #[serde(rename = "operationName", borrow)]
    operation: Cow<'a, str>,
    references: Parent,
    #[serde(rename = "startTime")]
    start_us: u64,
    #[serde(rename = "duration")]
    duration_us: u64,
    #[serde(borrow)]
    tags: Tags<'a>,
    #[serde(rename = "processID", borrow)]
    process: Cow<'a, str>,
}

/// Up to 32 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Id(u128);

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        struct Digits;
        impl Visitor<'_> for Digits {
            type Value = Id;

            fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
                to.write_str("hexadecimal digits")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Id, E> {
                // By halves, because arithmetic on 128 bits is slow.
                let half = |text| u64::from_str_radix(text, 16).map_err(E::custom);
                let (high, low) = text.split_at_checked(text.len().saturating_sub(16)).unwrap_or(("", text));
                let high = if high.is_empty() { 0 } else { half(high)? };
                Ok(Id(u128::from(high) << 64 | u128::from(half(low)?)))
            }
        }
        json.deserialize_str(Digits)
    }
}

/// The first reference that says CHILD_OF.
struct Parent(Option<Id>);

#[derive(serde::Deserialize)]
struct Reference {
    #[serde(rename = "refType")]
    kind: ReferenceKind,
    #[serde(rename = "spanID")]
    span_id: Id,
}

#[derive(PartialEq, Eq, serde::Deserialize)]
enum ReferenceKind {
    #[serde(rename = "CHILD_OF")]
    ChildOf,
    #[serde(rename = "FOLLOWS_FROM")]
    FollowsFrom,
}

/// The tags that are wanted. Texts stay where they are in the file, unless they have escapes.
#[derive(Default)]
struct Tags<'a> {
    failed: bool,
    kind: Cow<'a, str>,
    http_status: u64,
    /// A statement or an address.
    text: Cow<'a, str>,
    peer: Cow<'a, str>,
}

#[derive(Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(field_identifier)]
enum TagKey {
    #[serde(rename = "error")]
    Error,
    #[serde(rename = "otel.status_code")]
    StatusCode,
    #[serde(rename = "span.kind")]
    Kind,
    #[serde(rename = "http.status_code", alias = "http.response.status_code")]
    HttpStatus,
    #[serde(rename = "db.statement", alias = "db.query.text", alias = "http.url", alias = "url.full")]
    Text,
    #[serde(rename = "peer.service", alias = "net.peer.name", alias = "server.address")]
    Peer,
    #[serde(other)]
    Other,
}

#[derive(serde::Deserialize)]
#[serde(field_identifier, rename_all = "lowercase")]
enum TagField {
    Key,
    Value,
    #[serde(other)]
    Other,
}

enum Scalar<'a> {
    Text(Cow<'a, str>),
    Number(u64),
    Bool(bool),
    Other,
}

/// Names of services by the names of processes.
struct Processes<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

#[derive(serde::Deserialize)]
struct Process<'a> {
    #[serde(rename = "serviceName", borrow)]
    service: Cow<'a, str>,
}

// --- How it is read ---

/// The whole answer of a server; its traces go to the tally one by one.
struct Envelope<'t, 'a>(&'t mut Tally<'a>);

impl<'de: 'a, 'a> DeserializeSeed<'de> for Envelope<'_, 'a> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_map(self)
    }
}

impl<'de: 'a, 'a> Visitor<'de> for Envelope<'_, 'a> {
    type Value = ();

    fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("an object with data")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut members: M) -> Result<(), M::Error> {
        while let Some(key) = members.next_key::<Cow<'_, str>>()? {
            if key == "data" {
                members.next_value_seed(Traces(&mut *self.0))?;
            } else {
                members.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }
}

struct Traces<'t, 'a>(&'t mut Tally<'a>);

impl<'de: 'a, 'a> DeserializeSeed<'de> for Traces<'_, 'a> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_seq(self)
    }
}

impl<'de: 'a, 'a> Visitor<'de> for Traces<'_, 'a> {
    type Value = ();

    fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("a list of traces")
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut traces: S) -> Result<(), S::Error> {
        while let Some(trace) = traces.next_element::<Trace<'de>>()? {
            self.0.add(trace);
        }
        Ok(())
    }
}

impl<'de> Deserialize<'de> for Parent {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        struct References;
        impl<'de> Visitor<'de> for References {
            type Value = Parent;

            fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
                to.write_str("a list of references")
            }

            fn visit_seq<S: SeqAccess<'de>>(self, mut references: S) -> Result<Parent, S::Error> {
                let mut parent = None;
                while let Some(reference) = references.next_element::<Reference>()? {
                    if parent.is_none() && reference.kind == ReferenceKind::ChildOf {
                        parent = Some(reference.span_id);
                    }
                }
                Ok(Parent(parent))
            }
        }
        json.deserialize_seq(References)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Tags<'a> {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        struct List<'a>(PhantomData<Tags<'a>>);
        impl<'de: 'a, 'a> Visitor<'de> for List<'a> {
            type Value = Tags<'a>;

            fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
                to.write_str("a list of tags")
            }

            fn visit_seq<S: SeqAccess<'de>>(self, mut list: S) -> Result<Tags<'a>, S::Error> {
                let mut tags = Tags::default();
                while list.next_element_seed(Tag(&mut tags))?.is_some() {}
                Ok(tags)
            }
        }
        json.deserialize_seq(List(PhantomData))
    }
}

struct Tag<'t, 'a>(&'t mut Tags<'a>);

impl<'de: 'a, 'a> DeserializeSeed<'de> for Tag<'_, 'a> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_map(self)
    }
}

impl<'de: 'a, 'a> Visitor<'de> for Tag<'_, 'a> {
    type Value = ();

    fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("a tag")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut members: M) -> Result<(), M::Error> {
        let (mut key, mut value) = (None, Scalar::Other);
        while let Some(field) = members.next_key::<TagField>()? {
            match field {
                TagField::Key => key = Some(members.next_value::<TagKey>()?),
                TagField::Value if key != Some(TagKey::Other) => value = members.next_value()?,
                _ => {
                    members.next_value::<IgnoredAny>()?;
                }
            }
        }
        match (key, value) {
            (Some(TagKey::Error), Scalar::Bool(failed)) => self.0.failed |= failed,
            (Some(TagKey::StatusCode), Scalar::Text(code)) => self.0.failed |= code == "ERROR",
            (Some(TagKey::Kind), Scalar::Text(kind)) => self.0.kind = kind,
            (Some(TagKey::HttpStatus), Scalar::Number(status)) => self.0.http_status = status,
            (Some(TagKey::Text), Scalar::Text(text)) => self.0.text = text,
            (Some(TagKey::Peer), Scalar::Text(peer)) => self.0.peer = peer,
            _ => {}
        }
        Ok(())
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Scalar<'a> {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        struct Any<'a>(PhantomData<Scalar<'a>>);
        impl<'de: 'a, 'a> Visitor<'de> for Any<'a> {
            type Value = Scalar<'a>;

            fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
                to.write_str("a text, a number or a bool")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Scalar<'a>, E> {
                Ok(Scalar::Text(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Scalar<'a>, E> {
                Ok(Scalar::Text(Cow::Owned(text.to_owned())))
            }

            fn visit_u64<E>(self, number: u64) -> Result<Scalar<'a>, E> {
                Ok(Scalar::Number(number))
            }

            fn visit_i64<E>(self, _: i64) -> Result<Scalar<'a>, E> {
                Ok(Scalar::Other)
            }

            fn visit_f64<E>(self, _: f64) -> Result<Scalar<'a>, E> {
                Ok(Scalar::Other)
            }

            fn visit_bool<E>(self, value: bool) -> Result<Scalar<'a>, E> {
                Ok(Scalar::Bool(value))
            }
        }
        json.deserialize_any(Any(PhantomData))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Processes<'a> {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        struct Names<'a>(PhantomData<Processes<'a>>);
        impl<'de: 'a, 'a> Visitor<'de> for Names<'a> {
            type Value = Processes<'a>;

            fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
                to.write_str("processes")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut members: M) -> Result<Processes<'a>, M::Error> {
                let mut processes = Vec::new();
                // A Cow of its own borrows only where serde is told to, in a struct.
                while let Some(Name(key)) = members.next_key()? {
                    processes.push((key, members.next_value::<Process<'de>>()?.service));
                }
                Ok(Processes(processes))
            }
        }
        json.deserialize_map(Names(PhantomData))
    }
}

#[derive(serde::Deserialize)]
#[serde(transparent)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

// --- What is answered ---

/// What is known of all traces so far.
#[derive(Default)]
struct Tally<'a> {
    names: Map<Cow<'a, str>, u32>,
    /// Durations by service and operation.
    operations: Map<(u32, u32), Vec<u64>>,
    /// How often one service called another.
    calls: Map<(u32, u32), u64>,
    extracted: Extracted,
    /// Of the trace at hand; kept for its memory.
    by_id: Map<Id, u32>,
    services: Vec<u32>,
}

/// Sums over everything that was extracted: what two readers agree on, both have read.
#[derive(Default)]
struct Extracted {
    spans: u64,
    failed: u64,
    duration_us: u64,
    start_us: u64,
    ids: u64,
    http_status: u64,
    text_bytes: usize,
}

impl<'a> Tally<'a> {
    fn add(&mut self, trace: Trace<'a>) {
        let Processes(processes) = trace.processes;
        let processes: Vec<(Cow<'a, str>, u32)> =
            processes.into_iter().map(|(key, service)| (key, self.intern(service))).collect();
        self.services.clear();
        self.by_id.clear();
        for (idx, span) in trace.spans.iter().enumerate() {
            let process = processes.iter().find(|it| it.0 == span.process);
            let service = process.map_or_else(|| self.intern(Cow::Borrowed("unknown")), |it| it.1);
            self.services.push(service);
            self.by_id.insert(span.id, idx as u32);
            self.extracted.add(span);
        }
        for (idx, span) in trace.spans.into_iter().enumerate() {
            let service = self.services[idx];
            let operation = self.intern(span.operation);
            self.operations.entry((service, operation)).or_default().push(span.duration_us);
            let parent = span.references.0.and_then(|it| self.by_id.get(&it));
            if let Some(caller) = parent.map(|&it| self.services[it as usize]).filter(|it| *it != service) {
                *self.calls.entry((caller, service)).or_default() += 1;
            }
        }
    }

    fn intern(&mut self, name: Cow<'a, str>) -> u32 {
        if let Some(&number) = self.names.get(&*name) {
            return number;
        }
        let number = self.names.len() as u32;
        self.names.insert(name, number);
        number
    }

    fn write(mut self, out: &mut impl Write) -> io::Result<()> {
        let mut names = vec![""; self.names.len()];
        #[expect(clippy::iter_over_hash_type, reason = "each name has a place of its own")]
        for (name, &number) in &self.names {
            names[number as usize] = name;
        }
        let mut operations: Vec<_> = self.operations.iter_mut().collect();
        operations.sort_unstable_by_key(|it| [names[it.0.0 as usize], names[it.0.1 as usize]]);
        for ((service, operation), durations) in operations {
            durations.sort_unstable();
            let at = |percent: usize| durations[(durations.len() * percent).div_ceil(100) - 1];
            let (service, operation) = (names[*service as usize], names[*operation as usize]);
            let n = durations.len();
            writeln!(out, "operation\t{service}\t{operation}\t{n}\t{}\t{}\t{}", at(50), at(95), at(99))?;
        }
        let mut calls: Vec<_> =
            self.calls.iter().map(|(&(from, to), n)| (names[from as usize], names[to as usize], n)).collect();
        calls.sort_unstable();
        for (caller, callee, n) in calls {
            writeln!(out, "calls\t{caller}\t{callee}\t{n}")?;
        }
        let Extracted { spans, failed, duration_us, start_us, ids, http_status, text_bytes } = self.extracted;
        writeln!(
            out,
            "extracted\t{spans}\t{failed}\t{duration_us}\t{start_us}\t{ids:016x}\t{http_status}\t{text_bytes}"
        )?;
        out.flush()
    }
}

impl Extracted {
    fn add(&mut self, span: &Span<'_>) {
        let halves = |Id(it)| (it >> 64) as u64 ^ it as u64;
        self.spans += 1;
        self.failed += u64::from(span.tags.failed);
        self.duration_us += span.duration_us;
        self.start_us = self.start_us.wrapping_add(span.start_us);
        // Each times another odd number, so that ids do not stand for each other.
        let parent = span.references.0.map_or(0, halves);
        let ids =
            halves(span.trace_id).wrapping_add(halves(span.id).wrapping_mul(3)).wrapping_add(parent.wrapping_mul(5));
        self.ids = self.ids.wrapping_add(ids);
        self.http_status += span.tags.http_status;
        self.text_bytes += span.operation.len() + span.tags.kind.len() + span.tags.text.len() + span.tags.peer.len();
    }
}
