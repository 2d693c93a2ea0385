//! Where blobs are kept: the `[storage]` section of the configuration, and what it means.
//!
//! Owns every refusal of a setting. Opening what was configured is done by `folder` and `objects`.

use std::fs;
use std::path::{Path, PathBuf};

use acervo_core::Secret;
use object_store::path::Path as ObjectPath;
use serde::{Deserialize, Serialize};
use url::Url;

use super::error::BlobError;

/// Smallest part that object stores take anywhere but at the end of an upload.
const PART_BYTES_MIN: u64 = 5 * 1024 * 1024;

/// Where blobs are kept.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct StorageConfig {
    /// `file://` and a folder, or `s3://`, `gs://` or `az://` with a bucket and perhaps a prefix.
    pub url: String,
    /// Base URL of an object store that is not the public one of its kind.
    pub endpoint: Option<String>,
    /// Region of an S3 bucket.
    pub region: String,
    /// Name of the S3 key.
    pub access_key_id: Option<Secret>,
    /// File that holds it; instead of `access_key_id`.
    pub access_key_id_file: Option<PathBuf>,
    /// The S3 key itself.
    pub secret_access_key: Option<Secret>,
    /// File that holds it; instead of `secret_access_key`.
    pub secret_access_key_file: Option<PathBuf>,
    /// Session token that belongs to a temporary S3 key.
    pub session_token: Option<Secret>,
    /// File that holds it; instead of `session_token`.
    pub session_token_file: Option<PathBuf>,
    /// Name of the Azure storage account.
    pub account: Option<String>,
    /// Key of the Azure storage account.
    pub account_key: Option<Secret>,
    /// File that holds it; instead of `account_key`.
    pub account_key_file: Option<PathBuf>,
    /// Key file of a Google service account.
    pub credentials_file: Option<PathBuf>,
    /// Whether the cloud may be asked for the credentials of the machine this runs on.
    pub instance_metadata: bool,
    /// Whether the S3 bucket stands in the path of addresses, and not in the name of the host.
    pub path_style: bool,
    /// Certificates that are trusted beside those of the system, in PEM.
    pub ca_file: Option<PathBuf>,
    /// Attempts at one request, the first included.
    pub attempts_max: u32,
    /// Longest time for a connection to be made.
    pub connect_timeout_seconds: u64,
    /// Longest silence within an answer.
    pub read_timeout_seconds: u64,
    /// Longest time for one part to be sent, or an upload to be completed.
    pub upload_timeout_seconds: u64,
    /// How long start-up waits for an object store that does not answer yet.
    pub start_timeout_seconds: u64,
    /// Parts on their way to the object store at the same time, over all transfers of this process.
    pub upload_parts_at_once: u32,
    /// Smallest part of an upload; files that are no larger go in one piece.
    pub upload_part_bytes: u64,
}

impl Default for StorageConfig {
    fn default() -> Self {
        StorageConfig {
            url: "file://data/store".to_owned(),
            endpoint: None,
            region: "us-east-1".to_owned(),
            access_key_id: None,
            access_key_id_file: None,
            secret_access_key: None,
            secret_access_key_file: None,
            session_token: None,
            session_token_file: None,
            account: None,
            account_key: None,
            account_key_file: None,
            credentials_file: None,
            instance_metadata: false,
            path_style: true,
            ca_file: None,
            attempts_max: 4,
            connect_timeout_seconds: 5,
            read_timeout_seconds: 30,
            upload_timeout_seconds: 300,
            start_timeout_seconds: 60,
            upload_parts_at_once: 4,
            upload_part_bytes: 16 * 1024 * 1024,
        }
    }
}

/// What a URL names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// A local folder.
    Folder(PathBuf),
    /// A bucket or container, and what stands before every key in it.
    Bucket(Bucket),
}

/// A bucket of an object store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Bucket {
    pub(super) kind: BucketKind,
    pub(super) name: String,
    pub(super) prefix: ObjectPath,
}

/// Kind of an object store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BucketKind {
    S3,
    Google,
    Azure,
}

impl BucketKind {
    /// The word by which reports and URLs name it.
    pub(super) fn word(self) -> &'static str {
        match self {
            BucketKind::S3 => "s3",
            BucketKind::Google => "gs",
            BucketKind::Azure => "az",
        }
    }
}

impl StorageConfig {
    /// What `url` names; refuses settings that contradict it.
    pub(super) fn place(&self) -> Result<Place, BlobError> {
        let place = self.parse_url()?;
        let kind = match &place {
            Place::Folder(_) => None,
            Place::Bucket(bucket) => Some(bucket.kind),
        };
        self.refuse_foreign_keys(kind)?;
        if kind.is_some() {
            self.check_limits()?;
            self.endpoint_url()?;
        }
        Ok(place)
    }

