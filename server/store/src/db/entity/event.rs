//! Table `event`: what happened, for the log.

use sea_orm::{
    ActiveModelBehavior, DeriveEntityModel, DerivePrimaryKey, DeriveRelation, EntityTrait, EnumIter, PrimaryKeyTrait,
};

use crate::db::entity::value::Ts;

/// One change, written in the transaction that made it; append-only.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "event")]
pub struct Model {
    /// Key; never leaves the database.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// Place in the gap-free order; given afterwards by the sequencer.
    pub seq: Option<i64>,
    /// When it happened.
    pub at: Ts,
    /// Which sort of change, such as `commit.published`.
    pub kind: String,
    /// Principal who caused it; absent if nobody was signed in.
    pub actor_id: Option<i64>,
    /// Repository it concerns, if that still exists.
    pub repo_id: Option<i64>,
    /// What was changed, in words that survive its row.
    pub subject: String,
    /// The event's JSON, exactly as it is hashed and exported.
    pub body: Vec<u8>,
}

/// None are declared: queries name their joins.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
