//! Finds the route of a path by the router page's own patterns.
//!
//! Empty segments at the start and end of a path do not count: llama.cpp joins its endpoint with a second slash, others
//! leave one at the end. Only what actix matches is changed; handlers still see the path as it was sent, with every escape
//! in place.

use actix_web::Error;
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;
use actix_web::web::Data;

use crate::http::pattern;
use crate::http::router::Numbers;

/// Leads actix to the resource of the path.
pub(in crate::http) async fn find_route(
    mut req: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    if let Some(numbers) = req.app_data::<Data<Numbers>>().cloned() {
        let uri = req.uri().clone();
        let segments = pattern::segments(uri.path());
        let (address, found) = numbers.find(&segments);
        let matched = req.match_info_mut();
        matched.get_mut().update(address);
        for (name, value) in found.into_iter().flat_map(|found| found.others(&segments)) {
            matched.add_static(name, value);
        }
    }
    next.call(req).await
}
