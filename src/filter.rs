//! Which traces are kept: always whole ones.

use crate::model::{Attribute, Id, Kind, Name, Span, Trace, is_plausible, semantics};

/// What a trace must meet, in the order in which it is reported.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Any of these services.
    pub services: Vec<String>,
    /// Any of these operations.
    pub operations: Vec<String>,
    /// All of these conditions on attributes.
    pub tags: Vec<TagFilter>,
    /// Any of these traces.
    pub trace_ids: Vec<Id>,
    /// Any of these roots.
    pub roots: Vec<(String, Option<String>)>,
    /// Trace duration, inclusive.
    pub min_duration_ns: Option<Bound>,
    /// Trace duration, inclusive.
    pub max_duration_ns: Option<Bound>,
    /// Trace duration, inclusive: the old spelling of the minimum.
    pub latency_threshold_ns: Option<Bound>,
    /// Only traces that contain an error.
    pub errors_only: bool,
    /// When the trace starts.
    pub time_range: Option<(TimeRange, String)>,
}

/// A bound and how it was typed.
#[derive(Clone, Debug)]
pub struct Bound {
    /// Nanoseconds.
    pub ns: i64,
    /// As typed.
    pub typed: String,
}

/// Half-open: from a start up to an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeRange {
    /// Inclusive.
    pub from_ns: i64,
    /// Exclusive.
    pub until_ns: i64,
}

/// A condition on attributes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TagFilter {
    /// The key.
    pub key: Name,
    /// What of it.
    pub test: TagTest,
}

/// What a tag filter asks of its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TagTest {
    /// The span has the key.
    Present,
    /// The span has the key with this value.
    Is(String),
    /// No span of the trace has the key with this value.
    IsNot(String),
}

/// One step of a filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Service,
    Operation,
    Tag,
    TraceId,
    Root,
    MinDuration,
    MaxDuration,
    LatencyThreshold,
    ErrorsOnly,
    TimeRange,
}

const STEPS: [Step; 10] = [
    Step::Service,
    Step::Operation,
    Step::Tag,
    Step::TraceId,
    Step::Root,
    Step::MinDuration,
    Step::MaxDuration,
    Step::LatencyThreshold,
    Step::ErrorsOnly,
    Step::TimeRange,
];

impl Filter {
    /// The filters that were asked for, as they were typed.
    pub fn names(&self) -> Vec<String> {
        self.steps().map(|it| self.name(it)).collect()
    }

    /// Counts a trace at each filter it passes; says whether it passes all.
    pub fn keeps(&self, trace: &Trace, kept: &mut [u64]) -> bool {
        for (nth, step) in self.steps().enumerate() {
            if !self.meets(trace, step) {
                return false;
            }
            kept[nth] += 1;
        }
        true
    }

