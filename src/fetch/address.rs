//! What people paste: a server, a trace or a search in its web pages or its API, a file.

use url::Url;

use super::Api;
use super::client::{Credentials, without_user_info};
use super::secret::Secret;
use crate::failure::Failure;

/// An address, understood.
#[derive(Clone, Debug)]
pub struct Address {
    /// Where the server's API begins, without credentials, query and trailing slash.
    pub(super) base: Url,
    /// Those in the address itself.
    pub(super) credentials: Option<Credentials>,
    /// What it leads to.
    pub target: Target,
    /// The kind of server, where the address shows it.
    pub(super) api: Option<Api>,
}

/// What an address leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A server: the options say what is asked for.
    Server,
    /// These traces.
    Traces(Vec<String>),
    /// A search, with its parameters.
    Search(Search),
    /// A file of traces.
    File,
}

/// The parameters of a search that select traces.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Search {
    /// The service.
    pub service: Option<String>,
    /// The operation.
    pub operation: Option<String>,
    /// Keys and values that a span must have; without a value, the key alone.
    pub tags: Vec<(String, Option<String>)>,
    /// As it was written, with a unit.
    pub min_duration: Option<String>,
    /// As it was written, with a unit.
    pub max_duration: Option<String>,
    /// From when, in microseconds since the epoch.
    pub from_us: Option<i64>,
    /// Until when.
    pub until_us: Option<i64>,
    /// How far back from the end: `1h`, `2d`.
    pub lookback: Option<String>,
}

/// Whether an input is an address at all.
pub fn is_address(input: &str) -> bool {
    let scheme = input.split_once("://").map(|it| it.0.to_ascii_lowercase());
    matches!(scheme.as_deref(), Some("http" | "https"))
}

/// An input that is an address, without what is secret in it.
pub fn shown(input: &str) -> String {
    match Url::parse(input) {
        Ok(url) if is_file(&url) => without_query(&url),
        Ok(url) => without_user_info(&url).trim_end_matches('/').to_owned(),
        Err(_) => {
            // Not to be parsed, but credentials may stand in it all the same.
            let (scheme, rest) = input.split_once("://").unwrap_or(("", input));
            let rest = rest.rsplit_once('@').map_or(rest, |it| it.1);
            format!("{scheme}://{rest}")
        }
    }
}

/// The query of a file's address is often a signature.
fn without_query(url: &Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    without_user_info(&url)
}

impl Address {
    /// Reads an address.
    pub fn parse(input: &str) -> anyhow::Result<Address> {
        let refused =
            |what: &str, hint: &str| Failure::with_hint(format!("failed to read {}: {what}", shown(input)), hint);
        let usual = "an address looks like http://jaeger:16686, with a base path if there is one";
        let url = Url::parse(input).map_err(|err| refused(&format!("it is no address ({err})"), usual))?;
        if url.host_str().is_none_or(str::is_empty) {
            return Err(refused("it names no host", usual).into());
        }
        let segments: Vec<String> = url.path_segments().into_iter().flatten().map(decoded).collect();
        let segments: Vec<&str> = segments.iter().map(String::as_str).filter(|it| !it.is_empty()).collect();
        let has_query = |keys: &[&str]| url.query_pairs().any(|(key, _)| keys.contains(&key.as_ref()));
        if segments.last() == Some(&"explore") && has_query(&["left", "panes", "schemaVersion"]) {
            let hint = "give the address of the trace store that Grafana asks (its data source's URL), with --service or --trace-id";
            return Err(refused("it is a page of Grafana, not of a trace store", hint).into());
        }
        let (n_base, target, api) = understand(&url, &segments);
        Ok(Address { base: base_of(&url, &segments[..n_base]), credentials: credentials_of(&url), target, api })
    }

    /// What a file is called: its query is often a signature.
    pub(super) fn file_name(&self) -> String {
        without_query(&self.base)
    }
}

