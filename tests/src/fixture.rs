//! Hub repositories with a true history, built in memory.
//!
//! Owns what a repository *is* to a hub: files, commits, refs, access settings, card data. Every id is the one git
//! itself would compute. It does not serve anything and takes nothing from the code under test, so that agreement
//! between the two is evidence.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Map, Value};

pub use crate::fake_upstream::objects::{Commit, CommitDraft, FixtureFile};

/// Midnight of 2024-01-01: the default time of creation and of the first commit.
const EPOCH_SECONDS: i64 = 1_704_067_200;
const MAIN: &str = "refs/heads/main";

/// The kind of a repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// A model.
    Model,
    /// A dataset.
    Dataset,
    /// A space.
    Space,
}

impl Kind {
    /// The segment that stands for this kind under `/api`.
    pub fn plural(self) -> &'static str {
        match self {
            Kind::Model => "models",
            Kind::Dataset => "datasets",
            Kind::Space => "spaces",
        }
    }

    /// What precedes the repository's name in a file address: empty for models.
    pub fn prefix(self) -> &'static str {
        match self {
            Kind::Model => "",
            Kind::Dataset => "datasets/",
            Kind::Space => "spaces/",
        }
    }

    /// The kind that an `/api` segment stands for.
    pub fn from_plural(text: &str) -> Option<Kind> {
        [Kind::Model, Kind::Dataset, Kind::Space].into_iter().find(|kind| kind.plural() == text)
    }
}

/// Whether readers have to ask for access first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gated {
    /// Open to everybody who may see the repository.
    No,
    /// Granted at once when asked for.
    Auto,
    /// Granted by the owner.
    Manual,
}

/// A repository; a builder that stays usable while it is served.
#[derive(Clone, Debug)]
pub struct RepoFixture {
    /// Model, dataset or space.
    pub kind: Kind,
    /// `namespace/name`, or a bare canonical name such as `gpt2`.
    pub name: String,
    /// Former names, which the hub redirects from.
    pub aliases: Vec<String>,
    /// Hidden from everybody but `readers`.
    pub private: bool,
    /// Tokens or user names that may read a private repository.
    pub readers: Vec<String>,
    /// Whether the files (not the listings) need a grant.
    pub gated: Gated,
    /// Tokens or user names that hold a grant for a gated repository.
    pub granted: Vec<String>,
    /// Taken down: every answer is 403.
    pub disabled: bool,
    /// Announce LFS files as stored in Xet, as the public hub does.
    pub xet: bool,
    /// Time of creation.
    pub created_at: DateTime<Utc>,
    /// Tags beyond those that the card yields.
    pub tags: Vec<String>,
    /// The card's metadata, as an object.
    pub card: Option<Value>,
    /// Further fields of its info, such as `safetensors`, in place of those that are made up.
    pub info: Map<String, Value>,
    /// Download counter.
    pub downloads: u64,
    /// Like counter.
    pub likes: u64,
    pub(crate) commits: Vec<Commit>,
    pub(crate) refs: BTreeMap<String, usize>,
    lfs: HashMap<String, Bytes>,
    finished: bool,
}

impl RepoFixture {
    /// An empty public model with one empty commit on `main`.
    #[must_use]
    pub fn model(name: &str) -> Self {
        Self::new(Kind::Model, name)
    }

    /// An empty public dataset with one empty commit on `main`.
    #[must_use]
    pub fn dataset(name: &str) -> Self {
        Self::new(Kind::Dataset, name)
    }

    /// An empty public space with one empty commit on `main`.
    #[must_use]
    pub fn space(name: &str) -> Self {
        Self::new(Kind::Space, name)
    }

    fn new(kind: Kind, name: &str) -> Self {
        let mut repo = Self {
            kind,
            name: name.to_owned(),
            aliases: Vec::new(),
            private: false,
            readers: Vec::new(),
            gated: Gated::No,
            granted: Vec::new(),
            disabled: false,
            xet: false,
            created_at: epoch(),
            tags: Vec::new(),
            card: None,
            info: Map::new(),
            downloads: 0,
            likes: 0,
            commits: Vec::new(),
            refs: BTreeMap::new(),
            lfs: HashMap::new(),
            finished: false,
        };
        let first = repo.draft("initial commit", None);
        repo.commits.push(first);
        repo.refs.insert(MAIN.to_owned(), 0);
        repo
    }

