//! Finding out, at start-up, whether a bucket can be used and what it honours.

use std::time::{Duration, Instant};

use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload};
use serde::Serialize;
use uuid::Uuid;

use super::{Objects, is_transient};
use crate::blob::config::{Bucket, BucketKind, StorageConfig};
use crate::blob::error::BlobError;
use crate::blob::key::BlobKey;

/// Wait between two looks at a store that does not answer yet.
const PAUSE: Duration = Duration::from_secs(1);

/// What a probe holds.
const CONTENT: &[u8] = b"probe of an object store";

/// Whether a store does what it is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Honoured {
    /// It does.
    Honoured,
    /// It says yes, and does something else.
    Ignored,
    /// It says no.
    Refused,
    /// It was not asked.
    Unknown,
}

impl Honoured {
    /// The word that reports name it by.
    pub fn word(self) -> &'static str {
        match self {
            Honoured::Honoured => "honoured",
            Honoured::Ignored => "ignored",
            Honoured::Refused => "refused",
            Honoured::Unknown => "unknown",
        }
    }
}

/// What a store honours. Nothing relies on it: it is there to be reported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// `file`, `s3`, `gs` or `az`.
    pub kind: &'static str,
    /// Whether an object is written only if none is there.
    pub conditional_put: Honoured,
    /// Whether a part of an object can be read.
    pub ranged_get: Honoured,
    /// Whether an upload in parts can be begun and aborted.
    pub multipart: Honoured,
    /// Whether objects can be removed.
    pub delete: Honoured,
}

impl Capabilities {
    /// Those of a folder, which needs none of this.
    pub(in crate::blob) fn folder() -> Capabilities {
        Capabilities { ranged_get: Honoured::Honoured, delete: Honoured::Honoured, ..Capabilities::unknown("file") }
    }

    /// Those of a store that was not asked.
    pub(super) fn unknown(kind: &'static str) -> Capabilities {
        let unknown = Honoured::Unknown;
        Capabilities { kind, conditional_put: unknown, ranged_get: unknown, multipart: unknown, delete: unknown }
    }
}

/// Waits until the store answers, and asks what it honours.
pub(super) async fn wait_and_probe(
    objects: &Objects,
    storage: &StorageConfig,
    bucket: &Bucket,
) -> Result<Capabilities, BlobError> {
    let deadline = Instant::now() + Duration::from_secs(storage.start_timeout_seconds);
    loop {
        match probe(objects, bucket.kind).await {
            Ok(capabilities) => {
                tracing::info!(
                    storage.kind = capabilities.kind,
                    storage.conditional_put = capabilities.conditional_put.word(),
                    "the object store answers"
                );
                return Ok(capabilities);
            }
            Err(error) if error.is_transient() && Instant::now() + PAUSE < deadline => {
                tracing::warn!(storage.bucket = bucket.name, error = %error, "the object store does not answer yet; waiting for it");
                tokio::time::sleep(PAUSE).await;
            }
            Err(error) => return Err(explain(error, storage, bucket)),
        }
    }
}

/// Writes, reads and removes objects under `probe/`.
async fn probe(objects: &Objects, kind: BucketKind) -> Result<Capabilities, BlobError> {
    let (plain, conditional, parts) = (probe_path(objects), probe_path(objects), probe_path(objects));
    let raw = objects.raw();
    let put = raw.put(&plain, PutPayload::from_static(CONTENT));
    objects.within("writing a probe", put).await?.map_err(BlobError::store("writing a probe"))?;

    let ranged = objects.within("reading a probe", raw.get_range(&plain, 6..8)).await?;
    let ranged_get = match ranged {
        Ok(bytes) if bytes == CONTENT[6..8] => Honoured::Honoured,
        Ok(_) => Honoured::Ignored,
        Err(error) if is_transient(&error) => return Err(BlobError::store("reading a probe")(error)),
        Err(_) => Honoured::Refused,
    };
    if ranged_get != Honoured::Honoured {
        let text = "the object store does not answer reads of a part of an object, which Acervo needs; use another one";
        return Err(BlobError::Config(text.to_owned()));
    }

    let mut conditional_put = Honoured::Unknown;
    for is_there in [false, true] {
        let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
        let put = raw.put_opts(&conditional, PutPayload::from_static(CONTENT), options);
        conditional_put = match objects.within("writing a probe", put).await? {
            Ok(_) if is_there => Honoured::Ignored,
            Ok(_) => continue,
            Err(object_store::Error::AlreadyExists { .. } | object_store::Error::Precondition { .. }) if is_there => {
                Honoured::Honoured
            }
            Err(error) if is_transient(&error) => return Err(BlobError::store("writing a probe")(error)),
            Err(_) => Honoured::Refused,
        };
        break;
    }

    let begun = objects.within("beginning an upload", raw.create_multipart(&parts)).await?;
    let upload_id = begun.map_err(BlobError::store("beginning an upload"))?;
    let aborted = objects.within("aborting an upload", raw.abort_multipart(&parts, &upload_id)).await?;
    aborted.map_err(BlobError::store("aborting an upload"))?;

    let mut delete = Honoured::Honoured;
    for path in [&plain, &conditional] {
        match objects.within("removing a probe", raw.delete(path)).await? {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
            Err(error) if is_transient(&error) => return Err(BlobError::store("removing a probe")(error)),
            Err(error) => {
                tracing::warn!(error = %error, "the object store refuses to remove an object; what is not needed any more will stay there");
                delete = Honoured::Refused;
            }
        }
    }
    Ok(Capabilities { kind: kind.word(), conditional_put, ranged_get, multipart: Honoured::Honoured, delete })
}

fn probe_path(objects: &Objects) -> object_store::path::Path {
    objects.path(BlobKey::Probe(Uuid::now_v7()))
}

/// Says what to do about a store that cannot be used.
fn explain(error: BlobError, storage: &StorageConfig, bucket: &Bucket) -> BlobError {
    let (name, url) = (&bucket.name, &storage.url);
    let keys = match bucket.kind {
        BucketKind::S3 => "`storage.access_key_id`, `storage.secret_access_key` and `storage.region`",
        BucketKind::Google => "`storage.credentials_file`",
        BucketKind::Azure => "`storage.account` and `storage.account_key`",
    };
    let place = storage.endpoint.as_deref().unwrap_or("its public endpoint");
    let source = match error {
        BlobError::Store { source, .. } => source,
        BlobError::Unreachable { seconds, .. } => {
            return BlobError::Config(format!(
                "the object store at `{place}` did not answer within {seconds} seconds; check `storage.endpoint`, and that it is up"
            ));
        }
        other => return other,
    };
    BlobError::Config(match &source {
        object_store::Error::NotFound { .. } => {
            format!("there is no bucket `{name}` at `{place}`; create it, or correct `storage.url`, which is `{url}`")
        }
        object_store::Error::PermissionDenied { .. } | object_store::Error::Unauthenticated { .. } => {
            format!(
                "the object store at `{place}` refuses these credentials for the bucket `{name}`; check {keys}, and that they \
                 may read, write and remove objects there ({source})"
            )
        }
        source if is_transient(source) => {
            format!(
                "the object store at `{place}` does not answer; check `storage.endpoint`, and that it is up ({source})"
            )
        }
        source => format!(
            "the object store at `{place}` refuses a test write into the bucket `{name}`; check {keys} and `storage.endpoint` ({source})"
        ),
    })
}
