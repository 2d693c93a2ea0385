//! What stands before a server: it ends TLS, if that is wanted, hands everything on, and notes what clients said.

use std::convert::Infallible;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio_rustls::TlsAcceptor;

use crate::authority::Authority;

/// What the certificate of an encrypting relay is made out to.
const NAMES: &str = "DNS:localhost,IP:127.0.0.1";

/// A running relay on a free port of this host; stopped when dropped, open connections included.
#[derive(Debug)]
pub struct Relay {
    address: SocketAddr,
    is_encrypted: bool,
    said: Arc<Mutex<Vec<u8>>>,
    stop: Option<oneshot::Sender<Infallible>>,
    thread: Option<JoinHandle<()>>,
}

impl Relay {
    /// A relay that clients reach without TLS.
    pub fn plain(server: SocketAddr) -> Relay {
        Relay::start(server, None)
    }

    /// A relay that clients reach with TLS alone, as `localhost` or `127.0.0.1`; the server behind it has none.
    pub fn encrypted(server: SocketAddr, authority: &Authority) -> Relay {
        let certified = authority.certify(NAMES);
        let key = PrivateKeyDer::from_pem_slice(&certified.key).expect("a key in PEM");
        let chain = CertificateDer::pem_slice_iter(&certified.certificate).collect::<Result<Vec<_>, _>>();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions of TLS")
            .with_no_client_auth()
            .with_single_cert(chain.expect("a certificate in PEM"), key)
            .expect("a key that fits its certificate");
        Relay::start(server, Some(TlsAcceptor::from(Arc::new(config))))
    }

    fn start(server: SocketAddr, acceptor: Option<TlsAcceptor>) -> Relay {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.set_nonblocking(true).expect("a listener that does not block");
        let address = listener.local_addr().expect("an address");
        let (said, is_encrypted) = (Arc::default(), acceptor.is_some());
        let (stop, stopped) = oneshot::channel();
        let noted = Arc::clone(&said);
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(serve(listener, server, acceptor, noted, stopped));
        });
        Relay { address, is_encrypted, said, stop: Some(stop), thread: Some(thread) }
    }

    /// Its base URL under one of its two names.
    pub fn url(&self, name: &str) -> String {
        let scheme = if self.is_encrypted { "https" } else { "http" };
        format!("{scheme}://{name}:{}", self.address.port())
    }

    /// All that clients have said so far, as the server got it, connections in between each other.
    pub fn said(&self) -> Vec<u8> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            assert!(ended.is_ok() || std::thread::panicking(), "the relay panicked");
        }
    }
}

type Said = Arc<Mutex<Vec<u8>>>;

/// Accepts until the handle is gone; connections end with the runtime.
async fn serve(
    listener: TcpListener,
    server: SocketAddr,
    acceptor: Option<TlsAcceptor>,
    said: Said,
    mut stopped: oneshot::Receiver<Infallible>,
) {
    let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
    loop {
        let accepted = tokio::select! {
            _ = &mut stopped => return,
            accepted = listener.accept() => accepted,
        };
        let Ok((client, _)) = accepted else { continue };
        let (acceptor, said) = (acceptor.clone(), Arc::clone(&said));
        tokio::spawn(async move {
            // Whichever end failed, or does not trust the other: both learn of it by the end of the connection.
            let _ = match acceptor {
                Some(acceptor) => match acceptor.accept(client).await {
                    Ok(client) => carry(client, server, said).await,
                    Err(error) => Err(error),
                },
                None => carry(client, server, said).await,
            };
        });
    }
}

/// Carries one connection to its end.
async fn carry(client: impl AsyncRead + AsyncWrite, server: SocketAddr, said: Said) -> io::Result<()> {
    let server = TcpStream::connect(server).await?;
    server.set_nodelay(true)?;
    let (mut from_client, mut to_client) = tokio::io::split(client);
    let (mut from_server, mut to_server) = server.into_split();
    let there = async {
        let mut buffer = vec![0; 64 << 10];
        loop {
            let length = from_client.read(&mut buffer).await?;
            if length == 0 {
                return to_server.shutdown().await;
            }
            said.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(&buffer[..length]);
            to_server.write_all(&buffer[..length]).await?;
        }
    };
    let back = async {
        tokio::io::copy(&mut from_server, &mut to_client).await?;
        to_client.shutdown().await
    };
    tokio::try_join!(there, back).map(drop)
}
