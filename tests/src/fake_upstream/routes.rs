//! The hub's addresses: who is asked for what, and the refusals every address shares.

use serde_json::{Value, json};

use super::state::{Caller, Context, Found, may_read};
use super::wire::{Request, Response, decode};
use super::{api, listing, resolve};
use crate::fixture::{Kind, RepoFixture};

const API_MARKERS: &[&str] = &["revision", "tree", "refs", "commits", "paths-info", "auth-check", "discussions"];
const FILE_MARKERS: &[&str] = &["resolve", "raw", "blob", "tree"];

/// Answers a request to the hub.
pub(super) fn answer(context: &Context<'_>, request: &Request) -> Response {
    let raw = request.segments();
    let segments: Vec<String> = raw.iter().map(|segment| decode(segment)).collect();
    let names: Vec<&str> = segments.iter().map(String::as_str).collect();
    if names == ["api", "whoami-v2"] {
        return api::whoami(context);
    }
    if *context.caller == Caller::Stranger {
        return refusal(401, None, "Invalid credentials in Authorization header");
    }
    match names.as_slice() {
        ["api", "agent-harnesses"] => Response::json(200, &json!({ "standardEnvVars": [], "harnesses": {} })),
        ["api", "telemetry", ..] => Response::new(200),
        ["api", "resolve-cache", kind, ..] => match Kind::from_plural(kind) {
            Some(kind) => of_repo(context, request, kind, 3, &raw, &[], resolve_cached),
            None => no_page(),
        },
        ["api", kind] => match Kind::from_plural(kind) {
            Some(kind) => listing::repos(context, request, kind),
            None => no_page(),
        },
        ["api", kind, ..] => match Kind::from_plural(kind) {
            Some(kind) => of_repo(context, request, kind, 2, &raw, API_MARKERS, api_call),
            None => no_page(),
        },
        ["datasets", _, ..] => of_repo(context, request, Kind::Dataset, 1, &raw, FILE_MARKERS, file_call),
        ["spaces", _, ..] => of_repo(context, request, Kind::Space, 1, &raw, FILE_MARKERS, file_call),
        [_, ..] => of_repo(context, request, Kind::Model, 0, &raw, FILE_MARKERS, file_call),
        [] => page("a hub"),
    }
}

