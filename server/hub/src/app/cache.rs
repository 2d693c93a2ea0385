//! What is remembered between requests, so that a warm HEAD or small GET asks the database nothing.
//!
//! Every key carries an epoch. Dropping everything starts a new one, so an answer that was looked up before a change
//! can never be found after it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use acervo_core::access::Identity;
use acervo_core::{RepoKind, Sha256Digest};
use acervo_store::db::commits::Commit;
use acervo_store::db::generation;
use acervo_store::db::repos::{ReadScope, Repo};
use acervo_store::db::search::{Filter, TagRow};
use acervo_store::db::trees::StoredEntry;
use moka::future::Cache;

use crate::app::revisions::Lookup;
use crate::context::Hub;
use crate::error::HubError;

/// Most repositories, revisions and credentials remembered.
const NAMES_MAX: u64 = 50_000;

/// Most entries remembered.
const ENTRIES_MAX: u64 = 200_000;

/// What an expiring credential may be late by.
const CREDENTIAL_SECONDS_MAX: u64 = 60;

/// Most counts of lists remembered.
const COUNTS_MAX: u64 = 10_000;

/// Most lists of tags remembered: they are long, and one for each set of rights.
const TAG_LISTS_MAX: u64 = 100;

type Epoch = u64;

/// Remembered answers.
#[derive(Debug)]
pub struct Caches {
    epoch: AtomicU64,
    generation: AtomicI64,
    /// Repositories, by kind and lower-case name; aliases too.
    pub(super) repos: Cache<(Epoch, RepoKind, String), Option<Arc<Repo>>>,
    /// Commits, by repository and revision as it was written.
    pub(super) revisions: Cache<(Epoch, i64, String), Lookup>,
    /// Entries, by listing and path.
    pub(super) entries: Cache<(Epoch, i64, String), Option<Arc<StoredEntry>>>,
    /// Credentials, by the hash of their text.
    pub(super) identities: Cache<(Epoch, Sha256Digest), Arc<Identity>>,
    /// Names of refs with a slash, by repository.
    pub(super) slashed: Cache<(Epoch, i64), Arc<Vec<String>>>,
    /// Commits by database id, for what hangs on them.
    pub(super) commits: Cache<(Epoch, i64), Arc<Commit>>,
    /// How many repositories match, by what was asked for and who asked.
    pub(super) counts: Cache<(Epoch, Filter), u64>,
    /// Tags of repositories of a kind, by who may see them.
    pub(super) tags: Cache<(Epoch, RepoKind, ReadScope), Arc<Vec<TagRow>>>,
}

impl Caches {
    /// Empty caches.
    pub fn new() -> Self {
        Caches {
            epoch: AtomicU64::new(0),
            generation: AtomicI64::new(-1),
            repos: Cache::new(NAMES_MAX),
            revisions: Cache::new(NAMES_MAX),
            entries: Cache::new(ENTRIES_MAX),
            identities: Cache::builder()
                .max_capacity(NAMES_MAX)
                .time_to_live(Duration::from_secs(CREDENTIAL_SECONDS_MAX))
                .build(),
            slashed: Cache::new(NAMES_MAX),
            commits: Cache::new(NAMES_MAX),
            counts: Cache::new(COUNTS_MAX),
            tags: Cache::new(TAG_LISTS_MAX),
        }
    }

    /// The epoch under which a lookup that starts now may be remembered.
    pub(super) fn epoch(&self) -> Epoch {
        self.epoch.load(Ordering::Acquire)
    }

    /// Forgets everything, lookups under way included.
    pub fn clear(&self) {
        self.epoch.fetch_add(1, Ordering::AcqRel);
        self.repos.invalidate_all();
        self.revisions.invalidate_all();
        self.entries.invalidate_all();
        self.identities.invalidate_all();
        self.slashed.invalidate_all();
        self.commits.invalidate_all();
        self.counts.invalidate_all();
        self.tags.invalidate_all();
    }
}

impl Default for Caches {
    fn default() -> Self {
        Caches::new()
    }
}

/// Forgets everything if another process on this database has changed something; called once a second.
pub async fn follow_generation(hub: &Hub) -> Result<(), HubError> {
    let now = generation::current(hub.db().reader()).await?;
    if hub.caches().generation.swap(now, Ordering::AcqRel) != now {
        hub.caches().clear();
    }
    Ok(())
}
