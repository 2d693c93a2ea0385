//! The JSON API that hub clients speak: info, trees, refs, logs, comparisons, lists, collections, people, identity;
//! gates, settings, standing orders, jobs, requests for repositories, events and webhooks.
//!
//! One handler serves models, datasets and spaces. Nothing here decides who may read what (`app` does), nor what an
//! error looks like on the wire (`http::error` does).

use acervo_core::RepoKind;
use acervo_store::db::repos::Repo;
use actix_web::HttpRequest;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::error::HubError;

pub mod access_report;
pub mod access_requests;
pub mod ask_access;
pub mod collections;
pub mod commits;
pub mod compare;
pub mod cursor;
pub mod doc;
pub mod events;
mod finished;
pub mod identity;
pub mod job_events;
pub mod jobs;
pub mod list_params;
pub mod lists;
pub mod mirror_requests;
pub mod mirrors;
pub mod next_page;
pub mod orders;
pub mod paths_info;
pub mod people;
pub mod refs;
pub mod repo_info;
pub mod search;
pub mod settings;
pub mod stubs;
pub mod tensors;
pub mod tree;
pub mod view;
pub mod webhooks;

#[cfg(test)]
mod tests;

/// The kind that the path of a request speaks of: `/api/models..` and so on.
fn kind_of(req: &HttpRequest) -> Result<RepoKind, HubError> {
    let mut segments = req.path().split('/').filter(|segment| !segment.is_empty() && *segment != "api");
    segments
        .next()
        .and_then(RepoKind::from_plural)
        .ok_or_else(|| HubError::Invalid("the URL names no repository type; use models, datasets or spaces".to_owned()))
}

/// Reads a body that is a JSON object, whatever type it claims to have.
fn read_json<T: DeserializeOwned>(body: &[u8]) -> Result<T, HubError> {
    let refused = |error: serde_json::Error| HubError::Invalid(format!("the body is not usable: {error}"));
    // Serde would take a list for an object whose fields are not named.
    let object: Map<String, Value> = serde_json::from_slice(body).map_err(refused)?;
    serde_json::from_value(Value::Object(object)).map_err(refused)
}

/// Refuses what follows a revision where nothing may: then it was part of a name that is not here.
fn only_revision(repo: &Repo, asked: &[String], remaining: &[String]) -> Result<(), HubError> {
    if remaining.iter().all(String::is_empty) {
        return Ok(());
    }
    Err(HubError::RevisionNotFound { name: repo.name.to_string(), revision: asked.join("/"), hint: "" })
}
