//! What an answer that is not the wished one means.

use std::time::Duration;

use hf_hub::HFError;
use reqwest::header::{CONTENT_TYPE, HeaderMap, LOCATION};
use reqwest::{Response, StatusCode};
use url::Url;

use super::client::Client;
use super::error::UpstreamError;
use super::limits::{REFUSAL_BYTES_MAX, wait_told};
use super::locator::Repo;
use crate::outward::{ForbiddenTarget, cause, chain, distrust, host_of};

/// Longest server message that is passed on, in characters.
const MESSAGE_CHARS_MAX: usize = 300;

/// What a request was about, so that a refusal can be told in words.
#[derive(Clone, Copy, Debug)]
pub(super) struct Subject<'a> {
    pub(super) repo: Repo<'a>,
    pub(super) revision: Option<&'a str>,
    pub(super) path: Option<&'a str>,
}

/// A failed attempt.
#[derive(Debug)]
pub(super) struct Failed {
    pub(super) error: UpstreamError,
    /// Whether another attempt makes sense.
    pub(super) again: bool,
    /// How long the server wants us to wait before it.
    pub(super) wait: Option<Duration>,
}

impl From<UpstreamError> for Failed {
    fn from(error: UpstreamError) -> Self {
        Failed { again: error.is_transient(), error, wait: None }
    }
}

/// The facts of an answer other than success.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    pub(super) host: String,
    path: String,
    code: Option<String>,
    message: Option<String>,
    request_id: Option<String>,
    html: bool,
    redirect: Option<String>,
    pub(super) wait: Option<Duration>,
}

impl Refusal {
    /// Reads an answer for its message, within bounds.
    pub(super) async fn read(mut response: Response) -> Self {
        let headers = response.headers().clone();
        let url = response.url().clone();
        let mut body = Vec::new();
        while let Ok(Some(chunk)) = response.chunk().await {
            body.extend_from_slice(&chunk);
            if body.len() >= REFUSAL_BYTES_MAX {
                break;
            }
        }
        Refusal {
            status: response.status(),
            host: url.origin().ascii_serialization(),
            path: url.path().to_owned(),
            code: text_of(&headers, "x-error-code"),
            message: text_of(&headers, "x-error-message").or_else(|| message_in(&body)),
            request_id: text_of(&headers, "x-request-id"),
            html: is_html(&headers),
            redirect: location(&headers, &url).map(|target| host_of(&target)),
            wait: wait_told(&headers),
        }
    }
}

impl Client {
    /// The meaning of a refusal by the hub, in the order in which huggingface_hub decides.
    pub(super) fn meaning(&self, refusal: Refusal, subject: &Subject<'_>) -> UpstreamError {
        let endpoint = self.endpoint().to_owned();
        let name = subject.repo.name.to_owned();
        let revision = subject.revision.unwrap_or("HEAD").to_owned();
        let message = refusal.message.as_deref().map(|text| self.presentable(text));
        let with_token = self.inner.token.is_some();
        let setting = self.inner.setting.clone();
        let missing = |name| UpstreamError::RepoNotFound {
            name,
            endpoint: endpoint.clone(),
            with_token,
            setting: self.inner.setting.clone(),
        };
        match (refusal.code.as_deref(), refusal.status.as_u16()) {
            (Some("RevisionNotFound"), _) => UpstreamError::RevisionNotFound { name, revision },
            (Some("EntryNotFound"), _) => {
                let path = subject.path.unwrap_or("/").to_owned();
                UpstreamError::EntryNotFound { name, revision, path }
            }
            (Some("GatedRepo"), _) => {
                let url = subject.repo.page(&self.inner.endpoint).to_string();
                UpstreamError::Gated { name, url, setting }
            }
            (Some("RepoNotFound"), _) => missing(name),
            (_, 301..=303 | 307 | 308) => match refusal.redirect {
                Some(host) => UpstreamError::ForbiddenRedirect {
                    host,
                    why: "it leads away from the hub that was asked",
                    hint: "set `upstream.endpoint` to the hub's final URL",
                },
                None => UpstreamError::Protocol { endpoint, what: "a redirect leads away from the hub".to_owned() },
            },
            (_, 407) => UpstreamError::ProxyRefused { endpoint: refusal.host },
            (_, 429) => UpstreamError::RateLimited { endpoint, retry_after: refusal.wait },
            (_, 401) if with_token || message.as_deref() == Some("Invalid credentials in Authorization header") => {
                UpstreamError::Unauthorized { endpoint, setting }
            }
            (_, 401) => missing(name),
            (_, 403) => {
                let message = message.unwrap_or_else(|| "no reason is given".to_owned());
                UpstreamError::Forbidden { endpoint, name, message }
            }
            (_, 404) if refusal.html => {
                UpstreamError::NotAHub { endpoint, what: format!("`{}` is an HTML page of its own", refusal.path) }
            }
            // Without a code, a 404 is about the most particular thing that was asked for.
            (_, 404) => match (subject.path, subject.revision) {
                (Some(path), _) => UpstreamError::EntryNotFound { name, revision, path: path.to_owned() },
                (None, Some(_)) => UpstreamError::RevisionNotFound { name, revision },
                (None, None) => missing(name),
            },
            _ => UpstreamError::Http {
                host: refusal.host,
                status: refusal.status,
                path: refusal.path,
                request_id: refusal.request_id,
                message,
            },
        }
    }

