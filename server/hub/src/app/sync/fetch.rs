//! Fetching: each missing content goes from upstream through staging, verified, to the recorder.

use std::sync::{Arc, Mutex, PoisonError};

use acervo_core::{Caller, CommitOid, RepoKind, TreeEntry};
use acervo_store::blob::{BlobError, Expected, Finished, Promoted, Quarantined, StagingKey};
use acervo_store::db::blobs::{self, Refused};
use acervo_store::db::commit;
use futures::{StreamExt, stream};
use serde_json::json;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::app::events::{self, Told};
use crate::app::sync::plan::MissingContent;
use crate::app::sync::progress::Progress;
use crate::app::sync::recorder::{Arrived, Queue, Recorder};
use crate::context::Hub;
use crate::error::HubError;
use crate::upstream::Client;

/// Where contents come from and where they go.
#[derive(Clone, Debug)]
pub(super) struct Route {
    /// Hubs to take them from, the preferred one first; the others are asked for the same commit when it fails.
    pub(super) clients: Vec<Client>,
    pub(super) kind: RepoKind,
    pub(super) upstream_name: String,
    pub(super) repo_id: i64,
    pub(super) repo_name: String,
    pub(super) commit: CommitOid,
    pub(super) listing_id: i64,
    pub(super) job_id: Uuid,
    /// Whether an attempt before this one may have died with contents in the store that have no row.
    pub(super) goes_on: bool,
}

/// Largest content that counts as small: with those, the wait for the first byte and for the disk is most of the time.
const SMALL_BYTES_MAX: u64 = 1024 * 1024;

/// How many small contents are on their way in place of a large one.
const SMALL_FOR_LARGE: usize = 4;

/// Most times that one content is fetched again because the object store has lost it.
const LOST_MAX: u32 = 2;

/// Fetches every content. The first failure stops the others, which keep what they have for the next attempt.
pub(super) async fn fetch_all(
    hub: &Hub,
    route: &Route,
    missing: Vec<MissingContent>,
    progress: &Arc<Progress>,
) -> Result<(), HubError> {
    let route = Arc::new(route.clone());
    let recorder = Recorder::start(hub, &route);
    let stop = CancellationToken::new();
    let failure = Arc::new(Mutex::new(None));
    let each = |contents: Vec<MissingContent>, at_once: usize| {
        // Owned by each future: borrowed ones would not be `Send` for every lifetime. Made one by one, since each is
        // large.
        let (hub, route, progress) = (hub.clone(), Arc::clone(&route), Arc::clone(progress));
        let (queue, stop, failure) = (recorder.queue(), stop.clone(), Arc::clone(&failure));
        stream::iter(contents)
            .map(move |content| {
                let (hub, route, progress) = (hub.clone(), Arc::clone(&route), Arc::clone(&progress));
                let (queue, stop, failure) = (queue.clone(), stop.clone(), Arc::clone(&failure));
                async move {
                    if stop.is_cancelled() {
                        return;
                    }
                    if let Err(error) = fetch(&hub, &route, content, &queue, &progress, &stop).await {
                        // Those that are stopped for it come after it.
                        failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
                        stop.cancel();
                    }
                }
            })
            .buffer_unordered(at_once)
            .collect::<()>()
    };
    match hub.config().sync.files_at_once {
        0 | 1 => each(missing, 1).await,
        at_once => {
            let (small, large) = missing.into_iter().partition(|content| content.entry.size <= SMALL_BYTES_MAX);
            futures::join!(each(large, at_once), each(small, at_once.saturating_mul(SMALL_FOR_LARGE)));
        }
    }
    recorder.end().await?;
    failure.lock().unwrap_or_else(PoisonError::into_inner).take().map_or(Ok(()), Err)
}

