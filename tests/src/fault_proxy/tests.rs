//! The proxy's own behaviour, seen from both ends of a plain connection.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, timeout};

use super::{Direction, FaultProxy, Fired, Mishap};

/// Long enough for bytes to have arrived, if they were on their way.
const MOMENT: Duration = Duration::from_millis(50);

/// A server that sends back what it gets.
async fn echo() -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut read, mut write) = stream.split();
                let _ = tokio::io::copy(&mut read, &mut write).await;
            });
        }
    });
    address
}

async fn connected() -> (FaultProxy, TcpStream) {
    let proxy = FaultProxy::start(echo().await).unwrap();
    let stream = TcpStream::connect(proxy.address()).await.unwrap();
    (proxy, stream)
}

async fn echoed(stream: &mut TcpStream, text: &[u8]) -> std::io::Result<Vec<u8>> {
    stream.write_all(text).await?;
    let mut back = vec![0; text.len()];
    stream.read_exact(&mut back).await?;
    Ok(back)
}

#[tokio::test]
async fn bytes_and_connections_are_forwarded_and_counted() {
    let (proxy, mut stream) = connected().await;
    assert_eq!(echoed(&mut stream, b"hello").await.unwrap(), b"hello");
    let large = vec![7; 1 << 20];
    let (mut read, mut write) = stream.split();
    let mut back = vec![0; large.len()];
    let (sent, received) = tokio::join!(write.write_all(&large), read.read_exact(&mut back));
    sent.unwrap();
    received.unwrap();
    assert!(back == large);
    stream.shutdown().await.unwrap();
    assert_eq!(stream.read(&mut [0; 1]).await.unwrap(), 0, "the end of the stream is forwarded, too");

    let _second = TcpStream::connect(proxy.address()).await.unwrap();
    assert_eq!(proxy.bytes(Direction::ToServer), 5 + (1 << 20));
    assert_eq!(proxy.bytes(Direction::ToClient), 5 + (1 << 20));
    while proxy.connections() < 2 {
        tokio::task::yield_now().await;
    }
    assert_eq!(proxy.fired(), []);
}

#[tokio::test]
async fn what_is_delayed_arrives_late_and_whole() {
    let (proxy, mut stream) = connected().await;
    proxy.latency(Direction::ToServer, MOMENT);
    proxy.latency(Direction::ToClient, MOMENT);
    let begun = Instant::now();
    assert_eq!(echoed(&mut stream, b"hello").await.unwrap(), b"hello");
    assert!(begun.elapsed() >= 2 * MOMENT, "{:?}", begun.elapsed());
    let delayed = |direction| Fired { connection: 1, mishap: Mishap::Delayed(direction) };
    assert_eq!(proxy.fired(), [delayed(Direction::ToServer), delayed(Direction::ToClient)]);
}

#[tokio::test]
async fn a_connection_is_cut_at_the_byte_ordered_in_either_direction() {
    for direction in [Direction::ToServer, Direction::ToClient] {
        let (proxy, mut stream) = connected().await;
        assert_eq!(echoed(&mut stream, b"hello").await.unwrap(), b"hello");
        proxy.cut_after(direction, 3);
        let _ = stream.write_all(b"0123456789").await;
        let mut rest = Vec::new();
        // What the server has sent before the end may or may not come through a cut towards it.
        let _ = stream.read_to_end(&mut rest).await;
        proxy.wait_fired(1).await;
        assert!(b"012".starts_with(&rest), "{direction:?}: {rest:?}");
        assert!(direction == Direction::ToServer || rest == b"012", "{rest:?}");
        assert_eq!(proxy.bytes(direction), 5 + 3, "{direction:?}");
        assert_eq!(proxy.fired(), [Fired { connection: 1, mishap: Mishap::Cut(direction) }]);
        let mut next = TcpStream::connect(proxy.address()).await.unwrap();
        assert_eq!(echoed(&mut next, b"0123456789").await.unwrap(), b"0123456789", "a cut is ordered once");
    }
}

#[tokio::test]
async fn a_stalled_link_is_silent_until_it_is_released() {
    let (proxy, mut stream) = connected().await;
    proxy.stall();
    stream.write_all(b"hello").await.unwrap();
    proxy.wait_fired(1).await;
    let mut back = [0; 5];
    assert!(timeout(MOMENT, stream.read_exact(&mut back)).await.is_err(), "nothing may pass");
    assert_eq!((proxy.bytes(Direction::ToServer), proxy.open()), (0, 1));
    proxy.release();
    stream.read_exact(&mut back).await.unwrap();
    assert_eq!(&back, b"hello");
    assert_eq!(proxy.fired(), [Fired { connection: 1, mishap: Mishap::Stalled(Direction::ToServer) }]);
}

#[tokio::test]
async fn a_reset_ends_what_is_open_with_an_error_even_while_it_stalls() {
    let (proxy, mut stream) = connected().await;
    proxy.stall();
    stream.write_all(b"hello").await.unwrap();
    proxy.wait_fired(1).await;
    proxy.reset();
    proxy.wait_fired(2).await;
    let error = stream.read(&mut [0; 1]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    proxy.release();
    let mut next = TcpStream::connect(proxy.address()).await.unwrap();
    assert_eq!(echoed(&mut next, b"hello").await.unwrap(), b"hello");
}

#[tokio::test]
async fn new_connections_are_refused_until_the_link_heals_and_old_ones_stay() {
    let (proxy, mut old) = connected().await;
    assert_eq!(echoed(&mut old, b"hello").await.unwrap(), b"hello");
    proxy.refuse();
    let refused = async {
        let mut stream = TcpStream::connect(proxy.address()).await?;
        echoed(&mut stream, b"hello").await
    };
    assert!(refused.await.is_err());
    assert_eq!(proxy.fired(), [Fired { connection: 2, mishap: Mishap::Refused }]);
    assert_eq!(echoed(&mut old, b"again").await.unwrap(), b"again");
    proxy.heal();
    let mut new = TcpStream::connect(proxy.address()).await.unwrap();
    assert_eq!(echoed(&mut new, b"hello").await.unwrap(), b"hello");
    assert_eq!((proxy.connections(), proxy.open()), (3, 2));
}

#[tokio::test]
async fn a_server_that_is_not_there_ends_the_connection_and_stopping_never_waits() {
    let nobody = TcpListener::bind(("127.0.0.1", 0)).await.unwrap().local_addr().unwrap();
    let proxy = FaultProxy::start(nobody).unwrap();
    // The end may come before the connection is even told to be there.
    if let Ok(mut stream) = TcpStream::connect(proxy.address()).await {
        assert!(echoed(&mut stream, b"hello").await.is_err());
    }
    let (proxy, mut stream) = connected().await;
    proxy.stall();
    stream.write_all(b"hello").await.unwrap();
    proxy.wait_fired(1).await;
    drop(proxy);
    assert!(matches!(stream.read(&mut [0; 1]).await, Ok(0) | Err(_)));
}
