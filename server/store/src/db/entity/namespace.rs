//! Table `namespace`: first segments of repository names.

use sea_orm::{
    ActiveModelBehavior, DeriveActiveEnum, DeriveEntityModel, DerivePrimaryKey, DeriveRelation, EntityTrait, EnumIter,
    PrimaryKeyTrait,
};

use crate::db::entity::value::Ts;

/// Owner of a set of repository names.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "namespace")]
pub struct Model {
    /// Key; never leaves the database.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// Spelling shown and used in URLs.
    pub name: String,
    /// The name in ASCII lower case; unique.
    pub name_lower: String,
    /// User or organisation.
    pub kind: Kind,
    /// Principal that owns a user namespace.
    pub owner_id: Option<i64>,
    /// Whether the name is owned here or came with a mirrored repository.
    pub origin: Origin,
    /// Whether the name is never mirrored over nor pulled through, against dependency confusion.
    pub reserved: bool,
    /// When the namespace was made.
    pub created_at: Ts,
}

/// What a namespace stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum Kind {
    /// One principal's own.
    #[sea_orm(string_value = "user")]
    User,
    /// Shared by a group.
    #[sea_orm(string_value = "organization")]
    Organization,
}

/// Where a namespace came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum Origin {
    /// Owned here.
    #[sea_orm(string_value = "local")]
    Local,
    /// Made for mirrored repositories.
    #[sea_orm(string_value = "mirrored")]
    Mirrored,
}

/// None are declared: queries name their joins.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
