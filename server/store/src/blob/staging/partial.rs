//! The local file of one staged content: locked, written at any offset, with a note of what is there.
//!
//! As long as bytes arrive in order, the file's length tells how far they got. Before the first byte that leaves a gap,
//! a sidecar takes over; without one, a file counts as a prefix.

use std::fs::{self, File};
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use acervo_core::Sha256Digest;
use bytes::Bytes;
use rustix::fs::{FlockOperation, flock};

use super::super::disk::Disk;
use super::super::error::BlobError;
use super::ranges::Ranges;
use super::sidecar::Sidecar;

/// Most transfers of one content on one host.
const SIBLINGS_MAX: usize = 64;

/// A locked partial file; the lock goes with it.
#[derive(Debug)]
pub(in crate::blob) struct Partial {
    pub(in crate::blob) path: PathBuf,
    /// Path that the first transfer of a content takes.
    first: PathBuf,
    pub(super) disk: Disk,
    file: File,
    size: u64,
    there: Mutex<There>,
}

#[derive(Debug)]
struct There {
    ranges: Ranges,
    sidecar: Option<Sidecar>,
}

impl Partial {
    /// Opens or resumes the file `name` for a content of `size` bytes; if another transfer holds it, a file of our own.
    pub(super) fn open(disk: &Disk, dir: &Path, name: &str, size: u64) -> Result<Partial, BlobError> {
        let first = dir.join(name);
        for nth in 0..SIBLINGS_MAX {
            let path = sibling(&first, nth);
            if let Some(file) = lock(disk, &path).map_err(BlobError::io("opening the staging file", &path))? {
                let there =
                    recall(disk, &file, &path, size).map_err(BlobError::io("reading the staging file", &path))?;
                return Ok(Partial { path, first, disk: disk.clone(), file, size, there: Mutex::new(there) });
            }
        }
        Err(BlobError::Config(format!("`{}` is locked by too many transfers at once", first.display())))
    }

    /// Another handle for reading, without the lock.
    pub(super) fn reading_handle(&self) -> Result<File, BlobError> {
        File::open(&self.path).map_err(BlobError::io("reading the staging file", &self.path))
    }

    /// End of what is there without a gap from byte 0 on.
    pub(super) fn prefix(&self) -> u64 {
        self.there().ranges.prefix()
    }

    /// Bytes that are there.
    pub(super) fn total(&self) -> u64 {
        self.there().ranges.total()
    }

    /// The first stretch at or after `from` that is not there.
    pub(super) fn gap(&self, from: u64) -> Option<Range<u64>> {
        self.there().ranges.gap(from, self.size)
    }

    /// Writes pieces from `at` on; what was written before an error is noted, too.
    pub(super) fn write(&self, at: u64, pieces: &[Bytes]) -> Result<(), BlobError> {
        let failed = |error| BlobError::io("writing the staging file", &self.path)(error);
        {
            let mut there = self.there();
            if there.sidecar.is_none() && at > there.ranges.prefix() {
                let sidecar = Sidecar::replace(&self.disk, &self.path, &there.ranges).map_err(failed)?;
                there.sidecar = Some(sidecar);
            }
        }
        let (written, done) = self.disk.write(&self.file, &self.path, at, pieces);
        let range = at..at + written;
        let mut there = self.there();
        there.ranges.insert(range.clone());
        let noted = match &mut there.sidecar {
            Some(sidecar) if !range.is_empty() => sidecar.add(&self.disk, &range),
            _ => Ok(()),
        };
        done.and(noted).map_err(failed)
    }

    /// Counts the bytes before `end` as there although they are not in this file: another worker has uploaded them.
    pub(super) fn borrow_prefix(&self, end: u64) -> Result<(), BlobError> {
        let mut there = self.there();
        if there.sidecar.is_none() {
            let sidecar = Sidecar::replace(&self.disk, &self.path, &there.ranges);
            there.sidecar = Some(sidecar.map_err(BlobError::io("writing the staging file", &self.path))?);
        }
        there.ranges.insert(0..end);
        Ok(())
    }

    /// Forgets everything.
    pub(super) fn empty(&self) -> Result<(), BlobError> {
        let mut there = self.there();
        there.ranges = Ranges::default();
        there.sidecar = None;
        // In this order: a sidecar that outlives the bytes tells of bytes beyond the end, which do not count.
        self.disk
            .truncate(&self.file, &self.path, 0)
            .and_then(|()| Sidecar::remove(&self.disk, &self.path))
            .map_err(BlobError::io("emptying the staging file", &self.path))
    }

    /// Ends the note of what is there, for a file that is there as a whole.
    pub(in crate::blob) fn close_note(&self) -> Result<(), BlobError> {
        match self.there().sidecar.take() {
            Some(_) => Sidecar::remove(&self.disk, &self.path).map_err(BlobError::io("removing", &self.path)),
            None => Ok(()),
        }
    }

    /// Flushes the bytes to disk.
    pub(in crate::blob) fn sync(&self) -> Result<(), BlobError> {
        self.disk.sync_file(&self.file, &self.path).map_err(BlobError::io("flushing", &self.path))
    }

    /// Removes the file and its note.
    pub(in crate::blob) fn remove(&self) -> Result<(), BlobError> {
        // In this order: a partial file without its note would count as whole.
        self.disk
            .remove(&self.path)
            .and_then(|()| Sidecar::remove(&self.disk, &self.path))
            .map_err(BlobError::io("removing the staging file", &self.path))
    }

