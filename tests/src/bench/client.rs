//! A client that is as cheap as one can be: blocking sockets, one buffer, just the HTTP/1.1 that both servers answer with.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};

use crate::buffer::Buffer;

/// Bytes received at a time; they stay in the cache until they are compared.
const BUFFER_BYTES: usize = 128 * 1024;

/// Longest silence of a server.
const SILENCE: Duration = Duration::from_secs(30);

/// An open connection.
pub(crate) struct Connection {
    stream: TcpStream,
    addr: SocketAddr,
    buffer: Buffer,
    /// Received bytes that belong to what comes next.
    kept: std::ops::Range<usize>,
}

/// Status and length of an answer whose body is still to be read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Head {
    /// Status code.
    pub(crate) status: u16,
    /// Bytes of the body.
    pub(crate) length: u64,
}

impl Connection {
    /// Connects.
    pub(crate) fn open(addr: SocketAddr) -> Result<Connection> {
        let stream = TcpStream::connect(addr).with_context(|| format!("connecting to {addr}"))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(SILENCE))?;
        Ok(Connection { stream, addr, buffer: Buffer::new(BUFFER_BYTES), kept: 0..0 })
    }

    /// Sends a request and reads the head of its answer.
    pub(crate) fn request(&mut self, method: &str, path: &str, range: Option<(u64, u64)>) -> Result<Head> {
        let range = range.map(|(start, end)| format!("Range: bytes={start}-{}\r\n", end - 1)).unwrap_or_default();
        let text =
            format!("{method} {path} HTTP/1.1\r\nHost: {}\r\nUser-Agent: acervo-bench\r\n{range}\r\n", self.addr);
        self.stream.write_all(text.as_bytes()).context("sending a request")?;
        let mut filled = self.kept.len();
        self.buffer.copy_within(self.kept.clone(), 0);
        let end = loop {
            if let Some(at) = self.buffer[..filled].windows(4).position(|window| window == b"\r\n\r\n") {
                break at + 4;
            }
            ensure!(filled < self.buffer.len(), "the head of an answer is too long");
            let read = self.stream.read(&mut self.buffer[filled..]).context("reading an answer")?;
            ensure!(read > 0, "the server closed the connection");
            filled += read;
        };
        self.kept = end..filled;
        parsed(&self.buffer[..end])
    }

    /// Reads a body and hands its pieces, with their places in it, to `each`; returns when its first bytes were here.
    pub(crate) fn body(&mut self, length: u64, mut each: impl FnMut(u64, &[u8]) -> Result<()>) -> Result<Instant> {
        let mut at = 0;
        let mut first = None;
        while at < length {
            if self.kept.is_empty() {
                let most = self.buffer.len().min(usize::try_from(length - at).unwrap_or(usize::MAX));
                let read = self.stream.read(&mut self.buffer[..most]).context("reading a body")?;
                ensure!(read > 0, "the server closed the connection after {at} of {length} bytes");
                self.kept = 0..read;
            }
            first.get_or_insert_with(Instant::now);
            let take = self.kept.len().min(usize::try_from(length - at).unwrap_or(usize::MAX));
            let piece = self.kept.start..self.kept.start + take;
            self.kept.start += take;
            each(at, &self.buffer[piece])?;
            at += take as u64;
        }
        Ok(first.unwrap_or_else(Instant::now))
    }

    /// Waits for the first bytes of a body, which are left where they are.
    pub(crate) fn first_byte(&mut self) -> Result<Instant> {
        if self.kept.is_empty() {
            let read = self.stream.read(&mut self.buffer).context("reading a body")?;
            ensure!(read > 0, "the server closed the connection before the first byte");
            self.kept = 0..read;
        }
        Ok(Instant::now())
    }
}

/// Reads the head of an answer.
pub(crate) fn parsed(head: &[u8]) -> Result<Head> {
    let text = std::str::from_utf8(head).context("the head of an answer is not text")?;
    let mut lines = text.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|code| code.parse().ok());
    let Some(status) = status else { bail!("no HTTP answer: {text}") };
    let length = lines
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .and_then(|(_, value)| value.trim().parse().ok());
    let Some(length) = length else { bail!("an answer without a length: {text}") };
    Ok(Head { status, length })
}
