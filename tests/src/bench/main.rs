//! Benchmarks. Of bytes and of small answers: Acervo beside nginx on the same files, in one run, by turns; every byte that
//! arrives is checked. Of the catalogue: lists and searches over very many repositories.
//!
//! Numbers never fail it: only wrong bytes, or a measurement that cannot be made, do. `tests/bench` builds and starts it.

mod buffer;
mod catalog;
mod client;
mod content;
mod flood;
mod ingest;
mod load;
mod machine;
mod metadata;
mod report;
mod servers;
mod turns;
mod upstream;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::load::{Check, Target};
use crate::report::Row;
use crate::servers::{Acervo, blob_path, files_below, free_address, nginx};
use crate::turns::{Pair, by_turns};
use crate::upstream::Upstream;

/// Bytes of a range.
const RANGE_BYTES: u64 = 1024 * 1024;

/// Clients that ask for ranges and headers.
const CLIENTS: usize = 8;

/// Aim of whole files.
const WHOLE_AIM: &str = "ratio >= 0.9, Acervo <= 0.45 CPU s/GB";

#[derive(Parser)]
#[command(name = "tests/bench", about = "Measures Acervo beside nginx, and prints tables")]
struct Arguments {
    #[command(subcommand)]
    command: What,
}

#[derive(Subcommand)]
enum What {
    /// Bytes out and in: whole files, ranges, first bytes, HEAD requests, ingest
    Bytes(Options),
    /// Small answers: HEAD, a small file, a repository's description, a listing of a thousand entries
    Metadata(metadata::Options),
    /// Lists and searches over very many repositories, on both databases
    Catalog(catalog::Options),
    /// Copies a folder and flushes it, for the comparison
    #[command(hide = true)]
    Copy { from: PathBuf, to: PathBuf },
}

#[derive(Args)]
struct Options {
    /// A smaller file and shorter runs: for trying out, not for judging
    #[arg(long)]
    quick: bool,
    /// Measure only these parts
    #[arg(long, value_enum)]
    only: Vec<Part>,
    /// Rounds of each measurement
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Folder on the disk to measure; everything goes into a new one below it, which is removed
    #[arg(long, default_value = ".")]
    folder: PathBuf,
    /// Another binary of Acervo than the one built beside this program
    #[arg(long)]
    acervo: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    Whole,
    Ranges,
    Latency,
    Ingest,
}

/// How much is measured.
struct Scale {
    large_bytes: u64,
    small_count: u64,
    /// Downloads of a lone client, which would be too short otherwise.
    lone_times: usize,
    first_bytes: usize,
    time: Duration,
}

impl Options {
    fn scale(&self) -> Scale {
        if self.quick {
            let time = Duration::from_secs(2);
            return Scale { large_bytes: 256 << 20, small_count: 200, lone_times: 4, first_bytes: 200, time };
        }
        let time = Duration::from_secs(10);
        Scale { large_bytes: 2 << 30, small_count: 2000, lone_times: 3, first_bytes: 1000, time }
    }

    fn measures(&self, part: Part) -> bool {
        self.only.is_empty() || self.only.contains(&part)
    }
}

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        What::Bytes(options) => bytes(&options),
        What::Metadata(options) => metadata::run(&options),
        What::Catalog(options) => catalog::run(&options),
        What::Copy { from, to } => ingest::copy(&from, &to),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn bytes(options: &Options) -> Result<()> {
    ensure!(options.rounds > 0, "`--rounds` must be at least 1");
    let scale = options.scale();
    let binary = binary(options.acervo.as_deref())?;
    let folder = tempfile::Builder::new().prefix("acervo-bench-").tempdir_in(&options.folder)?;
    let at = folder.path().canonicalize()?;
    let facts = facts(&at, &binary)?;

    say("making files and an upstream");
    let upstream = Upstream::start(&at.join("upstream"), scale.large_bytes, scale.small_count)?;
    let mut tables = Vec::new();
    if options.measures(Part::Ingest) {
        tables.push(ingest_table(options, &at, &binary, &upstream)?);
    }
    if [Part::Whole, Part::Ranges, Part::Latency].into_iter().any(|part| options.measures(part)) {
        tables.push(serving_tables(options, &scale, &at, &binary, &upstream)?);
    }
    println!("{}\n", facts.iter().map(|fact| format!("- {fact}")).collect::<Vec<_>>().join("\n"));
    println!("{}", tables.join("\n"));
    Ok(())
}

/// Measures the way in.
fn ingest_table(options: &Options, folder: &Path, binary: &Path, upstream: &Upstream) -> Result<String> {
    let gibibytes = upstream.large.content.size as f64 / f64::from(1 << 30);
    let repos = [
        ("bench/large", std::slice::from_ref(&upstream.large), format!("one file of {gibibytes} GiB")),
        ("bench/small", upstream.small.as_slice(), format!("{} files of 8 to 64 KiB", upstream.small.len())),
    ];
    let mut rows = Vec::new();
    for (repo, sources, what) in repos {
        let mut rounds = Vec::new();
        for number in 1..=options.rounds {
            say(&format!("ingest of {what}, round {number}"));
            rounds.push(ingest::round(folder, binary, upstream, repo, sources)?);
        }
        rows.push((what, sources.iter().map(|source| source.content.size).sum(), rounds));
    }
    Ok(report::ingests(&rows))
}

