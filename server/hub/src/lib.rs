//! Acervo, as a library: the binary and the tests use the same functions.
//!
//! `cli -> {http, worker} -> app -> {upstream, hooks, store} -> core`: each layer knows only those to its right.

pub mod app;
pub mod cli;
pub mod clock;
pub mod config;
pub mod context;
pub mod demo;
pub mod error;
pub mod hooks;
pub mod http;
pub mod limits;
pub mod metrics;
mod outward;
#[cfg(test)]
mod test_home;
pub mod upstream;
pub mod worker;
