//! What syncing the mirrors of a plan would do.

use std::collections::{BTreeMap, BTreeSet};

use acervo_core::{Order, Rules};
use futures::{StreamExt, stream};

use super::{Action, Budget, Forecast, ForecastRevision, Refusal, Steps, Totals};
use crate::app::sync::{self, Progress, Subject};
use crate::context::Hub;
use crate::error::HubError;
use crate::upstream::{self, Urgency};

/// Repositories that are asked about at the same time; the client keeps to the upstream's limits below that.
const ASKED_AT_ONCE: usize = 8;

/// Asks for each mirror what a sync would do. What a sync would refuse is told as refused.
pub(super) async fn forecast(hub: &Hub, orders: &[Order], steps: &mut Steps, progress: &Progress) -> Totals {
    let total = steps.mirrors.iter().filter(|step| step.action != Action::Remove).count();
    let asked: Vec<(usize, Result<Forecast, HubError>)> = stream::iter(steps.mirrors.iter().enumerate())
        .filter(|(_, step)| std::future::ready(step.action != Action::Remove))
        .map(|(index, step)| async move {
            let rules = match (step.work.order, &step.work.existing) {
                (Some(order), _) => &orders[order].rules,
                (None, Some(mirror)) => &mirror.rules,
                (None, None) => return (index, Err(HubError::Internal("a mirror without rules".to_owned()))),
            };
            let repo_id = step.work.existing.as_ref().map(|mirror| mirror.repo.id);
            (index, of_mirror(hub, step, repo_id, rules).await)
        })
        .buffer_unordered(ASKED_AT_ONCE)
        .enumerate()
        .map(|(done, answer)| {
            progress.phase(format!("asked about {} of {total} repositories", done + 1));
            answer
        })
        .collect()
        .await;
    let mut totals = Totals { repos: total as u64, ..Totals::default() };
    for (index, answer) in asked {
        let step = &mut steps.mirrors[index];
        match answer {
            Ok(forecast) => {
                totals.files.add(&forecast.totals);
                totals.commits_to_publish += forecast.commits_to_publish;
                totals.requests += forecast.requests;
                step.sync = Some(forecast);
            }
            Err(error) => steps.refused.push(Refusal {
                order: step.order.clone().unwrap_or_default(),
                repo: step.upstream.clone(),
                reason: error.to_string(),
            }),
        }
    }
    steps.refused.sort_by(|a, b| (&a.order, &a.repo).cmp(&(&b.order, &b.repo)));
    let asked: BTreeSet<(&str, &str)> =
        steps.mirrors.iter().map(|step| (step.endpoint.as_str(), step.repo.namespace())).collect();
    let mut budgets: BTreeMap<&str, Budget> = BTreeMap::new();
    for (endpoint, organization) in asked {
        let left = hub.upstream_at(endpoint, organization).ok().and_then(|client| client.requests_left());
        let Some((requests_left, seconds)) = left else { continue };
        // Of several tokens for one hub, the one that has least.
        if budgets.get(endpoint).is_none_or(|known| requests_left < known.requests_left) {
            budgets.insert(endpoint, Budget { endpoint: endpoint.to_owned(), requests_left, seconds });
        }
    }
    totals.budgets = budgets.into_values().collect();
    totals.seconds_at_least = seconds_at_least(&hub.config().upstream, steps);
    totals
}

/// How long the requests of these syncs take at least by the configured budgets: what one window does not hold waits for
/// the next. Hubs are asked beside each other.
fn seconds_at_least(config: &upstream::Config, steps: &Steps) -> Option<u64> {
    if config.requests_per_window == 0 && config.resolves_per_window == 0 {
        return None;
    }
    let mut needed: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    for (step, sync) in steps.mirrors.iter().filter_map(|step| Some((step, step.sync.as_ref()?))) {
        let (requests, resolves) = needed.entry(&step.endpoint).or_default();
        *requests += sync.requests.saturating_sub(sync.totals.files_to_fetch);
        *resolves += sync.totals.files_to_fetch;
    }
    let windows = |needed: u64, limit: u64| if limit == 0 { 1 } else { needed.div_ceil(limit) };
    let of_hub = |(requests, resolves): &(u64, u64)| {
        windows(*requests, config.requests_per_window).max(windows(*resolves, config.resolves_per_window))
    };
    let most = needed.values().map(of_hub).max().unwrap_or(0);
    Some(most.saturating_sub(1).saturating_mul(config.window_seconds))
}

async fn of_mirror(
    hub: &Hub,
    step: &super::MirrorStep,
    repo_id: Option<i64>,
    rules: &Rules,
) -> Result<Forecast, HubError> {
    let subject = Subject {
        repo_id,
        kind: step.kind,
        endpoint: &step.endpoint,
        upstream_name: &step.upstream,
        organization: step.repo.namespace(),
        urgency: Urgency::Interactive,
        rules,
    };
    let plan = sync::plan(hub, &subject, &Progress::default()).await?;
    let revisions = plan
        .revisions
        .iter()
        .map(|found| ForecastRevision { revision: found.revision.clone(), commit: found.commit })
        .collect();
    Ok(Forecast {
        revisions,
        totals: plan.totals(),
        commits_to_publish: plan.commits.iter().filter(|planned| planned.fetch.is_some()).count() as u64,
        requests: plan.requests(),
    })
}
