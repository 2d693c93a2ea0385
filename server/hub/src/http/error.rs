//! Errors on the wire: the one table from use-case errors to status, code and public text.
//!
//! What a stock client concludes from each answer: huggingface_hub reads `X-Error-Code` first and then the exact texts
//! of `X-Error-Message`; hf-hub and the JavaScript client go by the status. Public texts never hold a source error;
//! those are logged once, where the answer is made.

use std::error::Error;
use std::fmt;

use acervo_core::CommitOid;
use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, CACHE_CONTROL, HeaderValue, LOCATION, RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::{HttpResponse, ResponseError};
use serde_json::json;
use tracing::Level;

use crate::error::HubError;
use crate::limits::Standing;

/// Longest `X-Error-Message`, in bytes: proxies refuse long headers.
const MESSAGE_BYTES_MAX: usize = 1000;

/// Seconds to wait where the error itself does not tell.
const RETRY_SECONDS: u64 = 5;

/// Text that huggingface_hub compares to tell a bad token from a hidden repository.
const BAD_TOKEN: &str = "Invalid credentials in Authorization header";

/// Text that the public hub's whoami answers with.
const NO_TOKEN: &str = "Invalid username or password.";

/// Text that huggingface_hub compares to raise `DisabledRepoError`.
const DISABLED: &str = "Access to this resource is disabled.";

/// What a caller may learn of a failure inside.
const INTERNAL: &str = "internal error; try again, and if it stays, tell an administrator the request id";

/// What ends a request early.
#[derive(Debug)]
pub enum ApiError {
    /// A use case that did not succeed.
    Hub(HubError),
    /// The same request belongs to this relative address.
    Redirect(String),
    /// The address is there, but does not have this method.
    OtherMethod {
        /// Those it has, as `Allow` lists them.
        allowed: String,
    },
    /// The caller has made more requests than this hub takes of one.
    TooMany(Standing),
}

impl<E: Into<HubError>> From<E> for ApiError {
    fn from(error: E) -> Self {
        ApiError::Hub(error.into())
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ApiError::Hub(error) => error.fmt(f),
            ApiError::Redirect(location) => write!(f, "moved to `{location}`"),
            ApiError::OtherMethod { allowed } => write!(f, "this address does not have this method; use {allowed}"),
            ApiError::TooMany(standing) => write!(
                f,
                "too many requests: this hub takes {} in {} seconds of a caller; ask again in {} seconds",
                standing.quota, standing.window_seconds, standing.reset_seconds
            ),
        }
    }
}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        match self {
            ApiError::Hub(error) => row(error, false).status,
            ApiError::Redirect(_) => StatusCode::TEMPORARY_REDIRECT,
            ApiError::OtherMethod { .. } => StatusCode::METHOD_NOT_ALLOWED,
            ApiError::TooMany(_) => StatusCode::TOO_MANY_REQUESTS,
        }
    }

    /// The answer to a stranger; `middleware::errors` makes it anew for known callers.
    fn error_response(&self) -> HttpResponse {
        self.response(false)
    }
}

impl ApiError {
    /// The answer to a caller who is known here, or not.
    pub(super) fn response(&self, caller_is_known: bool) -> HttpResponse {
        match self {
            ApiError::Hub(error) => row(error, caller_is_known).response(),
            ApiError::Redirect(location) => {
                HttpResponse::TemporaryRedirect().insert_header((LOCATION, location.as_str())).finish()
            }
            ApiError::OtherMethod { allowed } => {
                let mut response = Row::new(self.status_code(), self, Level::DEBUG).response();
                if let Ok(allowed) = HeaderValue::from_str(allowed) {
                    response.headers_mut().insert(ALLOW, allowed);
                }
                response
            }
            ApiError::TooMany(standing) => {
                Row::new(self.status_code(), self, Level::DEBUG).retry_after(standing.reset_seconds).response()
            }
        }
    }

    /// Logs the failure as loudly as the table says, with its sources; to be called once.
    pub(super) fn log(&self) {
        let ApiError::Hub(error) = self else { return };
        let row = row(error, false);
        let status = row.status.as_u16();
        let cause = chain(error);
        match row.level {
            Level::ERROR => tracing::error!(http.status = status, error = cause, "a request failed inside"),
            Level::WARN => tracing::warn!(http.status = status, error = cause, "a request failed for now"),
            _ => tracing::debug!(http.status = status, error = cause, "a request was refused"),
        }
    }
}

/// The answer to any failure of a handler or extractor; the failure is logged.
pub(super) fn answer(failure: &actix_web::Error, caller_is_known: bool) -> HttpResponse {
    if let Some(error) = failure.as_error::<ApiError>() {
        error.log();
        return error.response(caller_is_known);
    }
    // The framework's own: bodies that are too long or cannot be read, and the like.
    let status = failure.as_response_error().status_code();
    if status.is_server_error() {
        tracing::error!(http.status = status.as_u16(), error = %failure, "a request failed inside");
        return Row::new(status, INTERNAL, Level::ERROR).response();
    }
    Row::new(status, failure, Level::DEBUG).response()
}

/// An error with everything beneath it, in one line.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        let inner_text = inner.to_string();
        if !text.ends_with(&inner_text) {
            text = format!("{text}: {inner_text}");
        }
        source = inner.source();
    }
    text
}

/// One row of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    status: StatusCode,
    code: Option<&'static str>,
    text: String,
    level: Level,
    retry_after_seconds: Option<u64>,
    commit: Option<CommitOid>,
}

