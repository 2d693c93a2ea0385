//! Table `ref_event`: moves of refs.

use sea_orm::{
    ActiveModelBehavior, DeriveEntityModel, DerivePrimaryKey, DeriveRelation, EntityTrait, EnumIter, PrimaryKeyTrait,
};

use crate::db::entity::choice::RefKindColumn;
use crate::db::entity::value::{OidColumn, Ts};

/// One move of a ref; append-only.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "ref_event")]
pub struct Model {
    /// Key; never leaves the database.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// Repository of the ref.
    pub repo_id: i64,
    /// What sort of name moved.
    pub kind: RefKindColumn,
    /// The name, as the ref's row spells it.
    pub name: String,
    /// Commit it named before; absent if it is new.
    pub old_oid: Option<OidColumn>,
    /// Commit it names since; absent if it was deleted.
    pub new_oid: Option<OidColumn>,
    /// What moved it, such as `sync` or `commit`.
    pub cause: String,
    /// When it moved.
    pub at: Ts,
}

/// None are declared: queries name their joins.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
