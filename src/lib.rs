//! Turns exported traces into answers: why is it slow, what fails first, who calls whom.
//!
//! # The house
//!
//! One crate, a library and a thin binary. Data goes one way:
//!
//! ```text
//! source --bytes--> format --drafts--> assembler --Trace--> filter --> passes --finish--> reports --> tables | JSON
//! ```
//!
//! * [`input`] knows where bytes come from and what they mean. A stream is cut into chunks of whole
//!   elements by one thread; parsers turn elements into drafts on all of them. A format is one file
//!   and one line in `FORMATS`.
//! * [`model`] assembles drafts into traces (parents before children, every repair counted) and
//!   derives what several passes need: self time, main root, critical paths.
//! * [`fetch`] gets traces out of running servers: a source whose bytes are read while they come. What to ask
//!   for is a pure state machine (`fetch::slicer`); requests, pages and the spool are around it.
//! * [`filter`] keeps or drops whole traces.
//! * [`passes`] look at traces one by one, on any thread; their states merge. A pass is one file and
//!   one line in [`passes::PASSES`]; its flags, help, JSON keys, tables and law tests follow.
//! * [`report`] is what a pass has to say, as plain data; [`render`] makes tables and JSON of it.
//! * `export` writes kept traces in another form instead. A target is one file and one line in `TARGETS`.
//! * [`diff`] collects what is compared of a capture, as a pass would, and judges two such collections;
//!   its result is plain data too, for tables, JSON and gates.
//! * [`gates`] are limits that the user sets: a meter counts what they ask for, beside the passes.
//! * `pipeline` moves all this over threads, [`cli`] says what was asked for, [`run`] puts it together.
//!
//! `model` and [`stats`] name nothing of ours; `input` and `filter` name `model`; `fetch` names `model` and `input`; `passes` name
//! `model`, `stats` and `report`; `export` names
//! `model`; `diff` names `model`, `stats` and `report`; `gates` name `diff` and what it names; `render` names
//! `report`. A test (`tests/layers.rs`) reads the `use`
//! lines and holds them to it.
//!
//! # What always holds
//!
//! * Below `main` nothing exits or reaches for standard streams, the environment or the clock: they
//!   come in as [`run::Surroundings`].
//! * Reading does not fail on one bad span or trace: it skips and counts. It fails on bytes that are
//!   not the format, and says where; the first fault in the order of the bytes is the one reported.
//! * Memory is bounded by the largest trace and by what passes keep, not by the size of the input.
//! * Nothing recurses over spans or over nested values.
//! * Same traces, same bytes out, whatever the number of threads and the order of files.
//! * Texts out of traces are data: the renderers escape what a terminal would obey.
//!
//! # Where this differs from the first plan
//!
//! * Quantiles walk the sparse counts by integer ranks instead of building a dense HdrHistogram for
//!   each report: the buckets are HdrHistogram's, tested value by value, and the answers are equal;
//!   the dense copy cost more than the whole report of a small capture, and HdrHistogram's rank is
//!   computed in floating point, which is off by one for some quantiles.
//! * Names (services, operations) are interned once for the process and never freed: every pass
//!   keeps its operations to the end anyway, and comparing addresses is what makes passes cheap.
//! * A comparison does not look at reports but collects for itself: tests of significance need values,
//!   not summaries. It keeps up to 1,024 of each, chosen by a hash of the trace id, so that a baseline of a
//!   capture says exactly what the capture says.
//! * A format has two halves, a frame for cutting the stream and a parser for elements, instead of
//!   one `read`: so cutting and parsing run on different threads.

pub mod cli;
pub mod diff;
mod export;
pub mod failure;
pub mod fetch;
pub mod filter;
pub mod gates;
pub mod input;
pub mod model;
mod near;
pub mod passes;
mod pipeline;
pub mod render;
pub mod report;
pub mod run;
pub mod stats;
