//! Azure Application Insights: requests, dependencies and exceptions, as tables or as rows, under the
//! classic names or those of Log Analytics.

mod row;

use std::borrow::Cow;
use std::sync::Arc;

use super::json::{Fault, Node};
use super::{Batch, Format, Frame, Frames, Head, Judgement, NewSpan, Parser, Sink, Sniff};
use crate::model::{Id, Kind, NoDuration, Run, Wanted};
use row::{Item, Row};

/// The format.
pub(super) struct Azure;

impl Format for Azure {
    fn name(&self) -> &'static str {
        "azure"
    }

    fn about(&self) -> &'static str {
        "Azure Application Insights or Log Analytics: tables or rows of requests, dependencies and exceptions"
    }

    fn how_to_export(&self) -> &'static str {
        "az monitor app-insights query --app APP --analytics-query 'union requests, dependencies, exceptions' > traces.json"
    }

    fn sniff(&self, head: &Head<'_>) -> Sniff {
        let columns = head.value.get("tables").first().get("columns");
        let named = |names: &[&str]| {
            columns.items().iter().any(|it| it.get("name").as_str().is_some_and(|it| names.contains(&it)))
                || names.iter().any(|it| head.element().has(it))
        };
        let is_row = named(&["timestamp", "TimeGenerated"]) && named(&["itemType", "Type", "id", "Id", "name", "Name"]);
        if named(&["operation_Id", "OperationId"]) && is_row {
            Sniff::Yes
        } else if columns.first().has("name") {
            Sniff::Refused {
                what: "a table without operation ids",
                hint: "query whole rows: union requests, dependencies, exceptions",
            }
        } else if head.value.get("tables").is_list() {
            Sniff::Maybe
        } else {
            Sniff::No
        }
    }

    fn frame(&self) -> Frame {
        Frame {
            envelopes: &["tables"],
            element_keys: &["columns", "rows", "operation_Id", "OperationId", "itemType", "TimeGenerated"],
            sure_keys: &["rows", "operation_Id", "OperationId"],
            element: "table",
        }
    }

    fn parser(&self, wanted: &Arc<Wanted>) -> Box<dyn Parser> {
        Box::new(AzureParser { batch: Batch::new(wanted) })
    }

    fn judge(&self, frames: &Frames) -> Judgement {
        let mut judgement = Judgement::default();
        for (_, error) in frames.members.iter().filter(|(key, _)| key == "error") {
            let Ok(error) = Node::parse(error) else { continue };
            let Some(words) = error.get("message").filled().or_else(|| error.get("code").filled()) else { continue };
            if frames.n_elements == 0 {
                judgement.refusal = Some(words.to_owned());
            } else {
                judgement.warnings.push(format!("the server said: {words}"));
                judgement.incomplete.push("the server reported an error with its answer".to_owned());
            }
        }
        judgement
    }
}

struct AzureParser {
    batch: Batch,
}

impl Parser for AzureParser {
    fn element(&mut self, text: &str, sink: &mut dyn Sink) -> Result<(), Fault> {
        let element = Node::parse(text)?;
        if element.has("rows") || element.has("columns") {
            self.table(&element, sink);
        } else {
            self.row(&element, sink);
        }
        self.batch.emit_spans(sink);
        Ok(())
    }
}

impl AzureParser {
    fn table(&mut self, table: &Node<'_>, sink: &mut dyn Sink) {
        let columns: Vec<&str> = table
            .get("columns")
            .items()
            .iter()
            .map(|it| it.get("name").as_str().or_else(|| it.get("ColumnName").as_str()).unwrap_or(""))
            .collect();
        for row in table.get("rows").items() {
            let cells = columns.iter().map(|it| Cow::Borrowed(*it)).zip(row.items().iter().cloned());
            self.row(&Node::Object(cells.collect()), sink);
        }
    }

    fn row(&mut self, row: &Node<'_>, sink: &mut dyn Sink) {
        let row = Row::of(row);
        let outcome = match row.item() {
            Item::Request => self.span(&row, true),
            Item::Dependency => self.span(&row, false),
            Item::Exception => self.exception(&row),
            Item::Other => Err("a row that is no request, dependency or exception"),
        };
        if let Err(reason) = outcome {
            sink.skip(reason, 0);
        }
    }

