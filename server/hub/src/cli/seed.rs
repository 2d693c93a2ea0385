//! `acervo mirror seed`: taking what mirrors lack from a disk.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use acervo_core::Caller;
use clap::Args;
use serde_json::json;

use crate::app::events;
use crate::app::sync::{self, Progress, Seeded, Seeds, Unread};
use crate::cli::progress::shown;
use crate::cli::{mirror, print};
use crate::context::Hub;
use crate::error::HubError;

/// A disk to seed from.
#[derive(Debug, Args)]
pub(super) struct SeedArgs {
    /// Folder with a Hugging Face cache, a downloaded snapshot, or any files; it is only read
    path: PathBuf,
    /// Mirrors to seed, `namespace/name` [default: all]
    repos: Vec<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// `acervo mirror seed`.
pub(super) async fn seed(hub: &Hub, args: &SeedArgs) -> Result<ExitCode, HubError> {
    let mirrors = mirror::chosen(hub, &args.repos).await?;
    if mirrors.is_empty() {
        return Err(HubError::NotFound(
            "there are no mirrors to seed; say what to mirror with `acervo mirror apply` or `acervo mirror add`"
                .to_owned(),
        ));
    }
    let mut seeds = Seeds::open(&args.path).await?;
    let mut rows = Vec::new();
    let mut reports = Vec::new();
    let mut failed = false;
    for mirror in &mirrors {
        let name = mirror.repo.name.as_str();
        let progress = Arc::new(Progress::default());
        let work = sync::seed(hub, &Caller::System, mirror, &mut seeds, &progress);
        match shown(name, args.json, &progress, work).await {
            Ok(done) => {
                rows.push(seeded_row(name, &done));
                reports.push(json!({ "repo": name, "type": mirror.repo.kind, "seeded": done }));
            }
            Err(error) => {
                failed = true;
                print::failure(&format!("`{name}`: {error}"));
                reports.push(json!({ "repo": name, "type": mirror.repo.kind, "error": error.to_string() }));
            }
        }
    }
    events::number_waiting(hub).await?;
    if args.json {
        println!("{}", json!({ "files": seeds.files(), "mirrors": reports, "unread": seeds.unread() }));
    } else {
        print::table(&["repository", "taken from the disk", "here before", "left to fetch"], &rows);
        for Unread { path, why } in seeds.unread() {
            eprintln!("not used: `{}`: {why}", path.display());
        }
    }
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn seeded_row(name: &str, done: &Seeded) -> Vec<String> {
    let both = |files: u64, bytes: u64| format!("{} ({})", print::files(files), print::size(bytes));
    vec![
        name.to_owned(),
        both(done.files_seeded, done.bytes_seeded),
        print::files(done.files_held),
        both(done.files_left, done.bytes_left),
    ]
}
