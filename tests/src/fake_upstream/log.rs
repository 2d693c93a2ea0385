//! The request log: what a client really asked for, how many bytes it was handed, and how far it may go.

use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

/// Which of the two servers a request reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The hub: API and resolve.
    Hub,
    /// The storage host that LFS files redirect to.
    Cdn,
}

/// One request as it was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// Which server it reached.
    pub origin: Origin,
    /// The method in capitals.
    pub method: String,
    /// The request target exactly as sent.
    pub path_and_query: String,
    /// The `Range` header.
    pub range: Option<String>,
    /// Whether an `Authorization` header came along.
    pub had_authorization: bool,
    /// The user whose token it was, if the token is known.
    pub user: Option<String>,
    /// The `User-Agent` header.
    pub user_agent: Option<String>,
    /// The answer's status; 0 while there is none, or when the connection was dropped.
    pub status: u16,
    /// Body bytes handed to the socket so far.
    pub bytes_sent: u64,
}

/// One line of the log, updated while its answer is sent.
pub(super) struct Entry {
    request: Recorded,
    status: AtomicU16,
    bytes_sent: AtomicU64,
    steps: Arc<watch::Sender<u64>>,
}

impl Entry {
    pub(super) fn set_status(&self, status: u16) {
        self.status.store(status, Ordering::SeqCst);
    }

    pub(super) fn count(&self, bytes: usize) {
        self.bytes_sent.fetch_add(bytes as u64, Ordering::SeqCst);
        self.steps.send_modify(|steps| *steps += 1);
    }

    fn snapshot(&self) -> Recorded {
        Recorded {
            status: self.status.load(Ordering::SeqCst),
            bytes_sent: self.bytes_sent.load(Ordering::SeqCst),
            ..self.request.clone()
        }
    }
}

#[derive(Default)]
pub(super) struct Log {
    entries: Mutex<Vec<Arc<Entry>>>,
    /// Requests begun and chunks of bodies sent, together: a clock that only a client's progress moves.
    pub(super) steps: Arc<watch::Sender<u64>>,
    /// The step before which everything waits.
    pub(super) hold: watch::Sender<Option<u64>>,
}

impl Log {
    pub(super) fn begin(&self, request: Recorded) -> Arc<Entry> {
        let (status, bytes_sent, steps) = (AtomicU16::new(0), AtomicU64::new(0), Arc::clone(&self.steps));
        let entry = Arc::new(Entry { request, status, bytes_sent, steps });
        self.entries.lock().unwrap_or_else(PoisonError::into_inner).push(entry.clone());
        self.steps.send_modify(|steps| *steps += 1);
        entry
    }

    pub(super) fn all(&self) -> Vec<Recorded> {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.iter().map(|entry| entry.snapshot()).collect()
    }

    pub(super) fn clear(&self) {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Waits while the next step is held back.
    pub(super) async fn pass(&self) {
        let held = |hold: &Option<u64>| hold.is_some_and(|at| *self.steps.borrow() >= at);
        // Fails only when the log is gone, and nobody waits then.
        let _ = self.hold.subscribe().wait_for(|hold| !held(hold)).await;
    }
}
