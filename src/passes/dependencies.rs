//! Who calls whom, how often, how long and how well; and who is hit when one fails.
//!
//! A call is a span whose parent is of another service, counted once for each such span as Jaeger
//! does; its latency and its failure are those of the called span. What is not instrumented shows as
//! the peer of a leaf CLIENT or PRODUCER span, or as the broker of a CONSUMER without a parent.
//! Proxies on the way of a call are no services (see `mesh`); Zipkin's traces have rules of their own (see `zipkin`).

mod graph;
mod join;
mod mesh;
mod report;
mod tables;
mod zipkin;

use std::collections::HashMap;

use foldhash::fast::FixedState;
use serde::{Deserialize, Serialize};

use super::by_operation::ByOperation;
use super::{Pass, PassOptions, sorted};
use crate::model::semantics::{self, PeerType};
use crate::model::{Kind, Known, LinkRules, Name, NameCache, Span, Trace, proxy};
use crate::stats::Distribution;
use mesh::{End, Hop};
use report::DependenciesReport;
use zipkin::Link;

/// The calls between services, and what they are made of.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Dependencies {
    options: Options,
    /// Their operations stand apart, to be found faster.
    services: ByOperation<Name, Service>,
    /// How many spans there are of each service and operation.
    operations: ByOperation<(Name, Name), u64>,
    calls: ByOperation<Call, Traffic>,
    /// Calls to what reported no span itself. Kept apart until all services are known: a peer with
    /// the name of a service is that service.
    peers: ByOperation<(Call, PeerType), Traffic>,
    /// Messages that came from a broker, their producers not being in the trace.
    #[serde(with = "sorted")]
    brokers: HashMap<Call, Traffic, FixedState>,
    /// Calls with a proxy in the place of a service. Kept apart until all services are known: what a proxy
    /// stands for depends on them.
    #[serde(with = "sorted")]
    hops: HashMap<Hop, Traffic, FixedState>,
    /// Services that are known from their proxies.
    #[serde(with = "sorted")]
    stood_for: HashMap<End, Service, FixedState>,
    /// Calls of Zipkin's traces, all of them.
    #[serde(with = "sorted")]
    links: HashMap<Link, Traffic, FixedState>,
    #[serde(skip)]
    names: NameCache,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Options {
    rows: usize,
    /// Sorted, each once.
    blast_radius: Vec<Name>,
}

/// One direction between two services.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
struct Call {
    from: Name,
    to: Name,
    /// Nobody waits for it.
    is_async: bool,
}

/// Spans, as much of them as adds up.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Traffic {
    n_spans: u64,
    n_errors: u64,
    /// Of those whose duration is known.
    durations: Distribution,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Service {
    spans: Traffic,
    /// Spans that somebody else called, or nobody in the trace.
    n_entries: u64,
    #[serde(with = "sorted")]
    operations: HashMap<Name, u64, FixedState>,
}

#[derive(Debug, clap::Args)]
pub(super) struct DependenciesArgs {
    /// List who depends on SERVICE, directly or through others (repeatable)
    ///
    /// Every call counts, messages and inferred calls too.
    #[arg(long, value_name = "SERVICE", help_heading = "Analysis")]
    blast_radius: Vec<String>,
}

