//! Table `commit_tag`: tags that describe commits.

use sea_orm::{
    ActiveModelBehavior, DeriveEntityModel, DerivePrimaryKey, DeriveRelation, EntityTrait, EnumIter, PrimaryKeyTrait,
};

/// One tag of a commit's card, by which lists are filtered.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "commit_tag")]
pub struct Model {
    /// The commit.
    #[sea_orm(primary_key, auto_increment = false)]
    pub commit_id: i64,
    /// The tag, such as `license:mit`.
    #[sea_orm(primary_key, auto_increment = false)]
    pub tag: String,
}

/// None are declared: queries name their joins.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
