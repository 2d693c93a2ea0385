//! What every case is built from: the expectation, a folder of its own, the checks. It knows no client.

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Context as _;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use sha2::{Digest, Sha256};

/// A file, as its commit declares it.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Entry {
    pub(crate) size: u64,
    pub(crate) sha256: String,
    pub(crate) oid: String,
    pub(crate) lfs: bool,
}

impl Entry {
    /// What the hub names the content by: SHA-256 for LFS files, the git blob id for others.
    pub(crate) fn etag(&self) -> &str {
        if self.lfs { &self.sha256 } else { &self.oid }
    }
}

/// Files by path.
pub(crate) type Files = BTreeMap<String, Entry>;

/// The private repository and who asks for it.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Private {
    pub(crate) repo: String,
    pub(crate) path: String,
    pub(crate) files: Files,
    pub(crate) reader: String,
    pub(crate) stranger: String,
}

/// What a case gets: where the server is, what it must show, and a folder of its own.
pub(crate) struct Scene {
    /// The repository that the case looks at.
    pub(crate) repo: String,
    /// `model`, `dataset` or `space`.
    pub(crate) kind: String,
    /// The head of `main`.
    pub(crate) commit: String,
    /// The files there.
    pub(crate) files: Files,
    stated: Value,
    home: PathBuf,
    caches: AtomicUsize,
}

impl Scene {
    /// Reads the expectation for a scene.
    pub(crate) fn open(name: &str, label: &str) -> anyhow::Result<Scene> {
        let variable = |name: &str| env::var(name).with_context(|| format!("`{name}` is not set"));
        let text = std::fs::read_to_string(variable("EXPECT")?)?;
        let mut scenes: Value = serde_json::from_str(&text)?;
        let stated = scenes.get_mut(name).with_context(|| format!("the expectation states no scene `{name}`"))?.take();
        let text = |key: &str| stated.get(key).and_then(Value::as_str).map(str::to_owned);
        let files: Files = serde_json::from_value(stated["files"].clone())?;
        anyhow::ensure!(!files.is_empty(), "the expectation states no files, so the case would prove nothing");
        Ok(Scene {
            repo: text("repo").context("no `repo`")?,
            kind: text("repo_type").unwrap_or_else(|| "model".to_owned()),
            commit: text("commit").context("no `commit`")?,
            files,
            stated,
            home: PathBuf::from(variable("HF_HOME")?).join(label.replace(['@', '/'], "-")),
            caches: AtomicUsize::new(0),
        })
    }

    /// A part of the expectation that not every scene states.
    pub(crate) fn stated<T: DeserializeOwned>(&self, key: &str) -> anyhow::Result<T> {
        let value = self.stated.get(key).with_context(|| format!("the expectation does not state `{key}`"))?;
        Ok(serde_json::from_value(value.clone())?)
    }

    /// The files at any commit that the expectation knows.
    pub(crate) fn files_at(&self, commit: &str) -> anyhow::Result<Files> {
        if commit == self.commit {
            return Ok(self.files.clone());
        }
        let mut snapshots: BTreeMap<String, Files> = self.stated("snapshots")?;
        snapshots.remove(commit).with_context(|| format!("the expectation does not state commit `{commit}`"))
    }

    /// Every name that leads to a commit, a short commit id too.
    pub(crate) fn revisions(&self) -> anyhow::Result<BTreeMap<String, String>> {
        let mut revisions: BTreeMap<String, String> = self.stated("branches")?;
        revisions.extend(self.stated::<BTreeMap<String, String>>("tags")?);
        revisions.insert(self.commit.clone(), self.commit.clone());
        revisions.insert(self.commit[..10].to_owned(), self.commit.clone());
        Ok(revisions)
    }

    /// The token of a user who may read everything.
    pub(crate) fn reader_token(&self) -> anyhow::Result<String> {
        let who: Value = self.stated("whoami")?;
        Ok(who["token"].as_str().context("no token")?.to_owned())
    }

    /// A cache folder that nothing is in.
    pub(crate) fn cache(&self) -> anyhow::Result<PathBuf> {
        let number = self.caches.fetch_add(1, Ordering::Relaxed);
        let folder = self.home.join(format!("cache-{number}"));
        std::fs::create_dir_all(&folder)?;
        Ok(folder)
    }

