//! A span of version 1: annotations say what happened when and where, and a kind, both endpoints and the
//! times follow from them. One span may tell of both sides of a call; each becomes a span of its own.

use std::borrow::Cow;

use super::endpoint::Endpoint;
use super::{Element, Report, ZipkinParser, event};
use crate::input::json::{Node, Value};
use crate::model::{Id, Kind, Known};

/// One side of a call, as version 2 would have it.
#[derive(Default)]
struct Half<'n> {
    local: Endpoint<'n>,
    remote: Endpoint<'n>,
    kind: Option<Kind>,
    /// Microseconds, as all times here.
    start: Option<i64>,
    duration: Option<i64>,
    shared: bool,
    annotations: Vec<(Option<i64>, &'n str)>,
    tags: Vec<(&'n str, &'n Node<'n>)>,
}

/// A moment at an endpoint.
#[derive(Clone)]
struct Moment<'n> {
    at: Option<i64>,
    word: &'n str,
    endpoint: Endpoint<'n>,
}

/// The words that make a kind: client and server send and receive, a message's, and the wire's.
#[derive(Default)]
struct Core<'n> {
    cs: Option<Moment<'n>>,
    cr: Option<Moment<'n>>,
    sr: Option<Moment<'n>>,
    ss: Option<Moment<'n>>,
    ms: Option<Moment<'n>>,
    mr: Option<Moment<'n>>,
    ws: Option<Moment<'n>>,
    wr: Option<Moment<'n>>,
}

/// A span on its way from version 1.
struct Conversion<'n> {
    halves: Vec<Half<'n>>,
    core: Core<'n>,
    /// The span's own times.
    start: Option<i64>,
    duration: Option<i64>,
}

/// Adds what a span tells to the batch, or says why it makes no sense.
pub(super) fn push(parser: &mut ZipkinParser, element: &mut Element<'_>, span: &Node<'_>) -> Result<(), &'static str> {
    let id_of = |key: &str| span.get(key).scalar().and_then(Id::parse);
    let id = id_of("id").filter(|it| !it.is_zero()).ok_or("a span without an id")?;
    let trace = span.get("traceId").scalar().ok_or("a span without a trace id")?;
    let trace = element.trace_id(Cow::Owned(trace.to_owned())).ok_or("a span without a trace id")?;
    let time = |key: &str, no_number| match micros_of(span.get(key)) {
        Ok(it) => Ok(it),
        Err(why) => Err(why.reason(no_number)),
    };
    let mut conversion = Conversion {
        halves: vec![Half::default()],
        core: Core::default(),
        start: time("timestamp", "a span whose start is not a number")?,
        duration: time("duration", "a span whose duration is not a number")?,
    };
    conversion.annotations(span.get("annotations"));
    conversion.binary_annotations(span.get("binaryAnnotations"));
    conversion.times();
    for half in &conversion.halves {
        let attributes = parser.batch.mark_attributes();
        for (key, value) in &half.tags {
            parser.batch.attribute(key, value);
        }
        let has_tag = |key: &str| half.tags.iter().any(|it| it.0 == key);
        parser.remote(&half.remote, has_tag(Known::PeerService.as_str()));
        let attributes = parser.batch.attributes_since(attributes);
        let endpoint = &half.local;
        // Told apart from version 2's, which begin with a bracket.
        let words = format!("1{:?}{:?}{:?}", endpoint.service, endpoint.ip, endpoint.port);
        let key = (Cow::Owned(words), Cow::Borrowed(""));
        let process = element.known_process(&key.0, &key.1).unwrap_or_else(|| parser.process(element, key, endpoint));
        let events = parser.batch.mark_events();
        for (at, value) in &half.annotations {
            event::add(&mut parser.batch, at.and_then(|it| it.checked_mul(1000)), value);
        }
        let ns = |us: Option<i64>| us.filter(|it| *it > 0).map(|it| it.checked_mul(1000).ok_or(FAR)).transpose();
        let report = Report {
            trace: trace.clone(),
            id: id.clone(),
            parent: id_of("parentId"),
            operation: span.get("name").scalar().unwrap_or(""),
            process,
            kind: half.kind,
            start_ns: ns(half.start)?,
            duration_ns: ns(half.duration)?,
            shared: half.shared,
            failed: has_tag("error"),
            attributes,
            events: parser.batch.events_since(events),
        };
        parser.push(report)?;
    }
    Ok(())
}

const FAR: &str = "a span whose times do not fit";

/// Microseconds above zero.
fn micros_of(node: &Node<'_>) -> Result<Option<i64>, super::NoTime> {
    let value = match node {
        Node::Null => return Ok(None),
        Node::Number(text) => Value::Number(text),
        Node::Text(text) => Value::String(Cow::Borrowed(text)),
        Node::Bool(it) => Value::Bool(*it),
        Node::List(_) | Node::Object(_) => Value::Container(""),
    };
    super::micros(&value).map(|ns| ns.map(|it| it / 1000))
}

