//! The change of a mean duration, taken apart so that the parts add up exactly.
//!
//! The sections of a critical path tile its root. So the mean duration of an endpoint's requests is
//! the sum over operations of n·t: visits on the path per request times mean time of a visit. The
//! change of a product is Δn·(t₁+t₂)/2 + Δt·(n₁+n₂)/2 without a rest, and so is that of the whole
//! capture's mean, the sum over endpoints of share times mean. (Kitagawa, "Components of a Difference
//! Between Two Rates", 1955; LMDI and Shapley values give the same for two factors.)
//!
//! Parts are whole nanoseconds. Their rounding is spread so that they add up to the rounded change.

use std::collections::BTreeMap;

use serde::Serialize;

use super::endpoint::{Endpoint, Spot};
use super::kinds::{OnPath, Requests};
use crate::model::Name;
use crate::stats::ms;

/// How the mean duration of an endpoint's requests changed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct EndpointChange {
    /// Its name.
    pub endpoint: String,
    /// Requests whose duration is known.
    pub n_before: u64,
    /// Requests whose duration is known.
    pub n_after: u64,
    /// The change of their mean; `None` where it is in one of the captures only.
    pub shift_ms: Option<f64>,
    /// What it is made of, largest part first.
    pub operations: Vec<Part>,
}

/// What an operation adds to the change.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Part {
    /// Whose work it is.
    pub service: Name,
    /// What it does.
    pub operation: Name,
    /// Because requests wait for it more or less often.
    pub frequency_ms: f64,
    /// Because a visit takes longer or shorter.
    pub time_ms: f64,
}

/// How the mean duration of all requests changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Total {
    /// The change; `None` without requests on one side.
    pub shift_ms: Option<f64>,
    /// Because there are other requests.
    pub mix_ms: Option<f64>,
    /// Because requests of the same endpoints take longer or shorter.
    pub within_ms: Option<f64>,
}

/// All of it.
#[derive(Debug)]
pub(super) struct Decomposition {
    pub(super) total: Total,
    pub(super) endpoints: Vec<EndpointChange>,
    /// What each operation adds to `within`, in nanoseconds.
    pub(super) within: BTreeMap<Spot, Contribution>,
    pub(super) within_ns: f64,
}

/// What an operation adds to the change within endpoints.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Contribution {
    pub(super) frequency_ns: f64,
    pub(super) time_ns: f64,
}

impl Contribution {
    pub(super) fn sum_ns(self) -> f64 {
        self.frequency_ns + self.time_ns
    }
}

/// The two parts of the change of a product.
fn parts((n1, t1): (f64, f64), (n2, t2): (f64, f64)) -> (f64, f64) {
    ((n2 - n1) * (t1 + t2) / 2.0, (t2 - t1) * (n1 + n2) / 2.0)
}

/// Takes the change apart.
pub(super) fn decompose(endpoints: &[Endpoint]) -> Decomposition {
    let (n_before, n_after): (u64, u64) = endpoints.iter().fold((0, 0), |n, it| (n.0 + it.before.n, n.1 + it.after.n));
    let is_known = n_before > 0 && n_after > 0;
    let share = |n: u64, of: u64| if of == 0 { 0.0 } else { n as f64 / of as f64 };
    let (mut mix_ns, mut within_ns) = (0.0, 0.0);
    let mut within: BTreeMap<Spot, Contribution> = BTreeMap::new();
    let mut changes = Vec::new();
    for endpoint in endpoints {
        let (w1, w2) = (share(endpoint.before.n, n_before), share(endpoint.after.n, n_after));
        // Where there is no mean it is the other one: then all of the change is the mix.
        let (m1, m2) = (mean(&endpoint.before), mean(&endpoint.after));
        let (m1, m2) = (m1.or(m2).unwrap_or(0.0), m2.or(m1).unwrap_or(0.0));
        let (mix, inside) = parts((w1, m1), (w2, m2));
        mix_ns += mix;
        within_ns += inside;
        let of_operations = operations(endpoint);
        for (spot, part) in &of_operations {
            let weight = (w1 + w2) / 2.0;
            let sum = within.entry(*spot).or_default();
            sum.frequency_ns += weight * part.frequency_ns;
            sum.time_ns += weight * part.time_ns;
        }
        changes.push((mix.abs() + inside.abs(), change(endpoint, of_operations, m2 - m1)));
    }
    changes.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.endpoint.cmp(&b.1.endpoint)));
    let rounded = whole_parts(&[mix_ns, within_ns]);
    let known = |ns: i64| is_known.then(|| ms(ns));
    Decomposition {
        total: Total { shift_ms: known(rounded.iter().sum()), mix_ms: known(rounded[0]), within_ms: known(rounded[1]) },
        endpoints: changes.into_iter().map(|it| it.1).collect(),
        within,
        within_ns,
    }
}

