//! The file with gates: what may stand in it, and what it means.

use clap::ValueEnum;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::diff::FailOn;
use super::gates::{FORBID_NEW_EDGES, FORBID_NEW_ERRORS, Key, forbidden};
use crate::failure::Failure;
use crate::gates::{Gate, Rule};
use crate::near;

/// What a file sets.
#[derive(Debug, Default)]
pub(super) struct Config {
    pub(super) gates: Vec<Gate>,
    pub(super) fail_on: Option<FailOn>,
    pub(super) require_data: bool,
}

const FAIL_ON: &str = "fail-on";
const REQUIRE_DATA: &str = "require-data";

/// A file's text and name, for whoever finds something wrong in it.
struct File<'a> {
    name: &'a str,
    text: &'a str,
}

/// Reads the text of a file of this name.
pub(super) fn read(name: &str, text: &str) -> Result<Config, Failure> {
    let file = File { name, text };
    let table = DeTable::parse(text).map_err(|err| {
        let at = err.span().map_or(0, |it| it.start);
        file.wrong(
            at,
            err.message(),
            "it is TOML, with a limit as: [max-p95] and below \"checkout:POST /pay\" = \"300ms\"",
        )
    })?;
    let mut config = Config::default();
    for (key, value) in table.get_ref() {
        let name: &str = key.get_ref();
        if let Some(limited) = Key::LIMITS.into_iter().find(|it| it.name() == name) {
            config.gates.extend(file.limits(limited, value)?);
            continue;
        }
        match name {
            "require" => config.gates.extend(file.required(value)?),
            FORBID_NEW_EDGES if file.flag(name, value)? => config.gates.push(forbidden(name, Rule::NewEdges)),
            FORBID_NEW_ERRORS if file.flag(name, value)? => config.gates.push(forbidden(name, Rule::NewErrors)),
            FORBID_NEW_EDGES | FORBID_NEW_ERRORS => {}
            FAIL_ON => config.fail_on = Some(file.fail_on(value)?),
            REQUIRE_DATA => config.require_data = file.flag(name, value)?,
            _ => return Err(file.unknown(key)),
        }
    }
    Ok(config)
}

impl File<'_> {
    fn wrong(&self, at: usize, why: &str, hint: &str) -> Failure {
        let line = 1 + self.text.bytes().take(at).filter(|it| *it == b'\n').count();
        // What is wrong with TOML may take several lines to say.
        let why = why.lines().collect::<Vec<_>>().join(", ");
        Failure::with_hint(format!("failed to read {}: line {line}: {why}", self.name), hint)
    }

    fn unknown(&self, key: &Spanned<std::borrow::Cow<'_, str>>) -> Failure {
        let mut known: Vec<&str> = Key::LIMITS.iter().map(|it| it.name()).collect();
        known.extend(["require", FORBID_NEW_EDGES, FORBID_NEW_ERRORS, FAIL_ON, REQUIRE_DATA]);
        let near = near::names(key.get_ref(), known.iter().copied());
        let hint = match &near[..] {
            [] => format!("the keys are {}", known.join(", ")),
            near => format!("there is {}", near.join(", ")),
        };
        self.wrong(key.span().start, &format!("unknown key '{}'", key.get_ref()), &hint)
    }

    fn limits(&self, key: Key, value: &Spanned<DeValue<'_>>) -> Result<Vec<Gate>, Failure> {
        let name = key.name();
        let Some(table) = value.get_ref().as_table() else {
            let hint = format!("write a table: [{name}] and below it \"SERVICE:OPERATION\" = LIMIT");
            return Err(self.wrong(value.span().start, &format!("{name} is no table of limits"), &hint));
        };
        let gate = |subject: &str, value: &Spanned<DeValue<'_>>| {
            let at = value.span().start;
            let limit = match value.get_ref() {
                DeValue::String(text) => text.as_ref(),
                // Without its `0x` it would be another number.
                DeValue::Integer(number) if number.radix() == 10 => number.as_str(),
                DeValue::Float(number) => number.as_str(),
                _ => {
                    let why = format!("the limit of '{subject}' is no text");
                    return Err(self.wrong(at, &why, "write it as \"300ms\" or \"1%\""));
                }
            };
            key.limit(subject, limit).map_err(|err| self.wrong(at, &err.to_string(), err.hint().unwrap_or_default()))
        };
        table.iter().map(|(subject, value)| gate(subject.get_ref(), value)).collect()
    }

    fn required(&self, value: &Spanned<DeValue<'_>>) -> Result<Vec<Gate>, Failure> {
        let hint = "write a list: require = [\"checkout:POST /pay\"]";
        let list = value.get_ref().as_array();
        let list = list.ok_or_else(|| self.wrong(value.span().start, "require is no list", hint))?;
        let gate = |it: &Spanned<DeValue<'_>>| {
            let at = it.span().start;
            let text = it.get_ref().as_str().ok_or_else(|| self.wrong(at, "require lists what is no text", hint))?;
            let gate = Key::Require.gate(text);
            gate.map_err(|err| self.wrong(at, &err.to_string(), err.hint().unwrap_or_default()))
        };
        list.iter().map(gate).collect()
    }

    fn flag(&self, name: &str, value: &Spanned<DeValue<'_>>) -> Result<bool, Failure> {
        let hint = format!("write {name} = true");
        value
            .get_ref()
            .as_bool()
            .ok_or_else(|| self.wrong(value.span().start, &format!("{name} is neither true nor false"), &hint))
    }

    fn fail_on(&self, value: &Spanned<DeValue<'_>>) -> Result<FailOn, Failure> {
        let verdict = value.get_ref().as_str().and_then(|it| FailOn::from_str(it, false).ok());
        let hint = "write fail-on = \"regressed\", \"suspect\" or \"never\"";
        verdict.ok_or_else(|| self.wrong(value.span().start, "fail-on is no verdict", hint))
    }
}
