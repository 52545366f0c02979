//! Inputs that are addresses: what is asked for there, and what is made of how that went.

use std::ffi::OsStr;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;

use super::{Exit, Surroundings};
use crate::cli::{self, Plan, ServerArgs, TimeFilter, TimeSpec};
use crate::failure::Failure;
use crate::fetch::{
    self, Address, ClientOptions, Credentials, FetchOptions, Proxies, Search, Secret, Server, Target, Wish,
};
use crate::filter::TagFilter;
use crate::input::source::Source;
use crate::model::Id;
use crate::render;
use crate::report::TheirCalls;

/// What nobody said.
const USUAL_RANGE: &str = "1h";

/// A span of the service that is asked for may begin so much later than its trace.
const SLACK_US: i64 = 60_000_000;

/// The sources behind the addresses among the inputs; what stands in a pasted search becomes the plan's.
pub(super) fn sources(
    plan: &mut Plan,
    surroundings: &Surroundings<'_>,
) -> anyhow::Result<(Vec<Source>, Vec<Arc<Server>>)> {
    let typed: Vec<String> = plan.inputs.iter().filter_map(|it| address(it)).map(str::to_owned).collect();
    if typed.is_empty() {
        return Ok((Vec::new(), Vec::new()));
    }
    // From here on nothing knows what is secret in them.
    for input in &mut plan.inputs {
        if let Some(shown) = address(input).map(fetch::shown) {
            *input = shown.into();
        }
    }
    let options = options(&plan.server, surroundings.variable)?;
    let addresses: Vec<Address> = typed.iter().map(|it| Address::parse(it)).collect::<anyhow::Result<_>>()?;
    for address in &addresses {
        if let Target::Search(search) = &address.target {
            if plan.inputs.len() > 1 {
                let message = "failed to join the filters of a search with other inputs";
                return Err(Failure::with_hint(
                    message,
                    "give the address of the search alone, or the server's and filters",
                )
                .into());
            }
            adopt(search, plan, surroundings.now_ns)?;
        }
    }
    let searches = |it: &Address| matches!(it.target, Target::Server | Target::Search(_));
    if addresses.iter().any(searches) && plan.filter.trace_ids.is_empty() {
        set_range(plan)?;
    }
    let (mut sources, mut servers) = (Vec::new(), Vec::new());
    for address in &addresses {
        let stopped = Arc::clone(&surroundings.interrupts.came);
        let mut wish = wish(plan, surroundings.now_ns);
        match &address.target {
            Target::File => {
                sources.push(fetch::file(address, &options, stopped)?);
                continue;
            }
            Target::Traces(ids) => wish.trace_ids.clone_from(ids),
            Target::Server | Target::Search(_) => {}
        }
        let server = Arc::new(Server::connect(address, &options, stopped)?);
        sources.push(server.source(wish, &options)?);
        servers.push(server);
    }
    Ok((sources, servers))
}

/// An input that is an address.
pub(super) fn address(input: &OsStr) -> Option<&str> {
    input.to_str().filter(|it| fetch::is_address(it))
}

/// A range counts back from the clock; nothing said is an hour.
fn set_range(plan: &mut Plan) -> anyhow::Result<()> {
    match &mut plan.time_range {
        Some(range) => range.now = range.now.or(Some(None)),
        None => {
            let (spec, typed) = cli::time_range(USUAL_RANGE).map_err(Failure::new)?;
            plan.time_range = Some(TimeFilter { spec, typed, now: Some(None) });
        }
    }
    Ok(())
}

/// What is asked of a server: only what cannot lose a trace that the filters keep.
fn wish(plan: &Plan, now_ns: i64) -> Wish {
    let filter = &plan.filter;
    let mut services = filter.services.clone();
    if services.is_empty() {
        // A root is a span of its service.
        services.extend(filter.roots.iter().map(|it| it.0.clone()));
    }
    let operation = match filter.operations.as_slice() {
        [one] => Some(one.clone()),
        _ => None,
    };
    let now_us = now_ns / 1_000;
    let (from_us, until_us) = match &plan.time_range {
        None => (0, now_us),
        Some(range) => {
            let range = range.resolve(range.now.flatten().unwrap_or(now_ns));
            let until_us = (range.until_ns / 1_000).saturating_add(SLACK_US);
            ((range.from_ns / 1_000).max(0), until_us.min(now_us.saturating_add(1_000_000)))
        }
    };
    let trace_ids = filter.trace_ids.iter().map(Id::to_string).collect();
    Wish { services, operation, trace_ids, from_us, until_us }
}

