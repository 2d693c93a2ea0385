//! Debian's Postgres binaries, and the user they run as: Postgres refuses to be root.

use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Role that may do everything in a cluster.
pub(super) const SUPERUSER: &str = "acervo";

/// Where the binaries of one version are, and whom to become before they are run.
#[derive(Clone, Debug)]
pub(super) struct Binaries {
    folder: PathBuf,
    /// User and group, if this process is root.
    become_user: Option<(u32, u32)>,
}

impl Binaries {
    /// The newest version that is installed.
    pub(super) fn find() -> Binaries {
        let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
        let newest = versions
            .filter_map(|entry| Some((entry.file_name().to_str()?.parse::<u32>().ok()?, entry.path().join("bin"))))
            .filter(|(_, folder)| folder.join("postgres").is_file() && folder.join("initdb").is_file())
            .max();
        let (_, folder) = newest.expect("Debian's package `postgresql` is not installed; use `tests/run`");
        let is_root = Path::new("/proc/self").metadata().expect("this process").uid() == 0;
        Binaries { folder, become_user: is_root.then(nobody) }
    }

    /// A command in a clean environment that dies with this process.
    pub(super) fn command(&self, program: &str, home: &Path) -> Command {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "QUIT"]);
        if let Some((user, group)) = self.become_user {
            command.args([format!("--reuid={user}"), format!("--regid={group}"), "--clear-groups".to_owned()]);
        }
        command.arg(self.folder.join(program)).current_dir(home);
        // Variables such as PGPORT would change what is started; messages must be English to be understood.
        command.env_clear().env("PATH", "/usr/bin:/bin").env("HOME", home).env("LC_ALL", "C").env("TZ", "UTC");
        command
    }

    /// Lets the user that the binaries run as own a file or folder.
    pub(super) fn give_away(&self, path: &Path) {
        if let Some((user, group)) = self.become_user {
            chown(path, Some(user), Some(group)).expect("the path is given away");
        }
    }

    /// Makes a data folder in which everybody of this host is let in.
    pub(super) fn make_cluster(&self, home: &Path, data: &Path) {
        let mut command = self.command("initdb", home);
        command.arg("-D").arg(data).args(["-U", SUPERUSER, "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8"]);
        let output = command.args(["--no-sync", "--no-instructions"]).output().expect("initdb runs");
        assert!(output.status.success(), "initdb failed: {}", String::from_utf8_lossy(&output.stderr));
    }
}

/// User and group ids of `nobody`.
fn nobody() -> (u32, u32) {
    let users = std::fs::read_to_string("/etc/passwd").expect("the list of users");
    let ids = users.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next()? == "nobody").then_some(())?;
        let _password = fields.next()?;
        Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
    });
    ids.expect("the user `nobody`")
}
