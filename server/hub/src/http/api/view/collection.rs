//! Collections as clients read them.

use acervo_core::{Timestamp, Visibility};
use serde::Serialize;
use utoipa::ToSchema;

use super::people::Owner;
use super::repo::{GatedMark, RepoInfo};
use crate::app::collections::{Shown, ShownItem};

/// What somebody says of an item.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Note {
    /// As it was written.
    pub text: String,
    /// The same as HTML: escaped.
    pub html: String,
}

/// A repository in a collection.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CollectionItem {
    /// Random id of its place in the collection.
    #[serde(rename = "_id")]
    #[schema(example = "651446103cd773a050bf64c2")]
    pub public_id: String,
    /// `namespace/name`.
    #[schema(example = "mistralai/Mistral-7B-v0.1")]
    pub id: String,
    /// `model`, `dataset` or `space`.
    #[serde(rename = "type")]
    #[schema(example = "model")]
    pub kind: &'static str,
    /// The same.
    pub repo_type: &'static str,
    /// Place in the collection; ascending, with gaps.
    pub position: i64,
    /// What somebody says of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<Note>,
    /// Namespace.
    pub author: String,
    /// Whether only some callers can see it.
    pub private: bool,
    /// Whether its contents wait for consent, and how that is given.
    pub gated: GatedMark,
    /// Downloads from this hub.
    pub downloads: u64,
    /// Always 0: there are no likes here.
    pub likes: u64,
    /// When its default branch was last changed.
    #[schema(value_type = Option<String>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_modified: Option<Timestamp>,
    /// Task.
    #[serde(rename = "pipeline_tag", skip_serializing_if = "Option::is_none")]
    pub pipeline_tag: Option<String>,
    /// What a space runs on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sdk: Option<String>,
}

impl From<&ShownItem> for CollectionItem {
    fn from(shown: &ShownItem) -> Self {
        let repo = &shown.summary.repo;
        let info = RepoInfo::new(repo, &shown.summary.head, &shown.summary.card);
        let note =
            shown.item.note.as_ref().map(|text| Note { text: text.clone(), html: super::history::escaped(text) });
        CollectionItem {
            public_id: shown.item.public_id.clone(),
            id: repo.name.to_string(),
            kind: repo.kind.as_str(),
            repo_type: repo.kind.as_str(),
            position: shown.item.position,
            note,
            author: repo.name.namespace().to_owned(),
            private: repo.visibility != Visibility::Public,
            gated: repo.gated.into(),
            downloads: info.downloads.unwrap_or(0),
            likes: 0,
            last_modified: info.last_modified,
            pipeline_tag: info.pipeline_tag,
            sdk: info.sdk,
        }
    }
}

/// A collection. In lists it has its first four items, and no `position`: huggingface_hub numbers lists itself.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({
    "slug": "acme/approved-models-64f9a55bb3115b4f513ec026", "title": "Approved models", "theme": "blue",
    "description": "What may be used in production", "owner": {"type": "org", "name": "acme", "fullname": "acme",
    "avatarUrl": "", "isHf": false}, "private": false, "gating": false, "upvotes": 0, "isUpvotedByUser": false,
    "lastUpdated": "2026-03-01T09:30:00.000Z", "position": 0, "items": [{
        "_id": "651446103cd773a050bf64c2", "id": "mistralai/Mistral-7B-v0.1", "type": "model", "repoType": "model",
        "position": 0, "author": "mistralai", "private": false, "gated": false, "downloads": 12, "likes": 0
    }]
}))]
pub struct CollectionInfo {
    /// Name by which it is asked for: owner, title in short, random id.
    pub slug: String,
    /// Title.
    pub title: String,
    /// What it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Whose it is.
    pub owner: Owner,
    /// Place among the collections of its owner; not in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub position: Option<i64>,
    /// What is in it, as far as the caller sees it, in order.
    pub items: Vec<CollectionItem>,
    /// When it, or what is in it, last changed.
    #[schema(value_type = String)]
    pub last_updated: Timestamp,
    /// Whether only some callers can see it.
    pub private: bool,
    /// Always false: repositories have gates, collections have none.
    pub gating: bool,
    /// Colour.
    pub theme: &'static str,
    /// Always 0.
    pub upvotes: u64,
    /// Always false.
    pub is_upvoted_by_user: bool,
}

impl CollectionInfo {
    /// The view of a collection, by itself or in a list.
    pub fn new(shown: &Shown, in_list: bool) -> Self {
        let collection = &shown.collection;
        CollectionInfo {
            slug: shown.slug(),
            title: collection.title.clone(),
            description: collection.description.clone(),
            owner: Owner::from(&shown.owner),
            position: (!in_list).then_some(collection.position),
            items: shown.items.iter().map(CollectionItem::from).collect(),
            last_updated: collection.updated_at,
            private: collection.visibility != Visibility::Public,
            gating: false,
            theme: collection.theme.as_str(),
            upvotes: 0,
            is_upvoted_by_user: false,
        }
    }
}
