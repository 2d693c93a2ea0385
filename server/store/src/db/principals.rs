//! Principals, their namespaces, grants and tokens.

use acervo_core::access::{Grant, Scope};
use acervo_core::{Role, Sha256Digest, Timestamp};
use sea_orm::sea_query::{Expr, OnConflict, SelectStatement};
use sea_orm::{
    ActiveValue, ColumnTrait, ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect,
    QueryTrait, Select,
};

use super::dialect;
use super::entity::choice::RoleColumn;
use super::entity::value::Sha256Column;
use super::entity::{access_grant, api_token, namespace, principal};
use crate::error::{Doing, StoreError};

pub use super::entity::namespace::{Kind as NamespaceKind, Model as Namespace, Origin as NamespaceOrigin};
pub use super::entity::principal::{Kind as PrincipalKind, Model as Principal};

/// The principal of this name, whatever its case.
pub async fn by_name(db: &impl ConnectionTrait, name: &str) -> Result<Option<Principal>, StoreError> {
    principal::Entity::find()
        .filter(principal::Column::NameLower.eq(name.to_ascii_lowercase()))
        .one(db)
        .await
        .doing("looking up a principal")
}

/// The principal with this database id.
pub async fn by_id(db: &impl ConnectionTrait, id: i64) -> Result<Option<Principal>, StoreError> {
    principal::Entity::find_by_id(id).one(db).await.doing("looking up a principal")
}

/// Every principal, in name order.
pub async fn all(db: &impl ConnectionTrait) -> Result<Vec<Principal>, StoreError> {
    principal::Entity::find().order_by_asc(principal::Column::NameLower).all(db).await.doing("reading principals")
}

/// Number of principals.
pub async fn count(db: &impl ConnectionTrait) -> Result<u64, StoreError> {
    principal::Entity::find().count(db).await.doing("counting principals")
}

/// Makes a principal; its name must be free.
pub async fn insert(
    db: &impl ConnectionTrait,
    kind: PrincipalKind,
    name: &str,
    at: Timestamp,
) -> Result<Principal, StoreError> {
    let row = principal::ActiveModel {
        id: ActiveValue::NotSet,
        kind: ActiveValue::Set(kind),
        name: ActiveValue::Set(name.to_owned()),
        name_lower: ActiveValue::Set(name.to_ascii_lowercase()),
        display_name: ActiveValue::Set(None),
        email: ActiveValue::Set(None),
        disabled_at: ActiveValue::Set(None),
        created_at: ActiveValue::Set(at.into()),
    };
    match principal::Entity::insert(row).exec_with_returning(db).await {
        Ok(row) => Ok(row),
        Err(error) if dialect::is_unique_violation(&error) => {
            Err(StoreError::Conflict { what: format!("the user `{name}`") })
        }
        Err(source) => Err(source).doing("making a principal"),
    }
}

/// Disables a principal: none of its tokens works any more.
pub async fn disable(db: &impl ConnectionTrait, id: i64, at: Timestamp) -> Result<(), StoreError> {
    principal::Entity::update_many()
        .col_expr(principal::Column::DisabledAt, Expr::value(at.as_millis()))
        .filter(principal::Column::Id.eq(id))
        .exec(db)
        .await
        .doing("disabling a principal")?;
    Ok(())
}

/// The namespace of this name, whatever its case.
pub async fn namespace(db: &impl ConnectionTrait, name: &str) -> Result<Option<Namespace>, StoreError> {
    namespace::Entity::find()
        .filter(namespace::Column::NameLower.eq(name.to_ascii_lowercase()))
        .one(db)
        .await
        .doing("looking up a namespace")
}

/// The namespaces with these database ids, in no order.
pub async fn namespaces(db: &impl ConnectionTrait, ids: &[i64]) -> Result<Vec<Namespace>, StoreError> {
    namespace::Entity::find()
        .filter(namespace::Column::Id.is_in(ids.iter().copied()))
        .all(db)
        .await
        .doing("looking up namespaces")
}

