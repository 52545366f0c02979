//! What a CI system is told of a run, as plain data.

use super::Section;

/// A run, for whoever reads about it elsewhere than in a terminal.
#[derive(Clone, Debug, Default)]
pub struct Bulletin {
    /// What came out, in a few words.
    pub title: String,
    /// What was read, a line each.
    pub inputs: Vec<String>,
    /// What the tables say.
    pub sections: Vec<Section>,
    /// What may pass or fail by itself.
    pub cases: Vec<Case>,
    /// What must not be missed, most important first.
    pub alerts: Vec<Alert>,
}

/// Something that passes or fails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    /// What kind of thing it is.
    pub class: String,
    /// Its name.
    pub name: String,
    /// How it went.
    pub result: CaseResult,
    /// What was found.
    pub text: String,
}

/// How a case went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CaseResult {
    /// As it should.
    Passed,
    /// Not as it should.
    Failed,
    /// That could not be told.
    Skipped,
}

/// Something that must not be missed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alert {
    /// Whether the run fails because of it.
    pub is_error: bool,
    /// What it is about.
    pub title: String,
    /// What was found.
    pub message: String,
}