/// Takes over the filters of a pasted search, where none were typed.
fn adopt(search: &Search, plan: &mut Plan, now_ns: i64) -> anyhow::Result<()> {
    let refused = |what: String| {
        Failure::with_hint(format!("failed to read the address of the search: {what}"), "type the filters instead")
    };
    let filter = &mut plan.filter;
    if filter.services.is_empty() {
        filter.services.extend(search.service.clone());
    }
    if filter.operations.is_empty() {
        filter.operations.extend(search.operation.clone());
    }
    for (key, value) in &search.tags {
        let typed = value.as_ref().map_or_else(|| key.clone(), |it| format!("{key}={it}"));
        filter.tags.extend(TagFilter::parse(&typed));
    }
    let bound = |it: &Option<String>| it.as_deref().map(cli::bound).transpose();
    if filter.min_duration_ns.is_none() {
        filter.min_duration_ns = bound(&search.min_duration).map_err(refused)?;
    }
    if filter.max_duration_ns.is_none() {
        filter.max_duration_ns = bound(&search.max_duration).map_err(refused)?;
    }
    if plan.time_range.is_some() {
        return Ok(());
    }
    let ns = |us: i64| us.saturating_mul(1_000);
    let back = match &search.lookback {
        Some(length) => match cli::time_range(length).map_err(refused)?.0 {
            TimeSpec::Back(ns) => Some(ns),
            TimeSpec::Between(..) => None,
        },
        None => None,
    };
    // Beside a start, how far back that was says nothing.
    let until_ns = search.until_us.map(ns);
    let from_ns = search.from_us.map(ns).or_else(|| back.map(|it| until_ns.unwrap_or(now_ns).saturating_sub(it)));
    if from_ns.is_some() || until_ns.is_some() {
        let moment = |it: Option<i64>| {
            it.map_or(String::new(), |it| {
                jiff::Timestamp::from_nanosecond(it.into()).map_or_else(|_| it.to_string(), |it| it.to_string())
            })
        };
        let typed = format!("{}..{}", moment(from_ns), moment(until_ns));
        plan.time_range = Some(TimeFilter { spec: TimeSpec::Between(from_ns, until_ns), typed, now: None });
    }
    Ok(())
}

/// What the servers say of the calls between services in the range that was asked for.
pub(super) fn calls(
    plan: &Plan,
    servers: &[Arc<Server>],
    now_ns: i64,
    err: &mut dyn Write,
) -> anyhow::Result<TheirCalls> {
    let range = plan.filter.time_range.as_ref().map(|it| it.0);
    let Some(range) = range.filter(|_| !servers.is_empty()) else {
        let hint = "give the address of a server, with --all-services or --service";
        return Err(
            Failure::with_hint("failed to check the calls between services: there is no server to ask", hint).into()
        );
    };
    let narrower: Vec<String> = plan
        .filter
        .names()
        .into_iter()
        .filter(|it| !it.starts_with("--service") && !it.starts_with("--time-range"))
        .collect();
    if !narrower.is_empty() {
        let what = format!("--check: the server counts all traces, here only those of {} count", narrower.join(" "));
        writeln!(err, "warning: {}", render::sanitize::line(&what))?;
    }
    let mut theirs = TheirCalls { calls: Vec::new(), services: plan.filter.services.clone() };
    for server in servers {
        let (from_us, until_us) = (range.from_ns / 1_000, range.until_ns.min(now_ns) / 1_000);
        let Some(links) = server.dependencies(from_us, until_us)? else {
            let what = format!("failed to check the calls between services: {} does not count them", server.kind());
            return Err(Failure::with_hint(what, "leave out --check").into());
        };
        theirs.calls.extend(links.into_iter().map(|it| (it.parent, it.child, it.call_count)));
    }
    Ok(theirs)
}

