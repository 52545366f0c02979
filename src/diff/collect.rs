//! Traces into a [`Collection`]: what runs for every span.
//!
//! A span is looked up once, by what it is, whom it is called by and whom it calls; everything else is
//! counted in lists by number. Names come back when all is seen.

use std::collections::{BTreeMap, HashMap};
use std::hash::{Hash, Hasher};

use foldhash::fast::FixedState;

use super::collection::{Collection, EndpointKey, Operation, Seen, Wait};
use super::kinds::{Kinds, OnPath, Requests};
use super::sample::Sample;
use crate::model::normalize::Messages;
use crate::model::{Known, Name, NameCache, Span, Trace, semantics};

const NONE: u32 = u32::MAX;

/// What names an endpoint.
const ENDPOINT_KEYS: &[Known] = &[METHOD_KEYS[0], METHOD_KEYS[1], Known::HttpRoute];
const METHOD_KEYS: [Known; 2] = [Known::HttpRequestMethod, Known::HttpMethod];

/// Collects what is compared, on one thread.
#[derive(Debug, Default)]
pub struct Collector {
    n_traces: u64,
    sites: HashMap<Site, Place, FixedState>,
    operations: Numbered<Operation, Seen>,
    /// Services and operations, whatever the side of the call.
    spots: Numbered<(Name, Name), Spot>,
    waits: Numbered<Wait, Sample>,
    calls: Numbered<(Name, Name), u64>,
    endpoints: Numbered<EndpointKey, Kinds<u32>>,
    kinds: Numbered<(u32, u128), ()>,
    kind_of: Vec<(u64, u32)>,
    names: NameCache,
    messages: Messages,
    trace: ThisTrace,
}

/// What a span is, whom it is called by and whom it calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Site {
    operation: Operation,
    /// The number of the operation that waits for it.
    parent: u32,
    caller: Option<Name>,
    /// The other service, where that is all it calls.
    to: Option<Name>,
}

/// Where a span is counted.
#[derive(Clone, Copy, Debug)]
struct Place {
    operation: u32,
    spot: u32,
    wait: u32,
    /// Its call, if it leaves a service.
    call: u32,
}

/// A service and an operation.
#[derive(Debug, Default)]
struct Spot {
    /// Adds up to the hash of a set of them.
    set_hash: u128,
}

/// Values by number and numbers by key.
#[derive(Debug)]
struct Numbered<K, V> {
    numbers: HashMap<K, u32, FixedState>,
    rows: Vec<(K, V)>,
}

impl<K, V> Default for Numbered<K, V> {
    fn default() -> Numbered<K, V> {
        Numbered { numbers: HashMap::default(), rows: Vec::new() }
    }
}

impl<K: Hash + Eq + Copy, V: Default> Numbered<K, V> {
    fn number(&mut self, key: K) -> u32 {
        *self.numbers.entry(key).or_insert_with(|| {
            self.rows.push((key, V::default()));
            self.rows.len() as u32 - 1
        })
    }

    fn value(&mut self, number: u32) -> &mut V {
        &mut self.rows[number as usize].1
    }
}

/// What is summed up over the trace at hand.
#[derive(Debug, Default)]
struct ThisTrace {
    operations: PerTrace<InOperation>,
    spots: PerTrace<OnPath>,
    waits: PerTrace<Mean>,
    calls: PerTrace<()>,
    /// The numbers of each span's operation and spot.
    numbers: Vec<(u32, u32)>,
    is_on_path: Vec<bool>,
}

#[derive(Clone, Copy, Debug, Default)]
struct InOperation {
    n_calls: u64,
    durations: Mean,
    self_times: Mean,
}

/// Durations to be averaged.
#[derive(Clone, Copy, Debug, Default)]
struct Mean {
    n: u64,
    sum_ns: i128,
}

impl Mean {
    fn add(&mut self, ns: i64) {
        self.n += 1;
        self.sum_ns += i128::from(ns);
    }

    fn ns(self) -> Option<i64> {
        // No mean of such durations is longer than the longest.
        (self.n > 0).then(|| (self.sum_ns / i128::from(self.n)) as i64)
    }
}

/// Sums by number that are empty again for the next trace without being touched.
#[derive(Debug)]
struct PerTrace<T> {
    rows: Vec<(u64, T)>,
    touched: Vec<u32>,
    nth_trace: u64,
}

impl<T> Default for PerTrace<T> {
    fn default() -> PerTrace<T> {
        PerTrace { rows: Vec::new(), touched: Vec::new(), nth_trace: 0 }
    }
}

