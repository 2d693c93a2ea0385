//! Every operation on the local disk that matters when the power fails or the disk is full.
//!
//! Owns the order of writing, flushing and renaming, and nothing else. Tests give it an observer, which sees each
//! operation before it is done and may refuse it.

use std::collections::HashSet;
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use super::error::BlobError;

/// Most pieces written by one call; Linux takes 1024.
const PIECES_MAX: usize = 512;

/// What is about to be done.
#[derive(Debug)]
#[cfg_attr(not(test), expect(dead_code, reason = "read by the observers of tests"))]
pub(super) enum Operation<'a> {
    /// A file is opened, and made if it is not there.
    Create(&'a Path),
    /// Bytes go to a file at an offset.
    Write {
        /// The file.
        path: &'a Path,
        /// Offset of the first byte.
        at: u64,
        /// The bytes.
        pieces: &'a [IoSlice<'a>],
    },
    /// A file is cut to a length.
    Truncate {
        /// The file.
        path: &'a Path,
        /// Its length from then on.
        length: u64,
    },
    /// A file's bytes are flushed.
    SyncFile(&'a Path),
    /// A folder is made.
    CreateFolder(&'a Path),
    /// A file gets another name; one that had it is gone.
    Rename {
        /// The name until now.
        from: &'a Path,
        /// The name from then on.
        to: &'a Path,
    },
    /// A folder's entries are flushed.
    SyncFolder(&'a Path),
    /// A file is removed.
    Remove(&'a Path),
}

type Observer = Arc<dyn Fn(&Operation<'_>) -> io::Result<()> + Send + Sync>;

/// The local disk.
#[derive(Clone, Default)]
pub(super) struct Disk {
    observer: Option<Observer>,
    /// Folders whose own entries are known to be flushed: another transfer may have made one a moment ago without
    /// having flushed it yet.
    flushed_folders: Arc<Mutex<HashSet<PathBuf>>>,
}

impl Disk {
    /// A disk whose operations are watched.
    #[cfg(test)]
    pub(super) fn observed(observer: Observer) -> Self {
        Disk { observer: Some(observer), ..Disk::default() }
    }

    /// Opens a file for reading and writing, and makes it if it is not there.
    pub(super) fn create(&self, path: &Path) -> io::Result<File> {
        self.tell(&Operation::Create(path))?;
        OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)
    }

    /// Writes pieces one after the other from `at` on; returns how many bytes were written before an error, if any.
    pub(super) fn write(&self, file: &File, path: &Path, at: u64, pieces: &[Bytes]) -> (u64, io::Result<()>) {
        let mut written = 0;
        for group in pieces.chunks(PIECES_MAX) {
            let mut slices: Vec<IoSlice<'_>> = group.iter().map(|piece| IoSlice::new(piece)).collect();
            let mut rest = &mut slices[..];
            // Empty pieces at the front would look like a disk that takes nothing.
            IoSlice::advance_slices(&mut rest, 0);
            while !rest.is_empty() {
                let done = self
                    .tell(&Operation::Write { path, at: at + written, pieces: rest })
                    .and_then(|()| Ok(rustix::io::pwritev(file, rest, at + written)?));
                match done {
                    Ok(0) => return (written, Err(io::ErrorKind::WriteZero.into())),
                    Ok(count) => {
                        written += count as u64;
                        IoSlice::advance_slices(&mut rest, count);
                    }
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return (written, Err(error)),
                }
            }
        }
        (written, Ok(()))
    }

    /// Cuts a file to a length.
    pub(super) fn truncate(&self, file: &File, path: &Path, length: u64) -> io::Result<()> {
        self.tell(&Operation::Truncate { path, length })?;
        file.set_len(length)
    }

    /// Flushes a file's bytes.
    pub(super) fn sync_file(&self, file: &File, path: &Path) -> io::Result<()> {
        self.tell(&Operation::SyncFile(path))?;
        file.sync_all()
    }

    /// Gives a file another name.
    pub(super) fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.tell(&Operation::Rename { from, to })?;
        fs::rename(from, to)
    }

    /// Removes a file; one that is not there is removed already.
    pub(super) fn remove(&self, path: &Path) -> io::Result<()> {
        self.tell(&Operation::Remove(path))?;
        match fs::remove_file(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            done => done,
        }
    }

    /// Flushes a folder's entries.
    pub(super) fn sync_folder(&self, folder: &Path) -> Result<(), BlobError> {
        self.tell(&Operation::SyncFolder(folder))
            .and_then(|()| File::open(folder)?.sync_all())
            .map_err(BlobError::io("flushing the folder", folder))
    }

    /// Makes the folders from `root` down to `folder`; when this returns, they survive a loss of power.
    pub(super) fn create_folders(&self, root: &Path, folder: &Path) -> Result<(), BlobError> {
        let known =
            |folders: &Mutex<HashSet<PathBuf>>| folders.lock().unwrap_or_else(PoisonError::into_inner).contains(folder);
        // Looked at again: somebody else may have tidied up.
        if folder == root || (known(&self.flushed_folders) && folder.is_dir()) {
            return Ok(());
        }
        let parent = folder.parent().unwrap_or(root);
        self.create_folders(root, parent)?;
        let made = self.tell(&Operation::CreateFolder(folder)).and_then(|()| fs::create_dir(folder));
        match made {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists || !folder.is_dir() => {
                return Err(BlobError::io("creating the folder", folder)(error));
            }
            Ok(()) | Err(_) => self.sync_folder(parent)?,
        }
        self.flushed_folders.lock().unwrap_or_else(PoisonError::into_inner).insert(folder.to_owned());
        Ok(())
    }

    fn tell(&self, operation: &Operation<'_>) -> io::Result<()> {
        self.observer.as_ref().map_or(Ok(()), |observer| observer(operation))
    }
}

impl fmt::Debug for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Disk").field("observed", &self.observer.is_some()).finish_non_exhaustive()
    }
}
