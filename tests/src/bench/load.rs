//! What clients do to a server: whole files, ranges, first bytes, HEAD requests. Every byte that arrives is checked.

use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use sha2::{Digest as _, Sha256};

use crate::client::Connection;
use crate::content::{Content, mixed};

/// Failed requests after which a run is no measurement any more.
const FAILURES_MAX: u64 = 1000;

/// A file as one server offers it.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    /// Where the server listens.
    pub(crate) addr: SocketAddr,
    /// Path of the file there.
    pub(crate) path: String,
    /// What its bytes are.
    pub(crate) content: Content,
    /// Its SHA-256 in hex.
    pub(crate) sha256: String,
}

/// An answer that a server has to give, byte for byte.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    /// Where the server listens.
    pub(crate) addr: SocketAddr,
    /// Path and query that bring it.
    pub(crate) path: String,
    /// Its body.
    pub(crate) body: Vec<u8>,
}

/// How a client checks a whole file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Check {
    /// Every byte is compared with what it must be: nearly free.
    Compare,
    /// As people do; costs a client several times what receiving does.
    Sha256,
}

/// What requests of a run took.
#[derive(Clone, Debug, Default)]
pub(crate) struct Answers {
    /// Time of each answer.
    pub(crate) took: Vec<Duration>,
    /// Bytes of all bodies.
    pub(crate) bytes: u64,
    /// Requests that failed.
    pub(crate) failures: u64,
    /// The first failure.
    pub(crate) failure: Option<String>,
}

impl Answers {
    fn add(&mut self, other: Answers) {
        self.took.extend(other.took);
        self.bytes += other.bytes;
        self.failures += other.failures;
        self.failure = self.failure.take().or(other.failure);
    }
}

/// Each client downloads the file `times` times.
pub(crate) fn whole(target: &Target, clients: usize, times: usize, check: Check) -> Result<Answers> {
    at_once(clients, |_| {
        let mut connection = Connection::open(target.addr)?;
        let mut answers = Answers::default();
        for _ in 0..times {
            let started = Instant::now();
            let head = connection.request("GET", &target.path, None)?;
            ensure!(head.status == 200 && head.length == target.content.size, "unexpected answer: {head:?}");
            let mut sha256 = Sha256::new();
            connection.body(head.length, |at, piece| {
                if check == Check::Sha256 {
                    sha256.update(piece);
                } else {
                    ensure!(target.content.matches(at, piece), "wrong bytes at {at} of `{}`", target.path);
                }
                Ok(())
            })?;
            if check == Check::Sha256 {
                let found = hex::encode(sha256.finalize());
                ensure!(found == target.sha256, "`{}` has the SHA-256 {found}, not {}", target.path, target.sha256);
            }
            answers.took.push(started.elapsed());
            answers.bytes += head.length;
        }
        Ok(answers)
    })
}

/// Each client asks for ranges at random places, one after the other, for a while.
pub(crate) fn ranges(target: &Target, clients: usize, range_bytes: u64, time: Duration) -> Result<Answers> {
    requests(target.addr, clients, time, |connection, number| {
        let start = mixed(number) % (target.content.size - range_bytes + 1);
        let head = connection.request("GET", &target.path, Some((start, start + range_bytes)))?;
        ensure!(head.status == 206 && head.length == range_bytes, "unexpected answer: {head:?}");
        let mut right = true;
        connection.body(head.length, |at, piece| {
            right &= target.content.matches(start + at, piece);
            Ok(())
        })?;
        Ok(if right { Done::Bytes(head.length) } else { Done::Wrong(target.path.clone()) })
    })
}

/// Each client sends HEAD requests, one after the other, for a while.
pub(crate) fn heads(target: &Target, clients: usize, time: Duration) -> Result<Answers> {
    requests(target.addr, clients, time, |connection, _| {
        let head = connection.request("HEAD", &target.path, None)?;
        ensure!(head.status == 200 && head.length == target.content.size, "unexpected answer: {head:?}");
        Ok(Done::Bytes(0))
    })
}

/// One client, one request at a time: from the request to the first byte of the body.
pub(crate) fn first_bytes(target: &Target, count: usize) -> Result<Answers> {
    let mut answers = Answers::default();
    let small = target.content.size <= 1024 * 1024;
    let mut connection = Connection::open(target.addr)?;
    for _ in 0..count {
        let started = Instant::now();
        let head = connection.request("GET", &target.path, None)?;
        ensure!(head.status == 200 && head.length == target.content.size, "unexpected answer: {head:?}");
        let first = connection.first_byte()?;
        answers.took.push(first - started);
        if small {
            connection.body(head.length, |at, piece| {
                ensure!(target.content.matches(at, piece), "wrong bytes at {at} of `{}`", target.path);
                Ok(())
            })?;
        } else {
            // The rest of a large file is not waited for; the next request has a connection of its own.
            connection = Connection::open(target.addr)?;
        }
    }
    Ok(answers)
}

/// How a request ended that did not fail.
enum Done {
    Bytes(u64),
    /// Wrong bytes, from this path.
    Wrong(String),
}

/// Sends requests of all clients for a while and counts those that fail; wrong bytes end everything.
fn requests(
    addr: SocketAddr,
    clients: usize,
    time: Duration,
    one: impl Fn(&mut Connection, u64) -> Result<Done> + Sync,
) -> Result<Answers> {
    let until = Instant::now() + time;
    at_once(clients, |client| {
        let mut answers = Answers::default();
        let mut connection = Connection::open(addr)?;
        for number in (client as u64..).step_by(clients) {
            let started = Instant::now();
            if started >= until {
                break;
            }
            match one(&mut connection, number) {
                Ok(Done::Bytes(bytes)) => {
                    answers.took.push(started.elapsed());
                    answers.bytes += bytes;
                }
                Ok(Done::Wrong(path)) => bail!("request {number} for `{path}` brought wrong bytes"),
                Err(error) => {
                    answers.failures += 1;
                    answers.failure.get_or_insert_with(|| format!("{error:#}"));
                    ensure!(answers.failures < FAILURES_MAX, "too many requests fail: {error:#}");
                    connection = Connection::open(addr)?;
                }
            }
        }
        Ok(answers)
    })
}

/// Runs every client on a thread of its own.
fn at_once(clients: usize, client: impl Fn(usize) -> Result<Answers> + Sync) -> Result<Answers> {
    let ended: Vec<Result<Answers>> = thread::scope(|scope| {
        let client = &client;
        let threads: Vec<_> = (0..clients).map(|number| scope.spawn(move || client(number))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap_or_else(|_| bail!("a client panicked"))).collect()
    });
    let mut answers = Answers::default();
    for one in ended {
        answers.add(one.context("a client gave up")?);
    }
    Ok(answers)
}
