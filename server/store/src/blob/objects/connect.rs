//! Opening clients of object stores, from what is configured and nothing else: no variables of the environment, no
//! credentials of the machine unless that is asked for.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use acervo_core::Secret;
use async_trait::async_trait;
use object_store::aws::AmazonS3Builder;
use object_store::azure::MicrosoftAzureBuilder;
use object_store::client::{HttpClient, HttpConnector, HttpError, HttpRequest, HttpResponse, HttpService};
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::{BackoffConfig, ClientOptions, RetryConfig};

use super::RawStore;
use crate::blob::config::{Bucket, BucketKind, StorageConfig};
use crate::blob::error::BlobError;

/// Longest wait between two attempts at a request.
const BACKOFF_MAX: Duration = Duration::from_secs(5);

/// A client of the bucket. Nothing is asked of it yet.
pub(super) fn open(storage: &StorageConfig, bucket: &Bucket) -> Result<Arc<dyn RawStore>, BlobError> {
    let connection = Connection::new(storage)?;
    let retry = RetryConfig {
        backoff: BackoffConfig { max_backoff: BACKOFF_MAX, ..BackoffConfig::default() },
        max_retries: storage.attempts_max.saturating_sub(1) as usize,
        // Signatures of requests that are tried again are not renewed: well below the quarter of an hour they last.
        retry_timeout: Duration::from_secs(storage.upload_timeout_seconds.min(600)),
    };
    match bucket.kind {
        BucketKind::S3 => s3(storage, bucket, connection, retry),
        BucketKind::Google => google(storage, bucket, connection, retry),
        BucketKind::Azure => azure(storage, bucket, connection, retry),
    }
}

fn s3(
    storage: &StorageConfig,
    bucket: &Bucket,
    connection: Connection,
    retry: RetryConfig,
) -> Result<Arc<dyn RawStore>, BlobError> {
    let read = StorageConfig::credential;
    let id = read("access_key_id", storage.access_key_id.as_ref(), storage.access_key_id_file.as_ref())?;
    let key = read("secret_access_key", storage.secret_access_key.as_ref(), storage.secret_access_key_file.as_ref())?;
    let token = read("session_token", storage.session_token.as_ref(), storage.session_token_file.as_ref())?;
    let mut builder = AmazonS3Builder::new()
        .with_bucket_name(&bucket.name)
        .with_region(&storage.region)
        .with_virtual_hosted_style_request(!storage.path_style)
        .with_retry(retry)
        .with_http_connector(connection);
    let endpoint = storage.endpoint_url()?;
    // A signature over the payload costs a second SHA-256 of every byte. TLS lets nobody change bytes on their way, and a
    // link without it needs that signature.
    let is_encrypted = endpoint.as_ref().is_none_or(|endpoint| endpoint.scheme() == "https");
    builder = builder.with_unsigned_payload(is_encrypted);
    if let Some(mut endpoint) = endpoint {
        if !storage.path_style {
            let host = format!("{}.{}", bucket.name, endpoint.host_str().unwrap_or_default());
            endpoint.set_host(Some(&host)).map_err(|error| {
                BlobError::Config(format!(
                    "`storage.endpoint` cannot carry the bucket in its name ({error}); set `storage.path_style` to true"
                ))
            })?;
        }
        builder = builder.with_allow_http(!is_encrypted).with_endpoint(endpoint.as_str().trim_end_matches('/'));
    }
    match (id, key) {
        (Some(id), Some(key)) => {
            builder = builder.with_access_key_id(id.expose()).with_secret_access_key(key.expose());
            if let Some(token) = token {
                builder = builder.with_token(token.expose());
            }
        }
        (None, None) if storage.instance_metadata => {}
        (None, _) => return Err(missing("access_key_id")),
        (_, None) => return Err(missing("secret_access_key")),
    }
    Ok(Arc::new(builder.build().map_err(BlobError::store("opening the bucket"))?))
}

