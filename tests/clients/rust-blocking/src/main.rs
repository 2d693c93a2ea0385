//! The blocking interface of hf-hub 0.5, driven through the list of client cases: `--list`, or `CASE@SCENE ..`.
//!
//! A program and a workspace of its own: the transport below it, ureq, brings a second provider of cryptography, which
//! would get into every other program of the workspace. The cases are those of the asynchronous interface.

mod interface;
#[path = "../../rust/src/older.rs"]
mod older;
#[path = "../../rust/src/report.rs"]
mod report;
#[path = "../../rust/src/scene.rs"]
mod scene;

use std::process::ExitCode;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    report::run(&arguments, &older::CASES, async |case, scene| older::run(case, scene).await).await
}
