//! The generation counter: tells every process on this database that caches of refs, tokens, grants or decisions are
//! stale.

use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{ConnectionTrait, EntityTrait, QuerySelect};

use super::entity::generation;
use crate::error::{Doing, StoreError};

/// The current generation.
pub async fn current(db: &impl ConnectionTrait) -> Result<i64, StoreError> {
    let row = generation::Entity::find().one(db).await.doing("reading the generation")?;
    row.map(|row| row.value)
        .ok_or_else(|| StoreError::Corrupt { what: "the generation counter, which is gone".to_owned() })
}

/// Waits for other transactions that hold this lock or have started a generation, and keeps them waiting until this one
/// ends: for changes that decide by what is not there yet, such as a name that is free. Belongs at their beginning.
pub async fn lock(db: &impl ConnectionTrait) -> Result<(), StoreError> {
    generation::Entity::find().lock_exclusive().one(db).await.doing("waiting for other changes")?;
    Ok(())
}

/// Starts a new generation; belongs into the transaction of the change.
pub async fn bump(db: &impl ConnectionTrait) -> Result<(), StoreError> {
    generation::Entity::update_many()
        .col_expr(generation::Column::Value, Expr::col(generation::Column::Value).add(1))
        .exec(db)
        .await
        .doing("starting a new generation")?;
    Ok(())
}
