//! Where the bytes of a file are, and whether an answer is about that file.

use std::ops::Range;

use acervo_core::{CommitOid, TreeEntry};
use reqwest::header::{
    ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, ETAG, HeaderMap, IF_RANGE, RANGE,
};
use reqwest::{RequestBuilder, Response};
use url::Url;

use super::answer::{Failed, Refusal, Subject, forbidden, location};
use super::client::Client;
use super::error::UpstreamError;
use super::limits::REDIRECTS_MAX;
use crate::outward::host_of;

/// A file that is being fetched.
pub(super) struct Wanted<'a> {
    pub(super) subject: Subject<'a>,
    pub(super) commit: CommitOid,
    pub(super) entry: &'a TreeEntry,
}

/// Where the hub says that the bytes are.
pub(super) enum Source {
    Here(Response),
    Elsewhere(Url),
}

/// Which bytes an answer brings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    /// Those that were asked for, or the first of them.
    Asked,
    /// The whole file from its start, although a part was asked for.
    Whole,
}

impl Client {
    /// Asks the hub for a range of the file, and holds its answer to the listing.
    pub(super) async fn locate(&self, wanted: &Wanted<'_>, range: &Range<u64>) -> Result<Source, Failed> {
        let url = wanted.subject.repo.resolve(&self.inner.endpoint, wanted.commit, &wanted.entry.path);
        let request = ranged(self.ask_hub(url), wanted.entry, range);
        let too_long = |wait| Failed { wait: Some(wait), ..self.rate_limited(wait).into() };
        self.inner.transfers.allowed(self.urgency).await.map_err(too_long)?;
        let response = request.send().await.map_err(|error| self.broken(error))?;
        let headers = response.headers();
        let target = match response.status().as_u16() {
            200 | 206 => None,
            301..=303 | 307 | 308 => location(headers, response.url()),
            416 => return Err(out_of_range(wanted, &response, range).into()),
            _ => {
                let failed = self.refused(Refusal::read(response).await, &wanted.subject);
                if let (UpstreamError::RateLimited { .. }, Some(wait)) = (&failed.error, failed.wait) {
                    self.inner.transfers.hold(wait).await;
                }
                return Err(failed);
            }
        };
        self.inner.transfers.note_limit(headers).await;
        self.check_identity(wanted, headers)?;
        match target {
            Some(url) => Ok(Source::Elsewhere(url)),
            None if response.status().is_success() => Ok(Source::Here(response)),
            None => Err(self.breach("a redirect of a file has no usable `Location`").into()),
        }
    }

    /// Asks a storage host for a range of the file, without credentials; `tag` is what earlier answers were about.
    pub(super) async fn fetch(
        &self,
        wanted: &Wanted<'_>,
        start: Url,
        range: &Range<u64>,
        tag: Option<&str>,
    ) -> Result<Response, Failed> {
        let mut url = start;
        for _ in 0..=REDIRECTS_MAX {
            self.check_target(&url).await?;
            let host = url.origin().ascii_serialization();
            let mut request = ranged(self.inner.storage.get(url.clone()), wanted.entry, range);
            // A weak tag promises nothing about single bytes.
            if let Some(tag) = tag.filter(|tag| tag.starts_with('"') && !is_whole(wanted.entry, range)) {
                request = request.header(IF_RANGE, tag);
            }
            let response = request.send().await.map_err(|error| self.broken(error))?;
            let status = response.status();
            match status.as_u16() {
                200 | 206 => return Ok(response),
                301..=303 | 307 | 308 => {
                    let what = || "a redirect of a file has no usable `Location`".to_owned();
                    url = location(response.headers(), &url)
                        .ok_or_else(|| UpstreamError::Protocol { endpoint: host, what: what() })?;
                }
                416 => return Err(out_of_range(wanted, &response, range).into()),
                _ => return Err(unavailable(Refusal::read(response).await, &url)),
            }
        }
        let endpoint = url.origin().ascii_serialization();
        Err(UpstreamError::Protocol { endpoint, what: "a file is redirected too many times".to_owned() }.into())
    }

