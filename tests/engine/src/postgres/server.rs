//! One run of a Postgres server: from its start until it is gone.

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread::JoinHandle;

use rustix::process::{Pid, Signal, kill_process};

/// What a server says when it takes connections.
const READY: &str = "database system is ready to accept connections";

/// A server that runs.
#[derive(Debug)]
pub(super) struct Server {
    pid: Pid,
    /// Starts the server, keeps its log and waits for its end. The server dies with the thread that started it, so one
    /// that does nothing else.
    keeper: JoinHandle<()>,
}

/// A server that ended before it was ready.
#[derive(Debug)]
pub(super) struct Ended {
    /// What it said.
    pub(super) log: String,
}

impl Server {
    /// Starts a server, and waits until it takes connections.
    pub(super) fn start(command: Command) -> Result<Server, Ended> {
        let (tell, told) = mpsc::channel();
        let keeper = std::thread::spawn(move || keep(command, &tell));
        match told.recv().expect("the keeper tells how it went") {
            Ok(pid) => Ok(Server { pid, keeper }),
            Err(ended) => {
                keeper.join().expect("the keeper ends");
                Err(ended)
            }
        }
    }

    /// Sends a signal, and waits until the server and all its processes are gone.
    pub(super) fn end(self, signal: Signal) {
        // It may have ended by itself; then there is nothing to signal.
        let _ = kill_process(self.pid, signal);
        self.keeper.join().expect("the keeper ends");
    }
}

fn keep(mut command: Command, tell: &mpsc::Sender<Result<Pid, Ended>>) {
    // A group of its own: Ctrl-C must not stop it while others still wind up.
    command.process_group(0).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let spawned = command.spawn();
    let mut child = spawned.expect("`setpriv` runs postgres");
    let pid = Pid::from_child(&child);
    let mut log = String::new();
    let mut is_ready = false;
    // Ends when the last of its processes has closed the pipe.
    for line in BufReader::new(child.stderr.take().expect("a pipe")).lines().map_while(Result::ok) {
        if !is_ready {
            log.push_str(&line);
            log.push('\n');
            if line.contains(READY) {
                is_ready = true;
                // Nobody may wait any more; then the handle is gone and the server is about to be ended.
                let _ = tell.send(Ok(pid));
            }
        }
    }
    child.wait().expect("the server's end");
    if !is_ready {
        let _ = tell.send(Err(Ended { log }));
    }
}
