//! The catalogue benchmark: lists and searches over very many repositories, on both databases, through HTTP.
//!
//! Repositories are made through the same functions that publish mirrored ones, without bytes: only rows are measured.
//! Numbers never fail it: only wrong answers do.

mod fleet;

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use acervo::config::Config;
use acervo::context::Hub;
use acervo_test_engine::{PostgresCluster, Settings};
use anyhow::{Context as _, Result, ensure};
use clap::{Args, ValueEnum};

use crate::client::Connection;
use crate::servers::{Acervo, Server};
use crate::{machine, say};
use fleet::Fleet;

/// Repositories of a page that is measured.
const PAGE: u64 = 50;

#[derive(Args)]
pub(crate) struct Options {
    /// Few repositories and requests: for trying out, not for judging
    #[arg(long)]
    quick: bool,
    /// Repositories
    #[arg(long, default_value_t = 100_000)]
    repos: u64,
    /// Entries of each repository, every one a row of its own
    #[arg(long, default_value_t = 50)]
    entries: u64,
    /// Different questions of each sort, each asked twice
    #[arg(long, default_value_t = 500)]
    questions: usize,
    /// Measure only these databases
    #[arg(long, value_enum)]
    only: Vec<Database>,
    /// Once everything is made, wait for a line on standard input, so that nothing else runs while it is measured
    #[arg(long)]
    pause: bool,
    /// Folder on the disk to measure; everything goes into a new one below it, which is removed
    #[arg(long, default_value = ".")]
    folder: PathBuf,
    /// Another binary of Acervo than the one built beside this program
    #[arg(long)]
    acervo: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Database {
    Sqlite,
    Postgres,
}

impl Database {
    /// What a page may take at most, in milliseconds.
    fn aim(self) -> u64 {
        match self {
            Database::Sqlite => 150,
            Database::Postgres => 50,
        }
    }
}

/// Makes the fleets, asks, and prints the tables.
pub(crate) fn run(options: &Options) -> Result<()> {
    let binary = match &options.acervo {
        Some(path) => path.canonicalize().with_context(|| format!("there is no `{}`", path.display()))?,
        None => std::env::current_exe()?.with_file_name("acervo"),
    };
    ensure!(binary.is_file(), "`{}` is not built; start the benchmark with `tests/bench`", binary.display());
    let (repos, questions) =
        if options.quick { (options.repos.min(600), 20) } else { (options.repos, options.questions) };
    let fleet = Fleet { repos, entries: options.entries };
    let folder = tempfile::Builder::new().prefix("acervo-bench-").tempdir_in(&options.folder)?;
    let at = folder.path().canonicalize()?;
    let mut facts = machine::facts(&at);
    facts.push(fleet.describe());
    facts.push(format!(
        "one client without a token, so nine in ten repositories are visible; {questions} different questions of each \
         sort; pages of {PAGE}, results of 20"
    ));
    let mut tables = Vec::new();
    for database in [Database::Sqlite, Database::Postgres] {
        if options.only.is_empty() || options.only.contains(&database) {
            tables.push(measure(database, &fleet, questions, &binary, &at, options.pause)?);
        }
    }
    println!("{}\n", facts.iter().map(|fact| format!("- {fact}")).collect::<Vec<_>>().join("\n"));
    println!("{}", tables.join("\n"));
    Ok(())
}

/// Makes the fleet in one database, serves it, and asks.
fn measure(
    database: Database,
    fleet: &Fleet,
    questions: usize,
    binary: &Path,
    folder: &Path,
    pause: bool,
) -> Result<String> {
    let name = format!("{database:?}").to_lowercase();
    say(&format!("making {} repositories in {name}", fleet.repos));
    let nowhere: SocketAddr = ([127, 0, 0, 1], 9).into();
    let mut acervo = Acervo::new(binary, &folder.join(&name), nowhere)?;
    let cluster = (database == Database::Postgres).then(cluster);
    let url = cluster.as_ref().map(|cluster| cluster.create_database("catalog"));
    if let Some(url) = &url {
        acervo.use_database(url)?;
    }
    let started = Instant::now();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(fill(fleet, acervo.folder(), url.as_deref()))?;
    if let Some(cluster) = &cluster {
        // As autovacuum does soon after so many rows have come.
        cluster.execute_in("catalog", "VACUUM ANALYZE");
    }
    let made_in = started.elapsed();
    if pause {
        say(&format!("{name} is made; a line on standard input starts the measurement"));
        std::io::stdin().read_line(&mut String::new())?;
    }
    let server = acervo.serve()?;
    let mut text = format!(
        "| {name}: what is asked | first time p50 ms | p99 ms | again p50 ms | p99 ms | rows a page | aim |\n\
         |---|--:|--:|--:|--:|--:|---|\n"
    );
    for (what, paths) in asked(fleet, questions, &server, &runtime)? {
        say(&format!("{name}: {what}"));
        let (first, rows) = ask(server.addr, &paths)?;
        let (again, _) = ask(server.addr, &paths)?;
        let _ = writeln!(
            text,
            "| {what} | {:.1} | {:.1} | {:.1} | {:.1} | {rows:.0} | p99 <= {} ms |",
            percentile(&first, 0.50),
            percentile(&first, 0.99),
            percentile(&again, 0.50),
            percentile(&again, 0.99),
            database.aim(),
        );
    }
    let _ = writeln!(text, "\nMade in {:.0} s, one repository after the other.\n", made_in.as_secs_f64());
    Ok(text)
}

/// A server with memory as a small one has.
fn cluster() -> PostgresCluster {
    let server = [("shared_buffers", "512MB"), ("max_wal_size", "4GB"), ("synchronous_commit", "off")];
    let server = server.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    PostgresCluster::with(&Settings { server, ..Settings::default() })
}

async fn fill(fleet: &Fleet, folder: &Path, url: Option<&str>) -> Result<()> {
    let mut config = Config::default();
    config.database.url = url.map_or_else(|| format!("sqlite://{}", folder.join("acervo.db").display()), str::to_owned);
    config.storage.url = format!("file://{}", folder.join("store").display());
    config.staging.dir = folder.join("staging");
    let hub = Hub::open(config).await?;
    fleet.make(&hub).await?;
    hub.db().close().await?;
    Ok(())
}

/// What is asked, by sort: paths that differ in their parameters.
fn asked(
    fleet: &Fleet,
    questions: usize,
    server: &Server,
    runtime: &tokio::runtime::Runtime,
) -> Result<Vec<(&'static str, Vec<String>)>> {
    let paths = |of: &dyn Fn(u64) -> String| (0..questions as u64).map(of).collect::<Vec<String>>();
    let sorts = ["lastModified", "createdAt", "downloads", "num_parameters", "mainSize", "id"];
    let sort = |number: u64| sorts[usize::try_from(number).unwrap_or(0) % sorts.len()];
    let deep = runtime.block_on(deep_cursors(server.addr, fleet.repos))?;
    Ok(vec![
        ("one tag, sorted", paths(&|n| format!("/api/models?filter={}&sort={}&limit={PAGE}", fleet::tag(n), sort(n)))),
        (
            "two tags and a task, sorted",
            paths(&|n| {
                let (tag, other, task) = (fleet::tag(n), fleet::tag(n * 7 + 1), fleet::task(n));
                format!("/api/models?filter={tag}&filter={other}&pipeline_tag={task}&sort={}&limit={PAGE}", sort(n))
            }),
        ),
        ("everything, sorted", paths(&|n| format!("/api/models?sort={}&limit={PAGE}", sort(n)))),
        ("a page from the middle on, sorted", paths(&|n| deep[usize::try_from(n).unwrap_or(0) % deep.len()].clone())),
        (
            "text within the id, sorted",
            paths(&|n| format!("/api/models?search={}&sort={}&limit={PAGE}", fleet::part(n), sort(n))),
        ),
        ("a frequent word, searched", paths(&|n| format!("/api/quicksearch?type=model&q={}", fleet::word(n % 40)))),
        ("a word of any sort, searched", paths(&|n| format!("/api/quicksearch?type=model&q={}", fleet::word(n * 37)))),
        (
            "two words, searched",
            paths(&|n| format!("/api/quicksearch?type=model&q={}+{}", fleet::word(n % 40), fleet::word(n * 3 + 1))),
        ),
    ])
}

/// Addresses of pages far into lists of several orders, by walking there.
async fn deep_cursors(addr: SocketAddr, repos: u64) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for sort in ["lastModified", "downloads", "id"] {
        let mut path = format!("/api/models?sort={sort}&limit=1000");
        for page in 0..repos / 2500 + 1 {
            let answer = reqwest::get(format!("http://{addr}{path}")).await?;
            let Some(link) = answer.headers().get("link").and_then(|link| link.to_str().ok()) else { break };
            let next = link.trim_start_matches('<').split_once('>').context("a link")?.0;
            let at = next.find("/api/").context("a link into the API")?;
            path = next[at..].to_owned();
            if page >= repos / 5000 {
                found.push(path.replace("limit=1000", &format!("limit={PAGE}")));
            }
        }
    }
    if found.is_empty() {
        // Too few for a second page of a thousand.
        found.push(format!("/api/models?limit={PAGE}"));
    }
    Ok(found)
}

