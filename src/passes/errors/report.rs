//! The `errors` key: lists sorted and cut, texts as they are written.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use serde::Serialize;

use super::rows::{Absorbed, Example, Pattern, RootCause, Service, ServiceExample, What};
use super::{Errors, Options, Place};
use crate::model::{Id, Name};
use crate::passes::timestamp::rfc3339;
use crate::stats::{Limited, percent};

/// What stands for the messages of an operation that has too many different ones.
const TOO_MANY: &str = "(more than 1,000 different messages)";

/// The `errors` key.
#[derive(Debug, Serialize)]
pub(in crate::passes) struct ErrorsReport {
    pub(super) error_rate: Option<f64>,
    pub(super) total_traces: u64,
    pub(super) failing_traces: u64,
    pub(super) patterns_total: usize,
    pub(super) root_causes_total: usize,
    pub(super) absorbed_total: usize,
    pub(super) errors_by_service: BTreeMap<Name, ServiceReport>,
    pub(super) patterns: Vec<PatternReport>,
    pub(super) root_causes: Vec<RootCauseReport>,
    pub(super) absorbed: Vec<AbsorbedReport>,
    #[serde(skip)]
    pub(super) n_failed: u64,
    #[serde(skip)]
    pub(super) n_detached: u64,
    #[serde(skip)]
    pub(super) options: Options,
}

#[derive(Debug, Serialize)]
pub(super) struct ServiceReport {
    pub(super) count: u64,
    pub(super) examples: Vec<ServiceExampleReport>,
}

