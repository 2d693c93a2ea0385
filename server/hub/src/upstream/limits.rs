//! Every limit on what an upstream may cost: sizes, counts, waits, and how many requests run at once.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use acervo_core::Timestamp;
use chrono::DateTime;
use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;

use super::budget::{Budget, Urgency};
use crate::clock::Clock;

/// Longest JSON answer that is read.
pub(super) const ANSWER_BYTES_MAX: usize = 256 << 20;

/// Longest error body that is read for its message.
pub(super) const REFUSAL_BYTES_MAX: usize = 16 << 10;

/// Longest time for a whole JSON answer; silence ends it earlier.
pub(super) const ANSWER_SECONDS_MAX: u64 = 300;

/// Most pages of one listing.
pub(super) const PAGES_MAX: usize = 20_000;

/// Most entries of one listing.
pub(super) const ENTRIES_MAX: usize = 5_000_000;

/// Most redirects of one request.
pub(super) const REDIRECTS_MAX: usize = 5;

/// Most times one transfer goes on after an interruption, however much each attempt brought.
pub(super) const RESUMES_MAX: u32 = 1000;

/// Most times that a storage host may say that a file changed while it is fetched; a host of several machines may say
/// so for ever, and the digest tells in the end.
pub(super) const TAG_CHANGES_MAX: u32 = 3;

/// Longest wait between two attempts that is our own choice.
const BACKOFF_MAX: Duration = Duration::from_secs(30);

/// Longest wait that is obeyed in place; the hub's own windows are five minutes long.
pub(super) const OBEYED_WAIT_MAX: Duration = Duration::from_secs(330);

/// How often the clock is read while a pause is waited for: it may be set meanwhile.
const CLOCK_READ_EVERY: Duration = Duration::from_secs(1);

/// Longest time that one answer can keep all others waiting.
const HOLD_MAX: Duration = Duration::from_secs(3600);

/// How many requests of one sort run at once, and until when none may start.
#[derive(Debug)]
pub(super) struct Pace {
    permits: Semaphore,
    clock: Arc<Clock>,
    /// What all processes together may ask.
    budget: Budget,
    not_before: Mutex<Option<Timestamp>>,
    left: Mutex<Option<(u64, Instant)>>,
}

impl Pace {
    pub(super) fn new(concurrency: usize, clock: Arc<Clock>, budget: Budget) -> Self {
        Pace {
            permits: Semaphore::new(concurrency),
            clock,
            budget,
            not_before: Mutex::new(None),
            left: Mutex::new(None),
        }
    }

    /// Waits for a place, and for the end of a pause the server asked for; `Err` is a pause longer than `patience`.
    pub(super) async fn enter(&self, patience: Duration) -> Result<SemaphorePermit<'_>, Duration> {
        loop {
            self.pause(patience).await?;
            // The semaphore is never closed; were it, waiting on would be wrong.
            let Ok(permit) = self.permits.acquire().await else { return Err(HOLD_MAX) };
            if self.remaining().is_zero() {
                return Ok(permit);
            }
        }
    }

    /// Requests that the server said it would still answer, and the seconds for which that counts; nothing once they have
    /// gone by.
    pub(super) fn left(&self) -> Option<(u64, u64)> {
        let (requests, until) = (*self.left.lock().unwrap_or_else(PoisonError::into_inner))?;
        let seconds = until.checked_duration_since(Instant::now())?.as_secs();
        Some((requests, seconds))
    }

    /// Waits until the budget allows one request more; `Err` is a wait that is too long.
    pub(super) async fn allowed(&self, urgency: Urgency) -> Result<(), Duration> {
        loop {
            let Err(wait) = self.budget.take(urgency).await else { return Ok(()) };
            if wait > urgency.patience() {
                return Err(wait);
            }
            tokio::time::sleep(wait.min(CLOCK_READ_EVERY)).await;
        }
    }

    /// Keeps to what an answer says is left of the server's limit.
    pub(super) async fn note_limit(&self, headers: &HeaderMap) {
        let Some((left, seconds)) = rate_limit(headers) else { return };
        // The window ends within the second named, hence one more.
        let wait = Duration::from_secs(seconds.saturating_add(1)).min(HOLD_MAX);
        *self.left.lock().unwrap_or_else(PoisonError::into_inner) = Some((left, Instant::now() + wait));
        if left == 0 {
            self.hold(wait).await;
        } else {
            self.budget.note_left(left, wait).await;
        }
    }

    /// Lets no request start for this long, here and in other processes.
    pub(super) async fn hold(&self, wait: Duration) {
        let wait = wait.min(HOLD_MAX);
        let until = Timestamp::from_millis(self.clock.now().as_millis().saturating_add(millis(wait)));
        {
            let mut not_before = self.not_before.lock().unwrap_or_else(PoisonError::into_inner);
            *not_before = (*not_before).max(Some(until));
        }
        self.budget.hold(wait).await;
    }

    async fn pause(&self, patience: Duration) -> Result<(), Duration> {
        loop {
            let remaining = self.remaining();
            if remaining > patience {
                return Err(remaining);
            }
            if remaining.is_zero() {
                return Ok(());
            }
            tokio::time::sleep(remaining.min(CLOCK_READ_EVERY)).await;
        }
    }

    fn remaining(&self) -> Duration {
        let not_before = *self.not_before.lock().unwrap_or_else(PoisonError::into_inner);
        let wait = not_before.map_or(0, |until| until.as_millis() - self.clock.now().as_millis());
        // An end that is further away was told before the clock fell back.
        Some(Duration::from_millis(u64::try_from(wait).unwrap_or(0)))
            .filter(|wait| *wait <= HOLD_MAX)
            .unwrap_or_default()
    }
}

