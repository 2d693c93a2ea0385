//! A connection to a server that breaks on order.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::task::AbortOnDropHandle;

/// Stands before a server; answers that grow too long are cut off.
pub(crate) struct Link {
    address: SocketAddr,
    orders: Arc<Orders>,
    _task: AbortOnDropHandle<()>,
}

#[derive(Default)]
struct Orders {
    /// Bytes after which a connection's answers end; 0 is never.
    cut_after: AtomicU64,
    cuts: AtomicU64,
}

impl Link {
    /// A link to the server at this address.
    pub(crate) async fn to(server: String) -> Link {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let orders = Arc::new(Orders::default());
        let passed = Arc::clone(&orders);
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (client, _) = listener.accept().await.unwrap();
                while connections.try_join_next().is_some() {}
                connections.spawn(pass(client, server.clone(), Arc::clone(&passed)));
            }
        });
        Link { address, orders, _task: AbortOnDropHandle::new(task) }
    }

    /// Where it listens.
    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on, cuts each connection that has carried so many bytes back.
    pub(crate) fn cut_after(&self, bytes: u64) {
        self.orders.cut_after.store(bytes, Ordering::SeqCst);
    }

    /// Connections that were cut.
    pub(crate) fn cuts(&self) -> u64 {
        self.orders.cuts.load(Ordering::SeqCst)
    }
}

async fn pass(client: TcpStream, server: String, orders: Arc<Orders>) {
    let Ok(server) = TcpStream::connect(server).await else { return };
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let back = async move {
        let mut carried = 0;
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let Ok(read @ 1..) = from_server.read(&mut buffer).await else { return };
            let limit = orders.cut_after.load(Ordering::SeqCst);
            let left = if limit == 0 { usize::MAX } else { usize::try_from(limit.saturating_sub(carried)).unwrap() };
            if to_client.write_all(&buffer[..read.min(left)]).await.is_err() {
                return;
            }
            carried += read as u64;
            if read >= left {
                orders.cuts.fetch_add(1, Ordering::SeqCst);
                return;
            }
        }
    };
    tokio::select! {
        () = back => {}
        _ = tokio::io::copy(&mut from_client, &mut to_server) => {}
    }
}
