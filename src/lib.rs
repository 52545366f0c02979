//! Turns exported traces into answers.
pub mod cli;
pub mod failure;
pub mod filter;
pub mod input;
pub mod model;
pub mod passes;
mod pipeline;
pub mod render;
pub mod report;
pub mod run;
pub mod stats;
