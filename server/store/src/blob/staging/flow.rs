//! What the writers of a staged content, the task that hashes it, and its holder tell each other.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use tokio::sync::watch;

use super::super::error::BlobError;

/// What the hashing task is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// Follow what is written.
    Follow,
    /// Hash what is there without a gap, then end.
    End,
    /// End here, so that a later attempt can go on.
    Park,
}

/// How far hashing may go, and what it is to do then.
#[derive(Clone, Copy, Debug)]
pub(super) struct Goal {
    pub(super) prefix: u64,
    pub(super) order: Order,
}

/// The shared state of one staged content.
#[derive(Debug)]
pub(super) struct Flow {
    goal: watch::Sender<Goal>,
    /// Bytes hashed; everything, once hashing has failed, so that no writer waits for it.
    hashed: watch::Sender<u64>,
    failure: Mutex<Option<BlobError>>,
    /// Bytes that were there at first or that a writer has taken since.
    arrived: AtomicU64,
    behind_bytes_max: u64,
}

impl Flow {
    pub(super) fn new(prefix: u64, arrived: u64, behind_bytes_max: u64) -> Self {
        Flow {
            goal: watch::Sender::new(Goal { prefix, order: Order::Follow }),
            hashed: watch::Sender::new(0),
            failure: Mutex::new(None),
            arrived: AtomicU64::new(arrived),
            behind_bytes_max,
        }
    }

    /// Follows what is written and ordered.
    pub(super) fn goals(&self) -> watch::Receiver<Goal> {
        self.goal.subscribe()
    }

    /// Tells how far the bytes are there without a gap; never takes anything back.
    pub(super) fn written_up_to(&self, prefix: u64) {
        self.goal.send_if_modified(|goal| {
            let further = prefix > goal.prefix;
            goal.prefix = goal.prefix.max(prefix);
            further
        });
    }

    /// Waits until more than `prefix` bytes are there without a gap.
    pub(super) async fn wait_beyond(&self, prefix: u64) {
        // Fails only when the sender is gone, which `self` holds.
        let _ = self.goal.subscribe().wait_for(|goal| goal.prefix > prefix).await;
    }

    pub(super) fn order(&self, order: Order) {
        self.goal.send_modify(|goal| goal.order = order);
    }

    pub(super) fn hashed_up_to(&self, at: u64) {
        self.hashed.send_replace(at);
    }

    /// Waits until hashing is not too far behind what is there without a gap.
    pub(super) async fn wait_for_hashing(&self) {
        let near = |at: &u64| self.goal.borrow().prefix <= at.saturating_add(self.behind_bytes_max);
        let _ = self.hashed.subscribe().wait_for(near).await;
    }

    /// Ends hashing with an error, which the next writer is told.
    pub(super) fn fail(&self, error: BlobError) {
        *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
        self.hashed.send_replace(u64::MAX);
    }

    /// The error that hashing ended with; told once.
    pub(super) fn failure(&self) -> Option<BlobError> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Whether hashing has ended with an error.
    pub(super) fn has_failed(&self) -> bool {
        *self.hashed.borrow() == u64::MAX
    }

    pub(super) fn arrived(&self) -> u64 {
        self.arrived.load(Ordering::Relaxed)
    }

    pub(super) fn add_arrived(&self, bytes: u64) {
        self.arrived.fetch_add(bytes, Ordering::Relaxed);
    }
}