/// How many segments are the base path, what is asked for, and of which API.
fn understand(url: &Url, segments: &[&str]) -> (usize, Target, Option<Api>) {
    let search = || Target::Search(Search::of(url));
    let n = segments.len();
    let traces = |ids: &str| Target::Traces(ids.split("...").filter(|it| !it.is_empty()).map(str::to_owned).collect());
    match segments {
        [.., "api", "v3", "traces", id] => (n - 4, traces(id), Some(Api::JaegerV3)),
        [.., "api", "v3", "traces"] => (n - 3, search(), Some(Api::JaegerV3)),
        [.., "api", "v2", "trace", id] => (n - 4, traces(id), Some(Api::Zipkin)),
        [.., "api", "v2", "traces", id] => (n - 4, traces(id), Some(Api::Tempo)),
        [.., "api", "v2", "traces"] => (n - 3, search(), Some(Api::Zipkin)),
        // Of Jaeger or of Tempo.
        [.., "api", "traces", id] => (n - 3, traces(id), None),
        [.., "api", "traces"] => (n - 2, search(), None),
        [.., "zipkin", "traces", id] => (n - 2, traces(id), Some(Api::Zipkin)),
        [.., "zipkin"] if url.query().is_some() => (n, search(), Some(Api::Zipkin)),
        [.., "zipkin", "dependency"] => (n - 1, Target::Server, Some(Api::Zipkin)),
        // The web page compares two: `a...b`.
        [.., "trace", ids] => (n - 2, traces(ids), None),
        [.., "search"] if url.query().is_some() => (n - 1, search(), None),
        [.., "search" | "dependencies" | "monitor" | "compare"] => (n - 1, Target::Server, None),
        _ if is_file(url) => (n, Target::File, None),
        _ => (n, Target::Server, None),
    }
}

/// Endings of captures.
const ENDINGS: [&str; 9] = [".json", ".jsonl", ".ndjson", ".gz", ".zst", ".zstd", ".txt", ".log", ".har"];

fn is_file(url: &Url) -> bool {
    let path = url.path().to_ascii_lowercase();
    ENDINGS.iter().any(|it| path.ends_with(it))
}

fn base_of(url: &Url, segments: &[&str]) -> Url {
    let mut base = url.clone();
    // Neither fails for http and https.
    let _ = base.set_username("");
    let _ = base.set_password(None);
    base.set_fragment(None);
    if segments.len() < base.path_segments().into_iter().flatten().filter(|it| !it.is_empty()).count() || !is_file(url)
    {
        base.set_query(None);
        if let Ok(mut path) = base.path_segments_mut() {
            path.clear().extend(segments);
        }
    }
    base
}

fn credentials_of(url: &Url) -> Option<Credentials> {
    let user = decoded(url.username());
    let password = url.password().map(decoded);
    let is_there = !user.is_empty() || password.is_some();
    is_there.then(|| Credentials::Basic { user, password: Secret::new(password.unwrap_or_default()) })
}

fn decoded(text: &str) -> String {
    let escaped = text.replace('+', "%2B");
    // As the value of a form, in which only the plus sign is special.
    let pair = format!("x={}", escaped.replace('&', "%26"));
    url::form_urlencoded::parse(pair.as_bytes()).next().map_or_else(String::new, |it| it.1.into_owned())
}

