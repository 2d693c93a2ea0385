//! The hf-hub crate, 1.0 and the asynchronous 0.5, driven through the list of client cases: `acervo-test-client CLIENT
//! --list` for the names, or `acervo-test-client CLIENT CASE@SCENE ..`.
//!
//! `HF_ENDPOINT`, `HF_HOME` and `EXPECT` are those of the Python cases, which say what `EXPECT` holds. A case prints
//! `ok CASE@SCENE`, or says on the standard error output what was not as expected; the status is 1 if one failed.

mod interface;
mod newer;
mod older;
mod report;
mod scene;

use std::process::ExitCode;

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some((client, labels)) = arguments.split_first() else { anyhow::bail!("name a client") };
    Ok(match client.as_str() {
        "rust-1.0" => report::run(labels, newer::CASES, async |case, scene| newer::run(case, scene).await).await,
        "rust-0.5-tokio" => report::run(labels, &older::CASES, async |case, scene| older::run(case, scene).await).await,
        other => anyhow::bail!("there is no client `{other}`; use rust-1.0 or rust-0.5-tokio"),
    })
}
