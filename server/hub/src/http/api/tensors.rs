//! `GET /api/{type}/{repo}/safetensors-metadata/{index}`: the headers of all shards of a model in one answer.

use acervo_core::{RepoPath, RevisionSpec};
use actix_web::{HttpRequest, HttpResponse, web};
use bytes::Bytes;
use futures::stream;
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::doc::{ErrorBody, RepoAddress, RepoErrors};
use crate::app::revisions;
use crate::app::tensors::{self, Sharded};
use crate::context::Hub;
use crate::error::HubError;
use crate::http::error::ApiError;
use crate::http::extract::{Auth, RepoRoute, open_contents};

/// What an index says of the whole; which tensor is in which shard stands in the headers.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ShardIndex {
    /// The index's own `metadata`, such as `total_size`.
    #[schema(value_type = Option<Object>)]
    pub metadata: Option<Map<String, Value>>,
}

/// Index and headers of a sharded model.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(example = json!({
    "index": {"metadata": {"total_size": 24}},
    "headers": {"model-00001-of-00001.safetensors": {
        "__metadata__": {"format": "pt"},
        "lm_head.weight": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}
    }}
}))]
pub struct ShardedHeaders {
    /// What the index says of the whole.
    pub index: ShardIndex,
    /// Headers, by the name that the index gives the shard.
    #[schema(value_type = Object)]
    pub headers: Map<String, Value>,
}

/// Gives the headers of all shards that an index names, at the default branch: names, types, shapes and places of all
/// tensors, without their contents.
#[utoipa::path(
    method(get, head),
    path = "/api/{plural}/{repo}/safetensors-metadata/{rest}",
    tag = "hub",
    params(
        RepoAddress,
        ("rest" = String, Path, description = "Path of the index file", example = "model.safetensors.index.json"),
    ),
    responses(
        (status = 200, description = "Index and headers, these as they stand in the files", body = ShardedHeaders),
        (status = 307, description = "The same, under the right name; `Location` is relative"),
        (status = 413, description = "More than 32 MiB of index, or more than 64 MiB of headers", body = ErrorBody),
        RepoErrors,
    )
)]
pub async fn sharded(
    hub: web::Data<Hub>,
    Auth(caller): Auth,
    route: RepoRoute,
    req: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let repo = open_contents(&hub, &caller, &route, &req).await?;
    let index: RepoPath = route.rest.join("/").trim_matches('/').parse()?;
    let commit = revisions::resolve(&hub, &repo, &RevisionSpec::Head).await?;
    let found = tensors::sharded(&hub, &repo, &commit, &index).await?;
    let pieces = pieces(found).map_err(|error| HubError::Internal(error.to_string()))?;
    let body = stream::iter(pieces.into_iter().map(Ok::<Bytes, HubError>));
    Ok(HttpResponse::Ok().content_type("application/json").streaming(body))
}

/// The answer in pieces: the headers are sent as they were read, and not made anew.
fn pieces(found: Sharded) -> Result<Vec<Bytes>, serde_json::Error> {
    let index = serde_json::to_string(&ShardIndex { metadata: found.metadata })?;
    let mut pieces = vec![Bytes::from(format!("{{\"index\":{index},\"headers\":{{"))];
    for (place, (name, header)) in found.headers.into_iter().enumerate() {
        let comma = if place == 0 { "" } else { "," };
        pieces.push(Bytes::from(format!("{comma}{}:", serde_json::to_string(&name)?)));
        pieces.push(header);
    }
    pieces.push(Bytes::from_static(b"}}"));
    Ok(pieces)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use serde_json::{Value, json};

    use super::{Sharded, pieces};

    #[test]
    fn the_pieces_make_one_object() {
        let headers = vec![
            ("a \"b\".safetensors".to_owned(), Bytes::from_static(b"{\"x\":{\"dtype\":\"F32\"}}")),
            ("c".to_owned(), Bytes::from_static(b"{}")),
        ];
        let metadata = json!({"total_size": 24}).as_object().cloned();
        for (found, expected) in [
            (
                Sharded { metadata, headers },
                json!({
                    "index": {"metadata": {"total_size": 24}},
                    "headers": {"a \"b\".safetensors": {"x": {"dtype": "F32"}}, "c": {}},
                }),
            ),
            (Sharded { metadata: None, headers: Vec::new() }, json!({"index": {"metadata": null}, "headers": {}})),
        ] {
            let text: Vec<u8> = pieces(found).unwrap().concat();
            assert_eq!(serde_json::from_slice::<Value>(&text).unwrap(), expected);
        }
    }
}
