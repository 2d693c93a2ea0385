//! Misbehaviour on order: which fault meets which request, how often, and the proof that it did.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use serde_json::json;
use tokio::sync::watch;

use super::log::Origin;
use super::wire::{BodyFault, Response};
use crate::fixture::RepoFixture;

#[derive(Clone, Debug)]
enum Effect {
    /// No answer at all.
    Drop,
    /// Another answer in place of the true one.
    Reply { status: u16, content_type: &'static str, body: String },
    /// An identity header of a file answer is wrong.
    Header(&'static [&'static str]),
    /// The bytes are wrong.
    Body(BodyFault),
    /// The declaration of one entry in listings is wrong.
    Listing(Lie),
    /// A signed address serves so many requests, and no more.
    Worn(u32),
    /// A repository is another one from this request on.
    Becomes(Box<RepoFixture>),
}

/// How a listing misdescribes an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lie {
    Sha256,
    Oid,
    Size(u64),
    Absent,
}

/// One order: an effect, whom it meets, and how often (once unless told otherwise).
#[derive(Clone, Debug)]
pub struct Fault {
    effect: Effect,
    headers: Vec<(String, String)>,
    on: String,
    origin: Option<Origin>,
    method: Option<String>,
    skip: u32,
    left: Option<u32>,
}

impl Fault {
    fn new(effect: Effect) -> Self {
        Self { effect, headers: Vec::new(), on: String::new(), origin: None, method: None, skip: 0, left: Some(1) }
    }

    fn reply(status: u16, text: &str) -> Self {
        let body = json!({ "error": text }).to_string();
        Self::new(Effect::Reply { status, content_type: "application/json; charset=utf-8", body })
    }

    /// Claims the whole length, sends `bytes` of the body, then closes the connection.
    pub fn cut_after(bytes: u64) -> Self {
        Self::new(Effect::Body(BodyFault::Cut(bytes)))
    }

    /// Ends the answer cleanly after `bytes`, although every declaration says more.
    pub fn truncate_to(bytes: u64) -> Self {
        Self::new(Effect::Body(BodyFault::Truncate(bytes)))
    }

    /// Sends `bytes` more than the file has, in an answer that is otherwise well formed.
    pub fn extend_by(bytes: u64) -> Self {
        Self::new(Effect::Body(BodyFault::Extend(bytes)))
    }

    /// Inverts the byte at this offset of the file; only answers that cover it are met.
    pub fn flip_byte(offset: u64) -> Self {
        Self::new(Effect::Body(BodyFault::Flip(offset)))
    }

    /// Sends `bytes` of the body, then nothing until `FakeUpstream::release_stalled`.
    pub fn stall_after(bytes: u64) -> Self {
        Self::new(Effect::Body(BodyFault::Stall(bytes)))
    }

    /// Closes the connection without an answer.
    pub fn drop_connection() -> Self {
        Self::new(Effect::Drop)
    }

    /// Answers this status with a JSON error and no error code.
    pub fn status(status: u16) -> Self {
        Self::reply(status, "the server has a bad day")
    }

    /// Answers 429; see `retry_after` and `rate_limit` for what it tells.
    pub fn too_many_requests() -> Self {
        Self::reply(429, "We had to rate limit you")
    }

    /// Answers 404 `EntryNotFound` without naming a commit, although listings show the file.
    pub fn missing() -> Self {
        Self::reply(404, "Entry not found").header("X-Error-Code", "EntryNotFound")
    }

    /// Answers a page of HTML with status 200, as a captive portal does.
    pub fn html() -> Self {
        let body = "<!doctype html><title>Welcome</title><p>Please accept the terms.".to_owned();
        Self::new(Effect::Reply { status: 200, content_type: "text/html; charset=utf-8", body }).at(Origin::Hub)
    }

    /// The storage host refuses a signed address as too old.
    pub fn expired_signature() -> Self {
        let body = super::cdn::denied_body("AccessDenied", "Request has expired");
        Self::new(Effect::Reply { status: 403, content_type: "application/xml", body }).at(Origin::Cdn)
    }

    /// Every signed address serves `requests` requests and is refused as too old then; a fresh one is another address.
    pub fn signatures_last(requests: u32) -> Self {
        Self::new(Effect::Worn(requests)).at(Origin::Cdn).always()
    }

    /// The request met finds the repository of this name and kind changed to `next`, and so does every later one.
    pub fn repo_becomes(next: RepoFixture) -> Self {
        Self::new(Effect::Becomes(Box::new(next)))
    }

    /// Sends the body in pieces of `bytes`, each by itself.
    pub fn drip(bytes: u64) -> Self {
        Self::new(Effect::Body(BodyFault::Drip(bytes)))
    }

    /// File answers carry a wrong `ETag` and `X-Linked-Etag`.
    pub fn wrong_etag() -> Self {
        Self::new(Effect::Header(&["ETag", "X-Linked-Etag"])).at(Origin::Hub)
    }

