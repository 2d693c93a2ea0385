//! Table `webhook`: how far each webhook has taken over the events.

use sea_orm::{
    ActiveModelBehavior, DeriveEntityModel, DerivePrimaryKey, DeriveRelation, EntityTrait, EnumIter, PrimaryKeyTrait,
};

use crate::db::entity::value::Ts;

/// A webhook that some worker has seen in its configuration.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "webhook")]
pub struct Model {
    /// Its name there.
    #[sea_orm(primary_key, auto_increment = false)]
    pub name: String,
    /// Number of the last event that was looked at for it.
    pub taken_seq: i64,
    /// When it was first seen.
    pub created_at: Ts,
}

/// None are declared: queries name their joins.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