/// Whole milliseconds of a duration.
pub(super) fn millis(wait: Duration) -> i64 {
    i64::try_from(wait.as_millis()).unwrap_or(i64::MAX)
}

/// Growing waits between attempts, spread so that many workers do not come back together.
#[derive(Debug)]
pub(super) struct Backoff {
    base: Duration,
    draws: AtomicU64,
}

impl Backoff {
    pub(super) fn new(base: Duration) -> Self {
        Backoff { base, draws: AtomicU64::new(0) }
    }

    /// The wait after this many failures in a row: between half and all of `base * 2^(failures - 1)`.
    pub(super) fn after(&self, failures: u32) -> Duration {
        let full = self.base.saturating_mul(1_u32 << failures.saturating_sub(1).min(16)).min(BACKOFF_MAX);
        // Splitmix64 of a counter: spread without a source of randomness.
        let mut bits = self.draws.fetch_add(1, Ordering::Relaxed).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        full / 2 + (full / 2).mul_f64(f64::from((bits >> 40) as u32) / f64::from(1_u32 << 24))
    }
}

/// The wait that an answer asks for: `Retry-After`, or an exhausted `RateLimit`.
pub(super) fn wait_told(headers: &HeaderMap) -> Option<Duration> {
    retry_after(headers).max(exhausted(headers))
}

/// `Retry-After` in seconds or as a date; a date is measured by the server's own clock.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let until = DateTime::parse_from_rfc2822(text).ok()?;
    let now = DateTime::parse_from_rfc2822(headers.get(DATE)?.to_str().ok()?).ok()?;
    Some((until - now).to_std().unwrap_or_default())
}

/// `RateLimit: "api";r=0;t=55`: nothing is left for 55 seconds.
fn exhausted(headers: &HeaderMap) -> Option<Duration> {
    // The window ends within the second named, hence one more.
    rate_limit(headers).filter(|(left, _)| *left == 0).map(|(_, wait)| Duration::from_secs(wait.saturating_add(1)))
}

/// What is left of a rate limit, and for how many seconds.
fn rate_limit(headers: &HeaderMap) -> Option<(u64, u64)> {
    let text = headers.get("ratelimit")?.to_str().ok()?;
    let parameter = |name: &str| {
        text.split(';').find_map(|part| part.trim().strip_prefix(name)?.strip_prefix('=')?.trim().parse::<u64>().ok())
    };
    Some((parameter("r")?, parameter("t")?))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

    use super::{BACKOFF_MAX, Backoff, OBEYED_WAIT_MAX, Pace, wait_told};
    use crate::clock::Clock;
    use crate::upstream::budget::{Budget, Quota};

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn every_form_of_a_told_wait_is_understood() {
        let cases: [(&[_], _); 7] = [
            (&[("retry-after", "42")], Some(42)),
            (&[("retry-after", "Wed, 21 Oct 2015 07:28:30 GMT"), ("date", "Wed, 21 Oct 2015 07:28:00 GMT")], Some(30)),
            (&[("retry-after", "Wed, 21 Oct 2015 07:28:30 GMT")], None),
            (&[("ratelimit", "\"api\";r=0;t=55")], Some(56)),
            (&[("ratelimit", "\"api\"; r=3; t=55")], None),
            (&[("ratelimit", "\"api\";r=0;t=55"), ("retry-after", "99")], Some(99)),
            (&[("retry-after", "soon")], None),
        ];
        for (pairs, seconds) in cases {
            assert_eq!(wait_told(&headers(pairs)), seconds.map(Duration::from_secs), "{pairs:?}");
        }
    }

    #[test]
    fn waits_grow_and_stay_bounded() {
        let backoff = Backoff::new(Duration::from_secs(1));
        for failures in 1..=5 {
            let full = Duration::from_secs(1 << (failures - 1));
            let wait = backoff.after(failures);
            assert!(full / 2 <= wait && wait <= full, "{wait:?} after {failures}");
        }
        assert!(backoff.after(u32::MAX) <= BACKOFF_MAX);
    }

    #[tokio::test]
    async fn a_pause_holds_everybody_back_until_the_clock_says_so_and_an_endless_one_is_an_error() {
        let clock = Arc::new(Clock::default());
        let budget = Budget::new(None, String::new(), Quota { requests: 0, window_seconds: 1, interactive_percent: 0 });
        let pace = Pace::new(2, Arc::clone(&clock), budget);
        pace.hold(Duration::from_secs(20)).await;
        pace.hold(Duration::from_secs(5)).await;
        let wait = pace.enter(Duration::from_secs(2)).await.unwrap_err();
        assert!(wait > Duration::from_secs(15), "{wait:?}");
        {
            let waiting = pace.enter(OBEYED_WAIT_MAX);
            tokio::pin!(waiting);
            assert!(futures::poll!(&mut waiting).is_pending());
            clock.set_ahead(20_001);
            drop(waiting.await.unwrap());
        }
        pace.hold(Duration::from_secs(u64::MAX)).await;
        let wait = pace.enter(OBEYED_WAIT_MAX).await.unwrap_err();
        assert!(wait > Duration::from_secs(3590) && wait <= Duration::from_secs(3600), "{wait:?}");
        clock.set_ahead(-86_400_000);
        drop(pace.enter(Duration::ZERO).await.unwrap());
    }
}
