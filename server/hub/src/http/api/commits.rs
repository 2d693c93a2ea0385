//! `GET /api/{type}/{repo}/commits/{rev}`: the log, newest first, as far as it is known.

use std::sync::Arc;

use acervo_core::CommitOid;
use acervo_core::access::Readable;
use acervo_store::db::repos::Repo;
use actix_web::http::header::LINK;
use actix_web::{HttpRequest, HttpResponse, web};
use utoipa::IntoParams;

use super::doc::{RepoAddress, RepoErrors, RevisionAddress};
use super::view::CommitItem;
use super::{cursor, next_page, only_revision};
use crate::app::repos::{self, LogPage};
use crate::context::Hub;
use crate::error::HubError;
use crate::http::error::ApiError;
use crate::http::extract::{Auth, BaseUrl, RepoRoute, open_repo, open_revision};
use crate::http::query::Query;

/// Commits of a page unless the client asks for another number.
const PAGE_COMMITS: u64 = 50;

/// Most commits of a page.
const PAGE_COMMITS_MAX: u64 = 1000;

/// Most commits that `p` can skip; a cursor leads to any depth.
const SKIPPED_COMMITS_MAX: u64 = 10_000;

/// What of a log is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct LogQuery {
    /// Most commits of a page; 50 unless asked for, 1000 at most.
    #[param(minimum = 1, maximum = 1000, example = 50)]
    pub limit: Option<u64>,
    /// Number of the page, from 0, at most 10,000 commits back; `cursor` goes before it.
    #[param(minimum = 0, maximum = 10_000, example = 0)]
    pub p: Option<u64>,
    /// Where to go on, from the `Link` of the page before.
    pub cursor: Option<String>,
    /// Repeated; `formatted` adds title and message as HTML.
    #[param(required = false, example = json!(["formatted"]))]
    pub expand: Vec<String>,
}

impl From<&Query> for LogQuery {
    fn from(query: &Query) -> Self {
        LogQuery {
            limit: query.number("limit"),
            p: query.number("p"),
            cursor: query.last("cursor").map(str::to_owned),
            expand: query.list("expand"),
        }
    }
}

impl LogQuery {
    fn limit(&self) -> u64 {
        self.limit.unwrap_or(PAGE_COMMITS).clamp(1, PAGE_COMMITS_MAX)
    }

    /// The commit that the cursor names.
    fn start(&self) -> Result<Option<CommitOid>, HubError> {
        let Some(text) = &self.cursor else { return Ok(None) };
        cursor::decode(text)?.parse().map(Some).map_err(|_| cursor::invalid())
    }

    /// Commits before the page asked for.
    fn skipped(&self) -> Result<u64, HubError> {
        let skipped = self.p.unwrap_or(0).saturating_mul(self.limit());
        if self.cursor.is_some() {
            Ok(0)
        } else if skipped > SKIPPED_COMMITS_MAX {
            Err(HubError::Invalid(format!(
                "`p` reaches {SKIPPED_COMMITS_MAX} commits back at most; follow `Link` to go further"
            )))
        } else {
            Ok(skipped)
        }
    }
}

/// Lists the commits a revision stands on.
#[utoipa::path(
    method(get, head),
    path = "/api/{plural}/{repo}/commits/{rest}",
    tag = "hub",
    params(RepoAddress, RevisionAddress, LogQuery),
    responses(
        (
            status = 200,
            description = "Commits, newest first, a page of them",
            body = Vec<CommitItem>,
            headers(
                ("Link" = String, description = "Leads to the next page, if there is one"),
                ("X-Total-Count" = u64, description = "How many there are, where one page holds all of them"),
            )
        ),
        RepoErrors,
    )
)]
pub async fn commits(
    hub: web::Data<Hub>,
    Auth(caller): Auth,
    BaseUrl(base): BaseUrl,
    route: RepoRoute,
    query: Query,
    req: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let repo = open_repo(&hub, &caller, &route, &req).await?;
    let (commit, remaining) = open_revision(&hub, &repo, &route.rest).await?;
    only_revision(&repo, &route.rest, &remaining)?;
    let wanted = LogQuery::from(&query);
    let page = page(&hub, &repo, wanted.start()?.unwrap_or(commit.oid), &wanted).await?;
    let formatted = wanted.expand.iter().any(|name| name == "formatted");
    let view = |commit| CommitItem::new(commit, repo.updated_at, formatted);
    let items: Vec<CommitItem> = page.commits.iter().map(view).collect();
    let mut response = HttpResponse::Ok();
    if let Some(next) = page.next {
        let oid = commit.oid.to_hex();
        let path = ["api", route.kind.plural(), repo.name.namespace(), repo.name.name(), "commits", &oid];
        let next = cursor::encode(&next.to_hex());
        response.insert_header((LINK, next_page::link(&base, path, &query.without("p"), &next)?));
    } else if wanted.cursor.is_none() && wanted.p.unwrap_or(0) == 0 {
        response.insert_header(("X-Total-Count", items.len().to_string()));
    }
    Ok(response.json(items))
}

/// The page asked for, from a commit on.
async fn page(
    hub: &Hub,
    repo: &Readable<Arc<Repo>>,
    mut from: CommitOid,
    wanted: &LogQuery,
) -> Result<LogPage, HubError> {
    let mut skipped = wanted.skipped()?;
    while skipped > 0 {
        let step = skipped.min(PAGE_COMMITS_MAX);
        let Some(next) = repos::log(hub, repo, from, step).await?.next else {
            return Ok(LogPage { commits: Vec::new(), next: None });
        };
        (from, skipped) = (next, skipped - step);
    }
    repos::log(hub, repo, from, wanted.limit()).await
}

#[cfg(test)]
mod tests {
    use super::LogQuery;
    use crate::http::api::cursor;
    use crate::http::query::Query;

    #[test]
    fn pages_are_counted_or_follow_a_cursor() {
        let query = LogQuery::from(&Query::parse(b"limit=20&p=3&expand[]=formatted"));
        assert_eq!((query.limit(), query.skipped().unwrap(), query.start().unwrap()), (20, 60, None));
        assert_eq!(query.expand, ["formatted"]);
        let oid = "0123456789abcdef0123456789abcdef01234567";
        let raw = format!("limit=99999&p=3&cursor={}", cursor::encode(oid));
        let query = LogQuery::from(&Query::parse(raw.as_bytes()));
        assert_eq!((query.limit(), query.skipped().unwrap()), (1000, 0));
        assert_eq!(query.start().unwrap().unwrap().to_hex(), oid);
    }

    #[test]
    fn a_page_out_of_reach_and_a_foreign_cursor_are_refused() {
        assert!(LogQuery::from(&Query::parse(b"p=18446744073709551615")).skipped().is_err());
        let foreign = format!("cursor={}", cursor::encode("config.json"));
        assert!(LogQuery::from(&Query::parse(foreign.as_bytes())).start().is_err());
    }
}
