//! The database as a whole: schema, connections, what its questions and changes promise, and writers that meet.
//!
//! Everything runs on the engine of the run, except what is about one database only: that runs on its own database in
//! either run.

#![expect(clippy::unwrap_used, reason = "helpers of tests stop where something is wrong, as tests do")]

mod aggregates;
mod meeting;
mod postgres;
mod rows;
mod schema;
mod search;
mod sqlite;
mod support;
mod turns;
