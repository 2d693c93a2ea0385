//! Request ids, one log line and one count for each request, and a 500 where a handler panicked.
//!
//! Neither log lines nor labels ever hold a path, a query or a header: those may carry names of private repositories,
//! signatures and tokens.

use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};

use actix_web::Error;
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::Next;
use actix_web::web::Data;
use futures::FutureExt;
use tracing::Instrument;
use uuid::Uuid;

use crate::context::Hub;
use crate::error::HubError;
use crate::http::error::ApiError;
use crate::http::pattern::Pattern;
use crate::metrics::RequestLabels;

/// Where clients and proxies say what they call a request, the client's own word first.
const ID_HEADERS: [&str; 2] = ["x-amzn-trace-id", "x-request-id"];

/// Under which the id is handed back; huggingface_hub prints it with every error.
const ANSWER_HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// Longest id taken over from a client, in bytes.
const ID_BYTES_MAX: usize = 128;

/// Route of a request that no pattern matched.
const UNMATCHED: &str = "unmatched";

/// Routes that are asked every few seconds by machines: not worth a line each.
const PROBES: [&str; 3] = ["/healthz", "/readyz", "/metrics"];

/// Names, times, counts and logs a request.
pub(in crate::http) async fn observe<B: MessageBody>(
    req: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, Error> {
    let started = Instant::now();
    let hub = req.app_data::<Data<Hub>>().cloned();
    let method = req.method().clone();
    let id = request_id(&req);
    let span = tracing::info_span!("request", request.id = %id.to_str().unwrap_or_default());
    let answered = AssertUnwindSafe(next.call(req)).catch_unwind().instrument(span.clone()).await;
    let answered = span.in_scope(|| answered.unwrap_or_else(|_| Err(panicked())));
    let (route, status) = match &answered {
        Ok(response) => (route(response), response.status()),
        Err(error) => (UNMATCHED, error.as_response_error().status_code()),
    };
    let seconds = started.elapsed();
    span.in_scope(|| log(&method, route, status, seconds));
    if let Some(hub) = hub {
        count(&hub, &method, route, status, seconds);
    }
    answered.map(|mut response| {
        response.headers_mut().insert(ANSWER_HEADER, id);
        response
    })
}

/// The client's id for the request if it can be shown, else a fresh one.
fn request_id(req: &ServiceRequest) -> HeaderValue {
    let legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b':' | b'=' | b';');
    let is_sane =
        |value: &&HeaderValue| (1..=ID_BYTES_MAX).contains(&value.len()) && value.as_bytes().iter().copied().all(legal);
    let given = ID_HEADERS.iter().find_map(|name| req.headers().get(*name).filter(is_sane));
    given.cloned().unwrap_or_else(|| {
        HeaderValue::from_str(&Uuid::now_v7().to_string()).unwrap_or_else(|_| HeaderValue::from_static("none"))
    })
}

/// A panic ends its request only; without this, actix would drop the connection without a word.
fn panicked() -> Error {
    let error =
        ApiError::from(HubError::Internal("a handler panicked; the message stands on standard error".to_owned()));
    error.log();
    error.into()
}

/// The pattern a request was answered by.
fn route<B>(response: &ServiceResponse<B>) -> &'static str {
    response.request().app_data::<Pattern>().map_or(UNMATCHED, |pattern| pattern.line)
}

fn log(method: &Method, route: &str, status: StatusCode, took: Duration) {
    let (status, duration_ms) = (status.as_u16(), took.as_micros() as f64 / 1000.0);
    if PROBES.contains(&route) {
        tracing::debug!(http.method = %method, http.route = route, http.status = status, duration_ms, "answered a probe");
    } else {
        tracing::info!(http.method = %method, http.route = route, http.status = status, duration_ms, "answered a request");
    }
}

fn count(hub: &Hub, method: &Method, route: &'static str, status: StatusCode, took: Duration) {
    // Anybody can make up methods; labels must stay few.
    let known = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"];
    let method = known.into_iter().find(|known| *known == method.as_str()).unwrap_or("other");
    let labels = RequestLabels { method, route, status: status.as_u16() };
    hub.metrics().requests.get_or_create(&labels).inc();
    hub.metrics().request_seconds.observe(took.as_secs_f64());
}

#[cfg(test)]
mod tests {
    use actix_web::middleware::from_fn;
    use actix_web::test::{TestRequest, init_service};
    use actix_web::{App, HttpResponse, web};

    use super::observe;

    async fn broken() -> HttpResponse {
        panic!("as the test wants it")
    }

    #[actix_web::test]
    async fn a_panic_ends_its_request_only() {
        let app = init_service(App::new().wrap(from_fn(observe)).route("/", web::to(broken))).await;
        for _ in 0..2 {
            let request = TestRequest::get().uri("/").to_request();
            let error = actix_web::dev::Service::call(&app, request).await.unwrap_err();
            assert_eq!(error.as_response_error().status_code(), 500);
        }
    }
}
