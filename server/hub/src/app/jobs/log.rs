//! The log of a job: lines for people, gathered in memory and written with the heartbeat.

use std::sync::{Arc, Mutex, PoisonError};

use acervo_core::Timestamp;
use acervo_store::db::commit;
use acervo_store::db::jobs::{self, LOG_LINES_MAX, Lease, Level, LogLine};
use serde::Serialize;

use crate::app::sync::Progress;
use crate::context::Hub;
use crate::error::HubError;

/// Longest text of a line, in characters.
const LINE_CHARACTERS_MAX: usize = 2000;

/// Lines of one attempt that are not written yet.
#[derive(Debug, Default)]
pub struct JobLog {
    lines: Mutex<Vec<LogLine>>,
    /// Held while lines are written, so that they keep their order.
    writing: tokio::sync::Mutex<()>,
}

impl JobLog {
    /// Tells how it goes.
    pub fn info(&self, at: Timestamp, text: impl AsRef<str>) {
        self.add(Level::Info, at, text.as_ref());
    }

    /// Tells what is in its way, or that somebody stopped it.
    pub fn warn(&self, at: Timestamp, text: impl AsRef<str>) {
        self.add(Level::Warn, at, text.as_ref());
    }

    /// Tells why it did not work.
    pub fn error(&self, at: Timestamp, text: impl AsRef<str>) {
        self.add(Level::Error, at, text.as_ref());
    }

    fn add(&self, level: Level, at: Timestamp, text: &str) {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        // More than this is never kept.
        if i32::try_from(lines.len()).is_ok_and(|count| count <= LOG_LINES_MAX) {
            lines.push(line(level, at, text));
        }
    }

    fn take(&self) -> Vec<LogLine> {
        std::mem::take(&mut *self.lines.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn put_back(&self, mut earlier: Vec<LogLine>) {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        earlier.append(&mut lines);
        *lines = earlier;
    }
}

/// A line; what strangers named may hold anything, and is to stay on it.
pub(super) fn line(level: Level, at: Timestamp, text: &str) -> LogLine {
    let text = text.chars().take(LINE_CHARACTERS_MAX).map(|c| if c.is_control() { ' ' } else { c }).collect();
    LogLine { seq: 0, at, level, text }
}

/// Writes what was gathered, unless the lease is lost; what could not be written is kept for the next time.
///
/// In a task of its own: whoever waits for it may stop waiting, and no line is lost or written twice.
pub async fn flush(hub: &Hub, lease: Lease, progress: &Arc<Progress>) -> Result<(), HubError> {
    let (hub, progress) = (hub.clone(), Arc::clone(progress));
    let write = async move {
        let log = progress.log();
        let _turn = log.writing.lock().await;
        let lines = log.take();
        if lines.is_empty() {
            return Ok(());
        }
        write(&hub, lease, &lines).await.inspect_err(|_| log.put_back(lines))
    };
    tokio::spawn(write).await.map_err(|error| HubError::Internal(format!("writing to a log broke off: {error}")))?
}

async fn write(hub: &Hub, lease: Lease, lines: &[LogLine]) -> Result<(), HubError> {
    let tx = hub.db().begin().await?;
    if jobs::is_held(&tx, lease).await? {
        jobs::append(&tx, lease.job_id, lines).await?;
    }
    Ok(commit(tx).await?)
}

/// A line, as it is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LogView {
    /// Its number, from 1 on.
    pub seq: i32,
    /// When it happened.
    pub at: Timestamp,
    /// `info`, `warn` or `error`.
    pub level: &'static str,
    /// What happened.
    pub text: String,
}

impl From<LogLine> for LogView {
    fn from(line: LogLine) -> Self {
        LogView { seq: line.seq, at: line.at, level: line.level.as_str(), text: line.text }
    }
}
