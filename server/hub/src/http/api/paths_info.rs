//! `POST /api/{type}/{repo}/paths-info/{rev}`: the entries at some paths.

use acervo_core::RepoPath;
use actix_web::{HttpMessage, HttpRequest, HttpResponse, web};
use serde_json::Value;
use utoipa::ToSchema;

use super::doc::{ErrorBody, RepoAddress, RepoErrors, RevisionAddress};
use super::only_revision;
use super::view::TreeItem;
use crate::app::history;
use crate::app::trees::{self, PATHS_MAX};
use crate::context::Hub;
use crate::error::HubError;
use crate::http::error::ApiError;
use crate::http::extract::{Auth, RepoRoute, open_repo, open_revision};
use crate::http::query::{Query, is_true};

/// Which paths are asked for: as JSON, or as a form with one `paths` for each.
#[derive(Clone, Debug, Default, PartialEq, Eq, ToSchema)]
#[schema(example = json!({"paths": ["config.json", "tokenizer"], "expand": false}))]
pub struct PathsQuery {
    /// Paths.
    #[schema(max_items = 1000)]
    pub paths: Vec<String>,
    /// With the commit that last touched each entry, where the commits that are held here tell.
    #[schema(required = false)]
    pub expand: bool,
}

/// Reads the body of any client: Python sends a form, JavaScript and Rust send JSON.
fn read(content_type: &str, body: &[u8]) -> Result<PathsQuery, HubError> {
    if !content_type.contains("json") && body.trim_ascii_start().first() != Some(&b'{') {
        let form = Query::parse(body);
        return Ok(PathsQuery { paths: form.list("paths"), expand: form.flag("expand") });
    }
    let refused = |why: &str| HubError::Invalid(format!("the body is not usable: {why}; send `{{\"paths\": [..]}}`"));
    let body: Value = serde_json::from_slice(body).map_err(|error| refused(&error.to_string()))?;
    let paths = match body.get("paths") {
        Some(Value::String(path)) => vec![path.clone()],
        Some(Value::Array(paths)) => paths.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => return Err(refused("it names no paths")),
    };
    let expand = match body.get("expand") {
        Some(Value::Bool(expand)) => *expand,
        Some(Value::String(text)) => is_true(text),
        _ => false,
    };
    Ok(PathsQuery { paths, expand })
}

impl PathsQuery {
    /// The paths that can exist at all; the others are as good as missing.
    fn usable(&self) -> Result<Vec<RepoPath>, HubError> {
        if self.paths.len() > PATHS_MAX {
            return Err(HubError::TooMuch(format!(
                "at most {PATHS_MAX} paths can be asked for at once; send several requests"
            )));
        }
        Ok(self.paths.iter().filter_map(|path| path.parse().ok()).collect())
    }
}

/// Describes the entries at some paths; a path that does not exist is left out.
#[utoipa::path(
    post,
    path = "/api/{plural}/{repo}/paths-info/{rest}",
    tag = "hub",
    params(RepoAddress, RevisionAddress),
    request_body(
        content((PathsQuery = "application/json"), (PathsQuery = "application/x-www-form-urlencoded")),
        description = "The paths",
    ),
    responses(
        (status = 200, description = "The entries that exist, in the order asked", body = Vec<TreeItem>),
        (status = 413, description = "More than 1000 paths", body = ErrorBody),
        RepoErrors,
    )
)]
pub async fn paths_info(
    hub: web::Data<Hub>,
    Auth(caller): Auth,
    route: RepoRoute,
    body: web::Bytes,
    req: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let repo = open_repo(&hub, &caller, &route, &req).await?;
    let (commit, remaining) = open_revision(&hub, &repo, &route.rest).await?;
    only_revision(&repo, &route.rest, &remaining)?;
    let wanted = read(req.content_type(), &body)?;
    let entries = trees::at_paths(&hub, &repo, &commit, &wanted.usable()?).await?;
    let mut items: Vec<TreeItem> = entries.iter().map(|entry| TreeItem::from(&**entry)).collect();
    if wanted.expand {
        let known = history::last_commits(&hub, &repo, &commit, entries.iter().map(|entry| &**entry)).await?;
        items = items.into_iter().map(|item| item.touched_by(&known)).collect();
    }
    Ok(HttpResponse::Ok().json(items))
}

#[cfg(test)]
mod tests {
    use super::read;
    use crate::error::HubError;

    #[test]
    fn forms_and_json_say_the_same() {
        let expected = ["config.json", "a b/ñ+.txt"];
        let form = "paths=config.json&paths=a+b%2F%C3%B1%2B.txt&expand=False";
        let json = r#"{"paths":["config.json","a b/ñ+.txt"],"expand":true}"#;
        for (content_type, body) in [
            ("application/x-www-form-urlencoded", form),
            ("", form),
            ("application/json", json),
            ("application/json; charset=utf-8", json),
            ("", json),
        ] {
            assert_eq!(read(content_type, body.as_bytes()).unwrap().paths, expected, "{content_type}");
        }
    }

    #[test]
    fn one_path_may_be_a_text() {
        assert_eq!(read("application/json", br#"{"paths":"a"}"#).unwrap().paths, ["a"]);
    }

    #[test]
    fn a_broken_body_is_refused() {
        for body in ["", "{", "[]", "{}", r#"{"paths":1}"#] {
            assert!(matches!(read("application/json", body.as_bytes()), Err(HubError::Invalid(_))), "{body}");
        }
    }

    #[test]
    fn paths_that_cannot_exist_are_missing_and_too_many_are_refused() {
        let query = read("", b"paths=a&paths=../b&paths=%00&paths=/c&paths=c/d").unwrap();
        assert_eq!(query.usable().unwrap().iter().map(ToString::to_string).collect::<Vec<_>>(), ["a", "c/d"]);
        let many = "paths=..&".repeat(1001);
        assert!(matches!(read("", many.as_bytes()).unwrap().usable(), Err(HubError::TooMuch(_))));
    }
}
