//! From a content and a request's conditions to the answer: 200, 206, 304, 412 or 416.
//!
//! A HEAD has every header of the GET, the length too, and never touches the content.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use acervo_core::CommitOid;
use acervo_core::conditional::{self, Precondition};
use acervo_core::range::{self, RangeRequest};
use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_RANGE, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG,
    HeaderName, IF_MATCH, IF_NONE_MATCH, IF_RANGE, RANGE, X_CONTENT_TYPE_OPTIONS,
};
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder};
use bytes::Bytes;
use serde_json::json;

use crate::http::error::ApiError;

/// A page made of a served content may load nothing and run nothing.
const SANDBOX: &str = "default-src 'none'; sandbox";

/// Size of a whole LFS file.
const LINKED_SIZE: &str = "x-linked-size";

/// A content as it is offered: everything but its bytes.
#[derive(Clone, Debug)]
pub(super) struct Offer {
    /// Commit it is taken from.
    pub(super) commit: CommitOid,
    /// Strong entity tag, without quotes.
    pub(super) etag: String,
    /// Bytes.
    pub(super) size: u64,
    /// SHA-256, for LFS files.
    pub(super) linked: Option<String>,
    /// Media type.
    pub(super) content_type: &'static str,
    /// How a browser should offer it.
    pub(super) disposition: Option<String>,
    /// Who may keep it for how long.
    pub(super) cache_control: &'static str,
}

/// Answers a GET or HEAD; `open` gives the bytes from one position up to, not including, another. It is asked before
/// the status is decided, so that bytes which are not there make an error and no answer that breaks off.
pub(super) async fn answer(
    req: &HttpRequest,
    offer: &Offer,
    open: impl AsyncFnOnce(u64, u64) -> Result<BoxBody, ApiError>,
) -> Result<HttpResponse, ApiError> {
    let (if_match, if_none_match) = (list(req, &IF_MATCH), list(req, &IF_NONE_MATCH));
    match conditional::evaluate(if_match.as_deref(), if_none_match.as_deref(), &offer.etag) {
        Precondition::Proceed => {}
        Precondition::NotModified => return Ok(offer.identified(StatusCode::NOT_MODIFIED).finish()),
        Precondition::Failed => {
            return Ok(offer.refused(StatusCode::PRECONDITION_FAILED, "the content is another one by now"));
        }
    }
    // Ranges are defined for GET alone.
    if req.method() == Method::HEAD {
        return Ok(offer.described(StatusCode::OK).body(Unsent(offer.size)));
    }
    let wanted = list(req, &RANGE).filter(|_| conditional::range_applies(list(req, &IF_RANGE).as_deref(), &offer.etag));
    match range::parse(wanted.as_deref(), offer.size) {
        // An empty content has no part to refuse or to give. hf-hub 0.5 and @huggingface/hub ask for the first byte to
        // learn the size: from this they read that it is 0, and everybody else has to ignore the header on a 200.
        RangeRequest::Unsatisfiable if offer.size == 0 => {
            let mut response = offer.described(StatusCode::OK);
            response.insert_header((CONTENT_RANGE, "bytes */0"));
            Ok(response.body(open(0, 0).await?))
        }
        RangeRequest::Whole => Ok(offer.described(StatusCode::OK).body(open(0, offer.size).await?)),
        RangeRequest::Part { start, end } => {
            let mut response = offer.described(StatusCode::PARTIAL_CONTENT);
            response.insert_header((CONTENT_RANGE, format!("bytes {start}-{end}/{}", offer.size)));
            let mut response = response.body(open(start, end + 1).await?);
            // hf-hub 1.0 takes it for the length of what it reads. On other hubs a part comes from storage, without it.
            response.headers_mut().remove(LINKED_SIZE);
            Ok(response)
        }
        RangeRequest::Unsatisfiable => {
            let mut response = offer.refused(StatusCode::RANGE_NOT_SATISFIABLE, "the range lies outside the content");
            let size = actix_web::http::header::HeaderValue::from_str(&format!("bytes */{}", offer.size));
            if let Ok(size) = size {
                response.headers_mut().insert(CONTENT_RANGE, size);
            }
            Ok(response)
        }
    }
}

impl Offer {
    /// An answer that says which content this is, without its type and name.
    fn identified(&self, status: StatusCode) -> HttpResponseBuilder {
        let mut response = HttpResponse::build(status);
        response.insert_header(("X-Repo-Commit", self.commit.to_hex()));
        response.insert_header((ETAG, format!("\"{}\"", self.etag)));
        response.insert_header((ACCEPT_RANGES, "bytes"));
        response.insert_header((CACHE_CONTROL, self.cache_control));
        if let Some(sha256) = &self.linked {
            response.insert_header(("X-Linked-Etag", format!("\"{sha256}\"")));
            response.insert_header((LINKED_SIZE, self.size.to_string()));
        }
        response
    }

    /// An answer with all there is to say of the content.
    fn described(&self, status: StatusCode) -> HttpResponseBuilder {
        let mut response = self.identified(status);
        response.insert_header((CONTENT_TYPE, self.content_type));
        response.insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"));
        response.insert_header((CONTENT_SECURITY_POLICY, SANDBOX));
        if let Some(disposition) = &self.disposition {
            response.insert_header((CONTENT_DISPOSITION, disposition.as_str()));
        }
        response
    }

    fn refused(&self, status: StatusCode, text: &'static str) -> HttpResponse {
        let mut response = self.identified(status);
        response.insert_header((CACHE_CONTROL, "no-store"));
        response.insert_header(("X-Error-Message", text));
        response.json(json!({ "error": text }))
    }
}

/// The values of a header as one list.
fn list(req: &HttpRequest, name: &HeaderName) -> Option<String> {
    let values: Vec<&str> = req.headers().get_all(name).filter_map(|value| value.to_str().ok()).collect();
    (!values.is_empty()).then(|| values.join(", "))
}

/// A body of known length that is never sent: actix would read any other through to its end, even for a HEAD.
struct Unsent(u64);

impl MessageBody for Unsent {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Sized(self.0)
    }

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, Infallible>>> {
        Poll::Ready(None)
    }
}
