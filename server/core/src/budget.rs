//! Budgets of requests: what an asker wants of a window, and what it is given. Where they are counted is elsewhere.

use crate::time::Timestamp;

/// A request for requests.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// Base URL of the hub, and whose token is sent to it.
    pub source: &'a str,
    /// Requests wanted.
    pub count: u32,
    /// Most requests of a window that the asker may take part in.
    pub limit: u64,
    /// When the window of now began.
    pub window_start: Timestamp,
    /// Whether nobody waits for the answers.
    pub background: bool,
    /// Now.
    pub at: Timestamp,
}

/// What is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Given {
    /// All that was wanted.
    Taken,
    /// Nothing: upstream has asked for a pause until then.
    HeldUntil(Timestamp),
    /// Nothing: the window's requests are used up.
    UsedUp,
}
