//! What several threads have of each pass becomes one report each, of unlike passes side by side.

use std::num::NonZeroUsize;
use std::sync::{Mutex, PoisonError};

use super::AnyPass;
use crate::report::Report;

/// Joins the parts, each of which has all passes in the same order, and gives the passes' reports in that order.
pub(crate) fn reports(parts: Vec<Vec<Box<dyn AnyPass>>>, threads: NonZeroUsize) -> Vec<Box<dyn Report>> {
    let passes = by_pass(parts);
    let reports: Vec<_> = passes.iter().map(|_| Mutex::new(None)).collect();
    let todo = Mutex::new(passes.into_iter().zip(&reports));
    let work = || {
        loop {
            let next = todo.lock().unwrap_or_else(PoisonError::into_inner).next();
            let Some((parts, report)) = next else { break };
            *report.lock().unwrap_or_else(PoisonError::into_inner) = joined(parts).map(AnyPass::finish);
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..threads.get().min(reports.len()) {
            scope.spawn(work);
        }
        work();
    });
    reports.into_iter().filter_map(|it| it.into_inner().unwrap_or_else(PoisonError::into_inner)).collect()
}

fn by_pass(parts: Vec<Vec<Box<dyn AnyPass>>>) -> Vec<Vec<Box<dyn AnyPass>>> {
    let n_passes = parts.first().map_or(0, Vec::len);
    let mut passes: Vec<Vec<_>> = (0..n_passes).map(|_| Vec::with_capacity(parts.len())).collect();
    for part in parts {
        passes.iter_mut().zip(part).for_each(|(parts, pass)| parts.push(pass));
    }
    passes
}

fn joined(parts: Vec<Box<dyn AnyPass>>) -> Option<Box<dyn AnyPass>> {
    parts.into_iter().reduce(|mut whole, part| {
        whole.merge(part);
        whole
    })
}
