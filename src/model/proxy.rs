//! Spans of proxies: Envoy, Istio's sidecars and gateways, Linkerd. They tell of calls that others make.
//!
//! After Envoy's tracing and access log documentation (tags, `response_flags`) and Istio's names of clusters,
//! `direction|port|subset|host`.

use super::{Draft, Key, Kind, Known, LinkRules, Span, Trace};

/// Where on the way of a call a proxy stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Hands calls to the service it belongs to.
    Inbound,
    /// Takes calls from its service to others, or from one place to another as gateways do.
    Outbound,
    /// It does not say.
    Either,
}

/// What proxies are called that are not called after their service.
const GENERIC: [&str; 2] = ["istio-proxy", "linkerd-proxy"];

/// What is read here.
pub const KEYS: &[Known] =
    &[Known::Component, Known::UpstreamCluster, Known::UpstreamClusterName, Known::IstioCanonicalService];

/// Whether any span of a trace is a proxy's; traces under Zipkin's rules are not looked at.
pub fn any(trace: &Trace) -> bool {
    let draft = &trace.draft;
    draft.links == LinkRules::ParentChild
        && (draft.attributes.iter().any(|it| says_proxy(draft, it.key, it.value))
            || draft.processes.iter().any(|it| is_generic(it.service.as_str())))
}

/// The side of a proxy; `None` for the spans of services themselves.
pub fn side(trace: &Trace, span: &Span) -> Option<Side> {
    let service = span.service.as_str();
    let said = trace.attributes(span).iter().any(|it| says_proxy(&trace.draft, it.key, it.value));
    if !said && !is_generic(service) {
        return None;
    }
    let by_cluster = cluster(trace, span).and_then(|it| it.side);
    Some(by_cluster.unwrap_or(match span.kind {
        Some(Kind::Client | Kind::Producer) => Side::Outbound,
        Some(Kind::Server | Kind::Consumer) if is_generic(service) => Side::Inbound,
        _ => Side::Either,
    }))
}

/// The service that a proxy belongs to, as far as it says.
pub fn service<'a>(trace: &'a Trace, span: &Span) -> Option<&'a str> {
    let service = span.service.as_str();
    let ending = GENERIC.iter().find_map(|it| service.strip_suffix(it));
    let own = ending.unwrap_or(service).trim_end_matches(['-', '.', '_', '/', ':', '@']);
    let canonical = || trace.value(span, Known::IstioCanonicalService).filter(|it| !it.is_empty() && *it != "unknown");
    Some(own).filter(|it| !it.is_empty() && trace.names_service(span)).or_else(canonical)
}

/// The host that a proxy sent a call on to, or the plain name of its cluster.
pub fn upstream<'a>(trace: &'a Trace, span: &Span) -> Option<&'a str> {
    cluster(trace, span)?.host
}

/// `app.namespace` of the host `app.namespace.svc.cluster.local`.
pub fn workload_of_host(host: &str) -> Option<&str> {
    let (workload, rest) = host.split_once(".svc")?;
    let is_host = rest.is_empty() || rest.starts_with('.');
    (is_host && workload_parts(workload).is_some()).then_some(workload)
}

/// `app` of `app.namespace`; any other name as it is.
pub fn without_namespace(name: &str) -> &str {
    workload_parts(name).map_or(name, |it| it.0)
}

fn workload_parts(name: &str) -> Option<(&str, &str)> {
    let is_label = |it: &str| !it.is_empty() && it.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'-');
    name.split_once('.').filter(|(app, namespace)| is_label(app) && is_label(namespace))
}

fn says_proxy(draft: &Draft, key: Key, value: super::Text) -> bool {
    match key {
        Key::Known(Known::Component) => draft.text(value) == "proxy",
        Key::Known(Known::UpstreamCluster | Known::UpstreamClusterName) => true,
        _ => false,
    }
}

fn is_generic(service: &str) -> bool {
    GENERIC.iter().any(|it| service.ends_with(it))
}

/// Where a proxy sent a call.
#[derive(Debug, Default, PartialEq, Eq)]
struct Cluster<'a> {
    side: Option<Side>,
    host: Option<&'a str>,
}

fn cluster<'a>(trace: &'a Trace, span: &Span) -> Option<Cluster<'a>> {
    let value = |key| trace.value(span, key).filter(|it| !it.is_empty() && *it != "-");
    let (short, full) = (value(Known::UpstreamCluster), value(Known::UpstreamClusterName));
    // The one may be an alternative name for statistics, which does not say the direction.
    let name = full.filter(|it| it.contains('|')).or(short).or(full)?;
    Some(Cluster::of(name))
}

impl Cluster<'_> {
    fn of(name: &str) -> Cluster<'_> {
        if name.starts_with("InboundPassthroughCluster") {
            return Cluster { side: Some(Side::Inbound), host: None };
        }
        if matches!(name, "PassthroughCluster" | "BlackHoleCluster") {
            return Cluster { side: Some(Side::Outbound), host: None };
        }
        // Gateways between networks cannot have `|` in what they look up.
        let separator = if name.contains('|') { "|" } else { "_." };
        let parts: Vec<&str> = name.split(separator).collect();
        let [direction, _, .., host] = parts[..] else {
            return Cluster { side: None, host: Some(name) };
        };
        let side = if direction == "inbound" { Side::Inbound } else { Side::Outbound };
        Cluster { side: Some(side), host: Some(host).filter(|it| !it.is_empty()) }
    }
}

