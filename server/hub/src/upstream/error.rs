//! What can go wrong with an upstream.
//!
//! Messages say what to do next and never hold a token or a query string: signed addresses carry their rights there.

use std::time::Duration;

use acervo_core::{CommitOid, NameError, RepoPath};
use acervo_store::blob::BlobError;
use reqwest::StatusCode;

/// A failure of an upstream, or of what it said.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamError {
    /// The `[upstream]` section cannot be used.
    #[error("{0}")]
    Config(String),
    /// A repository or revision name that no hub can have.
    #[error(transparent)]
    Name(#[from] NameError),
    /// No connection, or a broken one.
    #[error("`{endpoint}` cannot be reached{}: {reason}; check the network and `upstream.{}`",
        if *with_proxy { " through the proxy" } else { "" }, if *with_proxy { "proxy" } else { "endpoint" })]
    Unreachable {
        /// The endpoint, or the storage host it sent us to.
        endpoint: String,
        /// What the network said.
        reason: String,
        /// Whether it was asked through a proxy.
        with_proxy: bool,
    },
    /// Connected, but whoever answers cannot prove who they are.
    #[error(
        "the certificate of `{endpoint}` is not trusted: {reason}; if its authority is one of your own, or a proxy between \
         opens what is encrypted, write that authority's certificate into `upstream.ca_file`"
    )]
    Untrusted {
        /// The endpoint, or the storage host it sent us to.
        endpoint: String,
        /// What is wrong with the certificate.
        reason: String,
    },
    /// The proxy wants to know who asks.
    #[error("the proxy refuses to pass requests on to `{endpoint}`; check user and password in `upstream.proxy`")]
    ProxyRefused {
        /// The endpoint, or the storage host it sent us to.
        endpoint: String,
    },
    /// Connected, then silence.
    #[error("`{endpoint}` did not answer in time; try again later, or raise `upstream.read_timeout_seconds`")]
    Timeout {
        /// The endpoint, or the storage host it sent us to.
        endpoint: String,
    },
    /// Something answers, but not a hub.
    #[error(
        "`{endpoint}` does not answer like a hub: {what}; check `upstream.endpoint`, and any proxy or login page between"
    )]
    NotAHub {
        /// The endpoint.
        endpoint: String,
        /// What was wrong.
        what: String,
    },
    /// No such repository for this caller.
    #[error("`{name}` is not at `{endpoint}`: missing, or private; check the spelling, {}", if *with_token {
        format!("and that the token of {setting} may read it")
    } else {
        format!("or set {setting} to a token that may read it")
    })]
    RepoNotFound {
        /// The repository asked for.
        name: String,
        /// The endpoint.
        endpoint: String,
        /// Whether a token was sent.
        with_token: bool,
        /// Which setting has the token, in words.
        setting: String,
    },
    /// The terms of the repository are not accepted yet.
    #[error("`{name}` is gated; accept its terms at {url} with the account of the token in {setting}")]
    Gated {
        /// The repository asked for.
        name: String,
        /// Its page.
        url: String,
        /// Which setting has the token, in words.
        setting: String,
    },
    /// The repository is there, the revision is not.
    #[error("`{name}` has no revision `{revision}`; list its branches and tags, or give a commit id")]
    RevisionNotFound {
        /// The repository asked for.
        name: String,
        /// The revision asked for.
        revision: String,
    },
    /// The revision is there, the path is not.
    #[error("`{name}` has no `{path}` at `{revision}`, although it was listed; sync again")]
    EntryNotFound {
        /// The repository asked for.
        name: String,
        /// The revision asked for.
        revision: String,
        /// The path asked for.
        path: String,
    },
    /// The token is not accepted.
    #[error("`{endpoint}` refuses the token; replace the one in {setting}")]
    Unauthorized {
        /// The endpoint.
        endpoint: String,
        /// Which setting has the token, in words.
        setting: String,
    },
    /// The token is accepted, but has no right to this.
    #[error("`{endpoint}` forbids access to `{name}`: {message}; ask its owner, or use another token")]
    Forbidden {
        /// The endpoint.
        endpoint: String,
        /// The repository asked for.
        name: String,
        /// What the server said.
        message: String,
    },
    /// Too many requests, and the wait is longer than a request may take.
    #[error("`{endpoint}` limits the rate of requests{}; try again later, or lower `upstream.concurrency`", told(*retry_after))]
    RateLimited {
        /// The endpoint, or the storage host it sent us to.
        endpoint: String,
        /// How long the server wants us to wait.
        retry_after: Option<Duration>,
    },
    /// Any other refusal.
    #[error("`{host}` answered {status} to `{path}`{}; if it goes on, report it to the server's operator{}",
        message.as_deref().map(|text| format!(": {text}")).unwrap_or_default(),
        request_id.as_deref().map(|id| format!(" with request id `{id}`")).unwrap_or_default())]
    Http {
        /// Who answered.
        host: String,
        /// The status.
        status: StatusCode,
        /// Path of the URL, without its query.
        path: String,
        /// Id under which the server may have logged it.
        request_id: Option<String>,
        /// What the server said.
        message: Option<String>,
    },
    /// The server breaks the protocol.
    #[error("`{endpoint}` breaks the hub protocol: {what}; this server cannot be mirrored from until that is mended")]
    Protocol {
        /// The endpoint, or the storage host it sent us to.
        endpoint: String,
        /// What was wrong.
        what: String,
    },
    /// A pinned commit was answered with another one.
    #[error("`{name}` answered for commit `{answered}` when asked for `{pinned}`; sync again")]
    CommitMoved {
        /// The repository asked for.
        name: String,
        /// The commit asked for.
        pinned: CommitOid,
        /// The commit in the answer.
        answered: String,
    },
    /// A file's answer names another content than the listing does.
    #[error("`{path}` is listed as `{declared}` but answered as `{answered}`; nothing of it was taken, sync again")]
    IdentityDisagrees {
        /// The file.
        path: RepoPath,
        /// SHA-256 or git blob id of the listing.
        declared: String,
        /// The one in the answer.
        answered: String,
    },
    /// Two answers about one commit differ.
    #[error(
        "two answers disagree on the {what} of `{path}`: `{info}` in the revision, `{tree}` in the tree; sync again"
    )]
    Disagree {
        /// First path that differs.
        path: String,
        /// In what.
        what: &'static str,
        /// What the revision's answer says.
        info: String,
        /// What the tree listing says.
        tree: String,
    },
    /// A file's answer has another size than the listing says.
    #[error(
        "`{path}` is listed with {declared} bytes but answered with {answered}; nothing of it was taken, sync again"
    )]
    WrongLength {
        /// The file.
        path: RepoPath,
        /// Size in the listing.
        declared: u64,
        /// Size in the answer.
        answered: u64,
    },
    /// More bytes arrived than were declared.
    #[error("`{path}` goes on after its {declared} declared bytes; the rest was not taken, sync again")]
    TooLong {
        /// The file.
        path: RepoPath,
        /// Size in the listing.
        declared: u64,
    },
    /// The answer ended early, every time.
    #[error("`{path}` ended after {received} of {declared} bytes; start again to go on from there")]
    CutShort {
        /// The file.
        path: RepoPath,
        /// Bytes that are staged.
        received: u64,
        /// Size in the listing.
        declared: u64,
    },
    /// A redirect that must not be followed.
    #[error("a redirect to `{host}` is refused: {why}; {hint}")]
    ForbiddenRedirect {
        /// Where it led.
        host: String,
        /// Why not.
        why: &'static str,
        /// What to do.
        hint: &'static str,
    },
    /// The bytes could not be staged.
    #[error(transparent)]
    Store(#[from] BlobError),
}

