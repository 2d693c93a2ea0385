//! Sending what is due.
//!
//! An attempt is claimed before and ended after the request, with nothing open in between. A process that dies there leaves
//! its lease to end: the next one sends the same under the same id, since nobody knows whether it arrived.

use acervo_core::Timestamp;
use acervo_store::db::events as event_rows;
use acervo_store::db::webhooks::{self as rows, Delivery, Ending, State};
use tokio_util::sync::CancellationToken;

use crate::app::events::Event;
use crate::context::Hub;
use crate::error::HubError;
use crate::hooks::{Hook, Reply, Verdict};
use crate::metrics::HookLabels;

/// Seconds before each further attempt, as the Standard Webhooks specification proposes: three days in all.
const WAITS_SECONDS: [i64; 9] =
    [5, 5 * 60, 30 * 60, 2 * 3600, 5 * 3600, 10 * 3600, 14 * 3600, 20 * 3600, WAIT_SECONDS_MAX];

/// Longest wait.
const WAIT_SECONDS_MAX: i64 = 24 * 3600;

/// Attempts after which a delivery is given up.
pub const ATTEMPTS_MAX: usize = WAITS_SECONDS.len() + 1;

/// Seconds that a lease lasts beyond the longest attempt: for the database to take note of the answer.
const LEASE_SLACK_SECONDS: u64 = 30;

/// What came of attempts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// How many receivers have taken.
    pub delivered: u64,
    /// How many came to nothing.
    pub failed: u64,
}

/// Sends everything that is due, to all webhooks at the same time; for tests and commands.
pub async fn deliver_due(hub: &Hub) -> Result<Sent, HubError> {
    let never = CancellationToken::new();
    let each = hub.hooks().all().iter().map(|hook| deliver_due_to(hub, hook, &never));
    let mut sum = Sent::default();
    for sent in futures::future::join_all(each).await {
        let sent = sent?;
        sum.delivered += sent.delivered;
        sum.failed += sent.failed;
    }
    Ok(sum)
}

/// Sends everything that is due to one webhook, one after the other, oldest first, until `stop`.
pub async fn deliver_due_to(hub: &Hub, hook: &Hook, stop: &CancellationToken) -> Result<Sent, HubError> {
    let mut sent = Sent::default();
    while !stop.is_cancelled() {
        match attempt(hub, hook).await? {
            Some(State::Delivered) => sent.delivered += 1,
            Some(State::Pending | State::Dead) => sent.failed += 1,
            None => break,
        }
    }
    Ok(sent)
}

/// Makes one attempt, if one is due; returns where the delivery stands after it.
async fn attempt(hub: &Hub, hook: &Hook) -> Result<Option<State>, HubError> {
    let now = hub.now();
    let lease_seconds = i64::try_from(hook.timeout_seconds() + LEASE_SLACK_SECONDS).unwrap_or(i64::MAX);
    let lease_until = now.plus_seconds(lease_seconds);
    let longest = WAIT_SECONDS_MAX.max(lease_seconds);
    let Some(claimed) = rows::claim(hub.db().writer(), hook.name(), lease_until, longest, now).await? else {
        return Ok(None);
    };
    let attempts = usize::try_from(claimed.attempts).unwrap_or(0);
    let reply = if attempts > ATTEMPTS_MAX {
        Reply::failed("the process ended in the last attempt; whether the event arrived is not known".to_owned())
    } else {
        hook.send(claimed.id, now, body(hub, &claimed).await?).await
    };
    let ending = ending(&reply, attempts, hub.now());
    let state = ending.state;
    tell(hub, hook, &claimed, &reply, state);
    if !rows::finish(hub.db().writer(), &claimed, ending).await? {
        tracing::warn!(hook = hook.name(), delivery.id = %claimed.id, "a delivery was taken over by another worker");
    }
    Ok(Some(state))
}

/// What is sent: the event with its number.
async fn body(hub: &Hub, delivery: &Delivery) -> Result<Vec<u8>, HubError> {
    let gone = || HubError::Internal(format!("event {} of a delivery is not there", delivery.event_seq));
    let stored = event_rows::by_seq(hub.db().reader(), delivery.event_seq).await?.ok_or_else(gone)?;
    let event = Event::try_from(stored)?;
    serde_json::to_vec(&event).map_err(|error| HubError::Internal(format!("an event that cannot be written: {error}")))
}

/// What follows from an answer to the attempt of this number.
fn ending(reply: &Reply, attempts: usize, now: Timestamp) -> Ending {
    let wait = attempts.checked_sub(1).and_then(|before| WAITS_SECONDS.get(before));
    let (state, next_attempt_at) = match (reply.verdict, wait) {
        (Verdict::Taken, _) => (State::Delivered, now),
        (Verdict::Failed, Some(wait)) => (State::Pending, now.plus_seconds(*wait)),
        (Verdict::Failed, None) | (Verdict::Gone, _) => (State::Dead, now),
    };
    Ending { state, next_attempt_at, status: reply.status, error: reply.error.clone(), at: now }
}

/// Counts an attempt and logs it.
fn tell(hub: &Hub, hook: &Hook, delivery: &Delivery, reply: &Reply, state: State) {
    let outcome = match state {
        State::Delivered => "delivered",
        State::Pending => "failed",
        State::Dead => "dead",
    };
    hub.metrics().webhook_deliveries.get_or_create(&HookLabels { hook: hook.name().to_owned(), outcome }).inc();
    let error = reply.error.as_deref().unwrap_or_default();
    let (hook, id, attempts) = (hook.name(), delivery.id, delivery.attempts);
    match state {
        State::Delivered => {
            tracing::debug!(hook, delivery.id = %id, delivery.attempts = attempts, "an event was delivered");
        }
        State::Pending => {
            tracing::warn!(hook, delivery.id = %id, delivery.attempts = attempts, error, "an event could not be delivered yet");
        }
        State::Dead => {
            tracing::error!(hook, delivery.id = %id, delivery.attempts = attempts, error, "an event was given up; `acervo webhook retry {id}` sends it again");
        }
    }
}
