//! One store for one test.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::s3::{BUCKET, S3Server};

/// An empty store that nobody else uses: the plain values a configuration of storage is made of.
#[derive(Debug)]
pub struct TestStorage {
    /// As `storage.url` wants it.
    url: String,
    /// Address of the server, if there is one.
    endpoint: Option<String>,
    /// Key that may do everything, if there is a server.
    access_key: Option<String>,
    /// The key's secret.
    secret_key: Option<String>,
    /// Region that requests are signed for.
    region: Option<String>,
    /// Where the objects are files, by their keys.
    objects: PathBuf,
    server: Option<S3Server>,
}

impl TestStorage {
    pub(crate) fn in_folder(folder: &Path) -> TestStorage {
        TestStorage {
            url: format!("file://{}", folder.display()),
            endpoint: None,
            access_key: None,
            secret_key: None,
            region: None,
            objects: folder.to_owned(),
            server: None,
        }
    }

    /// A bucket on an S3 server of its own, whatever the run is about, which keeps it in this folder.
    pub fn on_s3(folder: &Path) -> TestStorage {
        TestStorage::of(S3Server::start(folder))
    }

    /// The storage that a server started by the test offers.
    pub fn of(server: S3Server) -> TestStorage {
        TestStorage {
            url: format!("s3://{BUCKET}"),
            endpoint: Some(server.endpoint()),
            access_key: Some(server.access_key().to_owned()),
            secret_key: Some(server.secret_key().to_owned()),
            region: Some(server.region().to_owned()),
            objects: server.objects(),
            server: Some(server),
        }
    }

    /// What a configuration says of it, by key of its section.
    pub fn settings(&self) -> BTreeMap<&'static str, String> {
        let pairs = [
            ("url", Some(&self.url)),
            ("endpoint", self.endpoint.as_ref()),
            ("region", self.region.as_ref()),
            ("access_key_id", self.access_key.as_ref()),
            ("secret_access_key", self.secret_key.as_ref()),
        ];
        pairs.into_iter().filter_map(|(key, value)| Some((key, value?.clone()))).collect()
    }

    /// Names of what a server keeps for uploads that are under way; a folder keeps nothing.
    pub fn uploads_under_way(&self) -> Vec<String> {
        self.server.as_ref().map(S3Server::uploads_under_way).unwrap_or_default()
    }

    /// Where an object's bytes are as a file: in the store's folder, or where the server keeps them.
    pub fn object_path(&self, key: &str) -> PathBuf {
        self.objects.join(key)
    }

    /// The keys of all objects, in order.
    pub fn keys(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut waiting = vec![self.objects.clone()];
        while let Some(folder) = waiting.pop() {
            let Ok(entries) = std::fs::read_dir(&folder) else { continue };
            for entry in entries {
                let path = entry.expect("an entry").path();
                if path.is_dir() {
                    waiting.push(path);
                } else {
                    let key = path.strip_prefix(&self.objects).expect("a path below the store");
                    found.push(key.display().to_string());
                }
            }
        }
        found.sort();
        found
    }

    /// The server, to have it fail on order; a folder has none.
    pub fn server(&self) -> Option<&S3Server> {
        self.server.as_ref()
    }
}
