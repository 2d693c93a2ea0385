//! Answers that are made once and then sent as they are: what a commit is does not change, and whatever else goes into
//! them drops the caches when it changes.

use std::io::Write;
use std::sync::{Arc, OnceLock};

use acervo_store::db::commits::Commit;
use actix_web::http::header::{AcceptEncoding, CONTENT_ENCODING, ContentType, Encoding, Header, VARY};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder};
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde::Serialize;

use crate::app::cache::Answer;
use crate::context::Hub;
use crate::error::HubError;

/// What the handler makes when an answer is not remembered.
pub(super) struct Draft<T> {
    /// To be sent as JSON.
    pub(super) body: T,
    /// Where the next page starts, if there is one.
    pub(super) next: Option<String>,
}

/// The finished answer to a question on a commit. `question` must tell apart whatever makes the answers differ, except
/// who asks: whether the caller may see the repository was decided before.
pub(super) async fn answer<T: Serialize>(
    hub: &Hub,
    commit: &Commit,
    question: String,
    make: impl AsyncFnOnce() -> Result<Draft<T>, HubError>,
) -> Result<Arc<Answer>, HubError> {
    let finish = async || {
        let draft = make().await?;
        let body = serde_json::to_vec(&draft.body).map_err(|error| HubError::Internal(error.to_string()))?;
        Ok(Arc::new(Answer { body: Bytes::from(body), compressed: OnceLock::new(), next: draft.next }))
    };
    hub.caches().answers.get_or(hub.caches().epoch(), (commit.id, question), finish).await
}

/// Sends a finished answer, compressed if the client takes that: compressing it anew for each would cost more than all
/// the rest.
pub(super) fn send(req: &HttpRequest, answer: &Answer, mut response: HttpResponseBuilder) -> HttpResponse {
    response.content_type(ContentType::json()).append_header((VARY, "Accept-Encoding"));
    let compressed =
        takes_gzip(req).then(|| answer.compressed.get_or_init(|| compress(&answer.body))).and_then(Option::as_ref);
    match compressed {
        Some(body) => response.insert_header((CONTENT_ENCODING, "gzip")).body(body.clone()),
        None => response.body(answer.body.clone()),
    }
}

fn takes_gzip(req: &HttpRequest) -> bool {
    let offered = [Encoding::gzip(), Encoding::identity()];
    AcceptEncoding::parse(req).is_ok_and(|accepted| accepted.negotiate(offered.iter()) == Some(Encoding::gzip()))
}

/// The same bytes, compressed.
fn compress(body: &[u8]) -> Option<Bytes> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 4), Compression::fast());
    // Writing to a vector does not fail.
    encoder.write_all(body).and_then(|()| encoder.finish()).ok().map(Bytes::from)
}
