//! Table `job`: work to be done in the background.

use std::fmt;
use std::str::FromStr;

use sea_orm::prelude::Json;
use sea_orm::{
    ActiveModelBehavior, DeriveActiveEnum, DeriveEntityModel, DerivePrimaryKey, DeriveRelation, EntityTrait, EnumIter,
    PrimaryKeyTrait, Related, RelationDef, RelationTrait,
};
use uuid::Uuid;

use crate::db::entity::repo;
use crate::db::entity::value::Ts;

/// One piece of work: waiting, leased to a worker, or done.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "job")]
pub struct Model {
    /// UUID v7, so that ids sort by creation.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// Which sort of job this is; decides how the payload is read.
    pub kind: String,
    /// What to do.
    pub payload: Json,
    /// Where it stands.
    pub state: State,
    /// Of the jobs that wait, run or are paused, one may hold this key.
    pub dedup_key: Option<String>,
    /// Higher is taken first.
    pub priority: i32,
    /// Not taken before.
    pub run_at: Ts,
    /// How often it was taken.
    pub attempts: i32,
    /// How often it may be taken.
    pub attempts_max: i32,
    /// When another worker may take it over.
    pub lease_until: Option<Ts>,
    /// Raised by each claim; a worker's writes carry the number it claimed with.
    pub fence: i64,
    /// Worker that holds the lease.
    pub worker_id: Option<Uuid>,
    /// When that worker last prolonged the lease.
    pub heartbeat_at: Option<Ts>,
    /// How far it is, as of the latest heartbeat.
    pub progress: Option<Json>,
    /// What came of it.
    pub outcome: Option<Json>,
    /// Why the latest attempt failed.
    pub error: Option<String>,
    /// Whether its worker shall stop.
    pub cancel_requested: bool,
    /// Principal who asked for it.
    pub created_by: Option<i64>,
    /// When it was asked for.
    pub created_at: Ts,
    /// When it was first taken.
    pub started_at: Option<Ts>,
    /// When it reached a final state.
    pub finished_at: Option<Ts>,
    /// Namespace that it works for, in lower case; workers take turns between them.
    pub organization: Option<String>,
    /// Whether its worker shall let go of it, for somebody to resume it later.
    pub pause_requested: bool,
    /// Repository it is about.
    pub repo_id: Option<i64>,
}

/// Where a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum State {
    /// Waiting, for its time or for a worker.
    #[sea_orm(string_value = "queued")]
    Queued,
    /// Leased to a worker.
    #[sea_orm(string_value = "running")]
    Running,
    /// Done.
    #[sea_orm(string_value = "succeeded")]
    Succeeded,
    /// Given up after its last attempt.
    #[sea_orm(string_value = "failed")]
    Failed,
    /// Stopped on request.
    #[sea_orm(string_value = "cancelled")]
    Cancelled,
    /// Put aside until somebody resumes it.
    #[sea_orm(string_value = "paused")]
    Paused,
}

impl State {
    /// All states, in the order in which a job may go through them.
    pub const ALL: [State; 6] =
        [State::Queued, State::Running, State::Paused, State::Succeeded, State::Failed, State::Cancelled];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            State::Queued => "queued",
            State::Running => "running",
            State::Succeeded => "succeeded",
            State::Failed => "failed",
            State::Cancelled => "cancelled",
            State::Paused => "paused",
        }
    }

    /// Whether nothing more will happen to the job.
    pub fn is_final(self) -> bool {
        matches!(self, State::Succeeded | State::Failed | State::Cancelled)
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for State {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        State::ALL.into_iter().find(|state| state.as_str() == text).ok_or_else(|| {
            format!("`{text}` is not a state of jobs; use queued, running, paused, succeeded, failed or cancelled")
        })
    }
}

/// Joins that queries take by name.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {
    /// Repository it is about.
    #[sea_orm(belongs_to = "repo::Entity", from = "Column::RepoId", to = "repo::Column::Id")]
    Repo,
}

impl Related<repo::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::Repo.def()
    }
}

impl ActiveModelBehavior for ActiveModel {}
