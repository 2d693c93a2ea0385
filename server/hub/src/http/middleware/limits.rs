//! Limits of requests: who is too fast is told when to come back, everybody else how much is left.
//!
//! In the words that huggingface_hub reads from 1.2 on: it waits for `t` seconds if `r` is 0. Probes and the files of
//! pages are not counted.

use acervo_core::Caller;
use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::{Error, HttpRequest};

use crate::app::identity;
use crate::context::Hub;
use crate::http::error::ApiError;
use crate::http::extract::{client_address, credential, hub_of};
use crate::http::pattern;
use crate::limits::{Bucket, Standing, Who};
use crate::metrics::BucketLabels;

/// What is left until when.
const LIMIT: HeaderName = HeaderName::from_static("ratelimit");

/// How much there is in a window.
const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// Counts a request, and refuses it if it is one too many.
pub(in crate::http) async fn limit<B: MessageBody>(
    req: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    let Some(standing) = standing(req.request()).await else {
        return Ok(next.call(req).await?.map_into_left_body());
    };
    let mut response = if standing.is_refused {
        req.into_response(ApiError::TooMany(standing).response(false)).map_into_right_body()
    } else {
        next.call(req).await?.map_into_left_body()
    };
    mark(response.headers_mut(), &standing);
    Ok(response)
}

/// How the caller stands after this request; `None` if such requests are not counted.
async fn standing(req: &HttpRequest) -> Option<Standing> {
    let hub = hub_of(req).ok()?;
    let bucket = bucket(req.uri().path()).filter(|bucket| hub.limits().counts(*bucket))?;
    let standing = hub.limits().count(bucket, who(hub, req).await?, hub.now())?;
    if standing.is_refused {
        hub.metrics().rate_limited.get_or_create(&BucketLabels { bucket: bucket.as_str() }).inc();
    }
    Some(standing)
}

/// Whose request it is: a token that does not work is nobody's.
async fn who(hub: &Hub, req: &HttpRequest) -> Option<Who> {
    let token = credential(req).ok().flatten();
    match identity::authenticate(hub, token.as_deref()).await {
        Ok(Caller::Known(identity)) => Some(Who::Principal(identity.principal_id)),
        _ => client_address(hub, req).map(Who::Address),
    }
}

/// What a request to this path is counted as.
fn bucket(raw_path: &str) -> Option<Bucket> {
    let segments = pattern::segments(raw_path);
    match segments.as_slice() {
        ["healthz" | "readyz" | "metrics"] | ["static", ..] | ["docs", "api", _] => None,
        ["api", "resolve-cache", ..] => Some(Bucket::Resolvers),
        ["api", ..] => Some(Bucket::Api),
        // A name has one or two segments, and perhaps its kind before it.
        [_, rest @ ..] if rest.iter().take(3).any(|segment| matches!(*segment, "resolve" | "raw")) => {
            Some(Bucket::Resolvers)
        }
        _ => Some(Bucket::Pages),
    }
}

fn mark(headers: &mut HeaderMap, standing: &Standing) {
    let Standing { quota, window_seconds, remaining, reset_seconds, .. } = standing;
    let bucket = standing.bucket.as_str();
    let limit = format!("\"{bucket}\";r={remaining};t={reset_seconds}");
    let policy = format!("\"fixed window\";\"{bucket}\";q={quota};w={window_seconds}");
    for (name, text) in [(LIMIT, limit), (POLICY, policy)] {
        if let Ok(value) = HeaderValue::from_str(&text) {
            headers.insert(name, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::bucket;
    use crate::limits::Bucket;

    #[test]
    fn every_path_is_counted_as_what_it_is() {
        for (path, expected) in [
            ("/api/models", Some(Bucket::Api)),
            ("//api/models/acme/x/tree/main/resolve", Some(Bucket::Api)),
            ("/api/resolve-cache/models/acme/x/0123/f", Some(Bucket::Resolvers)),
            ("/acme/x/resolve/main/f", Some(Bucket::Resolvers)),
            ("/gpt2/raw/main/f", Some(Bucket::Resolvers)),
            ("/datasets/acme/x/resolve/main/f", Some(Bucket::Resolvers)),
            ("/", Some(Bucket::Pages)),
            ("/acme/x", Some(Bucket::Pages)),
            ("/docs/api", Some(Bucket::Pages)),
            ("/openapi.json", Some(Bucket::Pages)),
            ("/docs/api/swagger-ui.css", None),
            ("/static/acervo.css", None),
            ("/healthz", None),
            ("/metrics/", None),
        ] {
            assert_eq!(bucket(path), expected, "{path}");
        }
    }
}
