//! Table `job_log`: what people are told of a job, line by line.

use sea_orm::{
    ActiveModelBehavior, DeriveActiveEnum, DeriveEntityModel, DerivePrimaryKey, DeriveRelation, EntityTrait, EnumIter,
    PrimaryKeyTrait,
};
use uuid::Uuid;

use crate::db::entity::value::Ts;

/// One line; never changed.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "job_log")]
pub struct Model {
    /// The job.
    #[sea_orm(primary_key, auto_increment = false)]
    pub job_id: Uuid,
    /// Number of the line within its job, from 1 on without gaps.
    #[sea_orm(primary_key, auto_increment = false)]
    pub seq: i32,
    /// When it happened.
    pub at: Ts,
    /// How much it matters.
    pub level: Level,
    /// What happened; one line.
    pub text: String,
}

/// How much a line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum Level {
    /// How it goes.
    #[sea_orm(string_value = "info")]
    Info,
    /// Something is in its way for now, or somebody stopped it.
    #[sea_orm(string_value = "warn")]
    Warn,
    /// It did not work.
    #[sea_orm(string_value = "error")]
    Error,
}

impl Level {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Level::Info => "info",
            Level::Warn => "warn",
            Level::Error => "error",
        }
    }
}

/// None are declared: queries name their joins.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
