//! Self time by call path: the operations from the root down to the span that was waited on.

use std::collections::{BTreeMap, HashMap};

use foldhash::fast::FixedState;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{wide_ms, wide_percent};
use crate::model::{Name, Trace};

/// Deeper calls are summed up in one last step, "…": a chain of 100,000 calls would otherwise need
/// five thousand million names to be written down.
const DEEPEST: u32 = 64;

type Step = (Name, Name);

/// A tree of call paths; 0 is above all roots.
#[derive(Clone, Debug)]
pub(super) struct CallPaths {
    nodes: Vec<Node>,
    below: HashMap<(u32, Name, Name), u32, FixedState>,
    n_observed: u64,
    /// For each span of the trace at hand its node, or 0.
    of_span: Vec<u32>,
    chain: Vec<u32>,
}

#[derive(Clone, Debug)]
struct Node {
    above: u32,
    depth: u32,
    step: Step,
    self_ns: u128,
    n_traces: u64,
    last_trace: u64,
}

/// An entry of `critical_path_summary.paths`.
#[derive(Debug, Serialize)]
pub(super) struct CallPath {
    pub(super) path: Vec<String>,
    pub(super) depth: usize,
    self_ms: f64,
    pub(super) share_percent: f64,
    pub(super) traces: u64,
    #[serde(skip)]
    pub(super) self_ns: u128,
}

impl Default for CallPaths {
    fn default() -> CallPaths {
        let nothing = Name::new("");
        let top = Node { above: 0, depth: 0, step: (nothing, nothing), self_ns: 0, n_traces: 0, last_trace: 0 };
        CallPaths { nodes: vec![top], below: HashMap::default(), n_observed: 0, of_span: Vec::new(), chain: Vec::new() }
    }
}

impl CallPaths {
    pub(super) fn observe(&mut self, trace: &Trace) {
        self.n_observed += 1;
        self.of_span.clear();
        self.of_span.resize(trace.spans().len(), 0);
        for section in trace.critical_path(trace.main_root()) {
            let node = self.node_of(trace, section.span);
            let node = &mut self.nodes[node as usize];
            node.self_ns += u128::from((section.end_ns - section.start_ns).unsigned_abs());
            if node.last_trace != self.n_observed {
                node.last_trace = self.n_observed;
                node.n_traces += 1;
            }
        }
    }

    /// The node of a span: its parent's, one step further.
    fn node_of(&mut self, trace: &Trace, span: u32) -> u32 {
        self.chain.clear();
        let mut at = Some(span);
        while let Some(idx) = at.filter(|it| self.of_span[*it as usize] == 0) {
            self.chain.push(idx);
            at = trace.span(idx).parent;
        }
        let mut node = at.map_or(0, |it| self.of_span[it as usize]);
        while let Some(idx) = self.chain.pop() {
            let span = trace.span(idx);
            node = self.step_down(node, (span.service, span.operation));
            self.of_span[idx as usize] = node;
        }
        node
    }

    fn step_down(&mut self, above: u32, step: Step) -> u32 {
        let depth = self.nodes[above as usize].depth + 1;
        if depth > DEEPEST + 1 {
            return above;
        }
        let step = if depth > DEEPEST { (Name::new(""), Name::new("…")) } else { step };
        let next = self.nodes.len() as u32;
        let node = *self.below.entry((above, step.0, step.1)).or_insert(next);
        if node == next {
            self.nodes.push(Node { above, depth, step, self_ns: 0, n_traces: 0, last_trace: 0 });
        }
        node
    }

    pub(super) fn merge(&mut self, other: &CallPaths) {
        // Nodes are made from the top down, so the one above is known already.
        let mut mine = vec![0u32; other.nodes.len()];
        for (idx, theirs) in other.nodes.iter().enumerate().skip(1) {
            let node = self.step_down(mine[theirs.above as usize], theirs.step);
            mine[idx] = node;
            let node = &mut self.nodes[node as usize];
            node.self_ns += theirs.self_ns;
            node.n_traces += theirs.n_traces;
        }
    }

    fn steps(&self, node: &Node) -> Vec<Step> {
        let mut steps = vec![node.step];
        let mut above = node.above;
        while above != 0 {
            let node = &self.nodes[above as usize];
            steps.push(node.step);
            above = node.above;
        }
        steps.reverse();
        steps
    }

    /// The paths that were waited on, longest first, then by their steps.
    pub(super) fn finish(&self, total_ns: u128) -> Vec<CallPath> {
        let mut paths: Vec<(std::cmp::Reverse<u128>, Vec<Step>, u64)> = self
            .nodes
            .iter()
            .filter(|it| it.self_ns > 0)
            .map(|it| (std::cmp::Reverse(it.self_ns), self.steps(it), it.n_traces))
            .collect();
        paths.sort_unstable();
        paths
            .into_iter()
            .map(|(std::cmp::Reverse(self_ns), steps, traces)| CallPath {
                depth: steps.len(),
                path: steps
                    .iter()
                    .map(|(service, operation)| format!("{service} {operation}").trim_start().to_owned())
                    .collect(),
                self_ms: wide_ms(self_ns),
                share_percent: wide_percent(self_ns, total_ns),
                traces,
                self_ns,
            })
            .collect()
    }
}

impl Serialize for CallPaths {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let by_steps: BTreeMap<Vec<Step>, (u128, u64)> = self
            .nodes
            .iter()
            .filter(|it| it.n_traces > 0)
            .map(|it| (self.steps(it), (it.self_ns, it.n_traces)))
            .collect();
        serializer.collect_seq(by_steps)
    }
}

impl<'de> Deserialize<'de> for CallPaths {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<CallPaths, D::Error> {
        let mut paths = CallPaths::default();
        for (steps, (self_ns, n_traces)) in Vec::<(Vec<Step>, (u128, u64))>::deserialize(deserializer)? {
            let node = steps.into_iter().fold(0, |above, step| paths.step_down(above, step));
            let node = &mut paths.nodes[node as usize];
            node.self_ns += self_ns;
            node.n_traces += n_traces;
        }
        Ok(paths)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::sketch;

    #[test]
    fn equal_steps_are_one_path() {
        let mut paths = CallPaths::default();
        paths.observe(&sketch::trace("web GET / 0..100\n  db SELECT 10..20\n  db SELECT 30..40\n    disk read 30..35"));
        let found: Vec<_> =
            paths.finish(100_000_000).iter().map(|it| format!("{} {}", it.path.join(" > "), it.self_ms)).collect();
        assert_eq!(found, ["web GET / 80", "web GET / > db SELECT 15", "web GET / > db SELECT > disk read 5"]);
    }

    #[test]
    fn the_deepest_calls_are_summed_up() {
        let sketch: String = (0..200).map(|nth| format!("{}a b{nth} {nth}..400\n", "  ".repeat(nth))).collect();
        let mut paths = CallPaths::default();
        paths.observe(&sketch::trace(&sketch));
        let found = paths.finish(400_000_000);
        assert_eq!(found.len(), 65);
        assert_eq!((found[0].path.last().map(String::as_str), found[0].depth), (Some("…"), 65));
        assert_eq!(found.iter().map(|it| it.self_ns).sum::<u128>(), 400_000_000);
    }
}
