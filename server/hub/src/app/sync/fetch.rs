//! Fetching: each missing content goes from upstream through staging into the store, verified, and is recorded.

use std::sync::Arc;

use acervo_core::{Caller, CommitOid, RepoKind, RepoPath};
use acervo_store::blob::{Expected, Finished, Quarantined, StagingKey, Verified};
use acervo_store::db::blobs::{self, Arrival, Refused, VerifiedBy};
use acervo_store::db::{commit, holdings};
use futures::{StreamExt, TryStreamExt, stream};
use serde_json::json;
use uuid::Uuid;

use crate::app::events::{self, Told};
use crate::app::sync::plan::MissingContent;
use crate::app::sync::progress::Progress;
use crate::context::Hub;
use crate::error::HubError;
use crate::upstream::Client;

/// Where contents come from and where they go.
#[derive(Clone, Debug)]
pub(super) struct Route {
    pub(super) client: Client,
    pub(super) kind: RepoKind,
    pub(super) upstream_name: String,
    pub(super) repo_id: i64,
    pub(super) repo_name: String,
    pub(super) commit: CommitOid,
    pub(super) listing_id: i64,
    pub(super) job_id: Uuid,
}

/// Fetches every content; the first failure ends it, and what was verified before stays for the next attempt.
pub(super) async fn fetch_all(
    hub: &Hub,
    route: &Route,
    missing: Vec<MissingContent>,
    progress: &Arc<Progress>,
) -> Result<(), HubError> {
    // Owned by each future: borrowed ones would not be `Send` for every lifetime. Made one by one, since each is large.
    let (hub, route, progress) = (hub.clone(), Arc::new(route.clone()), Arc::clone(progress));
    let files_at_once = hub.config().sync.files_at_once.max(1);
    stream::iter(missing)
        .map(move |content| {
            let (hub, route, progress) = (hub.clone(), Arc::clone(&route), Arc::clone(&progress));
            async move { fetch(&hub, &route, content, &progress).await }
        })
        .buffer_unordered(files_at_once)
        .try_collect::<()>()
        .await
}

/// Fetches one content, verifies it, promotes it, and ties every path that has it.
async fn fetch(
    hub: &Hub,
    route: &Arc<Route>,
    content: MissingContent,
    progress: &Arc<Progress>,
) -> Result<(), HubError> {
    let entry = &content.entry;
    let (key, expected) = match entry.lfs {
        Some(lfs) => {
            (StagingKey::Sha256(lfs.sha256), Expected { size: entry.size, sha256: Some(lfs.sha256), git_oid: None })
        }
        None => (
            StagingKey::Git { repo_id: route.repo_id, oid: entry.oid },
            Expected { size: entry.size, sha256: None, git_oid: Some(entry.oid) },
        ),
    };
    let path = entry.path.clone();
    let verified = loop {
        let mut staged = hub.blobs().stage(key, expected).await?;
        let before = staged.offset();
        progress.file(path.as_str(), before, entry.size);
        let report = |done: u64| progress.file(path.as_str(), done, entry.size);
        let moved =
            route.client.transfer(route.kind, &route.upstream_name, route.commit, entry, &mut staged, &report).await;
        hub.metrics().fetched_bytes.inc_by(staged.offset().saturating_sub(before));
        if let Err(error) = moved {
            // Where writing was what failed, parking fails too and knows less about it.
            if let Err(lost) = staged.park().await {
                tracing::warn!(job.id = %route.job_id, entry.path = path.as_str(), error = %lost, "a partial file could not be kept");
            }
            return Err(error.into());
        }
        match staged.finish().await? {
            Finished::Verified(verified) => break verified,
            // The wrong bytes may be those of an earlier attempt: half flushed before a loss of power, or from another
            // upstream that declared the same. Only bytes of a single attempt accuse their sender.
            Finished::Quarantined(quarantined) if before > 0 => {
                tracing::warn!(job.id = %route.job_id, entry.path = path.as_str(), "a resumed file is not what was declared and is fetched again from its start");
                hub.blobs().discard(quarantined).await?;
            }
            Finished::Quarantined(quarantined) => return Err(refuse(hub, route, &content, &quarantined).await?),
        }
    };
    // A task of its own: flushing a large file takes long, and a sync that is cancelled meanwhile must not leave it in
    // the store without a row, to be fetched again.
    let recording = tokio::spawn(record(hub.clone(), Arc::clone(route), content, verified));
    recording
        .await
        .map_err(|error| HubError::Internal(format!("recording `{path}` ended unexpectedly: {error}")))??;
    progress.file_done(path.as_str());
    Ok(())
}

/// Promotes verified bytes, and only then writes the rows that name them.
async fn record(hub: Hub, route: Arc<Route>, content: MissingContent, verified: Verified) -> Result<(), HubError> {
    let found = verified.digests();
    hub.blobs().promote(verified).await?;
    let at = hub.now();
    let verified_by = if content.entry.lfs.is_some() { VerifiedBy::Sha256 } else { VerifiedBy::GitOid };
    let tx = hub.db().begin().await?;
    let blob_id = blobs::insert(&tx, found.sha256, found.size, at).await?;
    let arrival = Arrival {
        endpoint: route.client.endpoint(),
        upstream_name: &route.upstream_name,
        repo_id: route.repo_id,
        commit: route.commit,
        path: &content.entry.path,
        verified_by,
        job_id: Some(route.job_id),
        at,
    };
    blobs::record_arrival(&tx, blob_id, &arrival).await?;
    let ties: Vec<(RepoPath, i64)> = content.paths.into_iter().map(|path| (path, blob_id)).collect();
    holdings::tie(&tx, route.listing_id, &ties).await?;
    Ok(commit(tx).await?)
}

/// Records bytes that are not what was declared; returns the error that ends the sync.
async fn refuse(
    hub: &Hub,
    route: &Route,
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
        endpoint: route.client.endpoint(),
        declared: entry,
        actual_sha256: found.sha256,
        actual_size: found.size,
        reason: &reason,
        job_id: Some(route.job_id),
        at: hub.now(),
    };
    blobs::record_refusal(&tx, &refused).await?;
    let details = json!({
        "path": entry.path, "commit": route.commit, "endpoint": route.client.endpoint(), "declared": declared,
        "arrived": arrived, "declared_size": entry.size, "arrived_size": found.size, "job": route.job_id,
    });
    let told = Told { kind: "content.mismatch", repo_id: Some(route.repo_id), subject: &route.repo_name, details };
    events::record(hub, &tx, &Caller::System, told).await?;
    commit(tx).await?;
    Ok(HubError::Sync(format!(
        "{reason}; nothing was published and the bytes are kept aside, ask the upstream's operator about this file, then sync again"
    )))
}
