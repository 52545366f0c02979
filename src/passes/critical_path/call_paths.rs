//! Self time by call path: the operations from the root down to the span that was waited on.

use std::collections::BTreeMap;
use std::hash::BuildHasher;
use std::sync::Arc;

use foldhash::fast::FixedState;
use hashbrown::HashTable;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

use super::{wide_ms, wide_percent};
use crate::model::{Name, Trace};
use crate::passes::by_operation::ByOperation;

/// Deeper calls are summed up in one last step, "…": a chain of 100,000 calls would otherwise need
/// five thousand million names to be written down.
const DEEPEST: u32 = 64;

type Step = (Name, Name);

/// A tree of call paths; 0 is above all roots.
///
/// A system that calls in many ways has a million of them: nodes are small, and found by themselves.
#[derive(Clone, Debug)]
pub(super) struct CallPaths {
    nodes: Vec<Node>,
    /// Indices of nodes, by what is above them and their step.
    below: HashTable<u32>,
    steps: ByOperation<Step, ()>,
    hasher: FixedState,
    n_observed: u64,
    /// For each span of the trace at hand its node, or 0.
    of_span: Vec<u32>,
    chain: Vec<u32>,
}

#[derive(Clone, Debug)]
struct Node {
    above: u32,
    /// The number of the step.
    step: u32,
    depth: u32,
    /// The sum of self times, which may not fit 64 bits: lower and upper half, for alignment's sake.
    self_ns: [u64; 2],
    n_traces: u64,
    last_trace: u64,
}

impl Node {
    fn self_ns(&self) -> u128 {
        u128::from(self.self_ns[1]) << 64 | u128::from(self.self_ns[0])
    }

    fn add(&mut self, ns: u128) {
        let sum = self.self_ns() + ns;
        self.self_ns = [sum as u64, (sum >> 64) as u64];
    }
}

/// An entry of `critical_path_summary.paths`.
#[derive(Debug, Serialize)]
pub(super) struct CallPath {
    pub(super) path: Vec<Words>,
    pub(super) depth: usize,
    self_ms: f64,
    pub(super) share_percent: f64,
    pub(super) traces: u64,
    #[serde(skip)]
    pub(super) self_ns: u128,
}

/// A step as it is written, escaped once for all the paths it is on.
#[derive(Clone, Debug)]
pub(super) struct Words {
    text: Name,
    json: Arc<RawValue>,
}

impl Words {
    /// Service and operation.
    fn of((service, operation): Step) -> Words {
        let text = match service.as_str() {
            "" => operation,
            service => Name::new(&format!("{service} {operation}")),
        };
        let json = serde_json::value::to_raw_value(&text).expect("a text can always be written");
        Words { text, json: json.into() }
    }
}

impl Serialize for Words {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.json.serialize(serializer)
    }
}

impl CallPath {
    /// Its steps, with this between them.
    pub(super) fn words(&self, between: &str) -> String {
        let words: Vec<&str> = self.path.iter().map(|it| it.text.as_str()).collect();
        words.join(between)
    }
}

