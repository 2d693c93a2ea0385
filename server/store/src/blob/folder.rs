//! A store that is a local folder.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use acervo_core::Sha256Digest;
use object_store::local::LocalFileSystem;
use uuid::Uuid;

use super::buffer::Pool;
use super::error::BlobError;
use super::key::BlobKey;
use super::read::{self, BlobReader};

/// The folder that blobs stand in.
#[derive(Clone, Debug)]
pub(super) struct Folder {
    /// The folder, without links.
    pub(super) root: PathBuf,
    /// The same folder, as object stores are seen.
    pub(super) objects: Arc<LocalFileSystem>,
    /// What its blobs are read into.
    chunks: Pool,
}

impl Folder {
    /// Opens (and creates) the folder, and checks that what is staged can be renamed into it.
    pub(super) fn open(root: &Path, staging: &Path) -> Result<Folder, BlobError> {
        fs::create_dir_all(root).map_err(BlobError::io("creating the store folder", root))?;
        let root = root.canonicalize().map_err(BlobError::io("opening the store folder", root))?;
        check_same_filesystem(&root, staging)?;
        let objects = LocalFileSystem::new_with_prefix(&root).map_err(BlobError::store("opening the store folder"))?;
        Ok(Folder { root, objects: Arc::new(objects), chunks: read::chunks() })
    }

    /// Where an object stands.
    pub(super) fn path(&self, key: BlobKey) -> PathBuf {
        self.root.join(key.path().as_ref())
    }

    /// Opens a blob of which `size` bytes are recorded.
    pub(super) fn open_blob(&self, sha256: Sha256Digest, size: u64) -> Result<BlobReader, BlobError> {
        let path = self.path(BlobKey::Blob(sha256));
        let opened = File::open(&path).and_then(|file| file.metadata().map(|metadata| (file, metadata.len())));
        match opened {
            Ok((file, found)) if found == size => Ok(BlobReader::file(file, size, &self.chunks)),
            Ok((_, found)) => Err(BlobError::Damaged { sha256: sha256.to_hex(), recorded: size, found }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(BlobError::Missing(sha256.to_hex())),
            Err(error) => Err(BlobError::io("opening the blob", &path)(error)),
        }
    }

    /// Whether the folder can be read. Whether it takes bytes is what a probe of staging tells, on the same disk.
    pub(super) fn check(&self) -> Result<(), BlobError> {
        fs::read_dir(&self.root).map(drop).map_err(BlobError::io("reading the store folder", &self.root))
    }
}

/// A name that nobody else probes with at the same time: other processes, and other hubs of this one.
fn probe_name() -> String {
    format!("probe-{}", Uuid::now_v7())
}

/// Writes and removes a small file in a folder, to tell whether it takes bytes.
pub(super) fn write_probe(folder: &Path, writing: &'static str, removing: &'static str) -> Result<(), BlobError> {
    let path = folder.join(probe_name());
    let written = fs::write(&path, b"probe").map_err(BlobError::io(writing, &path));
    // Also where there was room for the file and none for its bytes.
    let removed = fs::remove_file(&path).map_err(BlobError::io(removing, &path));
    written.and(removed)
}

/// Refuses a staging folder from which nothing can be renamed into the store; a full disk is no reason not to serve what
/// is on it.
fn check_same_filesystem(root: &Path, staging: &Path) -> Result<(), BlobError> {
    match move_probe(root, staging) {
        Err(full @ BlobError::Full { .. }) => {
            tracing::warn!(error = %full, "what is held is served, and nothing new comes in until there is room");
            Ok(())
        }
        moved => moved,
    }
}

/// Moves an empty file from staging into the store, as promotion does.
fn move_probe(root: &Path, staging: &Path) -> Result<(), BlobError> {
    let name = probe_name();
    let (from, to) = (staging.join(&name), root.join(&name));
    File::create(&from).map_err(BlobError::io("writing to the staging folder", &from))?;
    match fs::rename(&from, &to) {
        Ok(()) => fs::remove_file(&to).map_err(BlobError::io("writing to the store folder", &to)),
        Err(error) => {
            let _ = fs::remove_file(&from);
            if error.kind() == io::ErrorKind::CrossesDevices {
                return Err(BlobError::Config(format!(
                    "the staging folder `{}` and the store `{}` are on different filesystems; set `staging.dir` to a \
                     folder beside the store",
                    staging.display(),
                    root.display()
                )));
            }
            Err(BlobError::io("moving from staging into the store", &to)(error))
        }
    }
}
