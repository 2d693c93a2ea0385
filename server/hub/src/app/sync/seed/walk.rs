//! What is on the disk to seed from: every regular file by its size, and its digests once somebody asks.

use std::collections::HashMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use acervo_core::{BlobDigests, Digester, TreeEntry};
use serde::Serialize;

use crate::error::HubError;

/// Bytes that are hashed at a time.
const HASHED_AT_ONCE: usize = 1 << 20;

/// Most files that are told of one by one.
const UNREAD_MAX: usize = 1000;

/// A file or folder that was not used although it stands there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unread {
    /// Where it is.
    pub path: PathBuf,
    /// Why it was not used.
    pub why: String,
}

/// The files below one folder.
#[derive(Debug, Default)]
pub struct Seeds {
    by_size: HashMap<u64, Vec<PathBuf>>,
    digests: HashMap<PathBuf, Option<BlobDigests>>,
    unread: Vec<Unread>,
    files: u64,
}

impl Seeds {
    /// Looks through a folder, or takes a single file.
    ///
    /// Links are not followed: what they lead to within the folder is met there, and what is outside is not asked for.
    pub async fn open(path: &Path) -> Result<Seeds, HubError> {
        let root = path.to_owned();
        let found = tokio::task::spawn_blocking(move || Seeds::walk(&root)).await;
        found.map_err(|error| HubError::Internal(format!("looking through a folder ended unexpectedly: {error}")))?
    }

    fn walk(root: &Path) -> Result<Seeds, HubError> {
        let root = root.canonicalize().map_err(|error| {
            HubError::Invalid(format!("`{}` cannot be read: {error}; name a folder that is there", root.display()))
        })?;
        let mut seeds = Seeds::default();
        let mut waiting = vec![root.clone()];
        while let Some(path) = waiting.pop() {
            let about = match path.symlink_metadata() {
                Ok(about) => about,
                Err(error) => {
                    seeds.note(&path, &format!("it cannot be read: {error}"));
                    continue;
                }
            };
            if about.is_symlink() {
                seeds.look_at_link(&root, &path);
            } else if about.is_dir() {
                match std::fs::read_dir(&path) {
                    Ok(entries) => waiting.extend(entries.filter_map(Result::ok).map(|entry| entry.path())),
                    Err(error) => seeds.note(&path, &format!("it cannot be read: {error}")),
                }
            } else if about.is_file() {
                seeds.files += 1;
                seeds.by_size.entry(about.len()).or_default().push(path);
            }
        }
        seeds.by_size.values_mut().for_each(|paths| paths.sort_unstable());
        Ok(seeds)
    }

    fn look_at_link(&mut self, root: &Path, link: &Path) {
        match link.canonicalize() {
            Ok(target) if target.starts_with(root) => {}
            Ok(_) => self.note(link, "it is a link that leads out of the folder; name the folder above both"),
            Err(error) => self.note(link, &format!("it is a link that leads nowhere: {error}")),
        }
    }

    /// Number of files that stand there.
    pub fn files(&self) -> u64 {
        self.files
    }

    /// What was not used, and why.
    pub fn unread(&self) -> &[Unread] {
        &self.unread
    }

    /// Notes that something could not be used.
    pub fn note(&mut self, path: &Path, why: &str) {
        let is_new = self.unread.iter().all(|known| known.path != path);
        if is_new && self.unread.len() < UNREAD_MAX {
            self.unread.push(Unread { path: path.to_owned(), why: why.to_owned() });
        }
    }

    /// A file with the bytes that an entry declares. Sizes are compared first; names only say which file is tried first.
    pub async fn find(&mut self, entry: &TreeEntry) -> Result<Option<PathBuf>, HubError> {
        let Some(paths) = self.by_size.get(&entry.size) else { return Ok(None) };
        let etag = entry.etag();
        let mut candidates = paths.clone();
        // Caches call a file by its digest, folders by its name.
        let likely = |path: &PathBuf| {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            name != etag && name != entry.path.file_name()
        };
        candidates.sort_by_key(likely);
        for path in candidates {
            let Some(found) = self.digests_of(&path, entry.size).await? else { continue };
            let is_it = match entry.lfs {
                Some(lfs) => found.sha256 == lfs.sha256,
                None => found.git_oid == Some(entry.oid),
            };
            if is_it && found.size == entry.size {
                return Ok(Some(path));
            }
        }
        Ok(None)
    }

    /// Digests of a file; read once.
    async fn digests_of(&mut self, path: &Path, size: u64) -> Result<Option<BlobDigests>, HubError> {
        if let Some(known) = self.digests.get(path) {
            return Ok(*known);
        }
        let wanted = path.to_owned();
        let read = tokio::task::spawn_blocking(move || hash(&wanted, size)).await;
        let read = read.map_err(|error| HubError::Internal(format!("hashing a file ended unexpectedly: {error}")))?;
        if let Err(error) = &read {
            self.note(path, &format!("it cannot be read: {error}"));
        }
        let found = read.ok();
        self.digests.insert(path.to_owned(), found);
        Ok(found)
    }
}

fn hash(path: &Path, size: u64) -> std::io::Result<BlobDigests> {
    let mut file = std::fs::File::open(path)?;
    let mut digester = Digester::with_git_oid(size);
    let mut bytes = vec![0; HASHED_AT_ONCE];
    loop {
        match file.read(&mut bytes)? {
            0 => return Ok(digester.finish()),
            read => digester.update(&bytes[..read]),
        }
    }
}