/// Measures the way out.
fn serving_tables(
    options: &Options,
    scale: &Scale,
    folder: &Path,
    binary: &Path,
    upstream: &Upstream,
) -> Result<String> {
    say("filling the store that both servers read");
    let acervo = Acervo::new(binary, &folder.join("acervo"), upstream.server.addr)?;
    for repo in ["bench/large", "bench/small"] {
        acervo.run(&["mirror", "add", repo])?;
        acervo.run(&["sync", repo])?;
    }
    let addr = free_address()?;
    let nginx = nginx(&folder.join("nginx"), addr, &files_below(addr, &acervo.store()))?;
    let served = acervo.serve()?;
    let offered = |repo: &str, source: &upstream::Source| -> [Target; 2] {
        let target = |addr, path| Target { addr, path, content: source.content, sha256: source.digests.sha256.clone() };
        [
            target(served.addr, format!("/{repo}/resolve/main/{}", source.path)),
            target(nginx.addr, blob_path(&source.digests.sha256)),
        ]
    };
    let small = upstream.small.first().context("no small file")?;
    let (large, small) = (offered("bench/large", &upstream.large), offered("bench/small", small));
    let pair = Pair { acervo: served, nginx };

    let (mut transfers, mut latencies) = (Vec::new(), Vec::new());
    if options.measures(Part::Whole) {
        for clients in [1, 8, 32] {
            let times = if clients == 1 { scale.lone_times } else { 1 };
            for (check, how, rounds) in [(Check::Sha256, "SHA-256", 1), (Check::Compare, "compared", options.rounds)] {
                let aim = match (check, clients) {
                    (Check::Compare, 32) => "ratio >= 0.9, Acervo <= 0.45 CPU s/GB, <= 150 MiB",
                    (Check::Compare, _) => WHOLE_AIM,
                    (Check::Sha256, _) => "",
                };
                let what = format!("large file, {how}");
                let measure = |target: &Target| load::whole(target, clients, times, check);
                transfers.push(by_turns(&pair, &large, &what, clients, rounds, aim, measure)?);
            }
        }
        let store = acervo.blob(&upstream.large.digests.sha256);
        let cold = |target: &Target| {
            forget(&store)?;
            load::whole(target, 1, 1, Check::Compare)
        };
        transfers.push(by_turns(&pair, &large, "large file, not in memory", 1, options.rounds, "", cold)?);
        load::whole(&large[1], 1, 1, Check::Compare)?;
    }
    if options.measures(Part::Ranges) {
        let measure = |target: &Target| load::ranges(target, CLIENTS, RANGE_BYTES, scale.time);
        let aim = "ratio >= 0.8, p99 <= 10 ms, no failures";
        let row = by_turns(&pair, &large, "1 MiB ranges", CLIENTS, options.rounds, aim, measure)?;
        latencies.push(row.clone());
        transfers.push(row);
    }
    if options.measures(Part::Latency) {
        let aim = "<= 2 ms";
        let first = |target: &Target| load::first_bytes(target, scale.first_bytes);
        latencies.push(by_turns(&pair, &small, "first byte, small file", 1, options.rounds, aim, first)?);
        latencies.push(by_turns(&pair, &large, "first byte, large file", 1, options.rounds, aim, first)?);
        let heads = |target: &Target| load::heads(target, CLIENTS, scale.time);
        latencies.push(by_turns(&pair, &small, "HEAD", CLIENTS, options.rounds, "", heads)?);
    }
    let all: Vec<Row> =
        transfers.iter().chain(latencies.iter().filter(|row| row.what != "1 MiB ranges")).cloned().collect();
    let tables = [report::transfers(&transfers), report::latencies(&latencies), report::bounds(&all)];
    Ok(tables.join("\n"))
}

/// Asks the system to drop a file from memory.
fn forget(path: &Path) -> Result<()> {
    let mut input = std::ffi::OsString::from("if=");
    input.push(path);
    let status = Command::new("dd").arg(input).args(["iflag=nocache", "count=0", "status=none"]).status()?;
    ensure!(status.success(), "`dd` failed to drop `{}` from memory", path.display());
    Ok(())
}

/// The binary to measure: the one named, or the one built beside this program.
fn binary(named: Option<&Path>) -> Result<PathBuf> {
    let binary = match named {
        Some(path) => path.canonicalize().with_context(|| format!("there is no `{}`", path.display()))?,
        None => std::env::current_exe()?.with_file_name("acervo"),
    };
    ensure!(binary.is_file(), "`{}` is not built; start the benchmark with `tests/bench`", binary.display());
    Ok(binary)
}

/// The facts beside a table.
fn facts(folder: &Path, binary: &Path) -> Result<Vec<String>> {
    let mut facts = machine::facts(folder);
    facts.push(format!("{}, {} workers, sendfile", servers::nginx_version()?, machine::cores()));
    facts.push(version(binary)?);
    Ok(facts)
}

/// What `acervo --version` says.
fn version(binary: &Path) -> Result<String> {
    let output = Command::new(binary).arg("--version").output().context("running acervo")?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Tells how far it is; the tables alone go to standard output.
fn say(what: &str) {
    eprintln!("==> {what}");
}