/// Asks each path once, one after the other: how long each took, and how many results came on average.
fn ask(addr: SocketAddr, paths: &[String]) -> Result<(Vec<Duration>, f64)> {
    let mut connection = Connection::open(addr)?;
    let (mut took, mut rows) = (Vec::with_capacity(paths.len()), 0);
    for path in paths {
        let started = Instant::now();
        let head = connection.request("GET", path, None)?;
        let mut body = Vec::new();
        connection.body(head.length, |_, piece| {
            body.extend_from_slice(piece);
            Ok(())
        })?;
        took.push(started.elapsed());
        ensure!(head.status == 200, "`{path}` was answered with {}: {}", head.status, String::from_utf8_lossy(&body));
        let answer: serde_json::Value =
            serde_json::from_slice(&body).with_context(|| format!("the answer to `{path}`"))?;
        let list = answer.get("models").unwrap_or(&answer).as_array().context("a list")?;
        rows += list.len();
    }
    took.sort_unstable();
    Ok((took, rows as f64 / paths.len().max(1) as f64))
}

/// The time within which this share of sorted answers was there, in milliseconds.
fn percentile(took: &[Duration], share: f64) -> f64 {
    let at = (took.len() as f64 * share).ceil() as usize;
    took.get(at.max(1) - 1).map_or(0.0, |took| took.as_secs_f64() * 1e3)
}
