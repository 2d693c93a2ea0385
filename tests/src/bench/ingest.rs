//! The way in: `acervo sync` from a hub on this machine, beside copying the same bytes on the same disk and flushing them.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use crate::buffer::Buffer;
use crate::machine::{self, Usage};
use crate::servers::Acervo;
use crate::upstream::{Source, Upstream};

/// Bytes copied at a time.
const COPY_BYTES: usize = 1024 * 1024;

/// What one round took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Round {
    /// The sync.
    pub(crate) sync: Usage,
    /// Processor seconds of the upstream meanwhile.
    pub(crate) upstream: f64,
    /// The copy.
    pub(crate) copy: Usage,
}

/// Copies and syncs one repository once each, in new folders, and removes them.
pub(crate) fn round(
    folder: &Path,
    binary: &Path,
    upstream: &Upstream,
    repo: &str,
    sources: &[Source],
) -> Result<Round> {
    let from = sources.first().and_then(|source| source.file.parent()).context("a repository without files")?;
    let to = folder.join("copy");
    settle()?;
    let mut command = Command::new(std::env::current_exe()?);
    let copy = machine::run(command.arg("copy").arg(from).arg(&to), &folder.join("copy.log"))?;
    fs::remove_dir_all(&to)?;

    let acervo = Acervo::new(binary, &folder.join("ingest"), upstream.server.addr)?;
    acervo.run(&["mirror", "add", repo])?;
    settle()?;
    let before = machine::seconds_of(&upstream.server.pids())?;
    let sync = machine::run(&mut acervo.command(&["sync", repo]), &folder.join("sync.log"))?;
    let upstream = machine::seconds_of(&upstream.server.pids())? - before;
    for source in sources {
        let path = acervo.blob(&source.digests.sha256);
        check(&path, source).with_context(|| format!("after a sync, `{}`", path.display()))?;
    }
    fs::remove_dir_all(acervo.folder())?;
    Ok(Round { sync, upstream, copy })
}

/// Copies the files of a folder into a new one, flushing each and at last the folder: `dd conv=fsync` for many.
pub(crate) fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir(to).with_context(|| format!("creating `{}`", to.display()))?;
    let mut buffer = Buffer::new(COPY_BYTES);
    for entry in fs::read_dir(from).with_context(|| format!("reading `{}`", from.display()))? {
        let entry = entry?;
        let mut source = File::open(entry.path())?;
        let mut copied = File::create_new(to.join(entry.file_name()))?;
        loop {
            let read = source.read(&mut buffer)?;
            if read == 0 {
                break;
            }
            copied.write_all(&buffer[..read])?;
        }
        copied.sync_all()?;
    }
    Ok(File::open(to)?.sync_all()?)
}

/// Compares a stored blob with what was offered.
fn check(path: &Path, source: &Source) -> Result<()> {
    let mut file = File::open(path)?;
    let mut buffer = Buffer::new(COPY_BYTES);
    let mut at = 0;
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            break;
        }
        ensure!(source.content.matches(at, &buffer[..read]), "the bytes from {at} on are wrong");
        at += read as u64;
    }
    ensure!(at == source.content.size, "{at} bytes where there should be {}", source.content.size);
    Ok(())
}

/// Waits until the disk has nothing left to write from before.
fn settle() -> Result<()> {
    let status = Command::new("sync").status().context("running `sync`")?;
    ensure!(status.success(), "`sync` failed");
    Ok(())
}
