//! Rows of the table `otel_traces` that the Collector's ClickHouse exporter fills: `JSONEachRow`, or `JSON`.

use std::sync::Arc;

use super::json::{Fault, Node};
use super::{Batch, Format, Frame, Frames, Head, Judgement, NewSpan, Parser, Sink, Sniff, decimal_ns, rfc3339_ns};
use crate::model::{Id, Kind, NoDuration, Reference, Run, Wanted};

/// The format.
pub(super) struct ClickHouse;

impl Format for ClickHouse {
    fn name(&self) -> &'static str {
        "clickhouse"
    }

    fn about(&self) -> &'static str {
        "ClickHouse: rows of otel_traces, as JSONEachRow or JSON"
    }

    fn how_to_export(&self) -> &'static str {
        "clickhouse-client --query 'SELECT * FROM otel_traces FORMAT JSONEachRow' > traces.json"
    }

    fn sniff(&self, head: &Head<'_>) -> Sniff {
        let data = head.value.get("data");
        let row = if data.is_list() { data.first() } else { head.element() };
        if row.has_all(&["TraceId", "SpanId"]) && (row.has("SpanName") || row.has("Timestamp")) {
            return Sniff::Yes;
        }
        let columns = head.value.get("meta").items();
        let names = |name: &str| columns.iter().any(|it| it.get("name").as_str() == Some(name));
        match (names("TraceId") && names("SpanId"), data.first()) {
            (true, Node::List(_)) => Sniff::Refused {
                what: "rows of ClickHouse without the names of their columns",
                hint: "select them with FORMAT JSONEachRow",
            },
            (true, _) => Sniff::Yes,
            (false, _) => Sniff::No,
        }
    }

    fn frame(&self) -> Frame {
        Frame {
            envelopes: &["data"],
            element_keys: &["TraceId", "SpanId", "SpanName", "ParentSpanId"],
            sure_keys: &["SpanName", "ParentSpanId"],
            element: "row",
        }
    }

    fn parser(&self, wanted: &Arc<Wanted>) -> Box<dyn Parser> {
        Box::new(ClickHouseParser { batch: Batch::new(wanted) })
    }

    fn judge(&self, frames: &Frames) -> Judgement {
        let mut judgement = Judgement::default();
        let number =
            |key: &str| frames.members.iter().rfind(|(it, _)| it == key).and_then(|(_, it)| it.trim().parse().ok());
        // Without its limit the query would have had more.
        let n_rows: Option<u64> = number("rows_before_limit_at_least");
        if let Some(n_rows) = n_rows.filter(|it| *it > frames.n_elements) {
            judgement.incomplete.push(format!("the query found {n_rows} rows, {} are here", frames.n_elements));
        }
        judgement.refusal = (frames.n_elements == 0)
            .then(|| frames.members.iter().find(|(key, _)| key == "exception"))
            .flatten()
            .and_then(|(_, words)| Node::parse(words).ok()?.filled().map(str::to_owned));
        judgement
    }
}

struct ClickHouseParser {
    batch: Batch,
}

impl Parser for ClickHouseParser {
    fn element(&mut self, text: &str, sink: &mut dyn Sink) -> Result<(), Fault> {
        let row = Node::parse(text)?;
        if let Err(reason) = self.span(&row) {
            sink.skip(reason, 0);
        }
        self.batch.emit_spans(sink);
        Ok(())
    }
}

impl ClickHouseParser {
    fn span(&mut self, row: &Node<'_>) -> Result<(), &'static str> {
        let id_of = |key: &str| row.get(key).scalar().and_then(Id::parse);
        let id = id_of("SpanId").ok_or("a span without an id")?;
        let trace = id_of("TraceId").ok_or("a span without a trace id")?;
        let start_ns = match row.get("Timestamp") {
            Node::Null => None,
            it => Some(it.scalar().and_then(time_ns).ok_or("a span whose start is no time")?),
        };
        let duration_ns = match row.get("Duration") {
            Node::Null => Err(NoDuration::Missing),
            it => Ok(it.scalar().and_then(|it| decimal_ns(it, 9)).ok_or("a span whose duration is not a number")?),
        };
        let mark = self.batch.mark_attributes();
        self.batch.flat_attributes("", row.get("ResourceAttributes"));
        let of_process = self.batch.attributes_since(mark);
        let service = row.get("ServiceName").scalar().or(row.get("ResourceAttributes").get("service.name").scalar());
        let process = self.batch.resource_process(service, of_process);
        let mark = self.batch.mark_attributes();
        self.batch.flat_attributes("", row.get("SpanAttributes"));
        if let Some(words) = row.get("StatusMessage").filled() {
            self.batch.text_attribute("otel.status_description", words);
        }
        let attributes = self.batch.attributes_since(mark);
        let events = self.events(row);
        self.batch.push(NewSpan {
            trace,
            id,
            parent: id_of("ParentSpanId"),
            links: links(row),
            operation: row.get("SpanName").scalar().unwrap_or(""),
            process,
            kind: row.get("SpanKind").as_str().and_then(Kind::from_text),
            start_ns,
            duration_ns,
            failed: failed(row.get("StatusCode").as_str().unwrap_or("")),
            shared: false,
            attributes,
            events,
        })
    }

    /// Columns side by side, one for each part of an event.
    fn events(&mut self, row: &Node<'_>) -> Run {
        let [times, names, attributes] = ["Timestamp", "Name", "Attributes"].map(|it| column(row, "Events", it));
        let all = self.batch.mark_events();
        for nth in 0..times.len().max(names.len()).max(attributes.len()) {
            let mark = self.batch.mark_attributes();
            if let Some(name) = names.get(nth).and_then(Node::filled) {
                self.batch.text_attribute("event", name);
            }
            if let Some(attributes) = attributes.get(nth) {
                self.batch.flat_attributes("", attributes);
            }
            let attributes = self.batch.attributes_since(mark);
            self.batch.event(times.get(nth).and_then(Node::scalar).and_then(time_ns), attributes);
        }
        self.batch.events_since(all)
    }
}

/// One of the columns of a nested table: `"Events.Name": […]`, or `"Events": {"Name": […]}`.
fn column<'n, 'a>(row: &'n Node<'a>, table: &str, name: &str) -> &'n [Node<'a>] {
    let flat = row.get(&format!("{table}.{name}"));
    if flat.is_list() { flat.items() } else { row.at(&[table, name]).items() }
}

