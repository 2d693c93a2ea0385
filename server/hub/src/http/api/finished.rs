//! Answers that are made once and then sent as they are: what a commit is does not change, and whatever else goes into
//! them drops the caches when it changes.

use std::sync::{Arc, OnceLock};

use acervo_store::db::commits::Commit;
use actix_web::http::header::ContentType;
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, web};
use bytes::Bytes;
use serde::Serialize;

use crate::app::cache::Answer;
use crate::context::Hub;
use crate::error::HubError;
use crate::http::gzip;

/// Bodies above this size, in bytes, are compressed where nobody waits for it but who asked: a web worker has other
/// connections to serve meanwhile.
const COMPRESSED_INLINE_BYTES_MAX: usize = 1024 * 1024;

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

/// Sends a finished answer, compressed if the client takes that.
pub(super) async fn send(
    req: &HttpRequest,
    answer: &Arc<Answer>,
    mut response: HttpResponseBuilder,
) -> Result<HttpResponse, HubError> {
    response.content_type(ContentType::json());
    let compressed = if gzip::takes_gzip(req) { compressed(answer).await? } else { None };
    Ok(gzip::send_either(response, &answer.body, compressed.as_ref()))
}

/// The compressed twin of an answer, made by the first who asks for it.
async fn compressed(answer: &Arc<Answer>) -> Result<Option<Bytes>, HubError> {
    let make = |answer: &Answer| answer.compressed.get_or_init(|| gzip::compress(&answer.body)).clone();
    if answer.compressed.get().is_some() || answer.body.len() <= COMPRESSED_INLINE_BYTES_MAX {
        return Ok(make(answer));
    }
    let answer = answer.clone();
    web::block(move || make(&answer)).await.map_err(|error| HubError::Internal(error.to_string()))
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::sync::{Arc, OnceLock};

    use actix_web::HttpResponse;
    use actix_web::body::to_bytes;
    use actix_web::test::TestRequest;
    use bytes::Bytes;
    use flate2::read::GzDecoder;

    use super::{COMPRESSED_INLINE_BYTES_MAX, send};
    use crate::app::cache::Answer;

    #[actix_web::test]
    async fn bodies_of_any_size_arrive_whole_and_are_compressed_once() {
        for length in [10, COMPRESSED_INLINE_BYTES_MAX + 1] {
            let body = Bytes::from("[0123456789]".repeat(length / 12 + 1));
            let answer = Arc::new(Answer { body: body.clone(), compressed: OnceLock::new(), next: None });
            let req = TestRequest::get().insert_header(("accept-encoding", "gzip")).to_http_request();
            for _ in 0..2 {
                let sent = send(&req, &answer, HttpResponse::Ok()).await.unwrap();
                assert_eq!(sent.headers().get("content-encoding").unwrap(), "gzip");
                let sent = to_bytes(sent.into_body()).await.unwrap();
                let mut read = Vec::new();
                GzDecoder::new(&sent[..]).read_to_end(&mut read).unwrap();
                assert!(read == body && answer.compressed.get().unwrap().as_ref() == Some(&sent), "{length}");
            }
            let plain = send(&TestRequest::get().to_http_request(), &answer, HttpResponse::Ok()).await.unwrap();
            assert!(to_bytes(plain.into_body()).await.unwrap() == body);
        }
    }
}
