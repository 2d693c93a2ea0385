//! Acervo at rest: rows and blobs.
//!
//! The only crate that knows sea-orm and object_store. It answers questions and records facts; what they mean is
//! decided by its callers.

pub mod blob;
pub mod db;
pub mod error;

pub use error::{Doing, StoreError};
