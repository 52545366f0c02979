//! What is said of a fetch, while it goes on and in the end.

use super::super::slicer::Gap;
use super::super::{fault, listed};
use super::State;
use crate::failure::Failure;
use crate::input::source::Ended;

/// Gaps are named up to so many.
const NAMED_GAPS: usize = 5;

impl State {
    /// How far it has come.
    pub(super) fn progress(&self, n_bytes: u64) -> String {
        let (mut n_asked, mut n_left) = (0, 0);
        for (_, slicer) in &self.searches {
            let (asked, left) = slicer.n_requests();
            n_asked += asked;
            n_left += left;
        }
        let seconds = self.started.map_or(0.0, |it| it.elapsed().as_secs_f64()).max(1e-3);
        let n_traces = self.seen.len();
        format!(
            "fetching: {n_traces} traces, {} spans, {n_asked} requests ({n_left} to go), {:.1} MB, {:.0} traces/s",
            self.n_spans,
            n_bytes as f64 / 1e6,
            n_traces as f64 / seconds,
        )
    }

    /// How it ended.
    pub(super) fn ended(&self, server: &str, is_stopped: bool) -> Ended {
        let mut ended =
            Ended { warnings: self.unknown_services(), came_again: self.came_again.clone(), ..Ended::default() };
        if let Some(error) = &self.spool_error {
            let what = format!("failed to keep what was fetched of {server}: {error}");
            ended.failure = Some(Failure::with_hint(what, "make room where temporary files are kept (TMPDIR)"));
            return ended;
        }
        ended.incomplete.extend(self.said.iter().map(|it| format!("the server said: {it}")));
        if self.is_limited {
            let n = self.limit.unwrap_or_default();
            ended.incomplete.push(format!("stopped at {n} traces by --limit; there are more"));
            return ended;
        }
        ended.has_gaps = !self.said.is_empty();
        let gaps: Vec<(Option<&str>, Gap)> = self
            .searches
            .iter()
            .flat_map(|(query, slicer)| slicer.gaps().into_iter().map(|it| (query.service.as_deref(), it)))
            .collect();
        if gaps.is_empty() && self.lost.is_empty() {
            ended.failure = self.nothing_found(server);
            return ended;
        }
        ended.has_gaps = true;
        if is_stopped {
            ended.incomplete.push("stopped before all was fetched".to_owned());
            return ended;
        }
        if self.n_answers == 0 {
            ended.failure = self.last_fault.clone().map(fault::Fault::into_failure);
        }
        ended.hint = self.last_fault.as_ref().map(|it| it.hint().to_owned());
        ended.incomplete.extend(gaps.iter().take(NAMED_GAPS).map(|(service, gap)| words(*service, gap)));
        if let Some(n_more) = gaps.len().checked_sub(NAMED_GAPS).filter(|it| *it > 0) {
            ended.incomplete.push(format!("{n_more} more slices of time could not be fetched"));
        }
        ended.incomplete.extend(self.lost.iter().take(NAMED_GAPS).map(|it| format!("could not be fetched: {it}")));
        if let Some(n_more) = self.lost.len().checked_sub(NAMED_GAPS).filter(|it| *it > 0) {
            ended.incomplete.push(format!("{n_more} more traces could not be fetched"));
        }
        ended
    }

    /// Traces that were named, and none of which is there.
    fn nothing_found(&self, server: &str) -> Option<Failure> {
        let is_nowhere = self.n_ids > 0 && self.missing.len() == self.n_ids;
        is_nowhere.then(|| {
            let what = format!("failed to find trace {} at {server}: HTTP 404", self.missing.join(", "));
            Failure::with_hint(what, "check the id; servers drop traces after a while, and a tenant sees only its own")
        })
    }

    /// Services that were asked for, had nothing, and are not among those there are.
    fn unknown_services(&self) -> Vec<String> {
        let Some(known) = self.known.as_ref().filter(|_| self.seen.is_empty() && self.n_answers > 0) else {
            return Vec::new();
        };
        let asked = self.searches.iter().filter_map(|it| it.0.service.as_ref());
        asked
            .filter(|it| !known.contains(it))
            .map(|it| format!("the server knows no service '{it}'{}", near(it, known)))
            .collect()
    }
}

fn near(name: &str, known: &[String]) -> String {
    let distance = |it: &String| strsim::damerau_levenshtein(&name.to_lowercase(), &it.to_lowercase());
    let mut close: Vec<(usize, &String)> = known.iter().map(|it| (distance(it), it)).collect();
    close.retain(|(distance, it)| *distance <= 1 + name.len() / 3 || it.to_lowercase().contains(&name.to_lowercase()));
    close.sort();
    let close: Vec<String> = close.into_iter().map(|it| it.1.clone()).take(3).collect();
    match (close.is_empty(), known.is_empty()) {
        (false, _) => format!("; there is {}", listed(&close, 3)),
        (true, false) => format!("; there is {}", listed(known, 20)),
        (true, true) => "; it has none yet".to_owned(),
    }
}

fn words(service: Option<&str>, gap: &Gap) -> String {
    let moment =
        |us: i64| jiff::Timestamp::from_microsecond(us).map_or_else(|_| us.to_string(), |it| format!("{it:.3}"));
    let of = service.map_or(String::new(), |it| format!(" of {it}"));
    format!("{} to {}{of} could not be fetched: {}", moment(gap.from_us), moment(gap.until_us), gap.why)
}
