//! Requests: credentials, redirects, retries, compression; and errors that name what was asked.

mod decode;
mod options;
mod proxy;
mod retry;

use std::collections::HashMap;
use std::io::{self, Read};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context;
use ureq::Agent;
use url::{Origin, Url};

use super::fault::{Fault, FaultKind};
use super::message;
use super::secret::Scrubber;
use super::spool::Spool;
pub use options::{ClientOptions, Credentials, Proxies};
use retry::Retry;

/// More than this in one answer is no page of traces.
const LARGEST_ANSWER: u64 = 4 << 30;

const MOST_REDIRECTS: usize = 5;

const CONNECT: Duration = Duration::from_secs(10);

/// Asks one server.
pub(super) struct Client {
    /// Headers that only this origin may see.
    origin: Origin,
    headers: Vec<(String, String)>,
    options: ClientOptions,
    tls: ureq::tls::TlsConfig,
    agents: Mutex<HashMap<Option<String>, Agent>>,
    scrubber: Scrubber,
    stopped: Arc<AtomicBool>,
    /// Somebody is there: what does not answer now may come back.
    has_answered: AtomicBool,
}

/// What came back.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
    retry_after: Option<String>,
}

impl Answer {
    pub(super) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

impl Client {
    /// One for the origin of `base`, whose own credentials, if any, come before those of the environment.
    pub(super) fn new(
        base: &Url,
        in_address: Option<Credentials>,
        options: ClientOptions,
        stopped: Arc<AtomicBool>,
    ) -> anyhow::Result<Client> {
        let mut scrubber = Scrubber::default();
        let headers = options.headers(in_address.as_ref(), &mut scrubber);
        let tls = options.tls()?;
        Ok(Client {
            origin: base.origin(),
            headers,
            options,
            tls,
            agents: Mutex::default(),
            scrubber,
            stopped,
            has_answered: AtomicBool::new(false),
        })
    }

    /// Gets what stands at an address, trying again where that can help. Any status is an answer but
    /// those that say "later".
    pub(super) fn get(&self, url: &Url) -> Result<Answer, Fault> {
        let mut retry = Retry::new(self.options.timeout);
        loop {
            let outcome = self.get_once(url);
            let (fault, wait) = match outcome {
                Ok(answer) if !matches!(answer.status, 429 | 502..=504) => return Ok(answer),
                Ok(answer) => (self.refused(url, &answer), answer.retry_after),
                Err(fault) => (fault, None),
            };
            let is_worth_it = match fault.kind {
                FaultKind::Status(_) | FaultKind::Broken => true,
                FaultKind::NoConnection => self.has_answered.load(Ordering::Relaxed),
                FaultKind::Timeout | FaultKind::Senseless | FaultKind::NoRoute | FaultKind::Stopped => false,
            };
            match retry.next_wait(wait.as_deref()).filter(|_| is_worth_it) {
                Some(wait) => self.sleep(wait, url)?,
                None => return Err(fault),
            }
        }
    }

    /// As [`Client::get`], for what is there only if the answer is a success with a body.
    pub(super) fn get_success(&self, url: &Url) -> Result<Vec<u8>, Fault> {
        let answer = self.get(url)?;
        self.success(url, answer)
    }

    /// The body of a success; what else came is a fault.
    pub(super) fn success(&self, url: &Url, answer: Answer) -> Result<Vec<u8>, Fault> {
        if !answer.is_success() {
            return Err(self.refused(url, &answer));
        }
        if message::is_html(&answer.body) {
            let what = format!("answered with {}, not with traces", self.words(&answer.body));
            return Err(Fault::new(FaultKind::NoRoute, self.shown(url), what));
        }
        if answer.body.trim_ascii().is_empty() {
            return Err(Fault::new(FaultKind::Senseless, self.shown(url), "the answer is empty"));
        }
        Ok(answer.body)
    }

    /// The fault that an answer is.
    pub(super) fn refused(&self, url: &Url, answer: &Answer) -> Fault {
        let status = http_status(answer.status);
        let words = message::of_body(&answer.body).map(|it| format!(": {}", self.scrubber.clean(&it)));
        let what = format!("{status}{}", words.unwrap_or_default());
        // A missing trace or service is said in JSON.
        let is_no_route = answer.status == 404 && !answer.body.trim_ascii_start().starts_with(b"{");
        let kind = if is_no_route { FaultKind::NoRoute } else { FaultKind::Status(answer.status) };
        Fault::new(kind, self.shown(url), what)
    }

    /// One that makes no sense.
    pub(super) fn broken(&self, url: &Url, what: &str) -> Fault {
        Fault::new(FaultKind::Senseless, self.shown(url), self.scrubber.clean(what))
    }

