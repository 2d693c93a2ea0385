//! What the kinds of jobs do.

mod search;
mod sync;

use std::sync::Arc;

use acervo_store::db::Transaction;
use acervo_store::db::jobs::{Job, Lease};
use serde_json::Value;

use crate::app::schedule;
use crate::app::sync::{JOB_KIND, Progress};
use crate::context::Hub;
use crate::error::HubError;

/// Tells that a job was given up, if it is one that somebody may rely on.
pub(super) async fn tell_failure(hub: &Hub, tx: &Transaction, job: &Job, error: &str) -> Result<(), HubError> {
    match job.kind.as_str() {
        JOB_KIND => sync::tell_failure(hub, tx, job, error).await,
        _ => Ok(()),
    }
}

/// Does a job, whatever its kind.
pub(super) async fn perform(hub: &Hub, job: &Job, lease: Lease, progress: &Arc<Progress>) -> Result<Value, HubError> {
    match job.kind.as_str() {
        JOB_KIND => sync::perform(hub, job, lease, progress).await,
        schedule::SEARCH_KIND => search::perform(hub, progress).await,
        other => Err(HubError::Internal(format!("this version knows no jobs of kind `{other}`"))),
    }
}
