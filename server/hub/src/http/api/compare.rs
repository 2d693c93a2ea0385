//! `GET /api/{type}/{repo}/compare/{a}..{b}`: which files differ between two commits; and how, for short texts.
//!
//! Both forms are written while the listings are read, entry by entry: their length is not known before.

use std::sync::Arc;

use acervo_core::access::Openable;
use acervo_core::compare::Comparison;
use acervo_store::db::repos::Repo;
use acervo_store::db::trees::StoredEntry;
use actix_web::http::Method;
use actix_web::{HttpRequest, HttpResponse, web};
use bytes::Bytes;
use futures::{Stream, StreamExt, TryStreamExt, stream};
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use super::doc::{RepoAddress, RepoErrors};
use crate::app::compare::{self, Change, Changes, Patch, Sides};
use crate::context::Hub;
use crate::error::HubError;
use crate::http::error::ApiError;
use crate::http::extract::{Auth, RepoRoute, open_contents};
use crate::http::query::Query;

/// Bytes of differences in one answer; the files after them are named without.
const PATCHES_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Files looked into at once.
const LOOKED_AT_ONCE: usize = 8;

/// Most lines put into one piece of the answer.
const LINES_OF_A_PIECE: usize = 500;

/// Id of what is not there.
const NO_OID: &str = "0000000000000000000000000000000000000000";

/// How the differences are to be told.
#[derive(Clone, Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct CompareQuery {
    /// One line a file as `git diff --raw` has it, after `T` or `B` for text or binary and the size, in place of JSON.
    #[param(required = false, example = true)]
    pub raw: bool,
}

/// A file that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({
    "path": "config.json", "status": "modified", "oldOid": "a1d9c1b8d0a7d1b9c7dc3e8c2e0a6c6f2b6a1e34", "oldSize": 3,
    "newOid": "7231864981174d9bee8c7687c24c8344414eae6b", "newSize": 4, "lfs": false,
    "diff": "--- a/config.json\n+++ b/config.json\n@@ -1 +1 @@\n-{}\n+{ }\n"
}))]
pub struct ChangedFile {
    /// Path from the root of the repository.
    pub path: String,
    /// `added`, `modified` or `deleted`; a rename is a deletion and an addition.
    pub status: &'static str,
    /// Git id before, for LFS files the pointer's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub old_oid: Option<String>,
    /// Bytes before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub old_size: Option<u64>,
    /// Git id after, for LFS files the pointer's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new_oid: Option<String>,
    /// Bytes after.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new_size: Option<u64>,
    /// Whether git keeps a pointer in its place, before or after; then the pointers are compared.
    pub lfs: bool,
    /// The differences as `diff -u` writes them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub diff: Option<String>,
    /// Why there is no `diff`: `binary`, `too large` (more than 64 KiB), `not held here`, `too many` (8 MiB of
    /// differences stand before it).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub omitted: Option<&'static str>,
}

impl ChangedFile {
    fn new(change: &Change, patch: Option<Patch>) -> ChangedFile {
        let oid = |side: &Option<StoredEntry>| side.as_ref().map(|side| side.entry.oid.to_hex());
        let size = |side: &Option<StoredEntry>| side.as_ref().map(|side| side.entry.size);
        let (diff, omitted) = match patch {
            Some(Patch::Text(text)) => (Some(text), None),
            Some(Patch::Binary) => (None, Some("binary")),
            Some(Patch::TooLarge) => (None, Some("too large")),
            Some(Patch::NotHeld) => (None, Some("not held here")),
            None => (None, Some("too many")),
        };
        ChangedFile {
            path: change.path.to_string(),
            status: status(change).0,
            old_oid: oid(&change.old),
            old_size: size(&change.old),
            new_oid: oid(&change.new),
            new_size: size(&change.new),
            lfs: [&change.old, &change.new]
                .iter()
                .any(|side| side.as_ref().is_some_and(|side| side.entry.lfs.is_some())),
            diff,
            omitted,
        }
    }
}

/// What happened to a file, in a word and in git's letter.
fn status(change: &Change) -> (&'static str, char) {
    match (&change.old, &change.new) {
        (None, _) => ("added", 'A'),
        (_, None) => ("deleted", 'D'),
        _ => ("modified", 'M'),
    }
}

/// The line of a file that differs. Listings tell no modes, so every file has that of a plain one.
fn line(change: &Change, is_binary: bool) -> String {
    let side = |side: &Option<StoredEntry>| match side {
        Some(stored) => ("100644", stored.entry.oid.to_hex()),
        None => ("000000", NO_OID.to_owned()),
    };
    let ((old_mode, old_oid), (new_mode, new_oid)) = (side(&change.old), side(&change.new));
    let size = change.new.as_ref().map_or(0, |new| new.entry.size);
    let (mark, letter) = (if is_binary { 'B' } else { 'T' }, status(change).1);
    format!("{mark} {size}\t:{old_mode} {new_mode} {old_oid}... {new_oid}... {letter}\t{}\n", change.path)
}

/// What a comparison is made with.
#[derive(Clone, Debug)]
struct Work {
    hub: Hub,
    repo: Openable<Arc<Repo>>,
    sides: Arc<Sides>,
}

impl Work {
    async fn line(self, change: Change) -> Result<String, HubError> {
        Ok(line(&change, compare::is_binary(&self.hub, &self.repo, &self.sides, &change).await?))
    }

    /// The lines of all files that differ.
    fn lines(self, changes: Changes) -> impl Stream<Item = Result<Bytes, HubError>> {
        let changes =
            stream::try_unfold(changes, async |mut changes| Ok(changes.next().await?.map(|change| (change, changes))));
        let lines = changes.map_ok(move |change| self.clone().line(change)).try_buffered(LOOKED_AT_ONCE);
        lines.ready_chunks(LINES_OF_A_PIECE).map(|lines| {
            let text: String = lines.into_iter().collect::<Result<String, HubError>>()?;
            Ok(Bytes::from(text))
        })
    }

