//! The threads that fetch, what they share, and what came of it in the end.

mod outcome;

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::fmt;
use std::io::Read;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use anyhow::Context;
use foldhash::fast::FixedState;

use super::Server;
use super::fault::{Fault, FaultKind};
use super::page::{FoundTrace, Page};
use super::slicer::{Outcome, Request, Slicer};
use super::spool::{Follower, Spool};
use super::store::Query;
use crate::input::source::{Ended, Feed};

/// So many requests at once: a server that holds every answer in memory is not to be run over.
const N_THREADS: usize = 4;

/// Fetches what a server has, as a feed.
pub(super) struct Crew {
    shared: Arc<Shared>,
}

struct Shared {
    server: Arc<Server>,
    spool: Arc<Spool>,
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    started: Option<Instant>,
    n_workers: usize,
    searches: Vec<(Query, Slicer)>,
    /// Traces to be fetched by their ids.
    ids: VecDeque<String>,
    n_ids: usize,
    n_ids_in_flight: usize,
    missing: Vec<String>,
    /// Traces that were had, with what they held.
    seen: HashMap<u128, u64, FixedState>,
    /// Of those, what came again with other spans: it went on while it was fetched.
    came_again: HashSet<u128>,
    n_spans: u64,
    limit: Option<u64>,
    is_limited: bool,
    n_answers: u64,
    /// Words of the server about what it left out.
    said: BTreeSet<String>,
    /// Why single traces could not be had.
    lost: Vec<String>,
    last_fault: Option<Fault>,
    spool_error: Option<String>,
    is_over: bool,
    /// The services there are, for hints.
    known: Option<Vec<String>>,
}

/// What one thread does next.
enum Work {
    Search(usize, Query, Request),
    Trace(String),
}

impl fmt::Debug for Crew {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Crew").field("server", &self.shared.server.name()).finish_non_exhaustive()
    }
}

impl Crew {
    pub(super) fn new(
        server: Arc<Server>,
        searches: Vec<(Query, Slicer)>,
        ids: Vec<String>,
        limit: Option<u64>,
        known: Option<Vec<String>>,
    ) -> anyhow::Result<Crew> {
        let spool = Spool::new().context("failed to make a temporary file for what is fetched")?;
        let state = State {
            started: None,
            n_workers: 0,
            searches,
            n_ids: ids.len(),
            ids: ids.into(),
            n_ids_in_flight: 0,
            missing: Vec::new(),
            seen: HashMap::default(),
            came_again: HashSet::new(),
            n_spans: 0,
            limit,
            is_limited: false,
            n_answers: 0,
            said: BTreeSet::new(),
            lost: Vec::new(),
            last_fault: None,
            spool_error: None,
            is_over: false,
            known,
        };
        let shared = Shared { server, spool: Arc::new(spool), state: Mutex::new(state), changed: Condvar::new() };
        Ok(Crew { shared: Arc::new(shared) })
    }
}

impl Feed for Crew {
    fn open(&self) -> anyhow::Result<Box<dyn Read + Send>> {
        let mut state = self.shared.state();
        if state.started.is_none() {
            state.started = Some(Instant::now());
            // Which traces are the newest depends on what was asked for first.
            state.n_workers = if state.limit.is_some() { 1 } else { N_THREADS };
            for _ in 0..state.n_workers {
                let shared = Arc::clone(&self.shared);
                std::thread::Builder::new()
                    .name("fetch".to_owned())
                    .spawn(move || shared.run())
                    .context("failed to start a thread that fetches")?;
            }
        }
        drop(state);
        Ok(Box::new(Follower::new(Arc::clone(&self.shared.spool))))
    }

    fn progress(&self) -> Option<String> {
        Some(self.shared.state().progress(self.shared.spool.n_bytes()))
    }

    fn ended(&self) -> Ended {
        let client = &self.shared.server.client;
        let ended = self.shared.state().ended(&self.shared.server.name(), client.is_stopped());
        Ended { n_requests: client.n_requests(), ..ended }
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        // Nobody reads any more: the threads end after their requests.
        self.shared.state().abandon("nobody reads any more");
        self.shared.changed.notify_all();
    }
}

/// Finishes the spool with the last thread, however that ends.
struct Presence<'a>(&'a Shared);

