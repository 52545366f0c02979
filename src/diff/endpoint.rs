//! Endpoints of both captures side by side, and what sets apart those that one name covers.

use std::collections::{BTreeMap, BTreeSet};

use super::collection::{Collection, EndpointKey};
use super::kinds::{Kinds, Requests};
use crate::model::Name;

/// A service and its operation.
pub(super) type Spot = (Name, Name);

/// One endpoint in both captures.
#[derive(Debug)]
pub(super) struct Endpoint {
    pub(super) name: String,
    pub(super) root: Spot,
    pub(super) before: Requests<Spot>,
    pub(super) after: Requests<Spot>,
}

/// A name that covers this much of the traces says nothing about them.
const COVERS_PERCENT: u64 = 90;

/// A set of operations met in fewer traces is no kind of its own.
const MIN_TRACES: u64 = 5;

/// Sets that share this much (Jaccard) are of one kind, in percent.
const ALIKE_PERCENT: usize = 80;

/// Every endpoint of either capture, by name.
pub(super) fn join(before: &Collection, after: &Collection) -> Vec<Endpoint> {
    let none = Kinds::default();
    let keys: BTreeSet<&EndpointKey> = before.endpoints.keys().chain(after.endpoints.keys()).collect();
    let sides =
        |key: &EndpointKey| (before.endpoints.get(key).unwrap_or(&none), after.endpoints.get(key).unwrap_or(&none));
    let n_of = |key: &EndpointKey| sides(key).0.n() + sides(key).1.n();
    let n_all: u64 = keys.iter().map(|it| n_of(it)).sum();
    let mut endpoints = Vec::new();
    for key in keys {
        let (before, after) = sides(key);
        let covers = n_of(key) * 100 >= n_all * COVERS_PERCENT;
        if covers && key.route.is_none() {
            endpoints.extend(split(key, before, after));
        } else {
            let (before, after) = (before.whole(), after.whole());
            endpoints.push(Endpoint { name: key.name(), root: key.root(), before, after });
        }
    }
    endpoints.retain(|it| it.before.n + it.after.n > 0);
    endpoints.sort_by(|a, b| a.name.cmp(&b.name));
    endpoints
}

impl EndpointKey {
    fn root(&self) -> Spot {
        (self.service, self.operation)
    }

    /// The root's names, and the request's as far as those do not say it.
    fn name(&self) -> String {
        let mut name = format!("{} {}", self.service, self.operation);
        let says = |word: Name| self.operation.as_str().contains(word.as_str());
        for word in [self.method, self.route].into_iter().flatten().filter(|it| !says(*it)) {
            name.push(' ');
            name.push_str(word.as_str());
        }
        name
    }
}

/// The requests of one name by the sets of operations below it, decided on both captures together.
fn split(key: &EndpointKey, before: &Kinds<Spot>, after: &Kinds<Spot>) -> Vec<Endpoint> {
    let mut n_of: BTreeMap<u128, u64> = BTreeMap::new();
    let mut sets: BTreeMap<u128, BTreeSet<Spot>> = BTreeMap::new();
    for (hash, requests) in before.by_set.iter().chain(&after.by_set) {
        *n_of.entry(*hash).or_default() += requests.n;
        sets.entry(*hash).or_insert_with(|| requests.operations().copied().filter(|it| *it != key.root()).collect());
    }
    let mut main: Vec<u128> = n_of.iter().filter(|it| *it.1 >= MIN_TRACES).map(|it| *it.0).collect();
    // Most met first: of sets equally near it is the one to join. Then by their operations' names.
    main.sort_by(|a, b| n_of[b].cmp(&n_of[a]).then_with(|| sets[a].cmp(&sets[b])));
    let names = names_of(key, &main.iter().map(|it| &sets[it]).collect::<Vec<_>>());
    let mut endpoints: Vec<Endpoint> = names.into_iter().map(|it| empty(it, key)).collect();
    endpoints.push(empty(format!("{} (other)", key.name()), key));
    let place = |hash: &u128| main.iter().position(|it| it == hash).or_else(|| nearest(&sets[hash], &main, &sets));
    let other = main.len();
    for (hash, requests) in &before.by_set {
        endpoints[place(hash).unwrap_or(other)].before.merge(requests.clone());
    }
    for (hash, requests) in &after.by_set {
        endpoints[place(hash).unwrap_or(other)].after.merge(requests.clone());
    }
    before.rest.iter().for_each(|it| endpoints[other].before.merge(it.clone()));
    after.rest.iter().for_each(|it| endpoints[other].after.merge(it.clone()));
    endpoints.retain(|it| it.before.n + it.after.n > 0);
    if let [only] = &mut endpoints[..] {
        only.name = key.name();
    }
    for endpoint in &mut endpoints {
        endpoint.before.durations.settle();
        endpoint.after.durations.settle();
    }
    endpoints
}

fn empty(name: String, key: &EndpointKey) -> Endpoint {
    Endpoint { name, root: key.root(), before: Requests::default(), after: Requests::default() }
}

