//! Table `tree_entry`: the entries of segments.

use sea_orm::{
    ActiveModelBehavior, DeriveEntityModel, DerivePrimaryKey, DeriveRelation, EntityTrait, EnumIter, PrimaryKeyTrait,
    Related, RelationDef, RelationTrait,
};

use crate::db::entity::blob;
use crate::db::entity::choice::EntryKindColumn;
use crate::db::entity::value::{OidColumn, Sha256Column};

/// A path and the identity its origin declared.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "tree_entry")]
pub struct Model {
    /// Segment it belongs to.
    #[sea_orm(primary_key, auto_increment = false)]
    pub segment_id: i64,
    /// Whole path, ordered bytewise.
    #[sea_orm(primary_key, auto_increment = false)]
    pub path: String,
    /// Path of the folder it stands in; empty at the root.
    pub parent: String,
    /// File or folder.
    pub kind: EntryKindColumn,
    /// Bytes of the content; 0 for folders.
    pub size: i64,
    /// Git object id; the pointer's for LFS files.
    pub oid: OidColumn,
    /// Declared SHA-256, for LFS files.
    pub lfs_sha256: Option<Sha256Column>,
    /// Length of the LFS pointer's text in bytes, for LFS files.
    pub lfs_pointer_size: Option<i64>,
    /// The stored bytes; absent while the entry is only known.
    pub blob_id: Option<i64>,
}

/// Joins that queries take by name.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {
    /// The stored bytes.
    #[sea_orm(belongs_to = "blob::Entity", from = "Column::BlobId", to = "blob::Column::Id")]
    Blob,
}

impl Related<blob::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::Blob.def()
    }
}

impl ActiveModelBehavior for ActiveModel {}
