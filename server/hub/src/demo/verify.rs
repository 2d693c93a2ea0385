//! What `acervo demo --once` proves, through HTTP alone, as a client would see it.

use acervo_core::{Caller, GitOid, RepoKind, Sha256Digest};
use futures::StreamExt;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::header::{ETAG, RANGE};
use reqwest::{Client, Response, StatusCode};
use serde_json::Value;

use crate::app::mirrors;
use crate::app::sync::{self, Progress};
use crate::demo::hubs::{DemoMirror, DemoUpstream};
use crate::error::HubError;

/// What stays as it is in a segment of a URL.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Checks everything the mirror serves; returns what was proved, in sentences.
pub async fn verify(
    mirror: &DemoMirror,
    upstream: Option<&DemoUpstream>,
    wanted: &[(RepoKind, String)],
) -> Result<Vec<String>, HubError> {
    let client = Client::builder().no_proxy().build().map_err(|error| failed(&error))?;
    let mut proofs = Vec::new();
    for (kind, name) in wanted {
        let found = files(&client, mirror.url(), *kind, name).await?;
        let (mut bytes, mut lfs) = (0, 0);
        for file in &found {
            bytes += check_file(&client, mirror.url(), *kind, name, file).await?;
            lfs += u64::from(file.sha256.is_some());
        }
        if let Some(repo) = upstream.and_then(|own| {
            own.repos().iter().find(|repo| repo.kind == *kind && format!("{}/{}", repo.namespace, repo.name) == *name)
        }) {
            same_as_generated(&found, repo)?;
        }
        proofs.push(format!(
            "{kind} {name}: {} files, {bytes} bytes, each equal to its declared digest ({lfs} by SHA-256, {} by git id)",
            found.len(),
            found.len() as u64 - lfs
        ));
    }
    if let Some((kind, name)) = wanted.first() {
        proofs.push(check_range(&client, mirror.url(), *kind, name).await?);
        proofs.push(check_missing(&client, mirror.url(), *kind, name).await?);
    }
    proofs.push(check_unchanged(mirror, wanted).await?);
    Ok(proofs)
}

/// A file as the tree API declares it.
#[derive(Clone, Debug)]
struct Declared {
    path: String,
    size: u64,
    oid: String,
    sha256: Option<String>,
}

fn failed(error: &reqwest::Error) -> HubError {
    HubError::Sync(format!("the mirror cannot be asked: {error}"))
}

fn not_proved(what: impl std::fmt::Display) -> HubError {
    HubError::Sync(format!("not proved: {what}"))
}

async fn get(client: &Client, url: &str) -> Result<Response, HubError> {
    client.get(url).send().await.map_err(|error| failed(&error))
}

/// Every file of the default branch, by the tree API.
async fn files(client: &Client, base: &str, kind: RepoKind, name: &str) -> Result<Vec<Declared>, HubError> {
    let url = format!("{base}/api/{}/{name}/tree/main?recursive=true", kind.plural());
    let response = get(client, &url).await?;
    if response.status() != StatusCode::OK {
        return Err(not_proved(format!("the listing of {name} answers {}", response.status())));
    }
    let text = response.text().await.map_err(|error| failed(&error))?;
    let entries: Vec<Value> = serde_json::from_str(&text)
        .map_err(|error| not_proved(format!("the listing of {name} is no JSON: {error}")))?;
    Ok(entries
        .iter()
        .filter(|entry| entry["type"] == "file")
        .map(|entry| Declared {
            path: entry["path"].as_str().unwrap_or_default().to_owned(),
            size: entry["size"].as_u64().unwrap_or_default(),
            oid: entry["oid"].as_str().unwrap_or_default().to_owned(),
            sha256: entry["lfs"]["oid"].as_str().map(str::to_owned),
        })
        .collect())
}

fn resolve_url(base: &str, kind: RepoKind, name: &str, path: &str) -> String {
    let path: Vec<String> = path.split('/').map(|part| utf8_percent_encode(part, SEGMENT).to_string()).collect();
    format!("{base}/{}{name}/resolve/main/{}", kind.url_prefix(), path.join("/"))
}

