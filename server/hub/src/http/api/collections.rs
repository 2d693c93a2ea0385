//! `GET /api/collections` and `GET /api/collections/{slug}`: repositories put together under a title.
//!
//! Reading only: collections are made on the command line.

use acervo_core::{RepoKind, Timestamp};
use actix_web::http::header::LINK;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use super::doc::ErrorBody;
use super::view::CollectionInfo;
use super::{cursor, next_page};
use crate::app::collections::{self, LIST_LIMIT_MAX, ListRequest};
use crate::context::Hub;
use crate::error::HubError;
use crate::http::error::ApiError;
use crate::http::extract::{Auth, BaseUrl, decoded_rest};
use crate::http::query::Query;

/// Orders of a list of collections.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum CollectionOrder {
    /// The last changed first.
    LastModified,
    /// There is none here: as the last change.
    Trending,
    /// There are none here: as the last change.
    Upvotes,
}

/// Which collections are asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct CollectionQuery {
    /// Namespaces, repeated; one of them must be the owner.
    #[param(required = false, example = json!(["mistralai"]))]
    pub owner: Vec<String>,
    /// Repositories, repeated; one of them must be in it. As `models/acme/x`, `datasets/acme/y`; what else hubs put into
    /// collections is in none here.
    #[param(required = false, example = json!(["models/mistralai/Mistral-7B-v0.1"]))]
    pub item: Vec<String>,
    /// Texts, repeated, all of which must be in title and description, whatever their case and accents.
    #[param(required = false)]
    pub q: Vec<String>,
    /// There are no upvotes here, so the last change decides in any case.
    #[param(inline, value_type = Option<CollectionOrder>, example = "lastModified")]
    pub sort: Option<String>,
    /// Most collections of a page; 100 at most, and unless asked for.
    #[param(minimum = 1, maximum = 100, example = 20)]
    pub limit: Option<u64>,
    /// Where to go on, from the `Link` of the page before.
    pub cursor: Option<String>,
}

impl From<&Query> for CollectionQuery {
    fn from(query: &Query) -> Self {
        CollectionQuery {
            owner: query.list("owner"),
            item: query.list("item"),
            q: query.list("q"),
            sort: query.last("sort").map(str::to_owned),
            limit: query.number("limit"),
            cursor: query.last("cursor").map(str::to_owned),
        }
    }
}

impl CollectionQuery {
    /// What a cursor belongs to.
    fn question(&self) -> (&[String], &[String], &[String]) {
        (&self.owner, &self.item, &self.q)
    }

    fn request(&self) -> Result<ListRequest, HubError> {
        if let Some(sort) = &self.sort
            && !["lastModified", "trending", "upvotes"].contains(&sort.as_str())
        {
            return Err(HubError::Invalid(format!(
                "`sort={sort}` is not an order of collections; use lastModified, trending or upvotes"
            )));
        }
        let item = |text: &String| {
            let (plural, name) = text.split_once('/')?;
            Some((RepoKind::from_plural(plural)?, name.to_owned()))
        };
        Ok(ListRequest {
            owners: self.owner.clone(),
            items: (!self.item.is_empty()).then(|| self.item.iter().filter_map(item).collect()),
            texts: self.q.clone(),
            limit: self.limit.unwrap_or(LIST_LIMIT_MAX),
            after: self.cursor.as_ref().map(|cursor| self.place(cursor)).transpose()?,
        })
    }

    fn place(&self, text: &str) -> Result<(Timestamp, String), HubError> {
        let place = cursor::decode_for(&self.question(), text)?;
        let (millis, public_id) = place.split_once(' ').ok_or_else(cursor::invalid)?;
        Ok((Timestamp::from_millis(millis.parse().map_err(|_| cursor::invalid())?), public_id.to_owned()))
    }
}

