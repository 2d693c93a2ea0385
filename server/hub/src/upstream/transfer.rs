//! Moving the bytes of one entry into staging, in one stream or several, each resumed where it broke off.
//!
//! What the hub says of the file is compared with its listing before the first byte is taken, and no byte past the
//! declared size is. Whether the bytes are the declared ones is for staging to find out, which hashes them.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use acervo_core::{CommitOid, RepoKind, TreeEntry};
use acervo_store::blob::{RangeWriter, Staged};
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use reqwest::Response;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use url::Url;

use super::answer::{Failed, Subject};
use super::client::Client;
use super::error::UpstreamError;
use super::limits::{RESUMES_MAX, TAG_CHANGES_MAX};
use super::locator::Repo;
use super::source::{Extent, Source, Wanted, check_extent, tag_of};

/// What is known of bytes that have arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transferred {
    /// Whether the storage host said in between that the file had changed: then not even the bytes of this transfer
    /// alone are surely those of one file.
    pub mixed: bool,
    /// Whether all bytes are here; not, where the transfer was stopped before.
    pub whole: bool,
}

impl Client {
    /// Fetches what `sink` lacks of a file, a large one in several ranges at once, and each of them again from where it
    /// broke off.
    ///
    /// `progress` is told the bytes that have arrived so far. After an error `sink` keeps them, so that a later call can
    /// go on. So does a transfer that `stop` ends, which is no error.
    #[expect(clippy::too_many_arguments, reason = "what is fetched, from where, to where, who is told, and until when")]
    pub async fn transfer(
        &self,
        kind: RepoKind,
        name: &str,
        commit: CommitOid,
        entry: &TreeEntry,
        sink: &Staged,
        progress: &(dyn Fn(u64) + Send + Sync),
        stop: &CancellationToken,
    ) -> Result<Transferred, UpstreamError> {
        let repo = Repo::new(kind, name)?;
        let revision = commit.to_hex();
        let subject = Subject { repo, revision: Some(&revision), path: Some(entry.path.as_str()) };
        let wanted = Wanted { subject, commit, entry };
        let missing = entry.size.saturating_sub(sink.arrived());
        let split = self.inner.ranges_at_once > 1 && missing / 2 >= self.inner.range_bytes;
        let (streams, range_bytes) =
            if split { (self.inner.ranges_at_once, self.inner.range_bytes) } else { (1, u64::MAX) };
        let transfer = Transfer {
            client: self,
            wanted,
            sink,
            progress,
            range_bytes,
            window: range_bytes.saturating_mul(2 * streams as u64),
            course: watch::Sender::new(Course::Together),
            address: tokio::sync::Mutex::new(Address::default()),
            state: Mutex::new(State::default()),
        };
        let mut streams: FuturesUnordered<_> = (0..streams).map(|nth| transfer.stream(nth)).collect();
        let (mut result, mut stopped) = (Ok(()), false);
        loop {
            let ended = tokio::select! {
                ended = streams.next() => ended,
                () = stop.cancelled(), if !stopped => {
                    stopped = true;
                    transfer.course.send_replace(Course::Nobody);
                    continue;
                }
            };
            match ended {
                None => break,
                Some(Err(error)) if result.is_ok() => {
                    // The others keep what they have, and end.
                    transfer.course.send_replace(Course::Nobody);
                    result = Err(error);
                }
                Some(_) => {}
            }
        }
        drop(streams);
        result.map(|()| Transferred { mixed: transfer.state().tag_changes > 0, whole: sink.gap(0).is_none() })
    }
}

/// Who goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Course {
    /// Every stream.
    Together,
    /// This one alone, since the server sends nothing but whole files.
    Alone(usize),
    /// None, since one has failed.
    Nobody,
}

/// Where the bytes are, as far as it is known.
#[derive(Debug, Default)]
struct Address {
    url: Option<Url>,
    /// The hub sends the bytes itself, so each range is asked of it.
    at_the_hub: bool,
    /// What the storage host called the file when it was first asked.
    tag: Option<String>,
}

/// What the streams of a transfer keep together.
#[derive(Debug, Default)]
struct State {
    /// Ranges that a stream is filling.
    claimed: Vec<Range<u64>>,
    resumes: u32,
    tag_changes: u32,
}

/// An answer that brings a whole file.
struct Whole {
    response: Response,
    /// Offset of the next byte.
    at: u64,
    rest: Bytes,
}

impl Whole {
    /// At most so many of the bytes that have come.
    fn take(&mut self, most: u64) -> Bytes {
        let count = self.rest.len().min(usize::try_from(most).unwrap_or(usize::MAX));
        self.at += count as u64;
        self.rest.split_to(count)
    }
}

/// One file on its way, in one stream or several.
struct Transfer<'a> {
    client: &'a Client,
    wanted: Wanted<'a>,
    sink: &'a Staged,
    progress: &'a (dyn Fn(u64) + Send + Sync),
    /// Most bytes that one request asks for.
    range_bytes: u64,
    /// How far a range may begin behind what is there without a gap: hashing and uploading follow in order.
    window: u64,
    course: watch::Sender<Course>,
    /// Locked while the hub is asked, so that it is asked once for all streams.
    address: tokio::sync::Mutex<Address>,
    state: Mutex<State>,
}

