//! Table `entry_segment`: runs of entries that listings share.

use sea_orm::{
    ActiveModelBehavior, DeriveEntityModel, DerivePrimaryKey, DeriveRelation, EntityTrait, EnumIter, PrimaryKeyTrait,
};

use crate::db::entity::value::{Sha256Column, Ts};

/// A run of entries in path order, kept once per repository.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "entry_segment")]
pub struct Model {
    /// Key; never leaves the database.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// Repository whose listings may use it.
    pub repo_id: i64,
    /// SHA-256 of its canonical form; unique within the repository.
    pub digest: Sha256Column,
    /// Number of entries in it.
    pub entry_count: i32,
    /// When it was first written.
    pub created_at: Ts,
}

/// None are declared: queries name their joins.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