fn google(
    storage: &StorageConfig,
    bucket: &Bucket,
    connection: Connection,
    retry: RetryConfig,
) -> Result<Arc<dyn RawStore>, BlobError> {
    let mut builder = GoogleCloudStorageBuilder::new()
        .with_bucket_name(&bucket.name)
        .with_retry(retry)
        .with_http_connector(connection);
    if let Some(endpoint) = storage.endpoint_url()? {
        let options = ClientOptions::new().with_allow_http(endpoint.scheme() == "http");
        builder = builder.with_client_options(options).with_base_url(endpoint.as_str().trim_end_matches('/'));
    }
    match &storage.credentials_file {
        Some(file) => {
            // Read here, since the library's own message would not name the key.
            let text = fs::read_to_string(file).map_err(|error| unreadable("credentials_file", file, &error))?;
            builder = builder.with_service_account_key(text);
        }
        None if storage.instance_metadata => {}
        None => return Err(missing("credentials_file")),
    }
    Ok(Arc::new(builder.build().map_err(BlobError::store("opening the bucket"))?))
}

fn azure(
    storage: &StorageConfig,
    bucket: &Bucket,
    connection: Connection,
    retry: RetryConfig,
) -> Result<Arc<dyn RawStore>, BlobError> {
    let key: Option<Secret> =
        StorageConfig::credential("account_key", storage.account_key.as_ref(), storage.account_key_file.as_ref())?;
    let account = storage.account.as_ref().ok_or_else(|| missing("account"))?;
    let mut builder = MicrosoftAzureBuilder::new()
        .with_container_name(&bucket.name)
        .with_account(account)
        .with_retry(retry)
        .with_http_connector(connection);
    if let Some(endpoint) = storage.endpoint_url()? {
        builder = builder
            .with_allow_http(endpoint.scheme() == "http")
            .with_endpoint(endpoint.as_str().trim_end_matches('/').to_owned());
    }
    match key {
        Some(key) => builder = builder.with_access_key(key.expose()),
        None if storage.instance_metadata => {}
        None => return Err(missing("account_key")),
    }
    Ok(Arc::new(builder.build().map_err(BlobError::store("opening the container"))?))
}

fn missing(key: &str) -> BlobError {
    BlobError::Config(format!(
        "`storage.{key}` is not set; write the credential or a file that holds it, or set `storage.instance_metadata` to \
         true where the machine itself has the right"
    ))
}

fn unreadable(key: &str, file: &std::path::Path, error: &std::io::Error) -> BlobError {
    BlobError::Config(format!("`storage.{key}` names `{}`, which cannot be read: {error}", file.display()))
}

/// How requests travel: the library's own client would obey proxy variables of the environment, and limits a part that
/// is sent like an answer that is read.
#[derive(Clone, Debug)]
struct Connection {
    /// For questions and reads.
    reading: reqwest::Client,
    /// For what carries bytes there, or makes the store work for a while.
    sending: reqwest::Client,
}

impl Connection {
    fn new(storage: &StorageConfig) -> Result<Connection, BlobError> {
        let certificates = match &storage.ca_file {
            Some(file) => {
                let text = fs::read(file).map_err(|error| unreadable("ca_file", file, &error))?;
                let found = reqwest::Certificate::from_pem_bundle(&text).unwrap_or_default();
                if found.is_empty() {
                    return Err(BlobError::Config(format!(
                        "`storage.ca_file` names `{}`, which holds no certificate in PEM",
                        file.display()
                    )));
                }
                found
            }
            None => Vec::new(),
        };
        let client = |silence_seconds: u64| {
            reqwest::Client::builder()
                .user_agent(concat!("acervo/", env!("CARGO_PKG_VERSION")))
                .no_proxy()
                .redirect(reqwest::redirect::Policy::none())
                // One connection a transfer: what is multiplexed over a single one is slower.
                .http1_only()
                .tls_certs_merge(certificates.iter().cloned())
                .connect_timeout(Duration::from_secs(storage.connect_timeout_seconds))
                .read_timeout(Duration::from_secs(silence_seconds))
                .build()
                .map_err(|error| BlobError::Config(format!("no client for the object store can be made: {error}")))
        };
        Ok(Connection {
            reading: client(storage.read_timeout_seconds)?,
            sending: client(storage.upload_timeout_seconds)?,
        })
    }
}

impl HttpConnector for Connection {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.clone()))
    }
}

#[async_trait]
impl HttpService for Connection {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let client = match request.method().as_str() {
            "PUT" | "POST" => &self.sending,
            _ => &self.reading,
        };
        client.call(request).await
    }
}
