//! Partial contents and uploads that no attempt will go on with: removed as soon as somebody looks.
//!
//! Two workers may fetch the same content into two files when one has lost its lease; a listing may declare a digest that
//! it never declares again. Whatever might still be of use stays until it is stale.

use std::collections::{BTreeMap, HashSet};

use acervo_core::{GitOid, Sha256Digest};
use acervo_store::blob::StagingKey;
use acervo_store::db::{blobs, holdings};

use crate::context::Hub;
use crate::error::HubError;

/// Removes partial contents that hold nothing, and partial contents and uploads whose whole is held, unless somebody works
/// on them.
pub async fn sweep_leftovers(hub: &Hub) -> Result<(), HubError> {
    let partials = hub.blobs().partials().await?;
    let uploading = hub.blobs().idle_uploads().await?;
    if partials.is_empty() && uploading.is_empty() {
        return Ok(());
    }
    let mut digests = uploading.clone();
    let mut oids: BTreeMap<i64, Vec<GitOid>> = BTreeMap::new();
    for partial in &partials {
        match partial.key {
            StagingKey::Sha256(sha256) => digests.push(sha256),
            StagingKey::Git { repo_id, oid } => oids.entry(repo_id).or_default().push(oid),
        }
    }
    let held = blobs::held_by_sha256(hub.db().reader(), &digests).await?;
    let uploaded: HashSet<Sha256Digest> = uploading.into_iter().filter(|sha256| held.contains_key(sha256)).collect();
    if !uploaded.is_empty() {
        let aborted = hub.blobs().abort_uploads(&uploaded).await?;
        tracing::info!(uploads = aborted, "aborted uploads of contents that are held");
    }
    let mut held_oids = HashSet::new();
    for (repo_id, oids) in oids {
        let found = holdings::held_by_oid(hub.db().reader(), repo_id, &oids).await?;
        held_oids.extend(found.into_keys().map(|oid| (repo_id, oid)));
    }
    for partial in partials {
        let is_held = match partial.key {
            StagingKey::Sha256(sha256) => held.contains_key(&sha256),
            StagingKey::Git { repo_id, oid } => held_oids.contains(&(repo_id, oid)),
        };
        if is_held || partial.bytes == 0 {
            hub.blobs().remove_partial(partial).await?;
        }
    }
    Ok(())
}
