//! What the S3 server does wrong on order.
//!
//! Every request passes [`Faults::pass`] on its way to the true service and back.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use s3s::service::S3Service;
use s3s::{HttpRequest, HttpResponse};

/// The faults of one server; clones share them.
#[derive(Clone, Debug)]
pub struct Faults {
    /// Where the server keeps everything, for faults that make it forget.
    #[expect(dead_code, reason = "no fault needs it yet")]
    root: Arc<PathBuf>,
}

impl Faults {
    pub(super) fn new(root: PathBuf) -> Faults {
        Faults { root: Arc::new(root) }
    }

    /// Serves one request. An error closes its connection without an answer.
    pub(super) async fn pass(&self, request: HttpRequest, service: &S3Service) -> Result<HttpResponse, Cut> {
        service.call(request).await.map_err(|_| Cut)
    }
}

/// The connection was cut.
#[derive(Debug)]
pub struct Cut;

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the connection was cut on order")
    }
}

impl std::error::Error for Cut {}