impl Row {
    fn new(status: StatusCode, text: impl fmt::Display, level: Level) -> Row {
        Row { status, code: None, text: text.to_string(), level, retry_after_seconds: None, commit: None }
    }

    fn code(self, code: &'static str) -> Row {
        Row { code: Some(code), ..self }
    }

    fn retry_after(self, seconds: u64) -> Row {
        Row { retry_after_seconds: Some(seconds), ..self }
    }

    /// With the commit that lacks the path, clients remember the miss for ever.
    fn commit(self, commit: CommitOid) -> Row {
        Row { commit: Some(commit), ..self }
    }

    fn response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status);
        response.insert_header(("X-Error-Message", one_ascii_line(&self.text)));
        // A refusal can end at any moment, and nothing between us and the client may remember it.
        response.insert_header((CACHE_CONTROL, "no-store"));
        if let Some(code) = self.code {
            response.insert_header(("X-Error-Code", code));
        }
        if let Some(seconds) = self.retry_after_seconds {
            response.insert_header((RETRY_AFTER, seconds.to_string()));
        }
        if let Some(commit) = self.commit {
            response.insert_header(("X-Repo-Commit", commit.to_hex()));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            response.insert_header((WWW_AUTHENTICATE, "Bearer realm=\"Authentication required\""));
        }
        response.json(json!({ "error": self.text }))
    }
}

/// The table.
fn row(error: &HubError, caller_is_known: bool) -> Row {
    let refused = |status: StatusCode| Row::new(status, error, Level::DEBUG);
    let broken = || Row::new(StatusCode::INTERNAL_SERVER_ERROR, INTERNAL, Level::ERROR);
    let busy =
        |text: &str, seconds: u64| Row::new(StatusCode::SERVICE_UNAVAILABLE, text, Level::WARN).retry_after(seconds);
    match error {
        HubError::Name(_) | HubError::Invalid(_) => refused(StatusCode::BAD_REQUEST),
        HubError::TooMuch(_) => refused(StatusCode::PAYLOAD_TOO_LARGE),
        HubError::RepoNotFound { .. } if caller_is_known => refused(StatusCode::NOT_FOUND).code("RepoNotFound"),
        HubError::RepoNotFound { kind, name } => {
            let text = format!("{kind} `{name}` is not here, or needs a token; ask an administrator to mirror it");
            Row::new(StatusCode::UNAUTHORIZED, text, Level::DEBUG).code("RepoNotFound")
        }
        HubError::RevisionNotFound { .. } => refused(StatusCode::NOT_FOUND).code("RevisionNotFound"),
        HubError::EntryNotFound { commit, .. } => refused(StatusCode::NOT_FOUND).code("EntryNotFound").commit(*commit),
        HubError::EntryUnselected { .. } => refused(StatusCode::NOT_FOUND).code("EntryNotFound"),
        HubError::Gated { .. } if caller_is_known => refused(StatusCode::FORBIDDEN).code("GatedRepo"),
        HubError::Gated { kind, name, .. } => {
            let plural = kind.plural();
            let text = format!(
                "access to {kind} `{name}` is restricted; log in with a token of this hub and ask for access at \
                 `/api/{plural}/{name}/ask-access`"
            );
            Row::new(StatusCode::UNAUTHORIZED, text, Level::DEBUG).code("GatedRepo")
        }
        HubError::NotYet { retry_after_seconds, .. } => {
            refused(StatusCode::SERVICE_UNAVAILABLE).retry_after(*retry_after_seconds)
        }
        HubError::Held { .. } => refused(StatusCode::FORBIDDEN),
        HubError::Recalled => Row::new(StatusCode::FORBIDDEN, DISABLED, Level::DEBUG),
        HubError::TokenRequired => Row::new(StatusCode::UNAUTHORIZED, NO_TOKEN, Level::DEBUG),
        HubError::BadToken(_) => Row::new(StatusCode::UNAUTHORIZED, BAD_TOKEN, Level::DEBUG),
        HubError::Forbidden(_) => refused(StatusCode::FORBIDDEN),
        HubError::Conflict(_) => refused(StatusCode::CONFLICT),
        HubError::NotFound(_) => refused(StatusCode::NOT_FOUND),
        HubError::Upstream(error) if error.is_transient() => busy("the upstream hub does not answer", RETRY_SECONDS),
        HubError::Store(error) if error.is_transient() => busy("the database is busy", RETRY_SECONDS),
        HubError::Blob(error) if error.is_transient() => busy("the storage does not answer", RETRY_SECONDS),
        HubError::Sync(_)
        | HubError::NotRecorded(_)
        | HubError::JobEnded(_)
        | HubError::Waits { .. }
        | HubError::Config(_)
        | HubError::Migration(_)
        | HubError::Upstream(_)
        | HubError::Store(_)
        | HubError::Blob(_)
        | HubError::Internal(_) => broken(),
    }
}

/// The text as a header value: printable ASCII, one line, not too long.
pub(super) fn one_ascii_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            ' '..='~' => line.push(c),
            c if c.is_whitespace() => line.push(' '),
            c => line.extend(c.escape_unicode()),
        }
        if line.len() >= MESSAGE_BYTES_MAX {
            line.truncate(MESSAGE_BYTES_MAX);
            break;
        }
    }
    line
}

#[cfg(test)]
mod tests;
