//! A receiver of webhooks: a server of somebody else's that records what it is sent, and misbehaves on order.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

use crate::processes::eventually;

/// What is done about a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Behaviour {
    /// The event is taken.
    Take,
    /// An answer with this status and text.
    Answer(u16, String),
    /// A redirect to this address.
    Redirect(String),
    /// The connection ends in the middle of the answer's head.
    BreakOff,
    /// No answer, ever.
    Silence,
}

/// A request as it arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// Path and query.
    pub target: String,
    /// Headers by their names in small letters.
    pub headers: BTreeMap<String, String>,
    /// Body.
    pub body: Vec<u8>,
}

impl Received {
    /// Id of the delivery.
    pub fn id(&self) -> &str {
        &self.headers["webhook-id"]
    }

    /// The event.
    pub fn event(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).expect("a body of JSON")
    }
}

#[derive(Debug)]
struct Ledger {
    received: Vec<Received>,
    next: VecDeque<Behaviour>,
    otherwise: Behaviour,
}

/// A running receiver; stops when dropped, with every connection to it.
#[derive(Debug)]
pub struct Receiver {
    ledger: Arc<Mutex<Ledger>>,
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Receiver {
    /// Starts a receiver that takes everything.
    pub async fn start() -> Receiver {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let ledger = Ledger { received: Vec::new(), next: VecDeque::new(), otherwise: Behaviour::Take };
        let ledger = Arc::new(Mutex::new(ledger));
        let task = tokio::spawn(serve(listener, Arc::clone(&ledger)));
        Receiver { ledger, address, task }
    }

    /// Its address, with this path.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// What is done about the next requests, one after the other.
    pub fn next(&self, behaviours: impl IntoIterator<Item = Behaviour>) {
        with(&self.ledger, |ledger| ledger.next.extend(behaviours));
    }

    /// What is done about all further ones.
    pub fn otherwise(&self, behaviour: Behaviour) {
        with(&self.ledger, |ledger| ledger.otherwise = behaviour);
    }

    /// Every request so far, in order.
    pub fn received(&self) -> Vec<Received> {
        with(&self.ledger, |ledger| ledger.received.clone())
    }

    /// Waits for so many requests.
    pub async fn has_received(&self, count: usize) -> Vec<Received> {
        eventually("the receiver is sent events", async || Some(self.received()).filter(|all| all.len() >= count)).await
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn with<T>(ledger: &Mutex<Ledger>, work: impl FnOnce(&mut Ledger) -> T) -> T {
    work(&mut ledger.lock().unwrap_or_else(PoisonError::into_inner))
}

async fn serve(listener: TcpListener, ledger: Arc<Mutex<Ledger>>) {
    let mut connections = JoinSet::new();
    loop {
        let Ok((client, _)) = listener.accept().await else { continue };
        let ledger = Arc::clone(&ledger);
        connections.spawn(async move {
            // A sender that goes away is its own business.
            let _ = converse(client, &ledger).await;
        });
    }
}

/// One connection: a single request.
async fn converse(mut client: TcpStream, ledger: &Mutex<Ledger>) -> io::Result<()> {
    let received = read(&mut client).await?;
    let behaviour = with(ledger, |ledger| {
        ledger.received.push(received);
        ledger.next.pop_front().unwrap_or_else(|| ledger.otherwise.clone())
    });
    let answer = |status: u16, more: &str, body: &str| {
        let length = body.len();
        format!("HTTP/1.1 {status} X\r\nConnection: close\r\nContent-Length: {length}\r\n{more}\r\n{body}")
    };
    let bytes = match behaviour {
        Behaviour::Take => "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n".to_owned(),
        Behaviour::Answer(status, text) => answer(status, "", &text),
        Behaviour::Redirect(target) => answer(307, &format!("Location: {target}\r\n"), ""),
        Behaviour::BreakOff => "HTTP/1.1 200 OK\r\nContent-Le".to_owned(),
        Behaviour::Silence => return std::future::pending().await,
    };
    client.write_all(bytes.as_bytes()).await?;
    client.shutdown().await
}

/// Reads a request to its end.
async fn read(client: &mut TcpStream) -> io::Result<Received> {
    let mut bytes = Vec::new();
    let mut buffer = vec![0; 8 << 10];
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break end + 4;
        }
        match client.read(&mut buffer).await? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            length => bytes.extend_from_slice(&buffer[..length]),
        }
    };
    let mut body = bytes.split_off(end);
    let head = String::from_utf8(bytes).map_err(|_| io::ErrorKind::InvalidData)?;
    let mut lines = head.lines();
    let target = lines.next().and_then(|line| line.split(' ').nth(1)).unwrap_or_default().to_owned();
    let headers: BTreeMap<String, String> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let length = headers.get("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
    while body.len() < length {
        match client.read(&mut buffer).await? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            more => body.extend_from_slice(&buffer[..more]),
        }
    }
    Ok(Received { target, headers, body })
}
