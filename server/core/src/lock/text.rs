//! A lockfile as text, and back.

use std::fmt::Write as _;

use serde::Deserialize;

use super::{Lock, LockedCommit, LockedFile, LockedRepo, LockedRevision};
use crate::access::Visibility;
use crate::digest::Sha256Digest;
use crate::name::{RepoId, RepoKind};
use crate::order::{FileError, place};
use crate::revision::CommitOid;
use crate::selection::Selection;

/// The format that is written, and the only one that is read.
const FORMAT: u32 = 1;

const HEAD: &str =
    "# Made by `acervo mirror lock`; `acervo sync --locked` reproduces it, `acervo mirror diff` compares two.\n";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    format: u32,
    #[serde(default)]
    repo: Vec<Repo>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Repo {
    #[serde(rename = "type")]
    kind: RepoKind,
    name: RepoId,
    upstream: String,
    upstream_name: String,
    visibility: Visibility,
    #[serde(default)]
    selection: Selection,
    #[serde(default)]
    revision: Vec<LockedRevision>,
    #[serde(default)]
    commit: Vec<Commit>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Commit {
    id: CommitOid,
    listing: Sha256Digest,
    held: Sha256Digest,
    files: Vec<Line>,
}

/// `<sha256> <git id> <size> <path>`
#[derive(Deserialize)]
#[serde(try_from = "String")]
struct Line(LockedFile);

impl TryFrom<String> for Line {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let refuse = || format!("`{text}` is not a file of a lockfile; it is a SHA-256, a git id, a size and a path");
        let mut words = text.splitn(4, ' ');
        let (Some(sha256), Some(oid), Some(size), Some(path)) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            return Err(refuse());
        };
        match (path.parse(), size.parse(), oid.parse(), sha256.parse()) {
            (Ok(path), Ok(size), Ok(oid), Ok(sha256)) => Ok(Line(LockedFile { path, size, oid, sha256 })),
            _ => Err(refuse()),
        }
    }
}

/// A text in quotes, as TOML wants it.
fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

fn list<T: ToString>(items: &[T]) -> String {
    let items: Vec<String> = items.iter().map(|item| quoted(&item.to_string())).collect();
    format!("[{}]", items.join(", "))
}

impl Lock {
    /// The text, the same for equal locks.
    pub fn to_text(&self) -> String {
        let mut text = format!("{HEAD}format = {FORMAT}\n");
        for repo in &self.repos {
            repo.write(&mut text);
        }
        text
    }

    /// Reads a text; the order in which it names things is made the usual one.
    pub fn parse(text: &str) -> Result<Lock, FileError> {
        let file: File = toml::from_str(text).map_err(|error| place(text, &error))?;
        if file.format != FORMAT {
            let message = format!("a lockfile of format {}; this version reads format {FORMAT}", file.format);
            return Err(FileError { line: 1, column: 1, message });
        }
        let mut lock = Lock { repos: file.repo.into_iter().map(Repo::into_locked).collect() };
        lock.sort();
        Ok(lock)
    }

    /// Puts everything into the usual order.
    pub fn sort(&mut self) {
        self.repos.sort_by_cached_key(|repo| (repo.kind, repo.name.lower()));
        for repo in &mut self.repos {
            repo.revisions.sort_by(|a, b| (a.kind.as_str(), &a.name).cmp(&(b.kind.as_str(), &b.name)));
            repo.commits.sort_by_key(|commit| commit.id);
            for commit in &mut repo.commits {
                commit.files.sort_by(|a, b| a.path.cmp(&b.path));
            }
        }
    }
}

impl Repo {
    fn into_locked(self) -> LockedRepo {
        let commits = self.commit.into_iter().map(|commit| LockedCommit {
            id: commit.id,
            listing: commit.listing,
            held: commit.held,
            files: commit.files.into_iter().map(|line| line.0).collect(),
        });
        LockedRepo {
            kind: self.kind,
            name: self.name,
            upstream: self.upstream,
            upstream_name: self.upstream_name,
            visibility: self.visibility,
            selection: self.selection,
            revisions: self.revision,
            commits: commits.collect(),
        }
    }
}

