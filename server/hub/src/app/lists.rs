//! Lists and searches: repositories the caller may see, counted, in an order that pages can rest on.
//!
//! What they find is kept by [`super::catalog`].

use std::collections::HashMap;
use std::sync::Arc;

use acervo_core::catalog::{Facet, tag_key};
use acervo_core::words::{Question, fold};
use acervo_core::{Caller, RepoKind};
use acervo_store::db::commits::{self, Commit};
use acervo_store::db::repos::{self, Repo};
use acervo_store::db::search::{self, Among, Filter, GatedIs, Position, Ranked, Sort, TagRow, Tier};

use crate::app::repos::{Summary, read_scope};
use crate::context::Hub;
use crate::error::HubError;

/// Most repositories of one page of a list.
pub const LIST_LIMIT_MAX: u64 = 1000;

/// What a list asks for.
#[derive(Clone, Debug)]
pub struct ListRequest {
    /// Only this kind.
    pub kind: Option<RepoKind>,
    /// Texts that must all be within the name, whatever their case and accents.
    pub search: Vec<String>,
    /// Namespace.
    pub author: Option<String>,
    /// Tags, all of them; of one kind only.
    pub tags: Vec<String>,
    /// Keys of what else is asked for, all of them.
    pub facets: Vec<String>,
    /// What is asked of gates.
    pub gated: Option<GatedIs>,
    /// Least and most parameters.
    pub parameters: Option<(u64, u64)>,
    /// Order, and whether it ascends.
    pub order: (Sort, bool),
    /// Most repositories.
    pub limit: u64,
    /// Where to go on.
    pub after: Option<Position>,
}

impl ListRequest {
    /// Every repository of a kind, the last published first.
    pub fn of(kind: Option<RepoKind>) -> ListRequest {
        ListRequest {
            kind,
            search: Vec::new(),
            author: None,
            tags: Vec::new(),
            facets: Vec::new(),
            gated: None,
            parameters: None,
            order: (Sort::Published, false),
            limit: LIST_LIMIT_MAX,
            after: None,
        }
    }

    /// Only those that have this.
    pub fn with(&mut self, facet: Facet<'_>) {
        self.facets.push(facet.key());
    }

    fn filter(&self, caller: &Caller) -> Filter {
        let tags = self.tags.iter().map(|tag| tag_key(self.kind.unwrap_or(RepoKind::Dataset), tag));
        let mut keys: Vec<String> = tags.chain(self.facets.iter().cloned()).map(|key| storable(&key)).collect();
        // The same list, however it was asked for.
        keys.sort_unstable();
        keys.dedup();
        Filter {
            scope: read_scope(caller),
            kind: self.kind,
            names: self.search.iter().map(|text| storable(&fold(text))).collect(),
            namespace: self.author.as_ref().map(|author| storable(&author.to_lowercase())),
            keys,
            gated: self.gated,
            parameters: self.parameters,
        }
    }
}

/// The text without NUL, which Postgres does not take; nothing that is stored has any, so nothing else is found by it.
fn storable(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

/// A page of a list.
#[derive(Clone, Debug)]
pub struct ListPage {
    /// The repositories.
    pub items: Vec<Summary>,
    /// Where the next page starts, if there is one.
    pub next: Option<Position>,
    /// How many repositories the whole list has.
    pub total: u64,
}

/// Repositories the caller may see, with what their cards say.
pub async fn list(hub: &Hub, caller: &Caller, request: &ListRequest) -> Result<ListPage, HubError> {
    let limit = request.limit.clamp(1, LIST_LIMIT_MAX);
    let filter = request.filter(caller);
    let total = count(hub, filter.clone()).await?;
    let db = hub.db().reader();
    let mut listed = search::page(db, &filter, request.order, request.after.as_ref(), total, limit + 1).await?;
    let more = listed.len() as u64 > limit;
    listed.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    let next = listed.last().filter(|_| more).map(|last| last.position.clone());
    let found: Vec<(i64, i64)> = listed.iter().map(|row| (row.repo_id, row.commit_id)).collect();
    Ok(ListPage { items: summaries(hub, &found).await?, next, total })
}

/// How many repositories match.
pub(super) async fn count(hub: &Hub, filter: Filter) -> Result<u64, HubError> {
    let look_up = async || Ok(search::count(hub.db().reader(), &filter).await?);
    hub.caches().counts.get_or(hub.caches().epoch(), filter.clone(), look_up).await
}

/// Repositories and what they serve, in this order.
pub(super) async fn summaries(hub: &Hub, found: &[(i64, i64)]) -> Result<Vec<Summary>, HubError> {
    let db = hub.db().reader();
    let (repo_ids, commit_ids): (Vec<i64>, Vec<i64>) = found.iter().copied().unzip();
    let mut repos = by_id(repos::by_ids(db, &repo_ids).await?, |repo: &Repo| repo.id);
    let mut heads = by_id(commits::by_ids(db, &commit_ids).await?, |commit: &Commit| commit.id);
    let mut cards = commits::cards(db, &commit_ids).await?;
    let summary = |(repo_id, commit_id): &(i64, i64)| {
        let card = cards.remove(commit_id).unwrap_or_default();
        Some(Summary { repo: repos.remove(repo_id)?, head: heads.remove(commit_id)?, card })
    };
    Ok(found.iter().filter_map(summary).collect())
}

fn by_id<T>(rows: Vec<T>, id: impl Fn(&T) -> i64) -> HashMap<i64, T> {
    rows.into_iter().map(|row| (id(&row), row)).collect()
}

/// Where in the results of a search a repository stands: how well it fits, and its random id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// How well it fits.
    pub tier: Tier,
    /// Its random id.
    pub public_id: String,
}

