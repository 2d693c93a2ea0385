//! Use cases, in domain words.
//!
//! Every function takes the [`crate::context::Hub`] first and, where rights matter, the caller second. Nothing here
//! knows status codes, headers or SQL. Transactions are opened here only, and none is held across network or object
//! I/O.

pub mod budgets;
pub mod cache;
pub mod catalog;
pub mod collections;
pub mod compare;
pub mod content;
pub mod events;
pub mod gates;
pub mod history;
pub mod identity;
pub mod jobs;
pub mod lists;
pub mod local;
pub mod locks;
pub mod mirrors;
pub mod orders;
pub mod people;
pub mod publish;
pub mod repos;
pub mod requests;
pub mod revisions;
pub mod schedule;
pub mod settings;
pub mod sync;
pub mod tensors;
pub mod trees;
pub mod webhooks;
