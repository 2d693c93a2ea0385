//! `acervo webhook`: who is sent events, what became of them, and sending them again.

use std::process::ExitCode;

use acervo_core::Caller;
use acervo_store::db::webhooks::State;
use clap::{Args, Subcommand};

use crate::app::webhooks::{self, DeliveryView, HookView, LIST_MAX};
use crate::cli::print;
use crate::context::Hub;
use crate::error::HubError;
use crate::{app, worker};

/// What to do with webhooks.
#[derive(Debug, Subcommand)]
pub(super) enum WebhookCommand {
    /// List webhooks: what waits, what was given up, and why
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// List deliveries, latest first
    Deliveries(DeliveriesArgs),
    /// Send again what was given up, or at once what waits
    Retry(RetryArgs),
    /// Record an event that is sent to this webhook alone
    Test {
        /// Name of the webhook
        name: String,
    },
}

/// Which deliveries to list.
#[derive(Debug, Args)]
pub(super) struct DeliveriesArgs {
    /// Only those that were given up
    #[arg(long)]
    dead: bool,
    /// Only those of this webhook
    #[arg(long, value_name = "NAME")]
    hook: Option<String>,
    /// At most so many
    #[arg(long, value_name = "NUMBER", default_value_t = LIST_MAX)]
    limit: u64,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What to send again.
#[derive(Debug, Args)]
pub(super) struct RetryArgs {
    /// Id of a delivery, as `acervo webhook deliveries` shows it
    #[arg(required_unless_present = "all_dead", conflicts_with = "all_dead")]
    id: Option<String>,
    /// Everything that was given up for a webhook
    #[arg(long, requires = "hook")]
    all_dead: bool,
    /// That webhook
    #[arg(long, value_name = "NAME", requires = "all_dead")]
    hook: Option<String>,
}

/// Runs `acervo webhook ..`.
pub(super) async fn run(hub: &Hub, command: WebhookCommand) -> Result<ExitCode, HubError> {
    let caller = &Caller::System;
    match command {
        WebhookCommand::List { json } => list(&webhooks::list(hub, caller).await?, json)?,
        WebhookCommand::Deliveries(args) => {
            let state = args.dead.then_some(State::Dead);
            let found = webhooks::deliveries(hub, caller, state, args.hook.as_deref(), args.limit).await?;
            deliveries(&found, args.json)?;
        }
        WebhookCommand::Retry(RetryArgs { id: Some(id), .. }) => {
            let hook = webhooks::retry(hub, caller, &id).await?;
            println!("`{hook}` is sent it again{}", when(hub).await?);
        }
        WebhookCommand::Retry(RetryArgs { hook, .. }) => {
            let hook = hook.unwrap_or_default();
            match webhooks::retry_dead(hub, caller, &hook).await? {
                0 => println!("nothing was given up for `{hook}`"),
                count => println!("`{hook}` is sent {count} events again{}", when(hub).await?),
            }
        }
        WebhookCommand::Test { name } => {
            webhooks::test(hub, caller, &name).await?;
            let when = when(hub).await?;
            println!(
                "recorded an event for `{name}`{when}; `acervo webhook deliveries --hook {name}` shows what becomes of it"
            );
        }
    }
    app::events::number_waiting(hub).await?;
    Ok(ExitCode::SUCCESS)
}

/// When something is sent: only a worker does that.
async fn when(hub: &Hub) -> Result<&'static str, HubError> {
    Ok(if worker::is_alive(hub).await? { " now" } else { " as soon as `acervo serve` runs" })
}

fn list(hooks: &[HookView], as_json: bool) -> Result<(), HubError> {
    if as_json {
        println!("{}", print::as_json(&hooks)?);
    } else if hooks.is_empty() {
        println!("no webhooks yet; write one into the configuration, under `[[webhooks]]`");
    } else {
        let row = |hook: &HookView| {
            vec![
                hook.name.clone(),
                hook.origin.clone().unwrap_or_else(|| "not in the configuration".to_owned()),
                hook.events.join(" "),
                hook.pending.to_string(),
                hook.dead.to_string(),
                hook.last_delivered_at.map(|at| at.to_string()).unwrap_or_default(),
                hook.last_error.clone().unwrap_or_default(),
            ]
        };
        let heading = ["WEBHOOK", "RECEIVER", "EVENTS", "PENDING", "DEAD", "LAST DELIVERED", "LAST ERROR"];
        print::table(&heading, &hooks.iter().map(row).collect::<Vec<_>>());
    }
    Ok(())
}

fn deliveries(found: &[DeliveryView], as_json: bool) -> Result<(), HubError> {
    if as_json {
        println!("{}", print::as_json(&found)?);
    } else if found.is_empty() {
        println!("no deliveries");
    } else {
        let row = |delivery: &DeliveryView| {
            let next = match (delivery.delivered_at, delivery.next_attempt_at) {
                (Some(at), _) => format!("at {at}"),
                (None, Some(next)) => format!("next at {next}"),
                (None, None) => String::new(),
            };
            vec![
                delivery.id.to_string(),
                delivery.hook.clone(),
                format!("{} {}", delivery.state, next).trim_end().to_owned(),
                delivery.sequence.to_string(),
                delivery.kind.clone(),
                delivery.attempts.to_string(),
                delivery.last_error.clone().unwrap_or_default(),
            ]
        };
        let heading = ["DELIVERY", "WEBHOOK", "STATE", "EVENT", "KIND", "ATTEMPTS", "LAST ERROR"];
        print::table(&heading, &found.iter().map(row).collect::<Vec<_>>());
    }
    Ok(())
}
