//! Blobs and their provenance: which contents are held, how they arrived, and what was refused.

use std::collections::HashMap;

use acervo_core::{CommitOid, RepoPath, Sha256Digest, Timestamp, TreeEntry};
use sea_orm::sea_query::{Expr, ExprTrait, Func, OnConflict};
use sea_orm::{ActiveValue, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use uuid::Uuid;

use super::dialect;
use super::entity::value::Sha256Column;
use super::entity::{blob, provenance, quarantine};
use super::number::{from_bigint, to_bigint};
use crate::error::{Doing, StoreError};

pub use super::entity::provenance::{VerifiedBy, Way};

/// A blob that is here, verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// Database id.
    pub id: i64,
    /// Its bytes.
    pub size: u64,
}

/// The blobs with these digests that are held.
pub async fn held_by_sha256(
    db: &impl ConnectionTrait,
    digests: &[Sha256Digest],
) -> Result<HashMap<Sha256Digest, Held>, StoreError> {
    let mut found = HashMap::new();
    for chunk in digests.chunks(dialect::BIND_MAX) {
        let rows = blob::Entity::find()
            .filter(blob::Column::Sha256.is_in(chunk.iter().map(|digest| Sha256Column::from(*digest))))
            .filter(blob::Column::QuarantinedAt.is_null())
            .all(db)
            .await
            .doing("looking up blobs")?;
        for row in rows {
            found.insert(row.sha256.into(), Held { id: row.id, size: from_bigint(row.size)? });
        }
    }
    Ok(found)
}

/// The digest of a blob.
pub async fn sha256_of(db: &impl ConnectionTrait, id: i64) -> Result<Option<Sha256Digest>, StoreError> {
    let row = blob::Entity::find_by_id(id).one(db).await.doing("looking up a blob")?;
    Ok(row.map(|row| row.sha256.into()))
}

/// Digest and size of a blob that is held.
pub async fn held_by_id(db: &impl ConnectionTrait, id: i64) -> Result<Option<(Sha256Digest, u64)>, StoreError> {
    let row = blob::Entity::find_by_id(id).filter(blob::Column::QuarantinedAt.is_null()).one(db).await;
    let row = row.doing("looking up a blob")?;
    row.map(|row| Ok((row.sha256.into(), from_bigint(row.size)?))).transpose()
}

/// Records a promoted blob; a blob that is recorded already keeps its row.
pub async fn insert(
    db: &impl ConnectionTrait,
    sha256: Sha256Digest,
    size: u64,
    at: Timestamp,
) -> Result<i64, StoreError> {
    let row = blob::ActiveModel {
        id: ActiveValue::NotSet,
        sha256: ActiveValue::Set(sha256.into()),
        size: ActiveValue::Set(to_bigint(size)?),
        created_at: ActiveValue::Set(at.into()),
        verified_at: ActiveValue::Set(at.into()),
        quarantined_at: ActiveValue::Set(None),
    };
    let conflict = OnConflict::column(blob::Column::Sha256).update_column(blob::Column::VerifiedAt).to_owned();
    blob::Entity::insert(row).on_conflict(conflict).exec_without_returning(db).await.doing("recording a blob")?;
    let held = held_by_sha256(db, &[sha256]).await?;
    held.get(&sha256)
        .map(|blob| blob.id)
        .ok_or_else(|| StoreError::Corrupt { what: format!("the blob `{sha256}`, which is quarantined") })
}

/// How a blob arrived.
#[derive(Clone, Debug)]
pub struct Arrival<'a> {
    /// Base URL of the hub it came from.
    pub endpoint: &'a str,
    /// Name of the repository there.
    pub upstream_name: &'a str,
    /// Database id of the repository here.
    pub repo_id: i64,
    /// Commit it was asked for.
    pub commit: CommitOid,
    /// Path it was asked for.
    pub path: &'a RepoPath,
    /// Digest it was verified by.
    pub verified_by: VerifiedBy,
    /// How it came.
    pub way: Way,
    /// Job that fetched or found it.
    pub job_id: Option<Uuid>,
    /// When.
    pub at: Timestamp,
}

