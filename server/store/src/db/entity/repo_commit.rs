//! Table `repo_commit`: commits.

use sea_orm::prelude::Json;
use sea_orm::{
    ActiveModelBehavior, DeriveActiveEnum, DeriveEntityModel, DerivePrimaryKey, DeriveRelation, EntityTrait, EnumIter,
    PrimaryKeyTrait, Related, RelationDef, RelationTrait,
};

use crate::db::entity::repo;
use crate::db::entity::value::{Names, OidColumn, SelectionColumn, Ts};

/// An immutable state of a repository, and how much of it is held here.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "repo_commit")]
pub struct Model {
    /// Key; never leaves the database.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// Repository it belongs to.
    pub repo_id: i64,
    /// Commit id; upstream's own for mirrored commits, a true git id for local ones; unique within the repository.
    pub oid: OidColumn,
    /// How much of it is here, and whether it is served.
    pub state: State,
    /// First line of its message.
    pub title: String,
    /// Rest of its message.
    pub message: String,
    /// Who wrote it, as its origin names them.
    pub authors: Names,
    /// When it was made, if its origin says so.
    pub committed_at: Option<Ts>,
    /// Next older commit in its origin's log; that commit need not be known here.
    pub predecessor: Option<OidColumn>,
    /// Its complete listing at its origin.
    pub upstream_listing_id: Option<i64>,
    /// The part of that listing which is selected here.
    pub served_listing_id: Option<i64>,
    /// Patterns that chose the part; absent if everything is selected.
    pub selection: Option<SelectionColumn>,
    /// Upstream's description of the repository at this commit, without its file list.
    pub upstream_info: Option<Json>,
    /// When it became known here.
    pub created_at: Ts,
    /// When it became visible.
    pub published_at: Option<Ts>,
}

/// How much of a commit is here, and whether it is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum State {
    /// Its listing is held; bytes come on demand.
    #[sea_orm(string_value = "known")]
    Known,
    /// Its bytes are being fetched.
    #[sea_orm(string_value = "fetching")]
    Fetching,
    /// Everything is here; policy has not let it pass.
    #[sea_orm(string_value = "held")]
    Held,
    /// Served.
    #[sea_orm(string_value = "visible")]
    Visible,
    /// Served once; refused now.
    #[sea_orm(string_value = "recalled")]
    Recalled,
}

/// Joins that queries take by name.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {
    /// Repository it belongs to.
    #[sea_orm(belongs_to = "repo::Entity", from = "Column::RepoId", to = "repo::Column::Id")]
    Repo,
}

impl Related<repo::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::Repo.def()
    }
}

impl ActiveModelBehavior for ActiveModel {}
