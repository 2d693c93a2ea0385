//! The metadata API: repository info, refs, commits, whoami.

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Map, Value, json};

use super::listing;
use super::routes::{no_revision, paged, refusal};
use super::state::{Caller, Context, opaque_id};
use super::wire::{Request, Response};
use crate::fixture::{FixtureFile, Gated, Kind, RepoFixture};

const COMMITS_PER_PAGE: usize = 50;
/// Property names that `expand` takes; any other is refused, as the public hub does.
const EXPANDABLE: &[&str] = &[
    "author",
    "baseModels",
    "cardData",
    "childrenModelCount",
    "citation",
    "config",
    "createdAt",
    "datasets",
    "description",
    "disabled",
    "downloads",
    "downloadsAllTime",
    "evalResults",
    "gated",
    "gguf",
    "inference",
    "inferenceProviderMapping",
    "lastModified",
    "library_name",
    "likes",
    "mainSize",
    "mask_token",
    "model-index",
    "models",
    "paperswithcode_id",
    "pipeline_tag",
    "private",
    "resourceGroup",
    "runtime",
    "safetensors",
    "sdk",
    "sha",
    "siblings",
    "spaces",
    "subdomain",
    "tags",
    "transformersInfo",
    "trendingScore",
    "usedStorage",
    "widgetData",
];

/// `GET /api/whoami-v2`.
pub(super) fn whoami(context: &Context<'_>) -> Response {
    let Caller::Known { user, .. } = context.caller else {
        return refusal(401, None, "Invalid username or password.");
    };
    let token = json!({ "displayName": "fixture", "role": "read", "createdAt": "2024-01-01T00:00:00.000Z" });
    Response::json(
        200,
        &json!({
            "type": "user",
            "id": super::state::digest(user)[..24],
            "name": user,
            "fullname": user,
            "email": format!("{user}@users.noreply.example.org"),
            "emailVerified": true,
            "canPay": false,
            "isPro": false,
            "periodEnd": null,
            "avatarUrl": "/avatars/fixture.svg",
            "orgs": [],
            "auth": { "type": "access_token", "accessToken": token },
        }),
    )
}

/// `GET /api/{type}/{repo}` and `GET /api/{type}/{repo}/revision/{rev}`.
pub(super) fn info(context: &Context<'_>, request: &Request, repo: &RepoFixture, revision: &str) -> Response {
    let Some(index) = repo.resolve(revision) else { return no_revision(revision) };
    let mut info = summary(repo);
    info.insert("sha".into(), json!(repo.id_at(index)));
    info.insert("siblings".into(), listing::siblings(context, request, repo, index));
    info.insert("lastModified".into(), json!(time(repo.commits[index].date)));
    let stored: u64 = repo.commits[index].files.values().filter(|file| file.is_lfs()).map(FixtureFile::size).sum();
    info.insert("usedStorage".into(), json!(stored));
    if request.flag("securityStatus") {
        info.insert("securityRepoStatus".into(), json!({ "scansDone": true, "filesWithIssues": [] }));
    }
    expanded(request, info).map_or_else(|refusal| refusal, |info| Response::json(200, &Value::Object(info)))
}

/// Keeps only what `expand` names, when it is given.
pub(super) fn expanded(request: &Request, mut info: Map<String, Value>) -> Result<Map<String, Value>, Response> {
    let asked = request.all("expand");
    if let Some(unknown) = asked.iter().find(|name| !EXPANDABLE.contains(&name.as_str())) {
        return Err(refusal(400, None, &format!("Invalid enum value `{unknown}` at expand")));
    }
    if !asked.is_empty() {
        info.retain(|name, _| name == "_id" || name == "id" || asked.contains(name));
    }
    Ok(info)
}

