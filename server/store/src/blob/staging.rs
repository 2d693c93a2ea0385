//! Staging: partial contents in a local folder, hashed as they arrive, resumable after the process has died.
//!
//! One file per content, held by a lock, so that two processes never append to the same one. The lock also tells the
//! sweep which files nobody works on.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use acervo_core::{BlobDigests, Digester, GitOid, Sha256Digest};
use bytes::Bytes;
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};
use tokio::task::JoinHandle;

use super::budget::{Budget, Reservation};
use super::error::BlobError;

/// Bytes collected before they go to disk in one piece.
const WRITE_BYTES: usize = 1024 * 1024;

/// Bytes read at a time while a resumed content is hashed again.
const REHASH_BYTES: usize = 1024 * 1024;

/// Where transfers are staged, and how much they may take.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct StagingConfig {
    /// A local folder; for a local store on the same filesystem as the store.
    pub dir: PathBuf,
    /// Most bytes that the transfers of this process may take in staging at once; a further one waits for its turn.
    pub bytes_max: u64,
}

impl Default for StagingConfig {
    fn default() -> Self {
        StagingConfig { dir: PathBuf::from("data/staging"), bytes_max: 1 << 40 }
    }
}

/// Declared identity under which a content is staged, so that a later attempt finds its bytes again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StagingKey {
    /// Known by SHA-256: the same in every repository.
    Sha256(Sha256Digest),
    /// Known by git blob id: only within one repository, since SHA-1 collisions must not cross.
    Git {
        /// Database id of the repository.
        repo_id: i64,
        /// The declared blob id.
        oid: GitOid,
    },
}

impl StagingKey {
    fn file_name(&self) -> String {
        match self {
            StagingKey::Sha256(sha256) => format!("sha256-{sha256}"),
            StagingKey::Git { repo_id, oid } => format!("git-{repo_id}-{oid}"),
        }
    }

    /// Reads a file name, with or without the number of a second file of the same content.
    fn of_file_name(name: &str) -> Option<StagingKey> {
        let name = name.split('.').next()?;
        if let Some(sha256) = name.strip_prefix("sha256-") {
            return sha256.parse().ok().map(StagingKey::Sha256);
        }
        let (repo_id, oid) = name.strip_prefix("git-")?.split_once('-')?;
        Some(StagingKey::Git { repo_id: repo_id.parse().ok()?, oid: oid.parse().ok()? })
    }
}

/// A partial content that some attempt has left behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leftover {
    /// What it was to become.
    pub key: StagingKey,
    /// Bytes that have arrived.
    pub bytes: u64,
    path: PathBuf,
}

/// What a content must turn out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expected {
    /// Size in bytes.
    pub size: u64,
    /// SHA-256, for LFS entries.
    pub sha256: Option<Sha256Digest>,
    /// Git blob id of the content, for regular entries.
    pub git_oid: Option<GitOid>,
}

impl Expected {
    /// Whether these digests are what was expected; at least one digest must have been compared.
    fn matches(&self, found: &BlobDigests) -> bool {
        let sha256 = self.sha256.is_none_or(|sha256| sha256 == found.sha256);
        let git_oid = self.git_oid.is_none_or(|oid| Some(oid) == found.git_oid);
        found.size == self.size && sha256 && git_oid && (self.sha256.is_some() || self.git_oid.is_some())
    }
}

/// The staging area of this process.
#[derive(Clone, Debug)]
pub(super) struct Staging {
    dir: PathBuf,
    budget: Arc<Budget>,
}

impl Staging {
    /// Opens (and creates) the folder.
    pub(super) fn open(config: &StagingConfig) -> Result<Staging, BlobError> {
        let dir = config.dir.clone();
        for folder in [dir.clone(), dir.join("quarantine")] {
            fs::create_dir_all(&folder).map_err(BlobError::io("creating the staging folder", &folder))?;
        }
        Ok(Staging { dir, budget: Budget::new(config.bytes_max) })
    }

    /// The folder.
    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Opens the staged content of `key`, with what an earlier attempt left of it; waits while running transfers leave
    /// too little room.
    pub(super) async fn stage(&self, key: StagingKey, expected: Expected) -> Result<Staged, BlobError> {
        let refused = |max| BlobError::Budget { path: self.dir.clone(), needed: expected.size, max };
        let reservation = self.budget.reserve(expected.size).await.map_err(refused)?;
        let dir = self.dir.clone();
        let (path, open) = blocking(move || open_partial(&dir, key, expected)).await?;
        let offset = open.digester.size();
        Ok(Staged {
            path,
            expected,
            offset,
            pending: Vec::new(),
            pending_bytes: 0,
            state: Some(State::Idle(open)),
            reservation,
        })
    }