impl<T: Default + Copy> PerTrace<T> {
    fn begin(&mut self) {
        self.touched.clear();
        self.nth_trace += 1;
    }

    fn of(&mut self, number: u32) -> &mut T {
        let at = number as usize;
        if self.rows.len() <= at {
            self.rows.resize(at + 1, (0, T::default()));
        }
        let row = &mut self.rows[at];
        if row.0 != self.nth_trace {
            *row = (self.nth_trace, T::default());
            self.touched.push(number);
        }
        &mut row.1
    }

    /// The numbers met in this trace and their sums, in the order in which they were met.
    fn sums(&self) -> impl Iterator<Item = (u32, T)> + '_ {
        self.touched.iter().map(|it| (*it, self.rows[*it as usize].1))
    }
}

impl Collector {
    /// The attributes it reads, itself or by `model::semantics`.
    pub const READS: &'static [&'static [Known]] = &[ENDPOINT_KEYS, semantics::FAILURE_KEYS];

    /// Looks at a trace.
    pub fn observe(&mut self, trace: &Trace) {
        self.n_traces += 1;
        self.trace.begin();
        for (idx, span) in trace.spans().iter().enumerate() {
            self.observe_span(trace, idx as u32, span);
        }
        let trace_hash = hash_of(&trace.id.compact(), 0);
        for (number, seen) in self.trace.operations.sums() {
            let operation = self.operations.value(number);
            operation.n_traces += 1;
            operation.n_calls += seen.n_calls;
            operation.calls.record(trace_hash, seen.n_calls as i64);
            seen.durations.ns().into_iter().for_each(|it| operation.durations.record(trace_hash, it));
            seen.self_times.ns().into_iter().for_each(|it| operation.self_times.record(trace_hash, it));
        }
        for (number, mean) in self.trace.waits.sums() {
            let sample = self.waits.value(number);
            mean.ns().into_iter().for_each(|it| sample.record(trace_hash, it));
        }
        for (number, ()) in self.trace.calls.sums() {
            *self.calls.value(number) += 1;
        }
        self.observe_request(trace, trace_hash);
    }

    fn observe_span(&mut self, trace: &Trace, idx: u32, span: &Span) {
        let parent = span.parent.map(|it| trace.span(it));
        let waiting = span.parent.filter(|_| span.blocking).map(|it| self.trace.numbers[it as usize].0);
        let site = Site {
            operation: Operation { service: span.service, operation: span.operation, kind: span.kind },
            parent: waiting.unwrap_or(NONE),
            caller: parent.map(|it| it.service),
            to: only_callee(trace, idx, span),
        };
        let place = match self.sites.get(&site) {
            Some(place) => *place,
            None => self.meet(site),
        };
        self.trace.numbers.push((place.operation, place.spot));
        let seen = self.trace.operations.of(place.operation);
        seen.n_calls += 1;
        self.trace.spots.of(place.spot);
        if let Some((duration_ns, self_ns)) = span.duration_ns.zip(span.self_ns) {
            seen.durations.add(duration_ns);
            seen.self_times.add(self_ns);
            self.trace.waits.of(place.wait).add(self_ns);
        }
        if place.call != NONE {
            self.trace.calls.of(place.call);
        }
        if span.error {
            let failure = semantics::failure(trace, span);
            let words = failure.message.or(failure.error_type);
            let pattern = words.map_or_else(String::new, |it| self.messages.normalized(&it));
            let operation = self.operations.value(place.operation);
            operation.n_failed += 1;
            operation.patterns.add(pattern, 1);
        }
    }

    /// Gives a new kind of span its places.
    fn meet(&mut self, site: Site) -> Place {
        let Operation { service, operation, .. } = site.operation;
        let number = self.operations.number(site.operation);
        if site.parent != NONE {
            let parent = &mut self.operations.rows[site.parent as usize].1;
            parent.below.insert(site.operation);
        }
        let spot = self.spots.number((service, operation));
        let text = (service.as_str(), operation.as_str());
        self.spots.value(spot).set_hash = u128::from(hash_of(&text, 1)) << 64 | u128::from(hash_of(&text, 2));
        let wait = self.waits.number(match site.to {
            Some(to) => Wait::Edge { service, operation, to },
            None => Wait::Own { service, operation, caller: site.caller },
        });
        let call = site.caller.filter(|it| *it != service).map(|it| self.calls.number((it, service)));
        let place = Place { operation: number, spot, wait, call: call.unwrap_or(NONE) };
        self.sites.insert(site, place);
        place
    }

    /// The main root and what it waited on.
    fn observe_request(&mut self, trace: &Trace, trace_hash: u64) {
        let main = trace.main_root();
        let root = trace.span(main.span);
        if root.duration_ns.is_none() {
            return;
        }
        let mut total_ns = 0;
        self.trace.is_on_path.resize(trace.spans().len(), false);
        for section in trace.critical_path(main) {
            let on_path = self.trace.spots.of(self.trace.numbers[section.span as usize].1);
            let length_ns = section.end_ns - section.start_ns;
            total_ns += length_ns;
            on_path.total_ns += u128::from(length_ns.unsigned_abs());
            if !std::mem::replace(&mut self.trace.is_on_path[section.span as usize], true) {
                on_path.n_visits += 1;
            }
        }
        let method = trace.first_value(root, &METHOD_KEYS);
        let key = EndpointKey {
            service: root.service,
            operation: root.operation,
            method: method.map(|it| self.names.get(it)),
            route: trace.value(root, Known::HttpRoute).map(|it| self.names.get(it)),
        };
        let endpoint = self.endpoints.number(key);
        let spots = &mut self.trace.spots;
        spots.touched.sort_unstable();
        let set_hash =
            spots.touched.iter().fold(0u128, |sum, it| sum.wrapping_add(self.spots.rows[*it as usize].1.set_hash));
        let requests = self.endpoints.value(endpoint).of_set(set_hash, &spots.touched);
        self.kind_of.push((trace_hash, self.kinds.number((endpoint, set_hash))));
        requests.n += 1;
        requests.total_ns += u128::from(total_ns.unsigned_abs());
        requests.durations.record(trace_hash, total_ns);
        let is_aligned = requests.path.len() == spots.touched.len();
        for (nth, (spot, on_path)) in spots.sums().enumerate() {
            let at = if is_aligned { Ok(nth) } else { requests.path.binary_search_by_key(&spot, |it| it.0) };
            let at = at.expect("the operations of a request are those of its set");
            requests.path[at].1.add(on_path);
        }
    }

    /// What was collected, under its names.
    pub fn finish(self) -> Collection {
        let spots: Vec<(Name, Name)> = self.spots.rows.iter().map(|it| it.0).collect();
        // There are many paths of few operations: names are compared once.
        let mut in_order: Vec<u32> = (0..spots.len() as u32).collect();
        in_order.sort_unstable_by_key(|it| spots[*it as usize]);
        let mut ranks = vec![0u32; spots.len()];
        for (rank, spot) in (0..).zip(in_order) {
            ranks[spot as usize] = rank;
        }
        let named = |mut it: Requests<u32>| {
            it.path.sort_unstable_by_key(|it| ranks[it.0 as usize]);
            let path = it.path.into_iter().map(|(spot, on_path)| (spots[spot as usize], on_path)).collect();
            Requests { n: it.n, total_ns: it.total_ns, durations: it.durations, path }
        };
        let named_kinds = |it: Kinds<u32>| Kinds {
            by_set: it.by_set.into_iter().map(|(hash, requests)| (hash, named(requests))).collect(),
            rest: it.rest.map(named),
        };
        let endpoint = |number: u32| self.endpoints.rows[number as usize].0;
        let kinds = self.kinds.rows.iter().map(|((number, set_hash), ())| (endpoint(*number), *set_hash)).collect();
        let endpoints: BTreeMap<_, _> =
            self.endpoints.rows.into_iter().map(|(key, kinds)| (key, named_kinds(kinds))).collect();
        let mut collection = Collection {
            n_traces: self.n_traces,
            operations: self.operations.rows.into_iter().collect(),
            waits: self.waits.rows.into_iter().collect(),
            calls: self.calls.rows.into_iter().collect(),
            endpoints,
            kinds,
            kind_of: self.kind_of,
        };
        collection.settle();
        collection
    }
}

