//! The servers of a measurement as processes: Acervo as its binary, nginx as Debian ships it. Each stops when dropped.

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};

use crate::client::Connection;
use crate::machine;

/// Longest time for a server to answer its first request.
const START: Duration = Duration::from_secs(30);

/// Time between two attempts to reach a server that starts.
const START_PERIOD: Duration = Duration::from_millis(20);

/// Variables that commands of a measurement keep: no configuration of the machine's owner is among them.
const KEPT_VARIABLES: [&str; 3] = ["PATH", "HOME", "TMPDIR"];

/// A running server.
pub(crate) struct Server {
    child: Child,
    /// Where it listens.
    pub(crate) addr: SocketAddr,
}

impl Server {
    /// Starts a command that listens on `addr`, and waits until it answers `path`.
    fn start(command: &mut Command, addr: SocketAddr, path: &str, log: &Path) -> Result<Server> {
        let said = File::create(log).with_context(|| format!("creating `{}`", log.display()))?;
        command.stdin(Stdio::null()).stdout(said.try_clone()?).stderr(said);
        let child = command.spawn().with_context(|| format!("starting {command:?}"))?;
        let mut server = Server { child, addr };
        let deadline = Instant::now() + START;
        loop {
            let answered = Connection::open(addr).and_then(|mut connection| connection.request("GET", path, None));
            let problem = match answered {
                Ok(head) if head.status < 500 => return Ok(server),
                Ok(head) => format!("status {}", head.status),
                Err(error) => format!("{error:#}"),
            };
            let said = || fs::read_to_string(log).unwrap_or_default();
            if let Some(status) = server.child.try_wait()? {
                bail!("{command:?} ended at once ({status}): {}", said());
            }
            ensure!(Instant::now() < deadline, "{command:?} does not answer ({problem}): {}", said());
            thread::sleep(START_PERIOD);
        }
    }

    /// The process and those that it has started.
    pub(crate) fn pids(&self) -> Vec<u32> {
        let mut pids = machine::children_of(self.child.id());
        pids.push(self.child.id());
        pids
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if !matches!(self.child.try_wait(), Ok(None)) {
            return;
        }
        // A killed nginx would leave its workers behind.
        let asked = Command::new("kill").arg(self.child.id().to_string()).status();
        if asked.is_ok_and(|status| status.success()) {
            let _ = self.child.wait();
        }
    }
}

/// An installation of Acervo in a folder of its own: SQLite and a folder, everything else as it is by default.
#[derive(Clone, Debug)]
pub(crate) struct Acervo {
    binary: PathBuf,
    folder: PathBuf,
}

impl Acervo {
    /// Makes the folder and its configuration.
    pub(crate) fn new(binary: &Path, folder: &Path, upstream: SocketAddr) -> Result<Acervo> {
        fs::create_dir(folder).with_context(|| format!("creating `{}`", folder.display()))?;
        let config = format!(
            "[database]\nurl = \"sqlite://acervo.db\"\n[storage]\nurl = \"file://store\"\n[staging]\ndir = \"staging\"\n\
             [upstream]\nendpoint = \"http://{upstream}\"\nallowed_private_hosts = [\"localhost\"]\n\
             [worker]\njobs_at_once = 0\n"
        );
        fs::write(folder.join("acervo.toml"), config)?;
        Ok(Acervo { binary: binary.to_owned(), folder: folder.to_owned() })
    }

    /// Uses another database than the file beside the configuration.
    pub(crate) fn use_database(&mut self, url: &str) -> Result<()> {
        let path = self.folder.join("acervo.toml");
        let config = fs::read_to_string(&path)?.replace("sqlite://acervo.db", url);
        Ok(fs::write(path, config)?)
    }

    /// Adds to its configuration.
    pub(crate) fn configure(&self, more: &str) -> Result<()> {
        let path = self.folder.join("acervo.toml");
        let config = fs::read_to_string(&path)? + more;
        Ok(fs::write(path, config)?)
    }

