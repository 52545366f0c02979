//! Clock skew: a server that seems to work outside the call it answers is moved into it.
//!
//! The limits are deliberate: only a client's only child, only on another host, and only if it
//! fits; asynchronous work is left where it is (correcting more is what Jaeger's users complain of).

use super::{Links, NONE};
use crate::model::attributes::{Key, Known};
use crate::model::draft::Draft;
use crate::model::{FARTHEST_NS, Kind, Repairs};

/// Moves skewed servers and all below them; says whether any moved.
pub(super) fn correct(draft: &mut Draft, links: &mut Links, repairs: &mut Repairs) -> bool {
    let mut shift = vec![0i64; draft.spans.len()];
    let mut moved = 0;
    for &idx in &links.order {
        let parent = links.parent[idx as usize];
        if parent == NONE {
            continue;
        }
        let by = shift[parent as usize].saturating_add(own_shift(draft, links, parent, idx));
        shift[idx as usize] = if fits(draft, links, idx, by) { by } else { 0 };
        moved += u64::from(shift[idx as usize] != 0);
        let largest = shift[idx as usize].abs_diff(shift[parent as usize]) / 1000;
        repairs.clock_skew_max_us = repairs.clock_skew_max_us.max(largest);
    }
    repairs.clock_skew += moved;
    for (idx, by) in shift.iter().enumerate().filter(|(_, by)| **by != 0) {
        links.start_ns[idx] += by;
        let events = draft.spans[idx].events.range();
        for event in &mut draft.events[events] {
            event.at_ns = event.at_ns.and_then(|it| it.checked_add(*by));
        }
    }
    moved > 0
}

/// Whether a span that is moved stays among the times there may be.
fn fits(draft: &Draft, links: &Links, idx: u32, by: i64) -> bool {
    let duration_ns = draft.spans[idx as usize].duration_ns.unwrap_or(0);
    let end_ns = |start: i64| start.checked_add(duration_ns).is_some_and(|it| it <= FARTHEST_NS);
    links.start_ns[idx as usize].checked_add(by).is_some_and(|it| it >= -FARTHEST_NS && end_ns(it))
}

/// How far a server has to move to lie in the middle of its client's span.
fn own_shift(draft: &Draft, links: &Links, client: u32, server: u32) -> i64 {
    let (one, two) = (&draft.spans[client as usize], &draft.spans[server as usize]);
    let only_child = links.run(client as usize).len() == 1;
    if !only_child
        || one.kind != Some(Kind::Client)
        || two.kind != Some(Kind::Server)
        || same_host(draft, client, server)
    {
        return 0;
    }
    let (Ok(client_ns), Ok(server_ns)) = (one.duration_ns, two.duration_ns) else { return 0 };
    let (from, at) = (links.start_ns[client as usize], links.start_ns[server as usize]);
    let sticks_out = at < from || at + server_ns > from + client_ns;
    if !sticks_out || i128::from(server_ns) * 100 > i128::from(client_ns) * 101 {
        return 0;
    }
    from + (client_ns - server_ns.min(client_ns)).div_euclid(2) - at
}

fn same_host(draft: &Draft, client: u32, server: u32) -> bool {
    let process = |idx: u32| draft.spans[idx as usize].process;
    match (host(draft, process(client)), host(draft, process(server))) {
        (Some(one), Some(two)) => one == two,
        _ => process(client) == process(server),
    }
}

/// What tells hosts from each other, the surest first.
pub(super) const HOST_KEYS: [Known; 5] = [Known::HostId, Known::HostIp, Known::Ip, Known::HostName, Known::Hostname];

fn host(draft: &Draft, process: u32) -> Option<&str> {
    let attributes = draft.attributes_of(draft.processes[process as usize].attributes);
    HOST_KEYS.into_iter().find_map(|key| {
        attributes
            .iter()
            .find(|it| it.key == Key::Known(key))
            .map(|it| draft.text(it.value))
            .filter(|it| !it.is_empty())
    })
}