    fn words(&self, body: &[u8]) -> String {
        message::of_body(body).map_or_else(|| "nothing".to_owned(), |it| self.scrubber.clean(&it))
    }

    /// An address without anything secret.
    pub(super) fn shown(&self, url: &Url) -> String {
        self.scrubber.clean(&without_user_info(url))
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    /// Waits, unless stopped.
    fn sleep(&self, wait: Duration, url: &Url) -> Result<(), Fault> {
        const STEP: Duration = Duration::from_millis(50);
        let mut left = wait;
        while !left.is_zero() {
            if self.is_stopped() {
                return Err(Fault::new(FaultKind::Stopped, self.shown(url), "stopped"));
            }
            std::thread::sleep(left.min(STEP));
            left = left.saturating_sub(STEP);
        }
        Ok(())
    }

    /// One request, and those it is redirected to.
    fn get_once(&self, url: &Url) -> Result<Answer, Fault> {
        let mut url = url.clone();
        for _ in 0..=MOST_REDIRECTS {
            if self.is_stopped() {
                return Err(Fault::new(FaultKind::Stopped, self.shown(&url), "stopped"));
            }
            let (answer, location) = self.send(&url)?;
            self.has_answered.store(true, Ordering::Relaxed);
            let Some(location) = location.filter(|_| is_redirect(answer.status)) else {
                return Ok(answer);
            };
            let next = url.join(&location).ok().filter(|it| matches!(it.scheme(), "http" | "https"));
            url = next.ok_or_else(|| self.broken(&url, "redirected to what is no address"))?;
        }
        Err(Fault::new(FaultKind::Status(310), self.shown(&url), format!("more than {MOST_REDIRECTS} redirects")))
    }

    /// Loads a file, however large, into a temporary one; as long as bytes keep coming.
    pub(super) fn download(&self, url: &Url) -> anyhow::Result<Spool> {
        let failed = || format!("failed to keep what was loaded of {}", self.shown(url));
        let mut url = url.clone();
        for _ in 0..=MOST_REDIRECTS {
            let response = self.request(&url, Patience::BetweenBytes).map_err(Fault::into_failure)?;
            let status = response.status().as_u16();
            let location = header(&response, "location").filter(|_| is_redirect(status));
            let mut body = response.into_body().into_with_config().limit(u64::MAX).reader();
            if let Some(next) = location.and_then(|it| url.join(&it).ok()) {
                url = next;
                continue;
            }
            let spool = Spool::new().with_context(failed)?;
            let mut buffer = vec![0; 1 << 16];
            loop {
                let n_read = body.read(&mut buffer).map_err(|err| self.fault_of(&url, err.into()).into_failure())?;
                if n_read == 0 {
                    break;
                }
                if !(200..300).contains(&status) {
                    let answer = Answer { status, body: buffer[..n_read].to_vec(), retry_after: None };
                    return Err(self.refused(&url, &answer).into_failure().into());
                }
                spool.add(&buffer[..n_read]).with_context(failed)?;
            }
            if !(200..300).contains(&status) {
                let answer = Answer { status, body: Vec::new(), retry_after: None };
                return Err(self.refused(&url, &answer).into_failure().into());
            }
            spool.finish();
            return Ok(spool);
        }
        Err(self.broken(&url, "too many redirects").into_failure().into())
    }

    fn send(&self, url: &Url) -> Result<(Answer, Option<String>), Fault> {
        let response = self.request(url, Patience::Altogether)?;
        let [location, retry_after, encoding] =
            ["location", "retry-after", "content-encoding"].map(|it| header(&response, it));
        let status = response.status().as_u16();
        let mut body = Vec::new();
        let read = response.into_body().into_with_config().limit(LARGEST_ANSWER).reader().read_to_end(&mut body);
        read.map_err(|err| self.fault_of(url, err.into()))?;
        let body = decode::decode(body, encoding.as_deref()).map_err(|err| {
            self.broken(url, &format!("the {} answer can't be unpacked: {err}", encoding.unwrap_or_default()))
        })?;
        Ok((Answer { status, body, retry_after }, location))
    }

    /// Sends a request, and waits for the head of the answer.
    fn request(&self, url: &Url, patience: Patience) -> Result<ureq::http::Response<ureq::Body>, Fault> {
        let agent = self.agent(url)?;
        let timeout = self.options.timeout;
        let request = agent.get(without_user_info(url)).header("accept", "application/json, */*;q=0.5");
        let mut request = match patience {
            Patience::Altogether => {
                request.config().timeout_global(Some(timeout)).build().header("accept-encoding", decode::ACCEPTED)
            }
            // A file is to come as it is: whether it is compressed shows in its bytes.
            Patience::BetweenBytes => request
                .config()
                .timeout_recv_response(Some(timeout))
                .timeout_per_read(Some(timeout))
                .build()
                .header("accept-encoding", "identity"),
        };
        // What is meant for one server is not for another that it points to.
        if url.origin() == self.origin {
            for (name, value) in &self.headers {
                request = request.header(name.as_str(), value.as_str());
            }
        }
        request.call().map_err(|err| self.fault_of(url, err))
    }

    /// The agent for an address, through a proxy or not.
    fn agent(&self, url: &Url) -> Result<Agent, Fault> {
        let proxy = self.options.proxies.for_url(url);
        let mut agents = self.agents.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(agent) = agents.get(&proxy) {
            return Ok(agent.clone());
        }
        let through = match &proxy {
            None => None,
            Some(it) => Some(ureq::Proxy::new(it).map_err(|_| {
                Fault::new(FaultKind::NoConnection, self.shown(url), "the proxy of the environment is no address")
            })?),
        };
        let timeout = self.options.timeout;
        let agent: Agent = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(through)
            .timeout_connect(Some(CONNECT.min(timeout)))
            .user_agent(concat!("analyze-traces/", env!("CARGO_PKG_VERSION")))
            .tls_config(self.tls.clone())
            .build()
            .into();
        agents.insert(proxy, agent.clone());
        Ok(agent)
    }

    fn fault_of(&self, url: &Url, err: ureq::Error) -> Fault {
        let shown = self.shown(url);
        let seconds = self.options.timeout.as_secs_f64();
        match err {
            ureq::Error::Timeout(_) => {
                Fault::new(FaultKind::Timeout, shown, format!("no whole answer within {seconds} s"))
            }
            ureq::Error::HostNotFound => Fault::new(FaultKind::NoConnection, shown, "the host is not known"),
            ureq::Error::ConnectionFailed => Fault::new(FaultKind::NoConnection, shown, "no connection"),
            ureq::Error::ConnectProxyFailed(why) => {
                Fault::new(FaultKind::NoConnection, shown, self.scrubber.clean(&format!("the proxy refused: {why}")))
            }
            ureq::Error::Tls(why) => Fault::of_tls(shown, format!("TLS: {why}")),
            ureq::Error::Rustls(why) => Fault::of_tls(shown, format!("TLS: {why}")),
            ureq::Error::Io(err) => self.fault_of_io(shown, &err, seconds),
            err => Fault::new(FaultKind::Broken, shown, self.scrubber.clean(&err.to_string())),
        }
    }

    fn fault_of_io(&self, shown: String, err: &io::Error, seconds: f64) -> Fault {
        let words = err.to_string();
        let is_tls = ["certificate", "TLS", "fatal alert"].iter().any(|it| words.contains(it));
        match err.kind() {
            io::ErrorKind::TimedOut => {
                Fault::new(FaultKind::Timeout, shown, format!("no whole answer within {seconds} s"))
            }
            _ if words.contains("lookup address") => {
                Fault::new(FaultKind::NoConnection, shown, "the host is not known")
            }
            _ if is_tls => Fault::of_tls(shown, format!("TLS: {err}")),
            io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound | io::ErrorKind::AddrNotAvailable => {
                Fault::new(FaultKind::NoConnection, shown, "connection refused")
            }
            io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
                Fault::new(FaultKind::NoConnection, shown, "the host can't be reached")
            }
            _ => Fault::new(FaultKind::Broken, shown, format!("the connection broke off ({err})")),
        }
    }
}

/// How long an answer may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Patience {
    /// All of it.
    Altogether,
    /// Its head, and then each piece.
    BetweenBytes,
}

fn is_redirect(status: u16) -> bool {
    matches!(status, 301 | 302 | 303 | 307 | 308)
}

fn header(response: &ureq::http::Response<ureq::Body>, name: &str) -> Option<String> {
    response.headers().get(name).and_then(|it| it.to_str().ok()).map(str::to_owned)
}

fn http_status(status: u16) -> String {
    let reason = ureq::http::StatusCode::from_u16(status).ok().and_then(|it| it.canonical_reason());
    reason.map_or_else(|| format!("HTTP {status}"), |it| format!("HTTP {status} {it}"))
}

/// An address as it may be shown and asked for.
pub(super) fn without_user_info(url: &Url) -> String {
    let mut url = url.clone();
    // Neither fails for http and https.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_fragment(None);
    url.into()
}
