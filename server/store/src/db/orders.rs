//! Standing orders, and the roles they give.

use std::collections::{HashMap, HashSet};

use acervo_core::{Order, Timestamp};
use sea_orm::sea_query::{Expr, ExprTrait, OnConflict};
use sea_orm::{ActiveValue, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, Select};

use super::entity::access_grant::{self, Scope};
use super::entity::choice::RoleColumn;
use super::entity::mirror::ManagedBy;
use super::entity::mirror_order;
use crate::error::{Doing, StoreError};

/// A standing order, as stored.
#[derive(Clone, Debug, PartialEq)]
pub struct Stored {
    /// Database id.
    pub id: i64,
    /// Who may change it.
    pub managed_by: ManagedBy,
    /// What it asks for.
    pub order: Order,
    /// When upstreams are asked next what its patterns find.
    pub next_run_at: Option<Timestamp>,
}

/// Every order, by name.
pub async fn all(db: &impl ConnectionTrait) -> Result<Vec<Stored>, StoreError> {
    read(db, mirror_order::Entity::find()).await
}

/// Orders whose patterns are to be looked up by now, by name.
pub async fn due(db: &impl ConnectionTrait, now: Timestamp) -> Result<Vec<Stored>, StoreError> {
    let by_now = Expr::col(mirror_order::Column::NextRunAt).lte(now.as_millis());
    read(db, mirror_order::Entity::find().filter(by_now)).await
}

async fn read(db: &impl ConnectionTrait, select: Select<mirror_order::Entity>) -> Result<Vec<Stored>, StoreError> {
    let rows = select.order_by_asc(mirror_order::Column::Name).all(db).await.doing("reading standing orders")?;
    rows.into_iter()
        .map(|row| {
            let order = serde_json::from_value(row.spec)
                .map_err(|error| StoreError::Corrupt { what: format!("the standing order `{}`: {error}", row.name) })?;
            let next_run_at = row.next_run_at.map(Into::into);
            Ok(Stored { id: row.id, managed_by: row.managed_by, order, next_run_at })
        })
        .collect()
}

/// What the orders of the mirrors file ask for, by name.
pub async fn of_file(db: &impl ConnectionTrait) -> Result<Vec<Order>, StoreError> {
    let stored = all(db).await?;
    Ok(stored.into_iter().filter(|stored| stored.managed_by == ManagedBy::File).map(|stored| stored.order).collect())
}

/// Writes an order under its name, whether it is new or not; returns its database id.
pub async fn put(
    db: &impl ConnectionTrait,
    order: &Order,
    managed_by: ManagedBy,
    next_run_at: Option<Timestamp>,
    created_by: Option<i64>,
    at: Timestamp,
) -> Result<i64, StoreError> {
    let spec = serde_json::to_value(order)
        .map_err(|error| StoreError::Corrupt { what: format!("the standing order `{}`: {error}", order.name) })?;
    let row = mirror_order::ActiveModel {
        id: ActiveValue::NotSet,
        name: ActiveValue::Set(order.name.clone()),
        managed_by: ActiveValue::Set(managed_by),
        spec: ActiveValue::Set(spec),
        created_at: ActiveValue::Set(at.into()),
        updated_at: ActiveValue::Set(at.into()),
        created_by: ActiveValue::Set(created_by),
        next_run_at: ActiveValue::Set(next_run_at.map(Into::into)),
    };
    let conflict = OnConflict::column(mirror_order::Column::Name)
        .update_columns([mirror_order::Column::Spec, mirror_order::Column::UpdatedAt, mirror_order::Column::NextRunAt])
        .to_owned();
    mirror_order::Entity::insert(row)
        .on_conflict(conflict)
        .exec_without_returning(db)
        .await
        .doing("writing a standing order")?;
    let row = mirror_order::Entity::find()
        .filter(mirror_order::Column::Name.eq(&order.name))
        .one(db)
        .await
        .doing("writing a standing order")?;
    row.map(|row| row.id)
        .ok_or_else(|| StoreError::Corrupt { what: format!("the standing order `{}`, which vanished", order.name) })
}

/// Sets when an order is due next, if that is still what the caller has seen; returns whether it was.
pub async fn reschedule(
    db: &impl ConnectionTrait,
    id: i64,
    seen: Timestamp,
    next: Option<Timestamp>,
) -> Result<bool, StoreError> {
    let done = mirror_order::Entity::update_many()
        .col_expr(mirror_order::Column::NextRunAt, Expr::value(next.map(Timestamp::as_millis)))
        .filter(mirror_order::Column::Id.eq(id))
        .filter(Expr::col(mirror_order::Column::NextRunAt).eq(seen.as_millis()))
        .exec(db)
        .await
        .doing("scheduling a standing order")?;
    Ok(done.rows_affected == 1)
}

/// Removes an order.
pub async fn remove(db: &impl ConnectionTrait, id: i64) -> Result<(), StoreError> {
    mirror_order::Entity::delete_by_id(id).exec(db).await.doing("removing a standing order")?;
    Ok(())
}

/// Principals whom orders have made readers, by repository.
pub async fn readers(db: &impl ConnectionTrait) -> Result<HashMap<i64, HashSet<i64>>, StoreError> {
    let rows = access_grant::Entity::find()
        .filter(access_grant::Column::OrderId.is_not_null())
        .all(db)
        .await
        .doing("reading who reads mirrors")?;
    let mut readers: HashMap<i64, HashSet<i64>> = HashMap::new();
    for row in rows {
        if let Some(repo_id) = row.repo_id {
            readers.entry(repo_id).or_default().insert(row.principal_id);
        }
    }
    Ok(readers)
}

/// Makes exactly these principals readers of a repository by an order; roles that others gave stay.
pub async fn set_readers(
    db: &impl ConnectionTrait,
    repo_id: i64,
    order_id: i64,
    principals: &[i64],
    at: Timestamp,
) -> Result<(), StoreError> {
    clear_readers(db, repo_id).await?;
    for principal_id in principals {
        let row = access_grant::ActiveModel {
            id: ActiveValue::NotSet,
            principal_id: ActiveValue::Set(*principal_id),
            scope: ActiveValue::Set(Scope::Repo),
            namespace_id: ActiveValue::Set(None),
            repo_id: ActiveValue::Set(Some(repo_id)),
            role: ActiveValue::Set(RoleColumn::Reader),
            created_at: ActiveValue::Set(at.into()),
            created_by: ActiveValue::Set(None),
            order_id: ActiveValue::Set(Some(order_id)),
        };
        let ignore = OnConflict::new().do_nothing().to_owned();
        access_grant::Entity::insert(row)
            .on_conflict(ignore)
            .exec_without_returning(db)
            .await
            .doing("giving a role")?;
    }
    Ok(())
}

/// Takes back the roles that orders gave on a repository.
pub async fn clear_readers(db: &impl ConnectionTrait, repo_id: i64) -> Result<(), StoreError> {
    access_grant::Entity::delete_many()
        .filter(access_grant::Column::RepoId.eq(repo_id))
        .filter(access_grant::Column::OrderId.is_not_null())
        .exec(db)
        .await
        .doing("taking back roles")?;
    Ok(())
}
