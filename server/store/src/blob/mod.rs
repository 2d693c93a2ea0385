//! Blobs: whole contents named by their SHA-256, staged, verified, promoted, read by range.
//!
//! Owns every object path and every byte on disk. Bytes enter through [`Staged`] only and become readable through
//! [`BlobStore::promote`] only, which demands the proof that their digest matched. What a blob belongs to stands in the
//! database and is not known here.

mod budget;
mod buffer;
mod config;
mod disk;
mod error;
mod folder;
mod intake;
mod key;
mod objects;
mod promoted;
mod read;
mod staging;
mod store;
#[cfg(test)]
mod tests;

pub use config::StorageConfig;
pub use error::BlobError;
pub use intake::Swept;
pub use key::BlobKey;
pub use objects::{Capabilities, Honoured, RawStore};
pub use promoted::Promoted;
pub use read::BlobReader;
pub use staging::{
    Expected, Finished, Leftover, Mismatch, Quarantined, RangeWriter, Staged, StagingConfig, StagingKey, Verified,
};
pub use store::BlobStore;
