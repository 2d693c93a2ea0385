//! Table `access_request`: who asked to be let through a repository's gate, and what came of it.

use acervo_core::gate::RequestState;
use sea_orm::{
    ActiveModelBehavior, DeriveActiveEnum, DeriveEntityModel, DerivePrimaryKey, DeriveRelation, EntityTrait, EnumIter,
    PrimaryKeyTrait,
};

use crate::db::entity::value::Ts;

/// The request of one principal for one repository, as it stands; its history is told by events.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "access_request")]
pub struct Model {
    /// Key; never leaves the database.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// Random id of 24 hex digits that clients see as `requestId`.
    pub public_id: String,
    /// The gated repository.
    pub repo_id: i64,
    /// Who wants in.
    pub principal_id: i64,
    /// Where it stands.
    pub state: State,
    /// Whether a maintainer let them in without their asking, terms or not.
    pub granted: bool,
    /// When it was asked or, unasked, granted.
    pub asked_at: Ts,
    /// When it came to stand where it stands; absent while nobody has decided.
    pub decided_at: Option<Ts>,
    /// Who decided; absent if the gate did by itself, or the system.
    pub decided_by: Option<i64>,
    /// Why, for the person who asked.
    pub reason: Option<String>,
}

/// Where a request stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum State {
    /// Nobody has decided yet.
    #[sea_orm(string_value = "pending")]
    Pending,
    /// They are let in.
    #[sea_orm(string_value = "accepted")]
    Accepted,
    /// They are kept out.
    #[sea_orm(string_value = "rejected")]
    Rejected,
}

impl From<RequestState> for State {
    fn from(state: RequestState) -> Self {
        match state {
            RequestState::Pending => State::Pending,
            RequestState::Accepted => State::Accepted,
            RequestState::Rejected => State::Rejected,
        }
    }
}

impl From<State> for RequestState {
    fn from(state: State) -> Self {
        match state {
            State::Pending => RequestState::Pending,
            State::Accepted => RequestState::Accepted,
            State::Rejected => RequestState::Rejected,
        }
    }
}

/// None are declared: queries name their joins.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
