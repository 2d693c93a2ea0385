//! What the descriptions of the handlers have in common: path parameters and answers.
//!
//! What every answer of a sort carries (the headers of errors, say) is added to the finished document: `openapi`.

use serde::Serialize;
use utoipa::{IntoParams, IntoResponses, ToSchema};

/// What a repository holds, as addresses write it.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Plural {
    /// Models.
    Models,
    /// Datasets.
    Datasets,
    /// Spaces.
    Spaces,
}

/// The part of a path that says which sort of repository is meant.
#[derive(Clone, Debug, IntoParams)]
#[into_params(parameter_in = Path)]
pub struct KindAddress {
    /// Repository type.
    #[param(inline, example = "models")]
    pub plural: Plural,
}

/// The part of a path that addresses a repository.
#[derive(Clone, Debug, IntoParams)]
#[into_params(parameter_in = Path)]
pub struct RepoAddress {
    /// Repository type.
    #[param(inline, example = "models")]
    pub plural: Plural,
    /// `namespace/name`, or a bare name that leads to one; another spelling is answered with a relative 307.
    #[param(example = "mistralai/Mistral-7B-v0.1", pattern = r"^(\w([.-]?\w){0,95}/)?\w([.-]?\w){0,95}$")]
    pub repo: String,
}

/// The part of a path that addresses a repository where its type is told by what precedes it.
#[derive(Clone, Debug, IntoParams)]
#[into_params(parameter_in = Path)]
pub struct NameAddress {
    /// `namespace/name`, or a bare name that leads to one; after `datasets/` or `spaces/` for those.
    #[param(example = "mistralai/Mistral-7B-v0.1", pattern = r"^(\w([.-]?\w){0,95}/)?\w([.-]?\w){0,95}$")]
    pub repo: String,
}

/// The revision in a path: a branch, tag, `refs/..` name, commit id or `HEAD`, as one segment (`refs%2Fpr%2F1`) or raw.
#[derive(Clone, Debug, IntoParams)]
#[into_params(parameter_in = Path)]
pub struct RevisionAddress {
    /// Branch, tag, special ref, commit id, 7 or more digits of one, or `HEAD`.
    #[param(example = "main", min_length = 1)]
    pub rest: String,
}

/// The file in a path: a revision, then the path within the repository.
#[derive(Clone, Debug, IntoParams)]
#[into_params(parameter_in = Path)]
pub struct FileAddress {
    /// Revision, then the path of a file.
    #[param(example = "main/config.json", min_length = 3)]
    pub rest: String,
}

/// The file in a path whose commit stands apart.
#[derive(Clone, Debug, IntoParams)]
#[into_params(parameter_in = Path)]
pub struct CommitAddress {
    /// Commit id, whole.
    #[param(example = "7231864981174d9bee8c7687c24c8344414eae6b", pattern = "^[0-9a-f]{40}$")]
    pub commit: String,
    /// Path of a file.
    #[param(example = "config.json", min_length = 1)]
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
    /// The same, under the right name; `Location` is relative.
    #[response(status = 307, headers(("Location" = String, description = "The path under the right name")))]
    Moved,
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

/// The answer to a token of this hub that does not work, where anybody may ask.
#[derive(Clone, Debug, IntoResponses)]
pub enum TokenErrors {
    /// A bad token of this hub.
    #[response(status = 401)]
    BadToken(ErrorBody),
}

/// The bytes of a file, as they are: whatever its media type says, which for JSON is any JSON.
#[derive(Clone, Debug, ToSchema)]
#[schema(value_type = Value)]
pub struct FileBytes(pub Vec<u8>);

/// Answers with contents, or with what was found out about them.
#[derive(Clone, Debug, IntoResponses)]
pub enum ContentAnswers {
    /// The whole file.
    #[response(
        status = 200,
        content_type = "*/*",
        headers(
            ("X-Repo-Commit" = String, description = "The commit that the revision stands for"),
            ("ETag" = String, description = "Quoted SHA-256 of LFS files, git blob id of others; never weak"),
            ("Accept-Ranges" = String, description = "`bytes`"),
            ("Cache-Control" = String, description = "For ever for a full commit id that all may read"),
            ("X-Linked-Etag" = String, description = "LFS files: the quoted SHA-256"),
            ("X-Linked-Size" = u64, description = "LFS files: bytes of the whole file"),
            ("Content-Disposition" = String, description = "The name under which to keep it"),
            ("Content-Range" = String, description = "Of an empty file asked for by range: `bytes */0`"),
        )
    )]
    Whole(FileBytes),
    /// The part asked for by `Range`.
    #[response(
        status = 206,
        content_type = "*/*",
        headers(
            ("X-Repo-Commit" = String, description = "The commit that the revision stands for"),
            ("ETag" = String, description = "That of the whole file"),
            ("Content-Range" = String, description = "Which bytes these are, and of how many"),
        )
    )]
    Part(FileBytes),
    /// The client has it already.
    #[response(
        status = 304,
        headers(
            ("X-Repo-Commit" = String, description = "The commit that the revision stands for"),
            ("ETag" = String, description = "That of the whole file"),
        )
    )]
    Known,
    /// The content is another one than `If-Match` demands.
    #[response(status = 412)]
    Changed(ErrorBody),
    /// The range lies outside the file.
    #[response(status = 416, headers(("Content-Range" = String, description = "How many bytes there are")))]
    Outside(ErrorBody),
}
