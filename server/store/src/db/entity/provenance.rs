//! Table `provenance`: where stored bytes came from.

use sea_orm::{
    ActiveModelBehavior, DeriveActiveEnum, DeriveEntityModel, DerivePrimaryKey, DeriveRelation, EntityTrait, EnumIter,
    PrimaryKeyTrait,
};
use uuid::Uuid;

use crate::db::entity::value::{OidColumn, Ts};

/// One arrival of a blob's bytes.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "provenance")]
pub struct Model {
    /// Key; never leaves the database.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// The bytes.
    pub blob_id: i64,
    /// Repository they arrived for.
    pub repo_id: i64,
    /// Base URL of the hub that gave them, or declared what they were found to match.
    pub endpoint: String,
    /// Name of the repository there.
    pub upstream_name: String,
    /// Commit they were asked for under.
    pub commit_oid: OidColumn,
    /// Path they were asked for under.
    pub path: String,
    /// Declared digest that they were found to match.
    pub verified_by: VerifiedBy,
    /// Job that fetched or found them; the job's row may be gone.
    pub job_id: Option<Uuid>,
    /// When they had arrived whole, or were found to be.
    pub received_at: Ts,
    /// How they came.
    pub way: Way,
}

/// Declared digest that arriving bytes were checked against.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum VerifiedBy {
    /// The SHA-256 that upstream declares for LFS files.
    #[sea_orm(string_value = "sha256")]
    Sha256,
    /// The git blob id that upstream declares for regular files.
    #[sea_orm(string_value = "git_oid")]
    GitOid,
}

/// How bytes came to be held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum Way {
    /// They were fetched.
    #[sea_orm(string_value = "fetched")]
    Fetched,
    /// They were in the store without a row, left by an attempt that died, and were read and hashed there.
    #[sea_orm(string_value = "found")]
    Found,
    /// They were on a disk of the operator's and were put through staging like any others.
    #[sea_orm(string_value = "seeded")]
    Seeded,
}

/// None are declared: queries name their joins.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