    /// Refuses storage addresses that must not be asked.
    async fn check_target(&self, url: &Url) -> Result<(), UpstreamError> {
        let refuse = |why, hint| Err(UpstreamError::ForbiddenRedirect { host: host_of(url), why, hint });
        if !matches!(url.scheme(), "http" | "https") {
            return refuse("it is not an `http` or `https` URL", "report it to the hub's operator");
        }
        let unencrypted = self.inner.endpoint.scheme() == "https" && url.scheme() == "http";
        if unencrypted && !self.inner.guard.lists(&host_of(url)) {
            return refuse(
                "it gives up the encryption of the hub",
                "if that is meant, list the host in `upstream.allowed_private_hosts`",
            );
        }
        self.inner.guard.check(url).await.map_err(forbidden)
    }

    /// Compares the hub's headers with the listing: commit, content, size.
    fn check_identity(&self, wanted: &Wanted<'_>, headers: &HeaderMap) -> Result<(), UpstreamError> {
        let entry = wanted.entry;
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
        let Some(answered) = text("x-repo-commit") else {
            let what = "the answer for a file has no `X-Repo-Commit`".to_owned();
            return Err(UpstreamError::NotAHub { endpoint: self.endpoint().to_owned(), what });
        };
        if !answered.eq_ignore_ascii_case(&wanted.commit.to_hex()) {
            let answered = answered.chars().take(64).collect();
            let name = wanted.subject.repo.name.to_owned();
            return Err(UpstreamError::CommitMoved { name, pinned: wanted.commit, answered });
        }
        let Some(etag) = text("x-linked-etag").or_else(|| text(ETAG.as_str())) else {
            return Err(self.breach(format!("the answer for `{}` has no `ETag`", entry.path)));
        };
        let answered = etag.strip_prefix("W/").unwrap_or(etag).trim_matches('"');
        let declared = entry.etag();
        if !answered.eq_ignore_ascii_case(&declared) {
            let answered = answered.chars().take(128).collect();
            return Err(UpstreamError::IdentityDisagrees { path: entry.path.clone(), declared, answered });
        }
        match text("x-linked-size").map(str::parse) {
            Some(Ok(answered)) => same_length(entry, answered),
            Some(Err(_)) => Err(self.breach(format!("the answer for `{}` has an unreadable size", entry.path))),
            None => Ok(()),
        }
    }
}

/// What a storage host calls this state of the file.
pub(super) fn tag_of(response: &Response) -> Option<String> {
    let tag = response.headers().get(ETAG)?.to_str().ok()?.trim();
    (!tag.is_empty()).then(|| tag.to_owned())
}

/// Whether a range is all of a file.
fn is_whole(entry: &TreeEntry, range: &Range<u64>) -> bool {
    range.start == 0 && range.end >= entry.size
}

/// A request for bytes as they are.
fn ranged(request: RequestBuilder, entry: &TreeEntry, range: &Range<u64>) -> RequestBuilder {
    let request = request.header(ACCEPT_ENCODING, "identity");
    if is_whole(entry, range) {
        request
    } else if range.end >= entry.size {
        request.header(RANGE, format!("bytes={}-", range.start))
    } else {
        request.header(RANGE, format!("bytes={}-{}", range.start, range.end.saturating_sub(1)))
    }
}

/// The error of a server that has nothing in a range that is within the declared size.
fn out_of_range(wanted: &Wanted<'_>, response: &Response, range: &Range<u64>) -> UpstreamError {
    let text = response.headers().get(CONTENT_RANGE).and_then(|value| value.to_str().ok());
    match text.and_then(|text| text.strip_prefix("bytes */")?.parse().ok()) {
        Some(answered) if answered != wanted.entry.size => {
            UpstreamError::WrongLength { path: wanted.entry.path.clone(), declared: wanted.entry.size, answered }
        }
        _ => UpstreamError::Protocol {
            endpoint: response.url().origin().ascii_serialization(),
            what: format!("it refuses the range of `{}` from byte {} on", wanted.entry.path, range.start),
        },
    }
}

