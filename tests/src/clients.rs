//! The stock clients, and the one list of cases that all of them are put through.
//!
//! Owns the table of cases, the hub they are shown, how a client's program is run. What a case demands is written in
//! each client's own language under `tests/clients`.

pub mod matrix;
pub mod run;
pub mod table;
pub mod world;
