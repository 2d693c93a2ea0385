//! `POST /api/mirrors/plan` and `/api/mirrors/apply`: the orders of a mirrors file, sent as it stands.

use actix_web::{HttpResponse, web};

use super::doc::ErrorBody;
use crate::app::orders;
use crate::app::sync::Progress;
use crate::context::Hub;
use crate::error::HubError;
use crate::http::error::ApiError;
use crate::http::extract::Auth;

/// Says what applying these orders would change and what a sync would fetch; changes nothing.
///
/// Asks the upstreams, so it takes as long as they do. `refused` names what the orders want and do not get.
#[utoipa::path(
    post,
    path = "/api/mirrors/plan",
    tag = "mirrors",
    request_body(
        content = String, content_type = "text/plain", description = "A mirrors file, of at most 1 MiB",
        example = "[mirror.small]\nrepos = [\"acme/*\"]\npresets = [\"safetensors-only\"]\nschedule = \"0 3 * * *\"\n"
    ),
    responses(
        (
            status = 200, description = "Steps for orders and mirrors, what each sync would do, and sums", body = Object,
            example = json!({
                "orders": [{"action": "add", "name": "small", "repos": 1}],
                "mirrors": [{
                    "action": "add", "type": "model", "repo": "acme/tiny", "endpoint": "https://hub.example",
                    "upstream": "acme/tiny", "order": "small", "differs": [],
                    "sync": {
                        "revisions": [{"revision": "main", "commit": "1ec3c42fc031d96b58e77f895822ae3b0225e71d"}],
                        "files_to_fetch": 2, "bytes_to_fetch": 5005, "files_held": 0, "bytes_held": 0,
                        "commits_to_publish": 1, "requests": 6
                    }
                }],
                "refused": [],
                "totals": {
                    "repos": 1, "commits_to_publish": 1, "files_to_fetch": 2, "bytes_to_fetch": 5005, "files_held": 0,
                    "bytes_held": 0, "requests": 6, "budgets": []
                }
            })
        ),
        (status = 400, description = "Orders that cannot be read, or no text; the error names line and column", body = ErrorBody),
        (status = 401, description = "No token, or a bad one of this hub", body = ErrorBody),
        (status = 403, description = "The caller is no administrator", body = ErrorBody),
        (status = 413, description = "A file that is too long", body = ErrorBody),
    )
)]
pub async fn plan(hub: web::Data<Hub>, Auth(caller): Auth, body: web::Bytes) -> Result<HttpResponse, ApiError> {
    let orders = orders::read(&caller, text(&body)?)?;
    Ok(HttpResponse::Ok().json(orders::plan(&hub, &caller, &orders, &Progress::default()).await?))
}

/// Makes mirrors what these orders say, which are all that the mirrors file has; fetches nothing.
///
/// Orders and mirrors of the file that are not among them are removed, and what was fetched stays. What was made by hand
/// is left alone. Sending the same again changes nothing.
#[utoipa::path(
    post,
    path = "/api/mirrors/apply",
    tag = "mirrors",
    request_body(
        content = String, content_type = "text/plain", description = "A mirrors file, of at most 1 MiB",
        example = "[mirror.small]\nrepos = [\"acme/*\"]\npresets = [\"safetensors-only\"]\nschedule = \"0 3 * * *\"\n"
    ),
    responses(
        (
            status = 200, description = "What was changed, and what was refused", body = Object,
            example = json!({
                "orders": [{"action": "keep", "name": "small", "repos": 1}],
                "mirrors": [{
                    "action": "keep", "type": "model", "repo": "acme/tiny", "endpoint": "https://hub.example",
                    "upstream": "acme/tiny", "order": "small", "differs": []
                }],
                "refused": [{
                    "order": "small", "repo": "acme/other",
                    "reason": "a mirror of it was added by hand; remove that with `acervo mirror remove acme/other`, what it \
                               fetched stays"
                }]
            })
        ),
        (status = 400, description = "Orders that cannot be read, or no text; the error names line and column", body = ErrorBody),
        (status = 401, description = "No token, or a bad one of this hub", body = ErrorBody),
        (status = 403, description = "The caller is no administrator", body = ErrorBody),
        (status = 413, description = "A file that is too long", body = ErrorBody),
    )
)]
pub async fn apply(hub: web::Data<Hub>, Auth(caller): Auth, body: web::Bytes) -> Result<HttpResponse, ApiError> {
    let orders = orders::read(&caller, text(&body)?)?;
    Ok(HttpResponse::Ok().json(orders::apply(&hub, &caller, &orders, &Progress::default()).await?))
}

fn text(body: &[u8]) -> Result<&str, HubError> {
    std::str::from_utf8(body).map_err(|_| HubError::Invalid("a mirrors file is text in UTF-8".to_owned()))
}
