//! Collections: repositories put together under a title, and told of as far as the caller may see them.

use std::collections::HashMap;

use acervo_core::words::fold;
use acervo_core::{Caller, RepoKind, Role, Timestamp, Visibility, collection};
use acervo_store::db::collections::{self, Asked, Collection, Item, NewCollection, NewItem, Sight};
use acervo_store::db::principals::{self, Namespace};
use acervo_store::db::repos::Repo;
use acervo_store::db::{commit, generation};
use serde_json::json;

use crate::app::events::{self, Told};
use crate::app::identity::demand;
use crate::app::lists::summaries;
use crate::app::repos::{self, Summary, read_scope};
use crate::context::Hub;
use crate::error::HubError;

pub use acervo_store::db::collections::Theme;

/// Most collections of one page.
pub const LIST_LIMIT_MAX: u64 = 100;

/// Items that lists show of each collection; clients ask for the collection itself to see all.
const LISTED_ITEMS: u64 = 4;

/// Most items that are told of one collection.
const ITEMS_MAX: u64 = 1000;

/// Longest title, in characters.
const TITLE_CHARS_MAX: usize = 60;

/// Longest description, in characters.
const DESCRIPTION_CHARS_MAX: usize = 150;

/// Longest note, in characters.
const NOTE_CHARS_MAX: usize = 500;

/// A collection with what of it the caller may see.
#[derive(Clone, Debug)]
pub struct Shown {
    /// The collection.
    pub collection: Collection,
    /// Whose it is.
    pub owner: Namespace,
    /// What is in it, in order.
    pub items: Vec<ShownItem>,
}

impl Shown {
    /// The name by which clients ask for it.
    pub fn slug(&self) -> String {
        collection::slug(&self.owner.name, &self.collection.title, &self.collection.public_id)
    }
}

/// A repository in a collection.
#[derive(Clone, Debug)]
pub struct ShownItem {
    /// Its place and what is said of it.
    pub item: Item,
    /// The repository.
    pub summary: Summary,
}

/// What a list of collections asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListRequest {
    /// Namespaces, one of which it must belong to.
    pub owners: Vec<String>,
    /// Repositories, one of which must be in it; any if this is absent.
    pub items: Option<Vec<(RepoKind, String)>>,
    /// Texts that must all be within title and description.
    pub texts: Vec<String>,
    /// Most collections.
    pub limit: u64,
    /// Where to go on.
    pub after: Option<(Timestamp, String)>,
}

/// A page of a list.
#[derive(Clone, Debug)]
pub struct ListPage {
    /// The collections, the last changed first, each with its first items.
    pub collections: Vec<Shown>,
    /// Where the next page starts, if there is one.
    pub next: Option<(Timestamp, String)>,
}

fn sight(caller: &Caller) -> Sight {
    Sight { scope: read_scope(caller), principal: caller.principal_id() }
}