/// A storage host's refusal; its text may repeat signed parameters and is not passed on.
fn unavailable(refusal: Refusal, url: &Url) -> Failed {
    let (endpoint, wait) = (refusal.host, refusal.wait);
    if refusal.status.as_u16() == 429 {
        return Failed { wait, ..UpstreamError::RateLimited { endpoint, retry_after: wait }.into() };
    }
    if refusal.status.as_u16() == 407 {
        return UpstreamError::ProxyRefused { endpoint }.into();
    }
    let expired = matches!(refusal.status.as_u16(), 400 | 401 | 403 | 404 | 410);
    let path = url.path().to_owned();
    let error = UpstreamError::Http { host: endpoint, status: refusal.status, path, request_id: None, message: None };
    Failed { again: expired || error.is_transient(), error, wait }
}

/// What a 200 or 206 brings, once its lengths are those that were declared.
pub(super) fn check_extent(
    entry: &TreeEntry,
    response: &Response,
    range: &Range<u64>,
) -> Result<Extent, UpstreamError> {
    let headers = response.headers();
    let breach =
        |what: String| Err(UpstreamError::Protocol { endpoint: response.url().origin().ascii_serialization(), what });
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    if let Some(encoding) = text(CONTENT_ENCODING)
        && !encoding.eq_ignore_ascii_case("identity")
    {
        return breach(format!("`{}` is sent in the encoding `{encoding}` although none was asked for", entry.path));
    }
    if response.status().as_u16() == 200 {
        if let Some(answered) = text(CONTENT_LENGTH).and_then(|text| text.parse().ok()) {
            same_length(entry, answered)?;
        }
        return Ok(if is_whole(entry, range) { Extent::Asked } else { Extent::Whole });
    }
    let Some((first, last, total)) = text(CONTENT_RANGE).and_then(content_range) else {
        return breach(format!("the part of `{}` has no readable `Content-Range`", entry.path));
    };
    if let Some(total) = total {
        same_length(entry, total)?;
    }
    if first != range.start || last >= entry.size {
        let asked = range.start;
        return breach(format!("`{}` was asked for from byte {asked} on but {first}-{last} is sent", entry.path));
    }
    Ok(Extent::Asked)
}

/// `bytes 5-9/10` or `bytes 5-9/*`.
fn content_range(text: &str) -> Option<(u64, u64, Option<u64>)> {
    let (range, total) = text.strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let total = if total == "*" { None } else { Some(total.parse().ok()?) };
    Some((first.parse().ok()?, last.parse().ok()?, total))
}

fn same_length(entry: &TreeEntry, answered: u64) -> Result<(), UpstreamError> {
    if answered == entry.size {
        return Ok(());
    }
    Err(UpstreamError::WrongLength { path: entry.path.clone(), declared: entry.size, answered })
}

#[cfg(test)]
mod tests {
    use super::super::{Client, Config, UpstreamError};
    use super::content_range;

    #[test]
    fn a_content_range_is_read_or_refused() {
        assert_eq!(content_range("bytes 5-9/10"), Some((5, 9, Some(10))));
        assert_eq!(content_range("bytes 5-9/*"), Some((5, 9, None)));
        for text in ["", "bytes */10", "bytes 5-/10", "items 5-9/10", "bytes 5-9", "bytes 5-9/x"] {
            assert_eq!(content_range(text), None, "{text}");
        }
    }

    #[tokio::test]
    async fn storage_may_not_give_up_encryption_unless_its_host_is_listed() {
        let config = Config {
            endpoint: "https://hub.example".to_owned(),
            allowed_private_hosts: vec!["store.example".to_owned()],
            ..Config::default()
        };
        let client = Client::new(&config).unwrap();
        client.check_target(&"https://8.8.8.8/x".parse().unwrap()).await.unwrap();
        client.check_target(&"http://store.example/x".parse().unwrap()).await.unwrap();
        for url in ["http://8.8.8.8/x", "ftp://8.8.8.8/x", "file:///etc/passwd", "https://127.0.0.1/x"] {
            let refused = client.check_target(&url.parse().unwrap()).await;
            assert!(matches!(refused, Err(UpstreamError::ForbiddenRedirect { .. })), "{url} must be refused");
        }
    }
}
