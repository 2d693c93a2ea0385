//! Sending one event to one receiver.

use std::sync::Arc;
use std::time::Duration;

use acervo_core::Timestamp;
use reqwest::header::CONTENT_TYPE;
use reqwest::redirect::Policy;
use reqwest::{Client, Response, StatusCode};
use uuid::Uuid;

use super::Hook;
use super::config::DeliveryConfig;
use crate::outward::{self, ForbiddenTarget, Guard, GuardedResolver};

/// Most that is read of an answer, in bytes.
const ANSWER_BYTES_MAX: usize = 4096;

/// Longest text of an answer that is kept, in characters.
const ANSWER_CHARS_MAX: usize = 300;

/// What became of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// What it means.
    pub verdict: Verdict,
    /// HTTP status, if there was an answer.
    pub status: Option<u16>,
    /// What went wrong, without secrets.
    pub error: Option<String>,
}

/// What an answer means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The receiver has the event.
    Taken,
    /// Not now; it may take it later.
    Failed,
    /// The receiver wants none of this any more.
    Gone,
}

impl Reply {
    /// An attempt that came to nothing before there was an answer.
    pub fn failed(error: String) -> Reply {
        Reply { verdict: Verdict::Failed, status: None, error: Some(error) }
    }
}

/// What all webhooks are sent with.
#[derive(Debug)]
pub(super) struct Sender {
    client: Client,
    guard: Arc<Guard>,
    pub(super) timeout: Duration,
}

impl Sender {
    pub(super) fn new(config: &DeliveryConfig) -> Result<Sender, String> {
        if config.timeout_seconds == 0 {
            return Err("`webhook_delivery.timeout_seconds` is 0; it must be at least 1".to_owned());
        }
        let timeout = Duration::from_secs(config.timeout_seconds);
        let guard = Arc::new(Guard::strict(&config.allowed_private_hosts));
        let authorities = outward::authorities(config.ca_file.as_deref(), "webhook_delivery.ca_file")?;
        let client = Client::builder()
            .user_agent(concat!("acervo/", env!("CARGO_PKG_VERSION")))
            .timeout(timeout)
            .redirect(Policy::none())
            .referer(false)
            .no_proxy()
            .tls_certs_merge(authorities)
            .dns_resolver(GuardedResolver(Arc::clone(&guard)))
            .build()
            .map_err(|error| format!("no HTTP client for webhooks can be made: {}", error.without_url()))?;
        Ok(Sender { client, guard, timeout })
    }

    /// Sends a body and reads what matters of the answer.
    pub(super) async fn send(&self, hook: &Hook, id: Uuid, at: Timestamp, body: Vec<u8>) -> Reply {
        if let Err(target) = self.guard.check(hook.url.expose()).await {
            return Reply::failed(forbidden(&target));
        }
        let (id, seconds) = (id.to_string(), at.as_millis().div_euclid(1000));
        let request = self
            .client
            .post(hook.url.expose().clone())
            .header(CONTENT_TYPE, "application/json")
            .header("webhook-id", &id)
            .header("webhook-timestamp", seconds)
            .header("webhook-signature", hook.key.sign(&id, seconds, &body))
            .body(body);
        match request.send().await {
            Ok(response) => answered(hook, response).await,
            Err(error) => Reply::failed(hook.without_secrets(&self.broken(error))),
        }
    }

    /// Why there was no answer.
    fn broken(&self, error: reqwest::Error) -> String {
        if let Some(target) = outward::cause::<ForbiddenTarget>(&error) {
            return forbidden(target);
        }
        let error = error.without_url();
        if error.is_timeout() {
            return format!("no answer within {} seconds", self.timeout.as_secs());
        }
        match outward::distrust(&error) {
            Some(why) => {
                format!("its certificate is not trusted: {why}; name its authority in `webhook_delivery.ca_file`")
            }
            None => format!("cannot be reached: {}", outward::chain(&error)),
        }
    }
}

fn forbidden(target: &ForbiddenTarget) -> String {
    format!("{target}; if events are meant to go there, list it in `webhook_delivery.allowed_private_hosts`")
}

/// What an answer says.
async fn answered(hook: &Hook, response: Response) -> Reply {
    let status = response.status();
    let (verdict, why) = match status {
        status if status.is_success() => {
            return Reply { verdict: Verdict::Taken, status: Some(status.as_u16()), error: None };
        }
        StatusCode::GONE => (Verdict::Gone, "wants no more events"),
        status if status.is_redirection() => (Verdict::Failed, "is elsewhere, and redirects are not followed"),
        _ => (Verdict::Failed, "did not take it"),
    };
    let said = hook.without_secrets(&beginning(response).await);
    let line = said.split_whitespace().collect::<Vec<_>>().join(" ");
    let line: String = line.chars().filter(|c| !c.is_control()).take(ANSWER_CHARS_MAX).collect();
    let mut error = format!("the receiver {why}: {}", status.as_u16());
    if !line.is_empty() {
        error.push_str(", ");
        error.push_str(&line);
    }
    Reply { verdict, status: Some(status.as_u16()), error: Some(error) }
}

/// The first bytes of an answer as text, or as many as come.
async fn beginning(mut response: Response) -> String {
    let mut read = Vec::new();
    while read.len() < ANSWER_BYTES_MAX {
        match response.chunk().await {
            Ok(Some(chunk)) => read.extend_from_slice(&chunk),
            Ok(None) | Err(_) => break,
        }
    }
    read.truncate(ANSWER_BYTES_MAX);
    String::from_utf8_lossy(&read).into_owned()
}
