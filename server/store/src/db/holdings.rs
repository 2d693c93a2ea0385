//! What of a listing is held: which of its files have their bytes here, and tying files to the blobs that hold them.
//!
//! Nothing is verified here: a blob's row exists only once its bytes are.

use std::collections::HashMap;

use acervo_core::{GitOid, RepoPath};
use sea_orm::sea_query::{Expr, ExprTrait, Query, SelectStatement};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter, QuerySelect, Select, Statement, Value,
};

use super::blobs::Held;
use super::dialect;
use super::entity::choice::EntryKindColumn;
use super::entity::value::OidColumn;
use super::entity::{blob, entry_segment, listing_segment, tree_entry};
use super::number::from_bigint;
use crate::error::{Doing, StoreError};

/// Blobs that hold the bytes of these git blob ids in this repository; never across repositories, since SHA-1
/// collisions must not cross.
pub async fn held_by_oid(
    db: &impl ConnectionTrait,
    repo_id: i64,
    oids: &[GitOid],
) -> Result<HashMap<GitOid, Held>, StoreError> {
    let mut found = HashMap::new();
    for chunk in oids.chunks(dialect::BIND_MAX - 1) {
        let known: Vec<(OidColumn, i64, i64)> = tree_entry::Entity::find()
            .select_only()
            .column(tree_entry::Column::Oid)
            .column(tree_entry::Column::BlobId)
            .inner_join(blob::Entity)
            .column_as(blob::Column::Size, "blob_size")
            .filter(
                Expr::col((tree_entry::Entity, tree_entry::Column::SegmentId)).in_subquery(segments_of_repo(repo_id)),
            )
            .filter(tree_entry::Column::Oid.is_in(chunk.iter().map(|oid| OidColumn::from(*oid))))
            .filter(tree_entry::Column::LfsSha256.is_null())
            .filter(blob::Column::QuarantinedAt.is_null())
            .distinct()
            .into_tuple()
            .all(db)
            .await
            .doing("looking up held blobs")?;
        for (oid, id, size) in known {
            found.insert(GitOid::from(oid), Held { id, size: from_bigint(size)? });
        }
    }
    Ok(found)
}

/// Ties entries of a listing to the verified blobs that hold their bytes.
///
/// ```sql
/// UPDATE tree_entry SET blob_id = tie.blob FROM (
///   SELECT v.column1 AS path, v.column2 AS blob, (SELECT s.segment_id FROM listing_segment s
///     WHERE s.listing_id = $1 AND s.first_path <= v.column1 ORDER BY s.first_path DESC LIMIT 1) AS segment
///   FROM (VALUES ($2, $3), ..) AS v) AS tie
/// WHERE tree_entry.segment_id = tie.segment AND tree_entry.path = tie.path
/// ```
/// Both planners walk the values, find each one's segment by an index probe, and its row by its primary key.
pub async fn tie(db: &impl ConnectionTrait, listing_id: i64, ties: &[(RepoPath, i64)]) -> Result<(), StoreError> {
    for chunk in ties.chunks(dialect::rows_per_statement(2)) {
        let mut values: Vec<Value> = vec![listing_id.into()];
        let mut rows = Vec::with_capacity(chunk.len());
        for (path, blob_id) in chunk {
            rows.push(format!("(${}, ${})", values.len() + 1, values.len() + 2));
            values.extend([path.as_str().into(), (*blob_id).into()]);
        }
        let sql = format!(
            "UPDATE tree_entry SET blob_id = tie.blob FROM ( \
             SELECT v.column1 AS path, v.column2 AS blob, (SELECT s.segment_id FROM listing_segment s \
             WHERE s.listing_id = $1 AND s.first_path <= v.column1 ORDER BY s.first_path DESC LIMIT 1) AS segment \
             FROM (VALUES {}) AS v) AS tie \
             WHERE tree_entry.segment_id = tie.segment AND tree_entry.path = tie.path",
            rows.join(", ")
        );
        let statement = Statement::from_sql_and_values(db.get_database_backend(), sql, values);
        db.execute_raw(statement).await.doing("tying entries to their blobs")?;
    }
    Ok(())
}

/// Paths of a listing's files that are tied to no blob.
pub async fn missing_paths(db: &impl ConnectionTrait, listing_id: i64) -> Result<Vec<String>, StoreError> {
    missing(listing_id)
        .select_only()
        .column(tree_entry::Column::Path)
        .into_tuple()
        .all(db)
        .await
        .doing("reading missing files")
}

/// Number of a listing's files that are tied to no blob.
pub async fn missing_files(db: &impl ConnectionTrait, listing_id: i64) -> Result<u64, StoreError> {
    missing(listing_id).count(db).await.doing("counting missing files")
}

fn missing(listing_id: i64) -> Select<tree_entry::Entity> {
    tree_entry::Entity::find()
        .filter(
            Expr::col(tree_entry::Column::SegmentId).in_subquery(
                Query::select()
                    .column(listing_segment::Column::SegmentId)
                    .from(listing_segment::Entity)
                    .and_where(Expr::col(listing_segment::Column::ListingId).eq(listing_id))
                    .to_owned(),
            ),
        )
        .filter(tree_entry::Column::Kind.eq(EntryKindColumn::File))
        .filter(tree_entry::Column::BlobId.is_null())
}

/// Subquery: every segment of a repository.
fn segments_of_repo(repo_id: i64) -> SelectStatement {
    Query::select()
        .column(entry_segment::Column::Id)
        .from(entry_segment::Entity)
        .and_where(Expr::col(entry_segment::Column::RepoId).eq(repo_id))
        .to_owned()
}
