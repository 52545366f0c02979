//! Endpoints of both captures side by side, and what sets apart those that one name covers.

use std::collections::{BTreeMap, BTreeSet};

use super::collection::{Collection, EndpointKey, RequestKind};
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

/// The endpoints of two captures, and which of them each kind of request belongs to.
#[derive(Debug, Default)]
pub(super) struct Joined {
    pub(super) endpoints: Vec<Endpoint>,
    pub(super) places: BTreeMap<RequestKind, usize>,
}

/// Every endpoint of either capture.
pub(super) fn join(before: &Collection, after: &Collection) -> Joined {
    let none = Kinds::default();
    let keys: BTreeSet<&EndpointKey> = before.endpoints.keys().chain(after.endpoints.keys()).collect();
    let sides =
        |key: &EndpointKey| (before.endpoints.get(key).unwrap_or(&none), after.endpoints.get(key).unwrap_or(&none));
    let n_of = |key: &EndpointKey| sides(key).0.n() + sides(key).1.n();
    let n_all: u64 = keys.iter().map(|it| n_of(it)).sum();
    let mut joined = Joined::default();
    for key in keys {
        let (before, after) = sides(key);
        let covers = n_of(key) * 100 >= n_all * COVERS_PERCENT;
        if covers && key.route.is_none() {
            joined.split(key, before, after);
        } else {
            let place = joined.endpoints.len();
            let hashes = before.by_set.keys().chain(after.by_set.keys());
            joined.places.extend(hashes.map(|it| ((*key, *it), place)));
            let (before, after) = (before.whole(), after.whole());
            joined.endpoints.push(Endpoint { name: key.name(), root: key.root(), before, after });
        }
    }
    let in_use = joined.endpoints.iter_mut().filter(|it| it.before.n + it.after.n > 0);
    number_repeated(in_use.map(|it| &mut it.name));
    joined
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

impl Joined {
    /// The requests of one name by the sets of operations below it, decided on both captures together.
    fn split(&mut self, key: &EndpointKey, before: &Kinds<Spot>, after: &Kinds<Spot>) {
        let sets = Sets::of(key, before, after);
        let names = names_of(key, &sets.main.iter().map(|it| &sets.operations[it]).collect::<Vec<_>>());
        let mut parts: Vec<Endpoint> = names.into_iter().map(|it| empty(it, key)).collect();
        let other = parts.len();
        parts.push(empty(format!("{} (other)", key.name()), key));
        let place = |hash: &u128| sets.place_of.get(hash).copied().unwrap_or(other);
        for (hash, requests) in &before.by_set {
            parts[place(hash)].before.merge(requests.clone());
        }
        for (hash, requests) in &after.by_set {
            parts[place(hash)].after.merge(requests.clone());
        }
        before.rest.iter().for_each(|it| parts[other].before.merge(it.clone()));
        after.rest.iter().for_each(|it| parts[other].after.merge(it.clone()));
        let offset = self.endpoints.len();
        self.places.extend(sets.operations.keys().map(|it| ((*key, *it), offset + place(it))));
        let mut in_use = parts.iter_mut().filter(|it| it.before.n + it.after.n > 0);
        if let (Some(only), None) = (in_use.next(), in_use.next()) {
            only.name = key.name();
        }
        for endpoint in &mut parts {
            endpoint.before.durations.settle();
            endpoint.after.durations.settle();
        }
        self.endpoints.extend(parts);
    }
}

/// The sets of operations below one name.
struct Sets {
    operations: BTreeMap<u128, BTreeSet<Spot>>,
    /// Those that are kinds of their own, most met first.
    main: Vec<u128>,
    /// The place among them that each has or joins.
    place_of: BTreeMap<u128, usize>,
}

impl Sets {
    fn of(key: &EndpointKey, before: &Kinds<Spot>, after: &Kinds<Spot>) -> Sets {
        let mut n_of: BTreeMap<u128, (u64, u64)> = BTreeMap::new();
        let mut operations: BTreeMap<u128, BTreeSet<Spot>> = BTreeMap::new();
        let below = |it: &Requests<Spot>| it.operations().copied().filter(|it| *it != key.root()).collect();
        for (hash, requests) in &before.by_set {
            n_of.entry(*hash).or_default().0 += requests.n;
            operations.entry(*hash).or_insert_with(|| below(requests));
        }
        for (hash, requests) in &after.by_set {
            n_of.entry(*hash).or_default().1 += requests.n;
            operations.entry(*hash).or_insert_with(|| below(requests));
        }
        let n = |it: &u128| n_of[it].0 + n_of[it].1;
        let mut often: Vec<u128> = n_of.keys().copied().filter(|it| n(it) >= MIN_TRACES).collect();
        // Most met first: of sets equally near it is the one to join. Then by their operations' names.
        often.sort_by(|a, b| n(b).cmp(&n(a)).then_with(|| operations[a].cmp(&operations[b])));
        // A release that adds an operation changes every set: what is on one side only is what is most
        // like it on the other.
        let mut joined: BTreeMap<u128, u128> = BTreeMap::new();
        let mut sides: BTreeMap<u128, (bool, bool)> =
            often.iter().map(|it| (*it, (n_of[it].0 > 0, n_of[it].1 > 0))).collect();
        for hash in &often {
            let (is_before, is_after) = sides[hash];
            if is_before && is_after {
                continue;
            }
            let has_other_side =
                |it: &&u128| !joined.contains_key(*it) && if is_before { sides[*it].1 } else { sides[*it].0 };
            let candidates: Vec<u128> = often.iter().filter(|it| *it != hash).filter(has_other_side).copied().collect();
            if let Some(nth) = nearest(&operations[hash], &candidates, &operations) {
                joined.insert(*hash, candidates[nth]);
                sides.insert(candidates[nth], (true, true));
            }
        }
        let main: Vec<u128> = often.iter().filter(|it| !joined.contains_key(it)).copied().collect();
        let place = |hash: &u128| {
            let hash = joined.get(hash).unwrap_or(hash);
            main.iter().position(|it| it == hash).or_else(|| nearest(&operations[hash], &main, &operations))
        };
        let place_of = operations.keys().filter_map(|it| Some((*it, place(it)?))).collect();
        Sets { operations, main, place_of }
    }
}

fn empty(name: String, key: &EndpointKey) -> Endpoint {
    Endpoint { name, root: key.root(), before: Requests::default(), after: Requests::default() }
}

/// The first of the sets most alike, if any is alike enough.
fn nearest(set: &BTreeSet<Spot>, among: &[u128], sets: &BTreeMap<u128, BTreeSet<Spot>>) -> Option<usize> {
    let mut best: Option<(usize, usize, usize)> = None;
    for (place, hash) in among.iter().enumerate() {
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
    let name = |set: &BTreeSet<Spot>, with_services: bool| {
        let mut marks = Vec::new();
        let mut rivals: Vec<&BTreeSet<Spot>> = sets.iter().copied().filter(|it| *it != set).collect();
        // What it has and fewest others have, then what it lacks: whatever leaves fewest to mistake it for.
        while !rivals.is_empty() && marks.len() < MAX_MARKS {
            let n_left = |spot: &Spot| rivals.iter().filter(|it| it.contains(spot) == set.contains(spot)).count();
            let best = n_having.keys().min_by_key(|it| (n_left(it), !set.contains(*it), n_having[*it], **it));
            let Some(best) = best.copied().filter(|it| n_left(it) < rivals.len()) else { break };
            let mark = if with_services { format!("{} {}", best.0, best.1) } else { best.1.to_string() };
            marks.push(if set.contains(&best) { mark } else { format!("without {mark}") });
            rivals.retain(|it| it.contains(&best) == set.contains(&best));
        }
        if marks.is_empty() { key.name() } else { format!("{} ({})", key.name(), marks.join(", ")) }
    };
    let short: Vec<String> = sets.iter().map(|it| name(it, false)).collect();
    // Two services may have an operation of one name each.
    let is_shared = |it: &String| short.iter().filter(|other| *other == it).count() > 1;
    let names = sets.iter().zip(&short).map(|(set, it)| if is_shared(it) { name(set, true) } else { it.clone() });
    names.collect()
}

/// Few marks may not tell all apart, nor names that say a method or not: numbers do then.
fn number_repeated<'a>(names: impl Iterator<Item = &'a mut String>) {
    let mut n_same: BTreeMap<String, usize> = BTreeMap::new();
    for name in names {
        let nth = n_same.entry(name.clone()).or_default();
        *nth += 1;
        if *nth > 1 {
            name.push_str(&format!(" #{nth}"));
        }
    }
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
        let found = join(&side(before), &side(after)).endpoints;
        let found = found.iter().filter(|it| it.before.n + it.after.n > 0);
        let mut found: Vec<(&str, u64, u64)> = found.map(|it| (it.name.as_str(), it.before.n, it.after.n)).collect();
        found.sort_unstable();
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

    #[test]
    fn no_two_endpoints_have_one_name() {
        // With the method in the name it is not said twice, and is no other name without.
        let with = "gw GET 0..9 http.request.method=GET";
        check(
            &[(3, with), (2, "gw GET 0..9"), (9, "gw PUT 0..9")],
            &[(4, with)],
            &[("gw GET", 2, 0), ("gw GET #2", 3, 4), ("gw PUT", 9, 0)],
        );
    }

    #[test]
    fn what_two_services_call_alike_is_told_apart_by_them() {
        check(
            &[(6, "gw GET 0..9\n  cart list 1..2")],
            &[(6, "gw GET 0..9\n  shop list 1..2")],
            &[("gw GET (cart list)", 6, 0), ("gw GET (shop list)", 0, 6)],
        );
    }

    #[test]
    fn a_release_that_adds_an_operation_does_not_part_before_from_after() {
        let old = "gw GET 0..99\n  a a 1..2\n  a b 3..4\n  a c 5..6\n  a d 7..8";
        let new = format!("{old}\n  a e 9..10");
        check(
            &[(20, old), (20, "gw GET 0..99")],
            &[(20, &new), (20, "gw GET 0..99")],
            &[("gw GET (a)", 20, 20), ("gw GET (without a)", 20, 20)],
        );
    }
}
