//! Files, trees and commits with the ids that git gives them.
//!
//! Owns the hashing. Knows nothing of refs, access or the wire.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use sha1::{Digest, Sha1};
use sha2::Sha256;

/// One file's content with its identities.
#[derive(Clone, Debug)]
pub struct FixtureFile {
    /// The whole content.
    pub bytes: Bytes,
    /// Git blob id: of the content, or of the pointer for an LFS file.
    pub oid: String,
    /// SHA-256 of the content, for regular files too.
    pub sha256: String,
    /// The LFS pointer's text; `None` marks a regular file.
    pub pointer: Option<String>,
}

impl FixtureFile {
    pub(crate) fn regular(bytes: &[u8]) -> Self {
        let sha256 = hex::encode(Sha256::digest(bytes));
        Self { bytes: Bytes::copy_from_slice(bytes), oid: git_id("blob", bytes), sha256, pointer: None }
    }

    pub(crate) fn lfs(bytes: &[u8]) -> Self {
        let sha256 = hex::encode(Sha256::digest(bytes));
        let size = bytes.len();
        let pointer = format!("version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {size}\n");
        let oid = git_id("blob", pointer.as_bytes());
        Self { bytes: Bytes::copy_from_slice(bytes), oid, sha256, pointer: Some(pointer) }
    }

    /// Whether the hub keeps this file outside git.
    pub fn is_lfs(&self) -> bool {
        self.pointer.is_some()
    }

    /// The content's length.
    pub fn size(&self) -> u64 {
        self.bytes.len() as u64
    }
}

/// One commit of a repository, finished once another one or a ref stands on it.
#[derive(Clone, Debug)]
pub struct Commit {
    /// First line of the message.
    pub title: String,
    /// The message after the title; often empty.
    pub body: String,
    /// User name of the author.
    pub author: String,
    /// Time of authorship.
    pub date: DateTime<Utc>,
    pub(crate) parent: Option<usize>,
    pub(crate) files: Arc<BTreeMap<String, FixtureFile>>,
    trees: OnceLock<BTreeMap<String, String>>,
    id: OnceLock<String>,
}

impl Commit {
    pub(crate) fn new(title: &str, author: &str, date: DateTime<Utc>) -> Self {
        Self {
            title: title.to_owned(),
            body: String::new(),
            author: author.to_owned(),
            date,
            parent: None,
            files: Arc::default(),
            trees: OnceLock::new(),
            id: OnceLock::new(),
        }
    }

    pub(crate) fn on_top_of(mut self, index: usize, parent: &Commit) -> Self {
        self.parent = Some(index);
        self.files = parent.files.clone();
        self
    }

    /// Changes the commit, and so its id: only sound while nothing refers to it.
    pub(crate) fn put(&mut self, path: &str, file: FixtureFile) {
        Arc::make_mut(&mut self.files).insert(path.to_owned(), file);
        self.trees = OnceLock::new();
        self.id = OnceLock::new();
    }

    /// The commit's id, given its parent's.
    pub(crate) fn id(&self, parent: Option<&str>) -> &str {
        self.id.get_or_init(|| git_id("commit", self.object(parent).as_bytes()))
    }

    /// Git tree ids by directory path; the root's is under the empty path.
    pub(crate) fn trees(&self) -> &BTreeMap<String, String> {
        self.trees.get_or_init(|| git_trees(&self.files))
    }

    /// The commit as git stores it: same bytes, hence same id.
    fn object(&self, parent: Option<&str>) -> String {
        let Commit { title, body, author, .. } = self;
        let seconds = self.date.timestamp();
        let mut text = format!("tree {}\n", self.trees()[""]);
        if let Some(parent) = parent {
            text.push_str("parent ");
            text.push_str(parent);
            text.push('\n');
        }
        for role in ["author", "committer"] {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{role} {author} <{author}@users.noreply.example.org> {seconds} +0000");
        }
        text.push('\n');
        text.push_str(title);
        text.push('\n');
        if !body.is_empty() {
            text.push('\n');
            text.push_str(body);
            text.push('\n');
        }
        text
    }
}

/// A commit in the making, handed to the closures that describe one.
#[derive(Debug)]
pub struct CommitDraft(pub(crate) Commit);

impl CommitDraft {
    /// Adds or replaces a regular file.
    #[must_use]
    pub fn file(mut self, path: &str, bytes: impl AsRef<[u8]>) -> Self {
        self.0.put(path, FixtureFile::regular(bytes.as_ref()));
        self
    }

    /// Adds or replaces an LFS file.
    #[must_use]
    pub fn lfs(mut self, path: &str, bytes: impl AsRef<[u8]>) -> Self {
        self.0.put(path, FixtureFile::lfs(bytes.as_ref()));
        self
    }

    /// Removes a file, which must exist.
    #[must_use]
    pub fn remove(mut self, path: &str) -> Self {
        assert!(Arc::make_mut(&mut self.0.files).remove(path).is_some(), "no file `{path}` to remove");
        self
    }

    /// Sets the author.
    #[must_use]
    pub fn author(mut self, name: &str) -> Self {
        self.0.author = name.to_owned();
        self
    }

    /// Sets the time of authorship.
    #[must_use]
    pub fn date(mut self, date: DateTime<Utc>) -> Self {
        self.0.date = date;
        self
    }

    /// Sets the message after the title.
    #[must_use]
    pub fn body(mut self, text: &str) -> Self {
        self.0.body = text.to_owned();
        self
    }
}

fn git_id(kind: &str, body: &[u8]) -> String {
    let mut hasher = Sha1::new();
    hasher.update(format!("{kind} {}\0", body.len()));
    hasher.update(body);
    hex::encode(hasher.finalize())
}

/// The id of every directory's tree object, deepest first because a tree holds the ids of its children.
fn git_trees(files: &BTreeMap<String, FixtureFile>) -> BTreeMap<String, String> {
    // Git sorts a directory as if its name ended in a slash.
    type Children = BTreeMap<String, (&'static str, String)>;
    let mut open: BTreeMap<String, Children> = BTreeMap::from([(String::new(), Children::new())]);
    for (path, file) in files {
        let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
        open.entry(parent.to_owned()).or_default().insert(name.to_owned(), ("100644", file.oid.clone()));
        for (cut, _) in parent.match_indices('/') {
            open.entry(parent[..cut].to_owned()).or_default();
        }
    }
    let mut paths: Vec<String> = open.keys().filter(|path| !path.is_empty()).cloned().collect();
    paths.sort_by_key(|path| std::cmp::Reverse(path.matches('/').count()));
    paths.push(String::new());
    let mut done = BTreeMap::new();
    for path in paths {
        let mut body = Vec::new();
        for (name, (mode, oid)) in open.remove(&path).unwrap_or_default() {
            body.extend_from_slice(format!("{mode} {}\0", name.trim_end_matches('/')).as_bytes());
            body.extend(hex::decode(&oid).unwrap_or_default());
        }
        let oid = git_id("tree", &body);
        if !path.is_empty() {
            let (parent, name) = path.rsplit_once('/').unwrap_or(("", &path));
            open.entry(parent.to_owned()).or_default().insert(format!("{name}/"), ("40000", oid.clone()));
        }
        done.insert(path, oid);
    }
    done
}
