//! Gates held against a comparison: only what is beyond chance fails.

use super::gate::{PARTS_PER_PERCENT, Target};
use super::judge::{Between, Finding};
use crate::diff::{
    ADVISORY_MIN, Change, Increases, Metric, NewError, P95Increase, Verdict, new_errors as find_new_errors,
};
use crate::report::words;

/// How many of something a message names.
const NAMED: usize = 3;

/// The whole confidence interval has to be beyond the limit, of any side of the call.
pub(super) fn p95_increase(increases: &Increases<'_>, target: &Target, limit_ppb: i64) -> Finding {
    let operation = target.operation.as_deref().unwrap_or_default();
    let Some(increases) = increases.of(&target.service, operation) else {
        return Finding::Fails(format!("{target} does not occur before: there is nothing to compare with"));
    };
    // A side of which nothing can be said does not hide another.
    let worst = increases.iter().max_by(|a, b| {
        let certain = |it: &P95Increase| it.at_least_percent.unwrap_or(f64::NEG_INFINITY);
        certain(a).total_cmp(&certain(b))
    });
    let Some(worst) = worst else {
        return Finding::Fails(format!(
            "no call of {target} has a known duration, or those before are of another kind"
        ));
    };
    let ms = |ms: f64| words::duration((ms * 1e6).round() as i64);
    let n = format!("{} before, {} after", words::some(worst.n_before, "trace", "traces"), words::count(worst.n_after));
    let was = format!("p95 went from {} to {}", ms(worst.before_ms), ms(worst.after_ms));
    let Some(at_least) = worst.at_least_percent else {
        return Finding::TooFew(format!("too few comparable traces to tell: {was} ({n})"));
    };
    if at_least * PARTS_PER_PERCENT as f64 > limit_ppb as f64 {
        return Finding::Fails(format!("{was}, surely by {} or more ({n})", words::percent(at_least)));
    }
    let surely = match at_least > 0.0 {
        true => format!(", surely by {}, which is within the limit", words::percent(at_least)),
        false if worst.after_ms > worst.before_ms => ", which may be chance".to_owned(),
        false => String::new(),
    };
    Finding::Holds(format!("{was}{surely} ({n})"))
}

pub(super) fn new_edges(between: Between<'_>) -> Finding {
    if let Some(few) = too_few(between) {
        return few;
    }
    let edge = |it: &Change| format!("{} → {}", it.service, it.to.map_or("", |it| it.as_str()));
    let is_new = |it: &&Change| it.metric == Metric::New && it.operation.is_none() && it.to.is_some();
    let new: Vec<String> = between.comparison.changes.iter().filter(is_new).map(edge).collect();
    let all = between.after.calls_not_in(between.before).into_iter();
    let rare: Vec<String> = all.map(|(from, to)| format!("{from} → {to}")).filter(|it| !new.contains(it)).collect();
    told(&new, &rare, "no service calls another that it did not call before")
}

pub(super) fn new_errors(between: Between<'_>) -> Finding {
    if let Some(few) = too_few(between) {
        return few;
    }
    let errors = find_new_errors(between.comparison, between.options);
    let of = |certain: bool| -> Vec<String> {
        errors.iter().filter(|it| it.is_certain == certain).map(NewError::to_string).collect()
    };
    told(&of(true), &of(false), "nothing fails in a way that it did not before")
}

fn too_few(between: Between<'_>) -> Option<Finding> {
    let n = [between.before, between.after].map(|it| it.n_traces());
    let few = n.iter().any(|it| *it < ADVISORY_MIN) || between.comparison.verdict == Verdict::Insufficient;
    few.then(|| {
        let n = format!("{} before, {} after", words::some(n[0], "trace", "traces"), words::count(n[1]));
        Finding::TooFew(format!("too few traces to tell: {n}, and {ADVISORY_MIN} a side are the least"))
    })
}

/// What is new fails; what is too rare to be sure is said.
fn told(new: &[String], rare: &[String], none: &str) -> Finding {
    let rarely = match rare {
        [] => String::new(),
        rare => format!("; too rare to tell: {}", some_of(rare)),
    };
    match new {
        [] => Finding::Holds(format!("{none}{rarely}")),
        new => Finding::Fails(format!("new: {}{rarely}", some_of(new))),
    }
}

fn some_of(names: &[String]) -> String {
    let more = match names.len().checked_sub(NAMED) {
        Some(n) if n > 0 => format!(" and {} more", words::count(n as u64)),
        _ => String::new(),
    };
    format!("{}{more}", names[..names.len().min(NAMED)].join(", "))
}
