//! Table `terms_consent`: who accepted which terms of which repository, and when.

use sea_orm::{
    ActiveModelBehavior, DeriveEntityModel, DerivePrimaryKey, DeriveRelation, EntityTrait, EnumIter, PrimaryKeyTrait,
};

use crate::db::entity::value::{Sha256Column, Ts};

/// One consent; rows are never changed or deleted.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "terms_consent")]
pub struct Model {
    /// Who accepted.
    #[sea_orm(primary_key, auto_increment = false)]
    pub principal_id: i64,
    /// The repository that had these terms.
    #[sea_orm(primary_key, auto_increment = false)]
    pub repo_id: i64,
    /// SHA-256 of the text.
    #[sea_orm(primary_key, auto_increment = false)]
    pub terms: Sha256Column,
    /// When it was accepted first.
    pub accepted_at: Ts,
}

/// None are declared: queries name their joins.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
