//! `acervo mirror lock` and `diff`: what is mirrored, written down and compared.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use acervo_core::lock::{LockDiff, RepoDiff};
use acervo_core::{Caller, CommitOid, lock};
use clap::Args;

use crate::app::locks;
use crate::cli::{DIFFERS, mirror, print};
use crate::context::Hub;
use crate::error::HubError;

/// Where locks are written to and read from if nothing else is said.
pub(super) const LOCK_FILE: &str = "mirrors.lock";

/// What to lock, and where.
#[derive(Debug, Args)]
pub(super) struct LockArgs {
    /// Mirrors to lock, `namespace/name` [default: all]
    repos: Vec<String>,
    /// File to write; `-` for standard output
    #[arg(long, short, value_name = "FILE", default_value = LOCK_FILE)]
    output: PathBuf,
}

/// Two lockfiles.
#[derive(Debug, Args)]
pub(super) struct DiffArgs {
    /// The one before
    before: PathBuf,
    /// The one after
    after: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Reads a lockfile.
pub(super) fn read_lock(path: &Path) -> Result<lock::Lock, HubError> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        HubError::Invalid(format!("`{}` cannot be read: {error}; make one with `acervo mirror lock`", path.display()))
    })?;
    locks::read(&text).map_err(|error| HubError::Invalid(format!("`{}`, {error}", path.display())))
}

/// `acervo mirror lock`.
pub(super) async fn lock(hub: &Hub, args: &LockArgs) -> Result<ExitCode, HubError> {
    let mirrors = mirror::chosen(hub, &args.repos).await?;
    let lock = locks::lock(hub, &Caller::System, &mirrors).await?;
    let text = lock.to_text();
    if args.output == Path::new("-") {
        print!("{text}");
        return Ok(ExitCode::SUCCESS);
    }
    std::fs::write(&args.output, text).map_err(|error| {
        HubError::Invalid(format!(
            "`{}` cannot be written: {error}; name another with `--output`",
            args.output.display()
        ))
    })?;
    eprintln!("locked {} repositories in `{}`", lock.repos.len(), args.output.display());
    Ok(ExitCode::SUCCESS)
}

/// `acervo mirror diff`.
pub(super) fn diff(args: &DiffArgs) -> Result<ExitCode, HubError> {
    let found = lock::diff(&read_lock(&args.before)?, &read_lock(&args.after)?);
    if args.json {
        println!("{}", print::as_json(&found)?);
    } else {
        print_diff(&found);
    }
    Ok(if found.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(DIFFERS) })
}

fn print_diff(found: &LockDiff) {
    if found.is_empty() {
        println!("no difference");
    }
    for repo in &found.repos {
        print_repo_diff(repo);
    }
}

fn print_repo_diff(repo: &RepoDiff) {
    println!("{} {} {}", repo.change, repo.kind, repo.name);
    if let Some([before, after]) = &repo.upstream {
        println!("  from {before} to {after}");
    }
    if repo.selection.is_some() {
        println!("  another part of it is held");
    }
    let short = |oid: Option<CommitOid>| oid.map_or_else(|| "nothing".to_owned(), |oid| oid.to_hex()[..12].to_owned());
    for moved in &repo.revisions {
        println!("  {} {}: {} -> {}", moved.kind.as_str(), moved.name, short(moved.before), short(moved.after));
    }
    for file in &repo.files {
        let size = |state: &lock::FileState| print::size(state.size);
        let what = match (&file.before, &file.after) {
            (None, Some(after)) => format!("+ {} ({})", file.path, size(after)),
            (Some(before), None) => format!("- {} ({})", file.path, size(before)),
            (Some(before), Some(after)) => format!("~ {} ({} -> {})", file.path, size(before), size(after)),
            (None, None) => continue,
        };
        println!("    {}: {what}", file.revision);
    }
}
