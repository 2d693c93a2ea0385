//! Acervo's integration tests, in one binary: real HTTP, a real database, real clients.

mod cli;
mod demo;
mod python;
mod sync;
mod tidy;