fn mean(requests: &Requests<Spot>) -> Option<f64> {
    (requests.n > 0).then(|| requests.total_ns as f64 / requests.n as f64)
}

/// What each operation adds to the change of an endpoint that is in both captures.
fn operations(endpoint: &Endpoint) -> Vec<(Spot, Contribution)> {
    if endpoint.before.n == 0 || endpoint.after.n == 0 {
        return Vec::new();
    }
    let mut both: BTreeMap<Spot, (OnPath, OnPath)> = BTreeMap::new();
    endpoint.before.path.iter().for_each(|(spot, it)| both.entry(*spot).or_default().0 = *it);
    endpoint.after.path.iter().for_each(|(spot, it)| both.entry(*spot).or_default().1 = *it);
    let per_request = |it: OnPath, n: u64| it.n_visits as f64 / n as f64;
    let per_visit = |it: OnPath| (it.n_visits > 0).then(|| it.total_ns as f64 / it.n_visits as f64);
    both.into_iter()
        .filter(|(_, (before, after))| before.n_visits + after.n_visits > 0)
        .map(|(spot, (before, after))| {
            let (t1, t2) = (per_visit(before), per_visit(after));
            let (t1, t2) = (t1.or(t2).unwrap_or(0.0), t2.or(t1).unwrap_or(0.0));
            let (n1, n2) = (per_request(before, endpoint.before.n), per_request(after, endpoint.after.n));
            let (frequency_ns, time_ns) = parts((n1, t1), (n2, t2));
            (spot, Contribution { frequency_ns, time_ns })
        })
        .collect()
}

fn change(endpoint: &Endpoint, operations: Vec<(Spot, Contribution)>, shift_ns: f64) -> EndpointChange {
    let exact: Vec<f64> = operations.iter().flat_map(|it| [it.1.frequency_ns, it.1.time_ns]).collect();
    let whole = whole_parts(&exact);
    debug_assert!((exact.iter().sum::<f64>() - shift_ns).abs() <= 1.0 + shift_ns.abs() * 1e-9 || operations.is_empty());
    let mut parts: Vec<(i64, Part)> = operations
        .iter()
        .zip(whole.chunks_exact(2))
        .map(|(((service, operation), _), ns)| {
            let part = Part { service: *service, operation: *operation, frequency_ms: ms(ns[0]), time_ms: ms(ns[1]) };
            (ns[0] + ns[1], part)
        })
        .collect();
    parts.sort_by_key(|(ns, part)| (std::cmp::Reverse(ns.unsigned_abs()), part.service, part.operation));
    EndpointChange {
        endpoint: endpoint.name.clone(),
        n_before: endpoint.before.n,
        n_after: endpoint.after.n,
        shift_ms: (endpoint.before.n > 0 && endpoint.after.n > 0).then(|| ms(whole.iter().sum::<i64>())),
        operations: parts.into_iter().map(|it| it.1).collect(),
    }
}

