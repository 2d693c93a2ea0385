//! What lists and searches find: kept with every publication, and made up for where it was not.
//!
//! Asking is [`super::lists`]'s business.

use acervo_core::catalog::{self, Facts};
use acervo_core::{Sha256Digest, Timestamp, card};
use acervo_store::db::commits::State;
use acervo_store::db::{Transaction, blobs, commit, commits, generation, refs, repos, search, trees};
use futures::TryStreamExt;

use crate::context::Hub;
use crate::error::HubError;

/// Repositories looked up at once where lists are made up for what they lack.
const BATCH: u64 = 200;

/// Largest card that is read; a larger one is served but not searched.
pub const CARD_BYTES_MAX: u64 = 8 * 1024 * 1024;

/// Writes what a repository is found by, from what is stored of it; off the lists with it if it serves nothing.
///
/// To be called in the transaction that changes its default branch, its name or its numbers.
pub async fn refresh(tx: &Transaction, repo_id: i64) -> Result<(), HubError> {
    // Locked, so that what is read of it below is what another publication left, and not what it is about to change.
    let Some(repo) = repos::lock_by_id(tx, repo_id).await? else { return Ok(search::remove(tx, repo_id).await?) };
    let heads = refs::heads(tx, &[(repo.id, repo.default_branch.as_str())]).await?;
    let head = match heads.get(&repo.id) {
        Some(commit_id) => commits::by_id(tx, *commit_id).await?.filter(|head| head.state == State::Visible),
        None => None,
    };
    let Some(head) = head else { return Ok(search::remove(tx, repo_id).await?) };
    let facts = commits::cards(tx, &[head.id]).await?.remove(&head.id).unwrap_or_default();
    let entry = catalog::describe(&Facts {
        kind: repo.kind,
        name: &repo.name,
        tags: &facts.tags,
        card: facts.data.as_ref(),
        upstream: head.upstream_info.as_ref(),
    });
    let bytes = match head.served_listing_id {
        Some(listing) => trees::totals(tx, listing).await?.bytes,
        None => 0,
    };
    let row = search::Row {
        repo_id,
        public_id: &repo.public_id,
        kind: repo.kind,
        name: &repo.name,
        namespace_id: repo.namespace_id,
        visibility: repo.visibility,
        commit_id: head.id,
        published_at: repo.updated_at,
        modified_at: modified_at(&repo, &head),
        created_at: repo.born_at,
        downloads: repo.downloads,
        parameters: entry.parameters,
        bytes,
        keys: &entry.keys,
        labels: &entry.labels.to_stored(),
        card: &search::card_words(tx, head.id).await?,
    };
    Ok(search::put(tx, &row).await?)
}

/// When a repository was last modified, as clients are told.
pub fn modified_at(repo: &repos::Repo, head: &commits::Commit) -> Timestamp {
    head.committed_at.unwrap_or(repo.updated_at)
}

/// Puts on the lists what was published by a version that did not write them; returns how many repositories that were.
///
/// Several processes may do so at once: each writes the same.
pub async fn catch_up(hub: &Hub) -> Result<u64, HubError> {
    let (mut after, mut done) = (0, 0);
    loop {
        let missing = search::unlisted(hub.db().reader(), after, BATCH).await?;
        let Some(last) = missing.last() else { break };
        after = *last;
        let tx = hub.db().begin().await?;
        generation::lock(&tx).await?;
        for repo_id in &missing {
            refresh(&tx, *repo_id).await?;
        }
        generation::bump(&tx).await?;
        commit(tx).await?;
        done += missing.len() as u64;
    }
    if done > 0 {
        hub.caches().clear();
        tracing::info!(repos = done, "put repositories on the lists that were published before there were any");
    }
    Ok(done)
}

/// Reads the cards of what is listed and was published before cards were searched; returns how many those were.
pub async fn read_cards(hub: &Hub) -> Result<u64, HubError> {
    let (mut after, mut done) = (0, 0);
    loop {
        let unread = search::unread_cards(hub.db().reader(), after, BATCH).await?;
        let Some(last) = unread.last() else { break };
        after = last.repo_id;
        for card in unread {
            let words = match words_of(hub, card.blob_id).await {
                Ok(words) => words,
                Err(error) => {
                    tracing::warn!(repo.id = card.repo_id, error = %error, "a card could not be read and is not searched");
                    continue;
                }
            };
            let tx = hub.db().begin().await?;
            generation::lock(&tx).await?;
            search::set_card_words(&tx, card.commit_id, Some(&words)).await?;
            refresh(&tx, card.repo_id).await?;
            commit(tx).await?;
            done += 1;
        }
    }
    if done > 0 {
        tracing::info!(cards = done, "read cards that were kept before they were searched");
    }
    Ok(done)
}

async fn words_of(hub: &Hub, blob_id: i64) -> Result<String, HubError> {
    match blobs::held_by_id(hub.db().reader(), blob_id).await? {
        Some((sha256, size)) if size <= CARD_BYTES_MAX => {
            Ok(card::parse(&read_card(hub, sha256, size).await?).words.to_stored())
        }
        _ => Ok(String::new()),
    }
}

/// The bytes of a card.
pub async fn read_card(hub: &Hub, sha256: Sha256Digest, size: u64) -> Result<Vec<u8>, HubError> {
    let chunks = hub.blobs().reader(sha256, size).await?.stream(0, size).await?;
    chunks
        .try_fold(Vec::new(), |mut text, chunk| async move {
            text.extend_from_slice(&chunk);
            Ok(text)
        })
        .await
        .map_err(|error| HubError::Internal(format!("reading the card {sha256}: {error}")))
}