/// What Envoy's `response_flags` mean: `no healthy upstream (UH)`; nothing for `-`.
pub(crate) fn flags_in_words(flags: &str) -> Option<String> {
    let flags = flags.split(',').map(str::trim).filter(|it| !it.is_empty() && *it != "-");
    let words: Vec<String> = flags
        .map(|flag| flag_in_words(flag).map_or_else(|| format!("response flag {flag}"), |it| format!("{it} ({flag})")))
        .collect();
    (!words.is_empty()).then(|| words.join(", "))
}

fn flag_in_words(flag: &str) -> Option<&'static str> {
    Some(match flag {
        "DC" => "downstream connection closed",
        "DF" => "DNS resolution failed",
        "DI" => "delay injected",
        "DO" => "dropped by overload manager",
        "DPE" => "downstream protocol error",
        "DT" => "request or connection exceeded its maximum duration",
        "FI" => "fault injected",
        "IH" => "invalid value of a strictly checked header",
        "LH" => "local service failed its health check",
        "LR" => "connection reset locally",
        "NC" => "upstream cluster not found",
        "NFCF" => "no filter configuration",
        "NR" => "no route",
        "OM" => "overload manager ended the request",
        "RL" => "rate limited",
        "RLSE" => "rate limit service failed",
        "RFCF" => "rejected by filter chain",
        "SI" => "stream idle timeout",
        "UAEX" => "denied by external authorization",
        "UC" => "upstream connection closed",
        "UF" => "upstream connection failure",
        "UH" => "no healthy upstream",
        "UMSDR" => "maximum stream duration reached",
        "UO" => "upstream overflow (circuit breaker open)",
        "UPE" => "upstream protocol error",
        "UR" => "upstream reset",
        "URX" => "upstream retry or connect limit exceeded",
        "UT" => "upstream request timeout",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::sketch;

    /// Side, service and upstream of a span that is all of a trace.
    fn check(span: &str, expected: Option<(Side, Option<&str>, Option<&str>)>) {
        let trace = sketch::trace(span);
        let span = trace.span(0);
        let found = side(&trace, span).map(|it| (it, service(&trace, span), upstream(&trace, span)));
        assert_eq!(found, expected);
        assert_eq!(any(&trace), expected.is_some());
    }

    #[test]
    fn proxies_are_known_by_their_tags_and_names() {
        use Side::{Either, Inbound, Outbound};
        check("cart GET / 0..1 server component=net/http", None);
        check("cart.prod x 0..1 server component=proxy", Some((Either, Some("cart.prod"), None)));
        check("cart.prod x 0..1 client component=proxy", Some((Outbound, Some("cart.prod"), None)));
        check("edge x 0..1 upstream_cluster=shop", Some((Either, Some("edge"), Some("shop"))));
        check("cart x 0..1 client upstream_cluster=inbound|80||", Some((Inbound, Some("cart"), None)));
        check(
            "cart x 0..1 server upstream_cluster=cart.prod upstream_cluster.name=outbound|80|v1|bank.com",
            Some((Outbound, Some("cart"), Some("bank.com"))),
        );
        check("cart x 0..1 upstream_cluster=outbound_.80_._.a.b.svc", Some((Outbound, Some("cart"), Some("a.b.svc"))));
        check("cart x 0..1 upstream_cluster=BlackHoleCluster", Some((Outbound, Some("cart"), None)));
        check("cart x 0..1 upstream_cluster=InboundPassthroughClusterIpv4", Some((Inbound, Some("cart"), None)));
        check("istio-proxy x 0..1 server", Some((Inbound, None, None)));
        check("istio-proxy x 0..1 client istio.canonical_service=cart", Some((Outbound, Some("cart"), None)));
        check("cart-istio-proxy x 0..1", Some((Either, Some("cart"), None)));
        check("linkerd-proxy /r 0..1 server", Some((Inbound, None, None)));
    }

    #[test]
    fn namespaces_are_taken_off() {
        assert_eq!(without_namespace("cart.prod"), "cart");
        assert_eq!(without_namespace("cart"), "cart");
        assert_eq!(without_namespace("cart."), "cart.");
        assert_eq!(without_namespace("api.example.com"), "api.example.com");
        assert_eq!(workload_of_host("cart.prod.svc.cluster.local"), Some("cart.prod"));
        assert_eq!(workload_of_host("cart.prod.svc"), Some("cart.prod"));
        assert_eq!(workload_of_host("example.com"), None);
        assert_eq!(workload_of_host("a.b.svcs.com"), None);
    }

    #[test]
    fn flags_are_words() {
        assert_eq!(flags_in_words("UH").as_deref(), Some("no healthy upstream (UH)"));
        assert_eq!(
            flags_in_words("UF,URX").as_deref(),
            Some("upstream connection failure (UF), upstream retry or connect limit exceeded (URX)")
        );
        assert_eq!(flags_in_words("XX").as_deref(), Some("response flag XX"));
        assert_eq!(flags_in_words("-"), None);
    }
}
