//! Empty segments at the start and end of a path do not count.
//!
//! llama.cpp joins its endpoint with a second slash, others leave one at the end. Only what the router matches is
//! changed; handlers still see the path as it was sent, with every escape in place.

use actix_web::Error;
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Uri;
use actix_web::middleware::Next;

/// Hides empty segments at both ends of the path from the router.
pub(in crate::http) async fn without_empty_ends(
    mut req: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let path = req.uri().path();
    let tidy = format!("/{}", path.trim_matches('/'));
    if tidy != path
        && let Ok(uri) = Uri::builder().path_and_query(tidy).build()
    {
        req.match_info_mut().get_mut().update(&uri);
    }
    next.call(req).await
}
