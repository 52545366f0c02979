//! One segment document: the segment and, below it, its subsegments.

use super::otel::link;
use super::{Context, XrayParser, id_of};
use crate::input::json::Node;
use crate::input::{NewSpan, Sink, decimal_ns};
use crate::model::{Id, Kind, NoDuration, Run, normalize};

/// A (sub)segment to be read, and what it has from those above it.
struct Open<'n> {
    node: &'n Node<'n>,
    /// The one it is nested in.
    above: Option<Id>,
    /// `None` for the process of a parent in another document.
    process: Option<u32>,
    trace: Id,
    is_segment: bool,
}

impl XrayParser {
    pub(super) fn segment(&mut self, document: &Node<'_>, context: &Context<'_>, sink: &mut dyn Sink) {
        if !document.is_object() {
            sink.skip("not a segment where one belongs", 0);
            return;
        }
        let Some(trace) = id_of(document, "trace_id").or_else(|| context.trace.clone()) else {
            sink.skip("a segment without a trace id", 0);
            return;
        };
        let is_segment = document.get("type").as_str() != Some("subsegment");
        let process = is_segment.then(|| self.segment_process(document));
        let mut open = Vec::new();
        match (id_of(document, "parent_id"), document.get("inferred").truth()) {
            (Some(parent), Some(true)) => {
                self.inferred(document, &trace, &parent, context);
                let parent = context.real(parent);
                open.extend(inside(document, Some(&parent), None, &trace));
            }
            _ => open.push(Open { node: document, above: None, process, trace, is_segment }),
        }
        // Documents nest as deep as their writer likes.
        while let Some(next) = open.pop() {
            let id = id_of(next.node, "id");
            if !next.node.is_object() {
                sink.skip("not a subsegment where one belongs", 0);
            } else if let Err(reason) = self.push(&next, context) {
                sink.skip(reason, 0);
            }
            // What is below one that makes no sense belongs to the one above.
            let above = id.as_ref().or(next.above.as_ref());
            open.extend(inside(next.node, above, next.process, &next.trace));
        }
    }

    /// A segment made up for what was called: it repeats the call, and names the other side of it.
    fn inferred(&mut self, document: &Node<'_>, trace: &Id, parent: &Id, context: &Context<'_>) {
        // The calls of a whole trace look for their names themselves.
        if context.trace.is_some() {
            return;
        }
        let mark = self.batch.mark_attributes();
        if let Some(name) = document.get("name").filled() {
            self.batch.text_attribute("peer.service", name);
        }
        let attributes = self.batch.attributes_since(mark);
        self.batch.supplement(trace, parent.clone(), attributes, Run::default());
    }

