//! Table `collection_item`: what is in a collection.

use sea_orm::{
    ActiveModelBehavior, DeriveEntityModel, DerivePrimaryKey, DeriveRelation, EntityTrait, EnumIter, PrimaryKeyTrait,
};

use crate::db::entity::value::Ts;

/// A repository in a collection; once at most.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "collection_item")]
pub struct Model {
    /// Key; never leaves the database.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// Random id of 24 hex digits that clients see.
    pub public_id: String,
    /// The collection.
    pub collection_id: i64,
    /// The repository.
    pub repo_id: i64,
    /// Place in the collection, ascending, with gaps where something was taken out.
    pub position: i64,
    /// What somebody says of it.
    pub note: Option<String>,
    /// Who put it there; absent if the system did.
    pub added_by: Option<i64>,
    /// When it was put there.
    pub added_at: Ts,
}

/// None are declared: queries name their joins.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