/// The first of the sets most alike, if any is alike enough.
fn nearest(set: &BTreeSet<Spot>, main: &[u128], sets: &BTreeMap<u128, BTreeSet<Spot>>) -> Option<usize> {
    let mut best: Option<(usize, usize, usize)> = None;
    for (place, hash) in main.iter().enumerate() {
        let n_common = set.intersection(&sets[hash]).count();
        let n_all = set.len() + sets[hash].len() - n_common;
        // a / b > c / d without division.
        let is_nearer = best.is_none_or(|(_, common, all)| n_common * all > common * n_all);
        if n_common * 100 >= n_all * ALIKE_PERCENT && is_nearer {
            best = Some((place, n_common, n_all));
        }
    }
    best.map(|it| it.0)
}

/// The root's name with the operations that tell each set from the others.
fn names_of(key: &EndpointKey, sets: &[&BTreeSet<Spot>]) -> Vec<String> {
    let mut n_having: BTreeMap<Spot, usize> = BTreeMap::new();
    for spot in sets.iter().flat_map(|it| it.iter()) {
        *n_having.entry(*spot).or_default() += 1;
    }
    let name = |set: &BTreeSet<Spot>| {
        let mut marks = Vec::new();
        let mut rivals: Vec<&BTreeSet<Spot>> = sets.iter().copied().filter(|it| *it != set).collect();
        // What it has and fewest others have, then what it lacks: whatever leaves fewest to mistake it for.
        while !rivals.is_empty() && marks.len() < MAX_MARKS {
            let n_left = |spot: &Spot| rivals.iter().filter(|it| it.contains(spot) == set.contains(spot)).count();
            let best = n_having.keys().min_by_key(|it| (n_left(it), !set.contains(*it), n_having[*it], **it));
            let Some(best) = best.copied().filter(|it| n_left(it) < rivals.len()) else { break };
            marks.push(if set.contains(&best) { best.1.to_string() } else { format!("without {}", best.1) });
            rivals.retain(|it| it.contains(&best) == set.contains(&best));
        }
        if marks.is_empty() { key.name() } else { format!("{} ({})", key.name(), marks.join(", ")) }
    };
    let mut names: Vec<String> = sets.iter().map(|it| name(it)).collect();
    // Few marks may not tell all apart; names are told apart by number then.
    let mut n_same: BTreeMap<String, usize> = BTreeMap::new();
    for name in &mut names {
        let nth = n_same.entry(name.clone()).or_default();
        *nth += 1;
        if *nth > 1 {
            name.push_str(&format!(" #{nth}"));
        }
    }
    names
}

/// A name with more marks is not read.
const MAX_MARKS: usize = 3;

#[cfg(test)]
mod tests {
    use super::super::sketches::collect;
    use super::*;

    /// Endpoints with their requests before and after.
    fn check(before: &[(usize, &str)], after: &[(usize, &str)], expected: &[(&str, u64, u64)]) {
        let side = |kinds: &[(usize, &str)]| {
            collect(kinds.iter().flat_map(|(n, sketch)| std::iter::repeat_n(sketch.to_string(), *n)))
        };
        let found = join(&side(before), &side(after));
        let found: Vec<(&str, u64, u64)> = found.iter().map(|it| (it.name.as_str(), it.before.n, it.after.n)).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn routes_and_methods_are_endpoints() {
        check(
            &[(3, "gw GET 0..9 server http.route=/a http.request.method=GET"), (2, "gw POST 0..9 http.method=POST")],
            &[(1, "gw GET 0..9 server http.route=/b http.request.method=GET"), (2, "gw POST 0..9 http.method=POST")],
            &[("gw GET /a", 3, 0), ("gw GET /b", 0, 1), ("gw POST", 2, 2)],
        );
    }

    #[test]
    fn one_name_for_everything_is_split_by_what_is_below() {
        check(
            &[
                (6, "gw GET 0..9\n  cart list 1..2"),
                (4, "gw GET 0..9\n  pay charge 1..2\n  mail send 3..4"),
                (9, "gw GET 0..9"),
            ],
            &[(6, "gw GET 0..9\n  cart list 1..2"), (1, "gw GET 0..9\n  pay charge 1..2\n  mail send 3..4")],
            &[("gw GET (list)", 6, 6), ("gw GET (send)", 4, 1), ("gw GET (without list, without send)", 9, 0)],
        );
    }

    #[test]
    fn a_route_is_never_split_and_a_name_among_others_neither() {
        let route = "gw GET 0..9 http.route=/a";
        let call = format!("{route}\n  cart list 1..2");
        check(&[(20, route), (20, &call)], &[], &[("gw GET /a", 40, 0)]);
        check(
            &[(8, "gw GET 0..9"), (8, "gw GET 0..9\n  cart list 1..2"), (2, "gw POST 0..9")],
            &[],
            &[("gw GET", 16, 0), ("gw POST", 2, 0)],
        );
    }

    #[test]
    fn rare_sets_join_what_is_most_alike() {
        let five = "gw GET 0..99\n  a a 1..2\n  a b 3..4\n  a c 5..6\n  a d 7..8";
        let six = format!("{five}\n  a e 9..10");
        let far = "gw GET 0..99\n  z z 1..2";
        // Four of five operations in common are enough, one of two is not.
        check(
            &[(9, five), (1, &six), (9, "gw GET 0..99\n  b b 1..2"), (2, far)],
            &[(2, &six), (2, "gw GET 0..99\n  b b 1..2\n  z z 3..4")],
            &[("gw GET (a)", 10, 2), ("gw GET (b)", 9, 0), ("gw GET (other)", 2, 2)],
        );
    }
}