impl Transfer<'_> {
    /// Fills one gap after the other until there is none that no other stream fills.
    async fn stream(&self, nth: usize) -> Result<(), UpstreamError> {
        let mut course = self.course.subscribe();
        while goes_on(*course.borrow_and_update(), nth) {
            let Some(range) = self.claim(nth) else { return Ok(()) };
            let near = tokio::select! {
                () = self.near(range.start) => true,
                _ = course.changed() => false,
            };
            let filled = if near { self.fill(nth, &range, &mut course).await } else { Ok(()) };
            self.state().claimed.retain(|claimed| claimed.start != range.start);
            filled?;
        }
        Ok(())
    }

    /// The first gap that nobody fills yet, or the start of it.
    fn claim(&self, nth: usize) -> Option<Range<u64>> {
        let mut state = self.state();
        if *self.course.borrow() == Course::Alone(nth) {
            // The others have ended, or are about to.
            state.claimed.clear();
        }
        let mut from = 0;
        loop {
            let gap = self.sink.gap(from)?;
            if let Some(taken) = state.claimed.iter().find(|taken| taken.contains(&gap.start)) {
                from = taken.end;
                continue;
            }
            let next = state.claimed.iter().map(|taken| taken.start).filter(|start| *start > gap.start).min();
            let end = gap.end.min(next.unwrap_or(u64::MAX)).min(gap.start.saturating_add(self.range_bytes));
            state.claimed.push(gap.start..end);
            return Some(gap.start..end);
        }
    }

    /// Waits until a range that begins at `start` is not too far ahead.
    async fn near(&self, start: u64) {
        if start > self.window {
            self.sink.wait_beyond(start - self.window - 1).await;
        }
    }

    /// Brings a range here, in as many attempts as it takes.
    async fn fill(
        &self,
        nth: usize,
        range: &Range<u64>,
        course: &mut watch::Receiver<Course>,
    ) -> Result<(), UpstreamError> {
        let mut writer = self.sink.writer(range.start);
        let mut failures = 0;
        loop {
            let mut taken = 0;
            let attempt = tokio::select! {
                attempt = self.attempt(nth, range, &mut writer, &mut taken) => Some(attempt),
                () = given_up(course, nth) => None,
            };
            // Whatever became of the attempt, its bytes are kept.
            writer.flush().await?;
            let failed = match attempt {
                None | Some(Ok(())) => return Ok(()),
                Some(Err(failed)) => failed,
            };
            // A server that sends the same bytes again makes no progress.
            if taken > 0 {
                failures = 0;
            }
            failures += 1;
            let resumes = {
                let mut state = self.state();
                state.resumes += 1;
                state.resumes
            };
            if resumes > RESUMES_MAX {
                return Err(failed.error);
            }
            tokio::select! {
                waited = self.client.wait_after(failed, failures) => waited?,
                () = given_up(course, nth) => return Ok(()),
            }
        }
    }

    /// One attempt at the rest of a range: finds the bytes, unless it is known where they are, and takes them.
    async fn attempt(
        &self,
        nth: usize,
        range: &Range<u64>,
        writer: &mut RangeWriter,
        taken: &mut u64,
    ) -> Result<(), Failed> {
        let inner = &self.client.inner;
        let too_long = |wait| Failed { wait: Some(wait), ..self.client.rate_limited(wait).into() };
        let rest = writer.position()..range.end;
        if rest.is_empty() {
            return Ok(());
        }
        let _place = inner.transfers.enter(self.client.urgency.patience()).await.map_err(too_long)?;
        let _shared_place = self.client.throughput.enter().await;
        let response = self.answer(&rest).await?;
        match check_extent(self.wanted.entry, &response, &rest)? {
            Extent::Asked => self.receive(response, range.end, writer, taken).await,
            Extent::Whole => self.receive_whole(nth, response, taken).await,
        }
    }

    /// An answer with the bytes of a range, from wherever they are.
    async fn answer(&self, range: &Range<u64>) -> Result<Response, Failed> {
        let (url, tag) = {
            let mut address = self.address.lock().await;
            let url = match address.url.clone() {
                Some(url) => url,
                None if address.at_the_hub => {
                    drop(address);
                    return match self.client.locate(&self.wanted, range).await? {
                        Source::Here(response) => Ok(response),
                        Source::Elsewhere(url) => self.client.fetch(&self.wanted, url, range, None).await,
                    };
                }
                None => match self.client.locate(&self.wanted, range).await? {
                    Source::Here(response) => {
                        address.at_the_hub = true;
                        return Ok(response);
                    }
                    Source::Elsewhere(url) => address.url.insert(url).clone(),
                },
            };
            (url, address.tag.clone())
        };
        let response = match self.client.fetch(&self.wanted, url.clone(), range, tag.as_deref()).await {
            Ok(response) => response,
            Err(failed) => {
                // A signed address that was refused has probably expired: the hub is asked for a fresh one.
                if matches!(&failed.error, UpstreamError::Http { status, .. } if status.is_client_error()) {
                    self.forget(&url).await;
                }
                return Err(failed);
            }
        };
        self.compare_tag(&url, response).await
    }

    /// Holds an answer to what the storage host called the file before.
    async fn compare_tag(&self, url: &Url, response: Response) -> Result<Response, Failed> {
        let Some(tag) = tag_of(&response) else { return Ok(response) };
        let mut address = self.address.lock().await;
        let changed = address.tag.as_ref().is_some_and(|known| *known != tag);
        if !changed || self.state().tag_changes >= TAG_CHANGES_MAX {
            address.tag = Some(tag);
            return Ok(response);
        }
        self.state().tag_changes += 1;
        drop(address);
        self.forget(url).await;
        let what = format!("its storage says that `{}` changed while it was sent", self.wanted.entry.path);
        let endpoint = response.url().origin().ascii_serialization();
        Err(Failed { again: true, error: UpstreamError::Protocol { endpoint, what }, wait: None })
    }

    /// Forgets an address, unless another stream has got a fresh one meanwhile.
    async fn forget(&self, url: &Url) {
        let mut address = self.address.lock().await;
        if address.url.as_ref() == Some(url) {
            *address = Address::default();
        }
    }

    /// Takes the bytes of an answer up to `end`, never one more than was declared.
    async fn receive(
        &self,
        mut response: Response,
        end: u64,
        writer: &mut RangeWriter,
        taken: &mut u64,
    ) -> Result<(), Failed> {
        let entry = self.wanted.entry;
        while writer.position() < end {
            let mut chunk = self.chunk(&mut response).await?;
            let left = end - writer.position();
            if chunk.len() as u64 > left {
                if end == entry.size {
                    return Err(UpstreamError::TooLong { path: entry.path.clone(), declared: entry.size }.into());
                }
                // A server may send more than was asked for; another stream takes that.
                chunk.truncate(usize::try_from(left).unwrap_or(usize::MAX));
            }
            self.keep(chunk, writer, taken).await?;
        }
        Ok(())
    }

    /// Takes a whole file from a server that sends nothing else; what is here already is passed over.
    async fn receive_whole(&self, nth: usize, response: Response, taken: &mut u64) -> Result<(), Failed> {
        let alone = self.course.send_if_modified(|course| {
            let first = *course == Course::Together;
            if first {
                *course = Course::Alone(nth);
            }
            first
        });
        if !alone && *self.course.borrow() != Course::Alone(nth) {
            return Ok(());
        }
        let mut whole = Whole { response, at: 0, rest: Bytes::new() };
        while let Some(gap) = self.sink.gap(whole.at) {
            let mut writer = self.sink.writer(gap.start);
            let filled = self.fill_gap(&mut whole, &gap, &mut writer, taken).await;
            writer.flush().await.map_err(UpstreamError::from)?;
            filled?;
        }
        Ok(())
    }

    /// Fills one gap from a whole file, passing over what comes before it.
    async fn fill_gap(
        &self,
        whole: &mut Whole,
        gap: &Range<u64>,
        writer: &mut RangeWriter,
        taken: &mut u64,
    ) -> Result<(), Failed> {
        let entry = self.wanted.entry;
        while writer.position() < gap.end {
            if whole.rest.is_empty() {
                whole.rest = self.chunk(&mut whole.response).await?;
                if whole.rest.len() as u64 > entry.size - whole.at {
                    return Err(UpstreamError::TooLong { path: entry.path.clone(), declared: entry.size }.into());
                }
            }
            whole.take(gap.start.saturating_sub(whole.at));
            if whole.at >= gap.start {
                let piece = whole.take(gap.end - whole.at);
                self.keep(piece, writer, taken).await?;
            }
        }
        Ok(())
    }

    /// The next bytes of an answer, which must not be at its end.
    async fn chunk(&self, response: &mut Response) -> Result<Bytes, Failed> {
        match response.chunk().await.map_err(|error| self.client.broken(error))? {
            Some(chunk) => Ok(chunk),
            None => {
                let entry = self.wanted.entry;
                let (path, received) = (entry.path.clone(), self.sink.arrived());
                Err(UpstreamError::CutShort { path, received, declared: entry.size }.into())
            }
        }
    }

    /// Hands bytes to staging, as fast as is allowed.
    async fn keep(&self, chunk: Bytes, writer: &mut RangeWriter, taken: &mut u64) -> Result<(), Failed> {
        let length = chunk.len();
        writer.write(chunk).await.map_err(UpstreamError::from)?;
        *taken += length as u64;
        (self.progress)(self.sink.arrived());
        self.client.throughput.pass(length).await;
        Ok(())
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn goes_on(course: Course, nth: usize) -> bool {
    match course {
        Course::Together => true,
        Course::Alone(chosen) => chosen == nth,
        Course::Nobody => false,
    }
}

/// Waits until a stream is no longer wanted.
async fn given_up(course: &mut watch::Receiver<Course>, nth: usize) {
    if course.wait_for(|course| !goes_on(*course, nth)).await.is_err() {
        // The sender lives as long as the transfer.
        std::future::pending::<()>().await;
    }
}
