//! What an upstream said of a repository, and what of it has changed since.

use acervo_core::{CommitOid, Digester, Sha256Digest, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::upstream::{SiblingFile, SnapshotInfo};

/// What upstream said when it was last asked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Seen {
    /// How it stands; absent before it was asked for the first time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) facts: Option<Facts>,
    /// Why it is not to be had, and since when.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) trouble: Option<Trouble>,
}

/// How a repository stands at its upstream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Facts {
    /// Its name there.
    pub(super) name: String,
    /// Whether only some callers can see it.
    pub(super) private: bool,
    /// `false`, `auto` or `manual`, as the hub says it.
    pub(super) gated: Value,
    /// Whether it was taken down.
    pub(super) disabled: bool,
    /// What its card and its tags say of its terms.
    pub(super) license: Value,
    /// The commit that `declared` is about.
    pub(super) commit: CommitOid,
    /// Digest of the files that are declared for it.
    pub(super) declared: Sha256Digest,
}

/// Why a repository is not to be had.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Trouble {
    /// What sort.
    pub(super) kind: TroubleKind,
    /// Since when.
    pub(super) since: Timestamp,
}

/// Sorts of trouble.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum TroubleKind {
    /// The hub does not answer, or not like one.
    Unreachable,
    /// The hub does not have it, or does not show it to us.
    Missing,
    /// The hub refuses it.
    Forbidden,
}

impl TroubleKind {
    /// Kind of the event that tells that it has begun.
    pub(super) fn event(self) -> &'static str {
        match self {
            TroubleKind::Unreachable => "upstream.unreachable",
            TroubleKind::Missing => "upstream.repo_missing",
            TroubleKind::Forbidden => "upstream.repo_forbidden",
        }
    }
}

/// Something that has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Change {
    /// Kind of its event.
    pub(super) kind: &'static str,
    /// How it was.
    pub(super) before: Value,
    /// How it is.
    pub(super) after: Value,
}

impl Facts {
    /// The facts of an answer.
    pub(super) fn of(info: &SnapshotInfo) -> Facts {
        Facts {
            name: info.name.clone(),
            private: info.private,
            gated: info.info.get("gated").filter(|gated| !gated.is_null()).cloned().unwrap_or(Value::Bool(false)),
            disabled: info.info.get("disabled").and_then(Value::as_bool).unwrap_or(false),
            license: license(info),
            commit: info.commit,
            declared: declared(&info.files),
        }
    }

    /// What has changed since `before`; files under one commit id are compared elsewhere.
    pub(super) fn changes_since(&self, before: &Facts) -> Vec<Change> {
        let mut changes = Vec::new();
        let mut compare = |kind, before: Value, after: Value| {
            if before != after {
                changes.push(Change { kind, before, after });
            }
        };
        compare("upstream.repo_renamed", json!(before.name), json!(self.name));
        compare("upstream.visibility_changed", private(before.private), private(self.private));
        compare("upstream.gate_changed", before.gated.clone(), self.gated.clone());
        compare("upstream.disabled_changed", json!(before.disabled), json!(self.disabled));
        compare("upstream.license_changed", before.license.clone(), self.license.clone());
        changes
    }
}

fn private(is_private: bool) -> Value {
    json!(if is_private { "private" } else { "public" })
}

/// What the card says of the licence, else the tag that says it; null if neither does.
fn license(info: &SnapshotInfo) -> Value {
    let card = info.info.get("cardData");
    let field = |name: &str| card.and_then(|card| card.get(name)).filter(|value| !value.is_null()).cloned();
    let of_tag = || {
        let tags = info.info.get("tags")?.as_array()?.iter().filter_map(Value::as_str);
        tags.filter_map(|tag| tag.strip_prefix("license:")).next().map(Value::from)
    };
    let Some(id) = field("license").or_else(of_tag) else { return Value::Null };
    match (field("license_name"), field("license_link")) {
        (None, None) => id,
        (name, link) => json!({ "license": id, "license_name": name, "license_link": link }),
    }
}

/// Digest of what is declared of files, whatever their order.
fn declared(files: &[SiblingFile]) -> Sha256Digest {
    let mut lines: Vec<String> = files.iter().map(line).collect();
    lines.sort_unstable();
    let mut digest = Digester::sha256_only();
    for line in lines {
        digest.update(line.as_bytes());
        digest.update(&[0]);
    }
    digest.finish().sha256
}

fn line(file: &SiblingFile) -> String {
    format!("{}\n{:?}\n{:?}\n{:?}", file.path, file.size, file.oid, file.lfs_sha256)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Facts, declared};
    use crate::upstream::{SiblingFile, SnapshotInfo};

    fn info(fields: Value) -> SnapshotInfo {
        let Value::Object(info) = fields else { panic!("an object") };
        let files = vec![file("a", 1), file("b", 2)];
        let commit = "1ec3c42fc031d96b58e77f895822ae3b0225e71d".parse().unwrap();
        SnapshotInfo { commit, name: "acme/x".to_owned(), private: false, gated: false, files, info }
    }

    fn file(path: &str, size: u64) -> SiblingFile {
        SiblingFile { path: path.parse().unwrap(), size: Some(size), oid: None, lfs_sha256: None }
    }

    #[test]
    fn a_licence_is_told_by_the_card_or_else_by_a_tag() {
        let license = |fields| Facts::of(&info(fields)).license;
        assert_eq!(license(json!({ "cardData": { "license": "mit" }, "tags": ["license:gpl"] })), json!("mit"));
        assert_eq!(license(json!({ "cardData": null, "tags": ["x", "license:gpl"] })), json!("gpl"));
        assert_eq!(license(json!({})), Value::Null);
        let named = json!({ "cardData": { "license": "other", "license_name": "own" } });
        assert_eq!(license(named), json!({ "license": "other", "license_name": "own", "license_link": null }));
    }

    #[test]
    fn each_fact_that_changes_is_a_change_of_its_own() {
        let before = Facts::of(&info(json!({ "gated": false })));
        assert_eq!(before.changes_since(&before.clone()), []);
        let mut after = Facts::of(&info(json!({ "gated": "manual", "tags": ["license:mit"], "disabled": true })));
        after.name = "acme/y".to_owned();
        after.private = true;
        let kinds: Vec<&str> = after.changes_since(&before).iter().map(|change| change.kind).collect();
        assert_eq!(
            kinds,
            [
                "upstream.repo_renamed",
                "upstream.visibility_changed",
                "upstream.gate_changed",
                "upstream.disabled_changed",
                "upstream.license_changed"
            ]
        );
    }

    #[test]
    fn the_order_of_files_does_not_matter_and_every_field_does() {
        let files = [file("a", 1), file("b", 2)];
        assert_eq!(declared(&files), declared(&[files[1].clone(), files[0].clone()]));
        assert_ne!(declared(&files), declared(&[file("a", 1), file("b", 3)]));
        assert_ne!(declared(&files), declared(&files[..1]));
    }
}
