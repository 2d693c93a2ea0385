//! What is remembered between requests, so that a warm HEAD or small GET asks the database nothing.
//!
//! Every key carries an epoch. Dropping everything starts a new one, so an answer that was looked up before a change
//! can never be found after it.

use std::fmt;
use std::hash::Hash;
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use acervo_core::access::Identity;
use acervo_core::{RepoKind, Sha256Digest};
use acervo_store::db::generation;
use acervo_store::db::repos::{ReadScope, Repo};
use acervo_store::db::search::{Filter, TagRow};
use acervo_store::db::trees::StoredEntry;
use bytes::Bytes;
use moka::future::{Cache, CacheBuilder};

use crate::app::revisions::Lookup;
use crate::context::Hub;
use crate::error::HubError;
use crate::metrics::{CacheCounters, Metrics};

/// Most repositories, revisions and credentials remembered.
const NAMES_MAX: u64 = 50_000;

/// Most entries remembered.
const ENTRIES_MAX: u64 = 200_000;

/// Bytes of finished answers remembered.
const ANSWER_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Bytes of small contents remembered.
const CONTENT_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Bytes of headers of tensor files remembered.
const HEADER_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// What an expiring credential may be late by.
const CREDENTIAL_SECONDS_MAX: u64 = 60;

/// Most counts of lists remembered.
const COUNTS_MAX: u64 = 10_000;

/// Most lists of tags remembered: they are long, and one for each set of rights.
const TAG_LISTS_MAX: u64 = 100;

type Epoch = u64;

/// How a cache is to be.
type Plan<K, V> = CacheBuilder<(Epoch, K), V, Cache<(Epoch, K), V>>;

/// Answers of one kind, as many as fit, found and missed ones counted.
pub struct Remembered<K, V> {
    cache: Cache<(Epoch, K), V>,
    counters: CacheCounters,
}

impl<K: Hash + Eq + Send + Sync + 'static, V: Clone + Send + Sync + 'static> Remembered<K, V> {
    fn new(plan: Plan<K, V>, metrics: &Metrics, name: &'static str) -> Self {
        Remembered { cache: plan.build(), counters: metrics.cache(name) }
    }

    /// What is remembered under a key; `look_up` finds it otherwise, and only success is remembered.
    ///
    /// `epoch` is the one under which the question began.
    pub async fn get_or<E>(&self, epoch: Epoch, key: K, look_up: impl AsyncFnOnce() -> Result<V, E>) -> Result<V, E> {
        let key = (epoch, key);
        if let Some(known) = self.cache.get(&key).await {
            self.counters.found.inc();
            return Ok(known);
        }
        self.counters.missed.inc();
        let found = look_up().await?;
        self.cache.insert(key, found.clone()).await;
        Ok(found)
    }
}

impl<K, V> fmt::Debug for Remembered<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Remembered").finish_non_exhaustive()
    }
}

/// A finished answer: its body as it is sent.
#[derive(Debug)]
pub struct Answer {
    /// The body.
    pub body: Bytes,
    /// The body compressed, once somebody has asked for it.
    pub compressed: OnceLock<Option<Bytes>>,
    /// Where the next page starts, if there is one.
    pub next: Option<String>,
}

impl Answer {
    /// Bytes that it may come to take, its compressed twin included.
    fn weight(&self) -> u32 {
        u32::try_from(self.body.len() + self.body.len() / 4).unwrap_or(u32::MAX)
    }
}

