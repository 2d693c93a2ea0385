//! Comparing two commits: which files differ, and for texts of moderate size how.
//!
//! Listings are met segment by segment, those that both share not at all, so that memory does not grow with the
//! repository. Only what is served here is told of. LFS files are compared by their pointers, as git does.

use std::cmp::Ordering;
use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use acervo_core::access::{Openable, Readable};
use acervo_core::compare::{Base, Comparison};
use acervo_core::selection::Selector;
use acervo_core::{CommitOid, RepoPath, RevisionSpec, lfs};
use acervo_store::db::commits::{self, Commit};
use acervo_store::db::repos::Repo;
use acervo_store::db::trees::{self, StoredEntry, Within};
use futures::TryStreamExt;
use similar::TextDiff;

use crate::app::content;
use crate::app::revisions;
use crate::context::Hub;
use crate::error::HubError;

/// Commits of each log among which a common one is looked for.
const COMMON_AMONG: u64 = 1000;

/// Bytes at the start of a file that tell whether it is text, as git has it.
const SNIFFED_BYTES: u64 = 8000;

/// How long one text may be compared; what is left then counts as replaced.
const TEXT_TIME: Duration = Duration::from_millis(300);

/// Lines around a change.
const CONTEXT_LINES: usize = 3;

/// Two commits to compare.
#[derive(Clone, Debug)]
pub struct Sides {
    /// The older one; nothing, if the newer one is the first of all.
    pub old: Option<Arc<Commit>>,
    /// The newer one.
    pub new: Arc<Commit>,
}

/// The commits that a comparison names.
pub async fn sides(hub: &Hub, repo: &Readable<Arc<Repo>>, asked: &Comparison) -> Result<Sides, HubError> {
    let new = revisions::resolve(hub, repo, &asked.head).await?;
    let old = match &asked.base {
        Base::At(revision) => Some(revisions::resolve(hub, repo, revision).await?),
        Base::Before => match new.predecessor {
            Some(oid) => Some(revisions::resolve(hub, repo, &RevisionSpec::Commit(oid)).await?),
            None if new.title.is_empty() => {
                let hint = "; it is not known what was before it, name two commits";
                return Err(HubError::RevisionNotFound {
                    name: repo.name.to_string(),
                    revision: format!("{}^", new.oid),
                    hint,
                });
            }
            None => None,
        },
        Base::CommonWith(revision) => {
            let other = revisions::resolve(hub, repo, revision).await?;
            let oid = common(hub, repo, other.oid, new.oid).await?;
            Some(revisions::resolve(hub, repo, &RevisionSpec::Commit(oid)).await?)
        }
    };
    Ok(Sides { old, new })
}

/// The newest commit that stands in both logs.
async fn common(
    hub: &Hub,
    repo: &Readable<Arc<Repo>>,
    one: CommitOid,
    other: CommitOid,
) -> Result<CommitOid, HubError> {
    let db = hub.db().reader();
    let of_one: HashSet<CommitOid> =
        commits::chain(db, repo.id, one, COMMON_AMONG).await?.into_iter().map(|link| link.oid).collect();
    let of_other = commits::chain(db, repo.id, other, COMMON_AMONG).await?;
    of_other.iter().map(|link| link.oid).find(|oid| of_one.contains(oid)).ok_or_else(|| {
        HubError::Invalid(format!(
            "the logs of {one} and {other}, as far as they are known here, have no commit in common; compare the two \
             themselves, with `..`"
        ))
    })
}

/// A file that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Where it stands.
    pub path: RepoPath,
    /// What it was; nothing, if it was added.
    pub old: Option<StoredEntry>,
    /// What it is; nothing, if it was deleted.
    pub new: Option<StoredEntry>,
}

/// The files that differ, in path order; read as they are asked for.
#[derive(Debug)]
pub struct Changes {
    hub: Hub,
    old: Side,
    new: Side,
}

/// What is left to read of one side.
#[derive(Debug, Default)]
struct Side {
    selector: Option<Selector>,
    segments: VecDeque<i64>,
    entries: VecDeque<StoredEntry>,
}

impl Changes {
    /// Starts a comparison.
    pub async fn between(hub: &Hub, _repo: &Readable<Arc<Repo>>, sides: &Sides) -> Result<Changes, HubError> {
        let mut old = match &sides.old {
            Some(commit) => Side::of(hub, commit).await?,
            None => Side::default(),
        };
        let mut new = Side::of(hub, &sides.new).await?;
        // What stands in a segment that both have is the same on both sides.
        let of_old: HashSet<i64> = old.segments.iter().copied().collect();
        let shared: HashSet<i64> = new.segments.iter().copied().filter(|id| of_old.contains(id)).collect();
        old.segments.retain(|id| !shared.contains(id));
        new.segments.retain(|id| !shared.contains(id));
        Ok(Changes { hub: hub.clone(), old, new })
    }

    /// The next file that differs, if there is one.
    pub async fn next(&mut self) -> Result<Option<Change>, HubError> {
        loop {
            self.old.fill(&self.hub).await?;
            self.new.fill(&self.hub).await?;
            let order = match (self.old.entries.front(), self.new.entries.front()) {
                (None, None) => return Ok(None),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(old), Some(new)) => old.entry.path.cmp(&new.entry.path),
            };
            let old = if order.is_le() { self.old.entries.pop_front() } else { None };
            let new = if order.is_ge() { self.new.entries.pop_front() } else { None };
            if let Some(change) = change(old, new)
                && self.is_served(&change)
            {
                return Ok(Some(change));
            }
        }
    }

    fn is_served(&self, change: &Change) -> bool {
        (change.new.is_some() && self.new.selects(&change.path))
            || (change.old.is_some() && self.old.selects(&change.path))
    }
}

