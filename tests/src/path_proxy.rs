//! A reverse proxy that serves another server below a path, as people put a hub beside their other services.
//!
//! It takes the path away from the raw request line and touches nothing else, so that escapes arrive as they were sent.
//! Each connection carries one request. It runs on the runtime of the test.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// Longest head of a request.
const HEAD_BYTES_MAX: usize = 64 << 10;

#[derive(Debug)]
struct Shared {
    path: String,
    target: OnceLock<SocketAddr>,
    /// Request lines that were not below the path.
    strays: Mutex<Vec<String>>,
}

/// A running proxy; stops when dropped.
#[derive(Debug)]
pub struct PathProxy {
    shared: Arc<Shared>,
    address: SocketAddr,
    accepting: JoinHandle<()>,
}

impl PathProxy {
    /// Listens for requests below `path`, such as `/hf`.
    pub async fn start(path: &str) -> io::Result<PathProxy> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared { path: path.to_owned(), target: OnceLock::new(), strays: Mutex::default() });
        let serving = Arc::clone(&shared);
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let shared = Arc::clone(&serving);
                // A client or server that goes away in between is nobody's failure but the test's, which sees it.
                tokio::spawn(async move { pass_on(&shared, client).await.ok() });
            }
        });
        Ok(PathProxy { shared, address, accepting })
    }

    /// The address of what it serves, without a trailing slash.
    pub fn url(&self) -> String {
        format!("http://{}{}", self.address, self.shared.path)
    }

    /// Names the server that requests are passed on to, once and for all.
    pub fn serve(&self, url: &str) {
        let address = url.trim_start_matches("http://").parse().expect("the address of a server");
        self.shared.target.set(address).expect("one server");
    }

    /// Lines of the requests that were not below the path.
    pub fn strays(&self) -> Vec<String> {
        self.shared.strays.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for PathProxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn pass_on(shared: &Shared, mut client: TcpStream) -> io::Result<()> {
    let mut head = Vec::new();
    let end = loop {
        if client.read_buf(&mut head).await? == 0 || head.len() > HEAD_BYTES_MAX {
            return Ok(());
        }
        if let Some(end) = head.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            break end;
        }
    };
    let text = String::from_utf8_lossy(&head[..end]).into_owned();
    let (line, headers) = text.split_once("\r\n").unwrap_or((&text, ""));
    let below = line.split_once(' ').and_then(|(method, rest)| Some((method, rest.strip_prefix(&shared.path)?)));
    let (Some((method, rest)), Some(target)) = (below, shared.target.get()) else {
        shared.strays.lock().unwrap_or_else(PoisonError::into_inner).push(line.to_owned());
        return client.write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").await;
    };
    let mut server = TcpStream::connect(target).await?;
    let kept: String = headers
        .lines()
        .filter(|line| !line.to_ascii_lowercase().starts_with("connection:"))
        .map(|line| format!("{line}\r\n"))
        .collect();
    server.write_all(format!("{method} {rest}\r\n{kept}connection: close\r\n\r\n").as_bytes()).await?;
    server.write_all(&head[end + 4..]).await?;
    tokio::io::copy_bidirectional(&mut client, &mut server).await?;
    Ok(())
}
