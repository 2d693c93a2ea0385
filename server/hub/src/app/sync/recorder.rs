//! Recording: verified contents are promoted several at a time, and the rows that name them are written together.
//!
//! A task of its own: flushing takes long, and a sync that is cancelled meanwhile must not leave a blob in the store
//! without a row, to be fetched again. Owns the order "bytes on disk before the row".

use std::sync::Arc;

use acervo_core::RepoPath;
use acervo_store::blob::{Promoted, Verified};
use acervo_store::db::blobs::{self, Arrival, VerifiedBy, Way};
use acervo_store::db::{commit, holdings};
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::app::sync::fetch::Route;
use crate::app::sync::plan::MissingContent;
use crate::context::Hub;
use crate::error::HubError;

/// Contents that are flushed at the same time: disks and object stores are faster at several than one by one.
const PROMOTED_AT_ONCE: usize = 16;

/// Most contents whose rows are written in one transaction.
const BATCH_MAX: usize = 64;

/// The recorder of one sync.
#[derive(Debug)]
pub(super) struct Recorder {
    queue: Queue,
    task: JoinHandle<()>,
}

/// The way to a recorder.
#[derive(Clone, Debug)]
pub(super) struct Queue(mpsc::UnboundedSender<Waiting>);

/// The bytes of a content, which are what was declared.
#[derive(Debug)]
pub(super) enum Arrived {
    /// Verified in staging, fetched from the hub at this base URL.
    Fetched(Verified, String),
    /// Verified in staging, read from a disk of the operator's.
    Seeded(Verified),
    /// Verified in the store, where an attempt that died has left them.
    Found(Promoted),
}

/// A content, and who waits for its row.
#[derive(Debug)]
struct Waiting {
    content: MissingContent,
    arrived: Arrived,
    done: oneshot::Sender<Result<(), HubError>>,
}

/// A content whose bytes are in the store for good.
#[derive(Debug)]
struct Kept {
    content: MissingContent,
    promoted: Promoted,
    way: Way,
    /// Base URL of the hub they came from; absent if nobody was asked.
    endpoint: Option<String>,
    done: oneshot::Sender<Result<(), HubError>>,
}

impl Recorder {
    /// Starts recording.
    pub(super) fn start(hub: &Hub, route: &Arc<Route>) -> Recorder {
        let (sender, receiver) = mpsc::unbounded_channel();
        let task = tokio::spawn(run(hub.clone(), Arc::clone(route), receiver));
        Recorder { queue: Queue(sender), task }
    }

    /// The way to this recorder.
    pub(super) fn queue(&self) -> Queue {
        self.queue.clone()
    }

    /// Waits until everything that was handed over is recorded; every other way to this recorder must be gone.
    pub(super) async fn end(self) -> Result<(), HubError> {
        drop(self.queue);
        self.task.await.map_err(|error| HubError::Internal(format!("recording ended unexpectedly: {error}")))
    }
}

impl Queue {
    /// Promotes verified bytes where that is not done, and ties every path that has them; what was handed over is recorded
    /// even if nobody waits for it any more.
    pub(super) async fn record(&self, content: MissingContent, arrived: Arrived) -> Result<(), HubError> {
        let (done, recorded) = oneshot::channel();
        let path = content.entry.path.clone();
        let ended = || HubError::Internal(format!("recording `{path}` ended unexpectedly"));
        self.0.send(Waiting { content, arrived, done }).map_err(|_| ended())?;
        recorded.await.map_err(|_| ended())?
    }
}