    /// All files that differ, as a list of JSON.
    fn items(self, changes: Changes) -> impl Stream<Item = Result<Bytes, HubError>> {
        let writing = Writing { changes, written: 0, patches_bytes: 0, is_done: false };
        stream::try_unfold((self, writing), async |(work, mut writing)| {
            let piece = writing.next(&work).await?;
            Ok(piece.map(|piece| (piece, (work, writing))))
        })
    }
}

/// A list of JSON that is being written.
#[derive(Debug)]
struct Writing {
    changes: Changes,
    written: usize,
    patches_bytes: usize,
    is_done: bool,
}

impl Writing {
    async fn next(&mut self, work: &Work) -> Result<Option<Bytes>, HubError> {
        if self.is_done {
            return Ok(None);
        }
        let before = if self.written == 0 { "[" } else { "," };
        let Some(change) = self.changes.next().await? else {
            self.is_done = true;
            return Ok(Some(Bytes::from_static(if self.written == 0 { b"[]" } else { b"]" })));
        };
        let patch = if self.patches_bytes < PATCHES_BYTES_MAX {
            Some(compare::patch(&work.hub, &work.repo, &work.sides, &change).await?)
        } else {
            None
        };
        if let Some(Patch::Text(text)) = &patch {
            self.patches_bytes += text.len();
        }
        self.written += 1;
        let mut piece = before.as_bytes().to_vec();
        serde_json::to_writer(&mut piece, &ChangedFile::new(&change, patch))
            .map_err(|error| HubError::Internal(error.to_string()))?;
        Ok(Some(piece.into()))
    }
}

/// Compares two commits, file by file.
#[utoipa::path(
    method(get, head),
    path = "/api/{plural}/{repo}/compare/{rest}",
    tag = "hub",
    params(
        RepoAddress,
        ("rest" = String, Path, example = "v1.0..main", description = "`a..b` compares two revisions, `a...b` the \
            second one with the newest commit that both have in their logs, and a single revision stands for what its \
            commit changed; slashes in names may be encoded or not"),
        CompareQuery,
    ),
    responses(
        (status = 200, description = "The files that differ, in path order; only what is served here is told of. LFS \
                                      files are compared by their pointers",
            content(
                (Vec<ChangedFile> = "application/json"),
                (String = "text/plain", example = "T 571\t:100644 100644 a1d9c1b8d0a7d1b9c7dc3e8c2e0a6c6f2b6a1e34... \
                    7231864981174d9bee8c7687c24c8344414eae6b... M\tconfig.json\n"),
            )),
        (status = 307, description = "The same, under the right name; `Location` is relative"),
        RepoErrors,
    )
)]
pub async fn compare(
    hub: web::Data<Hub>,
    Auth(caller): Auth,
    route: RepoRoute,
    query: Query,
    req: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let repo = open_contents(&hub, &caller, &route, &req).await?;
    let asked: Comparison = route.rest.join("/").trim_matches('/').parse()?;
    let sides = Arc::new(compare::sides(&hub, &repo, &asked).await?);
    let changes = Changes::between(&hub, &repo, &sides).await?;
    let work = Work { hub: hub.get_ref().clone(), repo, sides };
    if query.flag("raw") {
        send(&req, "text/plain; charset=utf-8", work.lines(changes)).await
    } else {
        send(&req, "application/json", work.items(changes)).await
    }
}

/// Sends an answer whose length nobody knows yet. What goes wrong at its very start is an answer of its own.
async fn send(
    req: &HttpRequest,
    content_type: &'static str,
    pieces: impl Stream<Item = Result<Bytes, HubError>> + 'static,
) -> Result<HttpResponse, ApiError> {
    let mut pieces = Box::pin(pieces);
    let first = pieces.try_next().await?;
    let most = if req.method() == Method::HEAD { 0 } else { usize::MAX };
    let body = stream::iter(first.map(Ok)).chain(pieces).take(most);
    let body = body.inspect_err(|error| tracing::error!(%error, "a comparison breaks off"));
    Ok(HttpResponse::Ok().content_type(content_type).streaming(body))
}

#[cfg(test)]
mod tests {
    use acervo_core::TreeEntry;
    use acervo_core::listing::EntryKind;
    use acervo_store::db::trees::StoredEntry;

    use super::{Change, line};

    fn side(digit: char, size: u64) -> Option<StoredEntry> {
        let oid = digit.to_string().repeat(40).parse().unwrap();
        let entry = TreeEntry { path: "a b\u{f1}.txt".parse().unwrap(), kind: EntryKind::File, size, oid, lfs: None };
        Some(StoredEntry { entry, blob: None })
    }

    #[test]
    fn lines_are_what_hf_hub_parses() {
        let change = |old, new| Change { path: "a b\u{f1}.txt".parse().unwrap(), old, new };
        let (a, b, none) = ("a".repeat(40), "b".repeat(40), "0".repeat(40));
        for (change, is_binary, expected) in [
            (change(None, side('b', 7)), false, format!("T 7\t:000000 100644 {none}... {b}... A\ta b\u{f1}.txt\n")),
            (change(side('a', 1), side('b', 0)), true, format!("B 0\t:100644 100644 {a}... {b}... M\ta b\u{f1}.txt\n")),
            (change(side('a', 9), None), false, format!("T 0\t:100644 000000 {a}... {none}... D\ta b\u{f1}.txt\n")),
        ] {
            assert_eq!(line(&change, is_binary), expected);
        }
    }
}
