//! Table `worker`: processes that work jobs.

use sea_orm::{
    ActiveModelBehavior, DeriveEntityModel, DerivePrimaryKey, DeriveRelation, EntityTrait, EnumIter, PrimaryKeyTrait,
};
use uuid::Uuid;

use crate::db::entity::value::Ts;

/// A worker process that was alive at its last heartbeat.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "worker")]
pub struct Model {
    /// Chosen at start-up.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// Name of the host it runs on.
    pub host: String,
    /// Its process id there.
    pub pid: i32,
    /// When it started.
    pub started_at: Ts,
    /// When it was last alive.
    pub heartbeat_at: Ts,
}

/// None are declared: queries name their joins.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
