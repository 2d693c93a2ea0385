//! Which commit last touched an entry, as far as the listings that are held tell.
//!
//! The log is a chain of predecessors. Where a commit and its direct predecessor both have their listings here, what
//! differs between them was last touched by the later one; where the predecessor's is not here, nobody knows, and
//! nothing is said.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use acervo_core::access::Readable;
use acervo_core::listing::{EntryKind, LfsIdentity};
use acervo_core::{CommitOid, GitOid, Timestamp};
use acervo_store::db::commits::{self, Commit, Link};
use acervo_store::db::repos::Repo;
use acervo_store::db::trees::{self, SegmentRef, StoredEntry};

use crate::context::Hub;
use crate::error::HubError;

/// Most commits that are looked back.
const STEPS_MAX: u64 = 100;

/// The commit that last touched an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastCommit {
    /// Its id.
    pub oid: CommitOid,
    /// First line of its message.
    pub title: String,
    /// When it was written.
    pub date: Timestamp,
}

/// What tells whether an entry has changed.
type Identity = (EntryKind, GitOid, Option<LfsIdentity>);

fn identity(stored: &StoredEntry) -> Identity {
    (stored.entry.kind, stored.entry.oid, stored.entry.lfs)
}

/// The commits that last touched these entries of a commit, by path; those of which nobody knows are left out.
pub async fn last_commits<'a>(
    hub: &Hub,
    repo: &Readable<Arc<Repo>>,
    commit: &Commit,
    entries: impl IntoIterator<Item = &'a StoredEntry>,
) -> Result<HashMap<String, Arc<LastCommit>>, HubError> {
    let db = hub.db().reader();
    let mut open: BTreeMap<&str, Identity> =
        entries.into_iter().map(|stored| (stored.entry.path.as_str(), identity(stored))).collect();
    let mut known = HashMap::new();
    let Some(mut listing) = commit.whole_listing_id() else { return Ok(known) };
    let chain = commits::chain(db, repo.id, commit.oid, STEPS_MAX + 1).await?;
    let mut segments = trees::segments(db, listing).await?;
    for (at, link) in chain.iter().enumerate() {
        if open.is_empty() {
            break;
        }
        let Some(before) = chain.get(at + 1) else {
            if link.is_first() {
                let all = open.keys().map(|path| (*path).to_owned()).collect();
                tell(&mut known, link, all);
            }
            break;
        };
        let Some(older) = before.whole_listing_id else { break };
        if older == listing {
            continue;
        }
        let older_segments = trees::segments(db, older).await?;
        let touched = touched(hub, &open, &segments, &older_segments).await?;
        for path in &touched {
            open.remove(path.as_str());
        }
        tell(&mut known, link, touched);
        (listing, segments) = (older, older_segments);
    }
    Ok(known)
}

/// Notes who touched some paths; a commit that does not say when it was written is as good as none.
fn tell(known: &mut HashMap<String, Arc<LastCommit>>, link: &Link, paths: Vec<String>) {
    let Some(date) = link.committed_at else { return };
    let last = Arc::new(LastCommit { oid: link.oid, title: link.title.clone(), date });
    known.extend(paths.into_iter().map(|path| (path, Arc::clone(&last))));
}

/// Those of some entries that an older listing does not have, or has otherwise.
///
/// Segments that both share are not read: an entry of one is in the other.
async fn touched(
    hub: &Hub,
    open: &BTreeMap<&str, Identity>,
    segments: &[SegmentRef],
    older: &[SegmentRef],
) -> Result<Vec<String>, HubError> {
    let mut touched = Vec::new();
    let mut to_read: BTreeMap<i64, Vec<&str>> = BTreeMap::new();
    for path in open.keys() {
        match (place(segments, path), place(older, path)) {
            (Some(here), Some(there)) if here == there => {}
            (_, Some(there)) => to_read.entry(there).or_default().push(path),
            (_, None) => touched.push((*path).to_owned()),
        }
    }
    for (segment, paths) in to_read {
        let found = trees::segment_entries_at(hub.db().reader(), segment, &paths).await?;
        let before: HashMap<&str, Identity> =
            found.iter().map(|stored| (stored.entry.path.as_str(), identity(stored))).collect();
        touched.extend(paths.iter().filter(|path| before.get(*path) != open.get(*path)).map(|path| (*path).to_owned()));
    }
    Ok(touched)
}

/// The segment that could hold a path.
fn place(segments: &[SegmentRef], path: &str) -> Option<i64> {
    let after = segments.partition_point(|segment| segment.first_path.as_str() <= path);
    segments.get(after.checked_sub(1)?).map(|segment| segment.segment_id)
}
