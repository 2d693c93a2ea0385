//! `/api/webhooks/deliveries`: what webhooks were sent, and sending it again. Webhooks themselves stand in the
//! configuration.

use acervo_core::Timestamp;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use utoipa::ToSchema;

use super::doc::ErrorBody;
use crate::app::webhooks::{self, DeliveryView, LIST_MAX};
use crate::context::Hub;
use crate::http::error::ApiError;
use crate::http::extract::Auth;
use crate::http::query::Query;

/// Deliveries of a list that asks for no number of them.
const LIST_DEFAULT: u64 = 100;

/// Where a delivery stands.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum DeliveryStage {
    /// To be sent, or sent again.
    Pending,
    /// Taken by the receiver.
    Delivered,
    /// Given up.
    Dead,
}

/// One event for one webhook.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct DeliveryItem {
    /// Id: the receiver knows the delivery by it, as `webhook-id`.
    #[schema(example = "0193a3f0-6c1e-7b3c-8a52-3f1d2c4b5a69")]
    pub id: String,
    /// Name of the webhook.
    #[schema(example = "chat")]
    pub hook: String,
    /// `pending`, `delivered` or `dead`.
    #[schema(value_type = DeliveryStage)]
    pub state: &'static str,
    /// Number of the event.
    #[schema(example = 42)]
    pub sequence: i64,
    /// Kind of the event.
    #[schema(example = "mirror.added")]
    pub kind: String,
    /// What the event is about.
    #[schema(example = "acme/tiny")]
    pub subject: String,
    /// How often it was sent since it was made, or last revived.
    #[schema(example = 1)]
    pub attempts: i32,
    /// When it is sent next.
    #[schema(value_type = Option<String>, format = DateTime, example = "2023-11-14T22:13:25.007Z")]
    pub next_attempt_at: Option<Timestamp>,
    /// HTTP status of the latest answer, if there was one.
    #[schema(example = 500)]
    pub last_status: Option<i32>,
    /// Why the latest attempt failed.
    #[schema(example = "the receiver did not take it: 500")]
    pub last_error: Option<String>,
    /// When the event was taken over for the webhook.
    #[schema(value_type = String, format = DateTime, example = "2023-11-14T22:13:20.007Z")]
    pub created_at: Timestamp,
    /// When the receiver took it.
    #[schema(value_type = Option<String>, format = DateTime, example = "2023-11-14T22:13:21.007Z")]
    pub delivered_at: Option<Timestamp>,
}

impl From<DeliveryView> for DeliveryItem {
    fn from(view: DeliveryView) -> Self {
        DeliveryItem {
            id: view.id.to_string(),
            hook: view.hook,
            state: view.state,
            sequence: view.sequence,
            kind: view.kind,
            subject: view.subject,
            attempts: view.attempts,
            next_attempt_at: view.next_attempt_at,
            last_status: view.last_status,
            last_error: view.last_error,
            created_at: view.created_at,
            delivered_at: view.delivered_at,
        }
    }
}

/// Deliveries of events to webhooks.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct DeliveryList {
    /// Latest first.
    pub deliveries: Vec<DeliveryItem>,
}

/// Lists what webhooks were sent and are to be sent, latest first. For administrators.
#[utoipa::path(
    method(get, head),
    path = "/api/webhooks/deliveries",
    tag = "events",
    params(
        ("state" = inline(Option<DeliveryStage>), Query, description = "Only those that stand there"),
        ("hook" = Option<String>, Query, description = "Only those of the webhook of this name"),
        ("limit" = Option<u64>, Query, minimum = 1, maximum = 1000, description = "Most of them; 100 unless said"),
    ),
    responses(
        (status = 200, description = "Deliveries", body = DeliveryList),
        (status = 400, description = "A `state` that is none", body = ErrorBody),
        (status = 401, description = "No token, or a bad one of this hub", body = ErrorBody),
        (status = 403, description = "The caller is no administrator", body = ErrorBody),
    )
)]
pub async fn deliveries(hub: web::Data<Hub>, Auth(caller): Auth, query: Query) -> Result<HttpResponse, ApiError> {
    let state = query.last("state").map(webhooks::state_named).transpose()?;
    let limit = query.number("limit").unwrap_or(LIST_DEFAULT).min(LIST_MAX);
    let found = webhooks::deliveries(&hub, &caller, state, query.last("hook"), limit).await?;
    let deliveries = found.into_iter().map(DeliveryItem::from).collect();
    Ok(HttpResponse::Ok().json(DeliveryList { deliveries }))
}

/// What is sent again.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Retried {
    /// Name of the webhook.
    #[schema(example = "chat")]
    pub hook: String,
    /// Where the delivery stands: it is due now.
    #[schema(value_type = DeliveryStage)]
    pub state: &'static str,
}

/// Sends an event again that was given up, or at once that waits for its time. For administrators.
#[utoipa::path(
    post,
    path = "/api/webhooks/deliveries/{id}/retry",
    tag = "events",
    params(
        ("id" = String, Path, description = "Id of the delivery", example = "0193a3f0-6c1e-7b3c-8a52-3f1d2c4b5a69"),
    ),
    responses(
        (status = 200, description = "It is due now", body = Retried),
        (status = 400, description = "That is no id", body = ErrorBody),
        (status = 401, description = "No token, or a bad one of this hub", body = ErrorBody),
        (status = 403, description = "The caller is no administrator", body = ErrorBody),
        (status = 404, description = "There is no such delivery", body = ErrorBody),
        (status = 409, description = "It was delivered, or the webhook is not in the configuration", body = ErrorBody),
    )
)]
pub async fn retry(hub: web::Data<Hub>, Auth(caller): Auth, req: HttpRequest) -> Result<HttpResponse, ApiError> {
    let hook = webhooks::retry(&hub, &caller, req.match_info().query("id")).await?;
    Ok(HttpResponse::Ok().json(Retried { hook, state: "pending" }))
}
