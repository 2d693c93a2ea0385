//! What the descriptions of the handlers have in common: path parameters and error answers.

use serde::Serialize;
use utoipa::{IntoParams, IntoResponses, ToSchema};

/// The part of a path that addresses a repository.
#[derive(Clone, Debug, IntoParams)]
#[into_params(parameter_in = Path)]
pub struct RepoAddress {
    /// Repository type: `models`, `datasets` or `spaces`.
    #[param(example = "models")]
    pub plural: String,
    /// `namespace/name`, or a bare name that leads to one; another spelling is answered with a relative 307.
    #[param(example = "mistralai/Mistral-7B-v0.1")]
    pub repo: String,
}

/// The revision in a path: a branch, tag, `refs/..` name, commit id or `HEAD`, as one segment (`refs%2Fpr%2F1`) or raw.
#[derive(Clone, Debug, IntoParams)]
#[into_params(parameter_in = Path)]
pub struct RevisionAddress {
    /// Branch, tag, special ref, commit id or `HEAD`.
    #[param(example = "main")]
    pub rest: String,
}

/// What every error answer carries; `X-Error-Code` and `X-Error-Message` say the same in headers.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(example = json!({"error": "model `acme/nothing` is not here; ask an administrator to mirror it"}))]
pub struct ErrorBody {
    /// One line for people.
    pub error: String,
}

/// Answers that any question about a repository may get.
#[derive(Clone, Debug, IntoResponses)]
pub enum RepoErrors {
    /// The request cannot be understood.
    #[response(status = 400)]
    Invalid(ErrorBody),
    /// A bad token of this hub, or an anonymous caller and a repository that is missing or hidden (`RepoNotFound`), or
    /// contents that ask for consent (`GatedRepo`).
    #[response(status = 401)]
    Anonymous(ErrorBody),
    /// The commit is held for review, or was recalled; or the contents ask for consent (`GatedRepo`).
    #[response(status = 403)]
    Forbidden(ErrorBody),
    /// `RepoNotFound`, `RevisionNotFound` or `EntryNotFound`, by `X-Error-Code`.
    #[response(status = 404)]
    NotFound(ErrorBody),
    /// On its way here; `Retry-After` says when to ask again.
    #[response(status = 503)]
    NotYet(ErrorBody),
}
