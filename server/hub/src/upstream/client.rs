//! The client: what it is made of, and how it is made from its configuration.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use hf_hub::HFClient;
use reqwest::header::HeaderValue;
use reqwest::redirect::Policy;
use reqwest::{Proxy, RequestBuilder};
use url::Url;

use super::budget::{Budget, Ledger, Quota, Urgency};
use super::config::{Config, Secret};
use super::error::UpstreamError;
use super::limits::{Backoff, Pace, REDIRECTS_MAX};
use super::throughput::Throughput;
use crate::outward::{self, Guard, GuardedResolver};

/// Given to `hf-hub` when no token is configured.
///
/// Without a token `hf-hub` would take one from `HF_TOKEN`, `HF_TOKEN_PATH` or a stored login, and an empty one would
/// be sent as a malformed header. A text that no header may hold is neither replaced nor sent, and needs no change to
/// the environment of the process.
pub(super) const NO_TOKEN: &str = "\n";

/// An upstream hub; clones share connections and limits.
#[derive(Clone)]
pub struct Client {
    pub(super) inner: Arc<Inner>,
    /// Whether somebody waits for what is asked.
    pub(super) urgency: Urgency,
    /// How many transfers and bytes at once; shared with the clients of other upstreams.
    pub(super) throughput: Throughput,
}

pub(super) struct Inner {
    /// Without a trailing slash.
    endpoint_text: String,
    pub(super) endpoint: Url,
    pub(super) token: Option<Secret>,
    /// Which setting has the token, or would have it, in words.
    pub(super) setting: String,
    /// For the endpoint: follows redirects on its own origin only, and hands back the others.
    pub(super) hub: reqwest::Client,
    /// Whether requests go through a proxy.
    pub(super) with_proxy: bool,
    /// For where files are: never sends credentials, follows nothing, connects only where `guard` allows.
    pub(super) storage: reqwest::Client,
    pub(super) guard: Arc<Guard>,
    pub(super) discovery: HFClient,
    pub(super) attempts_max: u32,
    pub(super) backoff: Backoff,
    /// Metadata requests; apart from transfers, which may hold their places for hours.
    pub(super) answers: Pace,
    pub(super) transfers: Pace,
    pub(super) ranges_at_once: usize,
    pub(super) range_bytes: u64,
}

/// Whose token a client sends.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Whose {
    /// What tells its budgets apart from those of other tokens; empty for the token of all.
    pub(super) source: String,
    /// Which setting has the token, in words.
    pub(super) setting: String,
}

impl Default for Whose {
    fn default() -> Self {
        Whose { source: String::new(), setting: "`upstream.token_file`".to_owned() }
    }
}

impl Client {
    /// A client that shares its limits with no other; see [`Client::sharing`].
    pub fn new(config: &Config) -> Result<Self, UpstreamError> {
        Client::sharing(config, &Throughput::new(0, config.bandwidth_bytes_per_second))
    }

    /// The same client for work of this urgency.
    pub fn with_urgency(&self, urgency: Urgency) -> Client {
        Client { urgency, ..self.clone() }
    }

    /// The same client, within a narrower limit of bytes a second.
    pub fn within(&self, narrower: &Throughput) -> Client {
        Client { throughput: self.throughput.narrowed(narrower), ..self.clone() }
    }

    /// Checks the configuration and reads the files it names; connects to nothing yet.
    ///
    /// All clients that are given the same `throughput` keep to it together.
    pub fn sharing(config: &Config, throughput: &Throughput) -> Result<Self, UpstreamError> {
        Client::making(config, throughput, None, &Whose::default())
    }

