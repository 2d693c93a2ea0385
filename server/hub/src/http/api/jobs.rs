//! `/api/mirrors/jobs`: what is being done, what was done, and steering it. Acervo's own.
//!
//! For those who manage mirrors or watch over the hub. Following one live is `job_events`.

use acervo_core::Caller;
use acervo_store::db::jobs::State;
use actix_web::http::header::LINK;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::{IntoParams, IntoResponses, ToSchema};
use uuid::Uuid;

use super::doc::ErrorBody;
use super::{cursor, next_page};
use crate::app::jobs::{self, JobQuery, JobView};
use crate::context::Hub;
use crate::error::HubError;
use crate::http::error::ApiError;
use crate::http::extract::{Auth, BaseUrl};
use crate::http::query::Query;

/// Jobs of a page, unless another number is asked for.
const LIMIT: u64 = 50;

/// Where a job stands.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum JobState {
    /// It waits, for its time or for a worker.
    Queued,
    /// A worker has it.
    Running,
    /// It is put aside until somebody resumes it.
    Paused,
    /// It is done.
    Succeeded,
    /// It was given up.
    Failed,
    /// Somebody ended it.
    Cancelled,
}

/// Which jobs are asked for.
#[derive(Clone, Debug, Default, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct JobsQuery {
    /// Only those that stand here.
    #[param(inline, value_type = Option<JobState>, example = "running")]
    pub state: Option<String>,
    /// Only those about this repository, of whatever type.
    #[param(example = "mistralai/Mistral-7B-v0.1")]
    pub repo: Option<String>,
    /// Most jobs of a page; 500 at most, 50 unless asked for.
    #[param(minimum = 1, maximum = 500, example = 50)]
    pub limit: Option<u64>,
    /// Where to go on, from the `Link` of the page before.
    pub cursor: Option<String>,
}

/// The part of a path that names a job.
#[derive(Clone, Debug, IntoParams)]
#[into_params(parameter_in = Path)]
pub struct JobAddress {
    /// Id of the job, whole.
    #[param(example = "0193a3f0-6c1e-7b3c-8a52-3f1d2c4b5a69")]
    pub id: String,
}

/// Answers that any question about a job may get.
#[derive(Clone, Debug, IntoResponses)]
pub enum JobErrors {
    /// No token, or a bad one of this hub.
    #[response(status = 401)]
    Anonymous(ErrorBody),
    /// The caller neither manages mirrors nor watches over the hub.
    #[response(status = 403)]
    Forbidden(ErrorBody),
    /// There is no such job.
    #[response(status = 404)]
    NotFound(ErrorBody),
}

/// A job of one sync, for the description.
pub(super) fn example() -> Value {
    json!({
        "id": "0193a3f0-6c1e-7b3c-8a52-3f1d2c4b5a69", "kind": "sync", "state": "running", "type": "model",
        "repo": "mistralai/Mistral-7B-v0.1", "locked": false, "priority": 0, "attempts": 1, "attempts_max": 3,
        "created_by": "ana", "created_at": "2023-11-14T22:13:20.007Z", "run_at": "2023-11-14T22:13:20.007Z",
        "started_at": "2023-11-14T22:13:21.000Z", "finished_at": null, "pause_requested": false,
        "cancel_requested": false, "error": null,
        "progress": {
            "phase": "fetching", "files_total": 12, "files_done": 3, "bytes_total": 29_000_000_000_u64,
            "bytes_done": 8_000_000_000_u64,
            "active": [{"path": "model-00001-of-00002.safetensors", "done": 5_000_000_000_u64, "total": 9_900_000_000_u64}]
        },
        "outcome": null
    })
}

/// Lists jobs, the newest first.
#[utoipa::path(
    method(get, head),
    path = "/api/mirrors/jobs",
    tag = "mirrors",
    params(JobsQuery),
    responses(
        (
            status = 200, description = "Jobs, a page of them", body = Vec<Object>,
            headers(("Link" = String, description = "Leads to the next page, if there is one")),
            example = json!([example()])
        ),
        (status = 400, description = "A state or cursor that is none", body = ErrorBody),
        (status = 401, description = "No token, or a bad one of this hub", body = ErrorBody),
        (status = 403, description = "The caller neither manages mirrors nor watches over the hub", body = ErrorBody),
    )
)]
pub async fn list(
    hub: web::Data<Hub>,
    Auth(caller): Auth,
    BaseUrl(base): BaseUrl,
    query: Query,
) -> Result<HttpResponse, ApiError> {
    let asked = JobQuery {
        state: query.last("state").map(str::parse::<State>).transpose().map_err(HubError::Invalid)?,
        repo: query.last("repo").map(str::to_owned),
        before: query.last("cursor").map(place).transpose()?,
        limit: query.number("limit").unwrap_or(LIMIT),
    };
    let page = jobs::list(&hub, &caller, &asked).await?;
    let mut response = HttpResponse::Ok();
    if let Some(next) = page.next {
        let cursor = cursor::encode(&next.to_string());
        response.insert_header((LINK, next_page::link(&base, ["api", "mirrors", "jobs"], &query, &cursor)?));
    }
    Ok(response.json(page.jobs))
}

