//! Passes of unlike types in one list.

use std::any::Any;

use clap::{ArgMatches, Args, FromArgMatches};

use super::{Pass, PassOptions};
use crate::model::{Known, Trace};
use crate::report::Report;

/// A running pass of some type.
pub trait AnyPass: Send + Sync {
    /// See [`Pass::READS`].
    fn reads(&self) -> &'static [&'static [Known]];

    /// See [`Pass::observe`].
    fn observe(&mut self, trace: &Trace);

    /// See [`Pass::merge`]; the other must be of the same type.
    fn merge(&mut self, other: Box<dyn AnyPass>);

    /// See [`Pass::finish`].
    fn finish(self: Box<Self>) -> Box<dyn Report>;

    /// Another with the same state.
    fn duplicate(&self) -> Box<dyn AnyPass>;

    /// The state as bytes, for another process.
    fn save(&self) -> anyhow::Result<Vec<u8>>;

    /// One of the same type with a saved state.
    fn load(&self, state: &[u8]) -> anyhow::Result<Box<dyn AnyPass>>;

    /// For [`AnyPass::merge`].
    fn into_any(self: Box<Self>) -> Box<dyn Any>;
}

impl Clone for Box<dyn AnyPass> {
    fn clone(&self) -> Box<dyn AnyPass> {
        (**self).duplicate()
    }
}

struct Running<P>(P);

impl<P: Pass> AnyPass for Running<P> {
    fn reads(&self) -> &'static [&'static [Known]] {
        P::READS
    }

    fn observe(&mut self, trace: &Trace) {
        self.0.observe(trace);
    }

    fn merge(&mut self, other: Box<dyn AnyPass>) {
        let other = other.into_any().downcast::<Running<P>>().expect("only passes of one type are merged");
        self.0.merge(other.0);
    }

    fn finish(self: Box<Self>) -> Box<dyn Report> {
        Box::new(self.0.finish())
    }

    fn duplicate(&self) -> Box<dyn AnyPass> {
        Box::new(Running(self.0.clone()))
    }

    fn save(&self) -> anyhow::Result<Vec<u8>> {
        Ok(postcard::to_stdvec(&self.0)?)
    }

    fn load(&self, state: &[u8]) -> anyhow::Result<Box<dyn AnyPass>> {
        Ok(Box::new(Running(postcard::from_bytes::<P>(state)?)))
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

/// Makes a pass out of what was typed.
pub type Build = fn(&ArgMatches, &PassOptions) -> Result<Box<dyn AnyPass>, clap::Error>;

/// A pass as the command line sees it.
#[derive(Clone, Copy)]
pub struct Registered {
    /// See [`Pass::NAME`].
    pub name: &'static str,
    /// See [`Pass::ABOUT`].
    pub about: &'static str,
    /// See [`Pass::ALWAYS`].
    pub always: bool,
    /// Adds the flags only it reads.
    pub augment: fn(clap::Command) -> clap::Command,
    /// Makes one out of what was typed.
    pub build: Build,
}

impl Registered {
    pub(super) const fn of<P: Pass>() -> Registered {
        Registered {
            name: P::NAME,
            about: P::ABOUT,
            always: P::ALWAYS,
            augment: |command| P::Args::augment_args(command),
            build: |matches, options| Ok(Box::new(Running(P::new(&P::Args::from_arg_matches(matches)?, options)))),
        }
    }
}
