//! Acervo's pure domain: names, digests, listings, cards, ranges and access rules.
//!
//! Owns every rule that can be stated without a database, a network or a clock. It deliberately does no I/O, knows no
//! async runtime and no framework, so each rule can be tested alone.

pub mod access;
pub mod budget;
pub mod card;
pub mod catalog;
pub mod collection;
pub mod commit;
pub mod compare;
pub mod conditional;
pub mod digest;
pub mod event;
pub mod gate;
pub mod lfs;
pub mod listing;
pub mod lock;
pub mod name;
pub mod order;
pub mod path;
pub mod range;
pub mod revision;
pub mod secret;
pub mod selection;
pub mod text;
pub mod time;
pub mod token;
pub mod webhook;
pub mod words;

pub use access::{Caller, Role, Visibility};
pub use digest::{BlobDigests, Digester, GitOid, HashState, Sha256Digest};
pub use listing::{EntryKind, LfsIdentity, TreeEntry};
pub use name::{NameError, RepoId, RepoKind};
pub use order::{Order, Rules};
pub use path::RepoPath;
pub use revision::{CommitOid, RefKind, RevisionName, RevisionSpec};
pub use secret::Secret;
pub use selection::Selection;
pub use time::Timestamp;
