//! Bodies that are finished once and sent many times, compressed for clients that take that: compressing anew for each
//! would cost more than all the rest of an answer.

use std::io::Write;
use std::sync::OnceLock;

use actix_web::http::header::{AcceptEncoding, CONTENT_ENCODING, Encoding, Header, VARY};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder};
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;

/// A body and, once somebody has asked for it, its compressed twin.
#[derive(Debug)]
pub(super) struct Packed {
    body: Bytes,
    compressed: OnceLock<Option<Bytes>>,
}

impl Packed {
    /// A body of which no twin is made yet.
    pub(super) fn new(body: Bytes) -> Packed {
        Packed { body, compressed: OnceLock::new() }
    }
}

/// Sends a body, compressed if the client takes that.
pub(super) fn send(req: &HttpRequest, packed: &Packed, response: HttpResponseBuilder) -> HttpResponse {
    let compressed =
        takes_gzip(req).then(|| packed.compressed.get_or_init(|| compress(&packed.body))).and_then(Option::as_ref);
    send_either(response, &packed.body, compressed)
}

/// Sends the compressed twin if there is one, else the body.
pub(super) fn send_either(mut response: HttpResponseBuilder, body: &Bytes, compressed: Option<&Bytes>) -> HttpResponse {
    response.append_header((VARY, "Accept-Encoding"));
    match compressed {
        Some(body) => response.insert_header((CONTENT_ENCODING, "gzip")).body(body.clone()),
        None => response.body(body.clone()),
    }
}

/// Whether the client would rather have it compressed.
pub(super) fn takes_gzip(req: &HttpRequest) -> bool {
    let offered = [Encoding::gzip(), Encoding::identity()];
    AcceptEncoding::parse(req).is_ok_and(|accepted| accepted.negotiate(offered.iter()) == Some(Encoding::gzip()))
}

/// The same bytes, compressed.
pub(super) fn compress(body: &[u8]) -> Option<Bytes> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 4), Compression::fast());
    // Writing to a vector does not fail.
    encoder.write_all(body).and_then(|()| encoder.finish()).ok().map(Bytes::from)
}
