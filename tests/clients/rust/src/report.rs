//! What a program of cases prints: names, or one line a case.

use std::process::ExitCode;

use crate::scene::Scene;

/// Runs the labels `CASE@SCENE`, one after the other, or lists the names.
pub(crate) async fn run(
    labels: &[String],
    cases: &[&str],
    run: impl AsyncFn(&str, &Scene) -> anyhow::Result<()>,
) -> ExitCode {
    if labels == ["--list"] {
        println!("{}", cases.join("\n"));
        return ExitCode::SUCCESS;
    }
    let mut status = ExitCode::SUCCESS;
    for label in labels {
        let outcome = match label.split_once('@') {
            Some((case, scene)) => match Scene::open(scene, label) {
                Ok(scene) => run(case, &scene).await,
                Err(error) => Err(error),
            },
            None => Err(anyhow::anyhow!("it names no scene")),
        };
        match outcome {
            Ok(()) => println!("ok {label}"),
            Err(error) => {
                eprintln!("failed {label}: {error:#}");
                status = ExitCode::FAILURE;
            }
        }
    }
    status
}