    /// A command of this installation.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.binary);
        command.current_dir(&self.folder).env_clear().args(arguments);
        command.envs(KEPT_VARIABLES.iter().filter_map(|name| Some((name, std::env::var_os(name)?))));
        command
    }

    /// Runs a command to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Result<()> {
        let output = self.command(arguments).output().with_context(|| format!("running {}", self.binary.display()))?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "`acervo {}` failed: {said}", arguments.join(" "));
        Ok(())
    }

    /// Serves on a free port.
    pub(crate) fn serve(&self) -> Result<Server> {
        let addr = free_address()?;
        let mut command = self.command(&["serve", "--bind", &addr.to_string()]);
        Server::start(&mut command, addr, "/readyz", &self.folder.join("serve.log"))
    }

    /// Folder of its blobs.
    pub(crate) fn store(&self) -> PathBuf {
        self.folder.join("store")
    }

    /// Where it keeps a blob.
    pub(crate) fn blob(&self, sha256: &str) -> PathBuf {
        self.store().join(blob_path(sha256).trim_start_matches('/'))
    }

    /// Where it keeps everything.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }
}

/// Path of a blob below the store's folder, with a slash before it.
pub(crate) fn blob_path(sha256: &str) -> String {
    format!("/blobs/sha256/{}/{}/{sha256}", &sha256[..2], &sha256[2..4])
}

/// Starts nginx in a folder of its own with these `server` blocks, as it would be set up to serve large files.
pub(crate) fn nginx(folder: &Path, addr: SocketAddr, servers: &str) -> Result<Server> {
    fs::create_dir(folder).with_context(|| format!("creating `{}`", folder.display()))?;
    // Its workers must be able to read a folder that belongs to whoever measures.
    let user = if fs::metadata("/proc/self").is_ok_and(|own| is_root(&own)) { "user root;\n" } else { "" };
    let at = folder.display();
    let config = format!(
        "{user}daemon off;\nworker_processes {workers};\nworker_rlimit_nofile 65536;\npid {at}/nginx.pid;\n\
         events {{ worker_connections 4096; }}\n\
         http {{\n\
         access_log off;\nsendfile on;\ntcp_nopush on;\nkeepalive_requests 100000000;\nkeepalive_timeout 75;\n\
         open_file_cache max=10000 inactive=600s;\nopen_file_cache_valid 600s;\nmap_hash_max_size 65536;\n\
         map_hash_bucket_size 512;\ndefault_type application/octet-stream;\n\
         client_body_temp_path {at}/body;\nproxy_temp_path {at}/proxy;\nfastcgi_temp_path {at}/fastcgi;\n\
         uwsgi_temp_path {at}/uwsgi;\nscgi_temp_path {at}/scgi;\n\
         {servers}\n}}\n",
        workers = machine::cores(),
    );
    let path = folder.join("nginx.conf");
    fs::write(&path, config)?;
    let mut command = Command::new(nginx_binary());
    command.arg("-e").arg(folder.join("error.log")).arg("-p").arg(folder).arg("-c").arg(&path);
    Server::start(&mut command, addr, "/", &folder.join("nginx.log"))
}

/// A server block that offers every file below a folder.
pub(crate) fn files_below(addr: SocketAddr, root: &Path) -> String {
    format!("server {{ listen {addr}; root {}; }}", root.display())
}

/// What `nginx -v` says.
pub(crate) fn nginx_version() -> Result<String> {
    let output = Command::new(nginx_binary()).arg("-v").output().context(
        "running nginx; start the benchmark with `tests/bench`, which installs it, or install Debian's `nginx-light`",
    )?;
    Ok(String::from_utf8_lossy(&output.stderr).trim().trim_start_matches("nginx version: ").to_owned())
}

/// Debian keeps it where only administrators' shells look.
fn nginx_binary() -> &'static str {
    if Path::new("/usr/sbin/nginx").is_file() { "/usr/sbin/nginx" } else { "nginx" }
}

fn is_root(metadata: &fs::Metadata) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    metadata.uid() == 0
}

/// An address of the loopback interface that nobody listens on now.
pub(crate) fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("taking a free port")?.local_addr()?)
}
