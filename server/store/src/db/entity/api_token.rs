//! Table `api_token`: credentials of clients.

use sea_orm::{
    ActiveModelBehavior, DeriveEntityModel, DerivePrimaryKey, DeriveRelation, EntityTrait, EnumIter, PrimaryKeyTrait,
    Related, RelationDef, RelationTrait,
};

use crate::db::entity::choice::RoleColumn;
use crate::db::entity::principal;
use crate::db::entity::value::{Sha256Column, Ts};

/// A token, known only by the hash of its text.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "api_token")]
pub struct Model {
    /// Key; never leaves the database.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// Whose token it is.
    pub principal_id: i64,
    /// Label given by its owner.
    pub name: String,
    /// SHA-256 of the token's text; unique.
    pub hash: Sha256Column,
    /// Last four characters of the text, to tell tokens apart.
    pub hint: String,
    /// The most that this token may be used for, whatever its principal may do.
    pub role: RoleColumn,
    /// When it was issued.
    pub created_at: Ts,
    /// From when it is refused.
    pub expires_at: Option<Ts>,
    /// When it was revoked.
    pub revoked_at: Option<Ts>,
    /// When it was last seen; written now and then, not on each request.
    pub last_used_at: Option<Ts>,
}

/// Joins that queries take by name.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {
    /// Whose token it is.
    #[sea_orm(belongs_to = "principal::Entity", from = "Column::PrincipalId", to = "principal::Column::Id")]
    Principal,
}

impl Related<principal::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::Principal.def()
    }
}

impl ActiveModelBehavior for ActiveModel {}
