//! Cross-origin requests: what a browser page elsewhere (transformers.js) may ask and see.
//!
//! Credentials travel in `Authorization` only, never in cookies, so any origin on the list learns no more than the
//! token it already has allows.

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, HeaderMap, HeaderValue,
    ORIGIN, VARY,
};
use actix_web::middleware::Next;
use actix_web::{Error, HttpResponse};

use crate::http::extract::hub_of;

const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, POST, OPTIONS");

const REQUEST_HEADERS: HeaderValue = HeaderValue::from_static("Authorization, Range, Accept, Content-Type");

const RESPONSE_HEADERS: HeaderValue = HeaderValue::from_static(
    "X-Repo-Commit, X-Request-Id, X-Error-Code, X-Error-Message, X-Total-Count, ETag, Link, Accept-Ranges, \
     Content-Range, X-Linked-Size, X-Linked-ETag, X-Xet-Hash",
);

/// A day: what may be asked changes with releases only.
const MAX_AGE_SECONDS: HeaderValue = HeaderValue::from_static("86400");

/// Stands for every origin in `server.cors_origins`.
const ANY: &str = "*";

/// Answers preflights, and says on every answer who may read it.
pub(in crate::http) async fn cors<B: MessageBody>(
    req: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    let origin = req.headers().get(ORIGIN).cloned();
    let allowed = allowed_origin(&req, origin.as_ref());
    let is_preflight = req.method() == Method::OPTIONS
        && origin.is_some()
        && req.headers().contains_key(ACCESS_CONTROL_REQUEST_METHOD);
    let mut response = if is_preflight {
        let mut answer = HttpResponse::NoContent().finish();
        if allowed.is_some() {
            let headers = answer.headers_mut();
            headers.insert(ACCESS_CONTROL_ALLOW_METHODS, METHODS);
            headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, REQUEST_HEADERS);
            headers.insert(ACCESS_CONTROL_MAX_AGE, MAX_AGE_SECONDS);
        }
        req.into_response(answer).map_into_right_body()
    } else {
        next.call(req).await?.map_into_left_body()
    };
    mark(response.headers_mut(), allowed);
    Ok(response)
}

/// What to answer to an origin; nothing if it is not on the list.
fn allowed_origin(req: &ServiceRequest, origin: Option<&HeaderValue>) -> Option<HeaderValue> {
    let origin = origin?;
    let listed = &hub_of(req.request()).ok()?.config().server.cors_origins;
    if listed.iter().any(|listed| listed == ANY) {
        return Some(HeaderValue::from_static(ANY));
    }
    listed.iter().any(|listed| listed.as_bytes() == origin.as_bytes()).then(|| origin.clone())
}

fn mark(headers: &mut HeaderMap, allowed: Option<HeaderValue>) {
    headers.append(VARY, HeaderValue::from_static("Origin"));
    if let Some(allowed) = allowed {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, RESPONSE_HEADERS);
    }
}
