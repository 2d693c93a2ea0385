//! What all transfers of a process share, whichever upstream they are from: how many run at once, and how fast.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;

/// Bytes that are counted as one: the limiter's own unit is too small for a fast network and its clock too coarse.
const CELL_BYTES: u64 = 1024;

/// Fewest cells that may pass at once, so that one piece of an answer does.
const BURST_CELLS_MIN: u64 = 64;

/// The shared limits; clones share them.
#[derive(Clone, Debug)]
pub struct Throughput {
    transfers: Arc<Semaphore>,
    bandwidth: Option<Arc<Bandwidth>>,
    /// Narrower limits of the work at hand.
    within: Vec<Arc<Bandwidth>>,
}

impl Throughput {
    /// At most so many requests for bytes at once, at most so many bytes a second; 0 is no limit.
    pub fn new(transfers_at_once: usize, bytes_per_second: u64) -> Self {
        let permits = if transfers_at_once == 0 { Semaphore::MAX_PERMITS } else { transfers_at_once };
        let bandwidth = (bytes_per_second > 0).then(|| Arc::new(Bandwidth::new(bytes_per_second)));
        Throughput {
            transfers: Arc::new(Semaphore::new(permits.min(Semaphore::MAX_PERMITS))),
            bandwidth,
            within: Vec::new(),
        }
    }

    /// Waits for a place; `None` only if there will never be one.
    pub(super) async fn enter(&self) -> Option<SemaphorePermit<'_>> {
        self.transfers.acquire().await.ok()
    }

    /// The same places, and a narrower limit of bytes a second within the one of all.
    pub(super) fn narrowed(&self, narrower: &Throughput) -> Throughput {
        let within = narrower.bandwidth.iter().chain(&self.within).cloned().collect();
        Throughput { transfers: Arc::clone(&self.transfers), bandwidth: self.bandwidth.clone(), within }
    }

    /// Waits until so many bytes, which have just arrived, are within the limit.
    pub(super) async fn pass(&self, bytes: usize) {
        for bandwidth in self.within.iter().chain(&self.bandwidth) {
            bandwidth.pass(bytes as u64).await;
        }
    }
}

/// A limit of bytes a second.
#[derive(Debug)]
struct Bandwidth {
    limiter: RateLimiter<NotKeyed, InMemoryState, RuntimeClock, NoOpMiddleware<Nanos>>,
    clock: RuntimeClock,
    burst: NonZeroU32,
    /// Bytes that have passed and are not counted yet, since they make no whole cell.
    rest: AtomicU64,
}

impl Bandwidth {
    fn new(bytes_per_second: u64) -> Self {
        let interval = Duration::from_nanos((1_000_000_000 * CELL_BYTES / bytes_per_second.max(1)).max(1));
        // An eighth of a second, so that waits are short and few.
        let burst = (bytes_per_second / CELL_BYTES / 8).max(BURST_CELLS_MIN);
        let burst = NonZeroU32::new(u32::try_from(burst).unwrap_or(u32::MAX)).unwrap_or(NonZeroU32::MAX);
        let quota = Quota::with_period(interval).unwrap_or(Quota::per_second(NonZeroU32::MAX)).allow_burst(burst);
        let clock = RuntimeClock(Instant::now());
        Bandwidth { limiter: RateLimiter::direct_with_clock(quota, clock), clock, burst, rest: AtomicU64::new(0) }
    }

    async fn pass(&self, bytes: u64) {
        let mut cells = self.cells(bytes);
        while cells > 0 {
            let some = u32::try_from(cells).unwrap_or(u32::MAX).min(self.burst.get());
            let Some(asked) = NonZeroU32::new(some) else { return };
            match self.limiter.check_n(asked) {
                Ok(Ok(())) => cells -= u64::from(some),
                Ok(Err(not_until)) => tokio::time::sleep(not_until.wait_time_from(self.clock.now())).await,
                // Only more than a burst never fits.
                Err(_) => return,
            }
        }
    }

    /// Whole cells that these bytes complete; what is left is kept for the next ones.
    fn cells(&self, bytes: u64) -> u64 {
        let before = self.rest.fetch_add(bytes, Ordering::Relaxed);
        let cells = (before + bytes) / CELL_BYTES - before / CELL_BYTES;
        // Wraps after sixteen exabytes.
        cells
    }
}

/// The runtime's clock, which stands still in tests that say so.
#[derive(Clone, Copy, Debug)]
struct RuntimeClock(Instant);

impl Clock for RuntimeClock {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        self.0.elapsed().into()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures::FutureExt;
    use tokio::time::Instant;

    use super::Throughput;

    #[tokio::test(start_paused = true)]
    async fn bytes_pass_at_the_configured_rate_whatever_their_pieces() {
        for (rate, piece) in [(100_000_u64, 700_usize), (1_000_000, 16_384), (1_000_000, 1), (3_000_000_000, 300_000)] {
            let throughput = Throughput::new(0, rate);
            let (start, mut passed) = (Instant::now(), 0);
            let total = if piece == 1 { 3_000_000 } else { rate * 10 };
            while passed < total {
                throughput.pass(piece).await;
                passed += piece as u64;
            }
            let expected = Duration::from_secs_f64(passed as f64 / rate as f64);
            let took = start.elapsed();
            // A burst may pass at once: an eighth of a second, or the least that makes sense.
            let early = Duration::from_millis(125).max(Duration::from_secs_f64(65_536.0 / rate as f64));
            assert!(took + early >= expected.mul_f64(0.99), "{rate} in {piece}: {took:?} of {expected:?}");
            assert!(took <= expected.mul_f64(1.02), "{rate} in {piece}: {took:?} of {expected:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn all_clones_share_one_rate_and_none_is_held_back_without_one() {
        let throughput = Throughput::new(0, 1_000_000);
        let start = Instant::now();
        let stream = |throughput: Throughput| async move {
            for _ in 0..100 {
                throughput.pass(50_000).await;
            }
        };
        tokio::join!(stream(throughput.clone()), stream(throughput.clone()));
        assert!(start.elapsed() >= Duration::from_millis(9700), "{:?}", start.elapsed());
        assert!(stream(Throughput::new(0, 0)).now_or_never().is_some());
    }

    #[tokio::test]
    async fn places_are_shared_and_given_back() {
        let throughput = Throughput::new(1, 0);
        let other = throughput.clone();
        let held = throughput.enter().await;
        assert!(other.enter().now_or_never().is_none());
        drop(held);
        assert!(other.enter().now_or_never().is_some());
    }
}
