//! Searching by words, best first: what the search fields of hub clients call.
//!
//! Lists (`lists`) look for texts within ids only, as clients expect of them; here tags and cards are searched too.

use acervo_core::RepoKind;
use actix_web::{HttpResponse, web};
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use super::doc::TokenErrors;
use crate::app::lists::{self, SearchRequest};
use crate::app::repos::Summary;
use crate::context::Hub;
use crate::http::error::ApiError;
use crate::http::extract::Auth;
use crate::http::query::Query;

/// Results of each kind, unless the client asks for another number.
const RESULTS: u64 = 20;

/// Most results of each kind.
const RESULTS_MAX: u64 = 100;

/// What is searched for.
#[derive(Clone, Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct QuickParams {
    /// Words, or a part of a name.
    #[param(example = "llama guarani")]
    pub q: Option<String>,
    /// `model`, `dataset` or `space`, repeated; all of them unless asked for.
    #[param(required = false, example = json!(["model"]))]
    pub r#type: Vec<String>,
    /// Most results of each kind; 20 unless asked for, 100 at most.
    #[param(minimum = 1, maximum = 100, example = 20)]
    pub limit: Option<u64>,
}

/// A repository that fits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(example = json!({"_id": "66f2a1c09d3e4b5f60718293", "id": "acme/llama"}))]
pub struct FoundRepo {
    /// Random id that stays when the repository is renamed.
    #[serde(rename = "_id")]
    pub public_id: String,
    /// `namespace/name`.
    pub id: String,
}

/// What fits, by kind, best first; kinds that were not asked for are left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct QuickAnswer {
    /// What was searched for.
    #[schema(example = "llama")]
    pub q: String,
    /// Models.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub models: Option<Vec<FoundRepo>>,
    /// Datasets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub datasets: Option<Vec<FoundRepo>>,
    /// Spaces.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spaces: Option<Vec<FoundRepo>>,
}

/// Searches models, datasets and spaces by their names, tags and cards.
#[utoipa::path(
    method(get, head),
    path = "/api/quicksearch",
    tag = "hub",
    params(QuickParams),
    responses(
        (status = 200, description = "Ids of what fits, by kind, best first", body = QuickAnswer),
        TokenErrors,
    )
)]
pub async fn quick(hub: web::Data<Hub>, Auth(caller): Auth, query: Query) -> Result<HttpResponse, ApiError> {
    let question = query.last("q").unwrap_or_default();
    let kinds = query.comma_list("type");
    let mut answer = QuickAnswer { q: question.to_owned(), ..QuickAnswer::default() };
    for kind in
        RepoKind::ALL.into_iter().filter(|kind| kinds.is_empty() || kinds.iter().any(|name| name == kind.as_str()))
    {
        let request = SearchRequest {
            question: question.to_owned(),
            kind: Some(kind),
            tags: Vec::new(),
            sdks: Vec::new(),
            limit: query.number("limit").unwrap_or(RESULTS).clamp(1, RESULTS_MAX),
            after: None,
        };
        let found = lists::search(&hub, &caller, &request).await?;
        let id =
            |found: &Summary| FoundRepo { public_id: found.repo.public_id.clone(), id: found.repo.name.to_string() };
        let fitting = match kind {
            RepoKind::Model => &mut answer.models,
            RepoKind::Dataset => &mut answer.datasets,
            RepoKind::Space => &mut answer.spaces,
        };
        *fitting = Some(found.items.iter().map(id).collect());
    }
    Ok(HttpResponse::Ok().json(answer))
}

/// What spaces are searched by.
#[derive(Clone, Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct SpaceParams {
    /// Words, or a part of a name.
    #[param(example = "translate guarani")]
    pub q: Option<String>,
    /// Tags, repeated, all of them.
    #[param(required = false)]
    pub filter: Vec<String>,
    /// What it runs on, repeated, one of these: `gradio`, `docker`, `static`.
    #[param(required = false)]
    pub sdk: Vec<String>,
}

/// A space that fits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct FoundSpace {
    /// Random id that stays when the repository is renamed.
    #[serde(rename = "_id")]
    #[schema(example = "66f2a1c09d3e4b5f60718293")]
    pub public_id: String,
    /// `namespace/name`.
    #[schema(example = "acme/demo")]
    pub id: String,
    /// Namespace.
    #[schema(example = "acme")]
    pub author: String,
    /// What it is called.
    #[schema(example = "Translate")]
    pub title: String,
    /// A picture of one letter.
    #[schema(example = "🦜")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub emoji: Option<String>,
    /// What it runs on.
    #[schema(example = "gradio")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sdk: Option<String>,
    /// Always 0: there are no likes here.
    pub likes: u64,
    /// Whether only some callers can see it.
    pub private: bool,
    /// Tags under which it is listed.
    #[schema(example = json!(["gradio", "license:mit"]))]
    pub tags: Vec<String>,
}

impl From<&Summary> for FoundSpace {
    fn from(found: &Summary) -> Self {
        let info = super::view::RepoInfo::new(&found.repo, &found.head, &found.card);
        let text = |field: &str| info.card_data.as_ref()?.get(field)?.as_str().map(str::to_owned);
        FoundSpace {
            title: text("title").unwrap_or_else(|| found.repo.name.name().to_owned()),
            emoji: text("emoji"),
            public_id: info.public_id,
            id: info.id,
            author: found.repo.name.namespace().to_owned(),
            sdk: info.sdk,
            likes: 0,
            private: info.private.unwrap_or_default(),
            tags: info.tags.unwrap_or_default(),
        }
    }
}

/// Searches spaces by the words of their names, tags and cards; by what is written, not by what is meant.
#[utoipa::path(
    method(get, head),
    path = "/api/spaces/semantic-search",
    tag = "hub",
    params(SpaceParams),
    responses(
        (status = 200, description = "Spaces that fit, best first; those that do not run too, since none runs here",
            body = Vec<FoundSpace>),
        TokenErrors,
    )
)]
pub async fn spaces(hub: web::Data<Hub>, Auth(caller): Auth, query: Query) -> Result<HttpResponse, ApiError> {
    let request = SearchRequest {
        question: query.last("q").unwrap_or_default().to_owned(),
        kind: Some(RepoKind::Space),
        tags: query.comma_list("filter"),
        sdks: query.comma_list("sdk"),
        limit: RESULTS_MAX,
        after: None,
    };
    let found = lists::search(&hub, &caller, &request).await?;
    Ok(HttpResponse::Ok().json(found.items.iter().map(FoundSpace::from).collect::<Vec<_>>()))
}
