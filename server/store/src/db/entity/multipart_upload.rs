//! Table `multipart_upload`: uploads to an object store that are under way.

use sea_orm::{
    ActiveModelBehavior, DeriveEntityModel, DerivePrimaryKey, DeriveRelation, EntityTrait, EnumIter, PrimaryKeyTrait,
};
use uuid::Uuid;

use crate::db::entity::value::{Sha256Column, Ts};

/// A content on its way into the object store, in parts. Gone once it is complete or aborted.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "multipart_upload")]
pub struct Model {
    /// Key; never leaves the database.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// Declared SHA-256 of the content, which names the object.
    pub sha256: Sha256Column,
    /// Declared number of bytes.
    pub size: i64,
    /// Bytes of each part but the last.
    pub part_bytes: i64,
    /// What the object store calls the upload; empty where it has no name for one.
    pub upload_id: String,
    /// The store instance that works on it; none while it waits for somebody to go on.
    pub holder: Option<Uuid>,
    /// Grows with each holder: one that was overtaken writes nothing more.
    pub fence: i64,
    /// When it began.
    pub created_at: Ts,
    /// When its holder was last alive.
    pub touched_at: Ts,
    /// Since when it is to be aborted, and never gone on with.
    pub aborted_at: Option<Ts>,
}

/// None are declared: queries name their joins.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
