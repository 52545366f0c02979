//! Jaeger exports of any size to measure with: the same seed gives the same bytes.
//!
//! A shop of 20 services with 10 operations each. Nothing here is random but the sizes, so that a
//! run can be repeated on another machine.

use std::io::{self, Write};

/// How the JSON is laid out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Shape {
    /// On one line, keys in Jaeger's order.
    #[default]
    Compact,
    /// Indented by two spaces.
    Pretty,
    /// On one line, the keys of every object in another order each time.
    ShuffledKeys,
}

/// What was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Generated {
    /// Bytes of JSON.
    pub(crate) bytes: u64,
    /// Traces.
    pub(crate) traces: u64,
    /// Spans of all traces.
    pub(crate) spans: u64,
}

/// Writes traces of 10 to 100 spans until there are `target_bytes`; the last trace goes over it.
pub(crate) fn write_capture(out: &mut impl Write, target_bytes: u64, seed: u64) -> io::Result<Generated> {
    write_capture_as(out, target_bytes, seed, Shape::Compact)
}

/// [`write_capture`] in a shape.
pub(crate) fn write_capture_as(
    out: &mut impl Write,
    target_bytes: u64,
    seed: u64,
    shape: Shape,
) -> io::Result<Generated> {
    let mut generator = Generator::new(out, seed, shape);
    generator.open();
    while generator.written() < target_bytes {
        let n_spans = 10 + generator.random.below(91);
        generator.plan(n_spans as usize);
        generator.write_trace()?;
    }
    generator.close()
}

/// Writes a single trace of this many spans.
pub(crate) fn write_one_huge_trace(out: &mut impl Write, spans: u64) -> io::Result<Generated> {
    let mut generator = Generator::new(out, 1, Shape::Compact);
    generator.open();
    if spans > 0 {
        generator.plan(spans as usize);
        generator.write_trace()?;
    }
    generator.close()
}

/// Writes this many traces of one span each.
pub(crate) fn write_tiny_traces(out: &mut impl Write, traces: u64) -> io::Result<Generated> {
    let mut generator = Generator::new(out, 1, Shape::Compact);
    generator.open();
    for _ in 0..traces {
        generator.plan(1);
        generator.write_trace()?;
    }
    generator.close()
}

/// 2026-11-01T10:00:00Z in microseconds.
const FIRST_START: u64 = 1_793_527_200_000_000;

/// What is collected before it is written: large enough that the calls do not count.
const FLUSH_AT: usize = 256 * 1024;

/// One trace in this many has a span that fails, and maybe its callers with it.
const TRACES_PER_FAILURE: u64 = 4;

// --- The shop ---

/// Name, what it keeps, the plural of that, language. A service calls only ones further down.
const SERVICES: [(&str, &str, &str, &str); 20] = [
    ("web-frontend", "Page", "pages", "nodejs"),
    ("mobile-gateway", "Session", "sessions", "go"),
    ("checkout-service", "Checkout", "checkouts", "java"),
    ("cart-service", "Cart", "carts", "dotnet"),
    ("order-service", "Order", "orders", "java"),
    ("catalog-service", "Product", "products", "go"),
    ("search-service", "Query", "queries", "java"),
    ("recommendation-service", "Recommendation", "recommendations", "python"),
    ("pricing-service", "Price", "prices", "rust"),
    ("promotion-service", "Voucher", "vouchers", "python"),
    ("user-service", "User", "users", "java"),
    ("review-service", "Review", "reviews", "ruby"),
    ("shipping-service", "Shipment", "shipments", "go"),
    ("inventory-service", "Item", "items", "go"),
    ("payment-service", "Payment", "payments", "nodejs"),
    ("fraud-service", "Assessment", "assessments", "python"),
    ("invoice-service", "Invoice", "invoices", "php"),
    ("email-service", "Message", "messages", "ruby"),
    ("currency-service", "Rate", "rates", "cpp"),
    ("audit-service", "Entry", "entries", "go"),
];

const N_SERVICES: u64 = SERVICES.len() as u64;

/// What a span does; each service has one operation of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Deed {
    ServeOne,
    ServeNew,
    ServeList,
    ServeRpc,
    CallHttp,
    CallRpc,
    CallDatabase,
    Internal,
    Produce,
    Consume,
}

const N_DEEDS: usize = 10;

/// The names of a service that are put together once.
struct Service {
    name: &'static str,
    plural: &'static str,
    language: &'static str,
    operations: [String; N_DEEDS],
    /// The service whose remote procedures it calls.
    rpc_callee: usize,
    /// The service that consumes what it produces.
    consumer: usize,
    rpc_service: String,
    rpc_method: String,
    scope: String,
    topic: String,
    group: String,
    database: String,
    /// Speaks the conventions of before 2023.
    old: bool,
    /// Says less about itself.
    terse: bool,
}

