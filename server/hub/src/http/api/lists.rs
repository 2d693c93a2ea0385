//! `GET /api/models|datasets|spaces`: the repositories the caller may see, searched, filtered, in pages.

use acervo_core::RepoKind;
use acervo_core::access::Caller;
use acervo_store::db::repos::Sort;
use actix_web::http::header::LINK;
use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::Value;
use utoipa::IntoParams;

use super::doc::ErrorBody;
use super::view::{RepoInfo, Sibling, project};
use super::{cursor, kind_of, next_page};
use crate::app::repos::{self, LIST_LIMIT_MAX, ListRequest, Summary};
use crate::app::trees;
use crate::context::Hub;
use crate::error::HubError;
use crate::http::error::ApiError;
use crate::http::extract::{Auth, BaseUrl};
use crate::http::query::Query;

/// Repositories of a page unless the client asks for another number.
const PAGE_REPOS: u64 = 100;

/// Most repositories of a page whose files are listed too: each costs a listing.
const PAGE_REPOS_WITH_FILES_MAX: u64 = 100;

/// Fields of every item.
const BASIC_FIELDS: &[&str] =
    &["likes", "private", "downloads", "tags", "createdAt", "modelId", "pipeline_tag", "library_name", "sdk"];

/// Fields of an item with `full`; datasets always have them.
const FULL_FIELDS: &[&str] = &["author", "sha", "lastModified", "gated", "disabled", "description"];

/// What of a list is asked for. What is not named here is ignored.
#[derive(Clone, Debug, Default, PartialEq, Eq, IntoParams)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub struct ListParams {
    /// Text within the id; repeated, all of them.
    #[param(required = false)]
    pub search: Vec<String>,
    /// Namespace.
    pub author: Option<String>,
    /// Tags, repeated or separated by commas, all of them: `license:mit`, `language:en`, `dataset:x`.
    #[param(required = false)]
    pub filter: Vec<String>,
    /// Task; models.
    #[param(rename = "pipeline_tag")]
    pub pipeline_tag: Option<String>,
    /// Library; models.
    pub library: Option<String>,
    /// `lastModified` (also for what is not known here), `createdAt` or `downloads`, highest first.
    #[param(example = "lastModified")]
    pub sort: Option<String>,
    /// Most repositories of a page; 100 unless asked for, 1000 at most, 100 where files are listed.
    pub limit: Option<u64>,
    /// Where to go on, from the `Link` of the page before.
    pub cursor: Option<String>,
    /// More fields, files among them.
    #[param(required = false)]
    pub full: bool,
    /// Fields of the card too.
    #[param(required = false)]
    pub card_data: bool,
    /// Excerpt of the model's configuration too.
    #[param(required = false)]
    pub config: bool,
    /// Repeated: only these fields, beside the ids; unknown names are ignored.
    #[param(required = false)]
    pub expand: Vec<String>,
}

impl From<&Query> for ListParams {
    fn from(query: &Query) -> Self {
        let text = |key| query.last(key).map(str::to_owned);
        ListParams {
            search: query.list("search"),
            author: text("author"),
            filter: query.comma_list("filter"),
            pipeline_tag: text("pipeline_tag"),
            library: text("library"),
            sort: text("sort"),
            limit: query.number("limit"),
            cursor: text("cursor"),
            full: query.flag("full"),
            card_data: query.flag("cardData"),
            config: query.flag("config"),
            expand: query.list("expand"),
        }
    }
}

impl ListParams {
    /// The fields that each item is to have.
    fn fields(&self, kind: RepoKind) -> Vec<&str> {
        if !self.expand.is_empty() {
            return self.expand.iter().map(String::as_str).collect();
        }
        let mut fields = BASIC_FIELDS.to_vec();
        if self.full || kind == RepoKind::Dataset {
            fields.extend(FULL_FIELDS);
        }
        fields.extend(
            [("siblings", self.full), ("cardData", self.card_data), ("config", self.config)]
                .iter()
                .filter_map(|(field, wanted)| wanted.then_some(*field)),
        );
        fields
    }

    fn lists_files(&self, kind: RepoKind) -> bool {
        self.fields(kind).contains(&"siblings")
    }

    fn limit(&self, kind: RepoKind) -> u64 {
        let max = if self.lists_files(kind) { PAGE_REPOS_WITH_FILES_MAX } else { LIST_LIMIT_MAX };
        self.limit.unwrap_or(PAGE_REPOS).clamp(1, max)
    }

    fn sort(&self) -> Sort {
        match self.sort.as_deref() {
            Some("createdAt" | "created_at") => Sort::CreatedAt,
            Some("downloads") => Sort::Downloads,
            _ => Sort::LastModified,
        }
    }

    /// The tags to look for. Models carry their languages as bare tags, and are asked for by `language:` all the same.
    fn tags(&self, kind: RepoKind) -> Vec<String> {
        let named = self.filter.iter().chain(&self.pipeline_tag).chain(&self.library);
        let bare = |tag: &str| match (kind, tag.strip_prefix("language:")) {
            (RepoKind::Model, Some(language)) => language.to_owned(),
            _ => tag.to_owned(),
        };
        named.map(|tag| bare(tag)).collect()
    }

    /// Whether a repository has every text asked for in its id; the database looks for the first one only.
    fn matches(&self, id: &str) -> bool {
        let id = id.to_ascii_lowercase();
        self.search.iter().all(|text| id.contains(&text.to_ascii_lowercase()))
    }
}