/// Fetches one content, verifies it, and has it recorded.
async fn fetch(
    hub: &Hub,
    route: &Route,
    content: MissingContent,
    queue: &Queue,
    progress: &Progress,
    stop: &CancellationToken,
) -> Result<(), HubError> {
    let entry = &content.entry;
    let (key, expected) = declared(route.repo_id, entry);
    let path = entry.path.as_str();
    if route.goes_on
        && let Some(promoted) = found(hub, route, path, key, expected).await
    {
        progress.file(path, entry.size, entry.size);
        queue.record(content.clone(), Arrived::Found(promoted)).await?;
        progress.file_done(path);
        return Ok(());
    }
    let (mut lost, mut again) = (0, false);
    let mut clients = route.clients.iter();
    let none = || HubError::Internal("a route without a hub".to_owned());
    let mut client = clients.next().ok_or_else(none)?;
    loop {
        let staged = hub.blobs().stage(key, expected).await?;
        let before = staged.arrived();
        progress.file(path, before, entry.size);
        let report = |done: u64| progress.file(path, done, entry.size);
        let moved =
            client.transfer(route.kind, &route.upstream_name, route.commit, entry, &staged, &report, stop).await;
        hub.metrics().fetched_bytes.inc_by(staged.arrived().saturating_sub(before));
        let mixed = match moved {
            Ok(moved) if moved.whole => moved.mixed,
            Ok(_) => {
                staged.park().await?;
                return Err(HubError::Internal(format!("the transfer of `{path}` was stopped")));
            }
            Err(error) => {
                // Where writing was what failed, parking fails too and knows less about it.
                if let Err(lost) = staged.park().await {
                    tracing::warn!(job.id = %route.job_id, entry.path = path, error = %lost, "a partial file could not be kept");
                }
                match clients.next().filter(|_| error.is_transient()) {
                    Some(next) => {
                        tracing::warn!(job.id = %route.job_id, entry.path = path, error = %error, "a file is fetched from `{}` instead", next.endpoint());
                        client = next;
                        continue;
                    }
                    None => return Err(error.into()),
                }
            }
        };
        match staged.finish().await? {
            Finished::Verified(verified) => {
                match queue.record(content.clone(), Arrived::Fetched(verified, client.endpoint().to_owned())).await {
                    Err(HubError::Blob(BlobError::UploadLost(_))) if lost < LOST_MAX => {
                        tracing::warn!(job.id = %route.job_id, entry.path = path, "what another worker had uploaded is lost and is fetched again");
                        lost += 1;
                    }
                    recorded => {
                        recorded?;
                        break;
                    }
                }
            }
            // The wrong bytes may be those of an earlier attempt: half flushed before a loss of power, or from another
            // upstream that declared the same. Only bytes of a single attempt at a single file accuse their sender.
            Finished::Quarantined(quarantined) if before > 0 || (mixed && !again) => {
                tracing::warn!(job.id = %route.job_id, entry.path = path, "a file that did not come in one piece is not what was declared and is fetched again from its start");
                hub.blobs().discard(quarantined).await?;
                again = true;
            }
            Finished::Quarantined(quarantined) => {
                return Err(refuse(hub, (route, client.endpoint()), &content, &quarantined).await?);
            }
        }
    }
    progress.file_done(path);
    Ok(())
}

/// Under which name a content is staged, and what it must turn out to be.
pub(super) fn declared(repo_id: i64, entry: &TreeEntry) -> (StagingKey, Expected) {
    match entry.lfs {
        Some(lfs) => {
            (StagingKey::Sha256(lfs.sha256), Expected { size: entry.size, sha256: Some(lfs.sha256), git_oid: None })
        }
        None => (
            StagingKey::Git { repo_id, oid: entry.oid },
            Expected { size: entry.size, sha256: None, git_oid: Some(entry.oid) },
        ),
    }
}

/// The bytes of a content, if an attempt that died has left them in the store. What cannot be read there is fetched.
async fn found(hub: &Hub, route: &Route, path: &str, key: StagingKey, expected: Expected) -> Option<Promoted> {
    match hub.blobs().adopt(key, expected).await {
        Ok(Some(promoted)) => {
            tracing::info!(job.id = %route.job_id, entry.path = path, "a file was found in the store and need not be fetched");
            Some(promoted)
        }
        Ok(None) => None,
        Err(error) => {
            tracing::warn!(job.id = %route.job_id, entry.path = path, error = %error, "what an attempt before this one may have left in the store cannot be read");
            None
        }
    }
}

/// Records bytes that are not what was declared; returns the error that ends the sync.
async fn refuse(
    hub: &Hub,
    (route, endpoint): (&Route, &str),
    content: &MissingContent,
    quarantined: &Quarantined,
) -> Result<HubError, HubError> {
    hub.metrics().mismatches.inc();
    let found = quarantined.mismatch.found;
    let entry = &content.entry;
    let (what, declared, arrived) = match (entry.lfs, found.git_oid) {
        (Some(lfs), _) => ("SHA-256", lfs.sha256.to_hex(), found.sha256.to_hex()),
        (None, Some(oid)) => ("git id", entry.oid.to_hex(), oid.to_hex()),
        (None, None) => ("SHA-256", entry.oid.to_hex(), found.sha256.to_hex()),
    };
    let reason = format!(
        "`{}` of `{}` is declared with {what} {declared} and {} bytes but arrived with {arrived} and {} bytes",
        entry.path, route.repo_name, entry.size, found.size
    );
    tracing::error!(
        repo.id = route.repo_id,
        job.id = %route.job_id,
        entry.path = entry.path.as_str(),
        quarantine.path = %quarantined.path.display(),
        "{reason}: quarantined, nothing is published"
    );
    let tx = hub.db().begin().await?;
    let refused = Refused {
        repo_id: route.repo_id,
        endpoint,
        declared: entry,
        actual_sha256: found.sha256,
        actual_size: found.size,
        reason: &reason,
        job_id: Some(route.job_id),
        at: hub.now(),
    };
    blobs::record_refusal(&tx, &refused).await?;
    let details = json!({
        "path": entry.path, "commit": route.commit, "endpoint": endpoint, "declared": declared,
        "arrived": arrived, "declared_size": entry.size, "arrived_size": found.size, "job": route.job_id,
    });
    let told = Told { kind: "content.mismatch", repo_id: Some(route.repo_id), subject: &route.repo_name, details };
    events::record(hub, &tx, &Caller::System, told).await?;
    commit(tx).await?;
    Ok(HubError::Sync(format!(
        "{reason}; nothing was published and the bytes are kept aside, ask the upstream's operator about this file, then sync again"
    )))
}
