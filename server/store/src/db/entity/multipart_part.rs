//! Table `multipart_part`: parts of uploads that have arrived in the object store.

use sea_orm::{
    ActiveModelBehavior, DeriveEntityModel, DerivePrimaryKey, DeriveRelation, EntityTrait, EnumIter, PrimaryKeyTrait,
};

/// A part that the object store has taken. Removed with its upload.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "multipart_part")]
pub struct Model {
    /// The upload.
    #[sea_orm(primary_key, auto_increment = false)]
    pub upload_id: i64,
    /// Position of the part, from 0.
    #[sea_orm(primary_key, auto_increment = false)]
    pub number: i32,
    /// What the object store calls the part: an entity tag, or a block's name.
    pub part_id: String,
    /// State of the SHA-256 after the last byte of the part, all parts before it included.
    pub state: Vec<u8>,
}

/// None are declared: queries name their joins.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
