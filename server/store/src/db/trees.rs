//! Listings at rest: segments of entries, shared by the commits of a repository, and the blobs behind them.
//!
//! A listing and its segments never change once written; only `blob_id` of an entry is filled in, when its bytes are
//! verified: see [`super::holdings`].

use acervo_core::listing::{EntryKind, LfsIdentity, Listing, Segment};
use acervo_core::{RepoPath, Sha256Digest, Timestamp, TreeEntry};
use sea_orm::sea_query::{Expr, ExprTrait, OnConflict, Order, Query};
use sea_orm::{
    ActiveModelTrait, ActiveValue, ColumnTrait, ConnectionTrait, EntityTrait, FromQueryResult, Insert, QueryFilter,
    QueryOrder, QuerySelect,
};

use super::dialect;
use super::entity::choice::EntryKindColumn;
use super::entity::value::{OidColumn, Sha256Column};
use super::entity::{blob, entry_segment, listing, listing_segment, tree_entry};
use super::number::{count, from_bigint, to_bigint};
use crate::error::{Doing, StoreError};

/// Columns of a `tree_entry` row, for chunking bulk inserts.
const ENTRY_COLUMNS: usize = 9;

/// An entry with the blob that holds its bytes, if they are here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredEntry {
    /// What its origin declared.
    pub entry: TreeEntry,
    /// SHA-256 of the stored bytes.
    pub blob: Option<Sha256Digest>,
}

/// Counts of a listing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListingTotals {
    /// Files.
    pub files: u64,
    /// Bytes of all files.
    pub bytes: u64,
}

/// Writes a listing unless the repository has it; returns its database id.
pub async fn insert_listing(
    db: &impl ConnectionTrait,
    repo_id: i64,
    new: &Listing,
    at: Timestamp,
) -> Result<i64, StoreError> {
    if let Some(found) = listing_id(db, repo_id, new.digest).await? {
        return Ok(found);
    }
    let mut rows = Vec::with_capacity(new.segments.len());
    for (ordinal, segment) in new.segments.iter().enumerate() {
        let segment_id = insert_segment(db, repo_id, segment, at).await?;
        let first_path = segment.entries.first().map(|entry| entry.path.to_string()).unwrap_or_default();
        rows.push((i32::try_from(ordinal).unwrap_or(i32::MAX), first_path, segment_id));
    }
    let files = new.files().count();
    let bytes: u64 = new.files().map(|entry| entry.size).sum();
    let row = listing::ActiveModel {
        id: ActiveValue::NotSet,
        repo_id: ActiveValue::Set(repo_id),
        digest: ActiveValue::Set(new.digest.into()),
        entry_count: ActiveValue::Set(count(new.entries().count())),
        file_count: ActiveValue::Set(count(files)),
        total_bytes: ActiveValue::Set(to_bigint(bytes)?),
        created_at: ActiveValue::Set(at.into()),
    };
    let columns = [listing::Column::RepoId, listing::Column::Digest];
    let written =
        write_once(db, listing::Entity::insert(row), OnConflict::columns(columns), "writing a listing").await?;
    let inserted = listing_id(db, repo_id, new.digest)
        .await?
        .ok_or_else(|| StoreError::Corrupt { what: format!("the listing {}, which vanished", new.digest) })?;
    if !written {
        return Ok(inserted);
    }
    for chunk in rows.chunks(dialect::rows_per_statement(4)) {
        let rows = chunk.iter().map(|(ordinal, first_path, segment_id)| listing_segment::ActiveModel {
            listing_id: ActiveValue::Set(inserted),
            ordinal: ActiveValue::Set(*ordinal),
            first_path: ActiveValue::Set(first_path.clone()),
            segment_id: ActiveValue::Set(*segment_id),
        });
        listing_segment::Entity::insert_many(rows).exec_without_returning(db).await.doing("writing a listing")?;
    }
    Ok(inserted)
}

async fn listing_id(db: &impl ConnectionTrait, repo_id: i64, digest: Sha256Digest) -> Result<Option<i64>, StoreError> {
    let found = listing::Entity::find()
        .filter(listing::Column::RepoId.eq(repo_id))
        .filter(listing::Column::Digest.eq(Sha256Column::from(digest)))
        .one(db)
        .await
        .doing("looking up a listing")?;
    Ok(found.map(|row| row.id))
}