    /// File answers name a commit that does not exist.
    pub fn wrong_commit() -> Self {
        Self::new(Effect::Header(&["X-Repo-Commit"])).at(Origin::Hub)
    }

    /// Listings declare a wrong SHA-256 for the LFS files met (counted per entry).
    pub fn wrong_sha256() -> Self {
        Self::new(Effect::Listing(Lie::Sha256))
    }

    /// Listings declare a wrong git id for the files met (counted per entry).
    pub fn wrong_oid() -> Self {
        Self::new(Effect::Listing(Lie::Oid))
    }

    /// Listings declare this size for the files met (counted per entry).
    pub fn wrong_size(size: u64) -> Self {
        Self::new(Effect::Listing(Lie::Size(size)))
    }

    /// Listings leave out the files met (counted per entry), although they can be fetched.
    pub fn unlisted() -> Self {
        Self::new(Effect::Listing(Lie::Absent))
    }

    /// Only requests whose decoded target holds `text`; storage requests are known by their files' paths too, and
    /// faults in listings by `namespace/name/path` of the entry.
    #[must_use]
    pub fn on(mut self, text: &str) -> Self {
        self.on = text.to_owned();
        self
    }

    /// Only requests to this server.
    #[must_use]
    pub fn at(mut self, origin: Origin) -> Self {
        self.origin = Some(origin);
        self
    }

    /// Only requests with this method; faults on bytes meet `GET` alone anyway.
    #[must_use]
    pub fn method(mut self, method: &str) -> Self {
        self.method = Some(method.to_owned());
        self
    }

    /// Lets the first `count` matches pass.
    #[must_use]
    pub fn after(mut self, count: u32) -> Self {
        self.skip = count;
        self
    }

    /// Strikes this many times.
    #[must_use]
    pub fn times(mut self, count: u32) -> Self {
        self.left = Some(count);
        self
    }

    /// Strikes every time.
    #[must_use]
    pub fn always(mut self) -> Self {
        self.left = None;
        self
    }

    /// Adds a header to an answer given in place of the true one.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Adds `Retry-After` in seconds.
    #[must_use]
    pub fn retry_after(self, seconds: u64) -> Self {
        self.header("Retry-After", &seconds.to_string())
    }

    /// Adds the hub's own rate-limit headers: the bucket is empty for this many seconds.
    #[must_use]
    pub fn rate_limit(self, bucket: &str, seconds: u64) -> Self {
        self.header("RateLimit", &format!("\"{bucket}\";r=0;t={seconds}"))
            .header("RateLimit-Policy", &format!("\"fixed window\";\"{bucket}\";q=500;w=300"))
    }
}

/// A fault that struck.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fired {
    /// What went wrong, for messages.
    pub fault: String,
    /// At which server.
    pub origin: Origin,
    /// The method of the request met.
    pub method: String,
    /// The target of the request met.
    pub path_and_query: String,
}

/// What a fault can be matched against.
pub(super) struct Subject<'a> {
    pub(super) origin: Origin,
    pub(super) method: &'a str,
    pub(super) target: &'a str,
    /// The decoded target, and what else the request is known by.
    pub(super) text: String,
}

/// What happens in place of the true answer.
pub(super) enum Instead {
    Drop,
    Answer(Response),
}

pub(super) struct Faults {
    state: Mutex<(Vec<Fault>, Vec<Fired>)>,
    count: watch::Sender<usize>,
    /// Texts of the requests whose stalled answers were let go, in order.
    pub(super) released: watch::Sender<Vec<String>>,
    /// Addresses signed, and requests each of them has served.
    signed: Mutex<(u64, HashMap<String, u32>)>,
}

impl Faults {
    pub(super) fn new() -> Self {
        Self {
            state: Mutex::default(),
            count: watch::Sender::new(0),
            released: watch::Sender::default(),
            signed: Mutex::default(),
        }
    }

