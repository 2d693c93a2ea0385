//! The `acervo` binary, as people run it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The `acervo` binary.
pub fn path() -> PathBuf {
    named("acervo")
}

/// Where cargo puts a binary of this workspace: beside the folder of the test binaries.
pub fn named(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("the path of this test");
    let profile = test.parent().and_then(Path::parent).expect("a target folder");
    let binary = profile.join(name);
    assert!(binary.is_file(), "`{}` is not built; run the tests with `tests/run`", binary.display());
    binary
}

/// A command in an empty folder, so that no configuration of the machine is read.
pub fn command(folder: &Path) -> Command {
    let mut command = Command::new(path());
    command.current_dir(folder).env_remove("ACERVO_CONFIG").env("NO_COLOR", "1");
    command
}

/// Runs a command with these arguments to its end.
pub fn run(folder: &Path, arguments: &[&str]) -> Ran {
    let output = command(folder).args(arguments).output().expect("the binary runs");
    Ran::from(output)
}

/// How a command ended.
#[derive(Clone, Debug)]
pub struct Ran {
    /// Whether it succeeded.
    pub success: bool,
    /// The code it ended with; absent if a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Ran {
            success: output.status.success(),
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}
