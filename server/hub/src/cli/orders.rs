//! `acervo mirror plan` and `apply`: mirrors as a file says them.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use acervo_core::{Caller, Order};
use clap::Args;

use crate::app::events;
use crate::app::orders::{self, Action, MirrorStep, OrdersPlan, Refusal, Steps};
use crate::app::sync::Progress;
use crate::cli::progress::shown;
use crate::cli::{DIFFERS, print};
use crate::context::Hub;
use crate::error::HubError;

/// Where orders are read from if nothing else is said.
const ORDERS_FILE: &str = "mirrors.toml";

/// A file of orders.
#[derive(Debug, Args)]
pub(super) struct OrdersArgs {
    /// File with the orders
    #[arg(long, short, value_name = "FILE", default_value = ORDERS_FILE)]
    file: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

fn read(path: &Path) -> Result<String, HubError> {
    std::fs::read_to_string(path).map_err(|error| {
        HubError::Invalid(format!(
            "`{}` cannot be read: {error}; name the file, as in `--file {ORDERS_FILE}`",
            path.display()
        ))
    })
}

fn read_orders(path: &Path) -> Result<Vec<Order>, HubError> {
    orders::read(&Caller::System, &read(path)?)
        .map_err(|error| HubError::Invalid(format!("`{}`, {error}", path.display())))
}

/// `acervo mirror plan`.
pub(super) async fn plan(hub: &Hub, args: &OrdersArgs) -> Result<ExitCode, HubError> {
    let orders = read_orders(&args.file)?;
    let progress = Progress::default();
    let name = args.file.display().to_string();
    let plan = shown(&name, args.json, &progress, orders::plan(hub, &Caller::System, &orders, &progress)).await?;
    if args.json {
        println!("{}", print::as_json(&plan)?);
    } else {
        print_plan(&plan);
    }
    Ok(if !plan.steps.refused.is_empty() {
        ExitCode::FAILURE
    } else if plan.is_done() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(DIFFERS)
    })
}

/// `acervo mirror apply`.
pub(super) async fn apply(hub: &Hub, args: &OrdersArgs) -> Result<ExitCode, HubError> {
    let orders = read_orders(&args.file)?;
    let progress = Progress::default();
    let name = args.file.display().to_string();
    let steps = shown(&name, args.json, &progress, orders::apply(hub, &Caller::System, &orders, &progress)).await?;
    events::number_waiting(hub).await?;
    if args.json {
        println!("{}", print::as_json(&steps)?);
    } else {
        print_steps(&steps);
        if !steps.changes() {
            println!("everything is as `{name}` says");
        }
    }
    Ok(if steps.refused.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn print_plan(plan: &OrdersPlan) {
    print_steps(&plan.steps);
    let rows: Vec<Vec<String>> = plan
        .steps
        .mirrors
        .iter()
        .filter_map(|step| Some((step, step.sync.as_ref()?)))
        .map(|(step, sync)| {
            let fetch = if sync.commits_to_publish == 0 {
                "up to date".to_owned()
            } else {
                format!("{} ({})", print::files(sync.totals.files_to_fetch), print::size(sync.totals.bytes_to_fetch))
            };
            let held = format!("{} ({})", print::files(sync.totals.files_held), print::size(sync.totals.bytes_held));
            let revisions = sync.revisions.len().to_string();
            vec![step.repo.to_string(), step.kind.to_string(), revisions, fetch, held, sync.requests.to_string()]
        })
        .collect();
    if !rows.is_empty() {
        println!("\na sync would do:");
        print::table(&["repository", "type", "revisions", "to fetch", "held already", "requests"], &rows);
    }
    let totals = &plan.totals;
    println!(
        "\n{} repositories; to fetch: {} ({}); held already: {} ({}); {} requests",
        totals.repos,
        print::files(totals.files.files_to_fetch),
        print::size(totals.files.bytes_to_fetch),
        print::files(totals.files.files_held),
        print::size(totals.files.bytes_held),
        totals.requests
    );
    for budget in &totals.budgets {
        println!("{} answers {} more requests within {} s", budget.endpoint, budget.requests_left, budget.seconds);
    }
    if let Some(seconds) = totals.seconds_at_least.filter(|seconds| *seconds > 0) {
        println!("by the configured budgets of requests, the syncs take {seconds} s at least");
    }
}

fn print_steps(steps: &Steps) {
    let of_order = |step: &orders::OrderStep| {
        let repos = if step.repos == 1 { "1 repository".to_owned() } else { format!("{} repositories", step.repos) };
        vec![step.action.as_str().to_owned(), format!("order {}", step.name), String::new(), repos]
    };
    let of_mirror = |step: &MirrorStep| {
        let from = format!("{} {}", step.endpoint, step.upstream);
        let what = match step.action {
            Action::Change | Action::Keep => step.differs.join(", "),
            Action::Add => step.order.clone().unwrap_or_default(),
            Action::Remove => "what was fetched stays".to_owned(),
        };
        vec![step.action.as_str().to_owned(), format!("{} {}", step.kind, step.repo), from, what]
    };
    let is_news = |action: Action, differs: &[&str]| action != Action::Keep || !differs.is_empty();
    let rows: Vec<Vec<String>> = steps
        .orders
        .iter()
        .filter(|step| step.action != Action::Keep)
        .map(of_order)
        .chain(steps.mirrors.iter().filter(|step| is_news(step.action, &step.differs)).map(of_mirror))
        .collect();
    if !rows.is_empty() {
        print::table(&["", "what", "from", ""], &rows);
    }
    for Refusal { order, repo, reason } in &steps.refused {
        print::failure(&format!("order `{order}`, {repo}: {reason}"));
    }
}