/// Subquery: who has a role in a namespace.
fn granted_in(namespace_id: i64) -> SelectStatement {
    access_grant::Entity::find()
        .select_only()
        .column(access_grant::Column::PrincipalId)
        .filter(access_grant::Column::NamespaceId.eq(namespace_id))
        .into_query()
}

/// People and robots with a role in a namespace whose credentials are not all refused.
fn of_namespace(namespace_id: i64) -> Select<principal::Entity> {
    principal::Entity::find()
        .filter(principal::Column::Id.in_subquery(granted_in(namespace_id)))
        .filter(principal::Column::Kind.ne(PrincipalKind::System))
        .filter(principal::Column::DisabledAt.is_null())
}

/// Members of a namespace in name order, from the one after this name in lower case on.
pub async fn members(
    db: &impl ConnectionTrait,
    namespace_id: i64,
    after: Option<&str>,
    limit: u64,
) -> Result<Vec<Principal>, StoreError> {
    of_namespace(namespace_id)
        .filter(principal::Column::NameLower.gt(after.unwrap_or_default()))
        .order_by_asc(principal::Column::NameLower)
        .limit(limit)
        .all(db)
        .await
        .doing("reading members")
}

/// Number of members of a namespace.
pub async fn member_count(db: &impl ConnectionTrait, namespace_id: i64) -> Result<u64, StoreError> {
    of_namespace(namespace_id).count(db).await.doing("counting members")
}

/// Makes a namespace; its name must be free.
pub async fn insert_namespace(
    db: &impl ConnectionTrait,
    name: &str,
    kind: NamespaceKind,
    origin: NamespaceOrigin,
    owner_id: Option<i64>,
    at: Timestamp,
) -> Result<Namespace, StoreError> {
    let row = namespace::ActiveModel {
        id: ActiveValue::NotSet,
        name: ActiveValue::Set(name.to_owned()),
        name_lower: ActiveValue::Set(name.to_ascii_lowercase()),
        kind: ActiveValue::Set(kind),
        owner_id: ActiveValue::Set(owner_id),
        origin: ActiveValue::Set(origin),
        reserved: ActiveValue::Set(false),
        created_at: ActiveValue::Set(at.into()),
    };
    match namespace::Entity::insert(row).exec_with_returning(db).await {
        Ok(row) => Ok(row),
        Err(error) if dialect::is_unique_violation(&error) => {
            Err(StoreError::Conflict { what: format!("the namespace `{name}`") })
        }
        Err(source) => Err(source).doing("making a namespace"),
    }
}

/// Gives a role in a scope; giving it again changes nothing.
pub async fn grant(
    db: &impl ConnectionTrait,
    principal_id: i64,
    grant: Grant,
    created_by: Option<i64>,
    at: Timestamp,
) -> Result<(), StoreError> {
    let (scope, namespace_id, repo_id) = match grant.scope {
        Scope::Hub => (access_grant::Scope::Hub, None, None),
        Scope::Namespace(id) => (access_grant::Scope::Namespace, Some(id), None),
        Scope::Repo(id) => (access_grant::Scope::Repo, None, Some(id)),
    };
    let row = access_grant::ActiveModel {
        id: ActiveValue::NotSet,
        principal_id: ActiveValue::Set(principal_id),
        scope: ActiveValue::Set(scope),
        namespace_id: ActiveValue::Set(namespace_id),
        repo_id: ActiveValue::Set(repo_id),
        role: ActiveValue::Set(grant.role.into()),
        created_at: ActiveValue::Set(at.into()),
        created_by: ActiveValue::Set(created_by),
        order_id: ActiveValue::Set(None),
    };
    let ignore = OnConflict::new().do_nothing().to_owned();
    access_grant::Entity::insert(row).on_conflict(ignore).exec_without_returning(db).await.doing("giving a role")?;
    Ok(())
}

