//! `GET /api/events`: what happened here, in order.

use acervo_core::Timestamp;
use acervo_core::event::KindPattern;
use actix_web::{HttpResponse, web};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::doc::ErrorBody;
use crate::app::events::{self, Event, PAGE_MAX, Wanted};
use crate::context::Hub;
use crate::error::HubError;
use crate::http::error::ApiError;
use crate::http::extract::Auth;
use crate::http::query::Query;

/// Events of a page that asks for no number of them.
const PAGE_DEFAULT: u64 = 100;

/// Something that happened; what a webhook is sent as well.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct EventItem {
    /// Place in the order of all events: gap-free, from 1 on.
    #[schema(example = 42)]
    pub sequence: i64,
    /// When it happened.
    #[schema(value_type = String, format = DateTime, example = "2023-11-14T22:13:20.007Z")]
    pub at: Timestamp,
    /// Kind: a family and a word.
    #[schema(example = "mirror.added")]
    pub kind: String,
    /// Name of who did it: a user's, or `system`.
    #[schema(example = "ana")]
    pub actor: String,
    /// Name of what it is about.
    #[schema(example = "acme/tiny")]
    pub subject: String,
    /// The facts, which depend on the kind; where something changed, it has them `before` and `after`.
    #[schema(value_type = Object, example = json!({"upstream": "acme/tiny"}))]
    pub details: Value,
}

impl From<Event> for EventItem {
    fn from(event: Event) -> Self {
        let Event { sequence, at, kind, actor, subject, details } = event;
        EventItem { sequence, at, kind, actor, subject, details }
    }
}

/// Events, a page of them.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct EventPage {
    /// Oldest first.
    pub events: Vec<EventItem>,
    /// What to ask for with `since` next: all up to this number was looked at.
    #[schema(example = 42)]
    pub next: i64,
}

/// Tells what happened after an event: who, when, what, in an order without gaps. For auditors and administrators.
///
/// Whoever asks again with `next` misses nothing: an event gets its number within about a second.
#[utoipa::path(
    method(get, head),
    path = "/api/events",
    tag = "events",
    params(
        ("since" = Option<i64>, Query, minimum = 0, description = "Only those after this number; 0, the default, is all"),
        ("limit" = Option<u64>, Query, minimum = 1, maximum = 1000, description = "Most of a page; 100 unless said"),
        (
            "kind" = Option<String>, Query, pattern = r"^(\*|[a-z][a-z_]*(\.[a-z][a-z_]*)*(\.\*)?)$", max_length = 100,
            description = "Only these: a kind as in `mirror.added`, a family as in `mirror.*`, or `*`"
        ),
        ("repo" = Option<String>, Query, description = "Only those about repositories of this name, `namespace/name`"),
    ),
    responses(
        (status = 200, description = "Events, a page of them", body = EventPage),
        (status = 400, description = "A `kind` that is none", body = ErrorBody),
        (status = 401, description = "No token, or a bad one of this hub", body = ErrorBody),
        (status = 403, description = "The caller is neither auditor nor administrator", body = ErrorBody),
    )
)]
pub async fn list(hub: web::Data<Hub>, Auth(caller): Auth, query: Query) -> Result<HttpResponse, ApiError> {
    let wanted = Wanted {
        since: i64::try_from(query.number("since").unwrap_or(0)).unwrap_or(i64::MAX),
        kind: query
            .last("kind")
            .map_or(Ok(KindPattern::every()), |kind| kind.trim().parse())
            .map_err(HubError::Invalid)?,
        repo: query.last("repo"),
        limit: query.number("limit").unwrap_or(PAGE_DEFAULT).min(PAGE_MAX),
    };
    let page = events::read(&hub, &caller, &wanted).await?;
    let events = page.events.into_iter().map(EventItem::from).collect();
    Ok(HttpResponse::Ok().json(EventPage { events, next: page.next }))
}
