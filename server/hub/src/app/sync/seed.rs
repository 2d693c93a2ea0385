//! Seeding: bytes that an operator has on a disk already go through staging and verification like any others.
//!
//! Nothing is published by it; the sync that follows fetches what is left. The disk is only read.

mod walk;

use std::path::Path;
use std::sync::Arc;

use acervo_core::{Caller, Role};
use acervo_store::blob::{Expected, Finished, StagingKey, Verified};
use acervo_store::db::commit;
use acervo_store::db::mirrors::Mirror;
use bytes::Bytes;
use serde::Serialize;
use serde_json::json;
use tokio::io::AsyncReadExt as _;
use uuid::Uuid;

use crate::app::events::{self, Told};
use crate::app::identity::demand;
use crate::app::sync::Source;
use crate::app::sync::fetch::{Route, declared};
use crate::app::sync::plan::{MissingContent, PlannedFetch, plan};
use crate::app::sync::progress::Progress;
use crate::app::sync::recorder::{Arrived, Recorder};
use crate::app::sync::run::prepare;
use crate::context::Hub;
use crate::error::HubError;
use crate::upstream::Urgency;

pub use walk::{Seeds, Unread};

/// Bytes that are read at a time.
const READ_BYTES: usize = 1 << 20;

/// What came of seeding one mirror.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Seeded {
    /// Contents that were found, verified and kept.
    pub files_seeded: u64,
    /// Their bytes.
    pub bytes_seeded: u64,
    /// Files that were here before.
    pub files_held: u64,
    /// Contents that a sync still has to fetch.
    pub files_left: u64,
    /// Their bytes.
    pub bytes_left: u64,
}

/// Takes what a mirror lacks from `seeds`, as far as it is there.
pub async fn seed(
    hub: &Hub,
    caller: &Caller,
    mirror: &Mirror,
    seeds: &mut Seeds,
    progress: &Arc<Progress>,
) -> Result<Seeded, HubError> {
    demand(caller, Role::Maintainer)?;
    let plan = plan(hub, &mirror.into(), progress).await?;
    let totals = plan.totals();
    let mut done = Seeded {
        files_held: totals.files_held,
        files_left: totals.files_to_fetch,
        bytes_left: totals.bytes_to_fetch,
        ..Seeded::default()
    };
    let run = Uuid::now_v7();
    let source = Source::of(hub, mirror, Urgency::Interactive)?;
    for planned in &plan.commits {
        let Some(fetch) = &planned.fetch else { continue };
        progress.phase("comparing files with what is declared");
        let matches = find(fetch, seeds).await?;
        if matches.is_empty() {
            continue;
        }
        let bytes = matches.iter().map(|(content, _)| content.entry.size).sum();
        progress.expect(matches.len() as u64, bytes);
        let prepared = prepare(hub, &source, planned.oid, fetch, progress).await?;
        progress.phase("copying and verifying");
        let route = Arc::new(Route {
            clients: vec![source.client.clone()],
            kind: mirror.repo.kind,
            upstream_name: mirror.upstream_name.clone(),
            repo_id: mirror.repo.id,
            repo_name: mirror.repo.name.to_string(),
            commit: planned.oid,
            listing_id: prepared.served_listing_id,
            job_id: run,
            goes_on: false,
        });
        let recorder = Recorder::start(hub, &route);
        let queue = recorder.queue();
        let mut failure = None;
        for (content, path) in matches {
            let size = content.entry.size;
            match copy(hub, mirror, &content, &path, progress).await {
                Ok(Some(verified)) => {
                    let name = content.entry.path.to_string();
                    if let Err(error) = queue.record(content, Arrived::Seeded(verified)).await {
                        failure = Some(error);
                        break;
                    }
                    progress.file_done(&name);
                    done.files_seeded += 1;
                    done.bytes_seeded += size;
                }
                Ok(None) => seeds.note(&path, "it changed while it was read"),
                Err(HubError::Invalid(why)) => seeds.note(&path, &why),
                Err(error) => {
                    failure = Some(error);
                    break;
                }
            }
        }
        drop(queue);
        recorder.end().await?;
        if let Some(error) = failure {
            return Err(error);
        }
    }
    done.files_left -= done.files_seeded;
    done.bytes_left -= done.bytes_seeded;
    if done.files_seeded > 0 {
        let details = json!({ "type": mirror.repo.kind, "run": run, "seeded": done });
        let subject = mirror.repo.name.as_str();
        let tx = hub.db().begin().await?;
        let told = Told { kind: "mirror.seeded", repo_id: Some(mirror.repo.id), subject, details };
        events::record(hub, &tx, caller, told).await?;
        commit(tx).await?;
    }
    Ok(done)
}

/// Contents that are missing here and on the disk, each with the file that has it.
async fn find(fetch: &PlannedFetch, seeds: &mut Seeds) -> Result<Vec<(MissingContent, std::path::PathBuf)>, HubError> {
    let mut matches = Vec::new();
    for content in &fetch.missing {
        if let Some(path) = seeds.find(&content.entry).await? {
            matches.push((content.clone(), path));
        }
    }
    Ok(matches)
}

/// Puts a file through staging; `None` if it is not, or no longer, what is declared.
async fn copy(
    hub: &Hub,
    mirror: &Mirror,
    content: &MissingContent,
    path: &Path,
    progress: &Progress,
) -> Result<Option<Verified>, HubError> {
    let entry = &content.entry;
    let unreadable = |error: std::io::Error| HubError::Invalid(format!("it cannot be read: {error}"));
    let mut file = tokio::fs::File::open(path).await.map_err(unreadable)?;
    let (key, expected) = declared(mirror.repo.id, entry);
    let mut staged = hub.blobs().stage(key, expected).await?;
    if staged.arrived() > 0 {
        // What a transfer has left there would have to be compared; the whole is at hand.
        staged = staged.restart().await?;
    }
    let mut done = 0;
    loop {
        let mut bytes = vec![0; READ_BYTES];
        let read = match file.read(&mut bytes).await {
            Ok(read) => read,
            Err(error) => {
                staged.park().await?;
                forget(hub, key, expected).await?;
                return Err(unreadable(error));
            }
        };
        done += read as u64;
        if read == 0 || done > entry.size {
            break;
        }
        bytes.truncate(read);
        staged.write(Bytes::from(bytes)).await?;
        progress.file(entry.path.as_str(), done, entry.size);
    }
    if done != entry.size {
        staged.park().await?;
        forget(hub, key, expected).await?;
        return Ok(None);
    }
    match staged.finish().await? {
        Finished::Verified(verified) => Ok(Some(verified)),
        Finished::Quarantined(quarantined) => {
            hub.blobs().discard(quarantined).await?;
            Ok(None)
        }
    }
}

/// Empties what is staged of a content: no transfer shall go on after bytes that are not its own.
async fn forget(hub: &Hub, key: StagingKey, expected: Expected) -> Result<(), HubError> {
    let staged = hub.blobs().stage(key, expected).await?;
    Ok(staged.restart().await?.park().await?)
}