/// Promotes what comes; whenever no transaction runs, the next one takes all that was promoted meanwhile.
async fn run(hub: Hub, route: Arc<Route>, mut queue: mpsc::UnboundedReceiver<Waiting>) {
    let mut promoting = FuturesUnordered::new();
    let mut kept: Vec<Kept> = Vec::new();
    let mut writing = FuturesUnordered::new();
    let mut open = true;
    loop {
        if writing.is_empty() && !kept.is_empty() {
            let batch = kept.drain(..kept.len().min(BATCH_MAX)).collect();
            writing.push(write(&hub, &route, batch));
        }
        tokio::select! {
            waiting = queue.recv(), if open && promoting.len() < PROMOTED_AT_ONCE => match waiting {
                Some(waiting) => promoting.push(promote(&hub, waiting)),
                None => open = false,
            },
            Some(ended) = promoting.next() => kept.extend(ended),
            Some(()) = writing.next() => {}
            else => return,
        }
    }
}

/// Brings one content's bytes into the store; what goes wrong is told to whoever waits for it.
async fn promote(hub: &Hub, waiting: Waiting) -> Option<Kept> {
    let Waiting { content, arrived, done } = waiting;
    let (promoted, way, endpoint) = match arrived {
        Arrived::Fetched(verified, endpoint) => (hub.blobs().promote(verified).await, Way::Fetched, Some(endpoint)),
        Arrived::Seeded(verified) => (hub.blobs().promote(verified).await, Way::Seeded, None),
        Arrived::Found(promoted) => (Ok(promoted), Way::Found, None),
    };
    match promoted {
        Ok(promoted) => Some(Kept { content, promoted, way, endpoint, done }),
        Err(error) => {
            // Nobody waits any more if the sync has ended.
            let _ = done.send(Err(error.into()));
            None
        }
    }
}

/// Writes the rows of a batch; should that fail, one by one, so that each is told of its own failure. A database that is
/// away then, too, is not waited for by each of them.
async fn write(hub: &Hub, route: &Route, mut batch: Vec<Kept>) {
    // In one order everywhere: two syncs that record the same blobs must not wait for each other crosswise.
    batch.sort_by_key(|kept| kept.promoted.digests().sha256);
    let written = record(hub, route, &batch).await;
    let together = written.is_ok() || batch.len() == 1;
    let (mut written, mut is_away) = (Some(written), false);
    for kept in batch {
        let told = match written.take() {
            Some(written) if together => written,
            _ if together => Ok(()),
            _ if is_away => Err(HubError::NotRecorded(kept.content.entry.path.to_string())),
            _ => record(hub, route, std::slice::from_ref(&kept)).await,
        };
        is_away |= told.as_ref().is_err_and(HubError::is_transient);
        if told.is_ok()
            && let Err(error) = kept.promoted.settle().await
        {
            tracing::warn!(job.id = %route.job_id, error = %error, "what led back to a recorded blob stays in staging until it is swept");
        }
        let _ = kept.done.send(told);
    }
}

/// Writes the rows of promoted contents in one transaction.
async fn record(hub: &Hub, route: &Route, batch: &[Kept]) -> Result<(), HubError> {
    let at = hub.now();
    let tx = hub.db().begin().await?;
    let mut ties: Vec<(RepoPath, i64)> = Vec::new();
    let preferred = route.clients.first().map_or("", |client| client.endpoint());
    for Kept { content, promoted, way, endpoint, .. } in batch {
        let found = promoted.digests();
        let blob_id = blobs::insert(&tx, found.sha256, found.size, at).await?;
        let arrival = Arrival {
            endpoint: endpoint.as_deref().unwrap_or(preferred),
            upstream_name: &route.upstream_name,
            repo_id: route.repo_id,
            commit: route.commit,
            path: &content.entry.path,
            verified_by: if content.entry.lfs.is_some() { VerifiedBy::Sha256 } else { VerifiedBy::GitOid },
            way: *way,
            job_id: Some(route.job_id),
            at,
        };
        blobs::record_arrival(&tx, blob_id, &arrival).await?;
        ties.extend(content.paths.iter().map(|path| (path.clone(), blob_id)));
    }
    holdings::tie(&tx, route.listing_id, &ties).await?;
    Ok(commit(tx).await?)
}

#[cfg(test)]
mod tests;
