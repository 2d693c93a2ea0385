//! The request log: what a client really asked for, and how many bytes it was handed.

use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

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
}

impl Entry {
    pub(super) fn set_status(&self, status: u16) {
        self.status.store(status, Ordering::SeqCst);
    }

    /// Called before the bytes are written, so that a client that holds them also finds them counted.
    pub(super) fn count(&self, bytes: usize) {
        self.bytes_sent.fetch_add(bytes as u64, Ordering::SeqCst);
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
pub(super) struct Log(Mutex<Vec<Arc<Entry>>>);

impl Log {
    pub(super) fn begin(&self, request: Recorded) -> Arc<Entry> {
        let entry = Arc::new(Entry { request, status: AtomicU16::new(0), bytes_sent: AtomicU64::new(0) });
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(entry.clone());
        entry
    }

    pub(super) fn all(&self) -> Vec<Recorded> {
        let entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        entries.iter().map(|entry| entry.snapshot()).collect()
    }

    pub(super) fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}
