//! Types of columns, and how they become domain values and back.
//!
//! The domain knows nothing of sea-orm, so each of its types that is stored has a column type: times, digests and lists
//! here, enums in `choice`.

use acervo_core::{CommitOid, GitOid, Rules, Selection, Sha256Digest, Timestamp};
use sea_orm::sea_query::{ArrayType, ColumnType, Nullable, ValueType, ValueTypeErr};
use sea_orm::{
    ColIdx, DbErr, DeriveValueType, FromJsonQueryResult, IntoActiveValue, QueryResult, TryFromU64, TryGetError,
    TryGetable, Value,
};
use serde::{Deserialize, Serialize};

/// A point in time: milliseconds since the epoch in a `bigint`, so that both databases order and compare it alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, DeriveValueType)]
pub struct Ts(pub i64);

impl From<Timestamp> for Ts {
    fn from(time: Timestamp) -> Self {
        Ts(time.as_millis())
    }
}

impl From<Ts> for Timestamp {
    fn from(time: Ts) -> Self {
        Timestamp::from_millis(time.0)
    }
}

/// A digest of `N` bytes; a stored value of any other length is refused when its row is read.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DigestColumn<const N: usize>([u8; N]);

/// A SHA-256.
pub type Sha256Column = DigestColumn<32>;

/// A git object id: of a blob, a tree or a commit.
pub type OidColumn = DigestColumn<20>;

impl<const N: usize> DigestColumn<N> {
    /// The raw bytes.
    pub fn as_bytes(&self) -> &[u8; N] {
        &self.0
    }
}

impl<const N: usize> std::fmt::Debug for DigestColumn<N> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl<const N: usize> From<DigestColumn<N>> for Value {
    fn from(digest: DigestColumn<N>) -> Self {
        Value::Bytes(Some(digest.0.to_vec()))
    }
}

impl<const N: usize> TryGetable for DigestColumn<N> {
    fn try_get_by<I: ColIdx>(row: &QueryResult, index: I) -> Result<Self, TryGetError> {
        let bytes = <Vec<u8> as TryGetable>::try_get_by(row, index)?;
        <[u8; N]>::try_from(bytes.as_slice()).map(DigestColumn).map_err(|_| {
            TryGetError::DbErr(DbErr::Type(format!("a digest of {} bytes stands where {N} are expected", bytes.len())))
        })
    }
}

impl<const N: usize> ValueType for DigestColumn<N> {
    fn try_from(value: Value) -> Result<Self, ValueTypeErr> {
        let bytes = <Vec<u8> as ValueType>::try_from(value)?;
        <[u8; N]>::try_from(bytes.as_slice()).map(DigestColumn).map_err(|_| ValueTypeErr)
    }

    fn type_name() -> String {
        format!("DigestColumn<{N}>")
    }

    fn array_type() -> ArrayType {
        ArrayType::Bytes
    }

    fn column_type() -> ColumnType {
        ColumnType::Blob
    }
}

impl<const N: usize> Nullable for DigestColumn<N> {
    fn null() -> Value {
        Value::Bytes(None)
    }
}

/// Demanded of keys; digests are never made by the database.
impl<const N: usize> TryFromU64 for DigestColumn<N> {
    fn try_from_u64(_: u64) -> Result<Self, DbErr> {
        Err(DbErr::ConvertFromU64("a digest"))
    }
}

impl<const N: usize> IntoActiveValue<DigestColumn<N>> for DigestColumn<N> {
    fn into_active_value(self) -> sea_orm::ActiveValue<DigestColumn<N>> {
        sea_orm::ActiveValue::Set(self)
    }
}

impl From<Sha256Digest> for Sha256Column {
    fn from(digest: Sha256Digest) -> Self {
        DigestColumn(*digest.as_bytes())
    }
}

impl From<Sha256Column> for Sha256Digest {
    fn from(digest: Sha256Column) -> Self {
        Sha256Digest::from_bytes(digest.0)
    }
}

impl From<GitOid> for OidColumn {
    fn from(oid: GitOid) -> Self {
        DigestColumn(*oid.as_bytes())
    }
}

impl From<OidColumn> for GitOid {
    fn from(oid: OidColumn) -> Self {
        GitOid::from_bytes(oid.0)
    }
}

impl From<CommitOid> for OidColumn {
    fn from(oid: CommitOid) -> Self {
        DigestColumn(*oid.as_bytes())
    }
}

impl From<OidColumn> for CommitOid {
    fn from(oid: OidColumn) -> Self {
        CommitOid::from_bytes(oid.0)
    }
}

/// A list of names or patterns, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, FromJsonQueryResult)]
#[serde(transparent)]
pub struct Names(pub Vec<String>);

/// A selection's patterns.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, FromJsonQueryResult)]
#[serde(transparent)]
pub struct SelectionColumn(pub Selection);

/// Rules of a mirror.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, FromJsonQueryResult)]
#[serde(transparent)]
pub struct RulesColumn(pub Rules);
