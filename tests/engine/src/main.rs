//! Runs a command with the servers of the production engine: `acervo-test-engine run -- COMMAND..`.

use std::process::{ExitCode, ExitStatus};

use acervo_test_engine::{POSTGRES_VARIABLE, PostgresCluster, VARIABLE};
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::Command;
use tokio::signal::unix::{SignalKind, signal};

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let (Some(verb), Some(dashes), Some(program)) = (arguments.next(), arguments.next(), arguments.next()) else {
        return usage();
    };
    if verb != "run" || dashes != "--" {
        return usage();
    }
    let mut command = Command::new(program);
    command.args(arguments);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    match runtime.and_then(|runtime| runtime.block_on(run(command))) {
        Ok(status) => exit_code(status),
        Err(error) => {
            eprintln!("the command could not be run: {error}");
            ExitCode::FAILURE
        }
    }
}

fn usage() -> ExitCode {
    eprintln!("usage: acervo-test-engine run -- COMMAND..");
    ExitCode::from(2)
}

/// Runs the command to its end, passing on a demand to stop; the cluster ends after it in any case.
async fn run(mut command: Command) -> std::io::Result<ExitStatus> {
    // Listening from the start: nobody may leave a cluster behind by stopping this early.
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let cluster = PostgresCluster::shared();
    command.env(VARIABLE, "production").env(POSTGRES_VARIABLE, cluster.url("postgres"));
    // A group of its own: a signal from a terminal reaches this process alone, so the command gets each signal once.
    let mut child = command.process_group(0).spawn()?;
    let pid = child.id().and_then(|id| Pid::from_raw(id.try_into().ok()?));
    loop {
        tokio::select! {
            status = child.wait() => return status,
            _ = interrupt.recv() => pass_on(pid, Signal::INT),
            _ = terminate.recv() => pass_on(pid, Signal::TERM),
        }
    }
}

fn pass_on(pid: Option<Pid>, signal: Signal) {
    if let Some(pid) = pid {
        // It may have ended in this moment.
        let _ = kill_process_group(pid, signal);
    }
}

/// As shells do: a command that a signal ended counts as 128 and the signal's number.
fn exit_code(status: ExitStatus) -> ExitCode {
    use std::os::unix::process::ExitStatusExt;
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(1);
    ExitCode::from(u8::try_from(code).unwrap_or(1))
}
