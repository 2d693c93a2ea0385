//! A real S3 server in the process of the test: objects are files, requests are signed, faults come on order.
//!
//! Every request passes one place, `Faults::pass`; the rest of this module is plain serving, and ending it.

pub mod faults;
#[cfg(test)]
mod tests;

use std::convert::Infallible;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::{Body, HttpResponse};
use tokio::sync::oneshot;

use self::faults::{Cut, Faults};

/// The one bucket that a new server has.
pub const BUCKET: &str = "acervo";

const ACCESS_KEY: &str = "AKIAACERVOTEST";
const SECRET_KEY: &str = "acervo-test-secret";
const REGION: &str = "us-east-1";

/// A server on a free port of this host with one empty bucket; stopped when dropped, open connections included.
#[derive(Debug)]
pub struct S3Server {
    address: SocketAddr,
    root: PathBuf,
    faults: Faults,
    running: Mutex<Option<Running>>,
}

/// The serving thread of a server that has not been stopped.
#[derive(Debug)]
struct Running {
    stop: oneshot::Sender<Infallible>,
    thread: JoinHandle<()>,
}

impl S3Server {
    /// Starts a server that keeps everything in `folder`.
    pub fn start(folder: &Path) -> S3Server {
        std::fs::create_dir_all(folder.join(BUCKET)).expect("the bucket's folder");
        let root = folder.canonicalize().expect("the folder's path");
        let faults = Faults::new(root.clone());
        let free = SocketAddr::from(([127, 0, 0, 1], 0));
        let (address, running) = run(free, &root, &faults);
        S3Server { address, root, faults, running: Mutex::new(Some(running)) }
    }

    /// Ends it on the spot, as a loss of power would: connections break, and new ones are refused.
    pub fn stop(&self) {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(Running { stop, thread }) = running else { return };
        drop(stop);
        let ended = thread.join();
        assert!(ended.is_ok() || std::thread::panicking(), "the S3 server panicked");
    }

    /// Starts it again where it was, with all that it had, uploads under way and orders for faults included.
    pub fn start_again(&self) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        assert!(running.is_none(), "the S3 server runs");
        *running = Some(run(self.address, &self.root, &self.faults).1);
    }

    /// Its address.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Host and port, as a proxy wants them.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Name of its bucket.
    pub fn bucket(&self) -> &str {
        BUCKET
    }

    /// A key that may do everything.
    pub fn access_key(&self) -> &str {
        ACCESS_KEY
    }

    /// The secret of [`S3Server::access_key`].
    pub fn secret_key(&self) -> &str {
        SECRET_KEY
    }

    /// Region that requests are to be signed for.
    pub fn region(&self) -> &str {
        REGION
    }

    /// The folder in which the objects of its bucket are files, by their keys.
    pub fn objects(&self) -> PathBuf {
        self.root.join(BUCKET)
    }

    /// Names of what it keeps for uploads in parts that are neither completed nor aborted.
    pub fn uploads_under_way(&self) -> Vec<String> {
        let entries = std::fs::read_dir(&self.root).expect("the server's folder");
        let names = entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned());
        let mut names: Vec<String> = names.filter(|name| name.contains("upload")).collect();
        names.sort();
        names
    }

    /// Orders faults, and tells which were carried out.
    pub fn faults(&self) -> &Faults {
        &self.faults
    }
}

impl Drop for S3Server {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Serves at an address from a thread of its own; returns the address with the port that it got.
fn run(address: SocketAddr, root: &Path, faults: &Faults) -> (SocketAddr, Running) {
    let listener = TcpListener::bind(address).expect("a free port");
    listener.set_nonblocking(true).expect("a listener that does not block");
    let address = listener.local_addr().expect("an address");
    let (stop, stopped) = oneshot::channel();
    let (service, passage) = (service(root), faults.clone());
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(serve(listener, service, passage, stopped));
    });
    (address, Running { stop, thread })
}

fn service(root: &Path) -> S3Service {
    let mut builder = S3ServiceBuilder::new(s3s_fs::FileSystem::new(root).expect("a store in the folder"));
    builder.set_auth(SimpleAuth::from_single(ACCESS_KEY, SECRET_KEY));
    builder.build()
}

/// Accepts until the handle is gone; connections end with the runtime.
async fn serve(listener: TcpListener, service: S3Service, faults: Faults, mut stopped: oneshot::Receiver<Infallible>) {
    let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
    loop {
        let accepted = tokio::select! {
            _ = &mut stopped => return,
            accepted = listener.accept() => accepted,
        };
        let Ok((stream, _)) = accepted else { continue };
        let (service, faults) = (service.clone(), faults.clone());
        let answer = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
            let (service, faults) = (service.clone(), faults.clone());
            async move { faults.pass(request.map(Body::from), &service).await as Result<HttpResponse, Cut> }
        });
        tokio::spawn(async move {
            // The client went away, or a fault cut the connection; either way it is over.
            let _ = http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), answer).await;
        });
    }
}
