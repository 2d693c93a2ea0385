//! A forward proxy that demands credentials and records what it passed on.
//!
//! Requests that name their target in full are passed on one by one; `CONNECT` makes a tunnel, into which it cannot see.
//! It knows no bodies of requests, since whoever mirrors sends none.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Longest head of a request or an answer.
const HEAD_BYTES_MAX: usize = 64 << 10;

/// A request that was passed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passed {
    /// `CONNECT`, or the method that the server was asked with.
    pub method: String,
    /// As it was asked: a whole URL, or host and port of a tunnel.
    pub target: String,
}

#[derive(Debug, Default)]
struct Ledger {
    passed: Vec<Passed>,
    refused: usize,
    to_clients: u64,
}

#[derive(Debug)]
struct Shared {
    /// What `Proxy-Authorization` must be.
    authorization: String,
    ledger: Mutex<Ledger>,
}

impl Shared {
    fn ledger<T>(&self, work: impl FnOnce(&mut Ledger) -> T) -> T {
        work(&mut self.ledger.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A running proxy; stops when dropped, with every connection through it.
#[derive(Debug)]
pub struct ForwardProxy {
    shared: Arc<Shared>,
    address: SocketAddr,
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

impl ForwardProxy {
    /// Starts a proxy for those who bring this value of `Proxy-Authorization`; others are answered 407.
    pub fn start(authorization: &str) -> io::Result<ForwardProxy> {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared { authorization: authorization.to_owned(), ledger: Mutex::default() });
        let (stop, stopped) = watch::channel(false);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let serving = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("forward-proxy".to_owned())
            .spawn(move || runtime.block_on(serve(serving, listener, stopped)))?;
        Ok(ForwardProxy { shared, address, stop, thread: Some(thread) })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it passed on so far, in order.
    pub fn passed(&self) -> Vec<Passed> {
        self.shared.ledger(|ledger| ledger.passed.clone())
    }

    /// How many requests it refused for want of credentials.
    pub fn refused(&self) -> usize {
        self.shared.ledger(|ledger| ledger.refused)
    }

    /// Bytes that servers have sent through it.
    pub fn bytes(&self) -> u64 {
        self.shared.ledger(|ledger| ledger.to_clients)
    }
}

impl Drop for ForwardProxy {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        if let Some(thread) = self.thread.take() {
            // Ends at once: the runtime only has to drop its tasks.
            let _ = thread.join();
        }
    }
}

async fn serve(shared: Arc<Shared>, listener: std::net::TcpListener, mut stop: watch::Receiver<bool>) {
    let Ok(listener) = TcpListener::from_std(listener) else { return };
    loop {
        let accepted = tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            accepted = listener.accept() => accepted,
        };
        let Ok((client, _)) = accepted else { continue };
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            // Whichever end failed, both learn of it by the end of the connection.
            let _ = converse(&shared, client).await;
        });
    }
}

/// One connection: a single request, or a tunnel.
async fn converse(shared: &Shared, mut client: TcpStream) -> io::Result<()> {
    let (head, _) = read_head(&mut client).await?;
    let mut lines = head.lines();
    let mut words = lines.next().unwrap_or_default().split(' ');
    let (Some(method), Some(target)) = (words.next(), words.next()) else { return Ok(()) };
    let headers: Vec<(&str, &str)> = lines.filter_map(|line| line.split_once(": ")).collect();
    let brought = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("proxy-authorization"));
    if brought.map(|(_, value)| *value) != Some(shared.authorization.as_str()) {
        shared.ledger(|ledger| ledger.refused += 1);
        let refusal = "HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=\"tests\"\r\n\
                       Content-Length: 0\r\nConnection: close\r\n\r\n";
        return client.write_all(refusal.as_bytes()).await;
    }
    shared.ledger(|ledger| ledger.passed.push(Passed { method: method.to_owned(), target: target.to_owned() }));
    if method == "CONNECT" {
        let mut server = TcpStream::connect(target).await?;
        client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await?;
        let ((mut from_client, mut to_client), (mut from_server, mut to_server)) = (client.split(), server.split());
        let there = async {
            tokio::io::copy(&mut from_client, &mut to_server).await?;
            to_server.shutdown().await
        };
        let back = hand_on(shared, &mut from_server, &mut to_client);
        return tokio::try_join!(there, back).map(drop);
    }
    let rest = target.strip_prefix("http://").unwrap_or(target);
    let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let mut server = TcpStream::connect(host).await?;
    let mut request = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n");
    for (name, value) in headers {
        if !name.to_ascii_lowercase().starts_with("proxy-") && !name.eq_ignore_ascii_case("connection") {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
    }
    server.write_all(format!("{request}\r\n").as_bytes()).await?;
    let (answer, body) = read_head(&mut server).await?;
    let answer = answer.replacen("\r\n", "\r\nConnection: close\r\n", 1);
    shared.ledger(|ledger| ledger.to_clients += (answer.len() + body.len()) as u64);
    client.write_all(answer.as_bytes()).await?;
    client.write_all(&body).await?;
    hand_on(shared, &mut server, &mut client).await
}

/// Hands on what a server sends until its end, counted before a client can see it.
async fn hand_on(
    shared: &Shared,
    from: &mut (impl AsyncRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
) -> io::Result<()> {
    let mut buffer = vec![0; 64 << 10];
    loop {
        let length = from.read(&mut buffer).await?;
        if length == 0 {
            return to.shutdown().await;
        }
        shared.ledger(|ledger| ledger.to_clients += length as u64);
        to.write_all(&buffer[..length]).await?;
    }
}

/// Reads up to the empty line that ends a head; gives the head with that line, and what came behind it.
async fn read_head(from: &mut TcpStream) -> io::Result<(String, Vec<u8>)> {
    let mut read = Vec::new();
    let mut buffer = vec![0; 8 << 10];
    loop {
        if let Some(end) = read.windows(4).position(|four| four == b"\r\n\r\n") {
            let rest = read.split_off(end + 4);
            return String::from_utf8(read).map(|head| (head, rest)).map_err(|_| io::ErrorKind::InvalidData.into());
        }
        let length = from.read(&mut buffer).await?;
        if length == 0 || read.len() > HEAD_BYTES_MAX {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        read.extend_from_slice(&buffer[..length]);
    }
}