impl UpstreamError {
    /// Whether the same request may succeed later with nothing changed here.
    pub fn is_transient(&self) -> bool {
        match self {
            UpstreamError::Unreachable { .. }
            | UpstreamError::Timeout { .. }
            | UpstreamError::RateLimited { .. }
            | UpstreamError::CutShort { .. } => true,
            UpstreamError::Http { status, .. } => *status == StatusCode::REQUEST_TIMEOUT || status.is_server_error(),
            UpstreamError::Store(error) => error.is_transient(),
            UpstreamError::Config(_)
            | UpstreamError::Name(_)
            | UpstreamError::Untrusted { .. }
            | UpstreamError::ProxyRefused { .. }
            | UpstreamError::NotAHub { .. }
            | UpstreamError::RepoNotFound { .. }
            | UpstreamError::Gated { .. }
            | UpstreamError::RevisionNotFound { .. }
            | UpstreamError::EntryNotFound { .. }
            | UpstreamError::Unauthorized { .. }
            | UpstreamError::Forbidden { .. }
            | UpstreamError::Protocol { .. }
            | UpstreamError::CommitMoved { .. }
            | UpstreamError::IdentityDisagrees { .. }
            | UpstreamError::Disagree { .. }
            | UpstreamError::WrongLength { .. }
            | UpstreamError::TooLong { .. }
            | UpstreamError::ForbiddenRedirect { .. } => false,
        }
    }
}

/// The wait that was asked for, in words.
fn told(wait: Option<Duration>) -> String {
    wait.map(|wait| format!(" and asks for {} s of patience", wait.as_secs())).unwrap_or_default()
}