/// Finds the repository named at segment `at`, refuses or redirects where due, then calls `then` with what follows.
fn of_repo(
    context: &Context<'_>,
    request: &Request,
    kind: Kind,
    at: usize,
    raw: &[&str],
    markers: &[&str],
    then: impl Fn(&Context<'_>, &Request, &RepoFixture, &[String]) -> Response,
) -> Response {
    let rest = &raw[at..];
    // What follows the name tells a bare one from a namespace: a marker or, under resolve-cache, a commit id.
    let ends_name = |segment: &str| if markers.is_empty() { is_commit_id(segment) } else { markers.contains(&segment) };
    let bare = rest.len() < 2 || ends_name(rest[1]);
    let (name, tail) = rest.split_at(if bare { 1 } else { 2 });
    let name = decode(&name.join("/"));
    match context.state.find(kind, &name, context.caller) {
        Found::Repo(repo) if repo.disabled => refusal(403, None, "Access to this resource is disabled."),
        Found::Repo(repo) => {
            let tail: Vec<String> = tail.iter().map(|segment| decode(segment)).collect();
            then(context, request, repo, &tail)
        }
        Found::Moved(current) => {
            let path: Vec<&str> = raw[..at].iter().copied().chain([current]).chain(tail.iter().copied()).collect();
            let query = request.raw_query().map(|query| format!("?{query}")).unwrap_or_default();
            let location = format!("/{}{query}", path.join("/"));
            Response::new(307)
                .text(format!("Temporary Redirect. Redirecting to {location}"))
                .header("Location", location)
        }
        Found::Missing if *context.caller == Caller::Anonymous => {
            refusal(401, Some("RepoNotFound"), "Invalid username or password.")
        }
        Found::Missing => refusal(404, Some("RepoNotFound"), "Repository not found"),
    }
}

fn api_call(context: &Context<'_>, request: &Request, repo: &RepoFixture, tail: &[String]) -> Response {
    let names: Vec<&str> = tail.iter().map(String::as_str).collect();
    match (request.method.as_str(), names.as_slice()) {
        (_, []) => api::info(context, request, repo, "HEAD"),
        (_, ["refs"]) => api::refs(request, repo),
        (_, ["discussions"]) => Response::json(200, &json!({ "discussions": [], "count": 0, "start": 0 })),
        (_, ["auth-check", ..]) => gate(context, repo).unwrap_or_else(|| Response::new(200)),
        ("GET" | "HEAD", ["revision", ..]) => {
            let (revision, _) = split_revision(repo, &tail[1..]);
            api::info(context, request, repo, &revision)
        }
        ("GET" | "HEAD", ["commits", ..]) => {
            let (revision, _) = split_revision(repo, &tail[1..]);
            api::commits(context, request, repo, &revision)
        }
        ("GET" | "HEAD", ["tree", ..]) => {
            let (revision, path) = split_revision(repo, &tail[1..]);
            listing::tree(context, request, repo, &revision, &path)
        }
        ("POST", ["paths-info", ..]) => {
            let (revision, _) = split_revision(repo, &tail[1..]);
            listing::paths_info(context, request, repo, &revision)
        }
        _ => no_page(),
    }
}

fn file_call(context: &Context<'_>, request: &Request, repo: &RepoFixture, tail: &[String]) -> Response {
    let Some((marker, rest)) = tail.split_first() else { return page(&repo.name) };
    if !matches!(request.method.as_str(), "GET" | "HEAD") {
        return no_page();
    }
    let (revision, path) = split_revision(repo, rest);
    match marker.as_str() {
        "resolve" => gate(context, repo).unwrap_or_else(|| resolve::resolve(context, request, repo, &revision, &path)),
        "raw" => gate(context, repo).unwrap_or_else(|| resolve::raw(request, repo, &revision, &path)),
        _ => page(&repo.name),
    }
}

fn resolve_cached(context: &Context<'_>, request: &Request, repo: &RepoFixture, tail: &[String]) -> Response {
    let Some((commit, path)) = tail.split_first() else { return no_page() };
    gate(context, repo).unwrap_or_else(|| resolve::cached(request, repo, commit, &path.join("/")))
}

/// Splits `{revision}/{path}`: one segment, unless a longer run of them names a ref.
fn split_revision(repo: &RepoFixture, tail: &[String]) -> (String, String) {
    let named = |count: &usize| {
        let name = tail[..*count].join("/");
        ["", "refs/heads/", "refs/tags/"].iter().any(|prefix| repo.refs.contains_key(&format!("{prefix}{name}")))
    };
    let count = (1..=tail.len()).rev().find(named).unwrap_or(1).min(tail.len());
    (tail[..count].join("/"), tail[count..].join("/"))
}

/// The refusal of gated files, if the caller holds no grant.
fn gate(context: &Context<'_>, repo: &RepoFixture) -> Option<Response> {
    if may_read(repo, context.caller) {
        return None;
    }
    let (name, prefix, hub) = (&repo.name, repo.kind.prefix(), context.hub_url);
    let kind = repo.kind.plural().trim_end_matches('s');
    let (status, next) = match context.caller {
        Caller::Anonymous => {
            (401, "You must have access to it and be authenticated to access it. Please log in.".into())
        }
        _ => (403, format!("You are not in the authorized list. Visit {hub}/{prefix}{name} to ask for access.")),
    };
    Some(refusal(status, Some("GatedRepo"), &format!("Access to {kind} {name} is restricted. {next}")))
}

/// An error as the hub words it: JSON body, and the same facts in headers.
pub(super) fn refusal(status: u16, code: Option<&str>, message: &str) -> Response {
    let answer = Response::json(status, &json!({ "error": message })).header("X-Error-Message", message);
    match code {
        Some(code) => answer.header("X-Error-Code", code),
        None => answer,
    }
}

pub(super) fn no_revision(revision: &str) -> Response {
    refusal(404, Some("RevisionNotFound"), &format!("Invalid rev id: {revision}"))
}

pub(super) fn no_entry(commit: &str, message: &str) -> Response {
    refusal(404, Some("EntryNotFound"), message).header("X-Repo-Commit", commit)
}

/// Cuts one page out of `items` and names the next one in an absolute `Link`.
pub(super) fn paged<T>(
    context: &Context<'_>,
    request: &Request,
    default: usize,
    items: &[T],
    show: impl Fn(&T) -> Option<Value>,
) -> Response {
    let asked = request.one("limit").and_then(|text| text.parse().ok()).unwrap_or(default);
    let limit = context.state.page_size.unwrap_or(asked).clamp(1, 1000);
    let start = match request.one("cursor") {
        None => 0,
        Some(cursor) => match open_cursor(&cursor) {
            Some(start) => start.min(items.len()),
            None => return refusal(400, None, "Invalid cursor"),
        },
    };
    let end = (start + limit).min(items.len());
    let page: Vec<Value> = items[start..end].iter().filter_map(show).collect();
    let answer = Response::json(200, &Value::Array(page));
    if end == items.len() {
        return answer;
    }
    let kept = request.raw_query().unwrap_or_default().split('&');
    let kept = kept.filter(|pair| !pair.is_empty() && !pair.starts_with("cursor=") && !pair.starts_with("limit="));
    let mut query: Vec<String> = kept.map(str::to_owned).collect();
    query.push(format!("limit={limit}"));
    query.push(format!("cursor={}", hex::encode(format!("after:{end}"))));
    let next = format!("{}{}?{}", context.hub_url, request.path(), query.join("&"));
    answer.header("Link", format!("<{next}>; rel=\"next\""))
}

fn open_cursor(cursor: &str) -> Option<usize> {
    let text = String::from_utf8(hex::decode(cursor).ok()?).ok()?;
    text.strip_prefix("after:")?.parse().ok()
}

fn is_commit_id(text: &str) -> bool {
    text.len() == 40 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn no_page() -> Response {
    refusal(404, None, "Sorry, we can't find the page you are looking for.")
}

fn page(title: &str) -> Response {
    Response::new(200).header("Content-Type", "text/html; charset=utf-8").text(format!("<title>{title}</title>"))
}
