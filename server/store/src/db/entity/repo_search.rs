//! Table `repo_search`: what lists of repositories are sorted and filtered by.
//!
//! One row for each repository whose default branch serves a visible commit, made from other rows and written with
//! them. Its words stand in `repo_words`, which each database has in its own way.

use sea_orm::{
    ActiveModelBehavior, DeriveEntityModel, DerivePrimaryKey, DeriveRelation, EntityTrait, EnumIter, PrimaryKeyTrait,
};

use crate::db::entity::choice::{RepoKindColumn, VisibilityColumn};
use crate::db::entity::value::Ts;

/// A repository as lists see it.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "repo_search")]
pub struct Model {
    /// The repository.
    #[sea_orm(primary_key, auto_increment = false)]
    pub repo_id: i64,
    /// Its random id; breaks ties, since cursors may carry it.
    pub public_id: String,
    /// Model, dataset or space.
    pub kind: RepoKindColumn,
    /// Namespace of its name.
    pub namespace_id: i64,
    /// Who may know that it exists.
    pub visibility: VisibilityColumn,
    /// Namespace in lower case.
    pub namespace: String,
    /// `namespace/name` in lower case.
    pub name: String,
    /// Commit that its default branch serves.
    pub commit_id: i64,
    /// When something was last published in it.
    pub published_at: Ts,
    /// When that commit was made, as clients are told.
    pub modified_at: Ts,
    /// When it was created, at its upstream if it comes from there.
    pub created_at: Ts,
    /// Downloads counted here.
    pub downloads: i64,
    /// Number of a model's parameters; 0 if that is not known.
    pub parameters: i64,
    /// Bytes of all files of that commit.
    pub bytes: i64,
    /// By which rules the row, its tags and words were made; others are made anew.
    pub version: i32,
}

/// None are declared: queries name their joins.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
