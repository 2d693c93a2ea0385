//! Asking the hub for JSON: attempts, waits, pages.

use std::future::Future;
use std::ops::ControlFlow;
use std::time::Duration;

use reqwest::header::{ACCEPT, HeaderMap};
use serde::de::DeserializeOwned;
use url::Url;

use super::answer::{Failed, Refusal, Subject, is_html};
use super::client::Client;
use super::error::UpstreamError;
use super::limits::{ANSWER_BYTES_MAX, ANSWER_SECONDS_MAX, PAGES_MAX};
use super::link;

impl Client {
    /// Asks for one JSON answer, again if the failure is one that passes.
    pub(super) async fn json<T: DeserializeOwned>(
        &self,
        subject: &Subject<'_>,
        url: &Url,
    ) -> Result<(T, HeaderMap), UpstreamError> {
        self.retrying(|| self.json_once(subject, url.clone())).await
    }

    /// Asks for a listing page by page, until its end or until `each` has enough.
    pub(super) async fn pages<T: DeserializeOwned>(
        &self,
        subject: &Subject<'_>,
        first: Url,
        mut each: impl FnMut(T) -> Result<ControlFlow<()>, UpstreamError>,
    ) -> Result<(), UpstreamError> {
        let mut url = first;
        for _ in 0..PAGES_MAX {
            let (items, headers): (Vec<T>, _) = self.json(subject, &url).await?;
            for item in items {
                if each(item)?.is_break() {
                    return Ok(());
                }
            }
            let Some(target) = link::next(&headers) else { return Ok(()) };
            let next = link::own_page(&target, &self.inner.endpoint).map_err(|what| self.breach(what))?;
            if next == url {
                return Err(self.breach("the link to the next page leads to the same page"));
            }
            url = next;
        }
        Err(self.breach(format!("a listing has more than {PAGES_MAX} pages")))
    }

    /// Makes attempts at a metadata request until one succeeds or it is no use.
    pub(super) async fn retrying<T, F>(&self, mut attempt: impl FnMut() -> F) -> Result<T, UpstreamError>
    where
        F: Future<Output = Result<T, Failed>>,
    {
        let mut failures = 0;
        loop {
            let permit =
                self.inner.answers.enter(self.urgency.patience()).await.map_err(|wait| self.rate_limited(wait))?;
            self.inner.answers.allowed(self.urgency).await.map_err(|wait| self.rate_limited(wait))?;
            let limit = Duration::from_secs(ANSWER_SECONDS_MAX);
            let failed = match tokio::time::timeout(limit, attempt()).await {
                Ok(Ok(answer)) => return Ok(answer),
                Ok(Err(failed)) => failed,
                Err(_) => UpstreamError::Timeout { endpoint: self.endpoint().to_owned() }.into(),
            };
            // A pause of the server is everybody's; other waits are this request's own.
            if let (UpstreamError::RateLimited { .. }, Some(wait)) = (&failed.error, failed.wait) {
                self.inner.answers.hold(wait).await;
            }
            drop(permit);
            failures += 1;
            self.wait_after(failed, failures).await?;
        }
    }

    /// Waits as long as the server or caution demand, or gives up.
    pub(super) async fn wait_after(&self, failed: Failed, failures: u32) -> Result<(), UpstreamError> {
        let told = failed.wait.unwrap_or_default();
        if !failed.again || failures >= self.inner.attempts_max || told > self.urgency.patience() {
            return Err(failed.error);
        }
        let wait = told.max(self.inner.backoff.after(failures));
        let wait_milliseconds = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        tracing::debug!(error = %failed.error, attempt = failures, wait_milliseconds, "upstream request is tried again");
        tokio::time::sleep(wait).await;
        Ok(())
    }

    async fn json_once<T: DeserializeOwned>(&self, subject: &Subject<'_>, url: Url) -> Result<(T, HeaderMap), Failed> {
        let request = self.ask_hub(url).header(ACCEPT, "application/json");
        let mut response = request.send().await.map_err(|error| self.broken(error))?;
        if !response.status().is_success() {
            return Err(self.refused(Refusal::read(response).await, subject));
        }
        self.inner.answers.note_limit(response.headers()).await;
        if is_html(response.headers()) {
            let what = "it sends an HTML page where JSON is due".to_owned();
            return Err(UpstreamError::NotAHub { endpoint: self.endpoint().to_owned(), what }.into());
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.broken(error))? {
            if body.len() + chunk.len() > ANSWER_BYTES_MAX {
                return Err(self.breach(format!("an answer is longer than {ANSWER_BYTES_MAX} bytes")).into());
            }
            body.extend_from_slice(&chunk);
        }
        let answer = serde_json::from_slice(&body).map_err(|error| self.unreadable(&error))?;
        Ok((answer, response.headers().clone()))
    }

    /// The error of a hub that breaks the protocol.
    pub(super) fn breach(&self, what: impl Into<String>) -> UpstreamError {
        UpstreamError::Protocol { endpoint: self.endpoint().to_owned(), what: what.into() }
    }

    /// The error of a pause that is too long to sit out.
    pub(super) fn rate_limited(&self, wait: Duration) -> UpstreamError {
        UpstreamError::RateLimited { endpoint: self.endpoint().to_owned(), retry_after: Some(wait) }
    }
}
