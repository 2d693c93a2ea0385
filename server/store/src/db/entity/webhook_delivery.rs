//! Table `webhook_delivery`: events on their way to a webhook, and what became of them.

use sea_orm::{
    ActiveModelBehavior, DeriveActiveEnum, DeriveEntityModel, DerivePrimaryKey, DeriveRelation, EntityTrait, EnumIter,
    PrimaryKeyTrait,
};
use uuid::Uuid;

use crate::db::entity::value::Ts;

/// One event for one webhook.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "webhook_delivery")]
pub struct Model {
    /// Random, in the order of their making; receivers know the delivery by it.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// Name of the webhook.
    pub hook: String,
    /// Number of the event.
    pub event_seq: i64,
    /// Where it stands.
    pub state: State,
    /// How often it was sent, or was about to be, since it was made or last asked for by hand.
    pub attempts: i32,
    /// Not sent before.
    pub next_attempt_at: Ts,
    /// When another worker may send it although one is at it.
    pub lease_until: Option<Ts>,
    /// Raised by each claim; a worker's writes carry the number it claimed with.
    pub fence: i64,
    /// When the latest attempt began.
    pub attempted_at: Option<Ts>,
    /// HTTP status of the latest answer.
    pub last_status: Option<i32>,
    /// Why the latest attempt failed.
    pub last_error: Option<String>,
    /// When the event was taken over.
    pub created_at: Ts,
    /// When it was delivered or given up.
    pub ended_at: Option<Ts>,
}

/// Where a delivery stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum State {
    /// To be sent, or sent again.
    #[sea_orm(string_value = "pending")]
    Pending,
    /// Taken by the receiver.
    #[sea_orm(string_value = "delivered")]
    Delivered,
    /// Given up.
    #[sea_orm(string_value = "dead")]
    Dead,
}

impl State {
    /// All states.
    pub const ALL: [State; 3] = [State::Pending, State::Delivered, State::Dead];

    /// Name as it is stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            State::Pending => "pending",
            State::Delivered => "delivered",
            State::Dead => "dead",
        }
    }
}

/// None are declared: queries name their joins.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