impl Pass for Dependencies {
    const NAME: &'static str = "dependencies";
    const ABOUT: &'static str = "Which services call which, how often and how well";
    const READS: &'static [&'static [Known]] = &[semantics::PEER_KEYS, proxy::KEYS, zipkin::KEYS];
    type Args = DependenciesArgs;
    type Report = DependenciesReport;

    fn new(args: &DependenciesArgs, options: &PassOptions) -> Dependencies {
        let mut blast_radius: Vec<Name> = args.blast_radius.iter().map(|it| Name::new(it)).collect();
        blast_radius.sort_unstable();
        blast_radius.dedup();
        Dependencies {
            options: Options { rows: options.rows(), blast_radius },
            services: ByOperation::default(),
            operations: ByOperation::default(),
            calls: ByOperation::default(),
            peers: ByOperation::default(),
            brokers: HashMap::default(),
            hops: HashMap::default(),
            stood_for: HashMap::default(),
            links: HashMap::default(),
            names: NameCache::default(),
        }
    }

    fn observe(&mut self, trace: &Trace) {
        if proxy::any(trace) {
            return self.observe_mesh(trace);
        }
        let is_zipkin = trace.link_rules() == LinkRules::Zipkin;
        for (idx, span) in trace.spans().iter().enumerate() {
            let caller = span.parent.map(|it| trace.span(it).service);
            self.count_span(span, caller != Some(span.service));
            if is_zipkin {
                continue;
            }
            match caller {
                Some(from) if from != span.service => {
                    let call = Call { from, to: span.service, is_async: !span.blocking };
                    let place = self.calls.place(span, call, Traffic::default);
                    self.calls.at(place).add(span);
                }
                None if span.kind == Some(Kind::Consumer) => self.observe_broker(trace, span),
                _ => {}
            }
            self.observe_leaf(trace, idx as u32);
        }
        if is_zipkin {
            self.observe_links(trace);
        }
    }

    fn merge(&mut self, other: Dependencies) {
        self.services.merge(other.services, Service::default, Adds::merge);
        self.operations.merge(other.operations, || 0, |mine, theirs| *mine += theirs);
        self.calls.merge(other.calls, Traffic::default, Adds::merge);
        self.peers.merge(other.peers, Traffic::default, Adds::merge);
        merge(&mut self.brokers, other.brokers);
        merge(&mut self.hops, other.hops);
        merge(&mut self.stood_for, other.stood_for);
        merge(&mut self.links, other.links);
    }

    fn finish(self) -> DependenciesReport {
        DependenciesReport::of(self)
    }
}

impl Dependencies {
    /// Counts a span of a service.
    #[inline]
    fn count_span(&mut self, span: &Span, is_entry: bool) {
        let place = self.services.place(span, span.service, Service::default);
        self.services.at(place).add(span, is_entry);
        let place = self.operations.place(span, (span.service, span.operation), || 0);
        *self.operations.at(place) += 1;
    }

    /// A call to what reports nothing, if this span is one.
    fn observe_leaf(&mut self, trace: &Trace, idx: u32) {
        let span = trace.span(idx);
        if matches!(span.kind, Some(Kind::Client | Kind::Producer)) && trace.children(idx).is_empty() {
            self.observe_peer(trace, span);
        }
    }

    fn observe_peer(&mut self, trace: &Trace, span: &Span) {
        let Some((peer, peer_type)) = semantics::peer(trace, span) else {
            return;
        };
        let is_async = span.kind == Some(Kind::Producer);
        let call = Call { from: span.service, to: self.names.get(peer), is_async };
        let place = self.peers.place(span, (call, peer_type), Traffic::default);
        self.peers.at(place).add(span);
    }

    fn observe_broker(&mut self, trace: &Trace, span: &Span) {
        let Some(broker) = semantics::broker(trace, span) else {
            return;
        };
        let call = Call { from: self.names.get(broker), to: span.service, is_async: true };
        self.brokers.entry(call).or_default().add(span);
    }
}

impl Traffic {
    #[inline]
    fn add(&mut self, span: &Span) {
        self.add_call(span.error, span.duration_ns);
    }

    #[inline]
    fn add_call(&mut self, failed: bool, duration_ns: Option<i64>) {
        self.n_spans += 1;
        self.n_errors += u64::from(failed);
        if let Some(duration_ns) = duration_ns {
            self.durations.record(duration_ns.unsigned_abs());
        }
    }
}

impl Adds for Traffic {
    fn merge(&mut self, other: Traffic) {
        self.n_spans += other.n_spans;
        self.n_errors += other.n_errors;
        self.durations.merge(other.durations);
    }
}

impl Service {
    #[inline]
    fn add(&mut self, span: &Span, is_entry: bool) {
        self.spans.add(span);
        self.n_entries += u64::from(is_entry);
    }
}