    fn span(&mut self, row: &Row<'_, '_>, is_request: bool) -> Result<(), &'static str> {
        let id = row.text(&["id", "Id"]).and_then(Id::parse).ok_or("a span without an id")?;
        let operation = row.text(&["operation_Id", "OperationId"]).ok_or("a span without a trace id")?;
        let trace = Id::parse(operation).ok_or("a span without a trace id")?;
        let start_ns = row.time()?;
        let duration_ns = match row.duration_ns()? {
            Some(ns) => Ok(ns),
            None => Err(NoDuration::Missing),
        };
        let process = self.process(row);
        let mark = self.batch.mark_attributes();
        let properties = row.properties();
        let properties = Node::parse(&properties).unwrap_or_default();
        let kind = if is_request { self.request(row, &properties) } else { self.dependency(row) };
        self.batch.flat_attributes("", &properties);
        let attributes = self.batch.attributes_since(mark);
        self.batch.push(NewSpan {
            trace,
            id,
            // The first of an operation names the operation itself.
            parent: row.parent().filter(|it| *it != operation).and_then(Id::parse),
            links: Vec::new(),
            operation: row.text(&["name", "Name"]).unwrap_or(""),
            process,
            kind: Some(kind),
            start_ns,
            duration_ns,
            failed: row.get(&["success", "Success"]).truth().map(|it| !it),
            shared: false,
            attributes,
            events: Run::default(),
        })
    }

    fn process(&mut self, row: &Row<'_, '_>) -> u32 {
        let mark = self.batch.mark_attributes();
        if let Some(instance) = row.text(&["cloud_RoleInstance", "AppRoleInstance"]) {
            self.batch.text_attribute("host.name", instance);
        }
        let attributes = self.batch.attributes_since(mark);
        self.batch.process(row.text(&["cloud_RoleName", "AppRoleName"]), attributes)
    }

    fn add(&mut self, key: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.batch.text_attribute(key, value);
        }
    }

    fn request(&mut self, row: &Row<'_, '_>, properties: &Node<'_>) -> Kind {
        let url = row.text(&["url", "Url"]);
        self.add("url.full", url);
        let (method, path) = row.method_and_path();
        self.add("http.request.method", method);
        if method.is_some() && !properties.has("http.route") {
            self.add("http.route", path);
        }
        if method.is_some() || url.is_some() {
            self.add("http.response.status_code", row.code());
        }
        // What comes from a queue names it, and has no address.
        let from = row.text(&["source", "Source"]).filter(|_| url.is_none() && method.is_none());
        match from {
            Some(from) => {
                self.add("messaging.destination.name", from.rsplit('/').next());
                Kind::Consumer
            }
            None => Kind::Server,
        }
    }

    fn dependency(&mut self, row: &Row<'_, '_>) -> Kind {
        let of_type = row.text(&["DependencyType", "type"]).unwrap_or("");
        let (of_type, system) = match of_type.split_once('|') {
            Some((of_type, system)) => (of_type.trim(), Some(system.trim())),
            None => (of_type, None),
        };
        let target = row.text(&["target", "Target"]);
        let data = row.text(&["data", "Data"]);
        let is = |name: &str| of_type.eq_ignore_ascii_case(name);
        if is("InProc") {
            return Kind::Internal;
        }
        if is("Queue Message") {
            self.add("messaging.system", system);
            self.add("messaging.destination.name", target.and_then(|it| it.rsplit('/').next()));
            return Kind::Producer;
        }
        if let Some(system) = row::database(of_type) {
            self.database(system, target, data);
        } else if is("HTTP") || is("Http (tracked component)") || is("AJAX") || is("Fetch") {
            let (method, _) = row.method_and_path();
            self.add("http.request.method", method);
            self.add("url.full", data);
            self.add("http.response.status_code", row.code());
            // Behind the bar stands the application that answered.
            self.add("server.address", target.map(|it| it.split(" | ").next().unwrap_or(it)));
        } else {
            if is("GRPC") {
                self.add("rpc.grpc.status_code", row.code());
            }
            self.add("peer.service", target);
        }
        Kind::Client
    }

    /// A target is `server | database`, or one of both.
    fn database(&mut self, system: &str, target: Option<&str>, statement: Option<&str>) {
        self.add("db.system.name", Some(system));
        self.add("db.query.text", statement);
        match target.and_then(|it| it.split_once('|')) {
            Some((server, database)) => {
                self.add("server.address", Some(server.trim()));
                self.add("db.namespace", Some(database.trim()));
            }
            None => self.add("server.address", target.filter(|it| *it != system)),
        }
    }

    /// Adds what is said of an exception to the span it happened in.
    fn exception(&mut self, row: &Row<'_, '_>) -> Result<(), &'static str> {
        let trace = row.text(&["operation_Id", "OperationId"]).and_then(Id::parse);
        let trace = trace.ok_or("an exception outside of any trace")?;
        let span = row.parent().and_then(Id::parse).ok_or("an exception outside of any span")?;
        let at_ns = row.time()?;
        let mark = self.batch.mark_attributes();
        self.add("exception.type", row.text(&["ExceptionType", "type", "OuterType", "outerType"]));
        self.add(
            "exception.message",
            row.text(&["outerMessage", "OuterMessage", "innermostMessage", "InnermostMessage"]),
        );
        self.add("exception.stacktrace", row.stack().as_deref());
        let attributes = self.batch.attributes_since(mark);
        let events = self.batch.mark_events();
        self.batch.event(at_ns, attributes);
        let events = self.batch.events_since(events);
        self.batch.supplement(&trace, span, Run::default(), events);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::parsed::{batter, parse, sure_of};

    const TABLE: &str = r#"{"name":"PrimaryResult","columns":[{"name":"timestamp","type":"datetime"},{"name":"id","type":"string"},
        {"name":"operation_Id","type":"string"},{"name":"operation_ParentId","type":"string"},{"name":"name","type":"string"},
        {"name":"duration","type":"real"},{"name":"success","type":"string"},{"name":"resultCode","type":"string"},{"name":"itemType","type":"string"},
        {"name":"type","type":"string"},{"name":"target","type":"string"},{"name":"data","type":"string"},{"name":"cloud_RoleName","type":"string"},
        {"name":"customDimensions","type":"dynamic"},{"name":"outerMessage","type":"string"},{"name":"url","type":"string"}],
        "rows":[["2026-11-01T10:00:00.001Z","b","a1","a1","POST /pay",410.5,"False","500","request",null,null,null,"payment","{\"customer\":\"c\"}",null,"http://payment/pay"],
                ["2026-11-01T10:00:00.002Z","c","a1","b","SELECT",1.5,"True","0","dependency","SQL","db1 | shop","SELECT 1","payment",{"k":1},null,null],
                ["2026-11-01T10:00:00.400Z",null,"a1","b",null,null,null,null,"exception","BankError",null,null,"payment",null,"no",null]]}"#;

    #[test]
    fn a_table_holds_requests_dependencies_and_exceptions() {
        let parsed = parse(&Azure, &[TABLE]);
        let [request, dependency, exception] = &parsed.spans[..] else { panic!("{parsed:?}") };
        assert_eq!((request.parent.as_deref(), request.kind, request.failed), (None, Some(Kind::Server), Some(true)));
        assert_eq!((request.start_ns, request.duration_ns), (Some(1_793_527_200_001_000_000), Ok(410_500_000)));
        let of = |key: &str| request.attributes.get(key).map(String::as_str);
        assert_eq!(
            (of("http.request.method"), of("http.route"), of("customer")),
            (Some("POST"), Some("/pay"), Some("c"))
        );
        assert_eq!((of("http.response.status_code"), of("url.full")), (Some("500"), Some("http://payment/pay")));
        assert_eq!(
            (dependency.parent.as_deref(), dependency.kind, dependency.failed),
            (Some("b"), Some(Kind::Client), Some(false))
        );
        let of = |key: &str| dependency.attributes.get(key).map(String::as_str);
        assert_eq!((of("db.namespace"), of("db.query.text"), of("k")), (Some("shop"), Some("SELECT 1"), Some("1")));
        assert!(exception.supplement && exception.id == "b");
        assert_eq!(
            (exception.events[0].1["exception.type"].as_str(), exception.events[0].1["exception.message"].as_str()),
            ("BankError", "no")
        );
        assert_eq!(sure_of(&format!("{{\"tables\":[{TABLE}")), ["azure"]);
        batter(&Azure, TABLE);
    }

    #[test]
    fn rows_of_a_workspace_have_other_names_and_texts_for_values() {
        let request = r#"{"TableName":"PrimaryResult","TimeGenerated":"2026-11-01T10:00:00.001Z","Id":"|4bf9.c1d2.","OperationId":"4bf9","ParentId":"",
            "Name":"GET /x","DurationMs":"00:00:01.5","Success":"true","ResultCode":"200","AppRoleName":"shop","AppRoleInstance":"h1","Type":"AppRequests",
            "Properties":"{\"http.route\":\"/x\"}","ItemCount":"1"}"#;
        let parsed = parse(&Azure, &[request]);
        let span = parsed.only();
        assert_eq!((span.id.as_str(), span.parent.as_deref(), span.service), ("|4bf9.c1d2.", None, "shop"));
        assert_eq!(
            (span.duration_ns, span.failed, span.of_process["host.name"].as_str()),
            (Ok(1_500_000_000), Some(false), "h1")
        );
        assert_eq!(sure_of(&format!("[{request}]")), ["azure"]);
        let sent = r#"{"TimeGenerated":"2026-11-01T10:00:00Z","Id":"b","OperationId":"a","ParentId":"c","Name":"send","DurationMs":"10",
            "DependencyType":"Queue Message | kafka","Target":"broker/orders","Type":"AppDependencies"}"#;
        let parsed = parse(&Azure, &[sent]);
        let span = parsed.only();
        assert_eq!((span.kind, span.failed), (Some(Kind::Producer), None));
        assert_eq!(
            (span.attributes["messaging.system"].as_str(), span.attributes["messaging.destination.name"].as_str()),
            ("kafka", "orders")
        );
        batter(&Azure, request);
        batter(&Azure, sent);
    }

    #[test]
    fn a_call_tells_where_it_goes() {
        let dependency = |more: &str| {
            let text = format!(
                r#"{{"itemType":"dependency","timestamp":"2026-11-01T10:00:00Z","id":"b","operation_Id":"a","name":"POST /charge",{more}}}"#
            );
            parse(&Azure, &[&text]).only().clone()
        };
        let http =
            dependency(r#""type":"HTTP","target":"bank | cid-v1:x","data":"http://bank/charge","resultCode":"503""#);
        assert_eq!(
            (http.attributes["server.address"].as_str(), http.attributes["http.response.status_code"].as_str()),
            ("bank", "503")
        );
        assert_eq!(
            (http.attributes["url.full"].as_str(), http.attributes["http.request.method"].as_str()),
            ("http://bank/charge", "POST")
        );
        assert_eq!(dependency(r#""type":"InProc | Microsoft.Storage""#).kind, Some(Kind::Internal));
        assert_eq!(dependency(r#""type":"WCF Service","target":"mail""#).attributes["peer.service"], "mail");
    }

    #[test]
    fn nonsense_is_skipped() {
        for (row, reason) in [
            (r#"{"itemType":"trace","operation_Id":"a"}"#, "a row that is no request, dependency or exception"),
            (r#"{"itemType":"request","operation_Id":"a"}"#, "a span without an id"),
            (r#"{"itemType":"request","id":"a"}"#, "a span without a trace id"),
            (r#"{"itemType":"request","id":"a","operation_Id":"b","timestamp":"x"}"#, "a span whose time is none"),
            (
                r#"{"itemType":"request","id":"a","operation_Id":"b","duration":"1:2"}"#,
                "a span whose duration is not a number",
            ),
            (r#"{"itemType":"exception","operation_Id":"b"}"#, "an exception outside of any span"),
        ] {
            assert_eq!(parse(&Azure, &[row]).skips, [reason], "{row}");
        }
    }
}