    fn steps(&self) -> impl Iterator<Item = Step> + '_ {
        STEPS.into_iter().filter(|it| match it {
            Step::Service => !self.services.is_empty(),
            Step::Operation => !self.operations.is_empty(),
            Step::Tag => !self.tags.is_empty(),
            Step::TraceId => !self.trace_ids.is_empty(),
            Step::Root => !self.roots.is_empty(),
            Step::MinDuration => self.min_duration_ns.is_some(),
            Step::MaxDuration => self.max_duration_ns.is_some(),
            Step::LatencyThreshold => self.latency_threshold_ns.is_some(),
            Step::ErrorsOnly => self.errors_only,
            Step::TimeRange => self.time_range.is_some(),
        })
    }

    fn name(&self, step: Step) -> String {
        let each = |flag: &str, values: &[String]| {
            values.iter().map(|it| format!("{flag} {}", quoted(it))).collect::<Vec<_>>().join(" ")
        };
        let bound = |flag: &str, bound: &Option<Bound>| {
            bound.as_ref().map_or(String::new(), |it| format!("{flag} {}", it.typed))
        };
        match step {
            Step::Service => each("--service", &self.services),
            Step::Operation => each("--operation", &self.operations),
            Step::Tag => each("--tag", &self.tags.iter().map(TagFilter::typed).collect::<Vec<_>>()),
            Step::TraceId => each("--trace-id", &self.trace_ids.iter().map(Id::to_string).collect::<Vec<_>>()),
            Step::Root => {
                let typed = self.roots.iter().map(|(service, operation)| match operation {
                    Some(operation) => format!("{}:{operation}", service.replace(':', "\\:")),
                    None => service.replace(':', "\\:"),
                });
                each("--root", &typed.collect::<Vec<_>>())
            }
            Step::MinDuration => bound("--min-duration", &self.min_duration_ns),
            Step::MaxDuration => bound("--max-duration", &self.max_duration_ns),
            Step::LatencyThreshold => bound("--latency-threshold", &self.latency_threshold_ns),
            Step::ErrorsOnly => "--errors-only".to_owned(),
            Step::TimeRange => {
                self.time_range.as_ref().map_or(String::new(), |(_, it)| format!("--time-range {}", quoted(it)))
            }
        }
    }

    fn meets(&self, trace: &Trace, step: Step) -> bool {
        match step {
            // One and the same span has to meet these; each is counted together with those before it.
            Step::Service | Step::Operation => trace.spans().iter().any(|it| self.span_meets(trace, it, step)),
            Step::Tag => {
                trace.spans().iter().any(|it| self.span_meets(trace, it, step))
                    && self.tags.iter().all(|tag| match &tag.test {
                        TagTest::IsNot(value) => !trace.spans().iter().any(|it| tag.is_on(trace, it, Some(value))),
                        _ => true,
                    })
            }
            Step::TraceId => self.trace_ids.contains(&trace.id),
            Step::Root => trace.roots().iter().any(|it| {
                let root = trace.span(it.span);
                self.roots.iter().any(|(service, operation)| {
                    root.service.as_str() == service
                        && operation.as_ref().is_none_or(|it| root.operation.as_str() == it)
                })
            }),
            Step::MinDuration => {
                self.min_duration_ns.as_ref().is_none_or(|it| trace.known_duration_ns() >= Some(it.ns))
            }
            Step::LatencyThreshold => {
                self.latency_threshold_ns.as_ref().is_none_or(|it| trace.known_duration_ns() >= Some(it.ns))
            }
            Step::MaxDuration => {
                self.max_duration_ns.as_ref().is_none_or(|it| trace.known_duration_ns().is_some_and(|ns| ns <= it.ns))
            }
            Step::ErrorsOnly => trace.contains_error(),
            Step::TimeRange => self.time_range.as_ref().is_none_or(|(range, _)| {
                is_plausible(trace.start_ns()) && (range.from_ns..range.until_ns).contains(&trace.start_ns())
            }),
        }
    }

    fn span_meets(&self, trace: &Trace, span: &Span, upto: Step) -> bool {
        let any = |values: &[String], name: Name| values.is_empty() || values.iter().any(|it| it == name.as_str());
        if !any(&self.services, span.service) {
            return false;
        }
        if upto == Step::Service {
            return true;
        }
        if !any(&self.operations, span.operation) {
            return false;
        }
        upto == Step::Operation
            || self.tags.iter().all(|tag| match &tag.test {
                TagTest::Present => tag.is_on(trace, span, None),
                TagTest::Is(value) => tag.is_on(trace, span, Some(value)),
                TagTest::IsNot(_) => true,
            })
    }
}

impl TagFilter {
    /// Reads `key=value`, `key!=value` or `key`.
    pub fn parse(text: &str) -> Option<TagFilter> {
        let (key, test) = match text.split_once('=') {
            None => (text, TagTest::Present),
            Some((key, value)) => match key.strip_suffix('!') {
                Some(key) => (key, TagTest::IsNot(value.to_owned())),
                None => (key, TagTest::Is(value.to_owned())),
            },
        };
        (!key.is_empty()).then(|| TagFilter { key: Name::new(key), test })
    }

    fn typed(&self) -> String {
        match &self.test {
            TagTest::Present => self.key.to_string(),
            TagTest::Is(value) => format!("{}={value}", self.key),
            TagTest::IsNot(value) => format!("{}!={value}", self.key),
        }
    }

    /// Whether a span or its process has the key, with the value if one is given. What failed has `error=true`,
    /// whatever its format calls that.
    fn is_on(&self, trace: &Trace, span: &Span, value: Option<&str>) -> bool {
        let hit = |it: &Attribute| it.key.as_str() == self.key.as_str() && semantics::has_value(trace, it, value);
        trace.attributes(span).iter().any(hit)
            || trace.process_attributes(span).iter().any(hit)
            || (self.key.as_str() == "span.kind"
                && span.kind.is_some_and(|it| value.is_none_or(|value| Kind::from_text(value) == Some(it))))
            || (self.key.as_str() == "error" && span.error && value.is_none_or(|it| it == "true"))
    }
}

/// A word as a shell takes it: in quotes if it would be taken apart.
pub(crate) fn quoted(text: &str) -> String {
    let plain = |it: char| it.is_alphanumeric() || "-_./:=@,+%".contains(it);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}