/// Remembered answers.
#[derive(Debug)]
pub struct Caches {
    epoch: AtomicU64,
    generation: AtomicI64,
    /// Repositories, by kind and lower-case name; aliases too.
    pub(super) repos: Remembered<(RepoKind, String), Option<Arc<Repo>>>,
    /// Commits, by repository and revision as it was written.
    pub(super) revisions: Remembered<(i64, String), Lookup>,
    /// Entries, by listing and path.
    pub(super) entries: Remembered<(i64, String), Option<Arc<StoredEntry>>>,
    /// Credentials, by the hash of their text.
    pub(super) identities: Remembered<Sha256Digest, Option<Arc<Identity>>>,
    /// Names of refs with a slash, by repository.
    pub(super) slashed: Remembered<i64, Arc<Vec<String>>>,
    /// Finished answers, by commit and question.
    pub(crate) answers: Remembered<(i64, String), Arc<Answer>>,
    /// Small contents, by digest; these never change.
    pub(super) contents: Remembered<Sha256Digest, Bytes>,
    /// Headers of tensor files, by the file's digest; these never change.
    pub(super) headers: Remembered<Sha256Digest, Bytes>,
    /// How many repositories match, by what was asked for and who asked.
    pub(super) counts: Remembered<Filter, u64>,
    /// Tags of repositories of a kind, by who may see them.
    pub(super) tags: Remembered<(RepoKind, ReadScope), Arc<Vec<TagRow>>>,
}

impl Caches {
    /// Empty caches, counted in `metrics`.
    pub fn new(metrics: &Metrics) -> Self {
        let credentials = Duration::from_secs(CREDENTIAL_SECONDS_MAX);
        let weight = |(_, (_, question)): &(Epoch, (i64, String)), answer: &Arc<Answer>| {
            answer.weight().saturating_add(u32::try_from(question.len()).unwrap_or(u32::MAX))
        };
        let length = |_: &(Epoch, Sha256Digest), bytes: &Bytes| u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        Caches {
            epoch: AtomicU64::new(0),
            generation: AtomicI64::new(-1),
            repos: Remembered::new(Cache::builder().max_capacity(NAMES_MAX), metrics, "repos"),
            revisions: Remembered::new(Cache::builder().max_capacity(NAMES_MAX), metrics, "revisions"),
            entries: Remembered::new(Cache::builder().max_capacity(ENTRIES_MAX), metrics, "entries"),
            identities: Remembered::new(
                Cache::builder().max_capacity(NAMES_MAX).time_to_live(credentials),
                metrics,
                "identities",
            ),
            slashed: Remembered::new(Cache::builder().max_capacity(NAMES_MAX), metrics, "slashed"),
            answers: Remembered::new(
                Cache::builder().max_capacity(ANSWER_BYTES_MAX).weigher(weight),
                metrics,
                "answers",
            ),
            contents: Remembered::new(
                Cache::builder().max_capacity(CONTENT_BYTES_MAX).weigher(length),
                metrics,
                "contents",
            ),
            headers: Remembered::new(
                Cache::builder().max_capacity(HEADER_BYTES_MAX).weigher(length),
                metrics,
                "headers",
            ),
            counts: Remembered::new(Cache::builder().max_capacity(COUNTS_MAX), metrics, "counts"),
            tags: Remembered::new(Cache::builder().max_capacity(TAG_LISTS_MAX), metrics, "tags"),
        }
    }

    /// The epoch under which a lookup that starts now may be remembered.
    pub(crate) fn epoch(&self) -> Epoch {
        self.epoch.load(Ordering::Acquire)
    }

    /// Forgets everything that can change, lookups under way included.
    pub fn clear(&self) {
        self.epoch.fetch_add(1, Ordering::AcqRel);
        self.repos.cache.invalidate_all();
        self.revisions.cache.invalidate_all();
        self.entries.cache.invalidate_all();
        self.identities.cache.invalidate_all();
        self.slashed.cache.invalidate_all();
        self.answers.cache.invalidate_all();
        self.counts.cache.invalidate_all();
        self.tags.cache.invalidate_all();
    }
}

/// Forgets everything if another process on this database has changed something; called twice a second.
pub async fn follow_generation(hub: &Hub) -> Result<(), HubError> {
    let now = generation::current(hub.db().reader()).await?;
    if hub.caches().generation.fetch_max(now, Ordering::AcqRel) < now {
        hub.caches().clear();
    }
    Ok(())
}
