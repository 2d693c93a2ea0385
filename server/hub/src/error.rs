//! What can go wrong in a use case, in domain words. Status codes and public texts are `http::error`'s business.

use acervo_core::access::Denied;
use acervo_core::gate::Closed;
use acervo_core::selection::Unselected;
use acervo_core::{CommitOid, NameError, RepoKind, RepoPath, Role, Timestamp};
use acervo_store::StoreError;
use acervo_store::blob::BlobError;

use crate::upstream::UpstreamError;

/// A use case that did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum HubError {
    /// A name that cannot be.
    #[error(transparent)]
    Name(#[from] NameError),
    /// Any other input that cannot be used; the text says what to write.
    #[error("{0}")]
    Invalid(String),
    /// More than a request may ask for.
    #[error("{0}")]
    TooMuch(String),
    /// Missing, or hidden from this caller: nobody may tell which.
    #[error("{kind} `{name}` is not here; ask an administrator to mirror it")]
    RepoNotFound {
        /// What was asked for.
        kind: RepoKind,
        /// By which name.
        name: String,
    },
    /// The repository is here, the revision is not.
    #[error("`{name}` has no revision `{revision}` here{hint}")]
    RevisionNotFound {
        /// The repository.
        name: String,
        /// What was asked for.
        revision: String,
        /// What is known of it, and what to do; begins with a semicolon, or is empty.
        hint: &'static str,
    },
    /// The commit is here, the path is not.
    #[error("`{path}` is not in `{name}` at this revision")]
    EntryNotFound {
        /// The repository.
        name: String,
        /// What was asked for.
        path: String,
        /// The commit that does not have it.
        commit: CommitOid,
    },
    /// The path is in the commit, but this mirror does not hold it.
    #[error("`{path}` is not held here: {why}; ask an administrator to widen the mirror")]
    EntryUnselected {
        /// What was asked for.
        path: RepoPath,
        /// The pattern that leaves it out.
        why: Unselected,
    },
    /// The repository is here, and its contents wait for consent.
    #[error("{}", gate_text(*kind, name, *why))]
    Gated {
        /// What was asked for.
        kind: RepoKind,
        /// Its name.
        name: String,
        /// What the caller has not done, or somebody else.
        why: Closed,
    },
    /// Nothing of the repository can be served yet, but it is on its way.
    #[error("{what} is being fetched; try again in {retry_after_seconds} seconds")]
    NotYet {
        /// What.
        what: String,
        /// When to ask again.
        retry_after_seconds: u64,
    },
    /// The commit waits for a decision, or one went against it.
    #[error("`{name}` is held here: {reason}; ask a reviewer to approve it")]
    Held {
        /// The repository.
        name: String,
        /// Why.
        reason: String,
    },
    /// The commit was withdrawn.
    #[error("access to this resource is disabled")]
    Recalled,
    /// This needs a credential, and there was none.
    #[error("this needs a token; log in with one of this hub")]
    TokenRequired,
    /// A credential of ours that is mistyped, revoked or expired.
    #[error("the token is {0}; get a new one from an administrator of this hub")]
    BadToken(&'static str),
    /// A right that is missing.
    #[error("this needs the role `{0}`; ask an administrator")]
    Forbidden(Role),
    /// What is asked for contradicts what is.
    #[error("{0}")]
    Conflict(String),
    /// Something that a command named is not there.
    #[error("{0}")]
    NotFound(String),
    /// A sync that did not succeed; the text names the file.
    #[error("{0}")]
    Sync(String),
    /// The database was away when a file that had arrived was to be recorded.
    #[error("`{0}` has arrived, but the database was away when it was to be recorded; sync again")]
    NotRecorded(String),
    /// Somebody else has taken over the job, or it was cancelled.
    #[error("the job was {0}")]
    JobEnded(&'static str),
    /// The work cannot go on before a time that is known.
    #[error("waits until {until}: {why}")]
    Waits {
        /// When to go on.
        until: Timestamp,
        /// What it waits for.
        why: &'static str,
    },
    /// A configuration that cannot be used.
    #[error("{0}")]
    Config(String),
    /// The schema could not be brought up to date.
    #[error("bringing the database schema up to date failed: {0}")]
    Migration(String),
    /// The upstream failed.
    #[error(transparent)]
    Upstream(#[from] UpstreamError),
    /// The database failed.
    #[error(transparent)]
    Store(StoreError),
    /// The storage failed.
    #[error(transparent)]
    Blob(#[from] BlobError),
    /// A defect.
    #[error("internal error: {0}")]
    Internal(String),
}

impl HubError {
    /// Whether the same call may succeed a little later.
    pub fn is_transient(&self) -> bool {
        match self {
            HubError::Upstream(error) => error.is_transient(),
            HubError::Store(error) => error.is_transient(),
            HubError::Blob(error) => error.is_transient(),
            HubError::NotYet { .. } | HubError::NotRecorded(_) => true,
            _ => false,
        }
    }
}

impl From<StoreError> for HubError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Conflict { what } => HubError::Conflict(format!("{what} exists already")),
            other => HubError::Store(other),
        }
    }
}

/// Turns a denial into what the caller may learn of `kind` `name`.
pub fn denied(denied: Denied, kind: RepoKind, name: &str) -> HubError {
    match denied {
        Denied::Hidden => HubError::RepoNotFound { kind, name: name.to_owned() },
        Denied::Gated(why) => HubError::Gated { kind, name: name.to_owned(), why },
        Denied::Needs(role) => HubError::Forbidden(role),
    }
}

/// Why a gate is closed to somebody, and where to go on.
fn gate_text(kind: RepoKind, name: &str, why: Closed) -> String {
    let address = format!("/api/{}/{name}/ask-access", kind.plural());
    match why {
        Closed::NotAsked => {
            format!("access to {kind} `{name}` is restricted; read its terms and ask for access at `{address}`")
        }
        Closed::Pending => format!(
            "access to {kind} `{name}` is restricted; your request waits for a maintainer, `{address}` tells when it \
             was decided"
        ),
        Closed::Rejected => {
            format!("access to {kind} `{name}` is restricted; your request was rejected, `{address}` tells why")
        }
        Closed::NewTerms => {
            format!("access to {kind} `{name}` is restricted; its terms have changed, accept them at `{address}`")
        }
    }
}