#[derive(Debug, Serialize)]
pub(super) struct ServiceExampleReport {
    pub(super) trace_id: Id,
    pub(super) span_id: Id,
    pub(super) operation: Name,
    pub(super) error_message: Option<String>,
    pub(super) timestamp: Option<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct PatternReport {
    pub(super) service: Name,
    pub(super) operation: Name,
    pub(super) error_message: Option<String>,
    pub(super) error_type: Option<String>,
    pub(super) code: Option<String>,
    pub(super) count: u64,
    pub(super) percentage: f64,
    pub(super) traces: u64,
    pub(super) first_seen: Option<String>,
    pub(super) last_seen: Option<String>,
    pub(super) examples: Vec<ExampleReport>,
    #[serde(skip)]
    pub(super) first_ns: i64,
    #[serde(skip)]
    pub(super) last_ns: i64,
}

#[derive(Debug, Serialize)]
pub(super) struct ExampleReport {
    pub(super) trace_id: Id,
    pub(super) span_id: Id,
    /// The key is there only where stack traces were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) stack: Option<Option<String>>,
}

#[derive(Debug, Serialize)]
pub(super) struct RootCauseReport {
    pub(super) service: Name,
    pub(super) operation: Name,
    pub(super) error_message: Option<String>,
    pub(super) traces: u64,
    pub(super) share_percent: f64,
    pub(super) failed_callers: Vec<Name>,
}

#[derive(Debug, Serialize)]
pub(super) struct AbsorbedReport {
    pub(super) service: Name,
    pub(super) operation: Name,
    pub(super) error_message: Option<String>,
    pub(super) by_service: Name,
    pub(super) by_operation: Name,
    pub(super) count: u64,
    pub(super) traces: u64,
}

impl ErrorsReport {
    pub(super) fn of(errors: Errors) -> ErrorsReport {
        let Errors { options, n_traces, n_failing, n_failed, n_detached, .. } = errors;
        let mut patterns = patterns(errors.patterns, n_failing, &options);
        let mut root_causes = root_causes(errors.root_causes, n_failed);
        let mut absorbed = absorbed(errors.absorbed);
        let (patterns_total, root_causes_total, absorbed_total) = (patterns.len(), root_causes.len(), absorbed.len());
        if let Some(cut) = options.cut {
            patterns.truncate(cut);
            root_causes.truncate(cut);
            absorbed.truncate(cut);
        }
        ErrorsReport {
            error_rate: (n_traces > 0).then(|| percent(n_failing, n_traces)),
            total_traces: n_traces,
            failing_traces: n_failing,
            patterns_total,
            root_causes_total,
            absorbed_total,
            errors_by_service: errors.services.into_iter().map(|(name, it)| (name, it.report())).collect(),
            patterns,
            root_causes,
            absorbed,
            n_failed,
            n_detached,
            options,
        }
    }
}

/// Most errors first, then by name; so are the others, for all sort stably what comes by name.
fn patterns(
    patterns: BTreeMap<Place, Limited<What, Pattern>>,
    n_failing: u64,
    options: &Options,
) -> Vec<PatternReport> {
    let mut reports = Vec::new();
    for ((service, operation), whats) in patterns {
        for (what, pattern) in whats.into_rows() {
            let What { message, error_type, code } = what.unwrap_or_else(What::too_many);
            // Among too many messages a trace counts once for each it has.
            let traces = pattern.n_traces.min(n_failing);
            reports.push(PatternReport {
                service,
                operation,
                error_message: message,
                error_type,
                code,
                count: pattern.n_errors,
                percentage: percent(traces, n_failing),
                traces,
                first_seen: rfc3339(pattern.first_ns),
                last_seen: rfc3339(pattern.last_ns),
                examples: pattern.examples.into_sorted_vec().into_iter().map(|it| it.report(options.verbose)).collect(),
                first_ns: pattern.first_ns,
                last_ns: pattern.last_ns,
            });
        }
    }
    reports.sort_by_key(|it| Reverse((it.count, it.traces)));
    reports
}

fn root_causes(causes: BTreeMap<Place, Limited<Option<String>, RootCause>>, n_failed: u64) -> Vec<RootCauseReport> {
    let mut reports = Vec::new();
    for ((service, operation), messages) in causes {
        for (message, cause) in messages.into_rows() {
            reports.push(RootCauseReport {
                service,
                operation,
                error_message: message.unwrap_or_else(|| Some(TOO_MANY.to_owned())),
                traces: cause.n_traces,
                share_percent: percent(cause.n_traces, n_failed),
                failed_callers: cause.failed_callers.into_iter().collect(),
            });
        }
    }
    reports.sort_by_key(|it| Reverse(it.traces));
    reports
}

fn absorbed(absorbed: BTreeMap<(Place, Place), Limited<Option<String>, Absorbed>>) -> Vec<AbsorbedReport> {
    let mut reports = Vec::new();
    for (((service, operation), (by_service, by_operation)), messages) in absorbed {
        for (message, absorbed) in messages.into_rows() {
            reports.push(AbsorbedReport {
                service,
                operation,
                error_message: message.unwrap_or_else(|| Some(TOO_MANY.to_owned())),
                by_service,
                by_operation,
                count: absorbed.n_errors,
                traces: absorbed.n_traces,
            });
        }
    }
    reports.sort_by_key(|it| Reverse((it.count, it.traces)));
    reports
}

impl What {
    fn too_many() -> What {
        What { message: Some(TOO_MANY.to_owned()), error_type: None, code: None }
    }
}

impl Service {
    fn report(self) -> ServiceReport {
        let examples = self.examples.into_sorted_vec().into_iter().map(ServiceExample::report).collect();
        ServiceReport { count: self.n_errors, examples }
    }
}

impl ServiceExample {
    fn report(self) -> ServiceExampleReport {
        ServiceExampleReport {
            trace_id: self.trace_id,
            span_id: self.span_id,
            operation: self.operation,
            error_message: self.message,
            timestamp: rfc3339(self.start_ns),
        }
    }
}

impl Example {
    fn report(self, verbose: bool) -> ExampleReport {
        ExampleReport { trace_id: self.trace_id, span_id: self.span_id, stack: verbose.then_some(self.stack) }
    }
}
