//! `GET /api/mirrors/jobs/{id}/events`: a job as it goes, as server-sent events.
//!
//! Which process works on the job does not matter: changes are seen in the database, by one look a second for all who
//! listen here.

use std::convert::Infallible;
use std::fmt::Write as _;
use std::time::Duration;

use actix_web::http::Method;
use actix_web::http::header::{CACHE_CONTROL, ContentEncoding};
use actix_web::{HttpRequest, HttpResponse, web};
use bytes::Bytes;
use futures::stream;
use serde::Serialize;
use serde_json::json;
use tokio::sync::watch;
use tokio::time::{Instant, Interval, interval_at};
use tokio_util::sync::CancellationToken;
use utoipa::ToSchema;

use super::jobs::{JobAddress, JobErrors, id_known};
use crate::app::identity;
use crate::app::jobs::{self, Followed, JobView};
use crate::context::Hub;
use crate::http::error::ApiError;
use crate::http::extract::{Auth, credential};

/// Time after which a line without meaning shows that the connection is alive.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// Media type of server-sent events.
const EVENT_STREAM: &str = "text/event-stream";

/// What sort of event it is.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum JobEventKind {
    /// The job, as it is now.
    Progress,
    /// A line of its log.
    Log,
    /// How it ended; nothing comes after it.
    End,
}

/// One event of a job.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct JobEvent {
    /// What sort of event it is.
    pub event: JobEventKind,
    /// Number of the line, of those that are lines of the log.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "7")]
    pub id: Option<String>,
    /// The job, the line, or how it ended, as JSON on one line.
    #[schema(example = "{\"seq\": 7, \"at\": \"2023-11-14T22:13:21.000Z\", \"level\": \"info\", \"text\": \"done\"}")]
    pub data: String,
}

/// Says when this server ends: streams end then, however long their jobs take.
#[derive(Clone, Debug)]
pub struct Closing(pub CancellationToken);

/// Follows a job as it goes: `progress` (the job) whenever it changes, `log` for each line, and `end` at last.
///
/// Lines of the log have their number as `id`; who sends the last one as `Last-Event-ID` gets those after it. While
/// nothing happens, a comment comes every ten seconds.
#[utoipa::path(
    method(get, head),
    path = "/api/mirrors/jobs/{id}/events",
    tag = "mirrors",
    params(
        JobAddress,
        ("Last-Event-ID" = Option<String>, Header, description = "Number of the last line of the log that is known", example = "7"),
    ),
    responses(
        (
            status = 200, description = "Events, until the job has ended", content_type = "text/event-stream", body = JobEvent
        ),
        JobErrors,
    )
)]
pub async fn events(
    hub: web::Data<Hub>,
    Auth(caller): Auth,
    closing: Option<web::Data<Closing>>,
    req: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let id = id_known(&caller, &req)?;
    let job = jobs::follow(&hub, &caller, id).await?;
    let mut response = HttpResponse::Ok();
    response.content_type(EVENT_STREAM).insert_header((CACHE_CONTROL, "no-store"));
    // Neither we nor a proxy may wait until there is enough to compress or to send.
    response.insert_header(ContentEncoding::Identity).insert_header(("X-Accel-Buffering", "no"));
    if req.method() == Method::HEAD {
        return Ok(response.finish());
    }
    let last = req.headers().get("last-event-id").and_then(|value| value.to_str().ok()?.trim().parse().ok());
    let listener = Listener {
        hub: hub.get_ref().clone(),
        credential: credential(&req)?,
        job,
        closing: closing.map(|closing| closing.0.clone()).unwrap_or_default(),
        keep_alive: interval_at(Instant::now() + KEEP_ALIVE, KEEP_ALIVE),
        shown: None,
        line: last.unwrap_or(0),
        has_ended: false,
    };
    Ok(response.streaming(stream::unfold(listener, Listener::next)))
}

/// Somebody who follows a job.
struct Listener {
    hub: Hub,
    credential: Option<String>,
    job: watch::Receiver<Followed>,
    closing: CancellationToken,
    keep_alive: Interval,
    /// The job as it was last told.
    shown: Option<JobView>,
    /// Number of the last line that was told.
    line: i32,
    has_ended: bool,
}

impl Listener {
    /// The next bytes to send.
    async fn next(mut self) -> Option<(Result<Bytes, Infallible>, Listener)> {
        loop {
            if self.has_ended || !self.may_go_on().await {
                return None;
            }
            // The first look shows how it is; later ones wait for a change.
            let news = self.news();
            if !news.is_empty() {
                self.keep_alive.reset();
                return Some((Ok(Bytes::from(news)), self));
            }
            tokio::select! {
                changed = self.job.changed() => changed.ok()?,
                _ = self.keep_alive.tick() => return Some((Ok(Bytes::from_static(b": still there\n\n")), self)),
                () = self.closing.cancelled() => return None,
            }
        }
    }

    /// Whether the token still works and lets its bearer look at jobs; asked of memory, not of the database.
    async fn may_go_on(&self) -> bool {
        let caller = identity::authenticate(&self.hub, self.credential.as_deref()).await;
        caller.is_ok_and(|caller| jobs::look(&caller).is_ok())
    }

    /// What is new since the last time, as events.
    fn news(&mut self) -> String {
        let now = self.job.borrow_and_update().clone();
        let mut text = String::new();
        if self.shown.as_ref() != Some(&now.job) {
            event(&mut text, "progress", None, &json!(now.job));
        }
        for line in now.log.iter().filter(|line| line.seq > self.line) {
            event(&mut text, "log", Some(line.seq), &json!(line));
        }
        self.line = now.log.last().map_or(self.line, |line| line.seq.max(self.line));
        if now.job.has_ended() {
            let ended = json!({ "id": now.job.id, "state": now.job.state, "error": now.job.error });
            event(&mut text, "end", None, &ended);
            self.has_ended = true;
        }
        self.shown = Some(now.job);
        text
    }
}

/// One event; JSON has no line breaks of its own.
fn event(text: &mut String, kind: &str, id: Option<i32>, data: &serde_json::Value) {
    if let Some(id) = id {
        // Writing to a text does not fail.
        let _ = writeln!(text, "id: {id}");
    }
    let _ = write!(text, "event: {kind}\ndata: {data}\n\n");
}
