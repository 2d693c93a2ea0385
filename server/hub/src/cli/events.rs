//! `acervo events`: what happened here, and what happens.

use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use acervo_core::Caller;
use acervo_core::event::KindPattern;
use clap::Args;

use crate::app::events::{self, Event, PAGE_MAX, Wanted};
use crate::cli::print;
use crate::cli::sync::stop_on_interrupt;
use crate::context::Hub;
use crate::error::HubError;

/// Time between two looks for new events.
const LOOK_PERIOD: Duration = Duration::from_secs(1);

/// Which events to print.
#[derive(Debug, Args)]
pub(super) struct EventsArgs {
    /// Only those after this number [default: 0, or the newest one with `--follow`]
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(i64).range(0..))]
    since: Option<i64>,
    /// Only this kind, as in `mirror.added`, or this family, as in `mirror.*`
    #[arg(long, value_name = "KIND", default_value_t = KindPattern::every())]
    kind: KindPattern,
    /// Only those about repositories of this name
    #[arg(long, value_name = "NAMESPACE/NAME")]
    repo: Option<String>,
    /// At most so many
    #[arg(long, value_name = "NUMBER")]
    limit: Option<u64>,
    /// Print JSON, one event a line
    #[arg(long)]
    json: bool,
    /// Go on with what happens, until interrupted
    #[arg(long)]
    follow: bool,
}

/// Runs `acervo events`.
pub(super) async fn run(hub: &Hub, args: EventsArgs) -> Result<ExitCode, HubError> {
    let caller = &Caller::System;
    // What commands did while no server runs has no numbers yet.
    events::number_waiting(hub).await?;
    let since = match args.since {
        Some(since) => since,
        None if args.follow => events::newest(hub, caller).await?,
        None => 0,
    };
    let mut left = args.limit.unwrap_or(u64::MAX);
    let mut wanted = Wanted { since, kind: args.kind.clone(), repo: args.repo.as_deref(), limit: PAGE_MAX };
    let stop = stop_on_interrupt();
    let mut looks = tokio::time::interval(LOOK_PERIOD);
    loop {
        wanted.limit = left.min(PAGE_MAX);
        let page = if left > 0 { events::read(hub, caller, &wanted).await? } else { return Ok(ExitCode::SUCCESS) };
        for event in &page.events {
            if !shown(event, args.json)? {
                return Ok(ExitCode::SUCCESS);
            }
        }
        left -= page.events.len() as u64;
        wanted.since = page.next;
        if page.more {
            continue;
        }
        if !args.follow {
            return Ok(ExitCode::SUCCESS);
        }
        tokio::select! {
            _ = looks.tick() => events::number_waiting(hub).await?,
            () = stop.cancelled() => return Ok(ExitCode::SUCCESS),
        };
    }
}

/// Prints an event; returns whether anybody still reads.
fn shown(event: &Event, as_json: bool) -> Result<bool, HubError> {
    let line = if as_json {
        print::as_json(event)?.to_string()
    } else {
        let Event { sequence, at, kind, actor, subject, details } = event;
        format!("{sequence:>6}  {at}  {kind}  {subject}  by {actor}  {details}")
    };
    Ok(writeln!(std::io::stdout(), "{line}").is_ok())
}
