//! Which kind of store an address leads to.

use std::sync::atomic::AtomicBool;

use serde_json::Value;
use url::Url;

use super::jaeger::Jaeger;
use super::jaeger_v3::JaegerV3;
use super::tempo::Tempo;
use super::zipkin::Zipkin;
use super::{Store, endpoint};
use crate::fetch::Api;
use crate::fetch::client::{Answer, Client};
use crate::fetch::fault::{Fault, FaultKind};

/// Finds out what answers at an address, unless that is said.
pub(in crate::fetch) fn find(client: &Client, base: &Url, api: Option<Api>) -> Result<Box<dyn Store>, Fault> {
    if let Some(api) = api {
        return Ok(store(api, base));
    }
    let mut first = None;
    for api in [Api::Jaeger, Api::JaegerV3, Api::Zipkin, Api::Tempo] {
        match speaks(client, base, api) {
            Ok(true) => return Ok(store(api, base)),
            Ok(false) => {}
            // Who does not answer, or asks who we are, will do so again.
            Err(fault) if fault.is_final() && fault.kind != FaultKind::NoRoute => return Err(fault),
            Err(fault) => {
                first.get_or_insert(fault);
            }
        }
    }
    if let Some(fault) = first {
        return Err(fault);
    }
    // What it says to the first of them is what there is to say.
    client.get_success(&endpoint(base, &["api", "services"]))?;
    let what = "no API of Jaeger, Zipkin or Tempo answers there";
    Err(Fault::new(FaultKind::NoRoute, client.shown(base), what))
}

fn store(api: Api, base: &Url) -> Box<dyn Store> {
    let base = base.clone();
    match api {
        Api::Jaeger => Box::new(Jaeger { base }),
        Api::JaegerV3 => Box::new(JaegerV3 { base }),
        Api::Zipkin => Box::new(Zipkin { base }),
        Api::Tempo => Box::new(Tempo { base, is_old: AtomicBool::new(false) }),
    }
}

/// Whether an API answers below an address.
fn speaks(client: &Client, base: &Url, api: Api) -> Result<bool, Fault> {
    match api {
        Api::Jaeger => {
            let url = endpoint(base, &["api", "services"]);
            Ok(is_answer(client, &url, |it| it.get("data").is_some())? && has_search(client, base)?)
        }
        Api::JaegerV3 => {
            let url = endpoint(base, &["api", "v3", "services"]);
            // Without services it is an empty object.
            is_answer(client, &url, |it| it.as_object().is_some_and(|it| it.is_empty() || it.contains_key("services")))
        }
        Api::Zipkin => is_answer(client, &endpoint(base, &["api", "v2", "services"]), Value::is_array),
        Api::Tempo => {
            let url = endpoint(base, &["api", "search", "tags"]);
            is_answer(client, &url, |it| it.get("tagNames").is_some())
        }
    }
}

/// Whether Jaeger's older search is there: some keep the rest of that API without it. Asked for
/// without a service, which is refused in JSON where it is.
fn has_search(client: &Client, base: &Url) -> Result<bool, Fault> {
    let mut url = endpoint(base, &["api", "traces"]);
    url.query_pairs_mut().append_pair("limit", "1");
    let answer = client.get(&url)?;
    Ok(!is_missing(client, &url, &answer))
}

fn is_answer(client: &Client, url: &Url, is_it: impl Fn(&Value) -> bool) -> Result<bool, Fault> {
    let answer = client.get(url)?;
    if is_missing(client, url, &answer) || answer.status == 404 {
        return Ok(false);
    }
    let body = client.success(url, answer)?;
    Ok(serde_json::from_slice(&body).is_ok_and(|it| is_it(&it)))
}

/// Whether there is no such endpoint: a plain 404, another way of saying so, or the page of a web application.
fn is_missing(client: &Client, url: &Url, answer: &Answer) -> bool {
    let is_json = matches!(answer.body.trim_ascii_start().first(), Some(b'{' | b'['));
    match answer.status {
        404 | 405 | 501 => client.refused(url, answer).kind == FaultKind::NoRoute || !is_json,
        // VictoriaTraces says so with 400.
        400 => !is_json && String::from_utf8_lossy(&answer.body).contains("unsupported path"),
        200..300 => answer.body.trim_ascii_start().starts_with(b"<"),
        _ => false,
    }
}
