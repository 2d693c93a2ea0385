//! Turns every failure into its answer on the wire, and logs it.

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage};

use crate::http::error;
use crate::http::extract::CallerIsKnown;

/// Makes the body and headers of a failure, now that it is known who asked.
pub(in crate::http) async fn render<B: MessageBody>(
    req: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    let response = next.call(req).await?;
    let Some(failure) = response.response().error() else {
        return Ok(response.map_into_left_body());
    };
    let caller_is_known = response.request().extensions().contains::<CallerIsKnown>();
    let answer = error::answer(failure, caller_is_known);
    Ok(response.into_response(answer).map_into_right_body())
}
