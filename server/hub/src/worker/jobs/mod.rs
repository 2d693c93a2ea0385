//! What the kinds of jobs do.

mod search;
mod sync;

use std::sync::Arc;

use acervo_store::db::jobs::{Job, Lease};
use serde_json::Value;

use crate::app::schedule;
use crate::app::sync::{JOB_KIND, Progress};
use crate::context::Hub;
use crate::error::HubError;

/// Does a job, whatever its kind.
pub(super) async fn perform(hub: &Hub, job: &Job, lease: Lease, progress: &Arc<Progress>) -> Result<Value, HubError> {
    match job.kind.as_str() {
        JOB_KIND => sync::perform(hub, job, lease, progress).await,
        schedule::SEARCH_KIND => search::perform(hub, progress).await,
        other => Err(HubError::Internal(format!("this version knows no jobs of kind `{other}`"))),
    }
}
