//! `GET /api/{type}/{repo}/tree/{rev}[/{path}]`: the entries of a folder, in pages.

use acervo_core::RepoPath;
use actix_web::http::header::LINK;
use actix_web::{HttpRequest, HttpResponse, web};
use utoipa::IntoParams;

use super::doc::{RepoAddress, RepoErrors};
use super::finished::{self, Draft};
use super::view::TreeItem;
use super::{cursor, next_page};
use crate::app::history;
use crate::app::trees::{self, TreeRequest};
use crate::context::Hub;
use crate::error::HubError;
use crate::http::error::ApiError;
use crate::http::extract::{Auth, BaseUrl, RepoRoute, open_repo, open_revision};
use crate::http::query::Query;

/// What of a tree is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct TreeQuery {
    /// Everything below the folder, not only what stands directly in it.
    #[param(required = false, example = true)]
    pub recursive: bool,
    /// With the commit that last touched each entry, where the commits that are held here tell; 50 entries a page.
    #[param(required = false, example = false)]
    pub expand: bool,
    /// Most entries of a page; 1000 unless fewer are asked for.
    #[param(minimum = 1, maximum = 1000, example = 100)]
    pub limit: Option<u64>,
    /// Where to go on, from the `Link` of the page before.
    pub cursor: Option<String>,
}

impl From<&Query> for TreeQuery {
    fn from(query: &Query) -> Self {
        TreeQuery {
            recursive: query.flag("recursive"),
            expand: query.flag("expand"),
            limit: query.number("limit"),
            cursor: query.last("cursor").map(str::to_owned),
        }
    }
}

/// Entries of a page with `expand`, as on other hubs.
const EXPANDED_ENTRIES_MAX: u64 = 50;

/// What to look up for a query on the folder that these segments lead to.
fn request(query: &TreeQuery, segments: &[String]) -> Result<TreeRequest, HubError> {
    // One segment may hold a whole path: Python encodes its slashes.
    let path = segments.join("/");
    let folder = Some(path.trim_matches('/')).filter(|path| !path.is_empty());
    let most = if query.expand { Some(query.limit.unwrap_or(u64::MAX).min(EXPANDED_ENTRIES_MAX)) } else { query.limit };
    Ok(TreeRequest {
        folder: folder.map(str::parse::<RepoPath>).transpose()?,
        recursive: query.recursive,
        after: query.cursor.as_deref().map(cursor::decode).transpose()?,
        limit: most.map(|limit| usize::try_from(limit).unwrap_or(usize::MAX)),
    })
}

/// Lists a folder of a commit.
#[utoipa::path(
    method(get, head),
    path = "/api/{plural}/{repo}/tree/{rest}",
    tag = "hub",
    params(
        RepoAddress,
        ("rest" = String, Path, description = "Revision, then perhaps a folder", example = "main"),
        TreeQuery,
    ),
    responses(
        (
            status = 200,
            description = "Entries in path order, a page of them",
            body = Vec<TreeItem>,
            headers(("Link" = String, description = "Leads to the next page, if there is one"))
        ),
        RepoErrors,
    )
)]
pub async fn tree(
    hub: web::Data<Hub>,
    Auth(caller): Auth,
    BaseUrl(base): BaseUrl,
    route: RepoRoute,
    query: Query,
    req: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let repo = open_repo(&hub, &caller, &route, &req).await?;
    let (commit, segments) = open_revision(&hub, &repo, &route.rest).await?;
    let wanted = TreeQuery::from(&query);
    let request = request(&wanted, &segments)?;
    let make = async || {
        let page = trees::page(&hub, &repo, &commit, &request).await?;
        let mut items: Vec<TreeItem> = page.entries.iter().map(TreeItem::from).collect();
        if wanted.expand {
            let known = history::last_commits(&hub, &repo, &commit, &page.entries).await?;
            items = items.into_iter().map(|item| item.touched_by(&known)).collect();
        }
        Ok(Draft { body: items, next: page.next })
    };
    let question = format!("{request:?} expand={}", wanted.expand);
    let answer = finished::answer(&hub, &commit, question, make).await?;
    let mut response = HttpResponse::Ok();
    if let Some(last) = &answer.next {
        // The commit in place of the name asked for: a branch may move between two pages.
        let oid = commit.oid.to_hex();
        let path = ["api", route.kind.plural(), repo.name.namespace(), repo.name.name(), "tree", &oid];
        let folder = request.folder.as_ref().map(RepoPath::as_str);
        response.insert_header((
            LINK,
            next_page::link(&base, path.into_iter().chain(folder), &query, &cursor::encode(last))?,
        ));
    }
    Ok(finished::send(&req, &answer, response).await?)
}

#[cfg(test)]
mod tests {
    use super::{TreeQuery, request};
    use crate::http::api::cursor;
    use crate::http::query::Query;

    fn folder(segments: &[&str]) -> Option<String> {
        let segments: Vec<String> = segments.iter().map(|&text| text.to_owned()).collect();
        request(&TreeQuery::default(), &segments).unwrap().folder.map(|folder| folder.to_string())
    }

    #[test]
    fn a_folder_comes_as_one_segment_or_several() {
        assert_eq!(folder(&["sub/deep"]).as_deref(), Some("sub/deep"));
        assert_eq!(folder(&["sub", "deep", ""]).as_deref(), Some("sub/deep"));
        assert_eq!(folder(&[""]), None);
        assert_eq!(folder(&[]), None);
        assert!(request(&TreeQuery::default(), &["..".to_owned()]).is_err());
    }

    #[test]
    fn the_query_of_any_client_is_understood() {
        let raw = format!("recursive=True&expand=false&limit=5&cursor={}", cursor::encode("a/b"));
        let query = TreeQuery::from(&Query::parse(raw.as_bytes()));
        let found = request(&query, &[]).unwrap();
        assert_eq!((found.recursive, found.limit, found.after.as_deref()), (true, Some(5), Some("a/b")));
        let foreign = TreeQuery { cursor: Some("*".to_owned()), ..TreeQuery::default() };
        assert!(request(&foreign, &[]).is_err());
    }
}
