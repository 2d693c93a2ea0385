//! The clock: the only place that asks the system for the time.

use std::sync::atomic::{AtomicI64, Ordering};

use acervo_core::Timestamp;

/// Where the time comes from.
#[derive(Debug, Default)]
pub struct Clock {
    ahead_milliseconds: AtomicI64,
}

impl Clock {
    /// Now, in UTC.
    pub fn now(&self) -> Timestamp {
        let system: Timestamp = chrono::Utc::now().into();
        Timestamp::from_millis(system.as_millis().saturating_add(self.ahead_milliseconds.load(Ordering::Relaxed)))
    }

    /// By how many milliseconds it is ahead of the system's.
    pub fn ahead(&self) -> i64 {
        self.ahead_milliseconds.load(Ordering::Relaxed)
    }

    /// Makes this clock run so far ahead of the system's, or behind it: clocks jump, and tests need one that does.
    pub fn set_ahead(&self, milliseconds: i64) {
        self.ahead_milliseconds.store(milliseconds, Ordering::Relaxed);
    }
}
