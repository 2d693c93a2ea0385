//! The storage host: signed addresses, ranges, tags of its own, and no patience with tokens.

use bytes::Bytes;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::state::{Context, digest, opaque_id};
use super::wire::{Request, Response};
use crate::fixture::RepoFixture;

const SECRET: &str = "not a secret";
/// Far enough ahead; what really ends an address is its epoch, so that no clock is needed.
const EXPIRES_BASE: u64 = 4_000_000_000;

/// The signed address of an LFS object.
pub(super) fn sign(context: &Context<'_>, repo: &RepoFixture, path: &str, sha256: &str) -> String {
    let id = digest(&opaque_id(repo));
    let object = format!("/repos/{}/{}/{id}/{sha256}", &id[..2], &id[2..4]);
    let name = path.rsplit('/').next().unwrap_or_default();
    let disposition = format!("inline; filename*=UTF-8''{name}; filename=\"{name}\";");
    let disposition = utf8_percent_encode(&disposition, NON_ALPHANUMERIC);
    let expires = EXPIRES_BASE + context.state.signature_epoch;
    let mut query = format!("response-content-disposition={disposition}&Expires={expires}&Key-Pair-Id=KFIXTURE");
    if let Some(serial) = context.faults.signing_serial() {
        query.push_str(&format!("&Serial={serial}"));
    }
    let signature = signature(&object, &query);
    format!("{}{object}?{query}&Signature={signature}", context.cdn_url)
}

/// Answers a request to the storage host.
pub(super) fn answer(context: &Context<'_>, request: &Request) -> Response {
    if request.header("authorization").is_some() {
        let text = "Only one auth mechanism allowed; only the Signature query string parameter should be specified";
        return denied(400, "InvalidArgument", text);
    }
    if !matches!(request.method.as_str(), "GET" | "HEAD") {
        return denied(403, "AccessDenied", "This distribution is not configured to allow this method");
    }
    let signed = request.raw_query().and_then(|query| query.rsplit_once("&Signature="));
    let Some((query, given)) = signed else { return denied(403, "MissingKey", "Missing Signature query parameter") };
    if given != signature(request.path(), query) {
        return denied(403, "SignatureDoesNotMatch", "The signature does not match");
    }
    let expires: u64 = request.one("Expires").and_then(|text| text.parse().ok()).unwrap_or_default();
    if expires < EXPIRES_BASE + context.state.signature_epoch {
        return denied(403, "AccessDenied", "Request has expired");
    }
    let sha256 = request.path().rsplit('/').next().unwrap_or_default();
    let Some(bytes) = context.state.repos.iter().find_map(|repo| repo.lfs_object(sha256)) else {
        return denied(404, "NoSuchKey", "The specified key does not exist.");
    };
    // Of the length of an MD5, with the suffix of a multipart upload; it says nothing about the content.
    let tag = format!("\"{}-2\"", &digest(&format!("part:{sha256}"))[..32]);
    if request.header("if-match").is_some_and(|asked| asked != tag) {
        return denied(412, "PreconditionFailed", "At least one of the preconditions did not hold");
    }
    let current = request.header("if-range").is_none_or(|asked| asked == tag);
    let range = request.header("range").filter(|_| current);
    ranged(range, bytes)
        .header("Content-Type", "binary/octet-stream")
        .header("Accept-Ranges", "bytes")
        .header("ETag", tag)
        .header("Last-Modified", "Mon, 01 Jan 2024 00:00:00 GMT")
        .header("x-amz-storage-class", "INTELLIGENT_TIERING")
        .header("Content-Disposition", request.one("response-content-disposition").unwrap_or_default())
}

/// The object a storage address names, whether or not its signature holds.
pub(super) fn object_of(request: &Request) -> &str {
    request.path().rsplit('/').next().unwrap_or_default()
}

/// 200, 206 or 416 for a single range; several ranges, or nonsense, are ignored as S3 does.
pub(super) fn ranged(range: Option<&str>, bytes: &Bytes) -> Response {
    let total = bytes.len();
    let asked = range.and_then(|text| text.strip_prefix("bytes=")).and_then(|text| text.split_once('-'));
    let part = match asked.map(|(first, last)| (first.parse::<usize>(), last.parse::<usize>(), first, last)) {
        Some((Ok(first), Ok(last), ..)) if first <= last => Some((first, last.saturating_add(1).min(total))),
        Some((Ok(first), Err(_), _, "")) => Some((first, total)),
        Some((Err(_), Ok(count), "", _)) => Some((if count == 0 { total } else { total.saturating_sub(count) }, total)),
        _ => None,
    };
    let Some((start, end)) = part else {
        return Response { file_offset: Some(0), ..Response::new(200).text(bytes.clone()) };
    };
    if start >= total {
        let body = denied_body("InvalidRange", "The requested range is not satisfiable");
        return Response::new(416).header("Content-Range", format!("bytes */{total}")).text(body);
    }
    let answer = Response::new(206).header("Content-Range", format!("bytes {start}-{}/{total}", end - 1));
    Response { file_offset: Some(start as u64), ..answer.text(bytes.slice(start..end)) }
}

/// The XML that S3 and CloudFront refuse with.
pub(super) fn denied_body(code: &str, message: &str) -> String {
    format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>{code}</Code><Message>{message}</Message></Error>")
}

fn denied(status: u16, code: &str, message: &str) -> Response {
    Response::new(status).header("Content-Type", "application/xml").text(denied_body(code, message))
}

fn signature(path: &str, query: &str) -> String {
    digest(&format!("{SECRET}\n{path}\n{query}"))
}