    /// Every partial content, those that somebody works on included.
    pub(super) fn partials(&self) -> Result<Vec<Leftover>, BlobError> {
        let failed = || BlobError::io("reading the staging folder", &self.dir);
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.dir).map_err(failed())? {
            let entry = entry.map_err(failed())?;
            // Removed or promoted by its holder meanwhile.
            let Ok(metadata) = entry.metadata() else { continue };
            if let Some(key) = entry.file_name().to_str().and_then(StagingKey::of_file_name) {
                found.push(Leftover { key, bytes: metadata.len(), path: entry.path() });
            }
        }
        Ok(found)
    }

    /// Removes a partial content unless somebody works on it; returns whether it did.
    pub(super) fn remove(&self, leftover: &Leftover) -> Result<bool, BlobError> {
        Ok(sweep_file(&leftover.path, 0)?.is_some())
    }

    /// Removes partial files that nobody holds and that are older than `age_seconds`; returns how many and their bytes.
    pub(super) fn sweep(&self, age_seconds: u64) -> Result<(u64, u64), BlobError> {
        let mut swept = (0, 0);
        for folder in [self.dir.clone(), self.dir.join("quarantine")] {
            let entries = fs::read_dir(&folder).map_err(BlobError::io("reading the staging folder", &folder))?;
            for entry in entries {
                let path = entry.map_err(BlobError::io("reading the staging folder", &folder))?.path();
                if let Some(bytes) = sweep_file(&path, age_seconds)? {
                    swept.0 += 1;
                    swept.1 += bytes;
                }
            }
        }
        Ok(swept)
    }
}

/// Removes one file if it is old and unlocked; returns its size.
fn sweep_file(path: &Path, age_seconds: u64) -> Result<Option<u64>, BlobError> {
    let Ok(metadata) = fs::metadata(path) else { return Ok(None) };
    let age = metadata.modified().ok().and_then(|at| at.elapsed().ok()).map_or(0, |age| age.as_secs());
    if !metadata.is_file() || age < age_seconds {
        return Ok(None);
    }
    let Ok(file) = File::open(path) else { return Ok(None) };
    // Once promoted by its holder, the file just opened is a blob, and `path` may name another transfer's.
    if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() || !is_same_file(&file, path) {
        return Ok(None);
    }
    fs::remove_file(path).map_err(BlobError::io("removing the stale", path))?;
    Ok(Some(metadata.len()))
}

/// A locked staging file and the digest of what it holds.
#[derive(Debug)]
struct OpenPartial {
    file: File,
    digester: Digester,
}

/// Opens or resumes the file of `key`; if another process holds it, a file of our own.
fn open_partial(dir: &Path, key: StagingKey, expected: Expected) -> Result<(PathBuf, Box<OpenPartial>), BlobError> {
    let name = key.file_name();
    for attempt in 0..64 {
        let path = dir.join(if attempt == 0 { name.clone() } else { format!("{name}.{attempt}") });
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(BlobError::io("opening the staging file", &path))?;
        if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
            continue;
        }
        // Between opening and locking, the former holder may have renamed the file away.
        if !is_same_file(&file, &path) {
            continue;
        }
        let open = rehash(file, expected).map_err(BlobError::io("reading the staging file", &path))?;
        return Ok((path, Box::new(open)));
    }
    Err(BlobError::Config(format!("`{}` is locked by too many transfers at once", dir.join(name).display())))
}

/// Whether `path` still names the open `file`.
fn is_same_file(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    match (file.metadata(), fs::metadata(path)) {
        (Ok(open), Ok(named)) => open.ino() == named.ino() && open.dev() == named.dev(),
        _ => false,
    }
}

/// A fresh digester for what is expected.
fn digester(expected: &Expected) -> Digester {
    if expected.git_oid.is_some() { Digester::with_git_oid(expected.size) } else { Digester::sha256_only() }
}

/// Hashes what an earlier attempt left; too much of it means starting over.
fn rehash(mut file: File, expected: Expected) -> io::Result<OpenPartial> {
    let mut digester = digester(&expected);
    let length = file.metadata()?.len();
    if length > expected.size {
        file.set_len(0)?;
    } else if length > 0 {
        let mut buffer = vec![0; REHASH_BYTES];
        loop {
            let read = file.read(&mut buffer)?;
            if read == 0 {
                break;
            }
            digester.update(&buffer[..read]);
        }
    }
    file.seek(SeekFrom::End(0))?;
    Ok(OpenPartial { file, digester })
}

/// What the file is doing.
#[derive(Debug)]
enum State {
    /// Nothing is being written.
    Idle(Box<OpenPartial>),
    /// A piece is being hashed and written.
    Busy(JoinHandle<Result<Box<OpenPartial>, BlobError>>),
}

/// A content on its way in: append, then [`Staged::finish`].
#[derive(Debug)]
pub struct Staged {
    path: PathBuf,
    expected: Expected,
    offset: u64,
    pending: Vec<Bytes>,
    pending_bytes: usize,
    /// `None` only after a failed write.
    state: Option<State>,
    reservation: Reservation,
}