/// Collections that the caller may see.
pub async fn list(hub: &Hub, caller: &Caller, request: &ListRequest) -> Result<ListPage, HubError> {
    let limit = request.limit.clamp(1, LIST_LIMIT_MAX);
    let mut asked = Asked {
        owners: request.owners.iter().map(|owner| storable(&owner.to_ascii_lowercase())).collect(),
        repos: None,
        texts: request.texts.iter().map(|text| storable(&fold(text))).collect(),
        after: request.after.clone(),
        limit: limit + 1,
    };
    if let Some(items) = &request.items {
        let mut ids = Vec::new();
        for (kind, name) in items {
            match repos::find(hub, caller, *kind, name).await {
                Ok(found) => ids.push(found.into_repo().id),
                // What the caller does not see is in no collection for them.
                Err(HubError::RepoNotFound { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        asked.repos = Some(ids);
    }
    let mut found = collections::page(hub.db().reader(), &sight(caller), &asked).await?;
    let more = found.len() as u64 > limit;
    found.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    let next = found.last().filter(|_| more).map(|last| (last.updated_at, last.public_id.clone()));
    Ok(ListPage { collections: shown(hub, caller, found, LISTED_ITEMS).await?, next })
}

/// The text without NUL, which Postgres does not take.
fn storable(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

/// The collection that a slug stands for; a hidden one is as good as missing.
pub async fn find(hub: &Hub, caller: &Caller, slug: &str) -> Result<Shown, HubError> {
    let missing = || HubError::NotFound(format!("there is no collection `{slug}` here"));
    let (owner, public_id) = collection::parse_slug(slug).ok_or_else(missing)?;
    let found = collections::by_public_id(hub.db().reader(), &sight(caller), &public_id).await?.ok_or_else(missing)?;
    let found = shown(hub, caller, vec![found], ITEMS_MAX).await?.pop().ok_or_else(missing)?;
    if found.owner.name.eq_ignore_ascii_case(owner) { Ok(found) } else { Err(missing()) }
}

/// Collections with their owners and what of them the caller may see.
async fn shown(hub: &Hub, caller: &Caller, found: Vec<Collection>, each: u64) -> Result<Vec<Shown>, HubError> {
    let db = hub.db().reader();
    let ids: Vec<i64> = found.iter().map(|collection| collection.id).collect();
    let owners: Vec<i64> = found.iter().map(|collection| collection.namespace_id).collect();
    let owners: HashMap<i64, Namespace> =
        principals::namespaces(db, &owners).await?.into_iter().map(|owner| (owner.id, owner)).collect();
    let items = collections::items(db, &read_scope(caller), &ids, each).await?;
    let mut heads: Vec<(i64, i64)> = items.iter().map(|item| (item.repo_id, item.commit_id)).collect();
    heads.sort_unstable();
    heads.dedup();
    let summaries: HashMap<i64, Summary> =
        summaries(hub, &heads).await?.into_iter().map(|summary| (summary.repo.id, summary)).collect();
    let mut by_collection: HashMap<i64, Vec<ShownItem>> = HashMap::new();
    for item in items {
        if let Some(summary) = summaries.get(&item.repo_id) {
            let collection_id = item.collection_id;
            by_collection.entry(collection_id).or_default().push(ShownItem { item, summary: summary.clone() });
        }
    }
    let complete = |collection: Collection| {
        let owner = owners.get(&collection.namespace_id)?.clone();
        let items = by_collection.remove(&collection.id).unwrap_or_default();
        Some(Shown { collection, owner, items })
    };
    Ok(found.into_iter().filter_map(complete).collect())
}

/// A collection to make.
#[derive(Clone, Debug)]
pub struct Draft {
    /// Namespace it is to belong to.
    pub owner: String,
    /// Title.
    pub title: String,
    /// What it is about.
    pub description: Option<String>,
    /// Colour.
    pub theme: Theme,
    /// Who may know of it.
    pub visibility: Visibility,
}

/// Refuses a text that is empty or too long.
fn check(what: &str, text: &str, chars_max: usize) -> Result<(), HubError> {
    let chars = text.chars().count();
    if text.trim().is_empty() || chars > chars_max || text.chars().any(char::is_control) {
        return Err(HubError::Invalid(format!("the {what} has {chars} characters; use 1 to {chars_max}, on one line")));
    }
    Ok(())
}

/// Makes a collection with nothing in it.
pub async fn create(hub: &Hub, caller: &Caller, draft: &Draft) -> Result<Shown, HubError> {
    demand(caller, Role::Maintainer)?;
    check("title", &draft.title, TITLE_CHARS_MAX)?;
    if let Some(description) = &draft.description {
        check("description", description, DESCRIPTION_CHARS_MAX)?;
    }
    let public_id = hex::encode(hub.random::<12>()?);
    let folded = fold(&format!("{} {}", draft.title, draft.description.as_deref().unwrap_or_default()));
    let tx = hub.db().begin().await?;
    // Two collections made at once would get the same place.
    generation::lock(&tx).await?;
    let owner = principals::namespace(&tx, &draft.owner).await?.ok_or_else(|| {
        HubError::NotFound(format!(
            "there is no namespace `{}` here; mirror something into it, or make a user of this name",
            draft.owner
        ))
    })?;
    let new = NewCollection {
        public_id: &public_id,
        namespace_id: owner.id,
        title: &draft.title,
        description: draft.description.as_deref(),
        folded: &folded,
        theme: draft.theme,
        visibility: draft.visibility,
        created_by: caller.principal_id(),
        at: hub.now(),
    };
    let made = Shown { collection: collections::insert(&tx, new).await?, owner, items: Vec::new() };
    let details = json!({ "title": draft.title, "visibility": draft.visibility });
    let subject = made.slug();
    let told = Told { kind: "collection.created", repo_id: None, subject: &subject, details };
    events::record(hub, &tx, caller, told).await?;
    generation::bump(&tx).await?;
    commit(tx).await?;
    hub.caches().clear();
    Ok(made)
}

/// Puts a repository at the end of a collection.
pub async fn add(
    hub: &Hub,
    caller: &Caller,
    collection: &Shown,
    repo: &Repo,
    note: Option<&str>,
) -> Result<(), HubError> {
    demand(caller, Role::Maintainer)?;
    if let Some(note) = note {
        check("note", note, NOTE_CHARS_MAX)?;
    }
    let public_id = hex::encode(hub.random::<12>()?);
    let subject = collection.slug();
    let tx = hub.db().begin().await?;
    generation::lock(&tx).await?;
    let new = NewItem {
        public_id: &public_id,
        collection_id: collection.collection.id,
        repo_id: repo.id,
        note,
        added_by: caller.principal_id(),
        at: hub.now(),
    };
    collections::add(&tx, new).await?;
    let details = json!({ "type": repo.kind, "repo": repo.name, "note": note });
    let told = Told { kind: "collection.item_added", repo_id: Some(repo.id), subject: &subject, details };
    events::record(hub, &tx, caller, told).await?;
    generation::bump(&tx).await?;
    commit(tx).await?;
    hub.caches().clear();
    Ok(())
}

/// Takes a repository out of a collection.
pub async fn remove(hub: &Hub, caller: &Caller, collection: &Shown, repo: &Repo) -> Result<(), HubError> {
    demand(caller, Role::Maintainer)?;
    let subject = collection.slug();
    let tx = hub.db().begin().await?;
    if !collections::remove(&tx, collection.collection.id, repo.id, hub.now()).await? {
        return Err(HubError::NotFound(format!("the {} `{}` is not in `{subject}`", repo.kind, repo.name)));
    }
    let details = json!({ "type": repo.kind, "repo": repo.name });
    let told = Told { kind: "collection.item_removed", repo_id: Some(repo.id), subject: &subject, details };
    events::record(hub, &tx, caller, told).await?;
    generation::bump(&tx).await?;
    commit(tx).await?;
    hub.caches().clear();
    Ok(())
}

/// Deletes a collection; what was in it stays.
pub async fn delete(hub: &Hub, caller: &Caller, collection: &Shown) -> Result<(), HubError> {
    demand(caller, Role::Maintainer)?;
    let subject = collection.slug();
    let tx = hub.db().begin().await?;
    collections::delete(&tx, collection.collection.id).await?;
    let details = json!({ "title": collection.collection.title });
    let told = Told { kind: "collection.deleted", repo_id: None, subject: &subject, details };
    events::record(hub, &tx, caller, told).await?;
    generation::bump(&tx).await?;
    commit(tx).await?;
    hub.caches().clear();
    Ok(())
}
