//! `acervo demo`: shows the main job on this machine alone.

use std::process::ExitCode;

use acervo_core::RepoKind;
use clap::Args;

use crate::app::mirrors;
use crate::cli::{parse_kind, print, serve, sync};
use crate::demo::{self, DemoMirror, DemoUpstream};
use crate::error::HubError;

/// What to demonstrate.
#[derive(Debug, Args)]
pub(super) struct DemoArgs {
    /// Verify everything through HTTP, say what was proved, and exit
    #[arg(long)]
    once: bool,
    /// Mirror from this hub instead of the one made for the demonstration
    #[arg(long, value_name = "URL", requires = "repo")]
    upstream: Option<String>,
    /// Repository to mirror from there; repeat for several
    #[arg(long, value_name = "NAMESPACE/NAME", requires = "upstream")]
    repo: Vec<String>,
    /// Type of those repositories
    #[arg(long = "type", value_name = "TYPE", value_parser = parse_kind, default_value = "model", requires = "repo")]
    kind: RepoKind,
    /// Address and port of the mirror [default: a free port]
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:0")]
    bind: String,
}

/// Runs the demonstration.
pub(super) async fn run(args: DemoArgs) -> Result<ExitCode, HubError> {
    let own = match &args.upstream {
        Some(_) => None,
        None => {
            println!("making small models and a dataset, and serving them from a hub in this process");
            Some(DemoUpstream::start().await?)
        }
    };
    let endpoint = match (&args.upstream, &own) {
        (Some(url), _) => url.clone(),
        (None, Some(own)) => own.url().to_owned(),
        (None, None) => return Err(HubError::Internal("no upstream to demonstrate with".to_owned())),
    };
    let mirror = DemoMirror::start(&endpoint, &args.bind).await?;
    println!("mirroring from {endpoint} to {}\n", mirror.url());
    let wanted: Vec<(RepoKind, String)> = match &own {
        Some(own) => own.repos().iter().map(|repo| (repo.kind, format!("{}/{}", repo.namespace, repo.name))).collect(),
        None => args.repo.iter().map(|name| (args.kind, name.clone())).collect(),
    };
    let stop = sync::stop_on_interrupt();
    for (kind, name) in &wanted {
        let order = mirrors::add(mirror.hub(), &acervo_core::Caller::System, &demo::order(*kind, name)).await?;
        if sync::one(mirror.hub(), &order, false, &stop).await?.outcome.is_none() {
            return Ok(ExitCode::FAILURE);
        }
    }
    println!();
    if args.once {
        let proofs = demo::verify(&mirror, own.as_ref(), &wanted).await?;
        for proof in proofs {
            println!("proved: {proof}");
        }
        mirror.stop().await;
        if let Some(own) = own {
            own.stop().await;
        }
        return Ok(ExitCode::SUCCESS);
    }
    introduce(&mirror, &wanted);
    let signal = tokio_util::sync::CancellationToken::new();
    tokio::spawn(serve::stop_on_signal(signal.clone()));
    signal.cancelled().await;
    mirror.stop().await;
    if let Some(own) = own {
        own.stop().await;
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints what to try.
fn introduce(mirror: &DemoMirror, wanted: &[(RepoKind, String)]) {
    let (url, token) = (mirror.url(), mirror.token());
    let model = wanted.iter().find(|(kind, _)| *kind == RepoKind::Model).or(wanted.first());
    let (kind, name) = model.map_or((RepoKind::Model, ""), |(kind, name)| (*kind, name.as_str()));
    println!("the mirror runs at {url}   (token {token})\n");
    println!("try, in another terminal:");
    println!("  curl -s {url}/api/{}/{name}", kind.plural());
    println!(
        "  HF_ENDPOINT={url} hf download {name}{}",
        if kind == RepoKind::Model { String::new() } else { format!(" --repo-type {kind}") }
    );
    println!("  HF_ENDPOINT={url} HF_TOKEN={token} hf auth whoami");
    println!(
        "\nor open {url} in a browser. Everything is in a temporary folder ({}) and goes away on Ctrl-C.",
        print::size(mirror.bytes())
    );
}
