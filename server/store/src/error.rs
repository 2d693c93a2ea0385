//! What can go wrong with rows.
//!
//! A row that is not there is no error: functions answer with an `Option`.

use std::io;
use std::path::PathBuf;

use sea_orm::DbErr;

use crate::db::dialect;

/// A failure of the database, or of what was asked of it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database refused a statement, or could not be reached.
    #[error("the database failed while {doing}")]
    Database {
        /// What was being done.
        doing: &'static str,
        /// Why.
        source: DbErr,
    },
    /// The database could not be opened.
    #[error("cannot open the database `{place}`; {advice}")]
    Open {
        /// File, or host and name, without credentials.
        place: String,
        /// What to do about it.
        advice: String,
        /// Why.
        source: DbErr,
    },
    /// The database answers but is not one that can be used.
    #[error("the database `{place}` cannot be used: {why}")]
    Unfit {
        /// Host and name, without credentials.
        place: String,
        /// What is wrong with it, and what to do.
        why: String,
    },
    /// The folder of the database file could not be made.
    #[error("cannot make the folder `{path}` for the database; create it, or change `database.url`")]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// `database.url` cannot be used; the text says what to write.
    #[error("{0}")]
    Url(String),
    /// Something that must be unique exists already.
    #[error("{what} exists already")]
    Conflict {
        /// What exists, as in ``the repository `org/name` ``.
        what: String,
    },
    /// A row holds what this version does not understand.
    #[error("the database holds a row that cannot be read: {what}; restore a backup, or report it")]
    Corrupt {
        /// What was being read, and what is wrong with it.
        what: String,
    },
}

impl StoreError {
    /// Whether the same call may succeed a little later: the database is busy, unreachable, or resolved a deadlock.
    pub fn is_transient(&self) -> bool {
        match self {
            StoreError::Database { source, .. } | StoreError::Open { source, .. } => dialect::is_transient(source),
            StoreError::Folder { .. }
            | StoreError::Unfit { .. }
            | StoreError::Url(_)
            | StoreError::Conflict { .. }
            | StoreError::Corrupt { .. } => false,
        }
    }
}

/// Turns sea-orm's errors into this crate's, saying what was being done.
pub trait Doing<T> {
    /// Adds `doing`, a phrase such as `reading a repository`.
    fn doing(self, doing: &'static str) -> Result<T, StoreError>;
}

impl<T> Doing<T> for Result<T, DbErr> {
    fn doing(self, doing: &'static str) -> Result<T, StoreError> {
        self.map_err(|source| match source {
            DbErr::Type(text) | DbErr::Json(text) => StoreError::Corrupt { what: format!("{doing}: {text}") },
            source => StoreError::Database { doing, source },
        })
    }
}
