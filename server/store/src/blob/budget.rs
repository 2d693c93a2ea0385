//! How many bytes transfers may take in staging at once: each reserves its whole size before it begins.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

/// The budget of a process.
#[derive(Debug)]
pub(super) struct Budget {
    bytes_max: u64,
    reserved: Mutex<u64>,
    released: Notify,
}

impl Budget {
    /// A budget of so many bytes.
    pub(super) fn new(bytes_max: u64) -> Arc<Budget> {
        Arc::new(Budget { bytes_max, reserved: Mutex::new(0), released: Notify::new() })
    }

    /// Reserves `bytes`, waiting while others hold too much; what can never fit is refused with the limit.
    ///
    /// A transfer holds one reservation and waits for no second, so that none can block another for ever.
    pub(super) async fn reserve(self: &Arc<Self>, bytes: u64) -> Result<Reservation, u64> {
        if bytes > self.bytes_max {
            return Err(self.bytes_max);
        }
        loop {
            let mut released = std::pin::pin!(self.released.notified());
            // Before the look, or a release between look and wait would be missed.
            released.as_mut().enable();
            {
                let mut reserved = self.reserved.lock().unwrap_or_else(PoisonError::into_inner);
                if bytes <= self.bytes_max - *reserved {
                    *reserved += bytes;
                    return Ok(Reservation { bytes, budget: Arc::clone(self) });
                }
            }
            released.await;
        }
    }
}

/// A transfer's share of the budget, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Reservation {
    bytes: u64,
    budget: Arc<Budget>,
}

impl Drop for Reservation {
    fn drop(&mut self) {
        *self.budget.reserved.lock().unwrap_or_else(PoisonError::into_inner) -= self.bytes;
        self.budget.released.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::Budget;

    #[tokio::test]
    async fn a_transfer_waits_for_room_and_one_that_never_fits_is_refused() {
        let budget = Budget::new(1500);
        let first = budget.reserve(1000).await.unwrap();
        let mut second = Box::pin(budget.reserve(1000));
        assert!(second.as_mut().now_or_never().is_none(), "there is room for 500 more");
        let small = budget.reserve(500).now_or_never().unwrap().unwrap();
        drop(first);
        let second = second.await.unwrap();
        assert_eq!(budget.reserve(1501).await.unwrap_err(), 1500);
        assert_eq!(budget.reserve(u64::MAX).await.unwrap_err(), 1500);
        drop((small, second));
        assert!(budget.reserve(1500).now_or_never().is_some(), "all of it was given back");
    }
}
