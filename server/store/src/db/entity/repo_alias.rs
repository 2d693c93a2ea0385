//! Table `repo_alias`: further names of repositories.

use sea_orm::{
    ActiveModelBehavior, DeriveActiveEnum, DeriveEntityModel, DerivePrimaryKey, DeriveRelation, EntityTrait, EnumIter,
    PrimaryKeyTrait, Related, RelationDef, RelationTrait,
};

use crate::db::entity::choice::RepoKindColumn;
use crate::db::entity::repo;
use crate::db::entity::value::Ts;

/// A name that leads to a repository of another name.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "repo_alias")]
pub struct Model {
    /// Key; never leaves the database.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// Kind of the repository; names are unique within one.
    pub kind: RepoKindColumn,
    /// The other name in ASCII lower case.
    pub alias_lower: String,
    /// The other name as spelled: `namespace/name` or bare.
    pub alias: String,
    /// The repository it leads to.
    pub repo_id: i64,
    /// Why there is another name.
    pub cause: Cause,
    /// When the alias was made.
    pub created_at: Ts,
}

/// Why a repository has another name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum Cause {
    /// It was called so before.
    #[sea_orm(string_value = "renamed")]
    Renamed,
    /// Upstream answers to this bare name.
    #[sea_orm(string_value = "canonical")]
    Canonical,
}

/// Joins that queries take by name.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {
    /// The repository it leads to.
    #[sea_orm(belongs_to = "repo::Entity", from = "Column::RepoId", to = "repo::Column::Id")]
    Repo,
}

impl Related<repo::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::Repo.def()
    }
}

impl ActiveModelBehavior for ActiveModel {}