/// The flags, with the files and variables they name.
fn options(args: &ServerArgs, variable: &dyn Fn(&str) -> Option<String>) -> anyhow::Result<FetchOptions> {
    let file = |path: &Path| std::fs::read(path).with_context(|| format!("failed to read {}", path.display()));
    let text =
        |path: &Path| std::fs::read_to_string(path).with_context(|| format!("failed to read {}", path.display()));
    let variable = |name: &str| variable(name).filter(|it| !it.is_empty());
    let mut headers = Vec::new();
    for typed in &args.header {
        match typed.strip_prefix('@') {
            Some(path) => {
                for line in text(Path::new(path))?.lines().filter(|it| !it.trim().is_empty()) {
                    headers.push(header(line, &format!("a line of {path}"))?);
                }
            }
            None => headers.push(header(typed, "--header")?),
        }
    }
    let credentials = match (&args.user, &args.token_file) {
        (Some(user), _) => {
            let password = Secret::new(variable("ANALYZE_TRACES_PASSWORD").unwrap_or_default());
            Some(Credentials::Basic { user: user.clone(), password })
        }
        (None, Some(path)) => Some(Credentials::Bearer(Secret::new(text(path)?.trim()))),
        (None, None) => variable("ANALYZE_TRACES_TOKEN").map(|it| Credentials::Bearer(Secret::new(it.trim()))),
    };
    let client_certificate = match &args.client_cert {
        Some(path) => Some((file(path)?, Secret::new(text(args.client_key.as_deref().unwrap_or(path))?))),
        None => None,
    };
    let client = ClientOptions {
        headers,
        credentials,
        tenant: args.tenant.clone(),
        ca_certificates: args.ca_cert.as_deref().map(file).transpose()?.unwrap_or_default(),
        client_certificate,
        insecure: args.insecure,
        timeout: args.timeout,
        proxies: Proxies::of(&variable),
    };
    Ok(FetchOptions {
        client,
        api: args.api,
        limit: args.limit,
        page_size: args.page_size as usize,
        all_services: args.all_services,
    })
}

/// `Name: value`. What is wrong with it is said without the value.
fn header(typed: &str, wherefrom: &str) -> anyhow::Result<(String, Secret)> {
    let refused = || {
        let what = format!("failed to understand {wherefrom}: expected 'Name: value'");
        Failure::with_hint(what, "as in --header 'Authorization: Bearer TOKEN', or --header @FILE")
    };
    let (name, value) = typed.split_once(':').ok_or_else(refused)?;
    let (name, value) = (name.trim(), value.trim());
    let is_name =
        !name.is_empty() && name.bytes().all(|it| it.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&it));
    let is_value = value.bytes().all(|it| it == b'\t' || (0x20..0x7f).contains(&it) || it >= 0x80);
    if !is_name || !is_value {
        return Err(refused().into());
    }
    Ok((name.to_owned(), Secret::new(value)))
}

/// How fetching went.
#[derive(Debug, Default)]
pub(super) struct Fetched {
    requests: Vec<String>,
    warnings: Vec<String>,
    gaps: Vec<String>,
    hint: Option<String>,
}

impl Fetched {
    /// Asks the sources, all of which have been read; an error where nothing could be had.
    pub(super) fn of(sources: &[Source]) -> anyhow::Result<Fetched> {
        let mut fetched = Fetched::default();
        for source in sources {
            let Some(ended) = source.feed().map(|it| it.ended()) else { continue };
            if let Some(failure) = ended.failure {
                return Err(failure.into());
            }
            // A file is a single one.
            if ended.n_requests > 0 {
                fetched.requests.push(format!("{}: {} requests", source.name, ended.n_requests));
            }
            fetched.warnings.extend(ended.warnings.into_iter().map(|it| format!("{}: {it}", source.name)));
            if ended.has_gaps {
                fetched.gaps.push(source.name.clone());
                fetched.hint = fetched.hint.or(ended.hint);
            }
        }
        Ok(fetched)
    }

    /// Says on standard error how much was asked.
    pub(super) fn explain(&self, err: &mut dyn Write) -> anyhow::Result<()> {
        for line in &self.requests {
            writeln!(err, "fetched {}", render::sanitize::line(line))?;
        }
        Ok(())
    }

    /// Says what is no gap but should be known.
    pub(super) fn warn(&self, err: &mut dyn Write) -> anyhow::Result<()> {
        for line in &self.warnings {
            writeln!(err, "warning: {}", render::sanitize::line(line))?;
        }
        Ok(())
    }

    /// The exit that gaps make, behind everything else that is written.
    pub(super) fn exit(&self, server: &ServerArgs, surroundings: &mut Surroundings<'_>) -> anyhow::Result<Exit> {
        if self.gaps.is_empty() || server.partial {
            return Ok(Exit::Success);
        }
        surroundings.out.flush()?;
        let names = self.gaps.join(", ");
        writeln!(
            surroundings.err,
            "error: {} did not give all its traces: what is shown is incomplete",
            render::sanitize::line(&names)
        )?;
        let more = self.hint.as_ref().map_or(String::new(), |it| format!("; {it}"));
        writeln!(
            surroundings.err,
            "\nhint: --partial takes what there is for success{}",
            render::sanitize::line(&more)
        )?;
        Ok(Exit::Incomplete)
    }
}
