//! Standing orders: what to mirror, what of it to hold, and when, as `mirrors.toml` says it.
//!
//! Owns the words and their meaning. Which repositories a pattern finds, and which commits a revision stands for, is the
//! upstream's business; what is done about it, the hub's.

mod checked;
mod file;
mod local_name;
mod repos;
mod revisions;
mod schedule;
mod size;

use serde::{Deserialize, Serialize};

use crate::access::Visibility;
use crate::gate::GateMode;
use crate::name::RepoKind;
use crate::selection::Selection;
use crate::time::Timestamp;

use checked::checked_text;
pub(crate) use checked::parsed;
pub(crate) use file::place;
pub use file::{FILE_BYTES_MAX, FileError, parse};
pub use local_name::LocalName;
pub use repos::RepoPattern;
pub use revisions::{Follow, Followed, RevisionPattern, newest_first};
pub use schedule::{Cron, Day, TimeOfDay, Timing, Window, Zone};
pub use size::ByteSize;

/// A standing order: a table `[mirror.NAME]` of the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    /// Name of the order, unique in the file.
    pub name: String,
    /// What its repositories are.
    #[serde(rename = "type")]
    pub kind: RepoKind,
    /// Repositories at the upstream, by id or by pattern.
    pub repos: Vec<RepoPattern>,
    /// What the patterns shall not find.
    pub except: Vec<RepoPattern>,
    /// What is followed, held, and when.
    pub rules: Rules,
    /// Names here, if not the upstream's.
    pub local_name: Option<LocalName>,
    /// Who may know of the repositories and read them.
    pub visibility: Visibility,
    /// Users who are made readers of the repositories.
    pub readers: Vec<String>,
    /// What stands before the contents; what upstream gates is gated by hand unless it is said.
    pub gate: Option<GateMode>,
    /// Whether the schedule is suspended.
    pub paused: bool,
}

/// What a mirror follows and holds of its repository, and when: all of an order that one repository needs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rules {
    /// Which revisions.
    pub follow: Follow,
    /// What of each commit.
    pub selection: Selection,
    /// How large it may be.
    pub limits: Limits,
    /// When, and how urgent.
    pub timing: Timing,
    /// Base URLs of hubs to take it from, the preferred one first; none stands for the configured one.
    pub upstreams: Vec<String>,
}

/// Ceilings. What is above one is refused, never held in part: half a model is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Most bytes of one selected file.
    pub file_bytes_max: Option<u64>,
    /// Most bytes of all selected files of one commit.
    pub repo_bytes_max: Option<u64>,
}

impl Order {
    /// When upstreams are asked next what its patterns find, if it has any and a schedule: as often as it is due, and
    /// before its repositories are.
    pub fn next_search(&self, after: Timestamp) -> Option<Timestamp> {
        if self.paused || !self.repos.iter().any(RepoPattern::is_glob) {
            return None;
        }
        Timing { jitter_seconds: 0, ..self.rules.timing.clone() }.next_run(&self.name, after)
    }

    /// How specific this order is about a repository: `None` if it does not want it, more for an id than for a pattern.
    pub fn wants(&self, name: &str) -> Option<Specific> {
        if self.except.iter().any(|pattern| pattern.matches(name)) {
            return None;
        }
        let mut matching = self.repos.iter().filter(|pattern| pattern.matches(name));
        let first = matching.next()?;
        let by_id = !first.is_glob() || matching.any(|pattern| !pattern.is_glob());
        Some(if by_id { Specific::Id } else { Specific::Pattern })
    }
}

/// How an order names a repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Specific {
    /// A pattern finds it.
    Pattern,
    /// By its id.
    Id,
}
