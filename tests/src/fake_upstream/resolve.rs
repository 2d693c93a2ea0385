//! File addresses of the hub: `resolve`, `raw` and the `resolve-cache` it sends readers of small files to.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::cdn;
use super::listing::xet_hash;
use super::routes::{no_entry, no_revision};
use super::state::Context;
use super::wire::{Request, Response};
use crate::fixture::{FixtureFile, RepoFixture};

const IN_PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'.').remove(b'_').remove(b'-');

/// `HEAD|GET /{repo}/resolve/{rev}/{path}`: small files at once, LFS files by redirect to storage.
pub(super) fn resolve(
    context: &Context<'_>,
    request: &Request,
    repo: &RepoFixture,
    revision: &str,
    path: &str,
) -> Response {
    let (commit, file) = match find(repo, revision, path) {
        Ok(found) => found,
        Err(refusal) => return refusal,
    };
    let headers = identity(commit, path, file);
    let tag = if file.is_lfs() { &file.sha256 } else { &file.oid };
    if names_tag(request, tag) {
        return with(Response::new(304), headers);
    }
    if file.is_lfs() {
        return to_storage(context, repo, commit, path, file);
    }
    if context.state.resolve_cache {
        let (kind, name, path) = (repo.kind.plural(), &repo.name, utf8_percent_encode(path, IN_PATH));
        let location = format!("/api/resolve-cache/{kind}/{name}/{commit}/{path}?etag=%22{tag}%22");
        let body = format!("Temporary Redirect. Redirecting to {location}");
        return with(Response::new(307).text(body).header("Location", location), headers);
    }
    with(content(request, file), headers)
}

/// `/api/resolve-cache/{type}/{repo}/{commit}/{path}`: the small file itself, all headers repeated.
pub(super) fn cached(request: &Request, repo: &RepoFixture, commit: &str, path: &str) -> Response {
    match find(repo, commit, path) {
        Ok((commit, file)) => with(content(request, file), identity(commit, path, file)),
        Err(refusal) => refusal,
    }
}

/// `/{repo}/raw/{rev}/{path}`: the git blob, which for an LFS file is the pointer.
pub(super) fn raw(request: &Request, repo: &RepoFixture, revision: &str, path: &str) -> Response {
    let (commit, file) = match find(repo, revision, path) {
        Ok(found) => found,
        Err(refusal) => return refusal,
    };
    let mut file = file.clone();
    if let Some(pointer) = file.pointer.take() {
        file.bytes = pointer.into();
    }
    with(content(request, &file), identity(commit, path, &file))
}

fn find<'a>(repo: &'a RepoFixture, revision: &str, path: &str) -> Result<(&'a str, &'a FixtureFile), Response> {
    let index = repo.resolve(revision).ok_or_else(|| no_revision(revision))?;
    let commit = repo.id_at(index);
    let file = repo.commits[index].files.get(path).ok_or_else(|| no_entry(commit, "Entry not found"))?;
    Ok((commit, file))
}

fn to_storage(context: &Context<'_>, repo: &RepoFixture, commit: &str, path: &str, file: &FixtureFile) -> Response {
    let location = cdn::sign(context, repo, path, &file.sha256);
    let answer = Response::new(302)
        .header("Content-Type", "text/plain; charset=utf-8")
        .text(format!("Found. Redirecting to {location}"))
        .header("Location", location);
    let mut answer = with(answer, identity(commit, path, file));
    if repo.xet {
        let (hub, kind, name) = (context.hub_url, repo.kind.plural(), &repo.name);
        let refresh = format!("{hub}/api/{kind}/{name}/xet-read-token/{commit}");
        answer = answer.header("X-Xet-Hash", xet_hash(file)).header("Link", format!("<{refresh}>; rel=\"xet-auth\""));
    }
    answer
}

/// The headers by which clients know what they got.
fn identity(commit: &str, path: &str, file: &FixtureFile) -> Vec<(String, String)> {
    let name = path.rsplit('/').next().unwrap_or_default();
    let encoded = utf8_percent_encode(name, IN_PATH);
    let plain: String = name.chars().map(|c| if c.is_ascii() && c != '"' { c } else { '?' }).collect();
    let mut headers = vec![
        ("X-Repo-Commit", commit.to_owned()),
        ("Accept-Ranges", "bytes".to_owned()),
        ("Content-Disposition", format!("inline; filename*=UTF-8''{encoded}; filename=\"{plain}\";")),
        ("X-Linked-Size", file.size().to_string()),
    ];
    if file.is_lfs() {
        headers.push(("X-Linked-Etag", format!("\"{}\"", file.sha256)));
    } else {
        headers.push(("ETag", format!("\"{}\"", file.oid)));
    }
    headers.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn content(request: &Request, file: &FixtureFile) -> Response {
    let text = std::str::from_utf8(&file.bytes).is_ok();
    let kind = if text { "text/plain; charset=utf-8" } else { "application/octet-stream" };
    cdn::ranged(request.header("range"), &file.bytes).header("Content-Type", kind)
}

fn names_tag(request: &Request, tag: &str) -> bool {
    let tags = request.header("if-none-match").unwrap_or_default();
    tags.split(',').any(|one| one.trim().trim_start_matches("W/").trim_matches('"') == tag)
}

fn with(mut answer: Response, headers: Vec<(String, String)>) -> Response {
    answer.headers.extend(headers);
    answer
}