    /// Adds a regular file to the first commit.
    #[must_use]
    pub fn file(self, path: &str, bytes: impl AsRef<[u8]>) -> Self {
        self.amend(path, FixtureFile::regular(bytes.as_ref()))
    }

    /// Adds an LFS file to the first commit.
    #[must_use]
    pub fn lfs(self, path: &str, bytes: impl AsRef<[u8]>) -> Self {
        self.amend(path, FixtureFile::lfs(bytes.as_ref()))
    }

    /// Puts one more commit on `main`.
    #[must_use]
    pub fn commit(mut self, title: &str, edit: impl FnOnce(CommitDraft) -> CommitDraft) -> Self {
        self.push_commit(title, edit);
        self
    }

    /// Puts a commit on another branch or full ref, starting at `main` if it is new.
    #[must_use]
    pub fn commit_on(mut self, name: &str, title: &str, edit: impl FnOnce(CommitDraft) -> CommitDraft) -> Self {
        self.push_commit_on(name, title, edit);
        self
    }

    /// Opens pull request `number` with one commit on top of `main`.
    #[must_use]
    pub fn pull_request(self, number: u32, title: &str, edit: impl FnOnce(CommitDraft) -> CommitDraft) -> Self {
        self.commit_on(&format!("refs/pr/{number}"), title, edit)
    }

    /// Adds `refs/convert/{name}`: a commit without a parent, as the conversion robots make it.
    #[must_use]
    pub fn convert(mut self, name: &str, title: &str, edit: impl FnOnce(CommitDraft) -> CommitDraft) -> Self {
        let draft = self.draft(title, None);
        self.insert(&format!("refs/convert/{name}"), edit(CommitDraft(draft)).0);
        self
    }

    /// Tags the head of `main`.
    #[must_use]
    pub fn tag(mut self, name: &str) -> Self {
        let head = self.head();
        self.set_ref(&format!("refs/tags/{name}"), &head);
        self
    }

    /// Starts a branch at the head of `main`.
    #[must_use]
    pub fn branch(mut self, name: &str) -> Self {
        let head = self.head();
        self.set_ref(&format!("refs/heads/{name}"), &head);
        self
    }

    /// Hides the repository from everybody but these tokens or user names.
    #[must_use]
    pub fn private<S: Into<String>>(mut self, readers: impl IntoIterator<Item = S>) -> Self {
        self.private = true;
        self.readers.extend(readers.into_iter().map(Into::into));
        self
    }

    /// Gates the files; access is granted by the owner.
    #[must_use]
    pub fn gated_manual(mut self) -> Self {
        self.gated = Gated::Manual;
        self
    }

    /// Gates the files; access is granted on request.
    #[must_use]
    pub fn gated_auto(mut self) -> Self {
        self.gated = Gated::Auto;
        self
    }

    /// Grants these tokens or user names access to the gated files.
    #[must_use]
    pub fn grant<S: Into<String>>(mut self, holders: impl IntoIterator<Item = S>) -> Self {
        self.granted.extend(holders.into_iter().map(Into::into));
        self
    }

    /// Takes the repository down.
    #[must_use]
    pub fn disabled(mut self) -> Self {
        self.disabled = true;
        self
    }

    /// Announces Xet hashes for LFS files, which a mirror has to strip.
    #[must_use]
    pub fn with_xet(mut self) -> Self {
        self.xet = true;
        self
    }

    /// Adds a former name.
    #[must_use]
    pub fn renamed_from(mut self, name: &str) -> Self {
        self.aliases.push(name.to_owned());
        self
    }

    /// Adds tags.
    #[must_use]
    pub fn tags<S: Into<String>>(mut self, tags: impl IntoIterator<Item = S>) -> Self {
        self.tags.extend(tags.into_iter().map(Into::into));
        self
    }

    /// Sets the card's metadata.
    #[must_use]
    pub fn card(mut self, data: Value) -> Self {
        self.card = Some(data);
        self
    }

