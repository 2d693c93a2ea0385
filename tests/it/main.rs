//! Acervo's integration tests, in one binary: real HTTP, a real database, real clients.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "helpers of tests stop where something is wrong, as tests do"
)]

mod access;
mod cli;
mod clients;
mod contract;
mod crawler;
mod demo;
mod deploy;
mod described;
mod events;
mod jobs;
mod orders;
mod requests;
mod sequences;
mod serve;
mod starting;
mod survive;
mod sync;
mod tidy;
mod webhooks;
