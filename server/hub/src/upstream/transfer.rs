//! Moving the bytes of one entry into staging, resuming where an attempt broke off.
//!
//! What the hub says of the file is compared with its listing before the first byte is taken, and no byte past the
//! declared size is. Whether the bytes are the declared ones is for staging to find out, which hashes them.

use acervo_core::{CommitOid, RepoKind, TreeEntry};
use acervo_store::blob::Staged;
use reqwest::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, ETAG, HeaderMap, RANGE};
use reqwest::{RequestBuilder, Response};
use url::Url;

use super::address::host_of;
use super::answer::{Failed, Refusal, Subject, forbidden, location};
use super::client::Client;
use super::error::UpstreamError;
use super::limits::{REDIRECTS_MAX, RESUMES_MAX, exhausted};
use super::locator::Repo;

/// A file that is being fetched.
struct Wanted<'a> {
    subject: Subject<'a>,
    commit: CommitOid,
    entry: &'a TreeEntry,
}

/// Where the hub says that the bytes are.
enum Source {
    Here(Response),
    Elsewhere(Url),
}

impl Client {
    /// Fetches what `sink` lacks of a file, going on from `sink.offset()` after every interruption.
    ///
    /// `progress` is told the bytes staged so far; the number falls back to 0 if a server cannot resume. After an
    /// error `sink` keeps what has arrived, so that a later call can go on.
    pub async fn transfer(
        &self,
        kind: RepoKind,
        name: &str,
        commit: CommitOid,
        entry: &TreeEntry,
        sink: &mut Staged,
        progress: &(dyn Fn(u64) + Send + Sync),
    ) -> Result<(), UpstreamError> {
        let repo = Repo::new(kind, name)?;
        let revision = commit.to_hex();
        let subject = Subject { repo, revision: Some(&revision), path: Some(entry.path.as_str()) };
        let wanted = Wanted { subject, commit, entry };
        if sink.offset() > entry.size {
            sink.restart().await?;
        }
        let mut furthest = sink.offset();
        let (mut failures, mut resumes) = (0, 0);
        let mut address = None;
        while sink.offset() < entry.size {
            let Err(failed) = self.advance(&wanted, &mut address, sink, progress).await else { continue };
            // A server that restarts and breaks off at the same place again makes no progress.
            if sink.offset() > furthest {
                furthest = sink.offset();
                failures = 0;
            }
            failures += 1;
            resumes += 1;
            if resumes > RESUMES_MAX {
                return Err(failed.error);
            }
            self.wait_after(failed, failures).await?;
        }
        Ok(())
    }

    /// One attempt: finds the bytes, unless `address` still tells where they are, and takes them to the end.
    async fn advance(
        &self,
        wanted: &Wanted<'_>,
        address: &mut Option<Url>,
        sink: &mut Staged,
        progress: &(dyn Fn(u64) + Send + Sync),
    ) -> Result<(), Failed> {
        let too_long = |wait| Failed { wait: Some(wait), ..self.rate_limited(wait).into() };
        let _permit = self.inner.transfers.enter().await.map_err(too_long)?;
        let offset = sink.offset();
        let url = match address.take() {
            Some(url) => url,
            None => match self.locate(wanted, offset).await? {
                Source::Here(response) => return self.receive(wanted, response, sink, progress).await,
                Source::Elsewhere(url) => url,
            },
        };
        let response = self.fetch(wanted, url.clone(), offset).await;
        // A signed address that was refused has probably expired: the next attempt asks the hub for a fresh one.
        let refused = matches!(&response, Err(Failed { error: UpstreamError::Http { status, .. }, .. }) if status.is_client_error());
        if !refused {
            *address = Some(url);
        }
        self.receive(wanted, response?, sink, progress).await
    }

    /// Asks the hub for the file from `offset` on, and holds its answer to the listing.
    async fn locate(&self, wanted: &Wanted<'_>, offset: u64) -> Result<Source, Failed> {
        let url = wanted.subject.repo.resolve(&self.inner.endpoint, wanted.commit, &wanted.entry.path);
        let response = from_offset(self.ask_hub(url), offset).send().await.map_err(|error| self.broken(error))?;
        let headers = response.headers();
        let target = match response.status().as_u16() {
            200 | 206 => None,
            301..=303 | 307 | 308 => location(headers, response.url()),
            416 => return Err(self.out_of_range(wanted, &response, offset).into()),
            _ => {
                let failed = self.refused(Refusal::read(response).await, &wanted.subject);
                if let (UpstreamError::RateLimited { .. }, Some(wait)) = (&failed.error, failed.wait) {
                    self.inner.transfers.hold(wait);
                }
                return Err(failed);
            }
        };
        if let Some(wait) = exhausted(headers) {
            self.inner.transfers.hold(wait);
        }
        self.check_identity(wanted, headers)?;
        match target {
            Some(url) => Ok(Source::Elsewhere(url)),
            None if response.status().is_success() => Ok(Source::Here(response)),
            None => Err(self.breach("a redirect of a file has no usable `Location`").into()),
        }
    }

