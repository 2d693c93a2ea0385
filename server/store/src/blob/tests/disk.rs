//! What the disk may do: lose everything that was not flushed, and be full at any moment.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use acervo_core::Sha256Digest;
use bytes::Bytes;
use rustix::io::Errno;
use tempfile::TempDir;

use super::super::disk::{Disk, Operation};
use super::super::{BlobError, BlobStore, Finished};
use super::{content, database, lfs, read, staged_names, store, store_beside};

/// What was done, in order, as the model replays it.
#[derive(Clone, Debug)]
enum Done {
    Create(PathBuf),
    Write(PathBuf, u64, Vec<u8>),
    Truncate(PathBuf, u64),
    SyncFile(PathBuf),
    CreateFolder(PathBuf),
    Rename(PathBuf, PathBuf),
    SyncFolder(PathBuf),
    Remove(PathBuf),
    /// `promote` has returned.
    Promoted(Sha256Digest),
}

impl Done {
    fn of(operation: &Operation<'_>, base: &Path) -> Done {
        let inside = |path: &Path| path.strip_prefix(base).unwrap().to_owned();
        match operation {
            Operation::Create(path) => Done::Create(inside(path)),
            Operation::Write { path, at, pieces } => {
                Done::Write(inside(path), *at, pieces.iter().flat_map(|piece| piece.to_vec()).collect())
            }
            Operation::Truncate { path, length } => Done::Truncate(inside(path), *length),
            Operation::SyncFile(path) => Done::SyncFile(inside(path)),
            Operation::CreateFolder(path) => Done::CreateFolder(inside(path)),
            Operation::Rename { from, to } => Done::Rename(inside(from), inside(to)),
            Operation::SyncFolder(path) => Done::SyncFolder(inside(path)),
            Operation::Remove(path) => Done::Remove(inside(path)),
        }
    }
}

type Log = Arc<Mutex<Vec<Done>>>;

/// A store that notes every operation on its disk.
async fn noted(dir: &TempDir) -> (BlobStore, Log) {
    let (log, base) = (Log::default(), dir.path().canonicalize().unwrap());
    let mut store = store(dir, u64::MAX).await;
    let notes = Arc::clone(&log);
    store.staging.disk = Disk::observed(Arc::new(move |operation| {
        notes.lock().unwrap().push(Done::of(operation, &base));
        Ok(())
    }));
    (store, log)
}

/// How kind the disk is to what was not flushed when the power fails.
#[derive(Clone, Copy, Debug)]
enum Kindness {
    /// All of it is gone.
    None,
    /// Names and lengths are there, the bytes are zeros.
    NamesAlone,
    /// Files that were renamed have both names' effects: the new name is there, bytes are zeros, removals are undone.
    NewNamesAlone,
    /// All of it is there.
    All,
}

