//! Documents as Elasticsearch and OpenSearch give them back: hits of a search, lines of a dump, bare
//! sources, or `fields`; their keys nested, dotted, or both at once.

use super::json::Node;
use super::{Frames, Head, Judgement, Sniff};
use crate::model::{Id, Reference};

/// Where a search's answer keeps its hits; Kibana's inspector and asynchronous searches wrap that.
pub(super) const ENVELOPES: &[&str] = &["hits.hits", "response.hits.hits", "rawResponse.hits.hits"];

/// One document.
#[derive(Clone, Copy, Debug)]
pub(super) struct Document<'n, 'a> {
    /// As it was stored.
    source: &'n Node<'a>,
    /// As it was indexed: dotted keys, every value a list.
    fields: &'n Node<'a>,
}

impl<'n, 'a> Document<'n, 'a> {
    /// Takes a hit, a line of a dump or a bare source apart.
    pub(super) fn of(element: &'n Node<'a>) -> Document<'n, 'a> {
        let source = element.get("_source");
        let fields = element.get("fields");
        let is_hit = source.is_object() || (fields.is_object() && (element.has("_index") || element.has("_id")));
        if is_hit { Document { source, fields } } else { Document { source: element, fields: &Node::Null } }
    }

    /// The first document of a head.
    pub(super) fn first_of(head: &'n Head<'a>) -> Document<'n, 'a> {
        let answers = [&head.value, head.value.get("response"), head.value.get("rawResponse")];
        let hit = answers.map(|it| it.at(&["hits", "hits"]).first()).into_iter().find(|it| it.is_object());
        Document::of(hit.unwrap_or_else(|| head.element()))
    }

    /// The value of a dotted path however it is nested, or the first of its list; null if there is none.
    pub(super) fn get(&self, path: &str) -> &'n Node<'a> {
        one(self.whole(path))
    }

    /// The first of several paths that leads to a scalar.
    pub(super) fn any(&self, paths: &[&str]) -> Option<&'n str> {
        paths.iter().find_map(|it| self.get(it).scalar())
    }

    /// The items of a list; a single value stands for a list of one.
    pub(super) fn list(&self, path: &str) -> &'n [Node<'a>] {
        match self.whole(path) {
            Node::List(items) => items,
            Node::Null => &[],
            single => std::slice::from_ref(single),
        }
    }

    /// What it links to, spans and traces named by these keys.
    pub(super) fn links(&self, span: &str, trace: &str) -> Vec<Reference> {
        let of = |node: &Node<'_>| {
            let link = Document::of(node);
            let id_at = |path: &str| link.get(path).scalar().and_then(Id::parse);
            let (span, trace) = (id_at(span)?, id_at(trace).map(Box::new));
            Some(Reference { span, trace, follows_from: true, is_link: true })
        };
        self.list("links").iter().filter_map(of).collect()
    }

    fn whole(&self, path: &str) -> &'n Node<'a> {
        let stored = find(self.source, path);
        if stored.is_null() { find(self.fields, path) } else { stored }
    }

    /// Every value below a path, with the rest of its own.
    pub(super) fn leaves(&self, path: &str, mut give: impl FnMut(&str, &'n Node<'a>)) {
        let from = if self.source.is_object() { self.source } else { self.fields };
        leaves(from, "", path, &mut give);
    }

    /// Whether there is anything at or below a path.
    pub(super) fn has(&self, path: &str) -> bool {
        let mut found = !self.whole(path).is_null();
        self.leaves(path, |_, value| found |= !value.is_null());
        found
    }
}

/// The value itself, or the first that a list holds.
pub(super) fn one<'n, 'a>(node: &'n Node<'a>) -> &'n Node<'a> {
    if node.is_list() { node.first() } else { node }
}

/// Every dot may be a nesting or a part of a key. As deep as the path has dots.
fn find<'n, 'a>(node: &'n Node<'a>, path: &str) -> &'n Node<'a> {
    let direct = node.get(path);
    if !direct.is_null() {
        return direct;
    }
    for (at, _) in path.match_indices('.') {
        let found = find(one(node.get(&path[..at])), &path[at + 1..]);
        if !found.is_null() {
            return found;
        }
    }
    direct
}

/// The parser bounds how deep this goes.
fn leaves<'n, 'a>(node: &'n Node<'a>, way: &str, path: &str, give: &mut impl FnMut(&str, &'n Node<'a>)) {
    let below = |key: &str| key.strip_prefix(path).and_then(|it| it.strip_prefix('.')).map(str::to_owned);
    for (key, value) in node.members() {
        let key = if way.is_empty() { key.to_string() } else { format!("{way}.{key}") };
        let leads_there = path.strip_prefix(&key).is_some_and(|it| it.is_empty() || it.starts_with('.'));
        match below(&key) {
            Some(rest) if !value.is_object() => give(&rest, one(value)),
            Some(_) => leaves(value, &key, path, give),
            None if leads_there => leaves(one(value), &key, path, give),
            None => {}
        }
    }
}

