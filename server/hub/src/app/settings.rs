//! Settings of a repository: who may see it, and what stands before its contents.

use std::sync::Arc;

use acervo_core::access::{Caller, Readable};
use acervo_core::gate::{Gate, GateMode};
use acervo_core::{Sha256Digest, Visibility};
use acervo_store::db::repos::{self, Repo};
use acervo_store::db::{Transaction, commit, gates as store, generation};
use serde_json::json;

use crate::app::events::{self, Told};
use crate::app::gates;
use crate::context::Hub;
use crate::error::HubError;

/// Longest terms, in bytes.
pub const TERMS_BYTES_MAX: usize = 256 * 1024;

/// What to change; everything else stays.
#[derive(Clone, Debug, Default)]
pub struct Change {
    /// Who may see it.
    pub visibility: Option<Visibility>,
    /// How people are let in.
    pub gate: Option<GateMode>,
    /// What they must accept.
    pub terms: Terms,
}

/// What to do with the terms of a gate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Terms {
    /// Leave them as they are.
    #[default]
    Keep,
    /// Ask for consent to nothing.
    Remove,
    /// Ask for consent to this text. Who accepted another one is asked again.
    Put(String),
}

/// Settings as they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Who may see it.
    pub visibility: Visibility,
    /// What stands before its contents.
    pub gate: Gate,
}

/// Changes the settings of a repository, all of them or none.
pub async fn change(
    hub: &Hub,
    caller: &Caller,
    repo: &Readable<Arc<Repo>>,
    change: &Change,
) -> Result<Settings, HubError> {
    gates::manage(caller, repo)?;
    if let Terms::Put(text) = &change.terms {
        check_terms(text)?;
    }
    let tx = hub.db().begin().await?;
    generation::lock(&tx).await?;
    let before = repos::by_id(&tx, repo.id).await?;
    let before = before.ok_or_else(|| HubError::Internal(format!("the repository `{}` vanished", repo.name)))?;
    let visibility = change.visibility.unwrap_or(before.visibility);
    if visibility != before.visibility {
        repos::set_visibility(&tx, repo.id, visibility).await?;
        let details = json!({ "before": before.visibility, "now": visibility, "why": "set" });
        let subject = before.name.as_str();
        let told = Told { kind: "repo.visibility_changed", repo_id: Some(repo.id), subject, details };
        events::record(hub, &tx, caller, told).await?;
    }
    let mut gate = before.gate();
    // Setting a gate to what it is decides on it too: from then on upstream's word does not close it.
    if change.gate.is_some() || change.terms != Terms::Keep {
        gate =
            Gate { mode: change.gate.unwrap_or(gate.mode), terms: terms(hub, &tx, &change.terms, gate.terms).await? };
        store::set(&tx, repo.id, gate).await?;
        gates::tell_gate(hub, &tx, caller, &before, gate, None).await?;
    }
    generation::bump(&tx).await?;
    commit(tx).await?;
    hub.caches().clear();
    Ok(Settings { visibility, gate })
}

/// SHA-256 of the terms there are to be, kept.
async fn terms(
    hub: &Hub,
    tx: &Transaction,
    change: &Terms,
    now: Option<Sha256Digest>,
) -> Result<Option<Sha256Digest>, HubError> {
    Ok(match change {
        Terms::Keep => now,
        Terms::Remove => None,
        Terms::Put(text) => Some(store::keep_terms(tx, text, hub.now()).await?),
    })
}

/// Refuses what nobody could read.
fn check_terms(text: &str) -> Result<(), HubError> {
    if text.len() > TERMS_BYTES_MAX {
        return Err(HubError::TooMuch(format!(
            "terms have at most {TERMS_BYTES_MAX} bytes, these have {}",
            text.len()
        )));
    }
    if text.trim().is_empty() || text.contains('\0') {
        return Err(HubError::Invalid("terms are text, and not empty; leave them out to ask for none".to_owned()));
    }
    Ok(())
}