impl ThisTrace {
    fn begin(&mut self) {
        self.operations.begin();
        self.spots.begin();
        self.waits.begin();
        self.calls.begin();
        self.numbers.clear();
        self.is_on_path.clear();
    }
}

/// The other service that a span calls, where that is all it calls and it waits for the answer.
fn only_callee(trace: &Trace, idx: u32, span: &Span) -> Option<Name> {
    let children = trace.children(idx);
    if children.len() != 1 {
        return None;
    }
    let child = trace.span(children.start);
    (child.blocking && child.service != span.service).then_some(child.service)
}

/// A hash that is the same in every run and on every machine.
fn hash_of(value: &impl Hash, seed: u64) -> u64 {
    let mut hasher = foldhash::quality::FoldHasher::with_seed(seed, foldhash::SharedSeed::global_fixed());
    value.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::sketches::{collect, traces};
    use super::*;

    const SKETCHES: [&str; 5] = [
        "web GET / 0..100 server\n  web call 10..90 client\n    api GET 20..80 server\n      db SELECT 30..40 client",
        "web GET / 0..100 server\n  api GET 10..20 server\n  api GET 30..70 server !\n    db SELECT 40..? client",
        "web GET / 0..? server\n  api GET 10..20 server",
        "api batch 0..50\n  db SELECT 5..15 client\n  db SELECT 20..40 client\n  mail send 45..99 ~",
        "web GET / 0..60 server\n  api GET 10..30 server ?ff",
    ];

    fn bytes(collection: &Collection) -> Vec<u8> {
        postcard::to_stdvec(collection).unwrap()
    }

    #[test]
    fn neither_order_nor_threads_can_be_seen() {
        let all = traces((0..40).map(|it| SKETCHES[it * 7 % SKETCHES.len()]));
        let whole = |parts: &[&[Trace]]| {
            let mut whole = Collection::default();
            for part in parts {
                let mut collector = Collector::default();
                part.iter().for_each(|it| collector.observe(it));
                whole.merge(collector.finish());
            }
            whole.settle();
            bytes(&whole)
        };
        let expected = whole(&[&all]);
        for cut in 0..all.len() {
            let (one, two) = all.split_at(cut);
            assert!(whole(&[two, one]) == expected, "cut at {cut}");
        }
        let back: Vec<Trace> = all.iter().rev().cloned().collect();
        assert!(whole(&[&back]) == expected);
    }

    /// Counted again, plainly: traces, calls, failures, and the mean duration and self time of each trace.
    #[test]
    fn operations_are_what_the_spans_say() {
        type Plain = (u64, u64, u64, Vec<i64>, Vec<i64>);
        let mut plain: BTreeMap<Operation, Plain> = BTreeMap::new();
        for trace in traces(SKETCHES) {
            let mut of: BTreeMap<Operation, Vec<&Span>> = BTreeMap::new();
            for span in trace.spans() {
                let key = Operation { service: span.service, operation: span.operation, kind: span.kind };
                of.entry(key).or_default().push(span);
            }
            for (operation, spans) in of {
                let row = plain.entry(operation).or_default();
                row.0 += 1;
                row.1 += spans.len() as u64;
                row.2 += spans.iter().filter(|it| it.error).count() as u64;
                let known: Vec<_> = spans.iter().filter_map(|it| it.duration_ns.zip(it.self_ns)).collect();
                if let Ok(n @ 1..) = i64::try_from(known.len()) {
                    row.3.push(known.iter().map(|it| it.0).sum::<i64>() / n);
                    row.4.push(known.iter().map(|it| it.1).sum::<i64>() / n);
                }
            }
        }
        let collection = collect(SKETCHES);
        assert_eq!(collection.operations.len(), plain.len());
        for (operation, (n_traces, n_calls, n_failed, mut durations, mut self_times)) in plain {
            let seen = &collection.operations[&operation];
            durations.sort_unstable();
            self_times.sort_unstable();
            assert_eq!((seen.n_traces, seen.n_calls, seen.n_failed), (n_traces, n_calls, n_failed), "{operation:?}");
            assert_eq!(
                (seen.durations.ascending(), seen.self_times.ascending()),
                (durations, self_times),
                "{operation:?}"
            );
        }
    }

    #[test]
    fn the_only_call_to_another_service_makes_a_wait_a_way() {
        let collection = collect([SKETCHES[0]]);
        let waits: Vec<String> = collection
            .waits
            .iter()
            .map(|(wait, sample)| match wait {
                Wait::Own { service, operation, caller } => {
                    let by = caller.map_or("nobody", |it| it.as_str());
                    format!("{service} {operation} by {by}: {:?}", sample.ascending())
                }
                Wait::Edge { service, operation, to } => {
                    format!("{service} {operation} → {to}: {:?}", sample.ascending())
                }
            })
            .collect();
        assert_eq!(
            waits,
            [
                "db SELECT by api: [10000000]",
                "web GET / by nobody: [20000000]",
                "api GET → db: [50000000]",
                "web call → api: [20000000]",
            ]
        );
    }

    #[test]
    fn the_path_of_a_request_tiles_it() {
        let collection = collect(SKETCHES);
        for kinds in collection.endpoints.values() {
            let whole = kinds.whole();
            let on_path: u128 = whole.path.iter().map(|it| it.1.total_ns).sum();
            assert_eq!(on_path, whole.total_ns);
        }
        let n: u64 = collection.endpoints.values().map(Kinds::n).sum();
        assert_eq!(n, 4, "a root without a duration is no request");
    }
}
