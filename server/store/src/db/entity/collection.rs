//! Table `collection`: repositories that somebody puts together under a title.

use sea_orm::{
    ActiveModelBehavior, DeriveActiveEnum, DeriveEntityModel, DerivePrimaryKey, DeriveRelation, EntityTrait, EnumIter,
    PrimaryKeyTrait,
};

use crate::db::entity::choice::VisibilityColumn;
use crate::db::entity::value::Ts;

/// A collection of a namespace.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "collection")]
pub struct Model {
    /// Key; never leaves the database.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// Random id of 24 hex digits, the end of its slug.
    pub public_id: String,
    /// Whose it is.
    pub namespace_id: i64,
    /// Title.
    pub title: String,
    /// What it is about, in a sentence.
    pub description: Option<String>,
    /// Title and description as they are searched: without case and accents.
    pub folded: String,
    /// Colour it is shown in.
    pub theme: Theme,
    /// Who may know of it.
    pub visibility: VisibilityColumn,
    /// Place among the collections of its namespace, from 0.
    pub position: i64,
    /// Who made it; absent if the system did.
    pub created_by: Option<i64>,
    /// When it was made.
    pub created_at: Ts,
    /// When it, or what is in it, last changed.
    pub updated_at: Ts,
}

/// Colours that clients know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum Theme {
    /// Orange.
    #[sea_orm(string_value = "orange")]
    Orange,
    /// Blue.
    #[sea_orm(string_value = "blue")]
    Blue,
    /// Green.
    #[sea_orm(string_value = "green")]
    Green,
    /// Purple.
    #[sea_orm(string_value = "purple")]
    Purple,
    /// Pink.
    #[sea_orm(string_value = "pink")]
    Pink,
    /// Indigo.
    #[sea_orm(string_value = "indigo")]
    Indigo,
}

impl Theme {
    /// All of them.
    pub const ALL: [Theme; 6] = [Theme::Orange, Theme::Blue, Theme::Green, Theme::Purple, Theme::Pink, Theme::Indigo];

    /// Name as written on the command line and in answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Theme::Orange => "orange",
            Theme::Blue => "blue",
            Theme::Green => "green",
            Theme::Purple => "purple",
            Theme::Pink => "pink",
            Theme::Indigo => "indigo",
        }
    }
}

/// None are declared: queries name their joins.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