    /// The largest file.
    pub(crate) fn largest(&self) -> (&String, &Entry) {
        self.files.iter().max_by_key(|(_, entry)| entry.size).unwrap_or_else(|| unreachable!("there are files"))
    }

    /// The first file of a sort; none fails the case, which would prove nothing.
    pub(crate) fn pick(&self, what: &str, wanted: impl Fn(&str, &Entry) -> bool) -> anyhow::Result<(&str, &Entry)> {
        let mut files = self.files.iter().map(|(name, entry)| (name.as_str(), entry));
        files.find(|(name, entry)| wanted(name, entry)).with_context(|| format!("the expected files have no {what}"))
    }

    /// One file of each sort that has ordinary names.
    pub(crate) fn kinds(&self) -> anyhow::Result<Vec<(&str, &Entry)>> {
        Ok(vec![
            self.pick("LFS file", |_, entry| entry.lfs && entry.size > 0)?,
            self.pick("regular file", |name, entry| !entry.lfs && entry.size > 0 && !name.contains('/'))?,
            self.pick("LFS file in folders", |name, entry| entry.lfs && name.matches('/').count() > 1)?,
        ])
    }
}

/// Fails unless both are equal, and says what is not.
#[expect(clippy::needless_pass_by_value, reason = "what was seen is made for the comparison, mostly")]
pub(crate) fn check_equal<T: PartialEq<U> + std::fmt::Debug, U: std::fmt::Debug>(
    what: &str,
    seen: T,
    expected: U,
) -> anyhow::Result<()> {
    anyhow::ensure!(seen == expected, "{what} is {seen:?}, expected {expected:?}");
    Ok(())
}

/// Fails unless the file has the size and the digest that it is expected to have.
pub(crate) fn check_file(path: &Path, name: &str, entry: &Entry) -> anyhow::Result<()> {
    let bytes = std::fs::read(path).with_context(|| format!("`{}` of `{name}`", path.display()))?;
    check_bytes(&bytes, name, entry)
}

/// As [`check_file`], of bytes in memory.
pub(crate) fn check_bytes(bytes: &[u8], name: &str, entry: &Entry) -> anyhow::Result<()> {
    check_equal(&format!("size of `{name}`"), bytes.len() as u64, entry.size)?;
    let digest = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    check_equal(&format!("sha256 of `{name}`"), digest.as_str(), entry.sha256.as_str())
}

/// Fails unless the folder holds exactly these files, byte for byte.
pub(crate) fn check_folder(folder: &Path, files: &Files) -> anyhow::Result<()> {
    let found = files_in(folder)?;
    let expected: BTreeSet<&String> = files.keys().collect();
    check_equal(&format!("files in `{}`", folder.display()), found.iter().collect::<BTreeSet<_>>(), expected)?;
    files.iter().try_for_each(|(name, entry)| check_file(&folder.join(name), name, entry))
}

/// Every file below a folder, by its path from there.
pub(crate) fn files_in(folder: &Path) -> anyhow::Result<Vec<String>> {
    let (mut found, mut waiting) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(inner) = waiting.pop() {
        for entry in std::fs::read_dir(&inner)? {
            let path = entry?.path();
            if path.is_dir() {
                waiting.push(path);
            } else {
                found.push(path.strip_prefix(folder)?.to_string_lossy().into_owned());
            }
        }
    }
    Ok(found)
}

/// Fails unless the path is where the cache keeps this file of this commit, named by its content.
pub(crate) fn check_place(path: &Path, commit: &str, name: &str, entry: &Entry) -> anyhow::Result<()> {
    let place = format!("/snapshots/{commit}/{name}");
    anyhow::ensure!(path.to_string_lossy().ends_with(&place), "`{name}` was filed as `{}`", path.display());
    let blob = std::fs::canonicalize(path)?;
    check_equal(&format!("cache name of `{name}`"), blob.file_name().and_then(|name| name.to_str()), Some(entry.etag()))
}

/// A name as long as this one, of something that is not there.
pub(crate) fn other_name(name: &str) -> String {
    format!("{}{}", &name[..name.len() - 1], if name.ends_with('x') { 'y' } else { 'x' })
}
