//! Other people's servers, started as processes of their own and stopped with the test.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A process that ends with this value.
pub(crate) struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Azurite's account and its key, which is no secret.
pub(crate) const ACCOUNT: &str = "acervotest";
pub(crate) const ACCOUNT_KEY: &str =
    "YWNlcnZvLXRlc3QtYWNjb3VudC1rZXktb2YtNjQtYnl0ZXMtd2hpY2gtaXMtbm8tc2VjcmV0LWF0LWFsbC4=";

/// Makes a container, signed as Azure wants it; the storage client has no call for that.
const MAKE_CONTAINER: &str = r#"
const crypto = require("crypto"), http = require("http");
const [endpoint, account, key, container] = process.argv.slice(1);
const date = new Date().toUTCString(), version = "2021-08-06";
const text = "PUT" + "\n".repeat(12) + `x-ms-date:${date}\nx-ms-version:${version}\n/${account}/${account}/${container}\nrestype:container`;
const signature = crypto.createHmac("sha256", Buffer.from(key, "base64")).update(text, "utf8").digest("base64");
const headers = { "x-ms-date": date, "x-ms-version": version, "content-length": 0, authorization: `SharedKey ${account}:${signature}` };
const request = http.request(`${endpoint}/${container}?restype=container`, { method: "PUT", headers }, (answer) => {
  answer.pipe(process.stderr);
  process.exitCode = answer.statusCode === 201 ? 0 : 1;
});
request.end();
"#;

/// Starts Azurite from the folder its package is installed in; gives its endpoint, account included.
pub(crate) fn azurite(package: &Path, folder: &Path, container: &str) -> (Process, String) {
    let script = package.join("node_modules/azurite/dist/src/blob/main.js");
    assert!(script.is_file(), "ACERVO_TEST_AZURITE holds no `{}`", script.display());
    let mut child = Command::new("node")
        .arg(&script)
        .args(["--blobHost", "127.0.0.1", "--blobPort", "0", "--skipApiVersionCheck", "--disableTelemetry", "--silent"])
        .arg("--location")
        .arg(folder)
        .env("AZURITE_ACCOUNTS", format!("{ACCOUNT}:{ACCOUNT_KEY}"))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let output = BufReader::new(child.stdout.take().unwrap());
    let process = Process(child);
    let mut lines = output.lines();
    let address = loop {
        let line = lines.next().expect("Azurite ended before it listened").unwrap();
        if let Some((_, address)) = line.split_once("successfully listens on ") {
            break address.trim().to_owned();
        }
    };
    // Read on, or it would block on a full pipe.
    std::thread::spawn(move || lines.for_each(drop));
    let endpoint = format!("{address}/{ACCOUNT}");
    let made = Command::new("node")
        .args(["-e", MAKE_CONTAINER, endpoint.as_str(), ACCOUNT, ACCOUNT_KEY, container])
        .status()
        .unwrap();
    assert!(made.success(), "the container could not be made");
    (process, endpoint)
}

/// Credentials that Garage is started with.
pub(crate) const GARAGE_KEY: &str = "GK0123456789abcdef01234567";
pub(crate) const GARAGE_SECRET: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// Starts Garage with one node and one bucket; gives its address. It may take a moment until it answers.
pub(crate) fn garage(binary: &Path, folder: &Path, bucket: &str) -> (Process, String) {
    let (rpc, s3) = (free_port(), free_port());
    let config = folder.join("garage.toml");
    let folder_text = folder.display();
    std::fs::write(
        &config,
        format!(
            "metadata_dir = \"{folder_text}/meta\"\ndata_dir = \"{folder_text}/data\"\ndb_engine = \"sqlite\"\n\
             replication_factor = 1\nmetadata_fsync = false\ndata_fsync = false\n\
             rpc_bind_addr = \"127.0.0.1:{rpc}\"\nrpc_public_addr = \"127.0.0.1:{rpc}\"\nrpc_secret = \"{GARAGE_SECRET}\"\n\
             [s3_api]\ns3_region = \"us-east-1\"\napi_bind_addr = \"127.0.0.1:{s3}\"\n"
        ),
    )
    .unwrap();
    let log = std::fs::File::create(folder.join("garage.log")).unwrap();
    let child = Command::new(binary)
        .arg("-c")
        .arg(&config)
        .args(["server", "--single-node", "--default-bucket"])
        .env("GARAGE_DEFAULT_ACCESS_KEY", GARAGE_KEY)
        .env("GARAGE_DEFAULT_SECRET_KEY", GARAGE_SECRET)
        .env("GARAGE_DEFAULT_BUCKET", bucket)
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .unwrap();
    (Process(child), format!("127.0.0.1:{s3}"))
}

/// A port that nobody listens on now.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Where a server of others is, if the environment says so.
pub(crate) fn installed(variable: &str) -> Option<PathBuf> {
    std::env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from)
}