/// Writes a segment unless the repository has it; returns its database id.
async fn insert_segment(
    db: &impl ConnectionTrait,
    repo_id: i64,
    segment: &Segment,
    at: Timestamp,
) -> Result<i64, StoreError> {
    if let Some(found) = segment_id(db, repo_id, segment.digest).await? {
        return Ok(found);
    }
    let row = entry_segment::ActiveModel {
        id: ActiveValue::NotSet,
        repo_id: ActiveValue::Set(repo_id),
        digest: ActiveValue::Set(segment.digest.into()),
        entry_count: ActiveValue::Set(i32::try_from(segment.entries.len()).unwrap_or(i32::MAX)),
        created_at: ActiveValue::Set(at.into()),
    };
    let columns = [entry_segment::Column::RepoId, entry_segment::Column::Digest];
    let insert = entry_segment::Entity::insert(row);
    let written = write_once(db, insert, OnConflict::columns(columns), "writing a segment").await?;
    let id = segment_id(db, repo_id, segment.digest)
        .await?
        .ok_or_else(|| StoreError::Corrupt { what: format!("the segment {}, which vanished", segment.digest) })?;
    if !written {
        return Ok(id);
    }
    for chunk in segment.entries.chunks(dialect::rows_per_statement(ENTRY_COLUMNS)) {
        let rows = chunk.iter().map(|entry| entry_row(id, entry)).collect::<Result<Vec<_>, _>>()?;
        tree_entry::Entity::insert_many(rows).exec_without_returning(db).await.doing("writing entries")?;
    }
    Ok(id)
}

async fn segment_id(db: &impl ConnectionTrait, repo_id: i64, digest: Sha256Digest) -> Result<Option<i64>, StoreError> {
    let found = entry_segment::Entity::find()
        .filter(entry_segment::Column::RepoId.eq(repo_id))
        .filter(entry_segment::Column::Digest.eq(Sha256Column::from(digest)))
        .one(db)
        .await
        .doing("looking up a segment")?;
    Ok(found.map(|row| row.id))
}

/// Inserts a row unless it is there; returns whether it was inserted. Waits for another transaction that is about to
/// insert the same: two workers may write one listing, if the lease of the first has run out.
async fn write_once<A: ActiveModelTrait>(
    db: &impl ConnectionTrait,
    insert: Insert<A>,
    mut conflict: OnConflict,
    doing: &'static str,
) -> Result<bool, StoreError> {
    let ignore = conflict.do_nothing().to_owned();
    Ok(insert.on_conflict(ignore).exec_without_returning(db).await.doing(doing)? > 0)
}

fn entry_row(segment_id: i64, entry: &TreeEntry) -> Result<tree_entry::ActiveModel, StoreError> {
    let pointer_size = entry.lfs.map(|lfs| to_bigint(lfs.pointer_size)).transpose()?;
    Ok(tree_entry::ActiveModel {
        segment_id: ActiveValue::Set(segment_id),
        path: ActiveValue::Set(entry.path.as_str().to_owned()),
        parent: ActiveValue::Set(entry.path.parent().to_owned()),
        kind: ActiveValue::Set(entry.kind.into()),
        size: ActiveValue::Set(to_bigint(entry.size)?),
        oid: ActiveValue::Set(entry.oid.into()),
        lfs_sha256: ActiveValue::Set(entry.lfs.map(|lfs| lfs.sha256.into())),
        lfs_pointer_size: ActiveValue::Set(pointer_size),
        blob_id: ActiveValue::Set(None),
    })
}

/// An entry row beside its blob's digest.
#[derive(Debug, FromQueryResult)]
struct EntryRow {
    path: String,
    kind: EntryKindColumn,
    size: i64,
    oid: OidColumn,
    lfs_sha256: Option<Sha256Column>,
    lfs_pointer_size: Option<i64>,
    blob_sha256: Option<Sha256Column>,
}

impl TryFrom<EntryRow> for StoredEntry {
    type Error = StoreError;

    fn try_from(row: EntryRow) -> Result<Self, StoreError> {
        let path: RepoPath = row
            .path
            .parse()
            .map_err(|_| StoreError::Corrupt { what: format!("the path of an entry, `{}`", row.path) })?;
        let lfs = match (row.lfs_sha256, row.lfs_pointer_size) {
            (Some(sha256), size) => {
                let pointer_size = from_bigint(size.unwrap_or(0))?;
                Some(LfsIdentity { sha256: sha256.into(), pointer_size })
            }
            (None, _) => None,
        };
        let size = from_bigint(row.size)?;
        let entry = TreeEntry { path, kind: EntryKind::from(row.kind), size, oid: row.oid.into(), lfs };
        Ok(StoredEntry { entry, blob: row.blob_sha256.map(Into::into) })
    }
}

/// Entries joined with their blobs.
fn entries() -> sea_orm::Select<tree_entry::Entity> {
    tree_entry::Entity::find().left_join(blob::Entity).column_as(blob::Column::Sha256, "blob_sha256")
}

async fn rows(
    db: &impl ConnectionTrait,
    select: sea_orm::Select<tree_entry::Entity>,
) -> Result<Vec<StoredEntry>, StoreError> {
    let rows = select.into_model::<EntryRow>().all(db).await.doing("reading entries")?;
    rows.into_iter().map(StoredEntry::try_from).collect()
}