/// Downloads a file and compares its bytes with what is declared; returns how many there were.
async fn check_file(client: &Client, base: &str, kind: RepoKind, name: &str, file: &Declared) -> Result<u64, HubError> {
    let response = get(client, &resolve_url(base, kind, name, &file.path)).await?;
    let path = &file.path;
    if response.status() != StatusCode::OK || !response.headers().contains_key("x-repo-commit") {
        return Err(not_proved(format!("`{path}` of {name} answers {} without a commit", response.status())));
    }
    let identity = file.sha256.as_ref().unwrap_or(&file.oid);
    if response.headers().get(ETAG).and_then(|tag| tag.to_str().ok()) != Some(&format!("\"{identity}\"")) {
        return Err(not_proved(format!("`{path}` of {name} has another entity tag than its listing")));
    }
    let mut digester = acervo_core::Digester::with_git_oid(file.size);
    let mut body = response.bytes_stream();
    while let Some(chunk) = body.next().await {
        digester.update(&chunk.map_err(|error| failed(&error))?);
    }
    let found = digester.finish();
    let same = match &file.sha256 {
        Some(sha256) => found.sha256.to_hex() == *sha256,
        None => found.git_oid.map(|oid| oid.to_hex()).as_ref() == Some(&file.oid),
    };
    if same && found.size == file.size {
        Ok(found.size)
    } else {
        Err(not_proved(format!("`{path}` of {name} has other bytes than declared")))
    }
}

/// Whether the listing is that of the repository that was generated, neither more nor less.
fn same_as_generated(found: &[Declared], repo: &crate::demo::content::DemoRepo) -> Result<(), HubError> {
    for file in &repo.files {
        let expected =
            if file.lfs { Sha256Digest::of(&file.bytes).to_hex() } else { GitOid::of_blob(&file.bytes).to_hex() };
        let listed = found.iter().find(|listed| listed.path == file.path);
        if listed.map(|listed| listed.sha256.as_ref().unwrap_or(&listed.oid)) != Some(&expected) {
            return Err(not_proved(format!("`{}` of {} is what was generated", file.path, repo.name)));
        }
    }
    if found.len() != repo.files.len() {
        return Err(not_proved(format!("{} has {} files and lists {}", repo.name, repo.files.len(), found.len())));
    }
    Ok(())
}

/// Whether a download can go on in the middle.
async fn check_range(client: &Client, base: &str, kind: RepoKind, name: &str) -> Result<String, HubError> {
    let found = files(client, base, kind, name).await?;
    let largest = found.iter().max_by_key(|file| file.size).ok_or_else(|| not_proved(format!("{name} has files")))?;
    let half = largest.size / 2;
    let request = client.get(resolve_url(base, kind, name, &largest.path)).header(RANGE, format!("bytes={half}-"));
    let response = request.send().await.map_err(|error| failed(&error))?;
    let (status, length) = (response.status(), response.content_length());
    if status != StatusCode::PARTIAL_CONTENT || length != Some(largest.size - half) {
        return Err(not_proved(format!(
            "the second half of `{}` answers {status} with {length:?} bytes",
            largest.path
        )));
    }
    Ok(format!("an interrupted download of `{}` goes on at byte {half}", largest.path))
}

/// Whether a missing file is told as clients need it.
async fn check_missing(client: &Client, base: &str, kind: RepoKind, name: &str) -> Result<String, HubError> {
    let response = get(client, &resolve_url(base, kind, name, "there-is-no-such-file")).await?;
    let code = response.headers().get("x-error-code").and_then(|code| code.to_str().ok());
    if response.status() != StatusCode::NOT_FOUND || code != Some("EntryNotFound") {
        return Err(not_proved(format!("a missing file answers {} with {code:?}", response.status())));
    }
    Ok("a file that is not there is told so, in the words clients cache".to_owned())
}

/// Whether a second sync would fetch nothing.
async fn check_unchanged(mirror: &DemoMirror, wanted: &[(RepoKind, String)]) -> Result<String, HubError> {
    for (kind, name) in wanted {
        let order = mirrors::get(mirror.hub(), &Caller::System, *kind, name).await?;
        let plan = sync::plan(mirror.hub(), &(&order).into(), &Progress::default()).await?;
        if plan.commits.iter().any(|planned| planned.fetch.is_some()) {
            return Err(not_proved(format!("{name} is up to date after its sync")));
        }
    }
    Ok("a second sync has nothing to fetch".to_owned())
}
