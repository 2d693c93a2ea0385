//! Table `listing`: whole listings.

use sea_orm::{
    ActiveModelBehavior, DeriveEntityModel, DerivePrimaryKey, DeriveRelation, EntityTrait, EnumIter, PrimaryKeyTrait,
};

use crate::db::entity::value::{Sha256Column, Ts};

/// An ordered list of segments, shared by the commits that have the same entries.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "listing")]
pub struct Model {
    /// Key; never leaves the database.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// Repository it belongs to.
    pub repo_id: i64,
    /// SHA-256 over the digests of its segments in order; unique within the repository.
    pub digest: Sha256Column,
    /// Number of entries, folders too.
    pub entry_count: i64,
    /// Number of files.
    pub file_count: i64,
    /// Sum of the sizes of its files.
    pub total_bytes: i64,
    /// When it was first written.
    pub created_at: Ts,
}

/// None are declared: queries name their joins.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
