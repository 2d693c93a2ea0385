//! Table `repo_tag`: keys by which lists of repositories are filtered.

use sea_orm::{
    ActiveModelBehavior, DeriveEntityModel, DerivePrimaryKey, DeriveRelation, EntityTrait, EnumIter, PrimaryKeyTrait,
};

use crate::db::entity::choice::{RepoKindColumn, VisibilityColumn};

/// One tag of what a repository serves, or something else that a parameter of a list asks for.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "repo_tag")]
pub struct Model {
    /// The repository.
    #[sea_orm(primary_key, auto_increment = false)]
    pub repo_id: i64,
    /// The key, in lower case.
    #[sea_orm(primary_key, auto_increment = false)]
    pub tag: String,
    /// Sort of the tag, as in `license`; empty for what is no tag.
    pub kind: String,
    /// The tag as it is written, if otherwise.
    pub spelling: Option<String>,
    /// Kind of the repository, for the index.
    pub repo_kind: RepoKindColumn,
    /// Who may know of the repository, for the index.
    pub visibility: VisibilityColumn,
}

/// None are declared: queries name their joins.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