impl Drop for Presence<'_> {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.n_workers -= 1;
        if state.n_workers > 0 {
            return;
        }
        if state.seen.is_empty() && state.spool_error.is_none() {
            let outcome = self.0.spool.add(self.0.server.store.empty().as_bytes());
            state.spool_error = outcome.err().map(|it| it.to_string());
        }
        self.0.spool.finish();
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One thread's work, until there is none left.
    fn run(&self) {
        let _presence = Presence(self);
        while let Some(work) = self.next() {
            match work {
                Work::Search(nth, query, request) => self.search(nth, &query, request),
                Work::Trace(id) => self.trace(&id),
            }
            self.changed.notify_all();
        }
    }

    /// Waits for work; nothing once all is done.
    fn next(&self) -> Option<Work> {
        let mut state = self.state();
        loop {
            if self.server.client.is_stopped() {
                state.abandon(STOPPED);
            }
            if let Some(work) = state.next() {
                return Some(work);
            }
            if state.is_done() {
                return None;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn search(&self, nth: usize, query: &Query, request: Request) {
        let is_known = |key| self.state().seen.contains_key(&key);
        let outcome = self.server.store.search(&self.server.client, query, request, &is_known);
        let mut state = self.state();
        let outcome = match outcome {
            Ok(page) => {
                let keys = page.keys.clone();
                self.take(&mut state, page);
                Outcome::Page(keys)
            }
            Err(fault) => {
                let weight = match fault.is_slow() {
                    // Nothing has come at all: not much more is worth waiting for.
                    true if state.n_answers == 0 => 12,
                    true => 8,
                    false => 1,
                };
                let outcome =
                    Outcome::Failed { why: fault.what.clone(), is_about_limit: fault.is_about_limit(), weight };
                let is_final = fault.is_final();
                let why = fault.what.clone();
                state.fail(fault);
                if is_final {
                    state.abandon(&why);
                }
                outcome
            }
        };
        state.searches[nth].1.answer(request, outcome);
    }

    fn trace(&self, id: &str) {
        let outcome = self.server.store.trace(&self.server.client, id);
        let mut state = self.state();
        state.n_ids_in_flight -= 1;
        match outcome {
            Ok(Some(page)) => self.take(&mut state, page),
            Ok(None) => {
                state.n_answers += 1;
                state.missing.push(id.to_owned());
            }
            Err(fault) => {
                let is_final = fault.is_final();
                state.lost.push(format!("trace {id}: {}", fault.what));
                let why = fault.what.clone();
                state.fail(fault);
                if is_final {
                    state.abandon(&why);
                }
            }
        }
    }

    /// Writes down what is new of a page.
    fn take(&self, state: &mut State, page: Page) {
        state.n_answers += 1;
        state.said.extend(page.incomplete);
        for trace in page.traces {
            if !state.admit(&trace) {
                continue;
            }
            if let Err(err) = self.spool.add(format!("{}\n", trace.text).as_bytes()) {
                state.spool_error = Some(err.to_string());
                state.abandon("failed to keep what was fetched");
                return;
            }
        }
    }
}

const STOPPED: &str = "stopped";

impl State {
    fn next(&mut self) -> Option<Work> {
        if self.is_over {
            return None;
        }
        if let Some(id) = self.ids.pop_front() {
            self.n_ids_in_flight += 1;
            return Some(Work::Trace(id));
        }
        self.searches
            .iter_mut()
            .enumerate()
            .find_map(|(nth, (query, slicer))| slicer.next().map(|it| Work::Search(nth, query.clone(), it)))
    }

    fn is_done(&self) -> bool {
        self.n_ids_in_flight == 0 && self.ids.is_empty() && self.searches.iter().all(|it| it.1.is_done())
    }

    /// Whether a trace is to be written down: new, or another than before.
    fn admit(&mut self, trace: &FoundTrace) -> bool {
        if self.is_limited || self.seen.get(&trace.key) == Some(&trace.fingerprint) {
            return false;
        }
        if !self.seen.contains_key(&trace.key) {
            if self.limit.is_some_and(|it| self.seen.len() as u64 >= it) {
                self.is_limited = true;
                self.abandon("stopped by --limit");
                return false;
            }
            self.n_spans += trace.n_spans;
        } else {
            self.came_again.insert(trace.key);
        }
        self.seen.insert(trace.key, trace.fingerprint);
        true
    }

    fn fail(&mut self, fault: Fault) {
        if fault.kind != FaultKind::Stopped {
            self.last_fault = Some(fault);
        }
    }

    /// Asks for nothing more.
    fn abandon(&mut self, why: &str) {
        self.is_over = true;
        self.searches.iter_mut().for_each(|it| it.1.abandon(why));
        let left = std::mem::take(&mut self.ids);
        self.lost.extend(left.into_iter().map(|it| format!("trace {it}: {why}")));
    }
}
