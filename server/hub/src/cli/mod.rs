//! The command line: a client of the same use cases as the web server.
//!
//! A command opens the hub, calls `app`, and prints. Whoever may run it beside the database is the system itself, so
//! it needs no token.

mod access;
mod check_config;
mod collection;
mod demo;
mod events;
mod gate;
mod jobs;
mod lock;
mod mirror;
mod orders;
mod print;
mod progress;
mod request;
mod seed;
mod serve;
mod sync;
mod webhook;

use std::path::PathBuf;
use std::process::ExitCode;

use acervo_core::RepoKind;
use clap::{Args, Parser, Subcommand};
use tracing_subscriber::EnvFilter;

use crate::config::{self, Loaded, LogFormat};
use crate::context::Hub;
use crate::error::HubError;

/// How a command ends that found something to do, or a difference.
const DIFFERS: u8 = 2;

/// An institution's own model hub.
#[derive(Debug, Parser)]
#[command(name = "acervo", version, about, propagate_version = true, max_term_width = 100)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// Options of every command.
#[derive(Debug, Args)]
struct Global {
    /// Configuration file [default: acervo.toml, if it is there]
    #[arg(long, env = "ACERVO_CONFIG", global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Override one configuration key, as in `--set storage.url=file:///srv/acervo`
    #[arg(long, global = true, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Log what happens to standard error
    #[arg(long, short, global = true)]
    verbose: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the hub and work jobs off
    Serve(serve::ServeArgs),
    /// Add, list, show, pause or remove mirrors; or have them as a file says, lock them, seed them
    #[command(subcommand)]
    Mirror(mirror::MirrorCommand),
    /// Bring mirrors up to date
    Sync(sync::SyncArgs),
    /// List, show, watch, cancel, pause, resume or repeat jobs
    #[command(subcommand)]
    Jobs(jobs::JobsCommand),
    /// Ask for repositories to be mirrored, and decide on what was asked for
    #[command(subcommand)]
    Request(request::RequestCommand),
    /// Put gates before contents, and decide who is let in
    #[command(subcommand)]
    Gate(gate::GateCommand),
    /// Put repositories together under a title
    #[command(subcommand)]
    Collection(collection::CollectionCommand),
    /// Manage users
    #[command(subcommand)]
    User(access::UserCommand),
    /// Manage tokens
    #[command(subcommand)]
    Token(access::TokenCommand),
    /// Print what happened here, and what happens
    Events(events::EventsArgs),
    /// See what webhooks were sent, and send it again
    #[command(subcommand)]
    Webhook(webhook::WebhookCommand),
    /// Print the effective configuration and where each value came from
    CheckConfig,
    /// Mirror small models from a hub in this very process, serve them, and show it
    Demo(demo::DemoArgs),
}

/// Which repository a command means.
#[derive(Debug, Args)]
struct RepoArgs {
    /// Repository, `namespace/name`
    repo: String,
    /// Its type: model, dataset or space
    #[arg(long = "type", value_name = "TYPE", value_parser = parse_kind)]
    kind: Option<RepoKind>,
}

/// Reads a repository type.
fn parse_kind(text: &str) -> Result<RepoKind, String> {
    text.parse().map_err(|error: acervo_core::NameError| error.to_string())
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(asked) => {
            // Where the words go cannot be told to anybody else either.
            let _ = asked.print();
            // Not clap's own 2, which tells of differences here.
            return if asked.use_stderr() { ExitCode::FAILURE } else { ExitCode::SUCCESS };
        }
    };
    // Both crypto libraries of the tree would do; naming one keeps a later dependency from making it ambiguous.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            print::failure(&format!("the async runtime cannot start: {error}"));
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(run(cli)) {
        Ok(code) => code,
        Err(error) => {
            print::failure(&chain(&error));
            ExitCode::FAILURE
        }
    }
}

/// An error with its causes, as far as they add something.
fn chain(error: &HubError) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}

async fn run(cli: Cli) -> Result<ExitCode, HubError> {
    let mut flags = overrides(&cli.global.set)?;
    if let Command::Serve(args) = &cli.command {
        flags.extend(args.flags());
    }
    let loaded = config::load(cli.global.config.as_deref(), &flags)?;
    let logs = cli.global.verbose || matches!(cli.command, Command::Serve(_));
    start_logging(&loaded, logs)?;
    match cli.command {
        Command::Serve(_) => serve::run(loaded.config).await,
        Command::Mirror(command) => mirror::run(&Hub::open(loaded.config).await?, command).await,
        Command::Sync(args) => sync::run(&Hub::open(loaded.config).await?, args).await,
        Command::Jobs(command) => jobs::run(&Hub::open(loaded.config).await?, command).await,
        Command::Request(command) => request::run(&Hub::open(loaded.config).await?, command).await,
        Command::Gate(command) => gate::run(&Hub::open(loaded.config).await?, command).await,
        Command::Collection(command) => collection::run(&Hub::open(loaded.config).await?, command).await,
        Command::User(command) => access::run_user(&Hub::open(loaded.config).await?, command).await,
        Command::Token(command) => access::run_token(&Hub::open(loaded.config).await?, command).await,
        Command::Events(args) => events::run(&Hub::open(loaded.config).await?, args).await,
        Command::Webhook(command) => webhook::run(&Hub::open(loaded.config).await?, command).await,
        Command::CheckConfig => Ok(check_config::run(&loaded)),
        Command::Demo(args) => demo::run(args).await,
    }
}

/// Splits `KEY=VALUE`.
fn overrides(set: &[String]) -> Result<Vec<(String, String)>, HubError> {
    set.iter()
        .map(|text| match text.split_once('=') {
            Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
            _ => Err(HubError::Config(format!("`--set {text}` is not of the form `--set section.key=value`"))),
        })
        .collect()
}

/// Starts the log of this process; commands are silent unless asked, since they print what matters themselves.
fn start_logging(loaded: &Loaded, logs: bool) -> Result<(), HubError> {
    let log = &loaded.config.log;
    let directives = if logs { log.filter.as_str() } else { "off" };
    let filter = EnvFilter::try_new(directives)
        .map_err(|error| HubError::Config(format!("`log.filter` cannot be used: {error}")))?;
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match log.format {
        LogFormat::Text => subscriber.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).init(),
        LogFormat::Json => subscriber.json().flatten_event(true).init(),
    }
    Ok(())
}
