//! A link between a client and a hub that cuts long transfers, as bad networks do.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::{CancellationToken, DropGuard};

/// How often a link cuts before it holds.
pub const CUTS: usize = 2;

/// Bytes of answers that pass on a connection before it is cut: more than the 10 MiB that huggingface_hub writes at a
/// time, since it goes on from what it has written.
const PASSED_BYTES: usize = 12 * 1024 * 1024;

/// A running link; it ends when dropped.
#[derive(Debug)]
pub struct CuttingLink {
    address: SocketAddr,
    /// How many connections were cut.
    cuts: Arc<AtomicUsize>,
    _stop: DropGuard,
}

impl CuttingLink {
    /// A link to the hub at `target`, on a free port.
    pub async fn start(target: SocketAddr) -> io::Result<CuttingLink> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let (cuts, stop) = (Arc::new(AtomicUsize::new(0)), CancellationToken::new());
        let (shared, stopped) = (cuts.clone(), stop.clone());
        tokio::spawn(stopped.run_until_cancelled_owned(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(join(client, target, shared.clone()));
            }
        }));
        Ok(CuttingLink { address, cuts, _stop: stop.drop_guard() })
    }

    /// Base URL of the hub behind the link.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How many connections were cut.
    pub fn cuts(&self) -> usize {
        self.cuts.load(Ordering::SeqCst)
    }
}

/// One connection, until either side ends it or it is cut.
async fn join(client: TcpStream, target: SocketAddr, cuts: Arc<AtomicUsize>) -> io::Result<()> {
    let hub = TcpStream::connect(target).await?;
    let (from_client, to_client) = client.into_split();
    let (from_hub, to_hub) = hub.into_split();
    tokio::select! {
        ended = up(from_client, to_hub) => ended,
        ended = down(from_hub, to_client, &cuts) => ended,
    }
}

async fn up(mut from: OwnedReadHalf, mut to: OwnedWriteHalf) -> io::Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let count = from.read(&mut buffer).await?;
        if count == 0 {
            // The client is done asking; what it asked for is still on its way.
            to.shutdown().await?;
            std::future::pending::<()>().await;
        }
        to.write_all(&buffer[..count]).await?;
    }
}

async fn down(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, cuts: &AtomicUsize) -> io::Result<()> {
    let mut passed = 0;
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let count = from.read(&mut buffer).await?;
        if count == 0 {
            return to.shutdown().await;
        }
        let one_more =
            || cuts.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |cuts| (cuts < CUTS).then_some(cuts + 1));
        if passed + count > PASSED_BYTES && one_more().is_ok() {
            to.write_all(&buffer[..PASSED_BYTES.saturating_sub(passed)]).await?;
            return to.shutdown().await;
        }
        passed += count;
        to.write_all(&buffer[..count]).await?;
    }
}
