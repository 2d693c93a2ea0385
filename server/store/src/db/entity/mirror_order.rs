//! Table `mirror_order`: standing orders, each for one repository or for what patterns find.

use sea_orm::prelude::Json;
use sea_orm::{
    ActiveModelBehavior, DeriveEntityModel, DerivePrimaryKey, DeriveRelation, EntityTrait, EnumIter, PrimaryKeyTrait,
};

use crate::db::entity::mirror::ManagedBy;
use crate::db::entity::value::Ts;

/// A standing order, as it was given.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "mirror_order")]
pub struct Model {
    /// Key; never leaves the database.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// Its name, unique.
    pub name: String,
    /// Who may change this row.
    pub managed_by: ManagedBy,
    /// What it asks for, whole.
    pub spec: Json,
    /// When it was made.
    pub created_at: Ts,
    /// When it was last changed.
    pub updated_at: Ts,
    /// Principal who made it.
    pub created_by: Option<i64>,
    /// When upstreams are asked next which repositories its patterns find; absent where there is nothing to find.
    pub next_run_at: Option<Ts>,
}

/// None are declared: queries name their joins.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