    pub(super) fn order(&self, fault: Fault) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).0.push(fault);
    }

    pub(super) fn clear(&self) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).0.clear();
    }

    pub(super) fn fired(&self) -> Vec<Fired> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).1.clone()
    }

    pub(super) fn watch(&self) -> watch::Receiver<usize> {
        self.count.subscribe()
    }

    pub(super) fn instead(&self, subject: &Subject<'_>) -> Option<Instead> {
        let served = if subject.origin == Origin::Cdn { self.serve_signed(subject.target) } else { 0 };
        let fault = self.take(subject, |effect| match effect {
            Effect::Drop | Effect::Reply { .. } => true,
            Effect::Worn(most) => served > *most,
            _ => false,
        })?;
        self.record(subject, &fault.effect);
        let (status, content_type, body) = match fault.effect {
            Effect::Reply { status, content_type, body } => (status, content_type, body),
            Effect::Worn(_) => (403, "application/xml", super::cdn::denied_body("AccessDenied", "Request has expired")),
            _ => return Some(Instead::Drop),
        };
        let mut answer = Response::new(status).header("Content-Type", content_type).text(body);
        answer.headers.extend(fault.headers);
        Some(Instead::Answer(answer))
    }

    /// What a repository becomes with this request.
    pub(super) fn becomes(&self, subject: &Subject<'_>) -> Option<RepoFixture> {
        let fault = self.take(subject, |effect| matches!(effect, Effect::Becomes(_)))?;
        self.record(subject, &fault.effect);
        let Effect::Becomes(repo) = fault.effect else { return None };
        Some(*repo)
    }

    /// A number that makes a signed address differ from every other, while addresses wear out.
    pub(super) fn signing_serial(&self) -> Option<u64> {
        let wears_out = |fault: &Fault| matches!(fault.effect, Effect::Worn(_));
        if !self.state.lock().unwrap_or_else(PoisonError::into_inner).0.iter().any(wears_out) {
            return None;
        }
        let mut signed = self.signed.lock().unwrap_or_else(PoisonError::into_inner);
        signed.0 += 1;
        Some(signed.0)
    }

    /// Counts one more request to a signed address.
    fn serve_signed(&self, target: &str) -> u32 {
        let mut signed = self.signed.lock().unwrap_or_else(PoisonError::into_inner);
        let served = signed.1.entry(target.to_owned()).or_default();
        *served += 1;
        *served
    }

    /// Spoils the identity headers of a file answer.
    pub(super) fn spoil(&self, subject: &Subject<'_>, answer: &mut Response) {
        let fits = |effect: &Effect| matches!(effect, Effect::Header(names) if names.iter().any(|n| answer.has(n)));
        let Some(fault) = self.take(subject, fits) else { return };
        self.record(subject, &fault.effect);
        let Effect::Header(names) = fault.effect else { return };
        for (name, value) in &mut answer.headers {
            if names.contains(&name.as_str()) {
                *value = other_digest(value);
            }
        }
    }

    /// The fault on the bytes of this answer; a stall is recorded by the sender once it is reached.
    pub(super) fn body(&self, subject: &Subject<'_>, answer: &Response) -> Option<BodyFault> {
        let file = answer.file_offset.is_some() || answer.status == 200;
        let fits = |effect: &Effect| matches!(effect, Effect::Body(fault) if file && fault.applies_to(answer));
        let fault = self.take(subject, fits)?;
        let Effect::Body(body) = fault.effect else { return None };
        if !matches!(body, BodyFault::Stall(_)) {
            self.record(subject, &fault.effect);
        }
        Some(body)
    }

    /// Records a stall that is reached, and waits until it is released.
    pub(super) async fn stall(&self, subject: &Subject<'_>, fault: BodyFault) {
        // Looked at before it is told, so that whoever waits for the stall can release it.
        let mut released = self.released.subscribe();
        let earlier = released.borrow().len();
        self.record(subject, &Effect::Body(fault));
        let is_meant = |texts: &Vec<String>| texts[earlier..].iter().any(|text| subject.text.contains(text));
        // Fails only when the fake is gone, and then this connection is, too.
        let _ = released.wait_for(is_meant).await;
    }

    pub(super) fn lie(&self, subject: &Subject<'_>, lfs: bool) -> Option<Lie> {
        let fits = |effect: &Effect| matches!(effect, Effect::Listing(lie) if lfs || *lie != Lie::Sha256);
        let fault = self.take(subject, fits)?;
        self.record(subject, &fault.effect);
        let Effect::Listing(lie) = fault.effect else { return None };
        Some(lie)
    }

    /// The first order that fits, and one strike less of it.
    fn take(&self, subject: &Subject<'_>, fits: impl Fn(&Effect) -> bool) -> Option<Fault> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let fault = state.0.iter_mut().find_map(|fault| {
            let meant = fits(&fault.effect)
                && fault.left != Some(0)
                && fault.origin.is_none_or(|origin| origin == subject.origin)
                && fault.method.as_deref().is_none_or(|method| method == subject.method)
                && subject.text.contains(&fault.on);
            if meant && fault.skip > 0 {
                fault.skip -= 1;
                return None;
            }
            meant.then_some(fault)
        })?;
        fault.left = fault.left.map(|left| left - 1);
        Some(fault.clone())
    }

    fn record(&self, subject: &Subject<'_>, effect: &Effect) {
        let fault = match effect {
            Effect::Reply { status, .. } => format!("Reply({status})"),
            Effect::Becomes(repo) => format!("Becomes({})", repo.name),
            other => format!("{other:?}"),
        };
        let (method, path_and_query) = (subject.method.to_owned(), subject.target.to_owned());
        let fired = Fired { fault, origin: subject.origin, method, path_and_query };
        self.state.lock().unwrap_or_else(PoisonError::into_inner).1.push(fired);
        self.count.send_modify(|count| *count += 1);
    }
}

/// A digest of the same form with every digit changed.
pub(super) fn other_digest(text: &str) -> String {
    let swap = |c: char| c.to_digit(16).and_then(|digit| char::from_digit(15 - digit, 16)).unwrap_or(c);
    text.chars().map(swap).collect()
}
