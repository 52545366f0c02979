//! Why a request failed, in words that name the address, the status, the server's own message and a way on.

use std::fmt;

use crate::failure::Failure;

/// What kind of failure it is: decides what is tried next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FaultKind {
    /// Nobody answered.
    NoConnection,
    /// It took longer than allowed.
    Timeout,
    /// The answer ended early.
    Broken,
    /// It came, and made no sense.
    Senseless,
    /// The server answered with this status.
    Status(u16),
    /// There is no such endpoint: a web page, or a plain 404.
    NoRoute,
    /// The user asked to stop.
    Stopped,
}

/// A request that failed.
#[derive(Clone, Debug)]
pub(super) struct Fault {
    pub(super) kind: FaultKind,
    /// Without secrets.
    pub(super) url: String,
    /// Without secrets: the status, and what the server said.
    pub(super) what: String,
    hint: Option<&'static str>,
}

const HINT_CREDENTIALS: &str = "give credentials: ANALYZE_TRACES_TOKEN, --token-file, --user NAME or --header 'Name: value'; \
     a server with several tenants wants --tenant NAME";
const HINT_BASE_PATH: &str = "if the server stands below a base path, add it: http://HOST:16686/jaeger; \
     Jaeger listens on 16686, Zipkin on 9411, Tempo on 3200";
const HINT_ADDRESS: &str = "check the address: Jaeger's query service listens on 16686, Zipkin on 9411, Tempo on 3200";
const HINT_TLS: &str = "for an authority of your own: --ca-cert FILE (a self-signed certificate may not be an authority's itself); \
     where the server wants one: --client-cert FILE; to check nothing: --insecure";
const HINT_TIMEOUT: &str =
    "allow more with --timeout 5m, or ask for less at once: --page-size 20, a shorter --time-range";
const HINT_LATER: &str =
    "the server is overloaded or limits requests: try again later, or ask for a shorter --time-range";
const HINT_SERVER: &str =
    "the server failed: its log says why; a shorter --time-range or --page-size may get around it";

impl Fault {
    pub(super) fn new(kind: FaultKind, url: String, what: impl Into<String>) -> Fault {
        Fault { kind, url, what: what.into(), hint: None }
    }

    /// One of the connection's encryption.
    pub(super) fn of_tls(url: String, what: impl Into<String>) -> Fault {
        Fault { kind: FaultKind::NoConnection, url, what: what.into(), hint: Some(HINT_TLS) }
    }

    /// What the user can do.
    pub(super) fn hint(&self) -> &'static str {
        self.hint.unwrap_or(match self.kind {
            FaultKind::NoConnection => HINT_ADDRESS,
            FaultKind::Timeout => HINT_TIMEOUT,
            FaultKind::Status(401 | 403 | 407) => HINT_CREDENTIALS,
            FaultKind::Status(429 | 502..=504) => HINT_LATER,
            FaultKind::Status(400..=499) => {
                "the server does not take the request: check the options, or say which API it is with --api"
            }
            FaultKind::NoRoute => HINT_BASE_PATH,
            _ => HINT_SERVER,
        })
    }

    /// Whether every other request would fail likewise.
    pub(super) fn is_final(&self) -> bool {
        match self.kind {
            FaultKind::NoConnection | FaultKind::NoRoute | FaultKind::Stopped => true,
            FaultKind::Status(400) if self.is_about_limit() => false,
            FaultKind::Status(status) => (300..500).contains(&status) && !matches!(status, 408 | 413 | 414 | 429),
            FaultKind::Timeout | FaultKind::Broken | FaultKind::Senseless => false,
        }
    }

    /// Whether it took long to know: a timeout, or several tries.
    pub(super) fn is_slow(&self) -> bool {
        matches!(self.kind, FaultKind::Timeout | FaultKind::Broken | FaultKind::Status(429 | 502..=504))
    }

    /// Whether the server speaks of how much was asked for.
    pub(super) fn is_about_limit(&self) -> bool {
        let what = self.what.to_lowercase();
        matches!(self.kind, FaultKind::Status(400 | 413 | 422 | 500))
            && ["depth", "limit", "max traces", "too many", "bucket"].iter().any(|it| what.contains(it))
    }

    /// As the error that ends the program.
    pub(super) fn into_failure(self) -> Failure {
        Failure::with_hint(self.to_string(), self.hint())
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "failed to fetch {}: {}", self.url, self.what)
    }
}