    /// Sets a further field of its info.
    #[must_use]
    pub fn info(mut self, field: &str, value: Value) -> Self {
        self.info.insert(field.to_owned(), value);
        self
    }

    /// Puts one more commit on `main` and returns its id.
    pub fn push_commit(&mut self, title: &str, edit: impl FnOnce(CommitDraft) -> CommitDraft) -> String {
        self.push_commit_on(MAIN, title, edit)
    }

    /// Puts a commit on a branch or full ref, starting at `main` if it is new, and returns its id.
    pub fn push_commit_on(&mut self, name: &str, title: &str, edit: impl FnOnce(CommitDraft) -> CommitDraft) -> String {
        let name = if name.starts_with("refs/") { name.to_owned() } else { format!("refs/heads/{name}") };
        let parent = self.refs.get(&name).or_else(|| self.refs.get(MAIN)).copied();
        let draft = self.draft(title, parent);
        self.insert(&name, edit(CommitDraft(draft)).0)
    }

    /// Points a full ref name at a commit, as a forced push or a moved tag does.
    pub fn set_ref(&mut self, name: &str, commit: &str) {
        let index = self.at(commit);
        self.refs.insert(name.to_owned(), index);
        self.finished = true;
    }

    /// Deletes a full ref name; its commits stay readable by id.
    pub fn delete_ref(&mut self, name: &str) {
        assert!(self.refs.remove(name).is_some(), "no ref `{name}` to delete");
    }

    /// The commit id at the head of `main`.
    pub fn head(&self) -> String {
        self.id_at(self.at(MAIN)).to_owned()
    }

    /// The commit id that a branch, tag, full ref, commit id or prefix of one stands for.
    pub fn commit_id(&self, revision: &str) -> Option<String> {
        self.resolve(revision).map(|index| self.id_at(index).to_owned())
    }

    /// The files of a revision by path.
    pub fn files_at(&self, revision: &str) -> &BTreeMap<String, FixtureFile> {
        &self.commits[self.at(revision)].files
    }

    /// One file at the head of `main`.
    pub fn entry(&self, path: &str) -> &FixtureFile {
        let Some(file) = self.files_at(MAIN).get(path) else { panic!("no file `{path}` in `{}`", self.name) };
        file
    }

    /// SHA-256 of a file's content at the head of `main`.
    pub fn sha256_of(&self, path: &str) -> String {
        self.entry(path).sha256.clone()
    }

    /// Git blob id of a file at the head of `main`; the pointer's for an LFS file.
    pub fn oid_of(&self, path: &str) -> String {
        self.entry(path).oid.clone()
    }

    /// Git tree id of a directory at the head of `main`; the root is the empty path.
    pub fn tree_oid_of(&self, path: &str) -> String {
        self.commits[self.at(MAIN)].trees()[path].clone()
    }

    pub(crate) fn resolve(&self, revision: &str) -> Option<usize> {
        let revision = if revision == "HEAD" { MAIN } else { revision };
        let named = ["", "refs/heads/", "refs/tags/"].iter().find_map(|p| self.refs.get(&format!("{p}{revision}")));
        if let Some(index) = named {
            return Some(*index);
        }
        let hexadecimal = revision.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        if revision.len() < 7 || !hexadecimal {
            return None;
        }
        (0..self.commits.len()).find(|index| self.id_at(*index).starts_with(revision))
    }

    pub(crate) fn id_at(&self, index: usize) -> &str {
        let commit = &self.commits[index];
        commit.id(commit.parent.map(|parent| self.id_at(parent)))
    }

    pub(crate) fn lfs_object(&self, sha256: &str) -> Option<&Bytes> {
        self.lfs.get(sha256)
    }

    fn at(&self, revision: &str) -> usize {
        let Some(index) = self.resolve(revision) else { panic!("no revision `{revision}` in `{}`", self.name) };
        index
    }

    fn draft(&self, title: &str, parent: Option<usize>) -> Commit {
        let hours = i64::try_from(self.commits.len()).unwrap_or_default();
        let author = self.name.split('/').next().unwrap_or_default();
        let commit = Commit::new(title, author, epoch() + TimeDelta::hours(hours));
        match parent {
            Some(index) => commit.on_top_of(index, &self.commits[index]),
            None => commit,
        }
    }

