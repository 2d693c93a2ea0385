//! Refs and commits as clients read them.

use acervo_core::{RefKind, Timestamp};
use acervo_store::db::commits::Commit;
use acervo_store::db::refs::Ref;
use serde::Serialize;
use utoipa::ToSchema;

/// A name that moves, and the commit it serves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RefItem {
    /// Short name.
    #[schema(example = "main")]
    pub name: String,
    /// Full name.
    #[serde(rename = "ref")]
    #[schema(example = "refs/heads/main")]
    pub full_name: String,
    /// Commit id.
    #[schema(example = "7231864981174d9bee8c7687c24c8344414eae6b")]
    pub target_commit: String,
}

/// The refs of a repository, by kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RefList {
    /// Branches.
    pub branches: Vec<RefItem>,
    /// Converted views, such as parquet files of a dataset.
    pub converts: Vec<RefItem>,
    /// Tags.
    pub tags: Vec<RefItem>,
    /// Pull requests; only if asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pull_requests: Option<Vec<RefItem>>,
}

impl RefList {
    /// Sorts refs by kind, leaving out those that serve nothing.
    pub fn new(refs: Vec<Ref>, include_prs: bool) -> Self {
        let mut list = RefList { pull_requests: include_prs.then(Vec::new), ..RefList::default() };
        for found in refs {
            let Some((_, target)) = found.served else { continue };
            let (group, prefix) = match found.kind {
                RefKind::Branch => (Some(&mut list.branches), "refs/heads/"),
                RefKind::Tag => (Some(&mut list.tags), "refs/tags/"),
                RefKind::Convert => (Some(&mut list.converts), "refs/convert/"),
                RefKind::PullRequest => (list.pull_requests.as_mut(), "refs/pr/"),
            };
            let Some(group) = group else { continue };
            let name = found.name.strip_prefix(prefix).unwrap_or(&found.name).to_owned();
            let full_name = format!("{prefix}{name}");
            group.push(RefItem { name, full_name, target_commit: target.to_hex() });
        }
        list
    }
}

/// Who wrote a commit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct CommitUser {
    /// Name at its origin.
    #[schema(example = "ana")]
    pub user: String,
}

/// Title and message as HTML.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct FormattedCommit {
    /// Title, escaped.
    #[schema(example = "Add weights &amp; card")]
    pub title: String,
    /// Message, escaped.
    #[schema(example = "")]
    pub message: String,
}

/// A commit of a log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct CommitItem {
    /// Commit id.
    #[schema(example = "7231864981174d9bee8c7687c24c8344414eae6b")]
    pub id: String,
    /// First line of the message.
    #[schema(example = "Add weights")]
    pub title: String,
    /// Rest of the message.
    #[schema(example = "")]
    pub message: String,
    /// Who wrote it.
    pub authors: Vec<CommitUser>,
    /// When it was made.
    #[schema(value_type = String, format = DateTime, example = "2023-11-14T22:13:20.007Z")]
    pub date: Timestamp,
    /// Title and message as HTML; only if asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub formatted: Option<FormattedCommit>,
}

impl CommitItem {
    /// The view of a commit; `otherwise` stands in for a date its origin did not tell, since clients need one.
    pub fn new(commit: &Commit, otherwise: Timestamp, formatted: bool) -> Self {
        let html = || FormattedCommit { title: escaped(&commit.title), message: escaped(&commit.message) };
        CommitItem {
            id: commit.oid.to_hex(),
            title: commit.title.clone(),
            message: commit.message.clone(),
            authors: commit.authors.iter().map(|name| CommitUser { user: name.clone() }).collect(),
            date: commit.committed_at.unwrap_or(otherwise),
            formatted: formatted.then(html),
        }
    }
}

/// Text as HTML.
pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}

#[cfg(test)]
mod tests {
    use acervo_core::RefKind;
    use acervo_store::db::refs::Ref;
    use serde_json::json;

    use super::RefList;

    #[test]
    fn refs_are_grouped_with_short_and_full_names() {
        let oid = "0123456789abcdef0123456789abcdef01234567";
        let one = |kind, name: &str, served: bool| Ref {
            kind,
            name: name.to_owned(),
            served: served.then(|| (1, oid.parse().unwrap())),
            upstream: None,
        };
        let refs = vec![
            one(RefKind::Branch, "feature/x", true),
            one(RefKind::Branch, "gone", false),
            one(RefKind::Tag, "v1", true),
            one(RefKind::Convert, "refs/convert/parquet", true),
            one(RefKind::PullRequest, "refs/pr/1", true),
        ];
        let item = |name: &str, full: &str| json!({"name": name, "ref": full, "targetCommit": oid});
        let mut expected = json!({
            "branches": [item("feature/x", "refs/heads/feature/x")],
            "converts": [item("parquet", "refs/convert/parquet")],
            "tags": [item("v1", "refs/tags/v1")],
        });
        assert_eq!(serde_json::to_value(RefList::new(refs.clone(), false)).unwrap(), expected);
        expected["pullRequests"] = json!([item("1", "refs/pr/1")]);
        assert_eq!(serde_json::to_value(RefList::new(refs, true)).unwrap(), expected);
    }
}
