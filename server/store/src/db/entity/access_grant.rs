//! Table `access_grant`: roles given to principals.

use sea_orm::{
    ActiveModelBehavior, DeriveActiveEnum, DeriveEntityModel, DerivePrimaryKey, DeriveRelation, EntityTrait, EnumIter,
    PrimaryKeyTrait,
};

use crate::db::entity::choice::RoleColumn;
use crate::db::entity::value::Ts;

/// One role of one principal in one scope; each such triple stands once.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "access_grant")]
pub struct Model {
    /// Key; never leaves the database.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// Who holds the role.
    pub principal_id: i64,
    /// How far the role reaches.
    pub scope: Scope,
    /// The namespace, if the scope is one.
    pub namespace_id: Option<i64>,
    /// The repository, if the scope is one.
    pub repo_id: Option<i64>,
    /// The role.
    pub role: RoleColumn,
    /// When it was given.
    pub created_at: Ts,
    /// Principal who gave it; absent for the first administrator.
    pub created_by: Option<i64>,
    /// Standing order that gave it, and takes it back; its row may be gone.
    pub order_id: Option<i64>,
}

/// How far a role reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum Scope {
    /// Everything on this hub.
    #[sea_orm(string_value = "hub")]
    Hub,
    /// All repositories of one namespace.
    #[sea_orm(string_value = "namespace")]
    Namespace,
    /// One repository.
    #[sea_orm(string_value = "repo")]
    Repo,
}

/// None are declared: queries name their joins.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