fn place(text: &str) -> Result<Uuid, HubError> {
    cursor::decode(text)?.parse().map_err(|_| cursor::invalid())
}

/// The job that a path names. Who may not look at jobs learns nothing of it.
pub(super) fn id_of(req: &HttpRequest) -> Result<Uuid, HubError> {
    let text = req.match_info().query("id");
    text.parse().map_err(|_| HubError::NotFound(format!("there is no job `{text}`")))
}

/// Tells of one job: where it stands, how far it has come, what came of it, and its log.
#[utoipa::path(
    method(get, head),
    path = "/api/mirrors/jobs/{id}",
    tag = "mirrors",
    params(JobAddress),
    responses(
        (
            status = 200, description = "The job, and under `log` what is told of it", body = Object,
            example = json!({
                "id": "0193a3f0-6c1e-7b3c-8a52-3f1d2c4b5a69", "kind": "sync", "state": "failed", "type": "model",
                "repo": "acme/tiny", "error": "`a.bin` is not what was declared",
                "log": [{
                    "seq": 1, "at": "2023-11-14T22:13:21.000Z", "level": "info",
                    "text": "attempt 1 of 3 begins on `worker-1`, process 7"
                }]
            })
        ),
        JobErrors,
    )
)]
pub async fn info(hub: web::Data<Hub>, Auth(caller): Auth, req: HttpRequest) -> Result<HttpResponse, ApiError> {
    let known = id_known(&caller, &req)?;
    let job = jobs::get(&hub, &caller, known).await?;
    let log = jobs::lines(&hub, &caller, known, 0).await?;
    Ok(HttpResponse::Ok().json(WithLog { job, log }))
}

/// A job and all that is told of it.
#[derive(Debug, Serialize)]
struct WithLog {
    #[serde(flatten)]
    job: JobView,
    log: Vec<jobs::LogView>,
}

/// The job that a path names, after the caller was looked at: an id that is none tells nobody anything.
pub(super) fn id_known(caller: &Caller, req: &HttpRequest) -> Result<Uuid, HubError> {
    jobs::look(caller)?;
    id_of(req)
}

/// Ends a job: at once if nobody works on it, else within seconds. What has arrived is kept for the next sync.
#[utoipa::path(
    post,
    path = "/api/mirrors/jobs/{id}/cancel",
    tag = "mirrors",
    params(JobAddress),
    responses(
        (status = 200, description = "The job as it is now", body = Object, example = json!(example())),
        (status = 409, description = "It has ended already", body = ErrorBody),
        JobErrors,
    )
)]
pub async fn cancel(hub: web::Data<Hub>, Auth(caller): Auth, req: HttpRequest) -> Result<HttpResponse, ApiError> {
    Ok(HttpResponse::Ok().json(jobs::cancel(&hub, &caller, id_known(&caller, &req)?).await?))
}

/// Puts a job aside until somebody resumes it: at once if it waits, else within seconds. What has arrived is kept.
#[utoipa::path(
    post,
    path = "/api/mirrors/jobs/{id}/pause",
    tag = "mirrors",
    params(JobAddress),
    responses(
        (status = 200, description = "The job as it is now", body = Object, example = json!(example())),
        (status = 409, description = "It has ended, or is paused already", body = ErrorBody),
        JobErrors,
    )
)]
pub async fn pause(hub: web::Data<Hub>, Auth(caller): Auth, req: HttpRequest) -> Result<HttpResponse, ApiError> {
    Ok(HttpResponse::Ok().json(jobs::pause(&hub, &caller, id_known(&caller, &req)?).await?))
}

/// Lets a paused job go on where it stopped.
#[utoipa::path(
    post,
    path = "/api/mirrors/jobs/{id}/resume",
    tag = "mirrors",
    params(JobAddress),
    responses(
        (status = 200, description = "The job as it is now", body = Object, example = json!(example())),
        (status = 409, description = "It is not paused", body = ErrorBody),
        JobErrors,
    )
)]
pub async fn resume(hub: web::Data<Hub>, Auth(caller): Auth, req: HttpRequest) -> Result<HttpResponse, ApiError> {
    Ok(HttpResponse::Ok().json(jobs::resume(&hub, &caller, id_known(&caller, &req)?).await?))
}

/// Queues once more what a failed or cancelled job was to do.
#[utoipa::path(
    post,
    path = "/api/mirrors/jobs/{id}/retry",
    tag = "mirrors",
    params(JobAddress),
    responses(
        (status = 200, description = "The new job", body = Object, example = json!(example())),
        (status = 409, description = "It did not fail, or another one does the same", body = ErrorBody),
        JobErrors,
    )
)]
pub async fn retry(hub: web::Data<Hub>, Auth(caller): Auth, req: HttpRequest) -> Result<HttpResponse, ApiError> {
    Ok(HttpResponse::Ok().json(jobs::retry(&hub, &caller, id_known(&caller, &req)?).await?))
}
