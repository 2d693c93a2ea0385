//! The tables: medians of the rounds, beside what is aimed at, as Markdown.

use std::fmt::Write as _;
use std::time::Duration;

use crate::ingest;
use crate::load::Answers;
use crate::machine::{self, Usage};

const MEBIBYTE: f64 = 1024.0 * 1024.0;

/// One run of one server.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    /// What its clients saw.
    pub(crate) answers: Answers,
    /// What it took.
    pub(crate) usage: Usage,
}

/// All runs of one measurement.
#[derive(Clone, Debug, Default)]
pub(crate) struct Row {
    /// What was measured.
    pub(crate) what: String,
    /// Clients at the same time.
    pub(crate) clients: usize,
    /// Runs of Acervo.
    pub(crate) acervo: Vec<Run>,
    /// Runs of nginx.
    pub(crate) nginx: Vec<Run>,
    /// What is aimed at; empty for rows without an aim.
    pub(crate) aim: &'static str,
}

/// The middle of some numbers; the lower one of two.
fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers.get((numbers.len().max(1) - 1) / 2).copied().unwrap_or_default()
}

fn middle(runs: &[Run], of: impl Fn(&Run) -> f64) -> f64 {
    median(runs.iter().map(of).collect())
}

fn most(runs: &[Run], of: impl Fn(&Run) -> f64) -> f64 {
    runs.iter().map(of).fold(0.0, f64::max)
}

fn rate(run: &Run) -> f64 {
    run.answers.bytes as f64 / 1e6 / run.usage.wall
}

fn requests_a_second(run: &Run) -> f64 {
    run.answers.took.len() as f64 / run.usage.wall
}

fn seconds_a_gigabyte(run: &Run) -> f64 {
    run.usage.server / (run.answers.bytes as f64 / 1e9)
}

/// The time within which this share of all answers of all runs were there, in milliseconds.
fn percentile(runs: &[Run], share: f64) -> f64 {
    let mut took: Vec<Duration> = runs.iter().flat_map(|run| run.answers.took.iter().copied()).collect();
    took.sort_unstable();
    let at = (took.len() as f64 * share).ceil() as usize;
    took.get(at.max(1) - 1).map_or(0.0, |took| took.as_secs_f64() * 1e3)
}

/// Bytes a second, processor time and memory of transfers.
pub(crate) fn transfers(rows: &[Row]) -> String {
    let mut text = String::from(
        "| transfer | clients | Acervo MB/s | nginx MB/s | ratio | CPU s/GB Acervo | CPU s/GB nginx | anonymous MiB Acervo | nginx | aim |\n\
         |---|--:|--:|--:|--:|--:|--:|--:|--:|---|\n",
    );
    for row in rows {
        let (acervo, nginx) = (middle(&row.acervo, rate), middle(&row.nginx, rate));
        let memory = |runs: &[Run]| most(runs, |run| run.usage.anonymous as f64 / MEBIBYTE);
        let _ = writeln!(
            text,
            "| {} | {} | {acervo:.0} | {nginx:.0} | {:.2} | {:.2} | {:.2} | {:.0} | {:.0} | {} |",
            row.what,
            row.clients,
            acervo / nginx,
            middle(&row.acervo, seconds_a_gigabyte),
            middle(&row.nginx, seconds_a_gigabyte),
            memory(&row.acervo),
            memory(&row.nginx),
            row.aim,
        );
    }
    text
}

/// How long single answers take.
pub(crate) fn latencies(rows: &[Row]) -> String {
    let mut text = String::from(
        "| answers | clients | Acervo p50 ms | p99 ms | failed | nginx p50 ms | p99 ms | failed | Acervo requests/s | nginx | CPU µs each Acervo | nginx | aim |\n\
         |---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|---|\n",
    );
    for row in rows {
        let mut cells = vec![row.what.clone(), row.clients.to_string()];
        for runs in [&row.acervo, &row.nginx] {
            cells.push(format!("{:.2}", percentile(runs, 0.50)));
            cells.push(format!("{:.2}", percentile(runs, 0.99)));
            cells.push(runs.iter().map(|run| run.answers.failures).sum::<u64>().to_string());
        }
        for runs in [&row.acervo, &row.nginx] {
            cells.push(format!("{:.0}", middle(runs, requests_a_second)));
        }
        for runs in [&row.acervo, &row.nginx] {
            let each = |run: &Run| run.usage.server * 1e6 / run.answers.took.len().max(1) as f64;
            cells.push(format!("{:.0}", middle(runs, each)));
        }
        cells.push(row.aim.to_owned());
        let _ = writeln!(text, "| {} |", cells.join(" | "));
    }
    text
}

/// Whose processors were busy in each row.
pub(crate) fn bounds(rows: &[Row]) -> String {
    let mut text = String::from(
        "| row | clients | cores busy beside Acervo: server + clients + others | bounded by | beside nginx | bounded by |\n|---|--:|--:|---|--:|---|\n",
    );
    for row in rows {
        let mut cells = vec![row.what.clone(), row.clients.to_string()];
        for runs in [&row.acervo, &row.nginx] {
            let share = |of: fn(&Usage) -> f64| middle(runs, |run| of(&run.usage) / run.usage.wall);
            let (server, clients, others) = (share(|u| u.server), share(|u| u.clients), share(|u| u.others));
            cells.push(format!("{server:.2} + {clients:.2} + {others:.2}"));
            cells.push(bound(server, clients, others, row.clients).to_owned());
        }
        let _ = writeln!(text, "| {} |", cells.join(" | "));
    }
    text
}

/// What was used up, by the cores that each side kept busy.
fn bound(server: f64, clients: f64, others: f64, count: usize) -> &'static str {
    /// From this share of a core on, it counts as used up.
    const FULL: f64 = 0.9;
    let cores = machine::cores() as f64;
    match () {
        () if others > 0.15 * cores => "other work on this machine: not a fair run",
        () if server + clients + others >= FULL * cores => "all cores, shared with the clients",
        () if count == 1 && server >= FULL => "the one server thread that a connection has",
        () if count == 1 && clients >= FULL => "the client's one thread",
        () if count == 1 => "server and client waiting for each other",
        () => "waiting (disk or wake-ups)",
    }
}

/// The way in.
pub(crate) fn ingests(rows: &[(String, u64, Vec<ingest::Round>)]) -> String {
    let mut text = String::from(
        "| ingest | sync MB/s | copy + fsync MB/s | ratio | CPU s/GB sync | copy | upstream | anonymous MiB sync | aim |\n\
         |---|--:|--:|--:|--:|--:|--:|--:|---|\n",
    );
    for (what, bytes, rounds) in rows {
        let of = |get: &dyn Fn(&ingest::Round) -> f64| median(rounds.iter().map(get).collect());
        let bytes = *bytes as f64;
        let (sync, copy) = (of(&|round| round.sync.wall), of(&|round| round.copy.wall));
        let _ = writeln!(
            text,
            "| {what} | {:.0} | {:.0} | {:.2} | {:.2} | {:.2} | {:.2} | {:.0} | >= 0.8 |",
            bytes / 1e6 / sync,
            bytes / 1e6 / copy,
            copy / sync,
            of(&|round| round.sync.server) / (bytes / 1e9),
            of(&|round| round.copy.server) / (bytes / 1e9),
            of(&|round| round.upstream) / (bytes / 1e9),
            of(&|round| round.sync.anonymous as f64 / MEBIBYTE),
        );
    }
    text
}
