//! What failed, where failures start, and who keeps them from the request.
//!
//! A trace *contains an error* if any of its spans failed; it *failed* if its main root did. Where it
//! failed there is one root cause; where it did not, each erroring span under a fine one was absorbed.

mod report;
mod rows;
mod tables;
mod walk;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Pass, PassOptions};
use crate::model::normalize::Messages;
use crate::model::{Known, Name, Span, Trace, semantics};
use crate::stats::{Limited, Merge};
use report::ErrorsReport;
use rows::{Absorbed, Example, Pattern, RootCause, Service, ServiceExample, What};

/// Errors by service, by what they say, by where they start and by who absorbs them.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Errors {
    options: Options,
    n_traces: u64,
    n_failing: u64,
    /// Traces whose main root failed.
    n_failed: u64,
    /// Traces whose main root is fine, and a span that nobody in the trace called is not.
    n_detached: u64,
    services: BTreeMap<Name, Service>,
    patterns: BTreeMap<Place, Limited<What, Pattern>>,
    root_causes: BTreeMap<Place, Limited<Option<String>, RootCause>>,
    absorbed: BTreeMap<(Place, Place), Limited<Option<String>, Absorbed>>,
    #[serde(skip)]
    messages: Messages,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Options {
    examples: usize,
    verbose: bool,
    cut: Option<usize>,
    rows: usize,
}

/// A service and its operation.
type Place = (Name, Name);

#[derive(Debug, clap::Args)]
pub(super) struct ErrorsArgs {}

impl Pass for Errors {
    const NAME: &'static str = "errors";
    const ABOUT: &'static str = "What fails, where failures start and who absorbs them";
    const READS: &'static [&'static [Known]] = &[semantics::FAILURE_KEYS];
    type Args = ErrorsArgs;
    type Report = ErrorsReport;

    fn new(_: &ErrorsArgs, options: &PassOptions) -> Errors {
        Errors {
            options: Options {
                examples: options.examples,
                verbose: options.verbose,
                cut: options.cut(),
                rows: options.rows(),
            },
            n_traces: 0,
            n_failing: 0,
            n_failed: 0,
            n_detached: 0,
            services: BTreeMap::new(),
            patterns: BTreeMap::new(),
            root_causes: BTreeMap::new(),
            absorbed: BTreeMap::new(),
            messages: Messages::default(),
        }
    }

    fn observe(&mut self, trace: &Trace) {
        self.n_traces += 1;
        if !trace.contains_error() {
            return;
        }
        self.n_failing += 1;
        self.observe_spans(trace);
        if let Some(cause) = walk::root_cause(trace) {
            self.n_failed += 1;
            self.observe_root_cause(trace, cause);
        } else {
            self.n_detached += u64::from(trace.roots().iter().any(|it| trace.span(it.span).error));
            self.observe_absorbed(trace);
        }
    }

    fn merge(&mut self, other: Errors) {
        self.n_traces += other.n_traces;
        self.n_failing += other.n_failing;
        self.n_failed += other.n_failed;
        self.n_detached += other.n_detached;
        for (name, theirs) in other.services {
            self.service(name).merge(theirs);
        }
        for (place, theirs) in other.patterns {
            self.patterns.entry(place).or_default().merge(theirs);
        }
        for (place, theirs) in other.root_causes {
            self.root_causes.entry(place).or_default().merge(theirs);
        }
        for (places, theirs) in other.absorbed {
            self.absorbed.entry(places).or_default().merge(theirs);
        }
    }

    fn finish(self) -> ErrorsReport {
        ErrorsReport::of(self)
    }
}

impl Errors {
    fn observe_spans(&mut self, trace: &Trace) {
        let mut in_trace: BTreeMap<(Place, What), Pattern> = BTreeMap::new();
        for span in trace.spans().iter().filter(|it| it.error) {
            let failure = semantics::failure(trace, span);
            let what = What {
                message: failure.message.as_deref().map(|it| self.messages.normalized(it)),
                error_type: failure.error_type.map(|it| it.into_owned()),
                code: failure.code.map(|it| it.into_owned()),
            };
            self.service(span.service).add(ServiceExample {
                start_ns: span.start_ns,
                trace_id: trace.id.clone(),
                span_id: span.id.clone(),
                operation: span.operation,
                message: failure.message.map(|it| it.into_owned()),
            });
            let fresh = || Pattern::of_trace(self.options.examples);
            let pattern = in_trace.entry((place(span), what)).or_insert_with(fresh);
            pattern.add(Example {
                start_ns: span.start_ns,
                trace_id: trace.id.clone(),
                span_id: span.id.clone(),
                stack: failure.stack.filter(|_| self.options.verbose).map(str::to_owned),
            });
        }
        for ((place, what), pattern) in in_trace {
            self.patterns.entry(place).or_default().add(what, pattern);
        }
    }