/// The position behind a cursor: value of the sort key, and the repository the page before ended with.
///
/// A cursor names the repository and not its key, which never leaves the database.
async fn position(hub: &Hub, caller: &Caller, kind: RepoKind, text: &str) -> Result<(i64, i64), HubError> {
    let text = cursor::decode(text)?;
    let (value, name) = text.split_once(' ').ok_or_else(cursor::invalid)?;
    let value = value.parse().map_err(|_| cursor::invalid())?;
    match repos::find(hub, caller, kind, name).await {
        Ok(found) => Ok((value, found.into_repo().id)),
        // It is gone: a few may be shown twice, none is lost.
        Err(HubError::RepoNotFound { .. }) => Ok((value, i64::MAX)),
        Err(error) => Err(error),
    }
}

/// Lists repositories.
#[utoipa::path(
    method(get, head),
    path = "/api/{plural}",
    tag = "hub",
    params(
        ("plural" = String, Path, description = "Repository type: `models`, `datasets` or `spaces`", example = "models"),
        ListParams,
    ),
    responses(
        (status = 200, description = "Repositories; `Link` leads to the next page", body = Vec<RepoInfo>),
        (status = 400, description = "A cursor that is not of this hub", body = ErrorBody),
        (status = 401, description = "A bad token of this hub", body = ErrorBody),
    )
)]
pub async fn list(
    hub: web::Data<Hub>,
    Auth(caller): Auth,
    BaseUrl(base): BaseUrl,
    query: Query,
    req: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let kind = kind_of(&req)?;
    let params = ListParams::from(&query);
    let after = match &params.cursor {
        Some(text) => Some(position(&hub, &caller, kind, text).await?),
        None => None,
    };
    let request = ListRequest {
        kind: Some(kind),
        search: params.search.first().cloned(),
        author: params.author.clone(),
        tags: params.tags(kind),
        sort: params.sort(),
        limit: params.limit(kind),
        after,
    };
    let page = repos::list(&hub, &caller, request).await?;
    let mut response = HttpResponse::Ok();
    if let (Some((value, _)), Some(last)) = (page.next, page.items.last()) {
        let next = cursor::encode(&format!("{value} {}", last.repo.name));
        response.insert_header((LINK, next_page::link(&base, ["api", kind.plural()], &query, &next)?));
    }
    let mut items = Vec::with_capacity(page.items.len());
    for summary in page.items.iter().filter(|summary| params.matches(summary.repo.name.as_str())) {
        items.push(item(&hub, &caller, kind, &params, summary).await?);
    }
    Ok(response.json(items))
}

/// One item, with the fields asked for.
async fn item(
    hub: &Hub,
    caller: &Caller,
    kind: RepoKind,
    params: &ListParams,
    summary: &Summary,
) -> Result<Value, HubError> {
    let mut info = RepoInfo::new(&summary.repo, &summary.head, &summary.card);
    if params.lists_files(kind) {
        let files = trees::summary_files(hub, caller, summary).await?;
        info.siblings = Some(files.iter().map(|file| Sibling::new(file, false)).collect());
    }
    project(&info, &params.fields(kind)).map_err(|error| HubError::Internal(error.to_string()))
}

#[cfg(test)]
mod tests {
    use acervo_core::RepoKind;
    use acervo_store::db::repos::Sort;

    use super::ListParams;
    use crate::http::query::Query;

    fn params(raw: &str) -> ListParams {
        ListParams::from(&Query::parse(raw.as_bytes()))
    }

    #[test]
    fn filters_are_repeated_or_joined() {
        let asked = params("filter=license:mit,text-generation&filter=language%3Aen&library=gguf&pipeline_tag=x");
        let tags = ["license:mit", "text-generation", "en", "x", "gguf"];
        assert_eq!(asked.tags(RepoKind::Model), tags, "models have bare languages");
        assert_eq!(asked.tags(RepoKind::Dataset)[2], "language:en");
    }

    #[test]
    fn unknown_orders_are_the_default() {
        for (raw, sort) in [
            ("", Sort::LastModified),
            ("sort=lastModified&direction=1", Sort::LastModified),
            ("sort=likes", Sort::LastModified),
            ("sort=trendingScore", Sort::LastModified),
            ("sort=createdAt", Sort::CreatedAt),
            ("sort=created_at&direction=-1", Sort::CreatedAt),
            ("sort=downloads", Sort::Downloads),
        ] {
            assert_eq!(params(raw).sort(), sort, "{raw}");
        }
    }

    #[test]
    fn pages_have_bounds() {
        let limit = |raw: &str| params(raw).limit(RepoKind::Model);
        assert_eq!(["", "limit=0", "limit=7", "limit=5000", "limit=x"].map(limit), [100, 1, 7, 1000, 100]);
        assert_eq!(["limit=5000&full=True", "limit=5000&expand=siblings"].map(limit), [100, 100]);
    }

    #[test]
    fn fields_follow_full_card_config_and_expand() {
        let has = |raw: &str, kind, field: &str| params(raw).fields(kind).contains(&field);
        assert!(!has("", RepoKind::Model, "sha") && has("", RepoKind::Dataset, "sha"));
        assert!(has("full=true", RepoKind::Model, "siblings") && !has("", RepoKind::Dataset, "siblings"));
        assert!(has("cardData=1", RepoKind::Model, "cardData") && !has("full=1", RepoKind::Model, "cardData"));
        assert!(has("config=True", RepoKind::Model, "config"));
        assert_eq!(params("expand=sha&expand=nonsense&full=true").fields(RepoKind::Model), ["sha", "nonsense"]);
    }

    #[test]
    fn every_searched_text_must_be_in_the_id() {
        let asked = params("search=Tiny&search=acme");
        assert!(asked.matches("acme/tiny-model"));
        assert!(!asked.matches("other/tiny-model"));
    }
}
