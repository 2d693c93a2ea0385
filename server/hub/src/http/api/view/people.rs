//! Users and organisations as overviews and lists of members show them.

use acervo_core::Timestamp;
use acervo_store::db::principals::{Namespace, NamespaceKind, Principal};
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::people::{self, Organization, User};

/// A user in a list. The name goes by `user` alone: hf-hub refuses one that is given twice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserItem {
    /// Always `user`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// Name.
    #[schema(example = "ana")]
    pub user: String,
    /// Name for people.
    #[schema(example = "Ana Rojas")]
    pub fullname: String,
    /// Always empty.
    pub avatar_url: String,
    /// Always false.
    pub is_pro: bool,
}

impl From<&Principal> for UserItem {
    fn from(principal: &Principal) -> Self {
        UserItem {
            kind: "user",
            user: principal.name.clone(),
            fullname: principal.display_name.clone().unwrap_or_else(|| principal.name.clone()),
            avatar_url: String::new(),
            is_pro: false,
        }
    }
}

/// An organisation in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OrganizationItem {
    /// Always `org`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// Name.
    #[schema(example = "acme")]
    pub name: String,
    /// The same.
    #[schema(example = "acme")]
    pub fullname: String,
    /// Always empty.
    pub avatar_url: String,
}

impl From<&Namespace> for OrganizationItem {
    fn from(namespace: &Namespace) -> Self {
        OrganizationItem {
            kind: "org",
            name: namespace.name.clone(),
            fullname: namespace.name.clone(),
            avatar_url: String::new(),
        }
    }
}

/// A user. What this hub does not have (likes, followers, papers) is truly none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({
    "type": "user", "user": "ana", "fullname": "Ana Rojas", "avatarUrl": "", "isPro": false, "isFollowing": false,
    "createdAt": "2026-03-01T09:30:00.000Z", "numModels": 2, "numDatasets": 0, "numSpaces": 0, "numDiscussions": 0,
    "numPapers": 0, "numUpvotes": 0, "numLikes": 0, "numFollowers": 0, "numFollowing": 0,
    "orgs": [{"type": "org", "name": "acme", "fullname": "acme", "avatarUrl": ""}]
}))]
pub struct UserOverview {
    /// Who it is.
    #[serde(flatten)]
    pub user: UserItem,
    /// Always false.
    pub is_following: bool,
    /// When they came to this hub.
    #[schema(value_type = String)]
    pub created_at: Timestamp,
    /// Models of theirs that the caller sees.
    pub num_models: u64,
    /// Datasets of theirs that the caller sees.
    pub num_datasets: u64,
    /// Spaces of theirs that the caller sees.
    pub num_spaces: u64,
    /// Always 0.
    pub num_discussions: u64,
    /// Always 0.
    pub num_papers: u64,
    /// Always 0.
    pub num_upvotes: u64,
    /// Always 0.
    pub num_likes: u64,
    /// Always 0.
    pub num_followers: u64,
    /// Always 0.
    pub num_following: u64,
    /// Organisations they have a role in, as far as the caller may know of them.
    pub orgs: Vec<OrganizationItem>,
}

impl From<&User> for UserOverview {
    fn from(user: &User) -> Self {
        UserOverview {
            user: UserItem::from(&user.principal),
            is_following: false,
            created_at: people::since(&user.principal),
            num_models: user.counts.models,
            num_datasets: user.counts.datasets,
            num_spaces: user.counts.spaces,
            num_discussions: 0,
            num_papers: 0,
            num_upvotes: 0,
            num_likes: 0,
            num_followers: 0,
            num_following: 0,
            orgs: user.orgs.iter().map(OrganizationItem::from).collect(),
        }
    }
}

/// An organisation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({
    "type": "org", "name": "acme", "fullname": "acme", "avatarUrl": "", "isVerified": false, "isFollowing": false,
    "numUsers": 3, "numModels": 12, "numDatasets": 1, "numSpaces": 0, "numFollowers": 0, "numPapers": 0
}))]
pub struct OrganizationOverview {
    /// Which it is.
    #[serde(flatten)]
    pub organization: OrganizationItem,
    /// Always false.
    pub is_verified: bool,
    /// Always false.
    pub is_following: bool,
    /// How many have a role in it; absent for callers without a token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub num_users: Option<u64>,
    /// Models of it that the caller sees.
    pub num_models: u64,
    /// Datasets of it that the caller sees.
    pub num_datasets: u64,
    /// Spaces of it that the caller sees.
    pub num_spaces: u64,
    /// Always 0.
    pub num_followers: u64,
    /// Always 0.
    pub num_papers: u64,
}

impl From<&Organization> for OrganizationOverview {
    fn from(organization: &Organization) -> Self {
        OrganizationOverview {
            organization: OrganizationItem::from(&organization.namespace),
            is_verified: false,
            is_following: false,
            num_users: organization.members,
            num_models: organization.counts.models,
            num_datasets: organization.counts.datasets,
            num_spaces: organization.counts.spaces,
            num_followers: 0,
            num_papers: 0,
        }
    }
}

/// Whose something is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Owner {
    /// `org` or `user`.
    #[serde(rename = "type")]
    #[schema(example = "org")]
    pub kind: &'static str,
    /// Name.
    #[schema(example = "acme")]
    pub name: String,
    /// The same.
    #[schema(example = "acme")]
    pub fullname: String,
    /// Always empty.
    pub avatar_url: String,
    /// Always false.
    pub is_hf: bool,
}

impl From<&Namespace> for Owner {
    fn from(namespace: &Namespace) -> Self {
        let kind = match namespace.kind {
            NamespaceKind::User => "user",
            NamespaceKind::Organization => "org",
        };
        let name = namespace.name.clone();
        Owner { kind, fullname: name.clone(), name, avatar_url: String::new(), is_hf: false }
    }
}