/// Whole numbers beside these that add up to their rounded sum: what rounding down takes is given back
/// to those that lost most.
fn whole_parts(exact: &[f64]) -> Vec<i64> {
    let mut whole: Vec<i64> = exact.iter().map(|it| it.floor() as i64).collect();
    let lost = |it: usize| exact[it] - exact[it].floor();
    let n_lost = (0..exact.len()).map(lost).sum::<f64>().round() as usize;
    let mut order: Vec<usize> = (0..exact.len()).collect();
    order.sort_by(|a, b| lost(*b).total_cmp(&lost(*a)).then(a.cmp(b)));
    order.into_iter().take(n_lost).for_each(|it| whole[it] += 1);
    whole
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Name;
    use proptest::prelude::*;

    /// A mean as a fraction, and operations' visits and times.
    type Side = (u64, Vec<(u64, u64)>);

    fn requests((n, path): &Side) -> Requests<Spot> {
        let spot = |nth: usize| (Name::new("s"), Name::new(&format!("o{nth}")));
        let on_path =
            |it: &(u64, u64)| OnPath { n_visits: it.0, total_ns: u128::from(if it.0 == 0 { 0 } else { it.1 }) };
        let path: Vec<_> = if *n == 0 {
            Vec::new()
        } else {
            path.iter().enumerate().map(|(nth, it)| (spot(nth), on_path(it))).collect()
        };
        // The sections tile the roots.
        let total_ns = path.iter().map(|it| it.1.total_ns).sum();
        Requests { n: *n, total_ns, path, ..Requests::default() }
    }

    fn side() -> impl Strategy<Value = Side> {
        (0u64..50, prop::collection::vec((0u64..9, 0u64..10_000_000_000), 1..6))
    }

    fn ns(ms: f64) -> i64 {
        (ms * 1e6).round() as i64
    }

    /// The change of the mean in nanoseconds, in integers up to the last division.
    fn mean_change(before: (u128, u64), after: (u128, u64)) -> f64 {
        let (t1, n1, t2, n2) = (before.0 as i128, i128::from(before.1), after.0 as i128, i128::from(after.1));
        (t2 * n1 - t1 * n2) as f64 / (n1 * n2) as f64
    }

    proptest! {
        #[test]
        fn parts_add_up_to_the_nanosecond(sides in prop::collection::vec((side(), side()), 1..5)) {
            let endpoints: Vec<Endpoint> = sides.iter().enumerate().map(|(nth, (before, after))| Endpoint {
                name: format!("e{nth}"),
                root: (Name::new("s"), Name::new("o0")),
                before: requests(before),
                after: requests(after),
            }).collect();
            let found = decompose(&endpoints);
            let sum = |of: fn(&Endpoint) -> &Requests<Spot>| endpoints.iter().map(of).fold((0, 0), |sum, it| (sum.0 + it.total_ns, sum.1 + it.n));
            let (before, after) = (sum(|it| &it.before), sum(|it| &it.after));
            let total = found.total;
            if before.1 == 0 || after.1 == 0 {
                prop_assert_eq!(total, Total::default());
            } else {
                let shift = ns(total.shift_ms.unwrap());
                prop_assert_eq!(shift, ns(total.mix_ms.unwrap()) + ns(total.within_ms.unwrap()));
                prop_assert!((shift as f64 - mean_change(before, after)).abs() <= 1.0);
            }
            for change in &found.endpoints {
                let endpoint = endpoints.iter().find(|it| it.name == change.endpoint).unwrap();
                let Some(shift_ms) = change.shift_ms else {
                    prop_assert!(endpoint.before.n == 0 || endpoint.after.n == 0);
                    continue;
                };
                let parts: i64 = change.operations.iter().map(|it| ns(it.frequency_ms) + ns(it.time_ms)).sum();
                prop_assert_eq!(parts, ns(shift_ms));
                let expected = mean_change((endpoint.before.total_ns, endpoint.before.n), (endpoint.after.total_ns, endpoint.after.n));
                prop_assert!((parts as f64 - expected).abs() <= 1.0, "{parts} is not {expected}");
            }
        }
    }

    #[test]
    fn more_calls_are_frequency_and_longer_calls_are_time() {
        let endpoint = |before: &[(u64, u64)], after: &[(u64, u64)]| Endpoint {
            name: "e".to_owned(),
            root: (Name::new("s"), Name::new("o0")),
            before: requests(&(10, before.to_vec())),
            after: requests(&(10, after.to_vec())),
        };
        const MS: u64 = 1_000_000;
        // Ten requests: one visit of 10 ms each, then of 30 ms; two visits of 5 ms, then four; a new one of 7 ms.
        let found = decompose(&[endpoint(
            &[(10, 100 * MS), (20, 100 * MS), (0, 0)],
            &[(10, 300 * MS), (40, 200 * MS), (10, 70 * MS)],
        )]);
        let parts: Vec<_> = found.endpoints[0]
            .operations
            .iter()
            .map(|it| (it.operation.as_str(), it.frequency_ms, it.time_ms))
            .collect();
        assert_eq!(parts, [("o0", 0.0, 20.0), ("o1", 10.0, 0.0), ("o2", 7.0, 0.0)]);
        assert_eq!(found.total, Total { shift_ms: Some(37.0), mix_ms: Some(0.0), within_ms: Some(37.0) });
    }
}
