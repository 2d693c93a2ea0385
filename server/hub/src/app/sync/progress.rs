//! How far a sync has come: counted in memory, shown by the CLI, flushed with the job's heartbeat.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use crate::app::jobs::JobLog;

/// Running totals of a sync.
#[derive(Debug, Default)]
pub struct Progress {
    phase: Mutex<String>,
    files_total: AtomicU64,
    files_done: AtomicU64,
    bytes_total: AtomicU64,
    bytes_done: AtomicU64,
    active: Mutex<BTreeMap<String, (u64, u64)>>,
    log: JobLog,
}

/// A file on its way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActiveFile {
    /// Its path.
    pub path: String,
    /// Bytes that have arrived.
    pub done: u64,
    /// Bytes in all.
    pub total: u64,
}

/// The totals at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProgressView {
    /// What is being done.
    pub phase: String,
    /// Files to fetch.
    pub files_total: u64,
    /// Files fetched and verified.
    pub files_done: u64,
    /// Bytes to fetch.
    pub bytes_total: u64,
    /// Bytes fetched.
    pub bytes_done: u64,
    /// Files on their way.
    pub active: Vec<ActiveFile>,
}

impl Progress {
    /// What is told of the job for later.
    pub fn log(&self) -> &JobLog {
        &self.log
    }

    /// Names what is being done.
    pub fn phase(&self, text: impl Into<String>) {
        *self.phase.lock().unwrap_or_else(PoisonError::into_inner) = text.into();
    }

    /// Adds to what is to be fetched.
    pub fn expect(&self, files: u64, bytes: u64) {
        self.files_total.fetch_add(files, Ordering::Relaxed);
        self.bytes_total.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Notes how many bytes of a file are here.
    pub fn file(&self, path: &str, done: u64, total: u64) {
        let mut active = self.active.lock().unwrap_or_else(PoisonError::into_inner);
        let before = active.insert(path.to_owned(), (done, total)).map_or(0, |(done, _)| done);
        if done >= before {
            self.bytes_done.fetch_add(done - before, Ordering::Relaxed);
        } else {
            // A transfer that started over.
            self.bytes_done.fetch_sub(before - done, Ordering::Relaxed);
        }
    }

    /// Notes that a file is verified and stored.
    pub fn file_done(&self, path: &str) {
        self.files_done.fetch_add(1, Ordering::Relaxed);
        self.active.lock().unwrap_or_else(PoisonError::into_inner).remove(path);
    }

    /// The totals now.
    pub fn view(&self) -> ProgressView {
        let active = self.active.lock().unwrap_or_else(PoisonError::into_inner);
        ProgressView {
            phase: self.phase.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            files_total: self.files_total.load(Ordering::Relaxed),
            files_done: self.files_done.load(Ordering::Relaxed),
            bytes_total: self.bytes_total.load(Ordering::Relaxed),
            bytes_done: self.bytes_done.load(Ordering::Relaxed),
            active: active
                .iter()
                .map(|(path, &(done, total))| ActiveFile { path: path.clone(), done, total })
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Progress;

    #[test]
    fn bytes_of_a_restarted_file_are_not_counted_twice() {
        let progress = Progress::default();
        progress.expect(1, 10);
        progress.file("a", 8, 10);
        progress.file("a", 0, 10);
        progress.file("a", 10, 10);
        progress.file_done("a");
        let view = progress.view();
        assert_eq!((view.bytes_done, view.files_done, view.active.len()), (10, 1, 0));
    }
}