    fn insert(&mut self, name: &str, commit: Commit) -> String {
        for file in commit.files.values().filter(|file| file.is_lfs()) {
            self.lfs.insert(file.sha256.clone(), file.bytes.clone());
        }
        self.commits.push(commit);
        let index = self.commits.len() - 1;
        self.refs.insert(name.to_owned(), index);
        self.finished = true;
        self.id_at(index).to_owned()
    }

    /// Changes the first commit in place, which is only sound while nothing refers to its id.
    fn amend(mut self, path: &str, file: FixtureFile) -> Self {
        assert!(!self.finished, "the first commit of `{}` is finished; add `{path}` with `.commit(..)`", self.name);
        if file.is_lfs() {
            self.lfs.insert(file.sha256.clone(), file.bytes.clone());
        }
        self.commits[0].put(path, file);
        self
    }
}

/// The same bytes for the same seed and length, without structure a compressor could use.
pub fn random_bytes(seed: u64, len: usize) -> Vec<u8> {
    // splitmix64
    let mut state = seed;
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = state;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bytes.extend_from_slice(&(word ^ (word >> 31)).to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

fn epoch() -> DateTime<Utc> {
    DateTime::from_timestamp(EPOCH_SECONDS, 0).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{RepoFixture, random_bytes};

    #[test]
    fn ids_are_the_ones_git_computes() {
        // The constants come from `git` itself, given the same files, author and dates.
        let repo = RepoFixture::model("acme/tiny")
            .file("config.json", b"{}")
            .file("a.txt", "dot")
            .file("a/deep/b", "inner")
            .file("a0", "zero")
            .lfs("dir/model.safetensors", "weights");
        assert_eq!(repo.head(), "1ec3c42fc031d96b58e77f895822ae3b0225e71d");
        assert_eq!(repo.tree_oid_of(""), "9f211c79f65c64ffe3ed71b7bb58f3a223685409");
        assert_eq!(repo.tree_oid_of("a"), "7220d518c9b191872290ae7c91fca3abef29504d");
        assert_eq!(repo.oid_of("dir/model.safetensors"), "c6a67be4f3ef29ed4a07b4f2446625126a25cfda");

        let repo = repo.commit("second", |c| c.remove("a0").body("with a body"));
        assert_eq!(repo.head(), "2f755c50779ad25412d762a767c74dd298086c67");
        assert_eq!(repo.tree_oid_of(""), "ea9ec117ec1e1537896cc877be8d7c454e0e6077");
    }

    #[test]
    fn every_name_of_a_revision_leads_to_its_commit() {
        let repo = RepoFixture::dataset("acme/rows")
            .file("a", "1")
            .tag("v1")
            .commit("second", |c| c.file("a", "2"))
            .branch("feature/x")
            .commit_on("feature/x", "third", |c| c.file("b", "3"))
            .pull_request(1, "fix", |c| c.remove("a"))
            .convert("parquet", "parquet", |c| c.lfs("0.parquet", "rows"));
        let at = |revision: &str| repo.files_at(revision).keys().cloned().collect::<Vec<_>>();
        assert_eq!(at("feature/x"), ["a", "b"]);
        assert_eq!(at("refs/pr/1"), Vec::<String>::new());
        assert_eq!(at("refs/convert/parquet"), ["0.parquet"]);
        assert_eq!(repo.files_at("v1")["a"].bytes, "1");
        assert_eq!(repo.commit_id("HEAD"), Some(repo.head()));
        assert_eq!(repo.commit_id(&repo.head()[..8]), Some(repo.head()));
        assert_eq!(repo.commit_id("nowhere"), None);
    }

    #[test]
    fn random_bytes_depend_on_the_seed_alone() {
        assert_eq!(random_bytes(7, 1001), random_bytes(7, 1001));
        assert_ne!(random_bytes(7, 1001), random_bytes(8, 1001));
        // The published first output of splitmix64 for the seed 0.
        assert_eq!(random_bytes(0, 8), 0xe220_a839_7b1d_cdaf_u64.to_le_bytes());
    }
}