/// Lists the collections that the caller may see, the last changed first, each with its first four items.
#[utoipa::path(
    method(get, head),
    path = "/api/collections",
    tag = "hub",
    params(CollectionQuery),
    responses(
        (status = 200, description = "Collections; `Link` leads to the next page", body = Vec<CollectionInfo>),
        (status = 400, description = "An unknown order, or a cursor of another list", body = ErrorBody,
            example = json!({"error": "`sort=stars` is not an order of collections; use lastModified, trending or \
                                       upvotes"})),
        (status = 401, description = "A bad token of this hub", body = ErrorBody,
            example = json!({"error": "Invalid credentials in Authorization header"})),
    )
)]
pub async fn list(
    hub: web::Data<Hub>,
    Auth(caller): Auth,
    BaseUrl(base): BaseUrl,
    query: Query,
) -> Result<HttpResponse, ApiError> {
    let wanted = CollectionQuery::from(&query);
    let page = collections::list(&hub, &caller, &wanted.request()?).await?;
    let mut response = HttpResponse::Ok();
    if let Some((at, public_id)) = &page.next {
        let next = cursor::encode_for(&wanted.question(), &format!("{} {public_id}", at.as_millis()));
        response.insert_header((LINK, next_page::link(&base, ["api", "collections"], &query, &next)?));
    }
    let view = |shown| CollectionInfo::new(shown, true);
    Ok(response.json(page.collections.iter().map(view).collect::<Vec<_>>()))
}

/// Describes a collection, with everything in it that the caller may see.
#[utoipa::path(
    method(get, head),
    path = "/api/collections/{rest}",
    tag = "hub",
    params(("rest" = String, Path, description = "Slug: owner, slash, title in short and random id; only owner and id \
        are looked at", example = "acme/approved-models-64f9a55bb3115b4f513ec026")),
    responses(
        (status = 200, description = "The collection", body = CollectionInfo),
        (status = 401, description = "A bad token of this hub", body = ErrorBody,
            example = json!({"error": "Invalid credentials in Authorization header"})),
        (status = 404, description = "No such collection, or not for the caller", body = ErrorBody,
            example = json!({"error": "there is no collection `acme/x-64f9a55bb3115b4f513ec026` here"})),
    )
)]
pub async fn info(hub: web::Data<Hub>, Auth(caller): Auth, req: HttpRequest) -> Result<HttpResponse, ApiError> {
    let slug = decoded_rest(&req)?.join("/");
    let found = collections::find(&hub, &caller, slug.trim_matches('/')).await?;
    Ok(HttpResponse::Ok().json(CollectionInfo::new(&found, false)))
}

#[cfg(test)]
mod tests {
    use acervo_core::RepoKind;

    use super::CollectionQuery;
    use crate::http::api::cursor;
    use crate::http::query::Query;

    #[test]
    fn items_are_named_by_kind_and_those_of_other_kinds_are_in_no_collection() {
        let request = |raw: &str| CollectionQuery::from(&Query::parse(raw.as_bytes())).request();
        assert_eq!(request("").unwrap().items, None);
        assert_eq!(request("item=papers%2F2311.12983").unwrap().items, Some(Vec::new()));
        let items = request("item=models/acme/x&item=datasets/squad&owner=a&owner=b&sort=trending").unwrap();
        let expected = [(RepoKind::Model, "acme/x".to_owned()), (RepoKind::Dataset, "squad".to_owned())];
        assert_eq!((items.items.unwrap(), items.owners), (expected.to_vec(), vec!["a".to_owned(), "b".to_owned()]));
        assert!(request("sort=stars").is_err());
    }

    #[test]
    fn a_cursor_goes_on_in_its_own_list_alone() {
        let query = CollectionQuery::from(&Query::parse(b"owner=a"));
        let cursor = cursor::encode_for(&query.question(), "7 0123");
        let go_on =
            |raw: &str| CollectionQuery::from(&Query::parse(format!("{raw}&cursor={cursor}").as_bytes())).request();
        let (at, id) = go_on("owner=a&limit=5").unwrap().after.unwrap();
        assert_eq!((at.as_millis(), id.as_str()), (7, "0123"));
        assert!(go_on("owner=b").is_err());
    }
}