impl Search {
    /// Reads the parameters of all the web pages and APIs: their names do not collide.
    fn of(url: &Url) -> Search {
        let mut search = Search::default();
        let mut tags: Vec<(String, Option<String>)> = Vec::new();
        let mut start_ms: Option<i64> = None;
        let mut end_ms: Option<i64> = None;
        let mut lookback_ms = None;
        for (key, value) in url.query_pairs() {
            let value = value.trim();
            if value.is_empty() {
                continue;
            }
            let name = key.strip_prefix("query.").unwrap_or(&key);
            match name {
                "service" | "serviceName" | "service_name" => search.service = Some(value.to_owned()),
                // What the pages say for any.
                "operation" | "spanName" | "operationName" | "operation_name" if value != "all" => {
                    search.operation = Some(value.to_owned());
                }
                "tags" | "attributes" => tags.extend(tags_of(value)),
                "tag" => {
                    tags.extend(value.split_once(':').map(|(key, value)| (key.to_owned(), Some(value.to_owned()))))
                }
                "annotationQuery" => tags.extend(value.split(" and ").map(|it| match it.split_once('=') {
                    Some((key, value)) => (key.trim().to_owned(), Some(value.trim().to_owned())),
                    None => (it.trim().to_owned(), None),
                })),
                "minDuration" | "durationMin" | "duration_min" => search.min_duration = Some(with_unit(value)),
                "maxDuration" | "durationMax" | "duration_max" => search.max_duration = Some(with_unit(value)),
                "start" | "startTimeMin" | "start_time_min" => search.from_us = moment_us(value),
                "end" | "startTimeMax" | "start_time_max" => search.until_us = moment_us(value),
                "startTs" => start_ms = value.parse::<i64>().ok(),
                "endTs" => end_ms = value.parse::<i64>().ok(),
                "millis" => lookback_ms = value.parse::<i64>().ok(),
                "lookback" => match value.parse::<i64>() {
                    Ok(ms) => lookback_ms = Some(ms),
                    // Said by other parameters.
                    Err(_) if matches!(value, "custom" | "range" | "millis") => {}
                    Err(_) => search.lookback = Some(value.to_owned()),
                },
                _ => {}
            }
        }
        if let Some(start_ms) = start_ms {
            search.from_us = start_ms.checked_mul(1_000);
        }
        if let Some(end_ms) = end_ms {
            search.until_us = end_ms.checked_mul(1_000);
        }
        if let Some(ms) = lookback_ms {
            search.lookback = Some(format!("{ms}ms"));
        }
        search.tags = tags;
        search
    }
}

/// `{"error":"true"}` or `error=true http.method=GET`.
fn tags_of(value: &str) -> Vec<(String, Option<String>)> {
    if let Ok(map) = serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(value) {
        let text = |it: serde_json::Value| it.as_str().map_or_else(|| it.to_string(), str::to_owned);
        return map.into_iter().map(|(key, value)| (key, Some(text(value)))).collect();
    }
    let pair = |it: &str| match it.split_once('=') {
        Some((key, value)) => (key.to_owned(), Some(value.trim_matches('"').to_owned())),
        None => (it.to_owned(), None),
    };
    value.split_whitespace().map(pair).collect()
}

/// Zipkin's plain numbers are microseconds; Jaeger's have units.
fn with_unit(value: &str) -> String {
    if value.bytes().all(|it| it.is_ascii_digit()) { format!("{value}us") } else { value.to_owned() }
}

