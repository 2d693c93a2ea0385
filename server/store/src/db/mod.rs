//! The database: how it is opened, what its rows look like, and what is asked of it.
//!
//! Owns every query. It deliberately neither migrates (the hub does, before it serves) nor decides anything.

pub mod blobs;
pub mod budgets;
pub mod collections;
pub mod commits;
pub mod connect;
pub mod dialect;
pub mod entity;
pub mod events;
pub mod gates;
pub mod generation;
pub mod holdings;
pub mod jobs;
pub mod mirrors;
mod number;
pub mod orders;
pub mod principals;
pub mod refs;
pub mod repos;
pub mod requests;
pub mod search;
mod sql;
pub mod trees;
pub mod uploads;
pub mod webhooks;

pub use connect::{Database, DatabaseConfig, Tls, Transaction, commit};
