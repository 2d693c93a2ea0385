//! Uploads to an object store that are under way: who works on them, and which parts have arrived.
//!
//! Every change by a holder names the fence it was given: one that was overtaken changes nothing and is told so.

use acervo_core::{HashState, Sha256Digest, Timestamp};
use sea_orm::sea_query::{Expr, ExprTrait, OnConflict};
use sea_orm::{
    ActiveValue, ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Statement,
};
use uuid::Uuid;

use super::dialect;
use super::entity::value::{Sha256Column, Ts};
use super::entity::{multipart_part, multipart_upload};
use super::number::{from_bigint, to_bigint};
use crate::error::{Doing, StoreError};

/// An upload under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upload {
    /// Database id.
    pub id: i64,
    /// Declared SHA-256 of the content.
    pub sha256: Sha256Digest,
    /// Declared size.
    pub size: u64,
    /// Bytes of each part but the last.
    pub part_bytes: u64,
    /// What the object store calls it.
    pub upload_id: String,
    /// The fence under which it may be changed.
    pub fence: i64,
}

/// A part that has arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Position, from 0.
    pub number: u32,
    /// What the object store calls it.
    pub part_id: String,
    /// State of the SHA-256 after it.
    pub state: HashState,
}

/// What the database takes for now: one clock for all processes that share uploads.
pub async fn now(db: &impl ConnectionTrait) -> Result<Timestamp, StoreError> {
    let backend = db.get_database_backend();
    let question = Statement::from_string(backend, format!("SELECT {} AS now", dialect::now_sql(backend)));
    let row = db.query_one_raw(question).await.doing("asking the time")?;
    let row = row.ok_or_else(|| StoreError::Corrupt { what: "the time".to_owned() })?;
    Ok(Timestamp::from_millis(row.try_get_by::<i64, _>("now").doing("asking the time")?))
}

/// Records an upload that the object store has begun.
pub async fn insert(
    db: &impl ConnectionTrait,
    sha256: Sha256Digest,
    size: u64,
    part_bytes: u64,
    upload_id: &str,
    holder: Uuid,
    at: Timestamp,
) -> Result<Upload, StoreError> {
    let row = multipart_upload::ActiveModel {
        id: ActiveValue::NotSet,
        sha256: ActiveValue::Set(sha256.into()),
        size: ActiveValue::Set(to_bigint(size)?),
        part_bytes: ActiveValue::Set(to_bigint(part_bytes)?),
        upload_id: ActiveValue::Set(upload_id.to_owned()),
        holder: ActiveValue::Set(Some(holder)),
        fence: ActiveValue::Set(1),
        created_at: ActiveValue::Set(at.into()),
        touched_at: ActiveValue::Set(at.into()),
        aborted_at: ActiveValue::Set(None),
    };
    let row = multipart_upload::Entity::insert(row).exec_with_returning(db).await.doing("recording an upload")?;
    upload(row)
}

/// Uploads of a content that nobody works on: parked, silent since `silent_since`, or of `holder` itself.
pub async fn idle(
    db: &impl ConnectionTrait,
    sha256: Sha256Digest,
    size: u64,
    holder: Uuid,
    silent_since: Timestamp,
) -> Result<Vec<Upload>, StoreError> {
    let rows = multipart_upload::Entity::find()
        .filter(multipart_upload::Column::Sha256.eq(Sha256Column::from(sha256)))
        .filter(multipart_upload::Column::Size.eq(to_bigint(size)?))
        .filter(multipart_upload::Column::AbortedAt.is_null())
        .filter(nobodys(holder, silent_since))
        .order_by_desc(multipart_upload::Column::TouchedAt)
        .all(db)
        .await
        .doing("looking for uploads to go on with")?;
    rows.into_iter().map(upload).collect()
}

/// Makes `holder` the one who works on an upload; `None` if somebody else was faster.
pub async fn take_over(
    db: &impl ConnectionTrait,
    found: &Upload,
    holder: Uuid,
    at: Timestamp,
) -> Result<Option<Upload>, StoreError> {
    let taken = multipart_upload::Entity::update_many()
        .col_expr(multipart_upload::Column::Holder, Expr::value(holder))
        .col_expr(multipart_upload::Column::Fence, Expr::col(multipart_upload::Column::Fence).add(1))
        .col_expr(multipart_upload::Column::TouchedAt, Expr::value(Ts::from(at)))
        .filter(multipart_upload::Column::Id.eq(found.id))
        .filter(multipart_upload::Column::Fence.eq(found.fence))
        .filter(multipart_upload::Column::AbortedAt.is_null())
        .exec(db)
        .await
        .doing("taking over an upload")?;
    Ok((taken.rows_affected == 1).then(|| Upload { fence: found.fence + 1, ..found.clone() }))
}

/// The parts of an upload that have arrived, in order.
pub async fn parts(db: &impl ConnectionTrait, id: i64) -> Result<Vec<Part>, StoreError> {
    let rows = multipart_part::Entity::find()
        .filter(multipart_part::Column::UploadId.eq(id))
        .order_by_asc(multipart_part::Column::Number)
        .all(db)
        .await
        .doing("reading the parts of an upload")?;
    let part = |row: multipart_part::Model| {
        let number = u32::try_from(row.number)
            .map_err(|_| StoreError::Corrupt { what: format!("part {} of an upload", row.number) })?;
        Ok(Part { number, part_id: row.part_id, state: HashState::from_bytes(&row.state) })
    };
    rows.into_iter().map(part).collect()
}

