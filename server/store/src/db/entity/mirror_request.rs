//! Table `mirror_request`: repositories that people asked for, and what came of it.

use std::fmt;
use std::str::FromStr;

use sea_orm::{
    ActiveModelBehavior, DeriveActiveEnum, DeriveEntityModel, DerivePrimaryKey, DeriveRelation, EntityTrait, EnumIter,
    PrimaryKeyTrait,
};
use uuid::Uuid;

use crate::db::entity::choice::RepoKindColumn;
use crate::db::entity::value::{Names, Ts};

/// One wish, as it stands; its history is told by events.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "mirror_request")]
pub struct Model {
    /// Key; never leaves the database.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// Random id of 24 hex digits by which it is decided.
    pub public_id: String,
    /// Principal who asks; absent if it was asked on the machine itself.
    pub asked_by: Option<i64>,
    /// Type of the repository.
    pub kind: RepoKindColumn,
    /// Name of the repository at the upstream, as it was asked for.
    pub name: String,
    /// The same in lower case.
    pub name_lower: String,
    /// Revisions that are asked for; none means the default branch.
    pub revisions: Names,
    /// What it is wanted for.
    pub reason: String,
    /// Where it stands.
    pub state: State,
    /// When it was asked for.
    pub asked_at: Ts,
    /// When it was decided.
    pub decided_at: Option<Ts>,
    /// Principal who decided; absent if it was decided on the machine itself.
    pub decided_by: Option<i64>,
    /// Why it was declined, for the one who asked.
    pub answer: Option<String>,
    /// Repository that serves what was asked for.
    pub repo_id: Option<i64>,
    /// Job that fetches it first; its row may be gone.
    pub job_id: Option<Uuid>,
}

/// Where a request stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum State {
    /// Nobody has decided yet.
    #[sea_orm(string_value = "open")]
    Open,
    /// It became a mirror.
    #[sea_orm(string_value = "accepted")]
    Accepted,
    /// It was turned down.
    #[sea_orm(string_value = "declined")]
    Declined,
}

impl State {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            State::Open => "open",
            State::Accepted => "accepted",
            State::Declined => "declined",
        }
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
        [State::Open, State::Accepted, State::Declined]
            .into_iter()
            .find(|state| state.as_str() == text)
            .ok_or_else(|| format!("`{text}` is not a state of requests; use open, accepted or declined"))
    }
}

/// None are declared: queries name their joins.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
