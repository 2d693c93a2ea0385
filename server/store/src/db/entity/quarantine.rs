//! Table `quarantine`: bytes that were refused.

use sea_orm::{
    ActiveModelBehavior, DeriveEntityModel, DerivePrimaryKey, DeriveRelation, EntityTrait, EnumIter, PrimaryKeyTrait,
};
use uuid::Uuid;

use crate::db::entity::value::{OidColumn, Sha256Column, Ts};

/// Bytes that did not match what was declared of them; never served.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "quarantine")]
pub struct Model {
    /// Key; never leaves the database.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// Repository they arrived for, if it still exists.
    pub repo_id: Option<i64>,
    /// Base URL of the hub that gave them.
    pub endpoint: String,
    /// Path they were asked for under.
    pub path: String,
    /// Git blob id that was declared.
    pub declared_oid: Option<OidColumn>,
    /// SHA-256 that was declared.
    pub declared_sha256: Option<Sha256Column>,
    /// Number of bytes that was declared.
    pub declared_size: i64,
    /// SHA-256 of what arrived, if all of it was read.
    pub actual_sha256: Option<Sha256Column>,
    /// Number of bytes that arrived.
    pub actual_size: i64,
    /// What was wrong, for administrators.
    pub reason: String,
    /// When it was found out.
    pub at: Ts,
    /// Job that fetched them; the job's row may be gone.
    pub job_id: Option<Uuid>,
}

/// None are declared: queries name their joins.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