fn links(row: &Node<'_>) -> Vec<Reference> {
    let [traces, spans] = ["TraceId", "SpanId"].map(|it| column(row, "Links", it));
    let id_of = |node: &Node<'_>| node.scalar().and_then(Id::parse);
    let of = |(nth, span): (usize, &Node<'_>)| {
        let trace = traces.get(nth).and_then(id_of).map(Box::new);
        Some(Reference { span: id_of(span)?, trace, follows_from: true, is_link: true })
    };
    spans.iter().enumerate().filter_map(of).collect()
}

/// A time without a zone, which is UTC as a rule; or seconds, if that was asked for.
fn time_ns(text: &str) -> Option<i64> {
    rfc3339_ns(text).or_else(|| decimal_ns(text, 0))
}

fn failed(code: &str) -> Option<bool> {
    match code {
        "Error" | "STATUS_CODE_ERROR" => Some(true),
        "Ok" | "STATUS_CODE_OK" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::parsed::{batter, parse, sure_of};

    const ROW: &str = r#"{"Timestamp":"2026-11-01 10:00:00.000000001","TraceId":"a1","SpanId":"b","ParentSpanId":"","TraceState":"","SpanName":"POST /x",
        "SpanKind":"Server","ServiceName":"shop","ResourceAttributes":{"service.name":"shop","host.name":"h1"},"ScopeName":"s","ScopeVersion":"",
        "SpanAttributes":{"http.route":"/x","http.response.status_code":"500"},"Duration":"410000001","StatusCode":"Error","StatusMessage":"no",
        "Events.Timestamp":["2026-11-01 10:00:00.400000000"],"Events.Name":["exception"],"Events.Attributes":[{"exception.type":"E"}],
        "Links.TraceId":["ff"],"Links.SpanId":["9"],"Links.TraceState":[""],"Links.Attributes":[{}]}"#;

    #[test]
    fn a_row_is_a_span() {
        let parsed = parse(&ClickHouse, &[ROW]);
        let span = parsed.only();
        assert_eq!((span.service, span.operation, span.kind), ("shop", "POST /x", Some(Kind::Server)));
        assert_eq!((span.start_ns, span.duration_ns), (Some(1_793_527_200_000_000_001), Ok(410_000_001)));
        assert_eq!((span.failed, span.parent.as_deref(), span.links.len()), (Some(true), None, 1));
        assert_eq!(
            (span.events[0].0, span.events[0].1["exception.type"].as_str()),
            (Some(1_793_527_200_400_000_000), "E")
        );
        assert_eq!((span.attributes["http.route"].as_str(), span.of_process["host.name"].as_str()), ("/x", "h1"));
        let old = ROW.replace("\"Server\"", "\"SPAN_KIND_SERVER\"").replace("\"Error\"", "\"STATUS_CODE_ERROR\"");
        assert_eq!(parse(&ClickHouse, &[&old]).spans, parsed.spans);
    }

    #[test]
    fn both_ways_to_write_rows_are_told() {
        assert_eq!(sure_of(ROW), ["clickhouse"]);
        let meta = r#"{"meta":[{"name":"Timestamp","type":"DateTime64(9)"},{"name":"TraceId","type":"String"},{"name":"SpanId","type":"String"}]"#;
        assert_eq!(sure_of(&format!("{meta},\"data\":[{ROW}")), ["clickhouse"]);
        assert_eq!(sure_of(meta), ["clickhouse"]);
        let compact = format!("{meta},\"data\":[[\"2026");
        assert!(matches!(ClickHouse.sniff(&Head::new(&compact)), Sniff::Refused { .. }));
    }

    #[test]
    fn a_limit_leaves_rows_out() {
        let members = vec![("rows_before_limit_at_least".to_owned(), "10".to_owned())];
        let frames = Frames { n_elements: 9, members, ..Frames::default() };
        assert_eq!(ClickHouse.judge(&frames).incomplete, ["the query found 10 rows, 9 are here"]);
        assert_eq!(ClickHouse.judge(&Frames { n_elements: 10, ..frames }), Judgement::default());
    }

    #[test]
    fn nonsense_is_skipped() {
        for (row, reason) in [
            ("[1]", "a span without an id"),
            (r#"{"SpanId":"b"}"#, "a span without a trace id"),
            (r#"{"TraceId":"a","SpanId":"b","Timestamp":"soon"}"#, "a span whose start is no time"),
            (r#"{"TraceId":"a","SpanId":"b","Duration":{}}"#, "a span whose duration is not a number"),
        ] {
            assert_eq!(parse(&ClickHouse, &[row]).skips, [reason], "{row}");
        }
        batter(&ClickHouse, ROW);
    }
}