    fn push(&mut self, open: &Open<'_>, context: &Context<'_>) -> Result<(), &'static str> {
        let node = open.node;
        let id = id_of(node, "id").ok_or("a segment without an id")?;
        let time = |key: &str| match node.get(key).scalar() {
            None => Ok(None),
            Some(text) => decimal_ns(text, 0).map(Some).ok_or("a segment whose time is not a number"),
        };
        let (start_ns, end_ns) = (time("start_time")?, time("end_time")?);
        let in_progress = node.get("in_progress").truth() == Some(true);
        if in_progress && open.above.is_none() && context.complete.contains(&id) {
            // Sent again when it had ended.
            return Ok(());
        }
        let duration_ns = match (start_ns, end_ns) {
            (Some(start), Some(end)) if !in_progress => Ok(end.saturating_sub(start)),
            _ => Err(NoDuration::Missing),
        };
        let process = match open.process {
            Some(process) => process,
            None => self.batch.parents_process(),
        };
        let metadata = node.at(&["metadata", "default"]);
        let attributes = self.attributes(open, &id, context);
        let operation = if open.is_segment { request(node, metadata) } else { None };
        self.batch.push(NewSpan {
            trace: open.trace.clone(),
            id,
            parent: open.above.clone().or_else(|| id_of(node, "parent_id")).map(|it| context.real(it)),
            links: node.get("links").items().iter().filter_map(|it| link(it, "trace_id", "id")).collect(),
            operation: operation.as_deref().or_else(|| node.get("name").scalar()).unwrap_or(""),
            process,
            kind: Some(kind(open, metadata)),
            start_ns,
            duration_ns,
            failed: failed(node),
            shared: false,
            attributes,
            events: Run::default(),
        })
    }

    fn segment_process(&mut self, segment: &Node<'_>) -> u32 {
        let mark = self.batch.mark_attributes();
        let aws = segment.get("aws");
        for (key, value) in [
            ("host.id", aws.at(&["ec2", "instance_id"])),
            ("host.name", aws.at(&["ecs", "container"])),
            ("host.name", aws.at(&["eks", "pod"])),
            ("service.version", segment.at(&["service", "version"])),
        ] {
            self.batch.attribute(key, value);
        }
        for (key, value) in segment.at(&["metadata", "default"]).members() {
            if let Some(key) = key.strip_prefix("otel.resource.") {
                self.batch.attribute(key, value);
            }
        }
        let attributes = self.batch.attributes_since(mark);
        self.batch.process(segment.get("name").scalar(), attributes)
    }

    fn attributes(&mut self, open: &Open<'_>, id: &Id, context: &Context<'_>) -> Run {
        let node = open.node;
        let mark = self.batch.mark_attributes();
        if let Some(peer) = context.peers.get(id) {
            self.batch.text_attribute("peer.service", peer);
        }
        if !open.is_segment && is_remote(node) {
            self.batch.attribute("service.peer.name", node.get("name"));
        }
        let (request, response) = (node.at(&["http", "request"]), node.at(&["http", "response"]));
        self.batch.attribute("http.request.method", request.get("method"));
        self.batch.attribute("url.full", request.get("url"));
        self.batch.attribute("client.address", request.get("client_ip"));
        self.batch.attribute("user_agent.original", request.get("user_agent"));
        self.batch.attribute("http.response.status_code", response.get("status"));
        self.batch.attribute("enduser.id", node.get("user"));
        self.sql(node);
        if !open.is_segment {
            self.aws(node);
        }
        self.cause(node, context);
        self.batch.flat_attributes("", node.get("annotations"));
        for (namespace, members) in node.get("metadata").members() {
            self.metadata(namespace, members);
        }
        self.batch.attributes_since(mark)
    }

    fn sql(&mut self, node: &Node<'_>) {
        let sql = node.get("sql");
        if !sql.is_object() {
            return;
        }
        self.batch.attribute("db.query.text", sql.get("sanitized_query"));
        let system = sql.get("database_type").filled().unwrap_or("sql");
        self.batch.text_attribute("db.system.name", &system.to_ascii_lowercase());
        // The database at its host.
        if let Some((database, _)) = node.get("name").as_str().and_then(|it| it.split_once('@')) {
            self.batch.text_attribute("db.namespace", database);
        }
    }

    /// What was asked of a service of AWS.
    fn aws(&mut self, node: &Node<'_>) {
        let aws = node.get("aws");
        self.batch.attribute("cloud.region", aws.get("region"));
        self.batch.attribute("aws.request_id", aws.get("request_id"));
        if let Some(operation) = aws.get("operation").filled() {
            self.batch.text_attribute("rpc.system", "aws-api");
            self.batch.attribute("rpc.service", node.get("name"));
            self.batch.text_attribute("rpc.method", operation);
        }
        if node.get("name").as_str() == Some("DynamoDB") {
            self.batch.text_attribute("db.system.name", "aws.dynamodb");
        }
        self.batch.attribute("db.collection.name", aws.get("table_name"));
        if let Some(url) = aws.get("queue_url").filled() {
            self.batch.text_attribute("messaging.system", "aws_sqs");
            self.batch.text_attribute("messaging.destination.name", url.rsplit('/').next().unwrap_or(url));
        }
    }

    /// The exception that made it fail, or the one elsewhere that it names.
    fn cause(&mut self, node: &Node<'_>, context: &Context<'_>) {
        let cause = node.get("cause");
        let exception = match cause {
            Node::Text(id) => match context.exceptions.get(id.as_ref()) {
                Some(exception) => exception,
                None => return,
            },
            _ => cause.get("exceptions").first(),
        };
        self.batch.attribute("exception.type", exception.get("type"));
        let message = exception.get("message").filled().or_else(|| cause.get("message").filled());
        if let Some(message) = message {
            self.batch.text_attribute("error.message", message);
        }
        if self.batch.wants("exception.stacktrace") && !exception.get("stack").items().is_empty() {
            let stack = stack(exception);
            self.batch.text_attribute("exception.stacktrace", &stack);
        }
    }

    /// OpenTelemetry's exporter keeps attributes here that have no place of their own.
    fn metadata(&mut self, namespace: &str, members: &Node<'_>) {
        for (key, value) in members.members() {
            if key.starts_with("otel.resource.") {
                continue;
            }
            if namespace == "default" && key.contains('.') {
                self.batch.attribute(key, value);
            } else {
                self.batch.attribute(&format!("{namespace}.{key}"), value);
            }
        }
    }
}