/// A disk as it would be after a loss of power: what stands in memory, and what was flushed.
#[derive(Debug, Default)]
struct Model {
    /// Names that processes see, with the number of their file.
    names: BTreeMap<PathBuf, usize>,
    folders: BTreeMap<PathBuf, bool>,
    flushed_names: BTreeMap<PathBuf, usize>,
    /// Bytes in memory and bytes that were flushed, by number.
    files: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Model {
    fn replay(&mut self, done: &Done) {
        match done {
            Done::Create(path) => {
                if !self.names.contains_key(path) {
                    self.names.insert(path.clone(), self.files.len());
                    self.files.push((Vec::new(), Vec::new()));
                }
            }
            Done::Write(path, at, bytes) => {
                let file = &mut self.files[self.names[path]].0;
                let at = usize::try_from(*at).unwrap();
                file.resize(file.len().max(at + bytes.len()), 0);
                file[at..at + bytes.len()].copy_from_slice(bytes);
            }
            Done::Truncate(path, length) => {
                self.files[self.names[path]].0.resize(usize::try_from(*length).unwrap(), 0);
            }
            Done::SyncFile(path) => {
                let (live, flushed) = &mut self.files[self.names[path]];
                flushed.clone_from(live);
            }
            Done::CreateFolder(path) => {
                self.folders.entry(path.clone()).or_insert(false);
            }
            Done::Rename(from, to) => {
                let file = self.names.remove(from).unwrap();
                self.names.insert(to.clone(), file);
            }
            Done::SyncFolder(folder) => {
                let inside = |path: &PathBuf| path.parent() == Some(folder);
                self.flushed_names.retain(|path, _| !inside(path));
                let names = self.names.iter().filter(|(path, _)| inside(path));
                self.flushed_names.extend(names.map(|(path, file)| (path.clone(), *file)));
                self.folders.iter_mut().filter(|(path, _)| inside(path)).for_each(|(_, flushed)| *flushed = true);
            }
            Done::Remove(path) => {
                self.names.remove(path);
            }
            Done::Promoted(_) => {}
        }
    }

    /// Writes what is left into an empty folder.
    fn survive(&self, kindness: Kindness, base: &Path) {
        std::fs::create_dir_all(base.join("staging/quarantine")).unwrap();
        std::fs::create_dir_all(base.join("store")).unwrap();
        let strict = matches!(kindness, Kindness::None);
        let lost = |folder: &Path| {
            strict && folder.ancestors().any(|above| self.folders.get(above).is_some_and(|flushed| !flushed))
        };
        for folder in self.folders.keys().filter(|folder| !lost(folder)) {
            std::fs::create_dir_all(base.join(folder)).unwrap();
        }
        let mut names = if strict { self.flushed_names.clone() } else { self.names.clone() };
        if matches!(kindness, Kindness::NewNamesAlone) {
            self.flushed_names.iter().for_each(|(path, file)| {
                names.entry(path.clone()).or_insert(*file);
            });
        }
        for (path, number) in names {
            if path.parent().is_some_and(lost) {
                continue;
            }
            let (live, flushed) = &self.files[number];
            let mut bytes = if matches!(kindness, Kindness::All) { live.clone() } else { flushed.clone() };
            if !strict {
                bytes.resize(live.len(), 0);
            }
            std::fs::write(base.join(path), bytes).unwrap();
        }
    }
}

/// Brings a content in: in order, or the end first.
async fn bring(store: &BlobStore, bytes: &[u8], in_order: bool) -> Result<Sha256Digest, BlobError> {
    let (key, expected) = lfs(bytes);
    loop {
        let mut staged = store.stage(key, expected).await?;
        let resumed = staged.arrived() > 0;
        let written = async {
            if !in_order && !resumed {
                let middle = bytes.len() / 2;
                let mut writer = staged.writer(middle as u64);
                writer.write(Bytes::copy_from_slice(&bytes[middle..])).await?;
                writer.flush().await?;
            }
            while let Some(gap) = staged.gap(0) {
                let (start, end) = (usize::try_from(gap.start).unwrap(), usize::try_from(gap.end).unwrap());
                let mut writer = staged.writer(gap.start);
                for piece in bytes[start..end].chunks(700_000) {
                    writer.write(Bytes::copy_from_slice(piece)).await?;
                }
                writer.flush().await?;
            }
            Ok(())
        };
        if let Err(error) = written.await {
            let _ = staged.park().await;
            return Err(error);
        }
        staged.write(Bytes::new()).await?;
        match staged.finish().await? {
            Finished::Verified(verified) => {
                let sha256 = verified.digests().sha256;
                store.promote(verified).await?.settle().await?;
                return Ok(sha256);
            }
            Finished::Quarantined(quarantined) => {
                assert!(resumed, "bytes of this attempt alone are right");
                store.discard(quarantined).await?;
            }
        }
    }
}

#[tokio::test]
async fn what_was_promoted_survives_a_loss_of_power_at_every_moment() {
    let dir = TempDir::new().unwrap();
    let (store, log) = noted(&dir).await;
    let db = database(&dir).await;
    // The third shares folders with neither; the last one is there already.
    let contents = [content(1_300_000), content(90_000), content(5), content(90_000)];
    for (nth, bytes) in contents.iter().enumerate() {
        let sha256 = bring(&store, bytes, nth == 1).await.unwrap();
        log.lock().unwrap().push(Done::Promoted(sha256));
    }
    let log = log.lock().unwrap().clone();
    assert!(log.iter().any(|done| matches!(done, Done::Rename(from, _) if from.to_str().unwrap().ends_with("draft"))));

    let mut model = Model::default();
    for moment in 0..=log.len() {
        if moment > 0 {
            model.replay(&log[moment - 1]);
        }
        let promoted: Vec<Sha256Digest> = log[..moment]
            .iter()
            .filter_map(|done| if let Done::Promoted(sha256) = done { Some(*sha256) } else { None })
            .collect();
        for kindness in [Kindness::None, Kindness::NamesAlone, Kindness::NewNamesAlone, Kindness::All] {
            // In memory: what is flushed there again and again would take most of the time.
            let after = TempDir::new_in("/dev/shm").unwrap();
            model.survive(kindness, after.path());
            let store = store_beside(&after, u64::MAX, &db).await;
            let told = format!("after {moment} of {} operations, {kindness:?}", log.len());
            for bytes in &contents {
                let sha256 = Sha256Digest::of(bytes);
                // A blob that has its name is whole, promoted or not; one that was promoted has its name.
                match store.size_of(sha256).await.unwrap() {
                    Some(_) => assert!(read(&store, sha256, 0, u64::MAX).await == *bytes, "{told}"),
                    None => assert!(!promoted.contains(&sha256), "{told}: {sha256} is gone"),
                }
            }
            // Whatever is left of the rest, another attempt comes to its end.
            if moment % 7 == 0 || moment == log.len() {
                for bytes in &contents {
                    let sha256 = bring(&store, bytes, true).await.unwrap();
                    assert!(read(&store, sha256, 0, u64::MAX).await == *bytes, "{told}");
                }
            }
        }
    }
}

#[tokio::test]
async fn a_disk_that_is_full_at_any_moment_is_told_and_what_is_there_is_kept() {
    let bytes = content(2_500_000);
    let rows = TempDir::new().unwrap();
    let db = database(&rows).await;
    for in_order in [true, false] {
        let mut refused_at = 0;
        loop {
            let dir = TempDir::new().unwrap();
            let mut full = store_beside(&dir, u64::MAX, &db).await;
            let (seen, kept) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
            let (counted, noted) = (Arc::clone(&seen), Arc::clone(&kept));
            full.staging.disk = Disk::observed(Arc::new(move |operation| {
                let nth = counted.fetch_add(1, Ordering::SeqCst);
                // Removing takes no room; flushing may, where room is given late.
                if nth >= refused_at && !matches!(operation, Operation::Remove(_)) {
                    return Err(Errno::NOSPC.into());
                }
                if let Operation::Write { path, pieces, .. } = operation
                    && !path.to_str().unwrap().contains(".ranges")
                {
                    noted.fetch_add(pieces.iter().map(|piece| piece.len()).sum(), Ordering::SeqCst);
                }
                Ok::<(), io::Error>(())
            }));
            let ended = bring(&full, &bytes, in_order).await;
            let Err(error) = ended else {
                assert!(seen.load(Ordering::SeqCst) <= refused_at, "every operation was refused once");
                break;
            };
            assert!(matches!(error, BlobError::Full { .. }), "operation {refused_at}: {error}");
            drop(full);

            let store = store_beside(&dir, u64::MAX, &db).await;
            let (key, expected) = lfs(&bytes);
            let staged = store.stage(key, expected).await.unwrap();
            let there = match store.size_of(Sha256Digest::of(&bytes)).await.unwrap() {
                // Only the flush of its folder was refused.
                Some(size) => size,
                None => staged.arrived(),
            };
            let there = usize::try_from(there).unwrap();
            let (written, pieces) = (kept.load(Ordering::SeqCst), 1_400_000);
            // All but one piece, whose note was refused.
            assert!(there <= written && there + pieces >= written, "{refused_at}: {there} of {written}");
            assert!(!in_order || there == written, "{refused_at}: {there} of {written}");
            staged.park().await.unwrap();
            let sha256 = bring(&store, &bytes, true).await.unwrap();
            assert!(read(&store, sha256, 0, u64::MAX).await == bytes);
            assert!(staged_names(&dir).is_empty(), "{:?}", staged_names(&dir));
            refused_at += 1;
        }
        assert!(refused_at >= 10, "{refused_at} operations are too few to be all of them");
    }
}