    fn observe_root_cause(&mut self, trace: &Trace, cause: u32) {
        let failed_callers = walk::above(trace, cause).map(|it| trace.span(it).service).collect();
        let span = trace.span(cause);
        let message = self.message(trace, span);
        self.root_causes.entry(place(span)).or_default().add(message, RootCause { n_traces: 1, failed_callers });
    }

    fn observe_absorbed(&mut self, trace: &Trace) {
        let mut in_trace: BTreeMap<(Place, Place, Option<String>), u64> = BTreeMap::new();
        for (span, by) in walk::absorbed(trace) {
            let message = self.message(trace, span);
            *in_trace.entry((place(span), place(by), message)).or_default() += 1;
        }
        for ((place, by, message), n_errors) in in_trace {
            self.absorbed.entry((place, by)).or_default().add(message, Absorbed { n_errors, n_traces: 1 });
        }
    }

    fn service(&mut self, name: Name) -> &mut Service {
        let examples = self.options.examples;
        self.services.entry(name).or_insert_with(|| Service::new(examples))
    }

    fn message(&mut self, trace: &Trace, span: &Span) -> Option<String> {
        semantics::failure(trace, span).message.map(|it| self.messages.normalized(&it))
    }
}

fn place(span: &Span) -> Place {
    (span.service, span.operation)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Assembler, Key, ValueType, sketch};
    use crate::passes::laws;
    use crate::report::{Report, Section};

    fn report(options: &PassOptions, sketches: &[&str]) -> ErrorsReport {
        laws::observed(&Errors::new(&ErrorsArgs {}, options), sketches)
    }

    fn section(sketches: &[&str]) -> Section {
        report(&PassOptions::default(), sketches).section()
    }

    /// What is said of some traces: root causes, absorbed errors, patterns.
    fn check(sketches: &[&str], expected: &[&str]) {
        let report = report(&PassOptions::default(), sketches);
        let said = |it: &Option<String>| it.clone().unwrap_or("-".to_owned());
        let causes = report.root_causes.iter().map(|it| {
            let above = it.failed_callers.iter().map(|it| it.as_str()).collect::<Vec<_>>().join(",");
            let message = said(&it.error_message);
            format!("cause {} {}: {message} x{} {}% [{above}]", it.service, it.operation, it.traces, it.share_percent)
        });
        let absorbed = report.absorbed.iter().map(|it| {
            let (by, message) = (format!("{} {}", it.by_service, it.by_operation), said(&it.error_message));
            format!("absorbed {} {}: {message} by {by} x{} in {}", it.service, it.operation, it.count, it.traces)
        });
        let patterns = report.patterns.iter().map(|it| {
            let what = [&it.error_message, &it.error_type, &it.code].map(said).join(" ");
            format!("{} {}: {what} x{} in {} {}%", it.service, it.operation, it.count, it.traces, it.percentage)
        });
        assert_eq!(causes.chain(absorbed).chain(patterns).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_failed_request_has_a_cause_and_one_that_is_fine_absorbs() {
        check(
            &[
                "
                web GET / 0..100 ! http.response.status_code=504
                  web call 5..90 client ! http.response.status_code=504
                    api GET /r 10..80 ! error.message=timed_out exception.type=Timeout
                ",
                "
                web GET / 0..100
                  web call 5..90 client ! http.response.status_code=504
                    api GET /r 10..80 ! error.message=timed_out exception.type=Timeout
                ",
                "web GET / 0..100",
            ],
            &[
                "cause api GET /r: timed_out x1 100% [web]",
                "absorbed web call: HTTP 504 by web GET / x1 in 1",
                "api GET /r: timed_out Timeout - x2 in 2 100%",
                "web call: HTTP 504 504 504 x2 in 2 100%",
                "web GET /: HTTP 504 504 504 x1 in 1 50%",
            ],
        );
    }

    #[test]
    fn messages_that_differ_by_a_number_are_one_pattern() {
        check(
            &["web GET / 0..10 ! error.message=after:5ms", "web GET / 0..10 ! error.message=after:17ms"],
            &["cause web GET /: after:? x2 100% []", "web GET /: after:? - - x2 in 2 100%"],
        );
    }

    #[test]
    fn a_proxy_says_what_went_wrong_on_the_way() {
        let says = |more: &str| format!("web GET / 0..10 ! http.status_code=503 component=proxy {more}");
        check(
            &[&says("response_flags=UF,URX")],
            &[
                "cause web GET /: upstream connection failure (UF), upstream retry or connect limit exceeded (URX) x1 100% []",
                "web GET /: upstream connection failure (UF), upstream retry or connect limit exceeded (URX) 503 503 x1 in 1 100%",
            ],
        );
        check(
            &[&says("response_flags=-")],
            &["cause web GET /: HTTP 503 x1 100% []", "web GET /: HTTP 503 503 503 x1 in 1 100%"],
        );
        check(
            &[&says("response_flags=UH error.reason=no_route")],
            &["cause web GET /: no_route x1 100% []", "web GET /: no_route 503 503 x1 in 1 100%"],
        );
    }

    #[test]
    fn an_error_that_says_nothing_has_no_message() {
        check(&["web GET / 0..10 !"], &["cause web GET /: - x1 100% []", "web GET /: - - - x1 in 1 100%"]);
        let json = serde_json::to_value(report(&PassOptions::default(), &["web GET / 0..10 !"])).unwrap();
        assert_eq!(json["patterns"][0]["error_message"], serde_json::Value::Null);
    }

    #[test]
    fn a_pattern_counts_its_spans_and_its_traces() {
        check(
            &["web GET / 0..100\n  db SELECT 10..20 !\n  db SELECT 30..40 !", "web GET / 0..10\n  db UPDATE 1..2 !"],
            &[
                "absorbed db SELECT: - by web GET / x2 in 1",
                "absorbed db UPDATE: - by web GET / x1 in 1",
                "db SELECT: - - - x2 in 1 50%",
                "db UPDATE: - - - x1 in 1 50%",
            ],
        );
    }

    #[test]
    fn an_error_nobody_called_is_neither_cause_nor_absorbed() {
        let sketch = "web GET / 0..100\nweb other 0..50 !\napi lost 10..20 ! ?ff";
        check(&[sketch], &["api lost: - - - x1 in 1 100%", "web other: - - - x1 in 1 100%"]);
        let notes = section(&[sketch]).notes;
        assert_eq!(
            notes,
            [
                "1 of 1 traces contain an error (100 %); in 0 the request itself failed (0 %)",
                "In 1 trace a span whose caller is not in the capture failed",
            ]
        );
    }

    #[test]
    fn the_notes_answer_in_words() {
        let failed = "
            gateway POST /checkout 0..100 !
              gateway GET /users 5..20
              recommendation-service GET /r 30..80 ! error.message=model:timed:out:after:629ms
        ";
        let absorbed = "gateway POST /checkout 0..100\n  recommendation-service GET /r 30..80 ! error.message=gone";
        let section = section(&[failed, failed, absorbed, "gateway GET / 0..10"]);
        assert_eq!(
            section.notes,
            [
                "3 of 4 traces contain an error (75.0 %); in 2 the request itself failed (50.0 %)",
                "Failures start in recommendation-service GET /r: model:timed:out:after:? (2 of 2 failed requests), \
                 and pass through gateway",
                "gateway POST /checkout absorbs failures of recommendation-service GET /r: gone (once)",
            ]
        );
        let tables: Vec<_> = section.tables.iter().map(|it| (it.title.as_deref().unwrap(), it.total_rows)).collect();
        assert_eq!(tables, [("Root causes", 1), ("Absorbed by the caller", 1), ("Patterns", 3), ("By service", 2)]);
        assert!(section.tables.iter().all(|table| table.rows.iter().all(|it| it.len() == table.columns.len())));
    }

    #[test]
    fn without_errors_one_sentence_is_enough() {
        let fine = section(&["web GET / 0..10", "web GET / 0..20"]);
        assert_eq!((fine.notes, fine.tables.len()), (vec!["None of 2 traces contains an error.".to_owned()], 0));
        assert_eq!(section(&[]).notes, ["No traces."]);
    }

    #[test]
    fn the_lists_are_cut_only_when_that_was_typed() {
        let sketches: Vec<String> = (0..12).map(|it| format!("web op{it:02} 0..10 !")).collect();
        let sketches: Vec<&str> = sketches.iter().map(String::as_str).collect();
        let lengths = |top: Option<usize>| {
            let report = report(&PassOptions { top, ..PassOptions::default() }, &sketches);
            let rows = report.section().tables[0].rows.len();
            ([report.patterns.len(), report.patterns_total, report.root_causes.len(), report.root_causes_total], rows)
        };
        assert_eq!(lengths(None), ([12; 4], 10));
        assert_eq!(lengths(Some(3)), ([3, 12, 3, 12], 3));
        assert_eq!(lengths(Some(0)), ([12; 4], 12));
    }

    /// One span that failed with an exception in an event.
    fn exception() -> Trace {
        let mut draft = sketch::draft("web GET / 0..10 !");
        let start = draft.attribute_mark();
        let message = [(Known::ExceptionMessage, "user 17 is gone"), (Known::ExceptionStacktrace, "gone\n\tat main")];
        for (key, value) in message {
            draft.push_attribute(Key::Known(key), value, ValueType::Text);
        }
        let attributes = crate::model::Run { start, end: draft.attribute_mark() };
        draft.events.push(crate::model::Event { at_ns: None, attributes });
        draft.spans[0].events = crate::model::Run { start: 0, end: 1 };
        Assembler::default().assemble(draft)
    }

    #[test]
    fn examples_have_the_message_as_written_and_the_stack_when_asked_for() {
        let json = |verbose| {
            let mut pass = Errors::new(&ErrorsArgs {}, &PassOptions { verbose, ..PassOptions::default() });
            pass.observe(&exception());
            let report = pass.finish();
            (serde_json::to_string(&report).unwrap(), report.section().notes)
        };
        let (with, notes) = json(true);
        assert_eq!(
            with,
            concat!(
                r#"{"error_rate":100.0,"total_traces":1,"failing_traces":1,"#,
                r#""patterns_total":1,"root_causes_total":1,"absorbed_total":0,"#,
                r#""errors_by_service":{"web":{"count":1,"examples":[{"trace_id":"7ace","span_id":"0000000000000001","#,
                r#""operation":"GET /","error_message":"user 17 is gone","timestamp":"2026-11-01T10:00:00.000000Z"}]}},"#,
                r#""patterns":[{"service":"web","operation":"GET /","error_message":"user ? is gone","error_type":null,"#,
                r#""code":null,"count":1,"percentage":100.0,"traces":1,"first_seen":"2026-11-01T10:00:00.000000Z","#,
                r#""last_seen":"2026-11-01T10:00:00.000000Z","#,
                r#""examples":[{"trace_id":"7ace","span_id":"0000000000000001","stack":"gone\n\tat main"}]}],"#,
                r#""root_causes":[{"service":"web","operation":"GET /","error_message":"user ? is gone","traces":1,"#,
                r#""share_percent":100.0,"failed_callers":[]}],"absorbed":[]}"#,
            )
        );
        assert_eq!(
            notes[2..],
            ["Stack trace of web GET / (trace 7ace, span 0000000000000001):", "gone", "    at main"]
        );
        let (without, notes) = json(false);
        assert_eq!(without, with.replace(r#","stack":"gone\n\tat main""#, ""));
        assert_eq!(notes.len(), 2);
    }

    #[test]
    fn the_earliest_are_the_examples() {
        let options = PassOptions { examples: 2, ..PassOptions::default() };
        let report = report(&options, &["a x 30..40 !", "a x 20..40 !", "a x 10..40 !", "a x 20..30 !"]);
        let ids =
            |it: Vec<&crate::model::Id>| it.into_iter().map(|it| it.to_string().pop().unwrap()).collect::<String>();
        assert_eq!(ids(report.patterns[0].examples.iter().map(|it| &it.trace_id).collect()), "32");
        let service = report.errors_by_service.values().next().unwrap();
        assert_eq!(ids(service.examples.iter().map(|it| &it.trace_id).collect()), "32");
    }

    #[test]
    fn the_three_laws_hold() {
        laws::check::<Errors>(
            &ErrorsArgs {},
            &[
                "web GET / 0..100 !\n  api call 5..90 ! error.message=after:5ms\n  db SELECT 5..80 !",
                "web GET / 0..100\n  api call 5..90 ! error.message=after:7ms\n    db SELECT 6..80 !",
                "app GET / 0..100 !\n  api call 5..90 ! error.message=after:9ms",
                "web GET / 0..100\nweb GET / 50..60 !\n  api call 5..90 ! ?ff",
                "web GET / 0..100",
            ],
        );
    }
}
