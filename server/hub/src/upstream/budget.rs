//! What an upstream may still be asked: one budget for all processes of an installation, and pauses that all of them keep.
//!
//! A few requests are taken from the database at a time. Work that somebody waits for may use all of a window, work that
//! nobody waits for leaves a part of it alone.

use std::sync::{Arc, Mutex as Lock, PoisonError};
use std::time::Duration;

use acervo_core::Timestamp;
use acervo_store::db::Database;
use acervo_store::db::budgets::{self, Asked, Given};
use tokio::sync::Mutex;

use super::limits::{OBEYED_WAIT_MAX, millis};
use crate::clock::Clock;

/// Most requests that a process takes at once; what it does not use of a window is lost.
const BATCH_MAX: u64 = 4;

/// Milliseconds for which a pause that another process was told of may go unnoticed.
const UNNOTICED_MILLISECONDS: i64 = 1000;

/// Longest wait that work which nobody waits for sits out in place; beyond that it makes room for other work.
const BACKGROUND_WAIT_MAX: Duration = Duration::from_secs(2);

/// Requests that the server says are left, below which work that nobody waits for makes none.
const LEFT_FOR_OTHERS: u64 = 20;

/// Where budgets are kept, and by which time.
#[derive(Clone, Debug)]
pub struct Ledger {
    /// The database that all processes share.
    pub db: Database,
    /// The time.
    pub clock: Arc<Clock>,
}

/// Whether somebody waits for what a request is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Urgency {
    /// Somebody does.
    #[default]
    Interactive,
    /// A schedule wants it.
    Background,
}

impl Urgency {
    /// Longest wait that is sat out in place.
    pub(super) fn patience(self) -> Duration {
        match self {
            Urgency::Interactive => OBEYED_WAIT_MAX,
            Urgency::Background => BACKGROUND_WAIT_MAX,
        }
    }
}

/// How many requests there are to share.
#[derive(Clone, Copy, Debug)]
pub(super) struct Quota {
    /// Requests of a window; 0 is no limit of our own.
    pub(super) requests: u64,
    /// Length of a window.
    pub(super) window_seconds: u64,
    /// Hundredths of a window that are left to work somebody waits for.
    pub(super) interactive_percent: u64,
}

impl Quota {
    /// Most requests of a window that work of this urgency may take part in.
    fn limit(&self, urgency: Urgency) -> u64 {
        match urgency {
            Urgency::Interactive => self.requests,
            Urgency::Background => {
                let kept = self.requests.saturating_mul(self.interactive_percent.min(100)) / 100;
                self.requests.saturating_sub(kept).max(1)
            }
        }
    }
}

/// The budget for one sort of requests to an upstream, as one process sees it.
#[derive(Debug)]
pub(super) struct Budget {
    ledger: Option<Ledger>,
    /// Base URL of the hub, whose token is sent to it, and the sort of requests.
    source: String,
    quota: Quota,
    granted: [Mutex<Granted>; 2],
    /// Until when work that nobody waits for makes no request, as this process was told.
    background_held: Lock<Option<Timestamp>>,
}

/// Requests that were taken and not made yet.
#[derive(Debug, Default)]
struct Granted {
    left: u64,
    from: i64,
    until: i64,
}

impl Budget {
    pub(super) fn new(ledger: Option<Ledger>, source: String, quota: Quota) -> Self {
        Budget { ledger, source, quota, granted: Default::default(), background_held: Lock::default() }
    }

    /// Takes one request; `Err` is how long to wait before the next try.
    pub(super) async fn take(&self, urgency: Urgency) -> Result<(), Duration> {
        let Some(ledger) = &self.ledger else { return Ok(()) };
        let mut granted = self.granted[usize::from(urgency == Urgency::Background)].lock().await;
        let now = ledger.clock.now().as_millis();
        if granted.left > 0 && (granted.from..granted.until).contains(&now) {
            granted.left -= 1;
            return Ok(());
        }
        *granted = match self.ask(ledger, urgency, now).await {
            Ok(answer) => answer?,
            Err(error) => {
                tracing::warn!(upstream.source = self.source, error = %error, "the budget of an upstream cannot be read");
                return Err(Duration::from_secs(1));
            }
        };
        granted.left -= 1;
        Ok(())
    }