    /// The same, with budgets that all processes share, and the words for whose token is sent.
    pub(super) fn making(
        config: &Config,
        throughput: &Throughput,
        ledger: Option<&Arc<dyn Ledger>>,
        whose: &Whose,
    ) -> Result<Self, UpstreamError> {
        check_limits(config)?;
        let endpoint = parse_endpoint(&config.endpoint)?;
        let endpoint_text = endpoint.as_str().trim_end_matches('/').to_owned();
        let token = token(config)?;
        if token.is_some() && endpoint.scheme() == "http" {
            tracing::warn!(upstream.endpoint = endpoint_text, "the upstream token is sent without encryption");
        }
        let proxy = proxy(config)?;
        let guard = Arc::new(Guard::new(&endpoint, &config.allowed_private_hosts, proxy.as_ref()));
        let user_agent = user_agent(config)?;
        let authorities =
            outward::authorities(config.ca_file.as_deref(), "upstream.ca_file").map_err(UpstreamError::Config)?;

        let builder = || {
            let builder = reqwest::Client::builder()
                .user_agent(user_agent.clone())
                .connect_timeout(Duration::from_secs(config.connect_timeout_seconds))
                .read_timeout(Duration::from_secs(config.read_timeout_seconds))
                .referer(false)
                .no_gzip()
                .no_brotli()
                .no_zstd()
                .no_deflate()
                .no_proxy()
                .tls_certs_merge(authorities.clone());
            match &proxy {
                Some(url) => Ok::<_, reqwest::Error>(builder.proxy(Proxy::all(url.clone())?)),
                None => Ok(builder),
            }
        };
        let unusable = |error: reqwest::Error| {
            UpstreamError::Config(format!("no HTTP client can be made: {}", error.without_url()))
        };
        let hub = builder().and_then(|builder| builder.redirect(own_origin(&endpoint)).build()).map_err(unusable)?;
        let storage = builder()
            .and_then(|builder| {
                builder.redirect(Policy::none()).dns_resolver(GuardedResolver(Arc::clone(&guard))).build()
            })
            .map_err(unusable)?;
        let discovery = HFClient::builder()
            .endpoint(&endpoint_text)
            .token(token.as_ref().map_or(NO_TOKEN, Secret::expose))
            .client(hub.clone())
            .user_agent(user_agent.to_str().unwrap_or_default())
            .cache_enabled(false)
            .cache_dir(PathBuf::new())
            // Waits are ours, since `hf-hub` does not obey `Retry-After`.
            .retry_max_attempts(0)
            .build()
            .map_err(|error| UpstreamError::Config(format!("no hub client can be made: {error}")))?;

        let clock = ledger.map(|ledger| Arc::clone(ledger.clock())).unwrap_or_default();
        let pace = |sort: &str, requests: u64| {
            let quota = Quota {
                requests,
                window_seconds: config.window_seconds,
                interactive_percent: config.interactive_percent,
            };
            let source = format!("{endpoint_text} {sort}{}", whose.source);
            Pace::new(config.concurrency, Arc::clone(&clock), Budget::new(ledger.cloned(), source, quota))
        };
        let inner = Inner {
            answers: pace("requests", config.requests_per_window),
            transfers: pace("resolves", config.resolves_per_window),
            setting: whose.setting.clone(),
            endpoint_text,
            endpoint,
            token,
            hub,
            with_proxy: proxy.is_some(),
            storage,
            guard,
            discovery,
            attempts_max: config.attempts_max,
            backoff: Backoff::new(Duration::from_millis(config.retry_base_milliseconds)),
            ranges_at_once: config.ranges_at_once,
            range_bytes: config.range_bytes,
        };
        Ok(Client { inner: Arc::new(inner), urgency: Urgency::default(), throughput: throughput.clone() })
    }

    /// Base URL of the hub, without a trailing slash.
    pub fn endpoint(&self) -> &str {
        &self.inner.endpoint_text
    }

    /// Metadata requests that the hub said it would still answer, and for how many seconds that counts.
    pub fn requests_left(&self) -> Option<(u64, u64)> {
        self.inner.answers.left()
    }

    /// A request to the endpoint, with the token.
    pub(super) fn ask_hub(&self, url: Url) -> RequestBuilder {
        let request = self.inner.hub.get(url);
        match &self.inner.token {
            Some(token) => request.bearer_auth(token.expose()),
            None => request,
        }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("endpoint", &self.inner.endpoint_text).finish_non_exhaustive()
    }
}