impl LockedRepo {
    fn write(&self, text: &mut String) {
        // Writing to a string cannot fail.
        let mut line = |written: String| {
            let _ = writeln!(text, "{written}");
        };
        line("\n[[repo]]".to_owned());
        line(format!("type = \"{}\"", self.kind));
        line(format!("name = {}", quoted(self.name.as_str())));
        line(format!("upstream = {}", quoted(&self.upstream)));
        line(format!("upstream_name = {}", quoted(&self.upstream_name)));
        line(format!("visibility = \"{}\"", self.visibility.as_str()));
        if !self.selection.is_everything() {
            line("\n[repo.selection]".to_owned());
            line(format!("include = {}", list(&self.selection.include)));
            line(format!("exclude = {}", list(&self.selection.exclude)));
            line(format!("presets = {}", list(&self.selection.presets)));
        }
        for revision in &self.revisions {
            line("\n[[repo.revision]]".to_owned());
            line(format!("kind = \"{}\"", revision.kind.as_str()));
            line(format!("name = {}", quoted(&revision.name)));
            line(format!("commit = \"{}\"", revision.commit));
        }
        for commit in &self.commits {
            line("\n[[repo.commit]]".to_owned());
            line(format!("id = \"{}\"", commit.id));
            line(format!("listing = \"{}\"", commit.listing));
            line(format!("held = \"{}\"", commit.held));
            line("files = [".to_owned());
            for file in &commit.files {
                let words = format!("{} {} {} {}", file.sha256, file.oid, file.size, file.path);
                line(format!("    {},", quoted(&words)));
            }
            line("]".to_owned());
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::{Lock, LockedCommit, LockedFile, LockedRepo, LockedRevision};
    use crate::access::Visibility;
    use crate::digest::{GitOid, Sha256Digest};
    use crate::name::RepoKind;
    use crate::revision::{CommitOid, RefKind};
    use crate::selection::Selection;

    pub(crate) fn repo(name: &str, commit: u8, files: &[(&str, &str)]) -> LockedRepo {
        let id = CommitOid::from_bytes([commit; 20]);
        let file = |(path, text): &(&str, &str)| LockedFile {
            path: path.parse().unwrap(),
            size: text.len() as u64,
            oid: GitOid::of_blob(text.as_bytes()),
            sha256: Sha256Digest::of(text.as_bytes()),
        };
        let listing = Sha256Digest::of(format!("{files:?}").as_bytes());
        LockedRepo {
            kind: RepoKind::Model,
            name: name.parse().unwrap(),
            upstream: "https://hub.example".to_owned(),
            upstream_name: name.to_owned(),
            visibility: Visibility::Public,
            selection: Selection::default(),
            revisions: vec![LockedRevision { kind: RefKind::Branch, name: "main".to_owned(), commit: id }],
            commits: vec![LockedCommit { id, listing, held: listing, files: files.iter().map(file).collect() }],
        }
    }

    #[test]
    fn a_lock_is_the_same_after_it_was_written_and_read() {
        let mut odd = repo("acme/odd", 2, &[("a \"quoted\" name.txt", "x"), ("sub/é\\.txt", "")]);
        odd.selection.exclude = vec!["*.bin".to_owned()];
        odd.selection.presets = vec!["gguf:Q8_0".parse().unwrap()];
        let mut lock = Lock { repos: vec![odd, repo("acme/Empty", 1, &[])] };
        let unsorted = lock.to_text();
        lock.sort();
        assert_eq!(Lock::parse(&lock.to_text()).unwrap(), lock);
        assert_eq!(Lock::parse(&unsorted).unwrap().to_text(), lock.to_text());
        assert_eq!(Lock::parse(&Lock::default().to_text()).unwrap(), Lock::default());
    }

    #[test]
    fn a_lock_that_was_tampered_with_is_told_with_its_place() {
        let text = Lock { repos: vec![repo("acme/x", 1, &[("a", "x")])] }.to_text();
        for (from, to, said) in [
            ("format = 1", "format = 2", "format 2"),
            ("visibility", "visibilty", "did you mean `visibility`?"),
            (" 1 a\"", " one a\"", "not a file of a lockfile"),
        ] {
            let error = Lock::parse(&text.replace(from, to)).unwrap_err();
            assert!(error.to_string().contains(said), "{error}");
        }
    }

    #[test]
    fn contents_differ_when_a_path_or_a_byte_does() {
        let contents = |files: &[(&str, &str)]| repo("acme/x", 1, files).pin().commits[0].contents;
        let first = contents(&[("a", "x")]);
        assert_eq!(contents(&[("a", "x")]), first);
        assert!(contents(&[("b", "x")]) != first && contents(&[("a", "y")]) != first);
    }
}