fn services() -> Vec<Service> {
    let n_services = SERVICES.len();
    let consumer_of = |service: usize| (service * 11 + 5) % n_services;
    let mut found: Vec<Service> = SERVICES
        .iter()
        .enumerate()
        .map(|(idx, &(name, noun, plural, language))| {
            let rpc_callee = (idx + 2 + idx % 3).min(n_services - 1);
            // The last one can only call out of the shop.
            let called = if rpc_callee == idx { "Ledger" } else { SERVICES[rpc_callee].1 };
            let database = match idx % 4 {
                0 | 1 => format!("SELECT shop.{plural}"),
                2 => "GET".to_owned(),
                _ => format!("find {plural}"),
            };
            let operations = [
                format!("GET /api/v1/{plural}/{{id}}"),
                format!("POST /api/v1/{plural}"),
                format!("GET /api/v1/{plural}"),
                format!("shop.{noun}Service/Get{noun}"),
                "HTTP GET".to_owned(),
                format!("shop.{called}Service/Get{called}"),
                database,
                format!("{noun}.validate"),
                format!("publish {plural}.changed"),
                String::new(),
            ];
            Service {
                name,
                plural,
                language,
                operations,
                rpc_callee,
                consumer: consumer_of(idx),
                rpc_service: format!("shop.{noun}Service"),
                rpc_method: format!("Get{noun}"),
                scope: format!(
                    "io.opentelemetry.contrib.auto.{language}.{}",
                    ["http-server-3.1", "instrumentation", "web"][idx % 3]
                ),
                topic: format!("{plural}.changed"),
                group: format!("{name}-workers"),
                database: format!("{plural}-db.shop.svc.cluster.local"),
                old: idx % 2 == 1,
                terse: idx % 5 == 2,
            }
        })
        .collect();
    for idx in 0..n_services {
        let operation = format!("process {}", found[idx].topic);
        found[consumer_of(idx)].operations[Deed::Consume as usize] = operation;
    }
    found
}

// --- Plans ---

/// Code calls what it always calls: how many different calls an operation makes that go on below.
const HABITS: u64 = 3;

/// A number that is the same whenever an operation does its `nth` thing.
fn habit(around: Planned, nth: u64) -> u64 {
    let operation = (u64::from(around.service) * 32 + u64::from(around.peer)) * 16 + around.deed as u64;
    // The low bits of a product depend on few bits of its factor.
    (operation * 16 + nth).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40
}

/// A span before it is written.
#[derive(Clone, Copy, Debug)]
struct Planned {
    id: u64,
    /// Index of the parent, itself for the root.
    parent: u32,
    service: u8,
    /// The other side: the service called, or that produced.
    peer: u8,
    deed: Deed,
    failed: bool,
    /// Both in microseconds, the start from that of the trace.
    start: u64,
    duration: u64,
}

struct Generator<'out, W> {
    out: &'out mut W,
    json: Json,
    random: Random,
    services: Vec<Service>,
    /// The trace that is being made.
    plan: Vec<Planned>,
    /// Spans that still want descendants, and how many.
    wanting: Vec<(u32, u32)>,
    /// The plan in the order of ends, in which exporters send spans.
    order: Vec<u32>,
    /// Services of the trace in the order seen; their place is the number of their process.
    processes: Vec<u8>,
    clock: u64,
    generated: Generated,
}

impl<'out, W: Write> Generator<'out, W> {
    fn new(out: &'out mut W, seed: u64, shape: Shape) -> Self {
        Generator {
            out,
            json: Json::new(shape, seed),
            random: Random::new(seed),
            services: services(),
            plan: Vec::new(),
            wanting: Vec::new(),
            order: Vec::new(),
            processes: Vec::new(),
            clock: FIRST_START,
            generated: Generated::default(),
        }
    }

    fn written(&self) -> u64 {
        self.generated.bytes + self.json.bytes.len() as u64
    }

    /// The envelope is not shuffled: its start is written long before its end is known.
    fn open(&mut self) {
        self.json.bytes.push(b'{');
        self.json.depth += 1;
        self.json.name("data");
        self.json.bytes.push(b'[');
        self.json.depth += 1;
    }

    fn close(mut self) -> io::Result<Generated> {
        // Where traces were written last, the bracket stands alone on its line.
        self.json.depth -= 1;
        if self.generated.traces > 0 {
            self.json.new_line();
        }
        self.json.bytes.push(b']');
        for (key, value) in [("total", "0"), ("limit", "0"), ("offset", "0"), ("errors", "null")] {
            self.json.name(key);
            self.json.raw(value);
        }
        self.json.depth -= 1;
        self.json.new_line();
        self.json.bytes.push(b'}');
        self.flush()?;
        self.out.flush()?;
        Ok(self.generated)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.write_all(&self.json.bytes)?;
        self.generated.bytes += self.json.bytes.len() as u64;
        self.json.bytes.clear();
        Ok(())
    }