fn inside<'n>(
    node: &'n Node<'n>,
    above: Option<&Id>,
    process: Option<u32>,
    trace: &Id,
) -> impl Iterator<Item = Open<'n>> {
    let (above, trace) = (above.cloned(), trace.clone());
    node.get("subsegments").items().iter().map(move |node| Open {
        node,
        above: above.clone(),
        process,
        trace: trace.clone(),
        is_segment: false,
    })
}

fn is_remote(node: &Node<'_>) -> bool {
    matches!(node.get("namespace").as_str(), Some("remote" | "aws"))
}

fn kind(open: &Open<'_>, metadata: &Node<'_>) -> Kind {
    let said =
        metadata.get("messaging.operation.type").filled().or_else(|| metadata.get("messaging.operation").filled());
    match (open.is_segment, said) {
        (true, Some("process" | "receive" | "deliver")) => Kind::Consumer,
        (true, _) => Kind::Server,
        (false, Some("send" | "publish" | "create")) => Kind::Producer,
        (false, _) if is_remote(open.node) => Kind::Client,
        (false, _) => Kind::Internal,
    }
}

/// Flags are written where they are true; without any, the status of the answer decides.
fn failed(node: &Node<'_>) -> Option<bool> {
    let flags = ["fault", "error", "throttle"].map(|it| node.get(it).truth());
    if flags.contains(&Some(true)) { Some(true) } else { flags.iter().flatten().next().copied() }
}

/// Method and path of a request, without the ids in it.
fn request(segment: &Node<'_>, metadata: &Node<'_>) -> Option<String> {
    let request = segment.at(&["http", "request"]);
    let path = match (metadata.get("http.route").filled(), request.get("url").filled()) {
        (Some(route), _) => route.to_owned(),
        (None, Some(url)) => normalize::url_path(url),
        (None, None) => return None,
    };
    Some(match request.get("method").filled() {
        Some(method) => format!("{method} {path}"),
        None => path,
    })
}

/// A stack trace as text: where each frame is, innermost first.
fn stack(exception: &Node<'_>) -> String {
    let part = |key: &str| exception.get(key).scalar().unwrap_or("");
    let mut text = format!("{}: {}", part("type"), part("message"));
    for frame in exception.get("stack").items() {
        let part = |key: &str| frame.get(key).scalar().unwrap_or("?");
        text.push_str(&format!("\n  at {} ({}:{})", part("label"), part("path"), part("line")));
    }
    text
}
