//! Table `decision`: verdicts on commits.

use sea_orm::{
    ActiveModelBehavior, DeriveActiveEnum, DeriveEntityModel, DerivePrimaryKey, DeriveRelation, EntityTrait, EnumIter,
    PrimaryKeyTrait,
};

use crate::db::entity::value::{Sha256Column, Ts};

/// One verdict on a commit; append-only, the latest counts.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "decision")]
pub struct Model {
    /// Key; never leaves the database.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// The commit.
    pub commit_id: i64,
    /// The verdict.
    pub outcome: Outcome,
    /// Principal who decided; absent if the policy alone did.
    pub decided_by: Option<i64>,
    /// SHA-256 of the policy it was decided under.
    pub policy_digest: Option<Sha256Column>,
    /// Why, in words the caller may read.
    pub reason: String,
    /// From when a waiver counts no longer.
    pub expires_at: Option<Ts>,
    /// When it was decided.
    pub at: Ts,
}

/// A verdict on a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum Outcome {
    /// May be served.
    #[sea_orm(string_value = "approved")]
    Approved,
    /// Withheld until somebody has looked.
    #[sea_orm(string_value = "quarantined")]
    Quarantined,
    /// Refused.
    #[sea_orm(string_value = "rejected")]
    Rejected,
    /// Served although a rule speaks against it.
    #[sea_orm(string_value = "waived")]
    Waived,
    /// Served once; refused now.
    #[sea_orm(string_value = "recalled")]
    Recalled,
}

/// None are declared: queries name their joins.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