    /// Fills the plan with a tree of this many spans.
    fn plan(&mut self, n_spans: usize) {
        self.plan.clear();
        self.wanting.clear();
        let duration = 20_000 + self.random.below(60_000) * (1 + self.random.below(25)) + n_spans as u64 * 150;
        let service = self.random.below(4) as u8;
        let deed = match self.random.below(10) {
            0..5 => Deed::ServeOne,
            5..7 => Deed::ServeNew,
            7..9 => Deed::ServeList,
            _ => Deed::ServeRpc,
        };
        let id = self.random.next() | 1;
        self.plan.push(Planned { id, parent: 0, service, peer: service, deed, failed: false, start: 0, duration });
        self.wanting.push((0, n_spans as u32 - 1));
        while let Some((parent, n_wanted)) = self.wanting.pop() {
            if n_wanted > 0 {
                self.give_children(parent, n_wanted);
            }
        }
        if self.random.below(TRACES_PER_FAILURE) == 0 {
            self.fail();
        }
        self.clock += 500 + self.random.below(20_000);
    }

    /// Children that together have `n_wanted` descendants, themselves included.
    fn give_children(&mut self, parent: u32, n_wanted: u32) {
        let around = self.plan[parent as usize];
        let end = around.start + around.duration;
        match around.deed {
            // A call is answered by one span, somewhat shorter.
            Deed::CallHttp | Deed::CallRpc => {
                let wire = around.duration / 40;
                let deed = match habit(around, 0) % 3 {
                    _ if around.deed == Deed::CallRpc => Deed::ServeRpc,
                    0 => Deed::ServeNew,
                    1 => Deed::ServeList,
                    _ => Deed::ServeOne,
                };
                let start = around.start + wire;
                let duration = around.duration - 2 * wire;
                self.add(parent, around.peer, around.service, deed, start, duration, n_wanted - 1);
            }
            Deed::Produce => {
                let start = end + 200 + self.random.below(9_000);
                let duration = 500 + self.random.below(80_000);
                self.add(parent, around.peer, around.service, Deed::Consume, start, duration, n_wanted - 1);
            }
            _ => self.give_work(parent, around, n_wanted),
        }
    }

    /// What a span does while it runs: one thing after the other, or all at once.
    fn give_work(&mut self, parent: u32, around: Planned, n_wanted: u32) {
        let most = if n_wanted > 1_000 { 64 } else { 7 };
        let n_children = 1 + self.random.below(most.min(u64::from(n_wanted)));
        let parallel = self.random.below(10) < 3;
        let slot = around.duration / n_children;
        let mut left = n_wanted - n_children as u32;
        for number in 0..n_children {
            let n_own = if number + 1 == n_children {
                left
            } else {
                // Twice the fair part at most, so that neither the first nor the last gets it all.
                let fair = u64::from(left) * 2 / (n_children - number);
                (self.random.below(fair + 1) as u32).min(left)
            };
            left -= n_own;
            let (slot_start, slot_length) =
                if parallel { (around.start, around.duration) } else { (around.start + slot * number, slot) };
            let duration = slot_length * (70 + self.random.below(27)) / 100;
            let start = slot_start + self.random.below(slot_length - duration + 1);
            let (deed, peer) = self.deed_for(around, n_own);
            self.add(parent, around.service, peer, deed, start, duration, n_own);
        }
    }

