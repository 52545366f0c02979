//! What the shape of the calls says: cycles, depth, and who depends on whom.

use std::collections::BTreeMap;

use petgraph::algo::kosaraju_scc;
use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::visit::{Dfs, Reversed};

use super::join::Joined;
use crate::model::Name;

/// Services and who calls whom.
#[derive(Debug)]
pub(super) struct Graph {
    calls: DiGraph<Name, ()>,
    by_name: BTreeMap<Name, NodeIndex>,
}

/// How the calls hang together.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Shape {
    /// Services that all depend on each other, by name.
    pub(super) cycles: Vec<Vec<Name>>,
    /// Calls on the longest path once each cycle is one.
    pub(super) depth: usize,
}

impl Graph {
    pub(super) fn of(joined: &Joined) -> Graph {
        let mut calls = DiGraph::new();
        let by_name: BTreeMap<Name, NodeIndex> = joined.nodes.keys().map(|it| (*it, calls.add_node(*it))).collect();
        for (name, node) in &joined.nodes {
            for callee in &node.callees {
                calls.add_edge(by_name[name], by_name[callee], ());
            }
        }
        Graph { calls, by_name }
    }

    pub(super) fn shape(&self) -> Shape {
        // Callees come before their callers, and no recursion is made over long chains.
        let components = kosaraju_scc(&self.calls);
        let mut component_of = vec![0; self.calls.node_count()];
        let mut depths: Vec<usize> = Vec::with_capacity(components.len());
        for (nth, members) in components.iter().enumerate() {
            members.iter().for_each(|it| component_of[it.index()] = nth);
            let callees = members.iter().flat_map(|it| self.calls.neighbors(*it)).map(|it| component_of[it.index()]);
            let below = callees.filter(|it| *it != nth).map(|it| depths[it] + 1);
            depths.push(below.max().unwrap_or(0));
        }
        let mut cycles: Vec<Vec<Name>> = components.iter().filter(|it| it.len() > 1).map(|it| self.names(it)).collect();
        cycles.sort_unstable();
        Shape { cycles, depth: depths.into_iter().max().unwrap_or(0) }
    }

    /// Who calls this service, directly or through others, by name and without itself; `None` if there
    /// is no such service.
    pub(super) fn dependents(&self, service: Name) -> Option<Vec<Name>> {
        let service = *self.by_name.get(&service)?;
        let callers = Reversed(&self.calls);
        let mut walk = Dfs::new(callers, service);
        let found: Vec<NodeIndex> = std::iter::from_fn(|| walk.next(callers)).filter(|it| *it != service).collect();
        Some(self.names(&found))
    }

    fn names(&self, nodes: &[NodeIndex]) -> Vec<Name> {
        let mut names: Vec<Name> = nodes.iter().map(|it| self.calls[*it]).collect();
        names.sort_unstable();
        names
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::passes::dependencies::Call;

    /// The graph of `a>b` calls.
    fn graph(calls: &str) -> Graph {
        let mut joined = Joined::default();
        for (from, to) in calls.split_whitespace().map(|it| it.split_once('>').unwrap()) {
            let (from, to) = (Name::new(from), Name::new(to));
            joined.edges.entry(Call { from, to, is_async: false }).or_default();
            joined.nodes.entry(from).or_default().callees.insert(to);
            joined.nodes.entry(to).or_default().callers.insert(from);
        }
        Graph::of(&joined)
    }

    fn check(calls: &str, cycles: &[&str], depth: usize) {
        let shape = graph(calls).shape();
        let found: Vec<String> = shape.cycles.iter().map(|it| names(it)).collect();
        assert_eq!((found, shape.depth), (cycles.iter().map(|it| (*it).to_owned()).collect(), depth), "{calls}");
    }

    fn names(names: &[Name]) -> String {
        names.iter().map(|it| it.as_str()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn depth_is_the_longest_path() {
        check("", &[], 0);
        check("a>b", &[], 1);
        check("a>b b>c c>d a>d x>d", &[], 3);
    }

    #[test]
    fn a_cycle_counts_as_one() {
        check("a>b b>a", &["a b"], 0);
        check("in>a a>c c>b b>a b>db c>db", &["a b c"], 2);
        check("x>y y>x p>q q>p y>p", &["p q", "x y"], 1);
    }

    #[test]
    fn dependents_are_all_callers_however_far() {
        let graph = graph("web>api api>db job>db db>disk web>cache");
        let dependents = |service| graph.dependents(Name::new(service)).map(|it| names(&it));
        assert_eq!(dependents("db").as_deref(), Some("api job web"));
        assert_eq!(dependents("web").as_deref(), Some(""));
        assert_eq!(dependents("nobody"), None);
    }

    #[test]
    fn nobody_depends_on_itself() {
        let graph = graph("a>b b>a in>a");
        assert_eq!(graph.dependents(Name::new("a")).map(|it| names(&it)).as_deref(), Some("b in"));
    }

    #[test]
    fn a_long_chain_is_no_deep_recursion() {
        let calls: Vec<String> = (0..100_000).map(|it| format!("{it}>{}", it + 1)).collect();
        check(&calls.join(" "), &[], 100_000);
    }
}
