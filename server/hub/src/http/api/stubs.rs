//! Routes that clients call in passing and that only need some answer, and the answer to those that are not here.

use std::collections::BTreeMap;

use acervo_core::card;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::doc::{RepoAddress, RepoErrors};
use crate::context::Hub;
use crate::error::HubError;
use crate::http::error::ApiError;
use crate::http::extract::{Auth, RepoRoute, open_repo};

/// What is known of programs that run agents: nothing.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AgentHarnesses {
    /// Variables that all of them set; none.
    pub standard_env_vars: Vec<String>,
    /// Programs by name; none.
    pub harnesses: BTreeMap<String, String>,
}

/// Says that there is nothing to know of agent harnesses; without an answer `hf` asks again at every command.
#[utoipa::path(
    method(get, head),
    path = "/api/agent-harnesses",
    tag = "stub",
    responses((status = 200, description = "Always empty", body = AgentHarnesses,
        example = json!({"standardEnvVars": [], "harnesses": {}})))
)]
pub async fn agent_harnesses() -> HttpResponse {
    HttpResponse::Ok().json(AgentHarnesses::default())
}

/// Accepts telemetry and drops it.
#[utoipa::path(
    head,
    path = "/api/telemetry/{rest}",
    tag = "stub",
    params(("rest" = String, Path, description = "Topic", example = "hf_hub/file_download")),
    responses((status = 200, description = "Always"))
)]
pub async fn telemetry() -> HttpResponse {
    HttpResponse::Ok().finish()
}

/// A page of discussions.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
pub struct DiscussionList {
    /// The discussions; none.
    pub discussions: Vec<String>,
    /// How many there are.
    pub count: u64,
    /// Number of the first one.
    pub start: u64,
}

/// Lists the discussions of a repository: none, there are no discussions here.
#[utoipa::path(
    method(get, head),
    path = "/api/{plural}/{repo}/discussions",
    tag = "stub",
    params(RepoAddress),
    responses(
        (status = 200, description = "Always empty", body = DiscussionList,
            example = json!({"discussions": [], "count": 0, "start": 0})),
        RepoErrors,
    )
)]
pub async fn discussions(
    hub: web::Data<Hub>,
    Auth(caller): Auth,
    route: RepoRoute,
    req: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    open_repo(&hub, &caller, &route, &req).await?;
    Ok(HttpResponse::Ok().json(DiscussionList::default()))
}

/// A card to check.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({"content": "---\nlicense: mit\n---\n# Title\n", "repoType": "model"}))]
pub struct CardToCheck {
    /// The whole `README.md`.
    pub content: String,
    /// `model`, `dataset` or `space`.
    #[serde(default)]
    pub repo_type: Option<String>,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct CardProblem {
    /// What.
    #[schema(example = "the front matter is no mapping")]
    pub message: String,
}

/// What is wrong with a card.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct CardVerdict {
    /// What must be changed.
    pub errors: Vec<CardProblem>,
    /// What could be better; always empty.
    pub warnings: Vec<CardProblem>,
}

impl CardVerdict {
    fn error(message: String) -> Self {
        CardVerdict { errors: vec![CardProblem { message }], warnings: Vec::new() }
    }
}

/// Checks that the front matter of a card can be read; what it says is not judged.
#[utoipa::path(
    post,
    path = "/api/validate-yaml",
    tag = "hub",
    request_body = CardToCheck,
    responses(
        (status = 200, description = "It can be read", body = CardVerdict,
            example = json!({"errors": [], "warnings": []})),
        (status = 400, description = "It cannot", body = CardVerdict),
    )
)]
pub async fn validate_yaml(body: web::Bytes) -> HttpResponse {
    let verdict = verdict(&body);
    // Clients parse the body before they look at the status.
    if verdict.errors.is_empty() { HttpResponse::Ok().json(verdict) } else { HttpResponse::BadRequest().json(verdict) }
}

fn verdict(body: &[u8]) -> CardVerdict {
    let card: CardToCheck = match serde_json::from_slice(body) {
        Ok(card) => card,
        Err(error) => return CardVerdict::error(format!("the request has no card: {error}; send it as `content`")),
    };
    match card::parse(card.content.as_bytes()).parse_error {
        Some(error) => CardVerdict::error(error),
        None => CardVerdict::default(),
    }
}

/// Answers every other path below `/api` in JSON, with the text where clients look for it.
pub async fn not_found(req: HttpRequest) -> Result<HttpResponse, ApiError> {
    let path: String = req.path().chars().take(200).collect();
    let text = format!(
        "`{path}` is not part of this hub; `docs/hub-compat.md` of Acervo lists what is, and so does `/openapi.json`"
    );
    Err(HubError::NotFound(text).into())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::verdict;

    fn check(content: &str) -> serde_json::Value {
        let body = json!({ "content": content, "repoType": "model" });
        serde_json::to_value(verdict(body.to_string().as_bytes())).unwrap()
    }

    #[test]
    fn readable_cards_pass() {
        for content in ["---\nlicense: mit\n---\n# Hi", "# No front matter", ""] {
            assert_eq!(check(content), json!({"errors": [], "warnings": []}), "{content}");
        }
    }

    #[test]
    fn unreadable_cards_are_refused_with_the_reason() {
        for content in ["---\n- a\n---\n", "---\na: [\n---\n"] {
            assert_eq!(check(content)["errors"].as_array().unwrap().len(), 1, "{content}");
        }
        assert!(verdict(b"{}").errors[0].message.contains("content"));
        assert!(verdict(b"").errors[0].message.contains("content"));
    }
}