/// Subquery: the one segment of a listing that could hold `path`; a single index probe.
fn segment_of(listing_id: i64, path: &str) -> sea_orm::sea_query::SelectStatement {
    Query::select()
        .column(listing_segment::Column::SegmentId)
        .from(listing_segment::Entity)
        .and_where(Expr::col(listing_segment::Column::ListingId).eq(listing_id))
        .and_where(Expr::col(listing_segment::Column::FirstPath).lte(path))
        .order_by(listing_segment::Column::FirstPath, Order::Desc)
        .limit(1)
        .to_owned()
}

/// The entry at a path of a listing.
pub async fn entry_at(
    db: &impl ConnectionTrait,
    listing_id: i64,
    path: &RepoPath,
) -> Result<Option<StoredEntry>, StoreError> {
    let select = entries()
        .filter(
            Expr::col((tree_entry::Entity, tree_entry::Column::SegmentId))
                .in_subquery(segment_of(listing_id, path.as_str())),
        )
        .filter(tree_entry::Column::Path.eq(path.as_str()));
    Ok(rows(db, select).await?.into_iter().next())
}

/// A segment of a listing, by position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentRef {
    /// Position in the listing.
    pub ordinal: i32,
    /// First path in it.
    pub first_path: String,
    /// Database id.
    pub segment_id: i64,
}

/// The segments of a listing, in path order.
pub async fn segments(db: &impl ConnectionTrait, listing_id: i64) -> Result<Vec<SegmentRef>, StoreError> {
    let rows = listing_segment::Entity::find()
        .filter(listing_segment::Column::ListingId.eq(listing_id))
        .order_by_asc(listing_segment::Column::Ordinal)
        .all(db)
        .await
        .doing("reading a listing")?;
    Ok(rows
        .into_iter()
        .map(|row| SegmentRef { ordinal: row.ordinal, first_path: row.first_path, segment_id: row.segment_id })
        .collect())
}

/// Which entries of a segment a page wants.
#[derive(Clone, Copy, Debug)]
pub enum Within<'a> {
    /// All.
    Everything,
    /// Everything below a folder.
    Below(&'a str),
    /// What stands directly in a folder (empty: the root).
    Directly(&'a str),
}

/// Entries of one segment in path order.
pub async fn segment_entries(
    db: &impl ConnectionTrait,
    segment_id: i64,
    within: Within<'_>,
) -> Result<Vec<StoredEntry>, StoreError> {
    let mut select = entries().filter(tree_entry::Column::SegmentId.eq(segment_id));
    match within {
        Within::Everything => {}
        Within::Directly(folder) => select = select.filter(tree_entry::Column::Parent.eq(folder)),
        Within::Below(folder) => {
            // `0` follows `/` in byte order, so this is the range of all paths that begin with the folder and a slash.
            select = select
                .filter(tree_entry::Column::Path.gt(format!("{folder}/")))
                .filter(tree_entry::Column::Path.lt(format!("{folder}0")));
        }
    }
    rows(db, select.order_by_asc(tree_entry::Column::Path)).await
}

/// Those of some paths that a segment has, in path order.
pub async fn segment_entries_at(
    db: &impl ConnectionTrait,
    segment_id: i64,
    paths: &[&str],
) -> Result<Vec<StoredEntry>, StoreError> {
    let mut found = Vec::new();
    for chunk in paths.chunks(dialect::rows_per_statement(1)) {
        let select = entries()
            .filter(tree_entry::Column::SegmentId.eq(segment_id))
            .filter(tree_entry::Column::Path.is_in(chunk.iter().copied()))
            .order_by_asc(tree_entry::Column::Path);
        found.extend(rows(db, select).await?);
    }
    Ok(found)
}

/// Digest of a listing.
pub async fn digest(db: &impl ConnectionTrait, listing_id: i64) -> Result<Sha256Digest, StoreError> {
    let row = listing::Entity::find_by_id(listing_id).one(db).await.doing("reading a listing")?;
    row.map(|row| row.digest.into())
        .ok_or_else(|| StoreError::Corrupt { what: format!("the listing {listing_id}, which is gone") })
}

/// Counts of a listing.
pub async fn totals(db: &impl ConnectionTrait, listing_id: i64) -> Result<ListingTotals, StoreError> {
    let row = listing::Entity::find_by_id(listing_id)
        .one(db)
        .await
        .doing("reading a listing")?
        .ok_or_else(|| StoreError::Corrupt { what: format!("the listing {listing_id}, which is gone") })?;
    Ok(ListingTotals { files: from_bigint(row.file_count)?, bytes: from_bigint(row.total_bytes)? })
}
