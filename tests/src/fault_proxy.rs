//! A TCP proxy that spoils the link between a client and a server on order: late, cut, silent, reset, refused.
//!
//! It knows bytes and connections, no protocol: what should go wrong inside one is for a fake of that server. It owns
//! a thread with a runtime of its own, so that it outlives whatever stalls in the test.

#[cfg(test)]
mod tests;

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::Instant;

const CHUNK_BYTES: usize = 16 << 10;

/// Which way bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the client to the server behind the proxy.
    ToServer,
    /// From the server behind the proxy to the client.
    ToClient,
}

/// What went wrong with a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mishap {
    /// Its first bytes this way arrived late.
    Delayed(Direction),
    /// It was closed in the middle of what it carried this way.
    Cut(Direction),
    /// It began to be silent this way.
    Stalled(Direction),
    /// It was reset.
    Reset,
    /// It was reset as soon as it was made.
    Refused,
}

/// A mishap that happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fired {
    /// Number of the connection, from 1 on.
    pub connection: u64,
    /// What went wrong.
    pub mishap: Mishap,
}

#[derive(Clone, Debug, Default)]
struct Orders {
    to_server: Duration,
    to_client: Duration,
    stalled: bool,
    refusing: bool,
    /// Grows with each order to reset what is open.
    resets: u64,
}

/// An order to cut.
#[derive(Clone, Copy, Debug)]
struct Cut {
    direction: Direction,
    /// How many bytes in all may pass before the connection that carries the next one ends.
    at: u64,
    /// How many more may pass before the next cut.
    every: u64,
    /// Cuts that are still to come.
    left: u32,
}

#[derive(Debug, Default)]
struct Ledger {
    connections: u64,
    open: u64,
    to_server: u64,
    to_client: u64,
    cut: Option<Cut>,
    fired: Vec<Fired>,
}

impl Ledger {
    fn bytes(&mut self, direction: Direction) -> &mut u64 {
        match direction {
            Direction::ToServer => &mut self.to_server,
            Direction::ToClient => &mut self.to_client,
        }
    }
}

struct Shared {
    server: SocketAddr,
    orders: watch::Sender<Orders>,
    ledger: Mutex<Ledger>,
    fired: watch::Sender<usize>,
}

impl Shared {
    fn ledger<T>(&self, work: impl FnOnce(&mut Ledger) -> T) -> T {
        work(&mut self.ledger.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn record(&self, connection: u64, mishap: Mishap) {
        self.ledger(|ledger| ledger.fired.push(Fired { connection, mishap }));
        self.fired.send_modify(|count| *count += 1);
    }

    /// Counts `length` bytes, or the part of them that may pass before the connection is cut.
    fn admit(&self, direction: Direction, length: usize) -> (usize, bool) {
        self.ledger(|ledger| {
            let cut = ledger.cut.filter(|cut| cut.direction == direction);
            let passed = ledger.bytes(direction);
            let room = cut.map_or(length as u64, |cut| cut.at.saturating_sub(*passed));
            let is_cut = room < length as u64;
            let admitted = if is_cut { usize::try_from(room).unwrap_or(length) } else { length };
            *passed += admitted as u64;
            if is_cut {
                ledger.cut =
                    cut.filter(|cut| cut.left > 1).map(|cut| Cut { at: cut.at + cut.every, left: cut.left - 1, ..cut });
            }
            (admitted, is_cut)
        })
    }
}

/// A running proxy; stops when dropped, with every connection through it.
pub struct FaultProxy {
    shared: Arc<Shared>,
    address: SocketAddr,
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

impl FaultProxy {
    /// Starts a proxy on a free port of the loopback interface that forwards everything to `server`.
    pub fn start(server: SocketAddr) -> io::Result<FaultProxy> {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let (orders, ledger, fired) =
            (watch::Sender::new(Orders::default()), Mutex::default(), watch::Sender::new(0_usize));
        let shared = Arc::new(Shared { server, orders, ledger, fired });
        let (stop, stopped) = watch::channel(false);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let serving = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("fault-proxy".to_owned())
            .spawn(move || runtime.block_on(serve(serving, listener, stopped)))?;
        Ok(FaultProxy { shared, address, stop, thread: Some(thread) })
    }

    /// Where clients connect to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Delays every piece of what goes this way.
    pub fn latency(&self, direction: Direction, latency: Duration) {
        self.shared.orders.send_modify(|orders| match direction {
            Direction::ToServer => orders.to_server = latency,
            Direction::ToClient => orders.to_client = latency,
        });
    }

    /// Lets `bytes` more pass this way, on whatever connections, then closes the one that carries the next byte. Once.
    pub fn cut_after(&self, direction: Direction, bytes: u64) {
        self.cut_every(direction, bytes, 1);
    }

    /// Does so again and again, this many times in all.
    pub fn cut_every(&self, direction: Direction, bytes: u64, times: u32) {
        self.shared.ledger(|ledger| {
            let at = *ledger.bytes(direction) + bytes;
            ledger.cut = Some(Cut { direction, at, every: bytes, left: times });
        });
    }

    /// Holds every byte back, in both directions, until [`Self::release`].
    pub fn stall(&self) {
        self.shared.orders.send_modify(|orders| orders.stalled = true);
    }

    /// Lets what was held back go on.
    pub fn release(&self) {
        self.shared.orders.send_modify(|orders| orders.stalled = false);
    }

    /// Resets every open connection, both ends of it.
    pub fn reset(&self) {
        self.shared.orders.send_modify(|orders| orders.resets += 1);
    }

    /// Resets new connections as soon as they are made; those that are open stay.
    pub fn refuse(&self) {
        self.shared.orders.send_modify(|orders| orders.refusing = true);
    }

    /// Withdraws every order; what was broken stays broken.
    pub fn heal(&self) {
        self.shared.ledger(|ledger| ledger.cut = None);
        self.shared.orders.send_modify(|orders| *orders = Orders { resets: orders.resets, ..Orders::default() });
    }

    /// Connections so far, refused ones included.
    pub fn connections(&self) -> u64 {
        self.shared.ledger(|ledger| ledger.connections)
    }

    /// Connections that are open now.
    pub fn open(&self) -> u64 {
        self.shared.ledger(|ledger| ledger.open)
    }

    /// Bytes that have passed this way.
    pub fn bytes(&self, direction: Direction) -> u64 {
        self.shared.ledger(|ledger| *ledger.bytes(direction))
    }

    /// What went wrong so far, in order.
    pub fn fired(&self) -> Vec<Fired> {
        self.shared.ledger(|ledger| ledger.fired.clone())
    }

    /// Waits until `count` mishaps have happened since the start.
    pub async fn wait_fired(&self, count: usize) {
        // Fails only when the sender is gone, which `self` holds.
        let _ = self.shared.fired.subscribe().wait_for(|fired| *fired >= count).await;
    }
}

impl Drop for FaultProxy {
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
        let client = tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            accepted = listener.accept() => accepted,
        };
        let Ok((client, _)) = client else { continue };
        let number = shared.ledger(|ledger| {
            ledger.connections += 1;
            ledger.connections
        });
        if shared.orders.borrow().refusing {
            let _ = client.set_zero_linger();
            shared.record(number, Mishap::Refused);
            continue;
        }
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            shared.ledger(|ledger| ledger.open += 1);
            // Whichever end failed, both learn of it by the end of the connection.
            let _ = forward(&shared, number, client).await;
            shared.ledger(|ledger| ledger.open -= 1);
        });
    }
}

