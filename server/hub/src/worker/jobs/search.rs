//! Jobs that ask upstreams what the patterns of standing orders find.

use serde_json::{Value, json};

use crate::app::orders::{self, Action};
use crate::app::sync::Progress;
use crate::context::Hub;
use crate::error::HubError;

/// Looks for repositories; tells how many are new and what was refused.
pub(super) async fn perform(hub: &Hub, progress: &Progress) -> Result<Value, HubError> {
    let steps = orders::refresh(hub, progress).await?;
    let added = steps.mirrors.iter().filter(|step| step.action == Action::Add);
    let added: Vec<_> = added.map(|step| json!({ "type": step.kind, "repo": step.repo })).collect();
    Ok(json!({ "added": added, "refused": steps.refused }))
}
