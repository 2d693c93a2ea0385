//! Listening and serving, from the socket to a graceful end.

use std::io::ErrorKind;
use std::net::TcpListener;
use std::time::Duration;

use actix_web::{HttpServer, web};
use tokio_util::sync::CancellationToken;

use super::api::job_events::Closing;
use super::router;
use crate::app::cache;
use crate::context::Hub;
use crate::error::HubError;

/// Seconds for which an idle connection stays open: longer than clients keep theirs, so that they are the ones to close.
const KEEP_ALIVE_SECONDS: u64 = 75;

/// Milliseconds between two looks at what other processes have changed: what they change holds here within a second,
/// the look itself included.
const GENERATION_MILLISECONDS: u64 = 500;

/// Takes the address, so that a port in use is reported before anything else starts. Port 0 takes a free one.
pub fn listen(bind: &str) -> Result<TcpListener, HubError> {
    TcpListener::bind(bind).map_err(|error| {
        let next = match error.kind() {
            ErrorKind::AddrInUse => "another process listens there; stop it, or set `server.bind` to another port",
            ErrorKind::PermissionDenied => "it needs more rights; set `server.bind` to a port above 1023",
            ErrorKind::AddrNotAvailable => "this machine has no such address; correct `server.bind`",
            _ => "write `server.bind` as `address:port`, for example `127.0.0.1:7860`",
        };
        HubError::Config(format!("cannot listen on `{bind}` ({error}): {next}"))
    })
}

/// Answers requests until `shutdown`; then running answers get `server.shutdown_seconds` to finish.
pub async fn serve(hub: Hub, listener: TcpListener, shutdown: CancellationToken) -> Result<(), HubError> {
    let failed = |error: std::io::Error| HubError::Internal(format!("the web server failed: {error}"));
    let grace_seconds = hub.config().server.shutdown_seconds;
    let follower = tokio::spawn(follow_changes(hub.clone(), shutdown.clone()));
    let workers = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let closing = web::Data::new(Closing(shutdown.clone()));
    let server = HttpServer::new(move || router::app(&hub).app_data(closing.clone()))
        .workers(workers)
        // The end of an answer is a short packet; without this it would wait for the client's delayed acknowledgement.
        .tcp_nodelay(true)
        .keep_alive(Duration::from_secs(KEEP_ALIVE_SECONDS))
        .shutdown_timeout(grace_seconds)
        .disable_signals()
        .listen(listener)
        .map_err(failed)?
        .run();
    let handle = server.handle();
    let stopper = tokio::spawn(async move {
        shutdown.cancelled().await;
        handle.stop(true).await;
    });
    let served = server.await.map_err(failed);
    stopper.abort();
    follower.abort();
    served
}

/// Keeps the caches true to what other processes on the same database do.
async fn follow_changes(hub: Hub, shutdown: CancellationToken) {
    let mut ticks = tokio::time::interval(Duration::from_millis(GENERATION_MILLISECONDS));
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            _ = ticks.tick() => {
                if let Err(error) = cache::follow_generation(&hub).await {
                    tracing::warn!(error = %error, "asking for changes by other processes failed; asked again soon");
                }
            }
        }
    }
}