fn refuse<T>(text: impl Into<String>) -> Result<T, UpstreamError> {
    Err(UpstreamError::Config(text.into()))
}

fn check_limits(config: &Config) -> Result<(), UpstreamError> {
    let limits = [
        ("connect_timeout_seconds", config.connect_timeout_seconds),
        ("read_timeout_seconds", config.read_timeout_seconds),
        ("attempts_max", config.attempts_max.into()),
        ("concurrency", config.concurrency as u64),
        ("ranges_at_once", config.ranges_at_once as u64),
        ("range_bytes", config.range_bytes),
        ("window_seconds", config.window_seconds),
    ];
    for (name, value) in limits {
        if value == 0 {
            return refuse(format!("`upstream.{name}` is 0; it must be at least 1"));
        }
    }
    Ok(())
}

pub(super) fn parse_endpoint(text: &str) -> Result<Url, UpstreamError> {
    let usable = |url: &Url| {
        matches!(url.scheme(), "http" | "https")
            && url.has_host()
            && url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none()
    };
    match Url::parse(text.trim()) {
        Ok(url) if usable(&url) => Ok(url),
        // The text may hold credentials, so it is not repeated.
        _ => refuse(
            "`upstream.endpoint` is not the base URL of a hub; write `https://host` or `http://host:port/prefix`, \
             without credentials, query or fragment",
        ),
    }
}

fn token(config: &Config) -> Result<Option<Secret>, UpstreamError> {
    read_token(config.token.as_ref(), config.token_file.as_deref(), "upstream")
}

/// The token that a section of the configuration gives, or names the file of.
pub(super) fn read_token(
    token: Option<&Secret>,
    file: Option<&Path>,
    section: &str,
) -> Result<Option<Secret>, UpstreamError> {
    let token = match (token, file) {
        (Some(_), Some(_)) => {
            return refuse(format!("`{section}.token` and `{section}.token_file` are both set; remove one"));
        }
        (None, None) => return Ok(None),
        (Some(token), None) => token.expose().trim().to_owned(),
        (None, Some(path)) => match std::fs::read_to_string(path) {
            Ok(text) => text.trim().to_owned(),
            Err(error) => {
                return refuse(format!(
                    "the file `{}` of `{section}.token_file` cannot be read: {error}; check its path and permissions",
                    path.display()
                ));
            }
        },
    };
    if token.is_empty() || !token.bytes().all(|b| b.is_ascii_graphic()) {
        return refuse("the upstream token is empty or holds spaces or control characters; write the bare token");
    }
    Ok(Some(Secret::new(token)))
}

fn proxy(config: &Config) -> Result<Option<Url>, UpstreamError> {
    let Some(text) = &config.proxy else { return Ok(None) };
    match Url::parse(text.expose().trim()) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => Ok(Some(url)),
        _ => refuse("`upstream.proxy` is not an `http://` or `https://` URL; write `http://host:port`"),
    }
}

fn user_agent(config: &Config) -> Result<HeaderValue, UpstreamError> {
    let own = concat!("acervo/", env!("CARGO_PKG_VERSION"));
    let text = match &config.user_agent_extra {
        Some(extra) => format!("{own}; {}", extra.trim()),
        None => own.to_owned(),
    };
    match HeaderValue::from_str(&text) {
        Ok(value) if text.is_ascii() => Ok(value),
        _ => refuse("`upstream.user_agent_extra` holds characters that no header may hold; write plain ASCII"),
    }
}

/// Follows a few redirects on the endpoint's own origin (a renamed repository); any other ends the request there.
fn own_origin(endpoint: &Url) -> Policy {
    let origin = endpoint.origin();
    Policy::custom(move |attempt| {
        if attempt.previous().len() > REDIRECTS_MAX {
            attempt.error("too many redirects")
        } else if attempt.url().origin() == origin {
            attempt.follow()
        } else {
            attempt.stop()
        }
    })
}