/// What info and lists both tell.
pub(super) fn summary(repo: &RepoFixture) -> Map<String, Value> {
    let gated = match repo.gated {
        Gated::No => json!(false),
        Gated::Auto => json!("auto"),
        Gated::Manual => json!("manual"),
    };
    let head = repo.resolve("HEAD").unwrap_or_default();
    let mut info = Map::new();
    info.insert("_id".into(), json!(opaque_id(repo)));
    info.insert("id".into(), json!(repo.name));
    if repo.kind == Kind::Model {
        info.insert("modelId".into(), json!(repo.name));
    }
    if let Some((namespace, _)) = repo.name.split_once('/') {
        info.insert("author".into(), json!(namespace));
    }
    info.insert("private".into(), json!(repo.private));
    info.insert("gated".into(), gated);
    info.insert("disabled".into(), json!(repo.disabled));
    info.insert("downloads".into(), json!(repo.downloads));
    info.insert("likes".into(), json!(repo.likes));
    info.insert("tags".into(), json!(tags(repo)));
    info.insert("createdAt".into(), json!(time(repo.created_at)));
    info.insert("lastModified".into(), json!(time(repo.commits[head].date)));
    info.insert("sha".into(), json!(repo.id_at(head)));
    if let Some(card) = &repo.card {
        for name in ["pipeline_tag", "library_name", "sdk"] {
            if let Some(value) = card.get(name) {
                info.insert(name.into(), value.clone());
            }
        }
        info.insert("cardData".into(), card.clone());
    }
    if repo.kind == Kind::Model {
        info.insert("config".into(), json!({}));
        info.insert("spaces".into(), json!([]));
    }
    info.extend(repo.info.clone());
    info
}

/// Own tags, those the card lists, and those the hub makes of its fields.
pub(super) fn tags(repo: &RepoFixture) -> Vec<String> {
    let mut tags = repo.tags.clone();
    let fields = [
        ("tags", ""),
        ("library_name", ""),
        ("pipeline_tag", ""),
        ("license", "license:"),
        ("base_model", "base_model:"),
        ("datasets", "dataset:"),
    ];
    for (field, prefix) in fields {
        let value = repo.card.as_ref().and_then(|card| card.get(field));
        let values = match value {
            Some(Value::Array(values)) => values.clone(),
            Some(value) => vec![value.clone()],
            None => Vec::new(),
        };
        tags.extend(values.iter().filter_map(Value::as_str).map(|text| format!("{prefix}{text}")));
    }
    tags
}

/// `GET /api/{type}/{repo}/refs`.
pub(super) fn refs(request: &Request, repo: &RepoFixture) -> Response {
    let group = |prefix: &str| -> Vec<Value> {
        let refs = repo.refs.iter().filter_map(|(name, index)| Some((name.strip_prefix(prefix)?, name, index)));
        refs.map(|(short, name, index)| json!({ "name": short, "ref": name, "targetCommit": repo.id_at(*index) }))
            .collect()
    };
    let mut answer = json!({
        "tags": group("refs/tags/"),
        "branches": group("refs/heads/"),
        "converts": group("refs/convert/"),
    });
    if request.flag("include_prs") {
        answer["pullRequests"] = json!(group("refs/pr/"));
    }
    Response::json(200, &answer)
}

/// `GET /api/{type}/{repo}/commits/{rev}`.
pub(super) fn commits(context: &Context<'_>, request: &Request, repo: &RepoFixture, revision: &str) -> Response {
    let Some(index) = repo.resolve(revision) else { return no_revision(revision) };
    let history: Vec<usize> = std::iter::successors(Some(index), |index| repo.commits[*index].parent).collect();
    let formatted = request.all("expand").iter().any(|name| name == "formatted");
    let answer = paged(context, request, COMMITS_PER_PAGE, &history, |index| {
        let commit = &repo.commits[*index];
        let mut item = json!({
            "id": repo.id_at(*index),
            "title": commit.title,
            "message": commit.body,
            "authors": [{ "user": commit.author, "avatar": "/avatars/fixture.svg" }],
            "date": time(commit.date),
        });
        if formatted {
            item["formatted"] = json!({ "title": commit.title, "message": commit.body });
        }
        Some(item)
    });
    answer.header("X-Total-Count", history.len().to_string())
}

/// The only form of a time that every client reads.
pub(super) fn time(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Millis, true)
}
