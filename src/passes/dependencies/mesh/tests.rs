//! Every call is found once, whichever of those on its way report it.

use std::collections::BTreeMap;
use std::fmt::Write;

use proptest::prelude::*;

use crate::passes::dependencies::DependenciesArgs;
use crate::passes::dependencies::tests::{check, report};
use crate::passes::laws;

#[test]
fn between_services_that_report_proxies_draw_nothing() {
    check(
        "
        front GET / 0..100 server
          front call 10..90 client
            front.shop cart:80/* 11..89 client component=proxy upstream_cluster=outbound|80||cart.shop.svc.cluster.local
              cart.shop cart:80/* 12..88 server component=proxy upstream_cluster=inbound|80||
                basket GET /cart 20..80 server !
        ",
        &["front -> basket x1 60ms !1"],
    );
}

#[test]
fn a_proxy_stands_for_a_service_that_does_not_report() {
    check(
        "
        gate.istio-system /* 0..100 server component=proxy upstream_cluster=outbound|80||front.shop.svc.cluster.local
          front.shop /* 1..99 server component=proxy upstream_cluster=inbound|80||
            front.shop cart:80/* 11..89 client component=proxy upstream_cluster=outbound|80||cart.shop.svc.cluster.local
              cart.shop cart:80/* 12..88 server component=proxy upstream_cluster=inbound|80||
            front.shop bank/* 90..95 client component=proxy upstream_cluster=outbound|443||api.bank.com !
        ",
        &["front -> api.bank.com x1 5ms !1 inferred", "front -> cart x1 76ms", "gate -> front x1 98ms"],
    );
}

#[test]
fn the_full_name_stays_where_a_service_has_it() {
    let called = "
        front GET / 0..100 server
          cart.shop /* 12..88 server component=proxy upstream_cluster=inbound|80||
    ";
    check(called, &["front -> cart x1 76ms"]);
    let edges = report(&[], &[called, "cart.shop GET /cart 0..50 server"]).edges;
    assert_eq!((edges.len(), edges[0].to.as_str()), (1, "cart.shop"));
}

#[test]
fn proxies_without_a_name_are_called_what_their_caller_calls() {
    check(
        "
        front GET / 0..100 server
          istio-proxy cart:80/* 11..89 client upstream_cluster=outbound|80||cart.shop.svc.cluster.local
            istio-proxy cart:80/* 12..88 server upstream_cluster=inbound|80||
              istio-proxy db:80/* 20..30 client upstream_cluster=outbound|80||db.shop.svc.cluster.local
        ",
        &["cart -> db x1 10ms inferred", "front -> cart x1 76ms"],
    );
}

#[test]
fn proxies_of_linkerd_are_seen_through() {
    check(
        "
        front GET / 0..100 server
          front call 10..90 client
            linkerd-proxy /cart 11..89 client server.address=cart.shop.svc.cluster.local
              linkerd-proxy /cart 12..88 server
                cart GET /cart 20..80 server
          front call 91..99 client
            linkerd-proxy /pay 92..98 client server.address=pay.shop.svc.cluster.local
        ",
        &["front -> cart x1 60ms", "front -> pay x1 6ms inferred"],
    );
}

#[test]
fn a_plain_envoy_is_the_way_or_stands_at_its_end() {
    let ends = "web ingress 0..100 server component=proxy upstream_cluster=api\n  api GET / 10..90 server";
    check(ends, &["web -> api x1 80ms"]);
    check(
        "
        browser click 0..100 client
          edge ingress 5..95 server component=proxy upstream_cluster=api
            api ingress 6..94 server component=proxy upstream_cluster=local_service
              api GET / 10..90 server
                api egress 20..30 client component=proxy upstream_cluster=bank
        ",
        &["api -> bank x1 10ms inferred", "browser -> api x1 80ms"],
    );
}

#[test]
fn a_failed_try_is_a_call_too() {
    check(
        "
        front GET / 0..100 server
          front.shop cart/* 11..89 client component=proxy upstream_cluster=outbound|80||cart.shop.svc
            cart.shop cart/* 12..22 server component=proxy upstream_cluster=inbound|80|| !
            cart.shop cart/* 30..88 server component=proxy upstream_cluster=inbound|80||
              cart GET /cart 40..80 server
        ",
        &["front -> cart x2 40ms !1"],
    );
}

#[test]
fn nobody_waits_behind_a_proxy_that_nobody_waits_for() {
    check(
        "
        front GET / 0..100 server
          front.shop mail/* 11..20 client component=proxy ~
            mail POST /mails 12..88 server
        ",
        &["front -> mail x1 76ms async"],
    );
}

#[test]
fn services_are_their_own_spans_or_else_their_proxies() {
    let report = report(
        &[],
        &["
        front.shop /* 0..100 server component=proxy upstream_cluster=inbound|80||
          front.shop GET / 1..99 server
            front.shop cart/* 11..89 client component=proxy upstream_cluster=outbound|80||cart.shop.svc
              cart.shop cart/* 12..88 server component=proxy upstream_cluster=inbound|80|| !
        "],
    );
    let services: Vec<(&str, u64, u64, u64, bool)> = report
        .services
        .iter()
        .map(|(name, it)| (name.as_str(), it.call_count, it.error_count, it.entry_count, it.instrumented))
        .collect();
    assert_eq!(services, [("cart", 1, 1, 1, true), ("front.shop", 1, 0, 1, true)]);
}

#[test]
fn zipkins_traces_follow_zipkins_linker() {
    check(
        "
        zipkin
        front GET / 0..100 server
          front.shop cart/* 11..89 client component=proxy
            cart.shop cart/* 12..88 server component=proxy
        ",
        &["front.shop -> cart.shop x1 76ms"],
    );
}

#[test]
fn the_laws_hold_with_proxies() {
    laws::check::<super::Dependencies>(
        &DependenciesArgs { blast_radius: vec!["cart".to_owned()] },
        &[
            "front GET / 0..100\n  cart.shop /* 12..88 server component=proxy upstream_cluster=inbound|80||",
            "cart.shop GET /cart 0..50 server",
            "front.shop /* 0..9 client component=proxy upstream_cluster=outbound|80||cart.shop.svc",
            "web call 0..60 client peer.service=cart\nistio-proxy x 0..9 client\n  cart GET / 1..2 ~",
        ],
    );
}

/// A service of a made-up mesh.
#[derive(Clone, Copy, Debug)]
struct Member {
    reports: bool,
    has_proxy: bool,
    /// Whether it reports as `name.shop`.
    with_namespace: bool,
}

/// A call: index of the caller among the calls before it, the service called, and whether a gateway is between.
type MadeCall = (prop::sample::Index, usize, bool);

const SERVICES: [&str; 4] = ["a", "b", "c", "d"];

fn world() -> impl Strategy<Value = (Vec<Member>, Vec<MadeCall>)> {
    let member = (any::<bool>(), any::<bool>(), any::<bool>())
        .prop_map(|(reports, has_proxy, with_namespace)| Member { reports, has_proxy, with_namespace });
    let call = (any::<prop::sample::Index>(), 0..SERVICES.len(), prop::bool::weighted(0.3));
    (prop::collection::vec(member, SERVICES.len()), prop::collection::vec(call, 1..10))
}

/// What is found of one direction: calls, the longest one in milliseconds, and whether only callers tell of it.
type Found = BTreeMap<(String, String), (u64, f64, bool)>;

/// A sketch of the calls as the members report them, and what is to be found in it.
struct Telling<'a> {
    members: &'a [Member],
    calls: Vec<(usize, bool)>,
    children: Vec<Vec<usize>>,
    sketch: String,
    n_lines: u64,
    expected: Found,
}

impl Telling<'_> {
    fn name(&self, service: usize) -> String {
        let it = self.members[service];
        let ending = if it.reports && it.with_namespace { ".shop" } else { "" };
        format!("{}{ending}", SERVICES[service])
    }

    fn line(&mut self, depth: &mut usize, text: &str) {
        self.n_lines += 1;
        let (service, rest) = text.split_once(' ').unwrap();
        let indent = "  ".repeat(*depth);
        writeln!(self.sketch, "{indent}{service} x 0..{} {rest}", self.n_lines).unwrap();
        *depth += 1;
    }

    /// Tells of the nth call and of those below it; `caller` is a service.
    fn tell(&mut self, nth: usize, mut depth: usize, caller: Option<usize>) {
        let (service, has_gateway) = self.calls[nth];
        let (short, it) = (SERVICES[service], self.members[service]);
        let cluster = format!("component=proxy upstream_cluster=outbound|80||{short}.shop.svc.cluster.local");
        if let Some(caller) = caller {
            if self.members[caller].reports {
                let text = format!("{} client server.address={}", self.name(caller), self.name(service));
                self.line(&mut depth, &text);
            }
            if self.members[caller].has_proxy {
                self.line(&mut depth, &format!("{}.shop client {cluster}", SERVICES[caller]));
            }
        }
        if has_gateway {
            self.line(&mut depth, &format!("gate server {cluster}"));
        }
        if it.has_proxy {
            self.line(&mut depth, &format!("{short}.shop server component=proxy upstream_cluster=inbound|80||"));
        }
        if it.reports {
            let text = format!("{} server", self.name(service));
            self.line(&mut depth, &text);
        }
        let from = caller.map(|it| self.name(it)).or(has_gateway.then(|| "gate".to_owned()));
        let to = self.name(service);
        if let Some(from) = from.filter(|it| *it != to) {
            let found = self.expected.entry((from, to)).or_insert((0, 0.0, !it.reports && !it.has_proxy));
            (found.0, found.1) = (found.0 + 1, self.n_lines as f64);
        }
        for child in self.children[nth].clone() {
            self.tell(child, depth, Some(service));
        }
    }
}

/// Tells of calls so that each can be known: what calls others, or is called first, is seen somehow.
fn told(mut members: Vec<Member>, calls: &[MadeCall]) -> (String, Found) {
    let mut children = vec![Vec::new(); calls.len()];
    for (nth, (caller, _, _)) in calls.iter().enumerate().skip(1) {
        children[caller.index(nth)].push(nth);
    }
    for (nth, (_, service, _)) in calls.iter().enumerate() {
        members[*service].has_proxy |= !members[*service].reports && (nth == 0 || !children[nth].is_empty());
    }
    let calls = calls.iter().map(|it| (it.1, it.2)).collect();
    let (sketch, expected) = (String::new(), BTreeMap::new());
    let mut telling = Telling { members: &members, calls, children, sketch, n_lines: 0, expected };
    telling.tell(0, 0, None);
    (telling.sketch, telling.expected)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_call_is_found_once((members, calls) in world()) {
        let (sketch, expected) = told(members, &calls);
        let found: Found = report(&[], &[&sketch])
            .edges
            .iter()
            .map(|it| {
                // Of fewer than 20 calls the longest.
                let longest_ms = it.p95_ms.unwrap();
                ((it.from.to_string(), it.to.to_string()), (it.call_count, longest_ms, it.inferred))
            })
            .collect();
        prop_assert_eq!(found, expected, "{}", sketch);
    }
}
