//! Lists: the files of a revision (tree, paths-info, siblings) and the repositories of a kind.

use serde_json::{Map, Value, json};

use super::api::{expanded, summary, tags, time};
use super::faults::{Lie, Subject, other_digest};
use super::log::Origin;
use super::routes::{no_entry, no_revision, paged, refusal};
use super::state::{Context, digest, may_see};
use super::wire::{Request, Response, form, truth};
use crate::fixture::{FixtureFile, Kind, RepoFixture};

const TREE_PAGE: usize = 1000;
const TREE_PAGE_EXPANDED: usize = 50;
const REPO_PAGE: usize = 1000;
const PATHS_MAX: usize = 1000;

/// What listings declare of a file, with ordered lies applied.
struct Declared {
    oid: String,
    size: u64,
    sha256: String,
    pointer_size: Option<usize>,
    xet: Option<String>,
}

/// A file or directory of a revision.
#[derive(Clone, Copy)]
enum Node<'a> {
    File(&'a FixtureFile),
    Directory(&'a str),
}

/// `GET /api/{type}/{repo}/tree/{rev}[/{path}]`.
pub(super) fn tree(
    context: &Context<'_>,
    request: &Request,
    repo: &RepoFixture,
    revision: &str,
    path: &str,
) -> Response {
    let Some(index) = repo.resolve(revision) else { return no_revision(revision) };
    let commit = &repo.commits[index];
    if !commit.trees().contains_key(path) {
        let message = format!("{path} does not exist on \"{revision}\"");
        return no_entry(repo.id_at(index), &message);
    }
    let base = if path.is_empty() { String::new() } else { format!("{path}/") };
    let recursive = request.flag("recursive");
    let inside = |path: &str| path.strip_prefix(&base).is_some_and(|rest| recursive || !rest.contains('/'));
    let mut nodes: Vec<(&String, Node<'_>)> = Vec::new();
    nodes.extend(commit.trees().iter().map(|(path, oid)| (path, Node::Directory(oid))));
    nodes.extend(commit.files.iter().map(|(path, file)| (path, Node::File(file))));
    nodes.retain(|(path, _)| !path.is_empty() && inside(path));
    // Breadth first; within a level in git's order, where a directory sorts as if it ended in a slash.
    nodes.sort_by_cached_key(|(path, node)| {
        let slash = if matches!(node, Node::Directory(_)) { "/" } else { "" };
        (path.matches('/').count(), format!("{path}{slash}"))
    });
    let expand = request.flag("expand");
    let size = if expand { TREE_PAGE_EXPANDED } else { TREE_PAGE };
    paged(context, request, size, &nodes, |(path, node)| entry(context, request, repo, index, path, *node, expand))
}

/// `POST /api/{type}/{repo}/paths-info/{rev}`.
pub(super) fn paths_info(context: &Context<'_>, request: &Request, repo: &RepoFixture, revision: &str) -> Response {
    let Some(index) = repo.resolve(revision) else { return no_revision(revision) };
    let (paths, expand) = match asked_paths(request) {
        Some(asked) => asked,
        None => return refusal(400, None, "Invalid request body: paths is required"),
    };
    if paths.len() > PATHS_MAX {
        return refusal(413, None, "Too many paths");
    }
    let commit = &repo.commits[index];
    let entries = paths.iter().filter_map(|path| {
        let file = commit.files.get(path).map(Node::File);
        let directory = || commit.trees().get(path).filter(|_| !path.is_empty()).map(|oid| Node::Directory(oid));
        entry(context, request, repo, index, path, file.or_else(directory)?, expand)
    });
    Response::json(200, &Value::Array(entries.collect()))
}

/// `siblings` of a repository's info.
pub(super) fn siblings(context: &Context<'_>, request: &Request, repo: &RepoFixture, index: usize) -> Value {
    let blobs = request.flag("blobs");
    let files = repo.commits[index].files.iter().filter_map(|(path, file)| {
        let mut item = json!({ "rfilename": path });
        if !blobs {
            return Some(item);
        }
        let declared = declare(context, request, repo, path, file)?;
        item["blobId"] = json!(declared.oid);
        item["size"] = json!(declared.size);
        if let Some(pointer_size) = declared.pointer_size {
            let (sha256, size) = (declared.sha256, declared.size);
            item["lfs"] = json!({ "sha256": sha256, "size": size, "pointerSize": pointer_size });
        }
        Some(item)
    });
    Value::Array(files.collect())
}

/// `GET /api/models`, `/api/datasets`, `/api/spaces`.
pub(super) fn repos(context: &Context<'_>, request: &Request, kind: Kind) -> Response {
    let author = request.one("author");
    let search: Vec<String> = request.all("search").iter().map(|text| text.to_lowercase()).collect();
    let mut filters = request.all("filter");
    filters.extend(request.all("pipeline_tag"));
    filters.extend(request.all("library"));
    let gated = request.one("gated").map(|text| truth(&text));
    let mut repos: Vec<&RepoFixture> = context.state.repos.iter().filter(|repo| repo.kind == kind).collect();
    repos.retain(|repo| {
        let (name, own) = (repo.name.to_lowercase(), tags(repo));
        may_see(repo, context.caller)
            && author.as_ref().is_none_or(|author| repo.name.split_once('/').is_some_and(|(ns, _)| ns == author))
            && search.iter().all(|text| name.contains(text))
            && filters.iter().all(|tag| own.contains(tag))
            && gated.is_none_or(|gated| gated == (repo.gated != crate::fixture::Gated::No))
    });
    repos.sort_by(|a, b| a.name.cmp(&b.name));
    let modified = |repo: &RepoFixture| repo.commits[repo.resolve("HEAD").unwrap_or_default()].date;
    match request.one("sort").as_deref() {
        Some("downloads") => repos.sort_by_key(|repo| std::cmp::Reverse(repo.downloads)),
        Some("likes") => repos.sort_by_key(|repo| std::cmp::Reverse(repo.likes)),
        Some("createdAt") => repos.sort_by_key(|repo| std::cmp::Reverse(repo.created_at)),
        Some("lastModified") => repos.sort_by_key(|repo| std::cmp::Reverse(modified(repo))),
        _ => {}
    }
    if let Err(refusal) = expanded(request, Map::new()) {
        return refusal;
    }
    let (full, card) = (request.flag("full"), request.flag("cardData"));
    paged(context, request, REPO_PAGE, &repos, |repo| {
        let mut item = summary(repo);
        if full {
            let names = repo.files_at("HEAD").keys().map(|path| json!({ "rfilename": path }));
            item.insert("siblings".into(), Value::Array(names.collect()));
        }
        if request.all("expand").is_empty() {
            item.retain(|name, _| match name.as_str() {
                "sha" | "lastModified" | "author" | "gated" | "disabled" => full,
                "cardData" => card,
                "config" | "spaces" => false,
                _ => true,
            });
        }
        expanded(request, item).ok().map(Value::Object)
    })
}

fn asked_paths(request: &Request) -> Option<(Vec<String>, bool)> {
    let text = std::str::from_utf8(&request.body).ok()?;
    if request.header("content-type").is_some_and(|kind| kind.starts_with("application/json")) {
        let body: Value = serde_json::from_str(text).ok()?;
        let paths = body.get("paths")?.as_array()?.iter().filter_map(Value::as_str).map(str::to_owned).collect();
        return Some((paths, body.get("expand").and_then(Value::as_bool).unwrap_or_default()));
    }
    let pairs = form(text);
    let expand = pairs.iter().any(|(name, value)| name == "expand" && truth(value));
    Some((pairs.into_iter().filter(|(name, _)| name == "paths").map(|(_, path)| path).collect(), expand))
}

/// One entry of a tree answer; `None` when an ordered lie hides it.
fn entry(
    context: &Context<'_>,
    request: &Request,
    repo: &RepoFixture,
    index: usize,
    path: &str,
    node: Node<'_>,
    expand: bool,
) -> Option<Value> {
    let mut item = match node {
        Node::Directory(oid) => json!({ "type": "directory", "oid": oid, "size": 0, "path": path }),
        Node::File(file) => {
            let declared = declare(context, request, repo, path, file)?;
            let mut item = json!({ "type": "file", "oid": declared.oid, "size": declared.size });
            if let Some(pointer_size) = declared.pointer_size {
                let (oid, size) = (declared.sha256, declared.size);
                item["lfs"] = json!({ "oid": oid, "size": size, "pointerSize": pointer_size });
            }
            if let Some(hash) = declared.xet {
                item["xetHash"] = json!(hash);
            }
            item["path"] = json!(path);
            item
        }
    };
    if expand {
        let changed = last_change(repo, index, path);
        let commit = &repo.commits[changed];
        item["lastCommit"] = json!({ "id": repo.id_at(changed), "title": commit.title, "date": time(commit.date) });
        if matches!(node, Node::File(_)) {
            let scan = json!({ "status": "safe", "message": null });
            item["securityFileStatus"] = json!({ "status": "safe", "avScan": scan, "pickleImportScan": scan });
        }
    }
    Some(item)
}

fn declare(
    context: &Context<'_>,
    request: &Request,
    repo: &RepoFixture,
    path: &str,
    file: &FixtureFile,
) -> Option<Declared> {
    let pointer_size = file.pointer.as_ref().map(String::len);
    let xet = (repo.xet && file.is_lfs()).then(|| xet_hash(file));
    let (oid, sha256) = (file.oid.clone(), file.sha256.clone());
    let mut declared = Declared { oid, size: file.size(), sha256, pointer_size, xet };
    let subject = Subject {
        origin: Origin::Hub,
        method: &request.method,
        target: &request.target,
        text: format!("{}/{path}", repo.name),
    };
    match context.faults.lie(&subject, file.is_lfs()) {
        None => {}
        Some(Lie::Absent) => return None,
        Some(Lie::Sha256) => declared.sha256 = other_digest(&declared.sha256),
        Some(Lie::Oid) => declared.oid = other_digest(&declared.oid),
        Some(Lie::Size(size)) => declared.size = size,
    }
    Some(declared)
}

/// A hash of the right form; no Xet storage stands behind it.
pub(super) fn xet_hash(file: &FixtureFile) -> String {
    digest(&format!("xet:{}", file.sha256))
}

/// The newest commit that changed a path (for a directory: anything in it).
fn last_change(repo: &RepoFixture, mut index: usize, path: &str) -> usize {
    let oid = |index: usize| {
        let commit = &repo.commits[index];
        commit.files.get(path).map(|file| &file.oid).or_else(|| commit.trees().get(path))
    };
    while let Some(parent) = repo.commits[index].parent {
        if oid(parent) != oid(index) {
            break;
        }
        index = parent;
    }
    index
}