/// Carries one connection to its end.
async fn forward(shared: &Shared, number: u64, mut client: TcpStream) -> io::Result<()> {
    let mut orders = shared.orders.subscribe();
    let resets = orders.borrow().resets;
    let Ok(mut server) = TcpStream::connect(shared.server).await else {
        // As close to a refusal as a connection that is made already can come.
        return client.set_zero_linger();
    };
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let is_reset = {
        let (client_read, client_write) = client.split();
        let (server_read, server_write) = server.split();
        let to_server = pump(shared, number, Direction::ToServer, client_read, server_write);
        let to_client = pump(shared, number, Direction::ToClient, server_read, client_write);
        tokio::select! {
            ended = async { tokio::try_join!(to_server, to_client) } => {
                ended?;
                false
            }
            _ = orders.wait_for(|orders| orders.resets > resets) => true,
        }
    };
    if is_reset {
        client.set_zero_linger()?;
        server.set_zero_linger()?;
        shared.record(number, Mishap::Reset);
    }
    Ok(())
}

/// Carries one direction of a connection to its end; an error ends the other one too.
async fn pump(
    shared: &Shared,
    number: u64,
    direction: Direction,
    mut from: ReadHalf<'_>,
    mut to: WriteHalf<'_>,
) -> io::Result<()> {
    let mut orders = shared.orders.subscribe();
    let mut buffer = vec![0; CHUNK_BYTES];
    let mut was_delayed = false;
    loop {
        let length = from.read(&mut buffer).await?;
        if length == 0 {
            return to.shutdown().await;
        }
        let arrived = Instant::now();
        let latency = {
            let orders = orders.borrow();
            if direction == Direction::ToServer { orders.to_server } else { orders.to_client }
        };
        if !latency.is_zero() {
            tokio::time::sleep_until(arrived + latency).await;
            if !was_delayed {
                was_delayed = true;
                shared.record(number, Mishap::Delayed(direction));
            }
        }
        if orders.borrow().stalled {
            shared.record(number, Mishap::Stalled(direction));
            // Fails only when the proxy is gone, and then this connection is, too.
            let _ = orders.wait_for(|orders| !orders.stalled).await;
        }
        let (admitted, is_cut) = shared.admit(direction, length);
        to.write_all(&buffer[..admitted]).await?;
        if is_cut {
            shared.record(number, Mishap::Cut(direction));
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
    }
}
