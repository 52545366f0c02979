//! Captures: where bytes come from, which format they are, and how they become spans.
//!
//! A format is one file here and one line in `FORMATS`: it judges the head of a source, says in
//! which frame its elements stand (so that the stream can be cut for several threads), and parses
//! elements into drafts. It knows no pass and no output.

mod azure;
pub(crate) mod base64;
mod batch;
mod clickhouse;
mod datadog;
mod decode;
mod detect;
mod document;
mod elastic_apm;
mod elastic_otel;
mod gcp;
mod head;
mod instant;
mod jaeger;
mod jaeger_es;
mod jaeger_proto;
mod json;
mod newrelic;
mod opensearch;
mod otel_console;
mod otlp;
#[cfg(test)]
mod parsed;
#[cfg(any(test, fuzzing))]
pub mod plain;
mod py;
pub mod source;
mod spans;
mod split;
mod stream;
mod tags;
mod trust;
mod xray;
mod zipkin;

use std::collections::BTreeMap;
use std::sync::Arc;

pub(crate) use batch::{Batch, Mark, NewSpan};
pub(crate) use decode::{DecodeFault, Decoded};
pub(crate) use detect::{BOM, NotDetected, detect};
pub(crate) use head::Head;
pub(crate) use instant::{decimal_ns, rfc3339_ns};
use jaeger::server_errors;
pub use split::SplitOptions;
pub(crate) use split::{CUT_OFF, Emit, Frame, Frames, Loss, SplitError, Stretch, Stretches, Window, split};
use split::{fault_in, valid_text};
pub(crate) use stream::{Buffer, PIECE, Stream};
pub use stream::{Chunk, Origin, Place};

use crate::model::{Draft, Wanted};

/// All formats, most particular first.
#[rustfmt::skip]
pub(crate) const FORMATS: &[&dyn Format] = &[
    // Its documents look like lone spans of the API.
    &jaeger_es::JaegerEs,
    &jaeger::Jaeger,
    &otlp::JaegerV3,
    &jaeger_proto::JaegerProto,
    &zipkin::Zipkin,
    &zipkin::ZipkinV1,
    &otlp::Otlp,
    &otlp::Tempo,
    &xray::Xray,
    &gcp::Gcp,
    &datadog::Datadog,
    &newrelic::NewRelic,
    &elastic_apm::ElasticApm,
    &elastic_otel::ElasticOtel,
    &opensearch::OpenSearch,
    &azure::Azure,
    &py::Py,
    &otel_console::OtelConsole,
    &clickhouse::ClickHouse,
    &spans::Spans,
];

/// What can be read, for people to look up.
#[derive(Clone, Copy, Debug)]
pub struct FormatHelp {
    /// The name in reports and options.
    pub name: &'static str,
    /// What it is.
    pub about: &'static str,
    /// What to run to export it.
    pub export: &'static str,
}

/// All formats, as they are looked for.
pub fn formats() -> impl Iterator<Item = FormatHelp> {
    FORMATS.iter().map(|it| FormatHelp { name: it.name(), about: it.about(), export: it.how_to_export() })
}
/// The names of all formats.
pub fn format_names() -> impl Iterator<Item = &'static str> {
    FORMATS.iter().map(|it| it.name())
}

/// The format with this name: its index.
pub fn format_by_name(name: &str) -> Option<usize> {
    format_names().position(|it| it == name)
}

/// How sure a format is of a head of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sniff {
    /// Not this one.
    No,
    /// Nothing speaks against it.
    Maybe,
    /// Its keys are there.
    Yes,
    /// It is of this system, but cannot be read: what it is, and what to do instead.
    Refused { what: &'static str, hint: &'static str },
}

/// One way to write traces down.
pub(crate) trait Format: Sync {
    /// The name in reports and options.
    fn name(&self) -> &'static str;

    /// What it is, in a few words.
    fn about(&self) -> &'static str;

    /// What to run to export it.
    fn how_to_export(&self) -> &'static str;

    /// Judges the first bytes of a value.
    fn sniff(&self, head: &Head<'_>) -> Sniff;

    /// Where the elements stand.
    fn frame(&self) -> Frame;

    /// The key that shows an element to hold for all that follow it, up to the next such one.
    fn context_key(&self) -> Option<&'static str> {
        None
    }

    /// Whether its parsers parse the items of an array where they stand.
    fn parses_in_place(&self) -> bool {
        false
    }

    /// How a line begins that holds an envelope and nothing else, if its parsers parse such as one element.
    fn parses_lines(&self) -> Option<&'static [u8]> {
        None
    }

    /// One that parses elements, for one thread.
    fn parser(&self, wanted: &Arc<Wanted>) -> Box<dyn Parser>;

    /// The first keys of top-level objects that hold no elements and are no loss: headers between documents.
    fn headers(&self) -> &'static [&'static str] {
        &[]
    }

    /// Judges what stood around the elements: a server's error, signs of an incomplete answer.
    fn judge(&self, frames: &Frames) -> Judgement {
        let _ = frames;
        Judgement::default()
    }
}