/// What an answer without a document is: nothing found, or an error in the server's words.
pub(super) fn sniff_without_document(head: &Head<'_>) -> Sniff {
    let error = head.value.get("error");
    let is_error = head.value.has("status") && (error.has("root_cause") || error.has("reason"));
    let hits = head.value.get("hits");
    let is_empty = hits.get("hits").is_list() && hits.get("hits").first().is_null();
    if is_error || is_empty { Sniff::Maybe } else { Sniff::No }
}

/// What a search says of itself around its hits.
pub(super) fn judge(frames: &Frames) -> Judgement {
    let mut judgement = Judgement::default();
    let mut n_found = 0;
    for (key, value) in &frames.members {
        let Ok(value) = Node::parse(value) else { continue };
        let key = key.strip_prefix("response.").or_else(|| key.strip_prefix("rawResponse.")).unwrap_or(key);
        match key {
            "error" => judgement.refusal = judgement.refusal.take().or_else(|| reason(&value)),
            "hits.total" => {
                let total = if value.is_object() { value.get("value") } else { &value };
                n_found = n_found.max(total.integer().unwrap_or(0).unsigned_abs());
            }
            "timed_out" if value.truth() == Some(true) => judgement.incomplete.push("the search timed out".to_owned()),
            "is_partial" if value.truth() == Some(true) => {
                judgement.incomplete.push("the search was not done".to_owned());
            }
            "terminated_early" if value.truth() == Some(true) => {
                judgement.incomplete.push("the search was ended early".to_owned());
            }
            "_shards" => judgement.incomplete.extend(failed_shards(&value)),
            _ => {}
        }
    }
    // Pages of one search each say the same total.
    if n_found > frames.n_elements {
        judgement.incomplete.push(format!("the search found {n_found} documents, {} are here", frames.n_elements));
    }
    if frames.n_elements > 0
        && let Some(words) = judgement.refusal.take()
    {
        judgement.warnings.push(format!("the server said: {words}"));
        judgement.incomplete.push("the server reported an error with its answer".to_owned());
    }
    judgement.incomplete.sort();
    judgement.incomplete.dedup();
    judgement
}

fn failed_shards(shards: &Node<'_>) -> Option<String> {
    let n_failed = shards.get("failed").integer().filter(|it| *it > 0)?;
    let all = shards.get("total").scalar().unwrap_or("all");
    Some(format!("{n_failed} of {all} shards failed"))
}

/// The server's words.
fn reason(error: &Node<'_>) -> Option<String> {
    let cause = error.get("root_cause").first();
    [cause.get("reason"), error.get("reason"), error.get("type"), error]
        .iter()
        .find_map(|it| it.filled())
        .map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames(n_elements: u64, members: &[(&str, &str)]) -> Frames {
        let members = members.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        Frames { n_elements, members, ..Frames::default() }
    }

    #[test]
    fn every_dot_may_be_a_nesting() {
        for text in [
            r#"{"span":{"db":{"statement":"x"}}}"#,
            r#"{"span.db":{"statement":"x"}}"#,
            r#"{"span":{"db.statement":["x"]}}"#,
            r#"{"_index":"i","_source":{"span":[{"db":{"statement":"x"}}]}}"#,
            r#"{"_id":"1","fields":{"span.db.statement":["x"]}}"#,
            r#"{"span":{"id":"1"},"span.db.statement":"x"}"#,
        ] {
            let node = Node::parse(text).unwrap();
            let document = Document::of(&node);
            assert_eq!(document.get("span.db.statement").as_str(), Some("x"), "{text}");
            assert!(document.has("span.db") && document.has("span") && !document.has("span.d"), "{text}");
            let mut found = Vec::new();
            document.leaves("span.db", |rest, value| found.push((rest.to_owned(), value.as_str())));
            assert_eq!(found, [("statement".to_owned(), Some("x"))], "{text}");
        }
    }

    #[test]
    fn what_a_search_says_of_itself() {
        let total = [("hits.total", r#"{"value":10,"relation":"eq"}"#), ("hits.total", r#"{"value":10}"#)];
        assert_eq!(judge(&frames(10, &total)), Judgement::default());
        assert_eq!(judge(&frames(9, &total)).incomplete, ["the search found 10 documents, 9 are here"]);
        assert_eq!(judge(&frames(9, &[("hits.total", "10")])).incomplete.len(), 1);
        let troubled = [("timed_out", "true"), ("_shards", r#"{"total":5,"failed":2}"#), ("timed_out", "true")];
        assert_eq!(judge(&frames(1, &troubled)).incomplete, ["2 of 5 shards failed", "the search timed out"]);
        let refused = [("error", r#"{"root_cause":[{"type":"x","reason":"no such index"}],"reason":"y"}"#)];
        assert_eq!(judge(&frames(0, &refused)).refusal.as_deref(), Some("no such index"));
        assert_eq!(judge(&frames(1, &refused)).incomplete.len(), 1);
        assert_eq!(judge(&frames(0, &[("timed_out", "null"), ("_shards", "[]"), ("hits.total", "-3x")])).refusal, None);
    }
}
