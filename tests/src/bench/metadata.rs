//! Small answers: Acervo beside nginx, which serves the very same bodies as plain files from memory.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use clap::Args;

use crate::client::Connection;
use crate::flood::flood;
use crate::load::Known;
use crate::report::{self, Row};
use crate::servers::{Acervo, files_below, free_address, nginx};
use crate::turns::{Pair, by_turns};
use crate::upstream::Upstream;
use crate::{binary, facts, say};

/// Files of the repository that is listed: one full page.
const FILES: u64 = 1000;

#[derive(Args)]
pub(crate) struct Options {
    /// Shorter runs: for trying out, not for judging
    #[arg(long)]
    quick: bool,
    /// Rounds of each measurement
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Connections at the same time, each with one request at a time
    #[arg(long, default_value_t = 32)]
    clients: usize,
    /// Folder to measure in; everything goes into a new one below it, which is removed
    #[arg(long, default_value = ".")]
    folder: PathBuf,
    /// Another binary of Acervo than the one built beside this program
    #[arg(long)]
    acervo: Option<PathBuf>,
}

/// Measures and prints the tables.
pub(crate) fn run(options: &Options) -> Result<()> {
    ensure!(options.rounds > 0 && options.clients > 0, "`--rounds` and `--clients` must be at least 1");
    let binary = binary(options.acervo.as_deref())?;
    let folder = tempfile::Builder::new().prefix("acervo-bench-").tempdir_in(&options.folder)?;
    let at = folder.path().canonicalize()?;
    let mut facts = facts(&at, &binary)?;
    facts.push("neither server logs requests; all connections are held by one thread of the client".to_owned());
    say("making files and an upstream");
    let upstream = Upstream::start(&at.join("upstream"), 1 << 20, FILES)?;
    say("filling the store");
    let acervo = Acervo::new(&binary, &at.join("acervo"), upstream.server.addr)?;
    acervo.run(&["mirror", "add", "bench/small"])?;
    acervo.run(&["sync", "bench/small"])?;
    let root = at.join("answers");
    fs::create_dir(&root)?;
    let addr = free_address()?;
    let nginx = nginx(&at.join("nginx"), addr, &files_below(addr, &root))?;
    // nginx logs no requests either.
    acervo.configure("[log]\nfilter = \"warn\"\n")?;
    let pair = Pair { acervo: acervo.serve()?, nginx };

    let small = upstream.small.first().context("no small file")?;
    let file = format!("/bench/small/resolve/main/{}", small.path);
    let questions = [
        ("HEAD of a file", "HEAD", file.as_str(), ">= 25000/s, p99 <= 2 ms"),
        ("GET of 8 KiB", "GET", file.as_str(), ">= 25000/s, p99 <= 2 ms"),
        ("info", "GET", "/api/models/bench/small?expand[]=sha&expand[]=tags&expand[]=lastModified", ">= 20000/s"),
        ("info with 1000 siblings", "GET", "/api/models/bench/small", ""),
        ("tree of 1000", "GET", "/api/models/bench/small/tree/main?recursive=true", ">= 4000/s"),
    ];
    let time = Duration::from_secs(if options.quick { 2 } else { 10 });
    let mut rows: Vec<Row> = Vec::new();
    for (number, (what, method, path, aim)) in questions.into_iter().enumerate() {
        let targets = offered(&pair, &root, number, path)?;
        let measure = |target: &Known| flood(target, method, options.clients, time);
        rows.push(by_turns(&pair, &targets, what, options.clients, options.rounds, aim, measure)?);
    }
    println!("{}\n", facts.iter().map(|fact| format!("- {fact}")).collect::<Vec<_>>().join("\n"));
    println!("{}\n{}", report::latencies(&rows), report::bounds(&rows));
    Ok(())
}

/// One question for both: what Acervo answers is given to nginx as a file.
fn offered(pair: &Pair, root: &Path, number: usize, path: &str) -> Result<[Known; 2]> {
    let body = answer(pair.acervo.addr, path)?;
    let name = format!("answer-{number}");
    fs::write(root.join(&name), &body)?;
    let known = |addr: SocketAddr, path: String| Known { addr, path, body: body.clone() };
    Ok([known(pair.acervo.addr, path.to_owned()), known(pair.nginx.addr, format!("/{name}"))])
}

/// What a server answers.
fn answer(addr: SocketAddr, path: &str) -> Result<Vec<u8>> {
    let mut connection = Connection::open(addr)?;
    let head = connection.request("GET", path, None)?;
    ensure!(head.status == 200, "`{path}` answers {}", head.status);
    let mut body = Vec::new();
    connection.body(head.length, |_, piece| {
        body.extend_from_slice(piece);
        Ok(())
    })?;
    Ok(body)
}
