//! Table `terms`: texts that people accept, each kept once.

use sea_orm::{
    ActiveModelBehavior, DeriveEntityModel, DerivePrimaryKey, DeriveRelation, EntityTrait, EnumIter, PrimaryKeyTrait,
};

use crate::db::entity::value::{Sha256Column, Ts};

/// A text; rows are never changed or deleted, since somebody may have accepted it.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "terms")]
pub struct Model {
    /// SHA-256 of the text in UTF-8.
    #[sea_orm(primary_key, auto_increment = false)]
    pub sha256: Sha256Column,
    /// The text, exactly as it was given.
    pub body: String,
    /// When it was first seen.
    pub created_at: Ts,
}

/// None are declared: queries name their joins.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