    async fn ask(
        &self,
        ledger: &Ledger,
        urgency: Urgency,
        now: i64,
    ) -> Result<Result<Granted, Duration>, acervo_store::StoreError> {
        let at = Timestamp::from_millis(now);
        let background = urgency == Urgency::Background;
        if self.quota.requests == 0 {
            let held = budgets::held_until(ledger.db.reader(), &self.source, background, at).await?;
            return Ok(match held {
                Some(until) => Err(until_then(until, at)),
                None => Ok(Granted { left: u64::MAX, from: now, until: now + UNNOTICED_MILLISECONDS }),
            });
        }
        let window = i64::try_from(self.quota.window_seconds.max(1).saturating_mul(1000)).unwrap_or(i64::MAX);
        let from = now - now.rem_euclid(window);
        let limit = self.quota.limit(urgency);
        let mut count = BATCH_MAX.min(limit.div_ceil(16)).max(1);
        loop {
            let asked = Asked {
                source: &self.source,
                count: u32::try_from(count).unwrap_or(1),
                limit,
                window_start: Timestamp::from_millis(from),
                background,
                at,
            };
            match budgets::take(ledger.db.writer(), asked).await? {
                Given::Taken => return Ok(Ok(Granted { left: count, from, until: from.saturating_add(window) })),
                Given::HeldUntil(until) => return Ok(Err(until_then(until, at))),
                // The last of a window are fewer than a batch.
                Given::UsedUp if count > 1 => count = 1,
                Given::UsedUp => return Ok(Err(until_then(Timestamp::from_millis(from.saturating_add(window)), at))),
            }
        }
    }

    /// Lets no process ask for this long.
    pub(super) async fn hold(&self, wait: Duration) {
        self.note(wait, false).await;
        for granted in &self.granted {
            *granted.lock().await = Granted::default();
        }
    }

    /// Lets work that nobody waits for make no request while few are left.
    pub(super) async fn note_left(&self, left: u64, wait: Duration) {
        if left >= LEFT_FOR_OTHERS {
            return;
        }
        let Some(ledger) = &self.ledger else { return };
        let until = Timestamp::from_millis(ledger.clock.now().as_millis().saturating_add(millis(wait)));
        {
            let mut held = self.background_held.lock().unwrap_or_else(PoisonError::into_inner);
            // Each answer of a window says it again.
            if held.is_some_and(|known| known.plus_seconds(1) >= until) {
                return;
            }
            *held = Some(until);
        }
        self.note(wait, true).await;
        *self.granted[1].lock().await = Granted::default();
    }

    async fn note(&self, wait: Duration, background_only: bool) {
        let Some(ledger) = &self.ledger else { return };
        let now = ledger.clock.now();
        let until = Timestamp::from_millis(now.as_millis().saturating_add(millis(wait)));
        if let Err(error) = budgets::hold(ledger.db.writer(), &self.source, background_only, until, now).await {
            // This process keeps to it all the same.
            tracing::warn!(upstream.source = self.source, error = %error, "a pause of an upstream could not be told to others");
        }
    }
}

fn until_then(until: Timestamp, now: Timestamp) -> Duration {
    Duration::from_millis(u64::try_from(until.as_millis() - now.as_millis()).unwrap_or(0).max(1))
}

#[cfg(test)]
mod tests {
    use super::{Quota, Urgency};

    #[test]
    fn what_nobody_waits_for_leaves_a_part_alone_and_is_never_shut_out() {
        let quota = |requests| Quota { requests, window_seconds: 300, interactive_percent: 20 };
        assert_eq!(quota(500).limit(Urgency::Interactive), 500);
        assert_eq!(quota(500).limit(Urgency::Background), 400);
        assert_eq!(quota(1).limit(Urgency::Background), 1);
        assert_eq!(Quota { interactive_percent: 300, ..quota(500) }.limit(Urgency::Background), 1);
    }
}