/// The time from one moment to another, where both are known.
fn between(begin: &Moment<'_>, end: &Moment<'_>) -> Option<i64> {
    end.at?.checked_sub(begin.at?)
}

impl<'n> Conversion<'n> {
    /// The half at an endpoint: the first that is of its service, or of none yet. No endpoint is the first half's.
    fn half_at(&mut self, endpoint: &Endpoint<'n>) -> &mut Half<'n> {
        if endpoint.is_empty() {
            return &mut self.halves[0];
        }
        let fits = |it: &Half<'_>| it.local.is_empty() || it.local.service == endpoint.service;
        match self.halves.iter().position(fits) {
            Some(idx) => {
                let half = &mut self.halves[idx];
                if half.local.is_empty() {
                    half.local = endpoint.clone();
                }
                half
            }
            None => self.new_half(endpoint),
        }
    }

    fn new_half(&mut self, endpoint: &Endpoint<'n>) -> &mut Half<'n> {
        self.halves.push(Half { local: endpoint.clone(), ..Half::default() });
        self.halves.last_mut().expect("one was added")
    }

    fn annotations(&mut self, annotations: &'n Node<'n>) {
        for annotation in annotations.items() {
            let Some(word) = annotation.get("value").filled() else { continue };
            let at = micros_of(annotation.get("timestamp")).unwrap_or(None);
            let moment = Moment { at, word, endpoint: Endpoint::of_node(annotation.get("endpoint")) };
            let (slot, kind) = match word {
                _ if moment.endpoint.is_empty() => (None, None),
                "cs" => (Some(&mut self.core.cs), Some(Kind::Client)),
                "cr" => (Some(&mut self.core.cr), Some(Kind::Client)),
                "sr" => (Some(&mut self.core.sr), Some(Kind::Server)),
                "ss" => (Some(&mut self.core.ss), Some(Kind::Server)),
                "ms" => (Some(&mut self.core.ms), Some(Kind::Producer)),
                "mr" => (Some(&mut self.core.mr), Some(Kind::Consumer)),
                "ws" => (Some(&mut self.core.ws), None),
                "wr" => (Some(&mut self.core.wr), None),
                _ => (None, None),
            };
            let is_core = slot.is_some();
            if let Some(slot) = slot {
                *slot = Some(moment.clone());
            }
            let half = self.half_at(&moment.endpoint);
            half.kind = kind.or(half.kind);
            if !is_core {
                half.annotations.push((at, word));
            }
        }
    }

    /// Tags, and the addresses among them: `ca`, `sa` and `ma` with a value of true.
    fn binary_annotations(&mut self, binary_annotations: &'n Node<'n>) {
        let (mut ca, mut sa, mut ma) = (None, None, None);
        for binary in binary_annotations.items() {
            let Some(key) = binary.get("key").filled() else { continue };
            let value = binary.get("value");
            let endpoint = Endpoint::of_node(binary.get("endpoint"));
            // Old Ruby clients wrote "1".
            let is_address = matches!(value, Node::Bool(true)) || value.as_str() == Some("1");
            match key {
                "ca" if is_address => ca = Some(endpoint),
                "sa" if is_address => sa = Some(endpoint),
                "ma" if is_address => ma = Some(endpoint),
                _ => {
                    let half = self.half_at(&endpoint);
                    // An empty local component only says where the span was.
                    if (key != "lc" || value.scalar().is_some()) && !value.is_null() {
                        half.tags.push((key, value));
                    }
                }
            }
        }
        self.addresses(ca, sa, ma);
    }

    /// Gives each half the other side's address.
    fn addresses(&mut self, ca: Option<Endpoint<'n>>, sa: Option<Endpoint<'n>>, ma: Option<Endpoint<'n>>) {
        let at = |moment: &Option<Moment<'n>>| moment.as_ref().map(|it| it.endpoint.clone());
        let Core { cs, cr, sr, ss, ms, mr, .. } = &self.core;
        let client = at(cs).or_else(|| at(cr));
        let server = at(sr).or_else(|| at(ss));
        let (sender, handler) = (at(ms), at(mr));
        if client.is_none() && server.is_none() && (ca.is_some() || sa.is_some()) {
            match (ca, sa) {
                (Some(ca), Some(sa)) => self.half_at(&ca).remote = sa,
                (None, Some(sa)) => self.halves[0].remote = sa,
                (ca, None) => {
                    self.halves[0].kind = Some(Kind::Server);
                    self.halves[0].remote = ca.unwrap_or_default();
                }
            }
            return;
        }
        if let (Some(mut ca), Some(server)) = (ca, server)
            && ca != server
        {
            // Finagle gives the caller the name of the called.
            ca.service = ca.service.filter(|it| Some(it) != server.service.as_ref());
            self.half_at(&server).remote = ca;
        }
        if let (Some(sa), Some(client)) = (sa, client) {
            self.half_at(&client).remote = sa;
        }
        for side in [sender, handler].into_iter().flatten() {
            if let Some(ma) = &ma {
                self.half_at(&side).remote = ma.clone();
            }
        }
    }

    /// Works out when each half began and how long it took.
    fn times(&mut self) {
        self.imply_starts();
        let (cs, cr) = (self.core.cs.clone(), self.core.cr.clone());
        let (sr, ss) = (self.core.sr.clone(), self.core.ss.clone());
        match (&cs, &sr) {
            (Some(cs), Some(sr)) => self.both_sides(cs, cr.as_ref(), sr, ss.as_ref()),
            (Some(cs), None) if cr.is_some() => self.one_side(cs, cr.as_ref()),
            (None, Some(sr)) if ss.is_some() => self.one_side(sr, ss.as_ref()),
            _ => self.incomplete(),
        }
        // A server does not own the times of an id it shares.
        if let (None, Some(sr)) = (&cs, &sr)
            && (self.start.is_none() || (ss.is_some() && self.duration.is_none()))
        {
            self.half_at(&sr.endpoint).shared = true;
        }
        self.messages();
    }

    /// Where only an end was reported, and it is the span's: its start is the side's.
    fn imply_starts(&mut self) {
        let (Some(start), Some(duration)) = (self.start, self.duration) else { return };
        let implied = |end: &Option<Moment<'n>>| {
            end.as_ref()
                .filter(|it| it.at == start.checked_add(duration))
                .map(|it| Moment { at: Some(start), ..it.clone() })
        };
        let Core { cs, cr, sr, ss, .. } = &mut self.core;
        *cs = cs.take().or_else(|| implied(cr));
        *sr = sr.take().or_else(|| implied(ss));
    }

    /// Client and server in one: the client owns the span's times.
    fn both_sides(&mut self, cs: &Moment<'n>, cr: Option<&Moment<'n>>, sr: &Moment<'n>, ss: Option<&Moment<'n>>) {
        self.one_side(cs, cr);
        let is_loopback = cs.endpoint.service == sr.endpoint.service;
        let client = self.half_at(&cs.endpoint);
        if is_loopback {
            client.kind = Some(Kind::Client);
        }
        let server = if is_loopback { self.new_half(&sr.endpoint) } else { self.half_at(&sr.endpoint) };
        server.kind = Some(Kind::Server);
        server.shared = true;
        server.start = sr.at;
        server.duration = ss.and_then(|ss| between(sr, ss));
        if cr.is_none() && self.duration.is_none() {
            self.half_at(&cs.endpoint).duration = None;
        }
    }

    /// The times of the half a moment is of: the span's own, or else from this moment to the other.
    fn one_side(&mut self, begin: &Moment<'n>, end: Option<&Moment<'n>>) {
        let (start, duration) = (self.start, self.duration);
        let half = self.half_at(&begin.endpoint);
        (half.start, half.duration) = if start.is_some() && duration.is_some() {
            (start, duration)
        } else {
            (begin.at, end.and_then(|end| between(begin, end)))
        };
    }

    /// No side of a call is whole: its start is a start, a lone end stays a word.
    fn incomplete(&mut self) {
        let Core { cs, cr, sr, ss, .. } = &self.core;
        for half in &mut self.halves {
            let (begin, end) = match half.kind {
                Some(Kind::Client) => (cs, cr),
                Some(Kind::Server) => (sr, ss),
                _ => continue,
            };
            half.start = begin.as_ref().and_then(|it| it.at).or(half.start);
            half.annotations.extend(end.as_ref().map(|it| (it.at, it.word)));
        }
        if self.start.is_some() {
            (self.halves[0].start, self.halves[0].duration) = (self.start, self.duration);
        }
    }

    /// A message: sent until it is on the wire, and handled from when it came off it.
    fn messages(&mut self) {
        let Core { ms, mr, ws, wr, .. } = &self.core;
        let (ms, mr, ws, wr) = (ms.clone(), mr.clone(), ws.clone(), wr.clone());
        match (&ms, &mr) {
            (Some(ms), Some(mr)) => {
                let is_loopback = ms.endpoint.service == mr.endpoint.service;
                let producer = self.half_at(&ms.endpoint);
                producer.kind = Some(Kind::Producer);
                producer.start = ms.at;
                producer.duration = ws.as_ref().and_then(|ws| between(ms, ws));
                let consumer = if is_loopback { self.new_half(&mr.endpoint) } else { self.half_at(&mr.endpoint) };
                consumer.kind = Some(Kind::Consumer);
                consumer.shared = true;
                consumer.start = wr.as_ref().map_or(mr.at, |wr| wr.at);
                consumer.duration = wr.as_ref().and_then(|wr| between(wr, mr));
            }
            (Some(ms), None) => self.one_side(ms, ws.as_ref()),
            (None, Some(mr)) => match &wr {
                Some(wr) => self.one_side(wr, Some(mr)),
                None => self.one_side(mr, None),
            },
            (None, None) => {
                for wire in [ws, wr].into_iter().flatten() {
                    self.half_at(&wire.endpoint).annotations.push((wire.at, wire.word));
                }
            }
        }
    }
}