impl Staged {
    /// Bytes staged so far, those of earlier attempts included.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// What this content must turn out to be.
    pub fn expected(&self) -> Expected {
        self.expected
    }

    /// Appends bytes; they are hashed and written while the caller fetches the next ones.
    pub async fn write(&mut self, bytes: Bytes) -> Result<(), BlobError> {
        self.offset += bytes.len() as u64;
        self.pending_bytes += bytes.len();
        self.pending.push(bytes);
        if self.pending_bytes >= WRITE_BYTES { self.start_writing().await } else { Ok(()) }
    }

    /// Drops everything staged and starts at byte 0.
    pub async fn restart(&mut self) -> Result<(), BlobError> {
        self.pending.clear();
        self.pending_bytes = 0;
        let open = self.settle().await?;
        let (expected, path) = (self.expected, self.path.clone());
        let open = blocking(move || {
            let mut file = open.file;
            file.set_len(0).and_then(|()| file.rewind()).map_err(BlobError::io("emptying the staging file", &path))?;
            Ok(Box::new(OpenPartial { file, digester: digester(&expected) }))
        })
        .await?;
        self.state = Some(State::Idle(open));
        self.offset = 0;
        Ok(())
    }

    /// Stops here and keeps what has arrived for a later attempt.
    pub async fn park(mut self) -> Result<(), BlobError> {
        self.start_writing().await?;
        self.settle().await.map(drop)
    }

    /// Compares the digests with what was expected; a mismatch moves the bytes to quarantine.
    pub async fn finish(mut self) -> Result<Finished, BlobError> {
        self.start_writing().await?;
        let open = self.settle().await?;
        let found = open.digester.clone().finish();
        if self.expected.matches(&found) {
            let verified = Verified { path: self.path, file: open.file, found, _reservation: self.reservation };
            return Ok(Finished::Verified(verified));
        }
        let mismatch = Mismatch { expected: self.expected, found };
        let path = self.path;
        let quarantined = blocking(move || {
            let kept = path.parent().unwrap_or(Path::new(".")).join("quarantine").join(found.sha256.to_hex());
            fs::rename(&path, &kept).map_err(BlobError::io("moving to quarantine", &path))?;
            Ok(kept)
        })
        .await?;
        drop(open);
        Ok(Finished::Quarantined(Quarantined { mismatch, path: quarantined }))
    }

    /// Waits for the piece before, then hands the pending bytes to a blocking thread.
    async fn start_writing(&mut self) -> Result<(), BlobError> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let mut open = self.settle().await?;
        let pieces = std::mem::take(&mut self.pending);
        self.pending_bytes = 0;
        let path = self.path.clone();
        self.state = Some(State::Busy(tokio::task::spawn_blocking(move || {
            for piece in &pieces {
                open.digester.update(piece);
                open.file.write_all(piece).map_err(BlobError::io("writing the staging file", &path))?;
            }
            Ok(open)
        })));
        Ok(())
    }

    /// Waits until nothing is being written and takes the file.
    async fn settle(&mut self) -> Result<Box<OpenPartial>, BlobError> {
        match self.state.take() {
            Some(State::Idle(open)) => Ok(open),
            Some(State::Busy(handle)) => match handle.await {
                Ok(written) => written,
                Err(error) => Err(joined(&error)),
            },
            None => Err(BlobError::Config("the transfer goes on after a failed write; start it again".to_owned())),
        }
    }
}

/// Bytes in staging whose digest matched: what [`super::BlobStore::promote`] demands.
#[derive(Debug)]
pub struct Verified {
    pub(super) path: PathBuf,
    pub(super) file: File,
    found: BlobDigests,
    _reservation: Reservation,
}

impl Verified {
    /// What the bytes are.
    pub fn digests(&self) -> BlobDigests {
        self.found
    }
}

/// How a staged content ended.
#[derive(Debug)]
pub enum Finished {
    /// It is what was declared.
    Verified(Verified),
    /// It is not; the bytes were put aside.
    Quarantined(Quarantined),
}

/// What was declared and what arrived.
#[derive(Clone, Copy, Debug)]
pub struct Mismatch {
    /// Declared.
    pub expected: Expected,
    /// Arrived.
    pub found: BlobDigests,
}

/// Bytes that are not what was declared, put aside.
#[derive(Clone, Debug)]
pub struct Quarantined {
    /// How they differ.
    pub mismatch: Mismatch,
    /// Where they were put for inspection.
    pub path: PathBuf,
}

/// Runs file work on the blocking pool.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, BlobError> + Send + 'static,
) -> Result<T, BlobError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(joined(&error)),
    }
}

/// A blocking task that was cancelled or panicked.
fn joined(error: &tokio::task::JoinError) -> BlobError {
    BlobError::Config(format!("a storage task ended unexpectedly: {error}"))
}