impl Side {
    async fn of(hub: &Hub, commit: &Commit) -> Result<Side, HubError> {
        let selector = Some(commit.selection.compile()?).filter(|_| !commit.selection.is_everything());
        let listing = commit.whole_listing_id().or(commit.served_listing_id);
        let listing = listing.ok_or_else(|| HubError::Internal(format!("commit {} has no listing", commit.oid)))?;
        let segments = trees::segments(hub.db().reader(), listing).await?;
        let segments = segments.into_iter().map(|segment| segment.segment_id).collect();
        Ok(Side { selector, segments, entries: VecDeque::new() })
    }

    /// Reads the next segment if nothing is left of the last one.
    async fn fill(&mut self, hub: &Hub) -> Result<(), HubError> {
        while self.entries.is_empty() {
            let Some(segment) = self.segments.pop_front() else { break };
            self.entries = trees::segment_entries(hub.db().reader(), segment, Within::Everything).await?.into();
        }
        Ok(())
    }

    fn selects(&self, path: &RepoPath) -> bool {
        self.selector.as_ref().is_none_or(|selector| selector.selects(path))
    }
}

/// The change that two entries at one path make, if they are files and differ.
fn change(old: Option<StoredEntry>, new: Option<StoredEntry>) -> Option<Change> {
    let (old, new) = (old.filter(|old| old.entry.is_file()), new.filter(|new| new.entry.is_file()));
    let path = new.as_ref().or(old.as_ref())?.entry.path.clone();
    match (&old, &new) {
        (Some(old), Some(new)) if (old.entry.oid, old.entry.lfs) == (new.entry.oid, new.entry.lfs) => None,
        _ => Some(Change { path, old, new }),
    }
}

/// How a text differs, or why that is not said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Patch {
    /// The differences, as `diff -u` writes them.
    Text(String),
    /// One side is not text.
    Binary,
    /// One side is longer than [`content::SMALL_BYTES_MAX`].
    TooLarge,
    /// One side is not held here: the mirror leaves it out.
    NotHeld,
}

/// What stands on one side of a change.
#[derive(Clone, Debug)]
enum Text {
    Is(String),
    Not(Patch),
}

/// How a changed file differs.
pub async fn patch(hub: &Hub, repo: &Openable<Arc<Repo>>, sides: &Sides, change: &Change) -> Result<Patch, HubError> {
    let old = match text(hub, repo, sides.old.as_deref(), change.old.as_ref()).await? {
        Text::Is(text) => text,
        Text::Not(why) => return Ok(why),
    };
    let new = match text(hub, repo, Some(&sides.new), change.new.as_ref()).await? {
        Text::Is(text) => text,
        Text::Not(why) => return Ok(why),
    };
    let name = |side: &Option<StoredEntry>, prefix: &str| match side {
        Some(_) => format!("{prefix}/{}", change.path),
        None => "/dev/null".to_owned(),
    };
    let (from, to) = (name(&change.old, "a"), name(&change.new, "b"));
    let compare = move || {
        let diff = TextDiff::configure().timeout(TEXT_TIME).diff_lines(&old, &new);
        diff.unified_diff().context_radius(CONTEXT_LINES).header(&from, &to).to_string()
    };
    let text = tokio::task::spawn_blocking(compare).await;
    Ok(Patch::Text(text.map_err(|error| HubError::Internal(format!("comparing two texts: {error}")))?))
}

/// The text of one side; an absent file is empty.
async fn text(
    hub: &Hub,
    repo: &Openable<Arc<Repo>>,
    commit: Option<&Commit>,
    entry: Option<&StoredEntry>,
) -> Result<Text, HubError> {
    let Some(stored) = entry else { return Ok(Text::Is(String::new())) };
    if let Some(lfs) = stored.entry.lfs {
        return Ok(Text::Is(lfs::pointer_text(lfs.sha256, stored.entry.size)));
    }
    let Some(held) = held(hub, commit, stored).await? else { return Ok(Text::Not(Patch::NotHeld)) };
    let Some(bytes) = content::small(hub, repo, &held).await? else { return Ok(Text::Not(Patch::TooLarge)) };
    Ok(match std::str::from_utf8(&bytes) {
        Ok(text) if !text.contains('\0') => Text::Is(text.to_owned()),
        _ => Text::Not(Patch::Binary),
    })
}

/// Whether git would call one side of a change binary. Pointers are text; what is not held here passes for text too.
pub async fn is_binary(
    hub: &Hub,
    repo: &Openable<Arc<Repo>>,
    sides: &Sides,
    change: &Change,
) -> Result<bool, HubError> {
    for (commit, entry) in [(Some(&*sides.new), &change.new), (sides.old.as_deref(), &change.old)] {
        let Some(stored) = entry.as_ref().filter(|stored| stored.entry.lfs.is_none()) else { continue };
        let Some(held) = held(hub, commit, stored).await? else { continue };
        let start = content::reader(hub, repo, &held).await?.stream(0, SNIFFED_BYTES).await?;
        let has_nul = start.try_any(async |chunk| chunk.contains(&0)).await;
        if has_nul.map_err(|error| HubError::Internal(format!("reading a stored blob failed: {error}")))? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The entry with its bytes. A listing of everything does not know them where only a part is served.
async fn held(hub: &Hub, commit: Option<&Commit>, stored: &StoredEntry) -> Result<Option<StoredEntry>, HubError> {
    if stored.blob.is_some() {
        return Ok(Some(stored.clone()));
    }
    match commit.and_then(|commit| commit.served_listing_id) {
        Some(listing) => {
            let served = trees::entry_at(hub.db().reader(), listing, &stored.entry.path).await?;
            Ok(served.filter(|served| served.blob.is_some()))
        }
        None => Ok(None),
    }
}
