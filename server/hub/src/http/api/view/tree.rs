//! Entries as trees and `paths-info` give them.

use std::collections::HashMap;
use std::sync::Arc;

use acervo_core::Timestamp;
use acervo_core::listing::EntryKind;
use acervo_store::db::trees::StoredEntry;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::history::LastCommit;

/// LFS identity of a file; the key is `oid` here and `sha256` in the files of a description.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TreeItemLfs {
    /// SHA-256 of the content, in hex.
    #[schema(example = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08")]
    pub oid: String,
    /// Bytes of the content.
    pub size: u64,
    /// Bytes of the pointer text.
    pub pointer_size: u64,
}

/// The commit that last touched an entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct LastCommitItem {
    /// Its id.
    #[schema(example = "7231864981174d9bee8c7687c24c8344414eae6b")]
    pub id: String,
    /// First line of its message.
    #[schema(example = "Add weights")]
    pub title: String,
    /// When it was made.
    #[schema(value_type = String, example = "2023-11-14T22:13:20.007Z")]
    pub date: Timestamp,
}

impl From<&LastCommit> for LastCommitItem {
    fn from(last: &LastCommit) -> Self {
        LastCommitItem { id: last.oid.to_hex(), title: last.title.clone(), date: last.date }
    }
}

/// What an entry is.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum EntrySort {
    /// A file.
    File,
    /// A folder.
    Directory,
}

/// A file or folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({"type": "file", "oid": "a1d9c1b8d0a7d1b9c7dc3e8c2e0a6c6f2b6a1e34", "size": 571, "path": "config.json"}))]
pub struct TreeItem {
    /// What it is.
    #[serde(rename = "type")]
    #[schema(value_type = EntrySort)]
    pub kind: &'static str,
    /// Git object id; for LFS files the pointer's.
    pub oid: String,
    /// Bytes of the content; 0 for folders.
    pub size: u64,
    /// LFS identity of an LFS file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lfs: Option<TreeItemLfs>,
    /// Path from the root of the repository.
    pub path: String,
    /// The commit that last touched it; with `expand`, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_commit: Option<LastCommitItem>,
}

impl TreeItem {
    /// The same with the commit that last touched it, if that is among these, by path.
    #[must_use]
    pub fn touched_by(mut self, known: &HashMap<String, Arc<LastCommit>>) -> Self {
        self.last_commit = known.get(&self.path).map(|last| LastCommitItem::from(&**last));
        self
    }
}

impl From<&StoredEntry> for TreeItem {
    fn from(stored: &StoredEntry) -> Self {
        let entry = &stored.entry;
        let (kind, size) = match entry.kind {
            EntryKind::File => ("file", entry.size),
            EntryKind::Directory => ("directory", 0),
        };
        let lfs = entry.lfs.map(|lfs| TreeItemLfs {
            oid: lfs.sha256.to_hex(),
            size: entry.size,
            pointer_size: lfs.pointer_size,
        });
        TreeItem { kind, oid: entry.oid.to_hex(), size, lfs, path: entry.path.to_string(), last_commit: None }
    }
}

#[cfg(test)]
mod tests {
    use acervo_core::TreeEntry;
    use acervo_core::listing::{EntryKind, LfsIdentity};
    use acervo_store::db::trees::StoredEntry;
    use serde_json::json;

    use super::TreeItem;

    #[test]
    fn entries_have_the_fields_that_clients_demand() {
        let oid = "0123456789abcdef0123456789abcdef01234567";
        let sha256 = "ab".repeat(32);
        let lfs = LfsIdentity { sha256: sha256.parse().unwrap(), pointer_size: 134 };
        let entry = |path: &str, kind, size, lfs| StoredEntry {
            entry: TreeEntry { path: path.parse().unwrap(), kind, size, oid: oid.parse().unwrap(), lfs },
            blob: None,
        };
        let view = |stored: &StoredEntry| serde_json::to_value(TreeItem::from(stored)).unwrap();
        assert_eq!(
            view(&entry("sub/model.bin", EntryKind::File, 9_000_000_000, Some(lfs))),
            json!({"type": "file", "oid": oid, "size": 9_000_000_000_u64, "path": "sub/model.bin",
                "lfs": {"oid": sha256, "size": 9_000_000_000_u64, "pointerSize": 134}})
        );
        assert_eq!(
            view(&entry("config.json", EntryKind::File, 12, None)),
            json!({"type": "file", "oid": oid, "size": 12, "path": "config.json"})
        );
        assert_eq!(
            view(&entry("sub", EntryKind::Directory, 0, None)),
            json!({"type": "directory", "oid": oid, "size": 0, "path": "sub"})
        );
    }
}
