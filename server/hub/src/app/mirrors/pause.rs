//! Suspending the schedule of one mirror.

use acervo_core::{Caller, Role};
use acervo_store::db::commit;
use acervo_store::db::mirrors::{self, Mirror};
use serde_json::json;

use super::refuse_managed;
use crate::app::events::{self, Told};
use crate::app::identity::demand;
use crate::context::Hub;
use crate::error::HubError;

/// Suspends the schedule of a mirror, or lets it go on; it can still be synced by hand. A job that is under way goes on.
pub async fn set_paused(hub: &Hub, caller: &Caller, mirror: &Mirror, is_paused: bool) -> Result<Mirror, HubError> {
    demand(caller, Role::Maintainer)?;
    refuse_managed(mirror)?;
    let tx = hub.db().begin().await?;
    if mirrors::set_paused(&tx, mirror.id, is_paused, hub.now()).await? {
        let told = Told {
            kind: if is_paused { "mirror.paused" } else { "mirror.resumed" },
            repo_id: Some(mirror.repo.id),
            subject: mirror.repo.name.as_str(),
            details: json!({ "type": mirror.repo.kind }),
        };
        events::record(hub, &tx, caller, told).await?;
    }
    commit(tx).await?;
    Ok(Mirror { paused: is_paused, ..mirror.clone() })
}
