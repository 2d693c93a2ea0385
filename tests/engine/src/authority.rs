//! A certificate authority of a test's own, and what it vouches for; made by the `openssl` command.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

const NEW: &str = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30";

/// An authority that nobody knows but who is told of it; its files go with the value.
#[derive(Debug)]
pub struct Authority {
    folder: TempDir,
}

/// A key with a certificate, both in PEM.
#[derive(Clone, Debug)]
pub struct Certified {
    /// The private key.
    pub key: Vec<u8>,
    /// The certificate.
    pub certificate: Vec<u8>,
}

impl Authority {
    /// A new authority.
    pub fn new() -> Authority {
        let folder = TempDir::with_prefix("acervo-authority-").expect("a temporary folder");
        openssl(
            folder.path(),
            &format!("{NEW} -keyout authority.key -out authority.pem -subj /CN=authority-of-a-test"),
        );
        Authority { folder }
    }

    /// The file that clients are to trust.
    pub fn file(&self) -> PathBuf {
        self.folder.path().join("authority.pem")
    }

    /// A server's key, and a certificate of this authority for these names, written like `DNS:localhost,IP:127.0.0.1`.
    pub fn certify(&self, names: &str) -> Certified {
        openssl(
            self.folder.path(),
            &format!(
                "{NEW} -keyout server.key -out server.pem -subj /CN=server-of-a-test -addext subjectAltName={names} \
                 -addext basicConstraints=critical,CA:FALSE -CA authority.pem -CAkey authority.key"
            ),
        );
        let read = |name: &str| std::fs::read(self.folder.path().join(name)).expect("a file that was just made");
        Certified { key: read("server.key"), certificate: read("server.pem") }
    }
}

impl Default for Authority {
    fn default() -> Authority {
        Authority::new()
    }
}

fn openssl(folder: &Path, arguments: &str) {
    let output = Command::new("openssl").args(arguments.split(' ')).current_dir(folder).output().expect("`openssl`");
    assert!(output.status.success(), "openssl {arguments}: {}", String::from_utf8_lossy(&output.stderr));
}