impl Adds for Service {
    fn merge(&mut self, other: Service) {
        self.spans.merge(other.spans);
        self.n_entries += other.n_entries;
        #[expect(clippy::iter_over_hash_type, reason = "sums do not show the order")]
        for (operation, n_spans) in other.operations {
            *self.operations.entry(operation).or_default() += n_spans;
        }
    }
}

/// What adds up, in any order.
trait Adds: Default {
    fn merge(&mut self, other: Self);
}

fn merge<K: Eq + std::hash::Hash, V: Adds>(mine: &mut HashMap<K, V, FixedState>, theirs: HashMap<K, V, FixedState>) {
    #[expect(clippy::iter_over_hash_type, reason = "sums do not show the order")]
    for (key, more) in theirs {
        mine.entry(key).or_default().merge(more);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::passes::laws;
    use crate::report::Report;

    pub(super) fn report(blast_radius: &[&str], sketches: &[&str]) -> DependenciesReport {
        let args = DependenciesArgs { blast_radius: blast_radius.iter().map(|it| (*it).to_owned()).collect() };
        laws::observed(&Dependencies::new(&args, &PassOptions::default()), sketches)
    }

    /// The edges of a trace.
    pub(super) fn check(sketch: &str, expected: &[&str]) {
        let edges = report(&[], &[sketch]).edges;
        let lines = edges.iter().map(|it| {
            let errors = if it.error_count > 0 { format!(" !{}", it.error_count) } else { String::new() };
            let marks =
                [(it.is_async, " async"), (it.inferred, " inferred")].map(|it| if it.0 { it.1 } else { "" }).concat();
            let p95 = it.p95_ms.map_or("?".to_owned(), |it| it.to_string());
            format!("{} -> {} x{} {p95}ms{errors}{marks}", it.from, it.to, it.call_count)
        });
        assert_eq!(lines.collect::<Vec<_>>(), expected);
    }

    /// A service as it is reported.
    fn check_service(sketch: &str, service: &str, expected: serde_json::Value) {
        let report = serde_json::to_value(report(&[], &[sketch])).unwrap();
        let found = report["services"][service].as_object().unwrap();
        let expected = expected.as_object().unwrap();
        let same_keys: serde_json::Map<_, _> =
            found.clone().into_iter().filter(|it| expected.contains_key(&it.0)).collect();
        assert_eq!(same_keys, *expected);
    }

    #[test]
    fn only_calls_that_leave_the_service_count() {
        check(
            "
            web GET / 0..100
              web render 0..10
              db SELECT 10..40
                db parse 11..12
              db SELECT 50..90 !
            ",
            &["web -> db x2 40ms !1"],
        );
    }

    #[test]
    fn what_follows_is_an_edge_of_its_own() {
        check(
            "web GET / 0..100\n  mail send 10..20\n  mail send 30..230 ~",
            &["web -> mail x1 10ms", "web -> mail x1 200ms async"],
        );
    }

    #[test]
    fn producer_and_consumer_are_an_edge_between_the_services() {
        check(
            "
            web GET / 0..100
              web publish 10..20 producer messaging.system=kafka
                mail handle 30..80 consumer messaging.system=kafka
            ",
            &["web -> mail x1 50ms async"],
        );
    }

    #[test]
    fn a_broker_stands_where_one_side_is_missing() {
        check(
            "web publish 0..10 producer messaging.destination.name=orders messaging.system=kafka",
            &["web -> orders x1 10ms async inferred"],
        );
        check("mail handle 0..50 consumer messaging.system=kafka", &["kafka -> mail x1 50ms async inferred"]);
        check("mail handle 0..50 consumer messaging.system=kafka ?ff", &["kafka -> mail x1 50ms async inferred"]);
        check("mail handle 0..50 consumer", &[]);
        check("mail handle 0..50 server messaging.system=kafka", &[]);
    }

    #[test]
    fn leaf_clients_name_whom_they_call() {
        check(
            "
            web GET / 0..100
              web query 10..40 client db.system=postgresql db.name=users !
              web fetch 50..60 client server.address=api.example.com
              web call 60..90 client peer.service=api
                api GET /r 61..89 server
              web work 90..99 peer.service=nobody
            ",
            &["web -> api x1 28ms", "web -> api.example.com x1 10ms inferred", "web -> users x1 30ms !1 inferred"],
        );
    }

    #[test]
    fn a_peer_that_is_a_service_is_that_service() {
        let sketch = "
            web GET / 0..100
              web call 0..30 client peer.service=api
              web call 40..50 client peer.service=web
              api GET /r 61..89
        ";
        check(sketch, &["web -> api x2 30ms"]);
        let report = report(&[], &[sketch]);
        assert!(report.services.values().all(|it| it.instrumented));
        let calls: Vec<u64> = report.dependencies.values().flat_map(|it| it.values().copied()).collect();
        assert_eq!(calls, [1], "the old map counts what both sides reported");
        check("web call 0..30 client peer.service=api\napi GET /r 61..89", &["web -> api x1 30ms inferred"]);
        check("mail handle 0..50 consumer messaging.system=mail", &[]);
    }

    #[test]
    fn unknown_durations_count_and_stay_out_of_statistics() {
        let sketch = "web GET / 0..100\n  db SELECT 10..? !\n  db SELECT 10..30\n  cache get 40..?";
        check(sketch, &["web -> cache x1 ?ms", "web -> db x2 20ms !1"]);
        check_service(
            sketch,
            "db",
            serde_json::json!({
                "call_count": 2, "total_duration_ms": 20.0, "error_count": 1, "avg_duration_ms": 20.0,
                "error_rate": 50.0, "p95_ms": 20.0, "entry_count": 2,
            }),
        );
        check_service(sketch, "cache", serde_json::json!({"call_count": 1, "avg_duration_ms": null, "p95_ms": null}));
    }

    #[test]
    fn a_service_is_its_spans_its_entries_and_its_neighbours() {
        check_service(
            "
            web GET / 0..100
              api b 0..10
                api a 1..2
                  api a 1..2
                redis get 3..4
              api c 20..30 ~
                web back 21..22
            api lost 0..1 ?ff
            ",
            "api",
            serde_json::json!({
                "call_count": 5, "entry_count": 3, "fan_in": 1, "fan_out": 2, "instrumented": true, "type": "service",
                "top_operations": [
                    {"operation": "a", "count": 2}, {"operation": "b", "count": 1},
                    {"operation": "c", "count": 1}, {"operation": "lost", "count": 1},
                ],
            }),
        );
    }

    #[test]
    fn what_is_inferred_is_the_calls_to_it() {
        check_service(
            "
            web GET / 0..100
              web query 10..40 client ! db.system=redis
              web query 50..60 client peer.service=redis
            ",
            "redis",
            serde_json::json!({
                "call_count": 2, "total_duration_ms": 40.0, "error_count": 1, "error_rate": 50.0, "entry_count": 2,
                "fan_in": 1, "fan_out": 0, "top_operations": [], "instrumented": false, "type": "database",
            }),
        );
        check_service(
            "mail handle 0..50 consumer messaging.system=kafka",
            "kafka",
            serde_json::json!({"call_count": 0, "error_rate": null, "p95_ms": null, "fan_out": 1, "type": "messaging"}),
        );
    }

    #[test]
    fn the_report_has_its_keys() {
        let sketch = "web GET / 0..100\n  db SELECT 10..30";
        let text = serde_json::to_string(&report(&[], &[sketch])).unwrap();
        let edge = r#"{"from":"web","to":"db","call_count":1,"error_count":0,"error_rate":0.0,"p50_ms":20.0,"p95_ms":20.0,"async":false,"inferred":false}"#;
        let rest = format!(r#""dependencies":{{"web":{{"db":1}}}},"edges":[{edge}],"cycles":[],"depth":1}}"#);
        assert!(text.ends_with(&rest), "{text}");
    }

    #[test]
    fn the_blast_radius_is_there_when_asked_for() {
        let sketch = "web GET / 0..100\n  api call 0..50\n    db SELECT 10..30\n  db UPDATE 60..70";
        let report = report(&["db", "nobody", "db"], &[sketch]);
        let json = serde_json::to_value(&report.blast_radius).unwrap();
        let expected = r#"[{"dependents":["api","web"],"service":"db"},{"dependents":[],"service":"nobody"}]"#;
        assert_eq!(json.to_string(), expected);
        assert_eq!(
            report.section().notes,
            [
                "3 services, 3 edges, depth 2",
                "2 services depend on db, directly or through others",
                "No service is called nobody"
            ]
        );
    }

    #[test]
    fn the_notes_name_cycles() {
        let section =
            report(&[], &["a x 0..100\n  b x 0..50\n    c x 1..40\n      a x 2..30 client db.system=redis"]).section();
        let expected = [
            "4 services (1 known from others' calls only), 4 edges, depth 1",
            "a, b and c depend on each other in a cycle",
        ];
        assert_eq!(section.notes, expected);
        let titles: Vec<_> = section.tables.iter().map(|it| it.title.as_deref().unwrap()).collect();
        assert_eq!(titles, ["Calls", "Services"]);
        assert!(section.tables.iter().all(|table| table.rows.iter().all(|it| it.len() == table.columns.len())));
        assert_eq!(report(&[], &[]).section().notes, ["No services."]);
    }

    #[test]
    fn the_three_laws_hold() {
        laws::check::<Dependencies>(
            &DependenciesArgs { blast_radius: vec!["db".to_owned()] },
            &[
                "web GET / 0..100\n  api call 5..90 !\n    db SELECT 10..20\n  api call 20..?",
                "web GET / 0..70\n  web call 5..60 client peer.service=api\n  web query 60..62 client db.system=redis",
                "mail handle 0..10 consumer messaging.system=kafka\n  web call 1..9 ~",
                "web publish 0..10 producer messaging.system=kafka",
                "api batch 0..100\n  web call 20..30 !\n  db SELECT 40..50",
            ],
        );
        laws::check::<Dependencies>(
            &DependenciesArgs { blast_radius: vec!["db".to_owned()] },
            &[
                "zipkin\nWeb GET / 0..100 server\n  Web call 1..90 client\n    api GET 5..80 server !",
                "zipkin\nweb GET / 0..70 server\n  web query 5..? client remoteEndpoint.serviceName=DB",
                "zipkin\nmail handle 0..10 consumer remoteEndpoint.serviceName=kafka\n  mail send 1..9 producer remoteEndpoint.serviceName=web",
                "web GET / 0..100\n  api call 5..90 !\n    db SELECT 10..20",
            ],
        );
    }

    #[test]
    fn calls_of_zipkin_have_the_telling_spans_times() {
        check(
            "
            zipkin
            web GET / 0..100 server remoteEndpoint.serviceName=phone
              web call 10..90 client !
                api GET 20..80 server
                  cache get 30..40 client remoteEndpoint.serviceName=redis
              web note 1..2 remoteEndpoint.serviceName=log db.system=x
            ",
            &[
                "api -> cache x1 ?ms",
                "cache -> redis x1 10ms inferred",
                "phone -> web x1 100ms",
                "web -> api x1 60ms !1",
                "web -> log x1 1ms inferred",
            ],
        );
    }

    #[test]
    fn what_hangs_nowhere_is_called_by_zipkins_root() {
        let lost = "api GET 20..80 server ?ff";
        check(&format!("zipkin\nweb GET / 0..100 server\n{lost}"), &["web -> api x1 60ms"]);
        check(&format!("zipkin\n{lost}"), &[]);
        check(&format!("zipkin\nweb call 0..100 client remoteEndpoint.serviceName=x\n{lost}"), &["web -> api x1 60ms"]);
    }
}
