//! `GET /api/{type}/{repo}`: what a repository is, at its default branch or another revision.

use std::sync::Arc;

use acervo_core::access::Readable;
use acervo_core::{RepoKind, RevisionSpec, Selection};
use acervo_store::db::commits::Commit;
use acervo_store::db::repos::Repo;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use serde_json::Value;
use utoipa::IntoParams;

use super::doc::{RepoAddress, RepoErrors, RevisionAddress};
use super::finished::{self, Draft};
use super::only_revision;
use super::view::{RepoInfo, Sibling, project};
use crate::app::{repos, revisions, trees};
use crate::context::Hub;
use crate::error::HubError;
use crate::http::error::{ApiError, one_ascii_line};
use crate::http::extract::{Auth, RepoRoute, open_repo, open_revision};
use crate::http::query::Query;

/// What of a description is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct InfoQuery {
    /// Sizes and hashes of the files too.
    #[param(required = false, example = true)]
    pub blobs: bool,
    /// Repeated: only these fields, beside the ids; unknown names are ignored.
    #[param(required = false, example = json!(["sha", "tags"]))]
    pub expand: Vec<String>,
}

impl From<&Query> for InfoQuery {
    fn from(query: &Query) -> Self {
        InfoQuery { blobs: query.flag("blobs"), expand: query.list("expand") }
    }
}

impl InfoQuery {
    fn wants(&self, field: &str) -> bool {
        self.expand.is_empty() || self.expand.iter().any(|name| name == field)
    }
}

/// Describes a repository at its default branch.
#[utoipa::path(
    method(get, head),
    path = "/api/{plural}/{repo}",
    tag = "hub",
    params(RepoAddress, InfoQuery),
    responses(
        (
            status = 200,
            description = "The repository",
            body = RepoInfo,
            headers(("X-HF-Warning" = String, description = "Tells if only a part of it is held"))
        ),
        RepoErrors,
    )
)]
pub async fn default_revision(
    hub: web::Data<Hub>,
    Auth(caller): Auth,
    route: RepoRoute,
    query: Query,
    req: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let repo = open_repo(&hub, &caller, &route, &req).await?;
    let commit = revisions::resolve(&hub, &repo, &RevisionSpec::Head).await?;
    Ok(answer(&hub, &repo, &commit, &InfoQuery::from(&query), &req).await?)
}

/// Describes a repository at a revision.
#[utoipa::path(
    method(get, head),
    path = "/api/{plural}/{repo}/revision/{rest}",
    tag = "hub",
    params(RepoAddress, RevisionAddress, InfoQuery),
    responses(
        (
            status = 200,
            description = "The repository",
            body = RepoInfo,
            headers(("X-HF-Warning" = String, description = "Tells if only a part of it is held"))
        ),
        RepoErrors,
    )
)]
pub async fn at_revision(
    hub: web::Data<Hub>,
    Auth(caller): Auth,
    route: RepoRoute,
    query: Query,
    req: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let repo = open_repo(&hub, &caller, &route, &req).await?;
    let (commit, remaining) = open_revision(&hub, &repo, &route.rest).await?;
    only_revision(&repo, &route.rest, &remaining)?;
    Ok(answer(&hub, &repo, &commit, &InfoQuery::from(&query), &req).await?)
}

/// A description, or what is asked for of it.
#[derive(Serialize)]
#[serde(untagged)]
enum Body {
    Whole(Box<RepoInfo>),
    Part(Value),
}

async fn answer(
    hub: &Hub,
    repo: &Readable<Arc<Repo>>,
    commit: &Commit,
    query: &InfoQuery,
    req: &HttpRequest,
) -> Result<HttpResponse, HubError> {
    let make = async || {
        let mut info = RepoInfo::new(repo, commit, &repos::card(hub, repo, commit).await?);
        if query.wants("siblings") {
            let files = trees::all_files(hub, repo, commit).await?;
            info.siblings = Some(files.iter().map(|file| Sibling::new(file, query.blobs)).collect());
        }
        if query.wants("usedStorage") || query.wants("mainSize") {
            let bytes = trees::totals(hub, repo, commit).await?.bytes;
            info.used_storage = Some(bytes);
            info.main_size = Some(bytes).filter(|_| repo.kind == RepoKind::Dataset);
        }
        let body = if query.expand.is_empty() {
            Body::Whole(Box::new(info))
        } else {
            Body::Part(project(&info, &query.expand).map_err(|error| HubError::Internal(error.to_string()))?)
        };
        Ok(Draft { body, next: None })
    };
    let answer = finished::answer(hub, commit, format!("{query:?}"), make).await?;
    let mut response = HttpResponse::Ok();
    if let Some(warning) = selection_warning(&commit.selection) {
        response.insert_header(("X-HF-Warning", warning));
    }
    finished::send(req, &answer, response).await
}

/// What clients print once if only a part of the repository is held: topic, semicolon, text.
fn selection_warning(selection: &Selection) -> Option<String> {
    if selection.is_everything() {
        return None;
    }
    let quoted =
        |patterns: &[String]| patterns.iter().map(|pattern| format!("`{pattern}`")).collect::<Vec<_>>().join(" ");
    let mut text = "selection; this hub holds a part of the repository only".to_owned();
    if !selection.include.is_empty() {
        text.push_str(&format!(", what matches {}", quoted(&selection.include)));
    }
    if !selection.exclude.is_empty() {
        text.push_str(&format!(", without what matches {}", quoted(&selection.exclude)));
    }
    if !selection.presets.is_empty() {
        let presets: Vec<String> = selection.presets.iter().map(ToString::to_string).collect();
        text.push_str(&format!(", by the preset {}", quoted(&presets)));
    }
    Some(one_ascii_line(&text))
}

#[cfg(test)]
mod tests {
    use acervo_core::Selection;

    use super::{InfoQuery, selection_warning};
    use crate::http::query::Query;

    #[test]
    fn only_expanded_fields_are_wanted() {
        let query = InfoQuery::from(&Query::parse(b"expand=sha&expand[]=siblings&securityStatus=True&blobs=True"));
        assert!(query.blobs && query.wants("siblings") && !query.wants("usedStorage"));
        assert!(InfoQuery::from(&Query::default()).wants("usedStorage"));
    }

    #[test]
    fn the_warning_names_the_part_that_is_held() {
        assert_eq!(selection_warning(&Selection::default()), None);
        let selection = Selection {
            include: vec!["*.json".into(), "ñ/".into()],
            exclude: vec!["a\nb".into()],
            ..Selection::default()
        };
        assert_eq!(
            selection_warning(&selection).unwrap(),
            "selection; this hub holds a part of the repository only, what matches `*.json` `\\u{f1}/`, without what \
             matches `a b`"
        );
    }
}