    /// A refusal by the hub as a failed attempt.
    pub(super) fn refused(&self, refusal: Refusal, subject: &Subject<'_>) -> Failed {
        let wait = refusal.wait;
        Failed { wait, ..Failed::from(self.meaning(refusal, subject)) }
    }

    /// What became of a request that got no answer, or whose answer broke off.
    pub(super) fn broken(&self, error: reqwest::Error) -> UpstreamError {
        let endpoint = match error.url() {
            Some(url) if url.origin() != self.inner.endpoint.origin() => url.origin().ascii_serialization(),
            _ => self.endpoint().to_owned(),
        };
        if let Some(target) = cause::<ForbiddenTarget>(&error) {
            return forbidden(target.clone());
        }
        let error = error.without_url();
        if error.is_timeout() {
            return UpstreamError::Timeout { endpoint };
        }
        if error.is_redirect() || error.is_builder() {
            return UpstreamError::Protocol { endpoint, what: chain(&error) };
        }
        if let Some(reason) = distrust(&error) {
            return UpstreamError::Untrusted { endpoint, reason };
        }
        let (reason, with_proxy) = (chain(&error), self.inner.with_proxy);
        // The text of the connector, which has no type of its own for it.
        if with_proxy && reason.contains("proxy auth") {
            return UpstreamError::ProxyRefused { endpoint };
        }
        UpstreamError::Unreachable { endpoint, reason, with_proxy }
    }

    /// What an error of `hf-hub` means.
    pub(super) fn discovered(&self, error: HFError, subject: &Subject<'_>) -> Failed {
        let (context, wait) = match error {
            HFError::Http { context }
            | HFError::AuthRequired { context }
            | HFError::Forbidden { context }
            | HFError::Conflict { context }
            | HFError::RepoNotFound { context: Some(context), .. }
            | HFError::RevisionNotFound { context: Some(context), .. } => (context, None),
            HFError::RateLimited { retry_after, context } => (context, retry_after),
            HFError::Request { source, .. } => {
                return match cause::<serde_json::Error>(&source) {
                    Some(error) => self.unreadable(error).into(),
                    None => self.broken(source).into(),
                };
            }
            HFError::Json(error) => return self.unreadable(&error).into(),
            other => {
                let what = self.presentable(&other.to_string());
                return UpstreamError::Protocol { endpoint: self.endpoint().to_owned(), what }.into();
            }
        };
        let url = Url::parse(&context.url).unwrap_or_else(|_| self.inner.endpoint.clone());
        let refusal = Refusal {
            status: context.status,
            host: url.origin().ascii_serialization(),
            path: url.path().to_owned(),
            code: context.error_code,
            message: context.server_message,
            request_id: context.request_id,
            html: context.body.trim_start().starts_with('<'),
            redirect: None,
            wait,
        };
        self.refused(refusal, subject)
    }

    /// What an answer means that is no JSON, or JSON of another shape.
    pub(super) fn unreadable(&self, error: &serde_json::Error) -> UpstreamError {
        let endpoint = self.endpoint().to_owned();
        if error.is_data() {
            return UpstreamError::Protocol { endpoint, what: self.presentable(&error.to_string()) };
        }
        UpstreamError::NotAHub { endpoint, what: "the answer is not JSON".to_owned() }
    }

    /// A server's text, made fit to be shown: one bounded line without our token.
    fn presentable(&self, text: &str) -> String {
        let text = match &self.inner.token {
            Some(token) => text.replace(token.expose(), "[hidden]"),
            None => text.to_owned(),
        };
        let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let line = line.trim_end_matches('.');
        line.chars().filter(|c| !c.is_control()).take(MESSAGE_CHARS_MAX).collect()
    }
}

/// A refused target as an error.
pub(super) fn forbidden(target: ForbiddenTarget) -> UpstreamError {
    UpstreamError::ForbiddenRedirect {
        host: target.host,
        why: "it is on a loopback, link-local or private address",
        hint: "if that is where the hub keeps its files, list it in `upstream.allowed_private_hosts`",
    }
}

/// The target of a redirect, made absolute.
pub(super) fn location(headers: &HeaderMap, base: &Url) -> Option<Url> {
    base.join(headers.get(LOCATION)?.to_str().ok()?).ok()
}

/// Whether an answer calls itself HTML.
pub(super) fn is_html(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).is_some_and(|value| value.as_bytes().starts_with(b"text/html"))
}

fn text_of(headers: &HeaderMap, name: &str) -> Option<String> {
    let text = headers.get(name)?.to_str().ok()?.trim();
    (!text.is_empty()).then(|| text.chars().take(MESSAGE_CHARS_MAX).collect())
}

/// `{"error": "text"}`.
fn message_in(body: &[u8]) -> Option<String> {
    let body: serde_json::Value = serde_json::from_slice(body).ok()?;
    Some(body.get("error")?.as_str()?.to_owned())
}
