//! Table `upstream_budget`: what all processes together may still ask of an upstream.

use sea_orm::{
    ActiveModelBehavior, DeriveEntityModel, DerivePrimaryKey, DeriveRelation, EntityTrait, EnumIter, PrimaryKeyTrait,
};

/// Requests of one window, and pauses that the upstream asked for.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "upstream_budget")]
pub struct Model {
    /// Base URL of the hub, and whose token is sent to it.
    #[sea_orm(primary_key, auto_increment = false)]
    pub source: String,
    /// When the window began that `taken` counts, in milliseconds.
    pub window_start: i64,
    /// Requests that processes have taken for themselves in it.
    pub taken: i64,
    /// No request before this time, in milliseconds.
    pub held_until: i64,
    /// No request that nobody waits for before this time, in milliseconds.
    pub background_held_until: i64,
}

/// None are declared: queries name their joins.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