/// The roles of a principal.
pub async fn grants(db: &impl ConnectionTrait, principal_id: i64) -> Result<Vec<Grant>, StoreError> {
    let rows = access_grant::Entity::find()
        .filter(access_grant::Column::PrincipalId.eq(principal_id))
        .all(db)
        .await
        .doing("reading grants")?;
    rows.into_iter()
        .map(|row| {
            let scope = match (row.scope, row.namespace_id, row.repo_id) {
                (access_grant::Scope::Hub, None, None) => Scope::Hub,
                (access_grant::Scope::Namespace, Some(id), None) => Scope::Namespace(id),
                (access_grant::Scope::Repo, None, Some(id)) => Scope::Repo(id),
                _ => return Err(StoreError::Corrupt { what: format!("the scope of grant {}", row.id) }),
            };
            Ok(Grant { scope, role: row.role.into() })
        })
        .collect()
}

/// A token, without its text, which is nowhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// Database id.
    pub id: i64,
    /// Database id of its principal.
    pub principal_id: i64,
    /// Name, for people.
    pub name: String,
    /// Last characters, for people.
    pub hint: String,
    /// What it may do at most.
    pub cap: Role,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends by itself.
    pub expires_at: Option<Timestamp>,
    /// When somebody ended it.
    pub revoked_at: Option<Timestamp>,
}

impl From<api_token::Model> for Token {
    fn from(row: api_token::Model) -> Self {
        Token {
            id: row.id,
            principal_id: row.principal_id,
            name: row.name,
            hint: row.hint,
            cap: row.role.into(),
            created_at: row.created_at.into(),
            expires_at: row.expires_at.map(Into::into),
            revoked_at: row.revoked_at.map(Into::into),
        }
    }
}

/// What a new token is made of.
#[derive(Clone, Debug)]
pub struct NewToken<'a> {
    /// Database id of its principal.
    pub principal_id: i64,
    /// Name, for people.
    pub name: &'a str,
    /// SHA-256 of its text.
    pub hash: Sha256Digest,
    /// Last characters of its text.
    pub hint: &'a str,
    /// What it may do at most.
    pub cap: Role,
    /// When it ends by itself.
    pub expires_at: Option<Timestamp>,
    /// Now.
    pub at: Timestamp,
}

/// Records a token.
pub async fn insert_token(db: &impl ConnectionTrait, new: NewToken<'_>) -> Result<(), StoreError> {
    let row = api_token::ActiveModel {
        id: ActiveValue::NotSet,
        principal_id: ActiveValue::Set(new.principal_id),
        name: ActiveValue::Set(new.name.to_owned()),
        hash: ActiveValue::Set(new.hash.into()),
        hint: ActiveValue::Set(new.hint.to_owned()),
        role: ActiveValue::Set(RoleColumn::from(new.cap)),
        created_at: ActiveValue::Set(new.at.into()),
        expires_at: ActiveValue::Set(new.expires_at.map(Into::into)),
        revoked_at: ActiveValue::Set(None),
        last_used_at: ActiveValue::Set(None),
    };
    api_token::Entity::insert(row).exec_without_returning(db).await.doing("recording a token")?;
    Ok(())
}

/// The token whose text has this SHA-256.
pub async fn token_by_hash(db: &impl ConnectionTrait, hash: Sha256Digest) -> Result<Option<Token>, StoreError> {
    let row = api_token::Entity::find()
        .filter(api_token::Column::Hash.eq(Sha256Column::from(hash)))
        .one(db)
        .await
        .doing("looking up a token")?;
    Ok(row.map(Into::into))
}

/// Every token of a principal, or of all, oldest first.
pub async fn tokens(db: &impl ConnectionTrait, principal_id: Option<i64>) -> Result<Vec<Token>, StoreError> {
    let mut find = api_token::Entity::find().order_by_asc(api_token::Column::Id);
    if let Some(id) = principal_id {
        find = find.filter(api_token::Column::PrincipalId.eq(id));
    }
    let rows = find.all(db).await.doing("reading tokens")?;
    Ok(rows.into_iter().map(Into::into).collect())
}

/// Ends a token.
pub async fn revoke_token(db: &impl ConnectionTrait, id: i64, at: Timestamp) -> Result<(), StoreError> {
    api_token::Entity::update_many()
        .col_expr(api_token::Column::RevokedAt, Expr::value(at.as_millis()))
        .filter(api_token::Column::Id.eq(id))
        .filter(api_token::Column::RevokedAt.is_null())
        .exec(db)
        .await
        .doing("revoking a token")?;
    Ok(())
}