/// Microseconds, or seconds and milliseconds by their size, or RFC 3339.
fn moment_us(value: &str) -> Option<i64> {
    match value.parse::<i64>() {
        Ok(number) => match value.len() {
            ..=11 => number.checked_mul(1_000_000),
            12..=14 => number.checked_mul(1_000),
            15..=17 => Some(number),
            _ => Some(number / 1_000),
        },
        Err(_) => value.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_microsecond),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(input: &str) -> (String, Target) {
        let address = Address::parse(input).unwrap();
        (without_user_info(&address.base).trim_end_matches('/').to_owned(), address.target)
    }

    #[test]
    fn what_is_pasted_is_understood() {
        let id = || Target::Traces(vec!["abc".to_owned()]);
        for (input, base, target) in [
            ("http://j:16686", "http://j:16686", Target::Server),
            ("HTTP://j:16686/", "http://j:16686", Target::Server),
            ("https://u:p@j/a/b/", "https://j/a/b", Target::Server),
            ("http://j/trace/abc?uiFind=x#y", "http://j", id()),
            ("http://j/jaeger/trace/abc", "http://j/jaeger", id()),
            ("http://j/trace/abc...def", "http://j", Target::Traces(vec!["abc".to_owned(), "def".to_owned()])),
            ("http://j/api/traces/abc?prettyPrint=true", "http://j", id()),
            ("http://j/x/api/v3/traces/abc", "http://j/x", id()),
            ("http://z:9411/zipkin/traces/abc", "http://z:9411/zipkin", id()),
            ("http://z:9411/api/v2/trace/abc", "http://z:9411", id()),
            ("http://t:3200/api/v2/traces/abc", "http://t:3200", id()),
            ("http://j/search", "http://j", Target::Server),
            ("http://j/dependencies", "http://j", Target::Server),
            ("http://files/a/traces.json.gz?sig=1", "http://files/a/traces.json.gz?sig=1", Target::File),
            ("http://v/select/jaeger", "http://v/select/jaeger", Target::Server),
        ] {
            assert_eq!(parse(input), (base.to_owned(), target), "{input}");
        }
    }

    #[test]
    fn searches_bring_their_parameters() {
        let link = "http://j/search?end=1700000000000000&limit=20&lookback=1h&maxDuration&minDuration=100ms\
             &operation=GET%20%2F&service=front%2Bend&start=1699996400000000&tags=%7B%22error%22%3A%22true%22%7D";
        let Target::Search(search) = parse(link).1 else { panic!("a search") };
        let expected = Search {
            service: Some("front+end".to_owned()),
            operation: Some("GET /".to_owned()),
            tags: vec![("error".to_owned(), Some("true".to_owned()))],
            min_duration: Some("100ms".to_owned()),
            max_duration: None,
            from_us: Some(1_699_996_400_000_000),
            until_us: Some(1_700_000_000_000_000),
            lookback: Some("1h".to_owned()),
        };
        assert_eq!(search, expected);
        let link = "http://z/zipkin/?serviceName=a&spanName=all&annotationQuery=error%20and%20k%3Dv&minDuration=5&endTs=1700000000000&lookback=900000";
        let Target::Search(search) = parse(link).1 else { panic!("a search") };
        assert_eq!((search.service.as_deref(), search.operation), (Some("a"), None));
        assert_eq!(search.tags, [("error".to_owned(), None), ("k".to_owned(), Some("v".to_owned()))]);
        assert_eq!((search.min_duration.as_deref(), search.lookback.as_deref()), (Some("5us"), Some("900000ms")));
        assert_eq!(search.until_us, Some(1_700_000_000_000_000));
        let link = "http://z/zipkin/?serviceName=a&lookback=range&endTs=1700000000000&startTs=1699996400000";
        let Target::Search(search) = parse(link).1 else { panic!("a search") };
        assert_eq!((search.from_us, search.lookback), (Some(1_699_996_400_000_000), None));
        let link = "http://z/zipkin/?serviceName=a&lookback=millis&endTs=1700000000000&millis=5000";
        let Target::Search(search) = parse(link).1 else { panic!("a search") };
        assert_eq!(search.lookback.as_deref(), Some("5000ms"));
        let link = "http://j/api/v3/traces?query.service_name=s&query.start_time_min=2023-11-14T22:13:20Z";
        let Target::Search(search) = parse(link).1 else { panic!("a search") };
        assert_eq!((search.service.as_deref(), search.from_us), (Some("s"), Some(1_700_000_000_000_000)));
    }

    #[test]
    fn nothing_secret_is_shown() {
        for input in ["http://user:hunter2@j/x", "http://user:hunter2@j:99999/x", "https://f/a.json?sig=hunter2"] {
            assert!(!shown(input).contains("hunter2"), "{}", shown(input));
            if let Err(err) = Address::parse(input) {
                assert!(!format!("{err:#}").contains("hunter2"), "{err:#}");
            }
        }
        let Some(Credentials::Basic { user, password }) = Address::parse("http://a%40b:p%2Bq@j").unwrap().credentials
        else {
            panic!("basic credentials")
        };
        assert_eq!((user.as_str(), password.reveal()), ("a@b", "p+q"));
    }

    #[test]
    fn grafana_is_not_a_store() {
        let refused = Address::parse("http://g:3000/explore?schemaVersion=1&panes=%7B%7D").unwrap_err();
        assert!(refused.to_string().contains("Grafana"));
        assert!(is_address("HTTPS://x") && !is_address("traces.json") && !is_address("file:///x"));
    }
}