/// Results of a search, best first.
#[derive(Clone, Debug)]
pub struct Results {
    /// The repositories.
    pub items: Vec<Summary>,
    /// Where the next page starts, if there is one.
    pub next: Option<Place>,
}

/// What is searched for.
#[derive(Clone, Debug)]
pub struct SearchRequest {
    /// Words, or a part of a name.
    pub question: String,
    /// Only this kind.
    pub kind: Option<RepoKind>,
    /// Tags, all of them; of one kind only.
    pub tags: Vec<String>,
    /// What a space runs on, one of these; any if there are none.
    pub sdks: Vec<String>,
    /// Most repositories.
    pub limit: u64,
    /// Where to go on.
    pub after: Option<Place>,
}

/// Repositories the caller may see that fit a question by their names, tags and cards, best first.
pub async fn search(hub: &Hub, caller: &Caller, request: &SearchRequest) -> Result<Results, HubError> {
    let limit = request.limit.clamp(1, LIST_LIMIT_MAX);
    let Some(question) = Question::parse(&storable(&request.question)) else {
        return Ok(Results { items: Vec::new(), next: None });
    };
    let after = match &request.after {
        None => None,
        Some(place) => {
            let repo = repos::by_public_id(hub.db().reader(), &place.public_id).await?.ok_or_else(|| {
                HubError::Invalid("what the `cursor` stands for is gone; leave it away to start again".to_owned())
            })?;
            Some((place.tier, repo.id))
        }
    };
    let tags = request.tags.iter().map(|tag| vec![storable(&tag_key(request.kind.unwrap_or(RepoKind::Dataset), tag))]);
    let sdks: Vec<String> = request.sdks.iter().map(|sdk| storable(&Facet::Sdk(sdk).key())).collect();
    let keys = tags.chain(Some(sdks).filter(|sdks| !sdks.is_empty())).collect();
    let among = Among { scope: read_scope(caller), kind: request.kind, keys };
    let mut found = ranked(hub, &among, &question, after, limit + 1).await?;
    let more = found.len() as u64 > limit;
    found.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    let next = found.last().filter(|_| more).map(|last| Place { tier: last.tier, public_id: last.public_id.clone() });
    let found: Vec<(i64, i64)> = found.iter().map(|row| (row.repo_id, row.commit_id)).collect();
    Ok(Results { items: summaries(hub, &found).await?, next })
}

/// Tier after tier, until there are enough.
async fn ranked(
    hub: &Hub,
    among: &Among,
    question: &Question,
    after: Option<(Tier, i64)>,
    wanted: u64,
) -> Result<Vec<Ranked>, HubError> {
    let db = hub.db().reader();
    let mut found = Vec::new();
    if after.is_none_or(|(tier, _)| tier <= Tier::Within) {
        found = search::by_name(db, among, question, after, wanted).await?;
    }
    for tier in [Tier::Tags, Tier::Card] {
        let missing = wanted.saturating_sub(found.len() as u64);
        if missing == 0 || after.is_some_and(|(reached, _)| reached > tier) {
            continue;
        }
        let start = after.filter(|(reached, _)| *reached == tier).map(|(_, repo_id)| repo_id);
        found.extend(search::by_words(db, among, question, tier, start, missing).await?);
    }
    Ok(found)
}

/// Tags of repositories of a kind that the caller may see, by sort.
pub async fn tags(hub: &Hub, caller: &Caller, kind: RepoKind) -> Result<Arc<Vec<TagRow>>, HubError> {
    let scope = read_scope(caller);
    let look_up = async || Ok(Arc::new(search::tags(hub.db().reader(), &scope, kind).await?));
    hub.caches().tags.get_or(hub.caches().epoch(), (kind, scope.clone()), look_up).await
}
