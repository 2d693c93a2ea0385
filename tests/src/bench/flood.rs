//! Very many small questions from one thread: all connections are watched together, as a proxy would hold them, so that a
//! measurement spends its processors on the server and not on waking clients. Every answer is compared, byte for byte.

use std::io::{ErrorKind, Read as _, Write as _};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use crate::client::parsed;
use crate::load::{Answers, Known};

/// Longest silence of all connections together.
const SILENCE: Duration = Duration::from_secs(30);

/// Asks one question on many connections, again and again, for a while. A failed request ends it: these answers come
/// from memory, so none may fail.
pub(crate) fn flood(target: &Known, method: &str, connections: usize, time: Duration) -> Result<Answers> {
    let question = format!(
        "{method} {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: acervo-bench\r\nAccept: */*\r\n\r\n",
        target.path, target.addr
    );
    let expected: &[u8] = if method == "HEAD" { &[] } else { &target.body };
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(connections);
    let mut clients = Vec::with_capacity(connections);
    let mut answers = Answers::default();
    let started = Instant::now();
    for number in 0..connections {
        let mut stream = TcpStream::connect(target.addr).with_context(|| format!("connecting to {}", target.addr))?;
        stream.set_nodelay(true)?;
        poll.registry().register(&mut stream, Token(number), Interest::READABLE | Interest::WRITABLE)?;
        clients.push(Client { stream, received: Vec::with_capacity(2 * expected.len() + 4096), asked: None });
    }
    let mut open = connections;
    while open > 0 {
        poll.poll(&mut events, Some(SILENCE))?;
        ensure!(!events.is_empty(), "no answer for {} seconds", SILENCE.as_secs());
        for event in &events {
            let client = &mut clients[event.token().0];
            if client.asked.is_none() {
                client.ask(question.as_bytes())?;
                continue;
            }
            // Readiness is told once: read until nothing is left.
            while let Some(took) = client.answer(expected, target)? {
                answers.took.push(took);
                answers.bytes += expected.len() as u64;
                if started.elapsed() >= time {
                    poll.registry().deregister(&mut client.stream)?;
                    open -= 1;
                    break;
                }
                client.ask(question.as_bytes())?;
            }
        }
    }
    Ok(answers)
}

struct Client {
    stream: TcpStream,
    received: Vec<u8>,
    /// When the question was sent that is not answered yet.
    asked: Option<Instant>,
}

impl Client {
    fn ask(&mut self, question: &[u8]) -> Result<()> {
        // Shorter than any send buffer, and nothing else is on its way there.
        let sent = self.stream.write(question).context("sending a request")?;
        ensure!(sent == question.len(), "a request was sent in part");
        self.asked = Some(Instant::now());
        Ok(())
    }

    /// Reads what there is: how long the answer took, if it is whole.
    fn answer(&mut self, expected: &[u8], target: &Known) -> Result<Option<Duration>> {
        let mut buffer = [0; 64 * 1024];
        loop {
            match self.stream.read(&mut buffer) {
                Ok(0) => bail!("the server closed a connection"),
                Ok(read) => self.received.extend_from_slice(&buffer[..read]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
                Err(error) => return Err(error).context("reading an answer"),
            }
            let Some(at) = self.received.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
            let head = parsed(&self.received[..at + 4])?;
            ensure!(head.status == 200 && head.length == target.body.len() as u64, "unexpected answer: {head:?}");
            let body = &self.received[at + 4..];
            if body.len() < expected.len() {
                continue;
            }
            ensure!(body == expected, "`{}` brought wrong bytes", target.path);
            self.received.clear();
            let asked = self.asked.context("an answer to no question")?;
            return Ok(Some(asked.elapsed()));
        }
    }
}
