//! The one place where sizes become `bigint` columns and back.

use crate::error::StoreError;

/// A size or count as a column holds it.
pub(super) fn to_bigint(value: u64) -> Result<i64, StoreError> {
    i64::try_from(value).map_err(|_| StoreError::Corrupt { what: format!("the number {value} does not fit a column") })
}

/// A size or count as a column held it.
pub(super) fn from_bigint(value: i64) -> Result<u64, StoreError> {
    u64::try_from(value).map_err(|_| StoreError::Corrupt { what: format!("the number {value} stands for a size") })
}

/// An in-memory count as a column holds it.
pub(super) fn count(value: usize) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
