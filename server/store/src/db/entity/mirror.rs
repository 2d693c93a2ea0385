//! Table `mirror`: standing orders to mirror.

use sea_orm::prelude::Json;
use sea_orm::{
    ActiveModelBehavior, DeriveActiveEnum, DeriveEntityModel, DerivePrimaryKey, DeriveRelation, EntityTrait, EnumIter,
    PrimaryKeyTrait, Related, RelationDef, RelationTrait,
};
use uuid::Uuid;

use crate::db::entity::repo;
use crate::db::entity::value::{Names, RulesColumn, Ts};

/// What to take from an upstream repository, and how often.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "mirror")]
pub struct Model {
    /// Key; never leaves the database.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// Repository that is filled; at most one mirror each.
    pub repo_id: i64,
    /// Base URL of the hub to take from.
    pub upstream_endpoint: String,
    /// Name of the repository there.
    pub upstream_name: String,
    /// Revisions to follow.
    pub revisions: Names,
    /// Patterns of which an entry must match one, if there are any.
    pub include: Names,
    /// Patterns of which an entry must match none.
    pub exclude: Names,
    /// Who may change this row.
    pub managed_by: ManagedBy,
    /// Whether the schedule is suspended.
    pub paused: bool,
    /// Cron expression, in the time zone of its rules; absent for mirrors synced only by hand.
    pub schedule: Option<String>,
    /// When it was made.
    pub created_at: Ts,
    /// When it was last changed.
    pub updated_at: Ts,
    /// Principal who made it.
    pub created_by: Option<i64>,
    /// Latest sync job; its row may be gone.
    pub last_job_id: Option<Uuid>,
    /// When a sync last succeeded.
    pub last_synced_at: Option<Ts>,
    /// Standing order it belongs to, if it belongs to one.
    pub order_id: Option<i64>,
    /// Rules that have no column of their own here.
    pub further_rules: RulesColumn,
    /// Larger goes first.
    pub priority: i32,
    /// When its schedule wants it next; absent for mirrors synced only by hand.
    pub next_run_at: Option<Ts>,
    /// What upstream said of the repository when it was last asked.
    pub seen: Option<Json>,
}

/// Who may change a mirror, or an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum ManagedBy {
    /// The mirrors file; `apply` adds, changes and removes it.
    #[sea_orm(string_value = "file")]
    File,
    /// The API and the command line.
    #[sea_orm(string_value = "api")]
    Api,
}

/// Joins that queries take by name.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {
    /// Repository that is filled.
    #[sea_orm(belongs_to = "repo::Entity", from = "Column::RepoId", to = "repo::Column::Id")]
    Repo,
}

impl Related<repo::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::Repo.def()
    }
}

impl ActiveModelBehavior for ActiveModel {}