    /// Removes what other transfers of this content have left and nobody works on: it is here now.
    pub(in crate::blob) fn remove_siblings(&self) {
        let others = (0..SIBLINGS_MAX).map(|nth| sibling(&self.first, nth));
        // Later ones are there only beside this one or those before.
        for path in others
            .filter(|path| *path != self.path)
            .enumerate()
            .map_while(|(nth, path)| (nth == 0 || path.exists()).then_some(path))
        {
            if let Err(error) = sweep(&self.disk, &path, 0) {
                tracing::warn!(error = %error, "what another transfer has left stays in staging");
            }
        }
    }

    /// Writes down as what this content is about to be moved away, where its declared identity does not tell; returns
    /// where that stands.
    pub(in crate::blob) fn leave_trail(&self, sha256: Sha256Digest) -> Result<PathBuf, BlobError> {
        let path = trail(&self.first);
        let left = self.disk.create(&path).and_then(|file| {
            self.disk.truncate(&file, &path, 0)?;
            self.disk.write(&file, &path, 0, &[Bytes::from(sha256.to_hex())]).1
        });
        left.map_err(BlobError::io("writing the trail", &path))?;
        Ok(path)
    }

    fn there(&self) -> MutexGuard<'_, There> {
        self.there.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where it stands as what the content staged at `first` was moved away. Not flushed: where it is lost or torn,
/// the content is fetched again.
pub(in crate::blob) fn trail(first: &Path) -> PathBuf {
    let mut text = first.as_os_str().to_owned();
    text.push(".stored");
    PathBuf::from(text)
}

/// Where a trail leads, `None` if there is none that can be read.
pub(in crate::blob) fn trail_end(path: &Path) -> Result<Option<Sha256Digest>, BlobError> {
    match fs::read(path) {
        Ok(text) => Ok(std::str::from_utf8(&text).ok().and_then(|text| text.parse().ok())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(BlobError::io("reading the trail", path)(error)),
    }
}

/// Path of the file that the transfer `nth` of one content takes.
fn sibling(first: &Path, nth: usize) -> PathBuf {
    let Some(name) = first.file_name().filter(|_| nth > 0) else { return first.to_owned() };
    let mut name = name.to_owned();
    name.push(format!(".{nth}"));
    first.with_file_name(name)
}

/// Opens and locks a file; `None` if somebody else holds it.
fn lock(disk: &Disk, path: &Path) -> io::Result<Option<File>> {
    let file = disk.create(path)?;
    if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
        return Ok(None);
    }
    // Between opening and locking, the former holder may have renamed the file away.
    Ok(is_same_file(&file, path).then_some(file))
}

/// Whether `path` still names the open `file`.
fn is_same_file(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    match (file.metadata(), fs::metadata(path)) {
        (Ok(open), Ok(named)) => open.ino() == named.ino() && open.dev() == named.dev(),
        _ => false,
    }
}

/// What an earlier attempt left; too much of it means starting over.
fn recall(disk: &Disk, file: &File, path: &Path, size: u64) -> io::Result<There> {
    let length = file.metadata()?.len();
    let told = Sidecar::read(path)?;
    if length > size {
        disk.truncate(file, path, 0)?;
        Sidecar::remove(disk, path)?;
        return Ok(There { ranges: Ranges::default(), sidecar: None });
    }
    let Some(mut ranges) = told else {
        return Ok(There { ranges: Ranges::prefix_of(length), sidecar: None });
    };
    ranges.clip(length);
    if ranges.is_prefix() {
        // Cut first: without its sidecar, all of the file counts.
        disk.truncate(file, path, ranges.prefix())?;
        Sidecar::remove(disk, path)?;
        return Ok(There { ranges, sidecar: None });
    }
    // Written anew: the old one may end in a torn record.
    let sidecar = Sidecar::replace(disk, path, &ranges)?;
    Ok(There { ranges, sidecar: Some(sidecar) })
}

/// Removes a partial file and its sidecar if they are older than `age_seconds` and nobody works on them; returns the
/// bytes of the file.
pub(super) fn sweep(disk: &Disk, path: &Path, age_seconds: u64) -> Result<Option<u64>, BlobError> {
    let names = [path.to_owned(), Sidecar::path_beside(path), Sidecar::draft_beside(path)];
    let found: Vec<_> = names.iter().filter_map(|name| fs::metadata(name).ok()).collect();
    let age_of = |at: std::time::SystemTime| at.elapsed().map_or(0, |age| age.as_secs());
    let young = |metadata: &fs::Metadata| metadata.modified().map_or(0, age_of) < age_seconds;
    // A sidecar that has outlived its file is of no use, however young.
    let orphaned = !path.exists();
    if found.is_empty() || found.iter().any(|metadata| !metadata.is_file() || (young(metadata) && !orphaned)) {
        return Ok(None);
    }
    // Where there is no file, the lock on a fresh one keeps transfers away meanwhile.
    let failed = |error| BlobError::io("removing the stale", path)(error);
    let Some(file) = lock(disk, path).map_err(failed)? else { return Ok(None) };
    let bytes = file.metadata().map_err(failed)?.len();
    names.iter().try_for_each(|name| disk.remove(name)).map_err(failed)?;
    Ok(Some(bytes))
}
