//! The file beside a partial content that tells which of its bytes are there.
//!
//! A record follows each write, so that a process that dies loses nothing that was told of. A record that is torn or
//! spoiled stands for bytes that are not there; they are fetched again.

use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::path::{Path, PathBuf};

use acervo_core::Sha256Digest;
use bytes::Bytes;

use super::super::disk::Disk;
use super::ranges::Ranges;

/// Leads every sidecar; as long as a record.
const HEADER: &[u8; RECORD_BYTES] = b"acervo byte ranges v1..\n";

/// First byte, byte after the last, and the start of a digest of both.
const RECORD_BYTES: usize = 24;

/// Largest sidecar that is read: more than a terabyte that was written in pieces of a megabyte.
const SIDECAR_BYTES_MAX: u64 = 64 << 20;

/// An open sidecar.
#[derive(Debug)]
pub(super) struct Sidecar {
    file: File,
    path: PathBuf,
    length: u64,
}

impl Sidecar {
    /// Path of the sidecar of a partial file.
    pub(super) fn path_beside(path: &Path) -> PathBuf {
        with_suffix(path, ".ranges")
    }

    /// Where a new sidecar is written before it takes its place.
    pub(super) fn draft_beside(path: &Path) -> PathBuf {
        with_suffix(path, ".ranges-draft")
    }

    /// The partial file that this is a sidecar of, or a draft of one.
    pub(super) fn owner(path: &Path) -> Option<PathBuf> {
        let text = path.to_str()?;
        let owner = text.strip_suffix(".ranges").or_else(|| text.strip_suffix(".ranges-draft"))?;
        Some(PathBuf::from(owner))
    }

    /// What the sidecar of `path` tells, `None` without one.
    pub(super) fn read(path: &Path) -> io::Result<Option<Ranges>> {
        let file = match File::open(Self::path_beside(path)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut bytes = Vec::new();
        file.take(SIDECAR_BYTES_MAX).read_to_end(&mut bytes)?;
        let mut ranges = Ranges::default();
        if let Some(records) = bytes.strip_prefix(HEADER) {
            records.chunks_exact(RECORD_BYTES).filter_map(parse).for_each(|range| ranges.insert(range));
        }
        Ok(Some(ranges))
    }

    /// Makes the sidecar of `path` tell `ranges`, in place of what it told; at no time does it tell less.
    pub(super) fn replace(disk: &Disk, path: &Path, ranges: &Ranges) -> io::Result<Sidecar> {
        let (draft, place) = (Self::draft_beside(path), Self::path_beside(path));
        let mut bytes = HEADER.to_vec();
        ranges.iter().for_each(|range| bytes.extend_from_slice(&record(&range)));
        let length = bytes.len() as u64;
        let drafted = || {
            let file = disk.create(&draft)?;
            disk.truncate(&file, &draft, 0)?;
            disk.write(&file, &draft, 0, &[Bytes::from(bytes)]).1?;
            disk.rename(&draft, &place)?;
            Ok(file)
        };
        let file = drafted().inspect_err(|_: &io::Error| {
            // What matters is why there is no sidecar; the draft goes with the file at the latest.
            let _ = disk.remove(&draft);
        })?;
        Ok(Sidecar { file, path: place, length })
    }

    /// Adds that these bytes are there.
    pub(super) fn add(&mut self, disk: &Disk, range: &Range<u64>) -> io::Result<()> {
        disk.write(&self.file, &self.path, self.length, &[Bytes::copy_from_slice(&record(range))]).1?;
        // Only then: what follows a torn record is written over it.
        self.length += RECORD_BYTES as u64;
        Ok(())
    }

    /// Removes the sidecar of `path` and drafts of it, if there are any.
    pub(super) fn remove(disk: &Disk, path: &Path) -> io::Result<()> {
        disk.remove(&Self::path_beside(path))?;
        disk.remove(&Self::draft_beside(path))
    }
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut text = path.as_os_str().to_owned();
    text.push(suffix);
    PathBuf::from(text)
}

fn record(range: &Range<u64>) -> [u8; RECORD_BYTES] {
    let mut bytes = [0; RECORD_BYTES];
    bytes[..8].copy_from_slice(&range.start.to_be_bytes());
    bytes[8..16].copy_from_slice(&range.end.to_be_bytes());
    let check = Sha256Digest::of(&bytes[..16]);
    bytes[16..].copy_from_slice(&check.as_bytes()[..8]);
    bytes
}

/// The range of a record, `None` if it is spoiled.
fn parse(bytes: &[u8]) -> Option<Range<u64>> {
    let (start, rest) = bytes.split_first_chunk()?;
    let (end, _) = rest.split_first_chunk()?;
    let range = u64::from_be_bytes(*start)..u64::from_be_bytes(*end);
    (record(&range) == bytes).then_some(range)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tempfile::TempDir;

    use super::super::super::disk::Disk;
    use super::super::ranges::Ranges;
    use super::{RECORD_BYTES, Sidecar};

    #[test]
    fn a_sidecar_tells_what_was_added_and_spoiled_records_tell_nothing() {
        let dir = TempDir::new().unwrap();
        let path = dir.path().join("sha256-ab");
        assert!(Sidecar::read(&path).unwrap().is_none());
        let disk = Disk::default();
        let mut sidecar = Sidecar::replace(&disk, &path, &Ranges::prefix_of(10)).unwrap();
        sidecar.add(&disk, &(100..120)).unwrap();
        sidecar.add(&disk, &(50..60)).unwrap();
        let told = |bytes: &[u8]| {
            fs::write(Sidecar::path_beside(&path), bytes).unwrap();
            Sidecar::read(&path).unwrap().unwrap().iter().collect::<Vec<_>>()
        };
        let whole = fs::read(Sidecar::path_beside(&path)).unwrap();
        assert_eq!(told(&whole), [0..10, 50..60, 100..120]);
        assert_eq!(told(&whole[..whole.len() - 1]), [0..10, 100..120], "the torn record");
        // Not one spoiled byte makes a range out of nothing.
        for at in 0..whole.len() {
            let mut spoiled = whole.clone();
            spoiled[at] ^= 0x10;
            let left = told(&spoiled);
            assert_eq!(left.len(), if at < RECORD_BYTES { 0 } else { 2 }, "{at}: {left:?}");
        }
        for garbage in [&b""[..], &[0; 4096], b"never a sidecar"] {
            assert_eq!(told(garbage), []);
        }
    }
}