/// Says that the holder is alive; `false` if it is the holder no longer.
pub async fn touch(db: &impl ConnectionTrait, upload: &Upload, at: Timestamp) -> Result<bool, StoreError> {
    let touched = held(upload)
        .col_expr(multipart_upload::Column::TouchedAt, Expr::value(Ts::from(at)))
        .exec(db)
        .await
        .doing("keeping an upload")?;
    Ok(touched.rows_affected == 1)
}

/// Records a part that has arrived; to be called in the transaction that has touched the upload.
pub async fn record_part(db: &impl ConnectionTrait, upload: &Upload, part: &Part) -> Result<(), StoreError> {
    let row = multipart_part::ActiveModel {
        upload_id: ActiveValue::Set(upload.id),
        number: ActiveValue::Set(
            i32::try_from(part.number)
                .map_err(|_| StoreError::Corrupt { what: format!("part {} of an upload", part.number) })?,
        ),
        part_id: ActiveValue::Set(part.part_id.clone()),
        state: ActiveValue::Set(part.state.as_bytes().to_owned()),
    };
    let conflict = OnConflict::columns([multipart_part::Column::UploadId, multipart_part::Column::Number])
        .update_columns([multipart_part::Column::PartId, multipart_part::Column::State])
        .to_owned();
    multipart_part::Entity::insert(row)
        .on_conflict(conflict)
        .exec_without_returning(db)
        .await
        .doing("recording a part")?;
    Ok(())
}

/// Leaves an upload for whoever goes on with it.
pub async fn park(db: &impl ConnectionTrait, upload: &Upload, at: Timestamp) -> Result<(), StoreError> {
    held(upload)
        .col_expr(multipart_upload::Column::Holder, Expr::value(None::<Uuid>))
        .col_expr(multipart_upload::Column::TouchedAt, Expr::value(Ts::from(at)))
        .exec(db)
        .await
        .doing("parking an upload")?;
    Ok(())
}

/// Marks an upload as to be aborted; `false` if it is held by somebody else, or gone.
pub async fn give_up(db: &impl ConnectionTrait, upload: &Upload, at: Timestamp) -> Result<bool, StoreError> {
    let marked = held(upload)
        .col_expr(multipart_upload::Column::AbortedAt, Expr::value(Ts::from(at)))
        .exec(db)
        .await
        .doing("giving up an upload")?;
    Ok(marked.rows_affected == 1)
}

/// Forgets an upload that is complete or aborted; `false` if it is held by somebody else, or gone.
pub async fn remove(db: &impl ConnectionTrait, upload: &Upload) -> Result<bool, StoreError> {
    let removed = multipart_upload::Entity::delete_many()
        .filter(multipart_upload::Column::Id.eq(upload.id))
        .filter(multipart_upload::Column::Fence.eq(upload.fence))
        .exec(db)
        .await
        .doing("forgetting an upload")?;
    Ok(removed.rows_affected == 1)
}

/// Uploads that are to be aborted, and those that nobody has touched since `before` nor works on: parked, silent since
/// `silent_since`, or of `holder` itself.
pub async fn stale(
    db: &impl ConnectionTrait,
    before: Timestamp,
    holder: Uuid,
    silent_since: Timestamp,
    most: u64,
) -> Result<Vec<Upload>, StoreError> {
    let old = Condition::all()
        .add(multipart_upload::Column::TouchedAt.lte(Ts::from(before)))
        .add(nobodys(holder, silent_since));
    let stale = Condition::any().add(multipart_upload::Column::AbortedAt.is_not_null()).add(old);
    let rows = multipart_upload::Entity::find()
        .filter(stale)
        .order_by_asc(multipart_upload::Column::Id)
        .limit(most)
        .all(db)
        .await
        .doing("looking for stale uploads")?;
    rows.into_iter().map(upload).collect()
}

/// Number of uploads under way.
pub async fn count(db: &impl ConnectionTrait) -> Result<u64, StoreError> {
    use sea_orm::PaginatorTrait;
    multipart_upload::Entity::find().count(db).await.doing("counting uploads")
}

/// What nobody works on, or only `holder`, who knows by itself.
fn nobodys(holder: Uuid, silent_since: Timestamp) -> Condition {
    Condition::any()
        .add(multipart_upload::Column::Holder.is_null())
        .add(multipart_upload::Column::Holder.eq(holder))
        .add(multipart_upload::Column::TouchedAt.lt(Ts::from(silent_since)))
}

fn held(upload: &Upload) -> sea_orm::UpdateMany<multipart_upload::Entity> {
    multipart_upload::Entity::update_many()
        .filter(multipart_upload::Column::Id.eq(upload.id))
        .filter(multipart_upload::Column::Fence.eq(upload.fence))
}

fn upload(row: multipart_upload::Model) -> Result<Upload, StoreError> {
    Ok(Upload {
        id: row.id,
        sha256: row.sha256.into(),
        size: from_bigint(row.size)?,
        part_bytes: from_bigint(row.part_bytes)?,
        upload_id: row.upload_id,
        fence: row.fence,
    })
}
