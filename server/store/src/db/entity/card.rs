//! Table `card`: parsed README metadata.

use sea_orm::prelude::Json;
use sea_orm::{
    ActiveModelBehavior, DeriveEntityModel, DerivePrimaryKey, DeriveRelation, EntityTrait, EnumIter, PrimaryKeyTrait,
};

use crate::db::entity::value::Ts;

/// What a commit's README declares about it.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "card")]
pub struct Model {
    /// The commit; at most one card each.
    #[sea_orm(primary_key, auto_increment = false)]
    pub commit_id: i64,
    /// The README's bytes.
    pub blob_id: i64,
    /// Bytes between the README's `---` lines, as they came.
    pub front_matter: Option<Vec<u8>>,
    /// The front matter, parsed; absent if there is none or it does not parse.
    pub data: Option<Json>,
    /// Why the front matter does not parse.
    pub parse_error: Option<String>,
    /// When it was read.
    pub created_at: Ts,
    /// Words of its text, folded, with a space between them; absent for what was kept before there was searching, until
    /// the README is read again.
    pub words: Option<String>,
}

/// None are declared: queries name their joins.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
