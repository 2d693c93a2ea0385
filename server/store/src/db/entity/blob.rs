//! Table `blob`: stored bytes.

use sea_orm::{
    ActiveModelBehavior, DeriveEntityModel, DerivePrimaryKey, DeriveRelation, EntityTrait, EnumIter, PrimaryKeyTrait,
};

use crate::db::entity::value::{Sha256Column, Ts};

/// Verified bytes in the blob store, once per content.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "blob")]
pub struct Model {
    /// Key; never leaves the database.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// SHA-256 of the bytes, which also names the object; unique.
    pub sha256: Sha256Column,
    /// Number of bytes.
    pub size: i64,
    /// When the bytes were stored.
    pub created_at: Ts,
    /// When their digest was last found right.
    pub verified_at: Ts,
    /// Since when they are withheld, because a later check failed.
    pub quarantined_at: Option<Ts>,
}

/// None are declared: queries name their joins.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
