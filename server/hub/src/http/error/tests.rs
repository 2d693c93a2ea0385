//! The whole table, printed; and what must never differ or leak.

use acervo_core::gate::Closed;
use acervo_core::{NameError, RepoKind, Role, selection::Unselected};
use acervo_store::StoreError;
use acervo_store::blob::BlobError;
use actix_web::body::MessageBody;

use super::{ApiError, one_ascii_line, row};
use crate::error::HubError;
use crate::upstream::UpstreamError;

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// The variant's name; without a wildcard, so that a new variant does not compile until it has a sample.
fn name(error: &HubError) -> &'static str {
    match error {
        HubError::Name(_) => "Name",
        HubError::Invalid(_) => "Invalid",
        HubError::TooMuch(_) => "TooMuch",
        HubError::RepoNotFound { .. } => "RepoNotFound",
        HubError::RevisionNotFound { .. } => "RevisionNotFound",
        HubError::EntryNotFound { .. } => "EntryNotFound",
        HubError::EntryUnselected { .. } => "EntryUnselected",
        HubError::Gated { .. } => "Gated",
        HubError::NotYet { .. } => "NotYet",
        HubError::Held { .. } => "Held",
        HubError::Recalled => "Recalled",
        HubError::TokenRequired => "TokenRequired",
        HubError::BadToken(_) => "BadToken",
        HubError::Forbidden(_) => "Forbidden",
        HubError::Conflict(_) => "Conflict",
        HubError::NotFound(_) => "NotFound",
        HubError::Sync(_) => "Sync",
        HubError::NotRecorded(_) => "NotRecorded",
        HubError::JobEnded(_) => "JobEnded",
        HubError::Waits { .. } => "Waits",
        HubError::Config(_) => "Config",
        HubError::Migration(_) => "Migration",
        HubError::Upstream(_) => "Upstream",
        HubError::Store(_) => "Store",
        HubError::Blob(_) => "Blob",
        HubError::Internal(_) => "Internal",
    }
}

fn samples() -> Vec<HubError> {
    let name = || "acme/x".to_owned();
    let secret = || "secret".to_owned();
    vec![
        HubError::Name(NameError::RepoId("a/b/c".to_owned())),
        HubError::Invalid("the URL names no revision".to_owned()),
        HubError::TooMuch("at most 1000 paths can be asked for at once".to_owned()),
        HubError::RepoNotFound { kind: RepoKind::Dataset, name: name() },
        HubError::RevisionNotFound { name: name(), revision: "v9".to_owned(), hint: "; ask for it" },
        HubError::EntryNotFound { name: name(), path: "a.txt".to_owned(), commit: COMMIT.parse().unwrap() },
        HubError::EntryUnselected { path: "a.bin".parse().unwrap(), why: Unselected::Excluded("*.bin".to_owned()) },
        HubError::Gated { kind: RepoKind::Model, name: name(), why: Closed::NotAsked },
        HubError::Gated { kind: RepoKind::Model, name: name(), why: Closed::Pending },
        HubError::Gated { kind: RepoKind::Model, name: name(), why: Closed::Rejected },
        HubError::Gated { kind: RepoKind::Dataset, name: name(), why: Closed::NewTerms },
        HubError::NotYet { what: "`acme/x`".to_owned(), retry_after_seconds: 10 },
        HubError::Held { name: name(), reason: "commit 0123 has not been approved".to_owned() },
        HubError::Recalled,
        HubError::TokenRequired,
        HubError::BadToken("revoked"),
        HubError::Forbidden(Role::Maintainer),
        HubError::Conflict("`acme/x` exists already".to_owned()),
        HubError::NotFound("there is nothing at this address".to_owned()),
        HubError::Sync(secret()),
        HubError::NotRecorded(secret()),
        HubError::JobEnded("cancelled"),
        HubError::Waits { until: acervo_core::Timestamp::from_millis(0), why: "a window" },
        HubError::Config(secret()),
        HubError::Migration(secret()),
        HubError::Upstream(UpstreamError::Config(secret())),
        HubError::Upstream(UpstreamError::Timeout { endpoint: secret() }),
        HubError::Store(StoreError::Corrupt { what: secret() }),
        HubError::Blob(BlobError::Missing(secret())),
        HubError::Blob(BlobError::Overtaken(secret())),
        HubError::Internal(secret()),
    ]
}

#[test]
fn the_table() {
    let mut text = String::new();
    for error in samples() {
        for is_known in [false, true] {
            let row = row(&error, is_known);
            let answer = ApiError::Hub(samples_again(&error)).response(is_known);
            let mut headers: Vec<String> = answer
                .headers()
                .iter()
                .filter(|(key, _)| key.as_str() != "content-type" && key.as_str() != "x-error-message")
                .map(|(key, value)| format!("{key}: {}", value.to_str().unwrap()))
                .collect();
            headers.sort();
            let who = if is_known { "known" } else { "anonymous" };
            let line = format!("{} {} {}\n  {}\n", row.status.as_u16(), row.level, headers.join(", "), row.text);
            if !is_known {
                text.push_str(&format!("{}\n  {line}", name(&error)));
            } else if !text.ends_with(&line) {
                text.push_str(&format!("  {who}: {line}"));
            }
        }
    }
    insta::assert_snapshot!(text);
}

/// The same sample once more: errors cannot be cloned.
fn samples_again(error: &HubError) -> HubError {
    samples().into_iter().find(|other| other.to_string() == error.to_string() && name(other) == name(error)).unwrap()
}

#[test]
fn no_answer_holds_what_happened_inside() {
    for error in samples() {
        let text = row(&error, true).text;
        assert!(!text.contains("secret"), "{}: {text}", name(&error));
    }
}

#[test]
fn bodies_are_json_and_messages_one_ascii_line() {
    let error = HubError::Invalid("a\nb\u{f1}\u{1f600}\t\u{7}".to_owned());
    let answer = ApiError::Hub(error).response(false);
    assert_eq!(answer.headers().get("x-error-message").unwrap(), "a b\\u{f1}\\u{1f600} \\u{7}");
    assert_eq!(answer.headers().get("content-type").unwrap(), "application/json");
    let body = answer.into_body().try_into_bytes().unwrap();
    let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(body["error"], "a\nb\u{f1}\u{1f600}\t\u{7}");
    assert_eq!(one_ascii_line(&"x".repeat(5000)).len(), 1000);
    assert!(one_ascii_line(&"\u{f1}".repeat(5000)).len() <= 1000);
}
