//! `acervo serve`: the web server, with a worker inside.

use std::process::ExitCode;

use clap::Args;
use tokio_util::sync::CancellationToken;

use crate::app::identity;
use crate::config::Config;
use crate::context::Hub;
use crate::error::HubError;
use crate::{http, worker};

/// How to serve.
#[derive(Debug, Args)]
pub(super) struct ServeArgs {
    /// Address and port to listen on
    #[arg(long, value_name = "ADDRESS:PORT")]
    bind: Option<String>,
    /// Address under which clients reach this hub
    #[arg(long, value_name = "URL")]
    public_url: Option<String>,
}

impl ServeArgs {
    /// These options as configuration keys.
    pub(super) fn flags(&self) -> Vec<(String, String)> {
        let pairs = [("server.bind", &self.bind), ("server.public_url", &self.public_url)];
        pairs.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value.clone()?))).collect()
    }
}

/// Serves until a signal says to stop.
pub(super) async fn run(mut config: Config) -> Result<ExitCode, HubError> {
    let listener = http::listen(&config.server.bind)?;
    // Port 0 stands for any free one.
    if let Ok(address) = listener.local_addr() {
        config.server.bind = address.to_string();
    }
    let hub = Hub::open(config).await?;
    if let Some(first) = identity::ensure_first_admin(&hub).await? {
        println!("first start: here is a token for `{}`; it is shown this once\n\n  {}\n", first.principal, first.text);
    }
    println!("serving {} (stop with Ctrl-C)", hub.public_url());
    let shutdown = CancellationToken::new();
    tokio::spawn(stop_on_signal(shutdown.clone()));
    let jobs = tokio::spawn(worker::run(hub.clone(), shutdown.clone()));
    let served = http::serve(hub, listener, shutdown.clone()).await;
    // Also when the server ended by itself: the worker hands its jobs back.
    shutdown.cancel();
    let _ = jobs.await;
    served.map(|()| ExitCode::SUCCESS)
}

/// Cancels on SIGINT, SIGTERM or SIGHUP; a second one ends the process at once.
pub(super) async fn stop_on_signal(shutdown: CancellationToken) {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut terminate), Ok(mut hang_up)) = (signal(SignalKind::terminate()), signal(SignalKind::hangup())) else {
        return;
    };
    for round in 0..2 {
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = terminate.recv() => {}
            _ = hang_up.recv() => {}
        }
        if round == 0 {
            eprintln!("stopping; running answers may finish (again to stop at once)");
            shutdown.cancel();
        }
    }
    std::process::exit(130);
}
