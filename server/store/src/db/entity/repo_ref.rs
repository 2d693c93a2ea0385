//! Table `repo_ref`: movable names of commits.

use sea_orm::{
    ActiveModelBehavior, DeriveEntityModel, DerivePrimaryKey, DeriveRelation, EntityTrait, EnumIter, PrimaryKeyTrait,
    Related, RelationDef, RelationTrait,
};

use crate::db::entity::choice::RefKindColumn;
use crate::db::entity::repo_commit;
use crate::db::entity::value::{OidColumn, Ts};

/// A branch, tag or special ref of a repository.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "repo_ref")]
pub struct Model {
    /// Key; never leaves the database.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// Repository it belongs to.
    pub repo_id: i64,
    /// What sort of name it is.
    pub kind: RefKindColumn,
    /// Short name of a branch or tag, full `refs/..` name otherwise; unique within repository and kind.
    pub name: String,
    /// Commit that clients are given; absent until one is visible.
    pub served_commit_id: Option<i64>,
    /// Commit it was last seen to name upstream.
    pub upstream_oid: Option<OidColumn>,
    /// When upstream was last asked.
    pub upstream_seen_at: Option<Ts>,
    /// When it last moved here.
    pub updated_at: Ts,
}

/// Joins that queries take by name.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {
    /// Commit that clients are given.
    #[sea_orm(belongs_to = "repo_commit::Entity", from = "Column::ServedCommitId", to = "repo_commit::Column::Id")]
    ServedCommit,
}

impl Related<repo_commit::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::ServedCommit.def()
    }
}

impl ActiveModelBehavior for ActiveModel {}