/// Parses elements of one format.
pub(crate) trait Parser: Send {
    /// Begins with another chunk, whose elements an earlier element of their source holds for, if there was one.
    fn begin(&mut self, context: Option<&str>) {
        let _ = context;
    }

    /// Parses one element of a chunk, from its text.
    fn element(&mut self, text: &str, sink: &mut dyn Sink) -> Result<(), json::Fault>;

    /// Parses items of an array where they stand, as far as the text goes; it goes on from where the text before
    /// was left, unless it is the first. `None` if this format's parsers do not.
    fn items(&mut self, window: &Window<'_>, sink: &mut dyn Sink) -> Option<Ahead> {
        let _ = (window, sink);
        None
    }
}

/// How far items of an array were parsed.
#[derive(Debug)]
pub(crate) struct Ahead {
    /// Everything before this byte of the text is done with.
    pub(crate) at: usize,
    /// How many items ended.
    pub(crate) n_items: u64,
    pub(crate) end: AheadEnd,
}

/// Why parsing ended there.
#[derive(Debug)]
pub(crate) enum AheadEnd {
    /// The text ends where an item belongs.
    BeforeItem,
    /// More is needed. It may end inside of an item that began here, counted from the beginning of the text.
    Starved { begun: Option<isize> },
    /// The item that began here is larger than items may be.
    TooLarge { begun: isize },
    /// What stands here, where an item belongs, has to be cut out, or is none.
    Item,
    /// No comma stands behind an item: the array's bracket as a rule.
    Separator,
    /// Something is wrong, in the text.
    Fault(json::Fault),
}

/// Parses the elements of a chunk, up to the first fault; says where in the chunk that is.
pub(crate) fn parse(parser: &mut dyn Parser, chunk: &Chunk, sink: &mut dyn Sink) -> Result<(), json::Fault> {
    parser.begin(chunk.context.as_deref());
    for element in &chunk.elements {
        let bytes = &chunk.bytes[element.clone()];
        sink.begin(element.start);
        let fault = match simdutf8::basic::from_utf8(bytes) {
            Ok(text) => parser.element(text, sink).err(),
            Err(_) => fault_in(bytes),
        };
        if let Some(fault) = fault {
            return Err(json::Fault { at: element.start + fault.at, ..fault });
        }
    }
    Ok(())
}

/// Takes what a parser finds.
pub(crate) trait Sink {
    /// The next element begins at this byte of its chunk, or of the text it is parsed in.
    fn begin(&mut self, start: usize) {
        let _ = start;
    }

    /// A whole trace; the draft may be taken or left.
    fn trace(&mut self, draft: &mut Draft);

    /// Spans of a trace that may go on elsewhere.
    fn spans(&mut self, draft: &mut Draft);

    /// Spans of many traces that may go on elsewhere.
    fn batch(&mut self, batch: &Batch);

    /// The element says that there is more than it holds.
    fn incomplete(&mut self, why: &str);

    /// Something that makes no sense, at a byte of the element.
    fn skip(&mut self, reason: &'static str, at: usize);
}

/// What the frame around the elements says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Judgement {
    /// The server's own words that it failed.
    pub(crate) refusal: Option<String>,
    /// What a reader of the report should know.
    pub(crate) warnings: Vec<String>,
    /// Why there may be more traces than these.
    pub(crate) incomplete: Vec<String>,
}

/// What was left out, by reason, with the first place of each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Skips {
    by_reason: BTreeMap<String, (u64, (usize, Place))>,
}

impl Skips {
    /// Counts one more. Places must come in their order, so that only the first is worth working out.
    pub fn add(&mut self, reason: &str, source: usize, place: impl FnOnce() -> Place) {
        match self.by_reason.get_mut(reason) {
            Some((count, _)) => *count += 1,
            None => {
                self.by_reason.insert(reason.to_owned(), (1, (source, place())));
            }
        }
    }

    /// Counts so many more, of which the first stood here.
    pub fn add_many(&mut self, reason: &str, count: u64, source: usize, place: Place) {
        self.merge(&Skips { by_reason: BTreeMap::from([(reason.to_owned(), (count, (source, place)))]) });
    }

    /// Adds another count.
    pub fn merge(&mut self, other: &Skips) {
        for (reason, (count, at)) in &other.by_reason {
            let mine = self.by_reason.entry(reason.clone()).or_insert((0, *at));
            mine.0 += count;
            mine.1 = mine.1.min(*at);
        }
    }

    /// Reason, count and first place (of which source), by reason.
    pub fn iter(&self) -> impl Iterator<Item = (&str, u64, usize, Place)> {
        self.by_reason.iter().map(|(reason, (count, (source, place)))| (reason.as_str(), *count, *source, *place))
    }

    /// Whether nothing was left out.
    pub fn is_empty(&self) -> bool {
        self.by_reason.is_empty()
    }
}