/// Records how a blob arrived.
pub async fn record_arrival(db: &impl ConnectionTrait, blob_id: i64, arrival: &Arrival<'_>) -> Result<(), StoreError> {
    let row = provenance::ActiveModel {
        id: ActiveValue::NotSet,
        blob_id: ActiveValue::Set(blob_id),
        repo_id: ActiveValue::Set(arrival.repo_id),
        endpoint: ActiveValue::Set(arrival.endpoint.to_owned()),
        upstream_name: ActiveValue::Set(arrival.upstream_name.to_owned()),
        commit_oid: ActiveValue::Set(arrival.commit.into()),
        path: ActiveValue::Set(arrival.path.as_str().to_owned()),
        verified_by: ActiveValue::Set(arrival.verified_by),
        way: ActiveValue::Set(arrival.way),
        job_id: ActiveValue::Set(arrival.job_id),
        received_at: ActiveValue::Set(arrival.at.into()),
    };
    provenance::Entity::insert(row).exec_without_returning(db).await.doing("recording provenance")?;
    Ok(())
}

/// How the bytes of a blob came to be held, each time.
pub async fn ways(db: &impl ConnectionTrait, blob_id: i64) -> Result<Vec<Way>, StoreError> {
    let rows = provenance::Entity::find()
        .filter(provenance::Column::BlobId.eq(blob_id))
        .order_by_asc(provenance::Column::Id)
        .all(db)
        .await
        .doing("reading provenance")?;
    Ok(rows.into_iter().map(|row| row.way).collect())
}

/// Bytes that were not what was declared.
#[derive(Clone, Debug)]
pub struct Refused<'a> {
    /// Database id of the repository they were meant for.
    pub repo_id: i64,
    /// Base URL of the hub they came from.
    pub endpoint: &'a str,
    /// What was declared.
    pub declared: &'a TreeEntry,
    /// SHA-256 of what arrived.
    pub actual_sha256: Sha256Digest,
    /// Bytes that arrived.
    pub actual_size: u64,
    /// In words.
    pub reason: &'a str,
    /// Job that fetched them.
    pub job_id: Option<Uuid>,
    /// When.
    pub at: Timestamp,
}

/// Records bytes that were refused.
pub async fn record_refusal(db: &impl ConnectionTrait, refused: &Refused<'_>) -> Result<(), StoreError> {
    let row = quarantine::ActiveModel {
        id: ActiveValue::NotSet,
        repo_id: ActiveValue::Set(Some(refused.repo_id)),
        endpoint: ActiveValue::Set(refused.endpoint.to_owned()),
        path: ActiveValue::Set(refused.declared.path.as_str().to_owned()),
        declared_oid: ActiveValue::Set(Some(refused.declared.oid.into())),
        declared_sha256: ActiveValue::Set(refused.declared.lfs.map(|lfs| lfs.sha256.into())),
        declared_size: ActiveValue::Set(to_bigint(refused.declared.size)?),
        actual_sha256: ActiveValue::Set(Some(refused.actual_sha256.into())),
        actual_size: ActiveValue::Set(to_bigint(refused.actual_size)?),
        reason: ActiveValue::Set(refused.reason.to_owned()),
        at: ActiveValue::Set(refused.at.into()),
        job_id: ActiveValue::Set(refused.job_id),
    };
    quarantine::Entity::insert(row).exec_without_returning(db).await.doing("recording a refusal")?;
    Ok(())
}

/// Number of held blobs, and their bytes.
pub async fn totals(db: &impl ConnectionTrait) -> Result<(u64, u64), StoreError> {
    let row: Option<(i64, Option<i64>)> = blob::Entity::find()
        .select_only()
        .column_as(blob::Column::Id.count(), "blobs")
        .column_as(Expr::expr(Func::sum(Expr::col(blob::Column::Size))).cast_as("bigint"), "bytes")
        .into_tuple()
        .one(db)
        .await
        .doing("counting blobs")?;
    let (blobs, bytes) = row.unwrap_or((0, None));
    Ok((from_bigint(blobs)?, from_bigint(bytes.unwrap_or(0))?))
}