    /// What may have that many descendants, and who is on the other side.
    fn deed_for(&mut self, around: Planned, n_own: u32) -> (Deed, u8) {
        let service = around.service;
        let idx = usize::from(service);
        if n_own == 0 {
            let choice = self.random.below(100);
            // The other side of these is not traced.
            return match choice {
                0..55 => (Deed::CallDatabase, service),
                55..80 => (Deed::Internal, service),
                80..86 => (Deed::CallHttp, service),
                86..90 => (Deed::CallRpc, self.services[idx].rpc_callee as u8),
                _ => (Deed::Produce, service),
            };
        }
        let last = N_SERVICES - 1;
        let habit = habit(around, 1 + self.random.below(HABITS));
        match habit % 100 {
            0..50 if u64::from(service) < last => {
                let callee = (u64::from(service) + 1 + habit / 100 % 4).min(last);
                (Deed::CallHttp, callee as u8)
            }
            50..75 if u64::from(service) < last => (Deed::CallRpc, self.services[idx].rpc_callee as u8),
            75..85 => (Deed::Produce, self.services[idx].consumer as u8),
            _ => (Deed::Internal, service),
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the fields of a span, in one place")]
    fn add(&mut self, parent: u32, service: u8, peer: u8, deed: Deed, start: u64, duration: u64, n_own: u32) {
        // What produces is done long before what it caused.
        let duration = if deed == Deed::Produce { duration / 8 } else { duration };
        let id = self.random.next() | 1;
        self.wanting.push((self.plan.len() as u32, n_own));
        self.plan.push(Planned { id, parent, service, peer, deed, failed: false, start, duration });
    }

    /// One span fails, and its callers until one of them copes.
    fn fail(&mut self) {
        let mut idx = self.random.below(self.plan.len() as u64) as usize;
        loop {
            self.plan[idx].failed = true;
            let parent = self.plan[idx].parent as usize;
            if parent == idx || self.plan[idx].deed == Deed::Consume || self.random.below(100) < 30 {
                return;
            }
            idx = parent;
        }
    }

    // --- Writing ---

    /// The plan as a trace.
    fn write_trace(&mut self) -> io::Result<()> {
        let trace_id = [self.random.next() | 1 << 60, self.random.next()];
        self.processes.clear();
        let plan = std::mem::take(&mut self.plan);
        let mut order = std::mem::take(&mut self.order);
        order.clear();
        order.extend(0..plan.len() as u32);
        order.sort_unstable_by_key(|&idx| {
            let span = &plan[idx as usize];
            (span.start + span.duration, std::cmp::Reverse(idx))
        });

        self.json.next_item();
        self.json.open_object();
        self.json.key_id("traceID", trace_id);
        self.json.name("spans");
        self.json.open_list();
        for &idx in &order {
            let span = &plan[idx as usize];
            self.write_span(trace_id, span, &plan[span.parent as usize]);
            // A trace whose keys are put in another order must stay whole until its end.
            if self.json.bytes.len() >= FLUSH_AT && self.json.shape != Shape::ShuffledKeys {
                self.flush()?;
            }
        }
        self.json.close_list();
        self.write_processes();
        self.json.key_null("warnings");
        self.json.close_object();

        self.generated.traces += 1;
        self.generated.spans += plan.len() as u64;
        self.plan = plan;
        self.order = order;
        if self.json.bytes.len() >= FLUSH_AT {
            self.flush()?;
        }
        Ok(())
    }

    fn write_span(&mut self, trace_id: [u64; 2], span: &Planned, parent: &Planned) {
        let service = usize::from(span.service);
        let start = self.clock + span.start;
        self.json.next_item();
        self.json.open_object();
        self.json.key_id("traceID", trace_id);
        self.json.key_span_id(span.id);
        self.json.key_text("operationName", &self.services[service].operations[span.deed as usize]);
        self.json.name("references");
        self.json.open_list();
        if span.id != parent.id {
            self.json.next_item();
            self.json.open_object();
            self.json.key_text("refType", "CHILD_OF");
            self.json.key_id("traceID", trace_id);
            self.json.key_span_id(parent.id);
            self.json.close_object();
        }
        self.json.close_list();
        self.json.key_number("startTime", start);
        self.json.key_number("duration", span.duration);
        self.json.name("tags");
        self.json.open_list();
        self.write_tags(span);
        self.json.close_list();
        self.json.name("logs");
        self.json.open_list();
        self.write_logs(span, start);
        self.json.close_list();
        let number = match self.processes.iter().position(|&it| it == span.service) {
            Some(place) => place,
            None => {
                self.processes.push(span.service);
                self.processes.len() - 1
            }
        };
        self.json.name("processID");
        self.json.raw("\"p");
        self.json.digits(number as u64 + 1);
        self.json.raw("\"");
        self.json.key_null("warnings");
        self.json.close_object();
    }

    /// The attributes, sorted by their keys as Jaeger sorts them.
    fn write_tags(&mut self, span: &Planned) {
        let service = &self.services[usize::from(span.service)];
        let peer = &self.services[usize::from(span.peer)];
        let json = &mut self.json;
        let random = &mut self.random;
        let failed = span.failed;
        match span.deed {
            Deed::ServeOne | Deed::ServeNew | Deed::ServeList => {
                let method = if span.deed == Deed::ServeNew { "POST" } else { "GET" };
                let status = http_status(random, span);
                let number = random.below(1_000_000);
                let path = |json: &mut Json| {
                    json.raw("/api/v1/");
                    json.raw(service.plural);
                    match span.deed {
                        Deed::ServeOne => {
                            json.raw("/");
                            json.digits(number);
                        }
                        Deed::ServeList => {
                            json.raw("?limit=50&cursor=");
                            json.digits(number);
                        }
                        _ => {}
                    }
                };
                let route = |json: &mut Json| {
                    json.raw("/api/v1/");
                    json.raw(service.plural);
                    if span.deed == Deed::ServeOne {
                        json.raw("/{id}");
                    }
                };
                if service.old {
                    json.tag_failed(failed);
                    json.tag("http.method", method);
                    json.tag_with("http.route", route);
                    json.tag_number("http.status_code", status);
                    json.tag_with("http.target", path);
                    json.tag("http.user_agent", AGENTS[random.below(4) as usize]);
                    json.tag("net.host.name", service.name);
                    json.tag_address("net.peer.ip", random.below(4_096));
                    json.tag_number("net.peer.port", 32_768 + random.below(28_000));
                    json.tag_scope(service, failed);
                    json.tag("span.kind", "server");
                } else {
                    json.tag_address("client.address", random.below(4_096));
                    json.tag_failed(failed);
                    json.tag("http.request.method", method);
                    json.tag_number("http.response.status_code", status);
                    json.tag_with("http.route", route);
                    json.tag_number("network.peer.port", 32_768 + random.below(28_000));
                    json.tag_scope(service, failed);
                    json.tag("span.kind", "server");
                    json.tag_with("url.path", path);
                    json.tag("url.scheme", "http");
                    json.tag("user_agent.original", AGENTS[random.below(4) as usize]);
                }
            }
            Deed::CallHttp => {
                // Who calls himself calls out of the shop.
                let outside = span.peer == span.service;
                let status = http_status(random, span);
                let number = random.below(1_000_000);
                let host = |json: &mut Json| {
                    if outside {
                        json.raw("api.partner.example");
                    } else {
                        json.raw(peer.name);
                    }
                };
                let url = |json: &mut Json| {
                    json.raw("http://");
                    host(json);
                    json.raw(":8080/api/v1/");
                    json.raw(peer.plural);
                    json.raw("/");
                    json.digits(number);
                };
                json.tag_failed(failed);
                if service.old {
                    json.tag("http.method", "GET");
                    json.tag_number("http.status_code", status);
                    json.tag_with("http.url", url);
                    json.tag("http.user_agent", AGENTS[3]);
                    json.tag_with("net.peer.name", host);
                    json.tag_number("net.peer.port", 8_080);
                    json.tag_scope(service, failed);
                    json.tag_with("peer.service", host);
                    json.tag("span.kind", "client");
                    json.tag_thread(service, 1 + random.below(64));
                } else {
                    json.tag("http.request.method", "GET");
                    json.tag_number("http.response.status_code", status);
                    json.tag_address("network.peer.address", random.below(4_096));
                    json.tag_scope(service, failed);
                    json.tag_with("server.address", host);
                    json.tag_number("server.port", 8_080);
                    json.tag("span.kind", "client");
                    json.tag_thread(service, 1 + random.below(64));
                    json.tag_with("url.full", url);
                    if !failed {
                        json.tag("user_agent.original", AGENTS[3]);
                    }
                }
            }
            Deed::ServeRpc | Deed::CallRpc => {
                let serves = span.deed == Deed::ServeRpc;
                let called = if serves { service } else { peer };
                json.tag_failed(failed);
                if serves {
                    json.tag("net.host.name", service.name);
                    json.tag_address("net.sock.peer.addr", random.below(4_096));
                    json.tag_number("net.sock.peer.port", 32_768 + random.below(28_000));
                } else {
                    json.tag_address("net.peer.ip", random.below(4_096));
                    json.tag(
                        "net.peer.name",
                        if span.peer == span.service { "ledger.partner.example" } else { peer.name },
                    );
                    json.tag_number("net.peer.port", 50_051);
                }
                json.tag_scope(service, failed);
                json.tag_number("rpc.grpc.status_code", if failed { 14 } else { 0 });
                json.tag("rpc.method", &called.rpc_method);
                json.tag("rpc.service", &called.rpc_service);
                json.tag("rpc.system", "grpc");
                json.tag("span.kind", if serves { "server" } else { "client" });
                json.tag_thread(service, 1 + random.below(64));
                if !failed {
                    json.tag_with("tracing.request_id", |json| json.hex(u64::from(span.parent) << 32 ^ span.id));
                }
            }
            Deed::CallDatabase => {
                let system = usize::from(span.service % 4);
                let number = random.below(10_000_000);
                let tenant = random.below(500);
                let statement = |json: &mut Json| match system {
                    0 | 1 => {
                        json.raw("SELECT id, tenant, status, total, currency, created_at, updated_at, version FROM ");
                        json.raw(service.plural);
                        json.raw(" WHERE id = ");
                        json.digits(number);
                        json.raw(" AND tenant = 'tenant-");
                        json.digits(tenant);
                        json.raw("' ORDER BY updated_at DESC LIMIT 50");
                    }
                    2 => {
                        json.raw("GET ");
                        json.raw(service.plural);
                        json.raw(":");
                        json.digits(number);
                        json.raw(":v2");
                    }
                    _ => {
                        json.raw("{\\\"find\\\":\\\"");
                        json.raw(service.plural);
                        json.raw("\\\",\\\"filter\\\":{\\\"_id\\\":");
                        json.digits(number);
                        json.raw("},\\\"limit\\\":50}");
                    }
                };
                let (name, port, verb) = DATABASES[system];
                if service.old {
                    json.tag("db.name", "shop");
                    json.tag("db.operation", verb);
                    json.tag_with("db.statement", statement);
                    json.tag("db.system", name);
                    json.tag("db.user", service.name);
                    json.tag_failed(failed);
                    json.tag("net.peer.name", &service.database);
                    json.tag_number("net.peer.port", port);
                } else {
                    json.tag("db.collection.name", service.plural);
                    json.tag("db.namespace", "shop");
                    json.tag("db.operation.name", verb);
                    json.tag_with("db.query.text", statement);
                    json.tag_number("db.response.returned_rows", random.below(50));
                    json.tag("db.system.name", name);
                    json.tag_failed(failed);
                }
                json.tag_scope(service, failed);
                if !service.old {
                    json.tag("server.address", &service.database);
                    json.tag_number("server.port", port);
                }
                json.tag("span.kind", "client");
                if service.old {
                    json.tag_thread(service, 1 + random.below(64));
                }
            }
            Deed::Internal => {
                json.tag_number("app.batch_size", 1 + random.below(200));
                json.tag_bool("app.cache_hit", random.below(4) > 0);
                json.tag_with("app.request_id", |json| json.hex(random.next()));
                json.tag_fraction("app.score", random.below(900));
                json.tag("code.function.name", &service.rpc_method);
                json.tag_with("enduser.id", |json| {
                    json.raw("user-");
                    json.hex(random.next());
                });
                json.tag_failed(failed);
                json.tag_scope(service, failed);
                json.tag("span.kind", "internal");
                let thread = 1 + random.below(64);
                json.tag_thread(service, thread);
                if !service.terse {
                    json.tag_with("thread.name", |json| {
                        json.raw("pool-2-thread-");
                        json.digits(thread);
                    });
                }
            }
            Deed::Produce | Deed::Consume => {
                let consumes = span.deed == Deed::Consume;
                let source = if consumes { peer } else { service };
                json.tag_failed(failed);
                if consumes {
                    json.tag("messaging.consumer.group.name", &service.group);
                } else {
                    json.tag("messaging.client.id", service.name);
                }
                json.tag("messaging.destination.name", &source.topic);
                json.tag_with("messaging.destination.partition.id", |json| json.digits(random.below(12)));
                if consumes {
                    json.tag_number("messaging.kafka.offset", 5_000_000 + random.below(1_000_000));
                } else {
                    json.tag_with("messaging.kafka.message.key", |json| json.digits(random.below(1_000_000)));
                }
                json.tag_number("messaging.message.body.size", 100 + random.below(4_000));
                json.tag("messaging.operation.type", if consumes { "process" } else { "send" });
                json.tag("messaging.system", "kafka");
                json.tag_scope(service, failed);
                json.tag("span.kind", if consumes { "consumer" } else { "producer" });
                json.tag_thread(service, 1 + random.below(64));
            }
        }
    }

    fn write_logs(&mut self, span: &Planned, start: u64) {
        let service = &self.services[usize::from(span.service)];
        let json = &mut self.json;
        let random = &mut self.random;
        if span.failed {
            let (kind, message, stack) = EXCEPTIONS[random.below(4) as usize];
            let number = random.below(10_000);
            json.open_log(start + span.duration);
            json.tag("event", "exception");
            json.tag_with("exception.message", |json| {
                json.raw(message);
                json.digits(number);
            });
            json.tag_with("exception.stacktrace", |json| {
                json.raw(kind);
                json.raw(": ");
                json.raw(message);
                json.digits(number);
                json.raw(stack);
            });
            json.tag("exception.type", kind);
            json.close_log();
        } else if random.below(100) < 19 {
            let (event, key) = EVENTS[random.below(4) as usize];
            json.open_log(start + random.below(span.duration + 1));
            json.tag("event", event);
            json.tag("level", "info");
            json.tag("logger.name", &service.rpc_service);
            json.tag_number(key, random.below(100_000));
            json.close_log();
        }
    }

    fn write_processes(&mut self) {
        let json = &mut self.json;
        json.name("processes");
        json.open_object();
        for (place, &idx) in self.processes.iter().enumerate() {
            let service = &self.services[usize::from(idx)];
            let pod = self.random.below(3);
            json.start_name();
            json.raw("p");
            json.digits(place as u64 + 1);
            json.end_name();
            json.open_object();
            json.key_text("serviceName", service.name);
            json.name("tags");
            json.open_list();
            json.tag("deployment.environment.name", "production");
            json.tag_with("host.name", |json| {
                json.raw(service.name);
                json.raw("-6c9f7d-");
                json.digits(pod);
            });
            json.tag_address("ip", u64::from(idx) * 4 + pod);
            json.tag_with("service.version", |json| {
                json.raw("2.");
                json.digits(u64::from(idx));
                json.raw(".1");
            });
            json.tag("telemetry.sdk.language", service.language);
            json.tag("telemetry.sdk.name", "opentelemetry");
            json.tag("telemetry.sdk.version", "1.38.0");
            json.close_list();
            json.close_object();
        }
        json.close_object();
    }
}

fn http_status(random: &mut Random, span: &Planned) -> u64 {
    match (span.failed, random.below(40)) {
        (true, 0..20) => 500,
        (true, _) => 503,
        (false, 0) => 404,
        _ => 200,
    }
}

const AGENTS: [&str; 4] = [
    "Mozilla/5.0 (X11; Linux x86_64) Chrome/141.0",
    "okhttp/4.12.0",
    "shop-app/5.3 (iPhone; iOS 19.1)",
    "Go-http-client/1.1",
];

/// System, port, verb.
const DATABASES: [(&str, u64, &str); 4] =
    [("postgresql", 5_432, "SELECT"), ("mysql", 3_306, "SELECT"), ("redis", 6_379, "GET"), ("mongodb", 27_017, "find")];

/// Type, start of the message, stack trace after it, both escaped.
const EXCEPTIONS: [(&str, &str, &str); 4] = [
    (
        "java.net.SocketTimeoutException",
        "Read timed out after ms: ",
        "\\n\\tat java.base/sun.nio.ch.NioSocketImpl.timedRead(NioSocketImpl.java:288)\\n\\tat com.shop.Client.call(Client.java:71)",
    ),
    (
        "ConnectionRefusedError",
        "[Errno 111] Connection refused, attempt ",
        "\\n  File \\\"/app/client.py\\\", line 42, in call\\n    sock.connect(address)",
    ),
    (
        "*pgconn.PgError",
        "canceling statement due to statement timeout, backend ",
        "\\nmain.(*Store).Get\\n\\t/src/store.go:118\\nmain.(*Server).Get\\n\\t/src/server.go:64",
    ),
    (
        "Error",
        "Insufficient stock for item ",
        "\\n    at reserve (/app/src/reserve.js:33:11)\\n    at process.processTicks",
    ),
];

/// Event, its field.
const EVENTS: [(&str, &str); 4] = [
    ("cache miss", "cache.key"),
    ("connection acquired", "pool.wait_us"),
    ("retrying", "retry.delay_us"),
    ("response decoded", "message.size"),
];

// --- JSON ---

/// JSON as it is put together; what is given to it must be escaped already.
struct Json {
    bytes: Vec<u8>,
    shape: Shape,
    depth: usize,
    /// Where the members of the objects that are open start, and for each such object how many
    /// of them belong to the ones around it. Kept only where the keys are shuffled.
    members: Vec<usize>,
    marks: Vec<usize>,
    scratch: Vec<u8>,
    /// Its own, so that the shapes of one seed hold the same traces.
    random: Random,
}

impl Json {
    fn new(shape: Shape, seed: u64) -> Self {
        Json {
            bytes: Vec::with_capacity(2 * FLUSH_AT),
            shape,
            depth: 0,
            members: Vec::new(),
            marks: Vec::new(),
            scratch: Vec::new(),
            random: Random::new(!seed),
        }
    }

    fn raw(&mut self, text: &str) {
        self.bytes.extend_from_slice(text.as_bytes());
    }

    fn digits(&mut self, number: u64) {
        let mut buffer = [0; 20];
        let mut at = buffer.len();
        let mut rest = number;
        while rest >= 100 {
            let pair = (rest % 100) as usize * 2;
            rest /= 100;
            at -= 2;
            buffer[at..at + 2].copy_from_slice(&PAIRS[pair..pair + 2]);
        }
        if rest >= 10 {
            let pair = rest as usize * 2;
            at -= 2;
            buffer[at..at + 2].copy_from_slice(&PAIRS[pair..pair + 2]);
        } else {
            at -= 1;
            buffer[at] = b'0' + rest as u8;
        }
        self.bytes.extend_from_slice(&buffer[at..]);
    }

    /// 16 digits.
    fn hex(&mut self, number: u64) {
        let mut buffer = [0; 16];
        for (place, byte) in number.to_be_bytes().into_iter().enumerate() {
            buffer[place * 2] = HEX[usize::from(byte >> 4)];
            buffer[place * 2 + 1] = HEX[usize::from(byte & 15)];
        }
        self.bytes.extend_from_slice(&buffer);
    }

    /// Indentation, where there is any.
    fn new_line(&mut self) {
        if self.shape == Shape::Pretty {
            self.bytes.push(b'\n');
            for _ in 0..self.depth {
                self.bytes.extend_from_slice(b"  ");
            }
        }
    }

    /// The comma before all items but the first, and the line.
    fn next_item(&mut self) {
        // After a flush there is no last byte, and never a bracket before it.
        if !matches!(self.bytes.last(), Some(b'{' | b'[')) {
            self.bytes.push(b',');
        }
        self.new_line();
    }

    fn open_object(&mut self) {
        self.bytes.push(b'{');
        self.depth += 1;
        if self.shape == Shape::ShuffledKeys {
            self.marks.push(self.members.len());
        }
    }

    fn close_object(&mut self) {
        self.depth -= 1;
        if self.shape == Shape::ShuffledKeys {
            self.shuffle();
        }
        if self.bytes.last() != Some(&b'{') {
            self.new_line();
        }
        self.bytes.push(b'}');
    }

    fn open_list(&mut self) {
        self.bytes.push(b'[');
        self.depth += 1;
    }

    fn close_list(&mut self) {
        self.depth -= 1;
        if self.bytes.last() != Some(&b'[') {
            self.new_line();
        }
        self.bytes.push(b']');
    }

    /// Puts the members of the object that is about to end in another order.
    fn shuffle(&mut self) {
        let mark = self.marks.pop().unwrap_or(0);
        let starts = &mut self.members[mark..];
        let Some(&first) = starts.first() else { return };
        let end = self.bytes.len();
        self.scratch.clear();
        // The widest object is the list of processes.
        let mut ranges = [(0, 0); 64];
        let n_members = starts.len();
        assert!(n_members <= ranges.len(), "an object of {n_members} members");
        for place in 0..n_members {
            let after = starts.get(place + 1).map_or(end, |&next| next - 1);
            ranges[place] = (starts[place], after);
        }
        // Whoever is drawn leaves its place to the last.
        for left in (1..=n_members).rev() {
            let drawn = self.random.below(left as u64) as usize;
            let (from, to) = ranges[drawn];
            ranges[drawn] = ranges[left - 1];
            if left < n_members {
                self.scratch.push(b',');
            }
            self.scratch.extend_from_slice(&self.bytes[from..to]);
        }
        self.bytes.truncate(first);
        self.bytes.extend_from_slice(&self.scratch);
        self.members.truncate(mark);
    }

    fn start_name(&mut self) {
        self.next_item();
        if self.shape == Shape::ShuffledKeys && !self.marks.is_empty() {
            self.members.push(self.bytes.len());
        }
        self.bytes.push(b'"');
    }

    fn end_name(&mut self) {
        self.raw(if self.shape == Shape::Pretty { "\": " } else { "\":" });
    }

    fn name(&mut self, name: &str) {
        self.start_name();
        self.raw(name);
        self.end_name();
    }

    fn key_text(&mut self, name: &str, value: &str) {
        self.name(name);
        self.bytes.push(b'"');
        self.raw(value);
        self.bytes.push(b'"');
    }

    fn key_number(&mut self, name: &str, value: u64) {
        self.name(name);
        self.digits(value);
    }

    fn key_null(&mut self, name: &str) {
        self.name(name);
        self.raw("null");
    }

    fn key_id(&mut self, name: &str, [high, low]: [u64; 2]) {
        self.name(name);
        self.bytes.push(b'"');
        self.hex(high);
        self.hex(low);
        self.bytes.push(b'"');
    }

    fn key_span_id(&mut self, id: u64) {
        self.name("spanID");
        self.bytes.push(b'"');
        self.hex(id);
        self.bytes.push(b'"');
    }

    // --- Tags ---

    fn open_tag(&mut self, key: &str, kind: &str) {
        self.next_item();
        self.open_object();
        self.key_text("key", key);
        self.key_text("type", kind);
        self.name("value");
    }

    fn tag(&mut self, key: &str, value: &str) {
        self.tag_with(key, |json| json.raw(value));
    }

    fn tag_with(&mut self, key: &str, write: impl FnOnce(&mut Self)) {
        self.open_tag(key, "string");
        self.bytes.push(b'"');
        write(self);
        self.bytes.push(b'"');
        self.close_object();
    }

    fn tag_number(&mut self, key: &str, value: u64) {
        self.open_tag(key, "int64");
        self.digits(value);
        self.close_object();
    }

    /// Around that many thousandths, none of which end in 0.
    fn tag_fraction(&mut self, key: &str, thousandths: u64) {
        self.open_tag(key, "float64");
        self.raw("0.");
        self.digits(100 + thousandths % 900 / 10 * 10 + 1 + thousandths % 9);
        self.close_object();
    }

    fn tag_bool(&mut self, key: &str, value: bool) {
        self.open_tag(key, "bool");
        self.raw(if value { "true" } else { "false" });
        self.close_object();
    }

    fn tag_address(&mut self, key: &str, number: u64) {
        self.tag_with(key, |json| {
            json.raw("10.4.");
            json.digits(number / 250);
            json.raw(".");
            json.digits(number % 250 + 1);
        });
    }

    fn tag_failed(&mut self, failed: bool) {
        if failed {
            self.tag_bool("error", true);
        }
    }

    /// What is between `o` and `p`; a span that failed has an attribute less, for the two it has more.
    fn tag_scope(&mut self, service: &Service, failed: bool) {
        self.tag("otel.scope.name", &service.scope);
        if failed {
            self.tag("otel.status_code", "ERROR");
        } else if !service.terse {
            self.tag("otel.scope.version", "2.19.0-alpha");
        }
    }

    fn tag_thread(&mut self, service: &Service, thread: u64) {
        if !service.terse {
            self.tag_number("thread.id", thread);
        }
    }

    fn open_log(&mut self, timestamp: u64) {
        self.next_item();
        self.open_object();
        self.key_number("timestamp", timestamp);
        self.name("fields");
        self.open_list();
    }

    fn close_log(&mut self) {
        self.close_list();
        self.close_object();
    }
}

const HEX: &[u8; 16] = b"0123456789abcdef";

/// 00 to 99.
const PAIRS: [u8; 200] = {
    let mut pairs = [0; 200];
    let mut number = 0;
    while number < 100 {
        pairs[number * 2] = b'0' + (number / 10) as u8;
        pairs[number * 2 + 1] = b'0' + (number % 10) as u8;
        number += 1;
    }
    pairs
};

// --- Chance ---

/// xoshiro256++, seeded by splitmix64.
struct Random([u64; 4]);

impl Random {
    fn new(seed: u64) -> Self {
        let mut state = seed;
        Random([(); 4].map(|()| {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            mixed ^ (mixed >> 31)
        }))
    }

    fn next(&mut self) -> u64 {
        let [a, b, c, d] = &mut self.0;
        let found = a.wrapping_add(*d).rotate_left(23).wrapping_add(*a);
        let shifted = *b << 17;
        *c ^= *a;
        *d ^= *b;
        *b ^= *c;
        *a ^= *d;
        *c ^= shifted;
        *d = d.rotate_left(45);
        found
    }

    /// A number under the limit, which must not be 0. Limits are far below 2^32, so no bias counts.
    fn below(&mut self, limit: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(limit)) >> 64) as u64
    }
}
