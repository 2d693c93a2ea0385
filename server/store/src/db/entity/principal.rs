//! Table `principal`: people, robots and the system itself.

use sea_orm::{
    ActiveModelBehavior, DeriveActiveEnum, DeriveEntityModel, DerivePrimaryKey, DeriveRelation, EntityTrait, EnumIter,
    PrimaryKeyTrait,
};

use crate::db::entity::value::Ts;

/// Who acts: tokens belong to principals, and grants are given to them.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "principal")]
pub struct Model {
    /// Key; never leaves the database.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// Person, robot or the system.
    pub kind: Kind,
    /// Login name, as it was given.
    pub name: String,
    /// The name in ASCII lower case; unique.
    pub name_lower: String,
    /// Name shown on pages.
    pub display_name: Option<String>,
    /// Mail address, for people who gave one; never logged.
    pub email: Option<String>,
    /// Since when every credential of this principal is refused.
    pub disabled_at: Option<Ts>,
    /// When the principal was made.
    pub created_at: Ts,
}

/// What sort of actor a principal is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum Kind {
    /// A human being.
    #[sea_orm(string_value = "person")]
    Person,
    /// A service account.
    #[sea_orm(string_value = "robot")]
    Robot,
    /// Acervo acting by itself, as when a schedule fires.
    #[sea_orm(string_value = "system")]
    System,
}

/// None are declared: queries name their joins.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