    fn parse_url(&self) -> Result<Place, BlobError> {
        let written = &self.url;
        let unknown = || {
            BlobError::Config(format!(
                "`storage.url` is `{written}`; write `file:///srv/acervo`, `s3://BUCKET`, `gs://BUCKET` or `az://CONTAINER`"
            ))
        };
        let (scheme, rest) = written.split_once("://").ok_or_else(unknown)?;
        let kind = match scheme {
            "file" if rest.is_empty() => {
                let text = "`storage.url` names no folder; write it like `file:///srv/acervo`";
                return Err(BlobError::Config(text.to_owned()));
            }
            "file" => {
                refuse_tilde("storage.url", Path::new(rest))?;
                return Ok(Place::Folder(PathBuf::from(rest)));
            }
            "s3" => BucketKind::S3,
            "gs" => BucketKind::Google,
            "az" => BucketKind::Azure,
            _ => return Err(unknown()),
        };
        let (name, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
        if name.is_empty() || !name.chars().all(is_plain) {
            return Err(BlobError::Config(format!(
                "`storage.url` is `{written}`, whose bucket `{name}` cannot be one; write it like `{scheme}://BUCKET/PREFIX`, \
                 and a server's address into `storage.endpoint`"
            )));
        }
        let prefix = ObjectPath::parse(prefix).map_err(|error| {
            BlobError::Config(format!("`storage.url` is `{written}`, whose prefix cannot be used: {error}"))
        })?;
        Ok(Place::Bucket(Bucket { kind, name: name.to_owned(), prefix }))
    }

    /// Refuses settings that belong to another kind of store: whoever wrote them expects them to count.
    fn refuse_foreign_keys(&self, kind: Option<BucketKind>) -> Result<(), BlobError> {
        type Keys<'a> = &'a [(&'static str, bool)];
        let s3 = [
            ("access_key_id", self.access_key_id.is_some()),
            ("access_key_id_file", self.access_key_id_file.is_some()),
            ("secret_access_key", self.secret_access_key.is_some()),
            ("secret_access_key_file", self.secret_access_key_file.is_some()),
            ("session_token", self.session_token.is_some()),
            ("session_token_file", self.session_token_file.is_some()),
        ];
        let azure = [
            ("account", self.account.is_some()),
            ("account_key", self.account_key.is_some()),
            ("account_key_file", self.account_key_file.is_some()),
        ];
        let google = [("credentials_file", self.credentials_file.is_some())];
        let any = [
            ("endpoint", self.endpoint.is_some()),
            ("instance_metadata", self.instance_metadata),
            ("ca_file", self.ca_file.is_some()),
        ];
        let groups: [(&str, bool, Keys<'_>); 4] = [
            ("S3", kind == Some(BucketKind::S3), &s3),
            ("Azure", kind == Some(BucketKind::Azure), &azure),
            ("Google", kind == Some(BucketKind::Google), &google),
            ("an object store", kind.is_some(), &any),
        ];
        for (owner, is_ours, keys) in groups {
            if let Some((key, _)) = keys.iter().find(|(_, is_set)| *is_set && !is_ours) {
                return Err(BlobError::Config(format!(
                    "`storage.{key}` is for {owner}, but `storage.url` is `{}`; remove one of them",
                    self.url
                )));
            }
        }
        Ok(())
    }

    fn check_limits(&self) -> Result<(), BlobError> {
        let least = [
            ("attempts_max", u64::from(self.attempts_max), 1),
            ("connect_timeout_seconds", self.connect_timeout_seconds, 1),
            ("read_timeout_seconds", self.read_timeout_seconds, 1),
            ("upload_timeout_seconds", self.upload_timeout_seconds, 1),
            ("upload_parts_at_once", u64::from(self.upload_parts_at_once), 1),
            ("upload_part_bytes", self.upload_part_bytes, PART_BYTES_MIN),
        ];
        match least.into_iter().find(|(_, value, least)| value < least) {
            Some((key, value, least)) => {
                Err(BlobError::Config(format!("`storage.{key}` is {value}; use at least {least}")))
            }
            None => Ok(()),
        }
    }

    /// The endpoint, if one is set.
    pub(super) fn endpoint_url(&self) -> Result<Option<Url>, BlobError> {
        let Some(written) = &self.endpoint else { return Ok(None) };
        let refused = || {
            BlobError::Config(format!(
                "`storage.endpoint` is `{written}`; write the address of the store's server, like `https://s3.example.org`"
            ))
        };
        let url: Url = written.parse().map_err(|_| refused())?;
        let is_plain = matches!(url.scheme(), "http" | "https")
            && url.has_host()
            && url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none();
        if is_plain { Ok(Some(url)) } else { Err(refused()) }
    }

    /// A credential that is written here or in a file.
    pub(super) fn credential(
        key: &str,
        value: Option<&Secret>,
        file: Option<&PathBuf>,
    ) -> Result<Option<Secret>, BlobError> {
        let found = match (value, file) {
            (Some(_), Some(_)) => {
                return Err(BlobError::Config(format!(
                    "both `storage.{key}` and `storage.{key}_file` are set; remove one of them"
                )));
            }
            (Some(value), None) => value.clone(),
            (None, Some(file)) => {
                let text = fs::read_to_string(file).map_err(|error| {
                    BlobError::Config(format!(
                        "`storage.{key}_file` names `{}`, which cannot be read: {error}",
                        file.display()
                    ))
                })?;
                Secret::new(text.trim())
            }
            (None, None) => return Ok(None),
        };
        if found.expose().is_empty() {
            return Err(BlobError::Config(format!(
                "`storage.{key}` is empty; write the credential, or remove the key"
            )));
        }
        Ok(Some(found))
    }
}

/// Refuses a path that only a shell would understand.
pub(super) fn refuse_tilde(key: &str, path: &Path) -> Result<(), BlobError> {
    if path.starts_with("~") {
        return Err(BlobError::Config(format!(
            "`{key}` begins with `~`, which only shells expand; write the whole path, as in `/srv/acervo`"
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use acervo_core::Secret;

    use super::{Bucket, BucketKind, Place, StorageConfig};

    fn at(url: &str) -> StorageConfig {
        StorageConfig { url: url.to_owned(), ..StorageConfig::default() }
    }

    #[test]
    fn a_url_names_a_folder_or_a_bucket_with_a_prefix() {
        assert_eq!(at("file:///srv/acervo").place().unwrap(), Place::Folder("/srv/acervo".into()));
        for (url, kind, name, prefix) in [
            ("s3://models", BucketKind::S3, "models", ""),
            ("s3://models/", BucketKind::S3, "models", ""),
            ("gs://models/a/b/", BucketKind::Google, "models", "a/b"),
            ("az://models/a", BucketKind::Azure, "models", "a"),
        ] {
            let prefix = prefix.into();
            assert_eq!(
                at(url).place().unwrap(),
                Place::Bucket(Bucket { kind, name: name.to_owned(), prefix }),
                "{url}"
            );
        }
    }

    #[test]
    fn what_cannot_be_used_is_refused_with_what_to_write() {
        let bucket = at("s3://b");
        let with_endpoint = |text: &str| StorageConfig { endpoint: Some(text.to_owned()), ..bucket.clone() };
        for (config, expected) in [
            (at("models"), "write `file:///srv/acervo`, `s3://BUCKET`"),
            (at("ftp://models"), "write `file:///srv/acervo`, `s3://BUCKET`"),
            (at("file://"), "`storage.url` names no folder"),
            (at("file://~/x"), "`storage.url` begins with `~`"),
            (at("s3://"), "bucket `` cannot be one"),
            (at("s3://127.0.0.1:3900/models"), "a server's address into `storage.endpoint`"),
            (at("s3://b/a//c"), "whose prefix cannot be used"),
            (with_endpoint("127.0.0.1:3900"), "`storage.endpoint` is `127.0.0.1:3900`"),
            (with_endpoint("http://key:secret@host"), "`storage.endpoint` is"),
            (StorageConfig { account: Some("a".into()), ..bucket.clone() }, "`storage.account` is for Azure"),
            (
                StorageConfig { access_key_id: Some(Secret::new("a")), ..at("file:///srv") },
                "`storage.access_key_id` is for S3",
            ),
            (StorageConfig { endpoint: Some("http://x".into()), ..at("file:///srv") }, "for an object store"),
            (
                StorageConfig { upload_part_bytes: 1, ..bucket.clone() },
                "`storage.upload_part_bytes` is 1; use at least",
            ),
            (StorageConfig { attempts_max: 0, ..bucket.clone() }, "`storage.attempts_max` is 0"),
        ] {
            let error = config.place().unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn a_credential_stands_here_or_in_a_file_but_not_in_both() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key");
        std::fs::write(&file, "from-file\n").unwrap();
        let written = Secret::new("written");
        let read = |value, file| StorageConfig::credential("account_key", value, file);
        assert_eq!(read(Some(&written), None).unwrap().unwrap().expose(), "written");
        assert_eq!(read(None, Some(&file)).unwrap().unwrap().expose(), "from-file");
        assert!(read(None, None).unwrap().is_none());
        let error = read(Some(&written), Some(&file)).unwrap_err().to_string();
        assert!(error.contains("both `storage.account_key` and `storage.account_key_file`"), "{error}");
        assert!(!error.contains("written"));
        std::fs::write(&file, "\n").unwrap();
        assert!(read(None, Some(&file)).unwrap_err().to_string().contains("is empty"));
        let missing = folder.path().join("missing");
        assert!(read(None, Some(&missing)).unwrap_err().to_string().contains("cannot be read"));
    }
}
