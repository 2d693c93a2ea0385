//! The hub that repositories are mirrored from: what it says of them, and their bytes.
//!
//! Owns every request to an upstream: one concrete [`Client`] that pins revisions to commits, reads listings, and
//! moves the bytes of single entries. It deliberately keeps nothing, decides nothing about what to mirror, and does
//! not verify contents: bytes are hashed where they are staged. The upstream may be the public hub, another Acervo,
//! or any hub-compatible server; everything it says is checked for form before it is passed on.
//!
//! `hf-hub` asks for refs. The rest uses `reqwest` beside it, since `hf-hub` 1.0.0 hands out neither the SHA-256 of
//! LFS files nor response headers, does not resume, ignores `Retry-After`, and follows a `Link` to another page
//! wherever it leads, with the token, or drops it silently if it is relative.
//!
//! Credentials come from [`Config`] alone. `HF_TOKEN`, `HF_ENDPOINT`, stored logins and proxy variables of the
//! environment have no effect here, without the environment being changed.

mod answer;
mod budget;
mod client;
mod config;
mod crosscheck;
mod discovery;
mod error;
mod limits;
mod link;
mod listing;
mod lists;
mod locator;
mod request;
mod shared;
mod source;
#[cfg(test)]
mod tests;
mod throughput;
mod transfer;

pub use budget::{Ledger, LedgerError, Urgency};
pub use client::Client;
pub use config::{Config, Credential, Secret};
pub use crosscheck::cross_check;
pub use discovery::{SiblingFile, SnapshotInfo, UpstreamCommit, UpstreamRef};
pub use error::UpstreamError;
pub use lists::ListedRepo;
pub use shared::Upstreams;
pub use throughput::Throughput;
pub use transfer::Transferred;