impl Default for CallPaths {
    fn default() -> CallPaths {
        let top = Node { above: 0, step: 0, depth: 0, self_ns: [0; 2], n_traces: 0, last_trace: 0 };
        let mut paths = CallPaths {
            nodes: vec![top],
            below: HashTable::new(),
            steps: ByOperation::default(),
            hasher: FixedState::default(),
            n_observed: 0,
            of_span: Vec::new(),
            chain: Vec::new(),
        };
        paths.number((Name::new(""), Name::new("")));
        paths
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
            node.add(u128::from((section.end_ns - section.start_ns).unsigned_abs()));
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
            let step = self.steps.place(span, (span.service, span.operation), || ());
            node = self.step_down(node, step as u32);
            self.of_span[idx as usize] = node;
        }
        node
    }

    /// The node one step below another, of a step by its number.
    fn step_down(&mut self, above: u32, step: u32) -> u32 {
        let depth = self.nodes[above as usize].depth + 1;
        if depth > DEEPEST + 1 {
            return above;
        }
        let step = if depth > DEEPEST { self.number((Name::new(""), Name::new("…"))) } else { step };
        let CallPaths { nodes, below, hasher, .. } = self;
        let hash = |above: u32, step: u32| hasher.hash_one(u64::from(above) << 32 | u64::from(step));
        let is_it = |&it: &u32| nodes[it as usize].above == above && nodes[it as usize].step == step;
        if let Some(&node) = below.find(hash(above, step), is_it) {
            return node;
        }
        let node = nodes.len() as u32;
        below.insert_unique(hash(above, step), node, |&it| hash(nodes[it as usize].above, nodes[it as usize].step));
        nodes.push(Node { above, step, depth, self_ns: [0; 2], n_traces: 0, last_trace: 0 });
        node
    }

    fn number(&mut self, step: Step) -> u32 {
        self.steps.place_of_key(step, || ()) as u32
    }

    pub(super) fn merge(&mut self, other: &CallPaths) {
        // Nodes are made from the top down, so the one above is known already.
        let mut mine = vec![0u32; other.nodes.len()];
        let steps: Vec<u32> = other.steps.keys().map(|it| self.number(*it)).collect();
        for (idx, theirs) in other.nodes.iter().enumerate().skip(1) {
            let node = self.step_down(mine[theirs.above as usize], steps[theirs.step as usize]);
            mine[idx] = node;
            let node = &mut self.nodes[node as usize];
            node.add(theirs.self_ns());
            node.n_traces += theirs.n_traces;
        }
    }

    /// The steps from the root down to a node.
    fn steps(&self, node: &Node) -> Vec<Step> {
        self.numbered_steps(node, |it| *self.steps.key(it as usize))
    }

    /// What is known by the numbers of the steps from the root down to a node.
    fn numbered_steps<T>(&self, node: &Node, of_step: impl Fn(u32) -> T) -> Vec<T> {
        let mut steps = Vec::with_capacity(node.depth as usize);
        steps.push(of_step(node.step));
        let mut above = node.above;
        while above != 0 {
            let node = &self.nodes[above as usize];
            steps.push(of_step(node.step));
            above = node.above;
        }
        steps.reverse();
        steps
    }

    /// The paths that were waited on, longest first, then by their steps: so many, and how many there are.
    pub(super) fn finish(&self, total_ns: u128, most: Option<usize>) -> (Vec<CallPath>, usize) {
        let mut waited_on: Vec<&Node> = self.nodes.iter().filter(|it| it.self_ns() > 0).collect();
        // Names are put together for a tie only.
        waited_on.sort_unstable_by(|one, two| {
            two.self_ns().cmp(&one.self_ns()).then_with(|| self.steps(one).cmp(&self.steps(two)))
        });
        let n_paths = waited_on.len();
        waited_on.truncate(most.unwrap_or(n_paths));
        // Each once, however many paths it is on.
        let words: Vec<Words> = self.steps.keys().map(|it| Words::of(*it)).collect();
        (waited_on.into_iter().map(|it| self.call_path(it, &words, total_ns)).collect(), n_paths)
    }

    fn call_path(&self, node: &Node, words: &[Words], total_ns: u128) -> CallPath {
        let self_ns = node.self_ns();
        let path = self.numbered_steps(node, |it| words[it as usize].clone());
        CallPath {
            depth: path.len(),
            path,
            self_ms: wide_ms(self_ns),
            share_percent: wide_percent(self_ns, total_ns),
            traces: node.n_traces,
            self_ns,
        }
    }
}

impl Serialize for CallPaths {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let by_steps: BTreeMap<Vec<Step>, (u128, u64)> = self
            .nodes
            .iter()
            .filter(|it| it.n_traces > 0)
            .map(|it| (self.steps(it), (it.self_ns(), it.n_traces)))
            .collect();
        serializer.collect_seq(by_steps)
    }
}

impl<'de> Deserialize<'de> for CallPaths {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<CallPaths, D::Error> {
        let mut paths = CallPaths::default();
        for (steps, (self_ns, n_traces)) in Vec::<(Vec<Step>, (u128, u64))>::deserialize(deserializer)? {
            let node = steps.into_iter().fold(0, |above, step| {
                let step = paths.number(step);
                paths.step_down(above, step)
            });
            let node = &mut paths.nodes[node as usize];
            node.add(self_ns);
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
            paths.finish(100_000_000, None).0.iter().map(|it| format!("{} {}", it.words(" > "), it.self_ms)).collect();
        assert_eq!(found, ["web GET / 80", "web GET / > db SELECT 15", "web GET / > db SELECT > disk read 5"]);
    }

    #[test]
    fn the_deepest_calls_are_summed_up() {
        let sketch: String = (0..200).map(|nth| format!("{}a b{nth} {nth}..400\n", "  ".repeat(nth))).collect();
        let mut paths = CallPaths::default();
        paths.observe(&sketch::trace(&sketch));
        let found = paths.finish(400_000_000, None).0;
        assert_eq!(found.len(), 65);
        assert_eq!((found[0].path.last().map(|it| it.text.as_str()), found[0].depth), (Some("…"), 65));
        assert_eq!(found.iter().map(|it| it.self_ns).sum::<u128>(), 400_000_000);
    }
}