    /// Asks a storage host for the file from `offset` on, without credentials.
    async fn fetch(&self, wanted: &Wanted<'_>, start: Url, offset: u64) -> Result<Response, Failed> {
        let mut url = start;
        for _ in 0..=REDIRECTS_MAX {
            self.check_target(&url).await?;
            let host = url.origin().ascii_serialization();
            let request = from_offset(self.inner.storage.get(url.clone()), offset);
            let response = request.send().await.map_err(|error| self.broken(error))?;
            let status = response.status();
            match status.as_u16() {
                200 | 206 => return Ok(response),
                301..=303 | 307 | 308 => {
                    let what = || "a redirect of a file has no usable `Location`".to_owned();
                    url = location(response.headers(), &url)
                        .ok_or_else(|| UpstreamError::Protocol { endpoint: host, what: what() })?;
                }
                416 => return Err(self.out_of_range(wanted, &response, offset).into()),
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

    /// Takes the bytes of an answer, never one more than was declared.
    async fn receive(
        &self,
        wanted: &Wanted<'_>,
        mut response: Response,
        sink: &mut Staged,
        progress: &(dyn Fn(u64) + Send + Sync),
    ) -> Result<(), Failed> {
        let entry = wanted.entry;
        let starts_at = check_extent(entry, &response, sink.offset())?;
        if starts_at != sink.offset() {
            sink.restart().await.map_err(UpstreamError::from)?;
            progress(0);
        }
        while sink.offset() < entry.size {
            let Some(chunk) = response.chunk().await.map_err(|error| self.broken(error))? else {
                let (path, received) = (entry.path.clone(), sink.offset());
                return Err(UpstreamError::CutShort { path, received, declared: entry.size }.into());
            };
            if chunk.len() as u64 > entry.size - sink.offset() {
                return Err(UpstreamError::TooLong { path: entry.path.clone(), declared: entry.size }.into());
            }
            sink.write(chunk).await.map_err(UpstreamError::from)?;
            progress(sink.offset());
        }
        Ok(())
    }

    /// The error of a server that has nothing at `offset`, which is within the declared size.
    fn out_of_range(&self, wanted: &Wanted<'_>, response: &Response, offset: u64) -> UpstreamError {
        let text = response.headers().get(CONTENT_RANGE).and_then(|value| value.to_str().ok());
        match text.and_then(|text| text.strip_prefix("bytes */")?.parse().ok()) {
            Some(answered) if answered != wanted.entry.size => {
                UpstreamError::WrongLength { path: wanted.entry.path.clone(), declared: wanted.entry.size, answered }
            }
            _ => UpstreamError::Protocol {
                endpoint: response.url().origin().ascii_serialization(),
                what: format!("it refuses the range of `{}` from byte {offset} on", wanted.entry.path),
            },
        }
    }
}

/// A request for bytes as they are, from `offset` on.
fn from_offset(request: RequestBuilder, offset: u64) -> RequestBuilder {
    let request = request.header(ACCEPT_ENCODING, "identity");
    if offset == 0 { request } else { request.header(RANGE, format!("bytes={offset}-")) }
}

/// A storage host's refusal; its text may repeat signed parameters and is not passed on.
fn unavailable(refusal: Refusal, url: &Url) -> Failed {
    let (endpoint, wait) = (refusal.host, refusal.wait);
    if refusal.status.as_u16() == 429 {
        return Failed { wait, ..UpstreamError::RateLimited { endpoint, retry_after: wait }.into() };
    }
    let expired = matches!(refusal.status.as_u16(), 400 | 401 | 403 | 404 | 410);
    let path = url.path().to_owned();
    let error = UpstreamError::Http { host: endpoint, status: refusal.status, path, request_id: None, message: None };
    Failed { again: expired || error.is_transient(), error, wait }
}

/// Where the bytes of a 200 or 206 start, once its lengths are those that were declared.
fn check_extent(entry: &TreeEntry, response: &Response, offset: u64) -> Result<u64, UpstreamError> {
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
        return Ok(0);
    }
    let Some((first, last, total)) = text(CONTENT_RANGE).and_then(content_range) else {
        return breach(format!("the part of `{}` has no readable `Content-Range`", entry.path));
    };
    if let Some(total) = total {
        same_length(entry, total)?;
    }
    if first != offset || last >= entry.size {
        return breach(format!("`{}` was asked for from byte {offset} on but {first}-{last} is sent", entry.path));
    }
    Ok(offset)
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
