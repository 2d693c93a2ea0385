//! A fleet of repositories as rows: names, tags, cards and listings with the unevenness that real ones have.
//!
//! Nothing is random: the same numbers give the same fleet. There are no bytes behind it.

use acervo::app::catalog;
use acervo::context::Hub;
use acervo_core::card::{self, Card};
use acervo_core::gate::{Gate, GateMode};
use acervo_core::listing::{EntryKind, Listing};
use acervo_core::{GitOid, RefKind, RepoKind, Selection, Sha256Digest, Timestamp, TreeEntry, Visibility};
use acervo_store::db::commits::{Fetching, LogEntry};
use acervo_store::db::principals::{NamespaceKind, NamespaceOrigin};
use acervo_store::db::repos::{Gated, NewRepo};
use acervo_store::db::{Transaction, blobs, commit, commits, gates, generation, principals, refs, repos, trees};
use anyhow::Result;
use serde_json::json;

use crate::content::mixed;
use crate::say;

/// Repositories made in one transaction.
const BATCH: u64 = 200;

/// Namespaces, a few of which have most of the repositories.
const NAMESPACES: u64 = 5_000;

/// Words that cards are written with.
const VOCABULARY: u64 = 20_000;

/// Words of a card.
const CARD_WORDS: u64 = 80;

const LIBRARIES: [&str; 6] = ["transformers", "diffusers", "peft", "sentence-transformers", "timm", "spacy"];
const TASKS: [&str; 8] = [
    "text-generation",
    "text-classification",
    "text-to-image",
    "fill-mask",
    "translation",
    "image-classification",
    "feature-extraction",
    "token-classification",
];
const LICENSES: [&str; 6] = ["apache-2.0", "mit", "llama3", "cc-by-4.0", "openrail", "bsd-3-clause"];
const LANGUAGES: [&str; 10] = ["en", "zh", "es", "fr", "de", "pt", "ja", "gn", "qu", "ay"];
const FAMILIES: [&str; 8] = ["llama", "mistral", "qwen", "bert", "gemma", "phi", "whisper", "kimi"];

/// How much is made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fleet {
    /// Repositories: three in four are models, one in five a dataset, the rest spaces.
    pub(crate) repos: u64,
    /// Entries of each.
    pub(crate) entries: u64,
}

/// A number below `bound`; small ones are far more frequent.
fn uneven(seed: u64, bound: u64) -> u64 {
    let (one, two) = (mixed(seed) % bound, mixed(seed ^ 0x5555) % bound);
    let three = mixed(seed ^ 0xaaaa) % bound;
    // The product of three parts of one.
    one * two / bound * three / bound
}

fn pick<'a>(list: &[&'a str], seed: u64) -> &'a str {
    let index = usize::try_from(uneven(seed, list.len() as u64)).unwrap_or(0);
    list[index.min(list.len() - 1)]
}

/// The `number`th word of the vocabulary; the first ones are the most frequent.
pub(crate) fn word(number: u64) -> String {
    const SYLLABLES: [&str; 16] =
        ["ka", "ru", "ne", "to", "mi", "sa", "lo", "pe", "vi", "do", "ga", "hu", "je", "no", "qui", "za"];
    let mut rest = mixed(number % VOCABULARY) % 0xfff_ffff;
    let mut text = String::new();
    for _ in 0..4 {
        text.push_str(SYLLABLES[usize::try_from(rest % 16).unwrap_or(0)]);
        rest /= 16;
    }
    text
}

/// A tag that models have: frequent ones, rare ones.
pub(crate) fn tag(number: u64) -> String {
    match number % 5 {
        0 => LIBRARIES[usize::try_from(number / 5).unwrap_or(0) % LIBRARIES.len()].to_owned(),
        1 => format!("license:{}", LICENSES[usize::try_from(number / 5).unwrap_or(0) % LICENSES.len()]),
        2 => format!("language:{}", LANGUAGES[usize::try_from(number / 5).unwrap_or(0) % LANGUAGES.len()]),
        3 => "region:us".to_owned(),
        _ => free_tag(uneven(number, 2_000)),
    }
}

/// A task that models have.
pub(crate) fn task(number: u64) -> &'static str {
    TASKS[usize::try_from(number).unwrap_or(0) % TASKS.len()]
}

/// A text that stands in some names.
pub(crate) fn part(number: u64) -> String {
    match number % 3 {
        0 => FAMILIES[usize::try_from(number / 3).unwrap_or(0) % FAMILIES.len()].to_owned(),
        1 => format!("{}-{}", FAMILIES[usize::try_from(number / 3).unwrap_or(0) % FAMILIES.len()], number % 97),
        _ => format!("org{}", number % 900),
    }
}

fn free_tag(number: u64) -> String {
    format!("topic-{number}")
}

impl Fleet {
    /// What is made, in a sentence.
    pub(crate) fn describe(&self) -> String {
        format!(
            "{} repositories in {NAMESPACES} namespaces, {} entries ({} each, in listings that no two repositories \
             share), about 9 tags and {CARD_WORDS} words of a card each; nine in ten public, the others half internal, \
             half private; rows without bytes behind them",
            self.repos,
            self.repos * self.entries,
            self.entries
        )
    }

    /// Makes everything, in batches, as publishing does.
    pub(crate) async fn make(&self, hub: &Hub) -> Result<()> {
        let at = Timestamp::from_millis(1_700_000_000_000);
        let blob_id = blobs::insert(hub.db().writer(), Sha256Digest::of(b"a card"), 6, at).await?;
        let mut namespaces = Vec::new();
        let tx = hub.db().begin().await?;
        for number in 0..NAMESPACES.min(self.repos) {
            let (kind, origin) = (NamespaceKind::Organization, NamespaceOrigin::Mirrored);
            let name = format!("org{number}");
            namespaces.push(principals::insert_namespace(&tx, &name, kind, origin, None, at).await?.id);
        }
        commit(tx).await?;
        let mut number = 0;
        while number < self.repos {
            let tx = hub.db().begin().await?;
            for number in number..self.repos.min(number + BATCH) {
                self.make_one(&tx, number, &namespaces, blob_id).await?;
            }
            generation::bump(&tx).await?;
            commit(tx).await?;
            number += BATCH;
            if number % 10_000 == 0 {
                say(&format!("{number} of {}", self.repos));
            }
        }
        Ok(())
    }

    async fn make_one(&self, tx: &Transaction, number: u64, namespaces: &[i64], blob_id: i64) -> Result<()> {
        let age = i64::try_from(mixed(number ^ 0x77) % 100_000_000)? * 1000;
        let at = Timestamp::from_millis(1_700_000_000_000 + age);
        let kind = match number % 20 {
            0 => RepoKind::Space,
            1..=4 => RepoKind::Dataset,
            _ => RepoKind::Model,
        };
        let namespace = uneven(number, namespaces.len() as u64);
        let family = pick(&FAMILIES, number ^ 0x11);
        let visibility = match mixed(number ^ 0x22) % 20 {
            0 => Visibility::Private,
            1 => Visibility::Internal,
            _ => Visibility::Public,
        };
        let new = NewRepo {
            public_id: format!("{:016x}{number:08x}", mixed(number)),
            kind,
            name: format!("org{namespace}/{family}-{number}").parse()?,
            namespace_id: namespaces[usize::try_from(namespace)?],
            visibility,
            upstream: None,
            at,
        };
        let repo = repos::insert(tx, new).await?;
        let digest = Sha256Digest::of(&number.to_be_bytes());
        let oid = digest.to_hex()[..40].parse()?;
        let log = LogEntry {
            oid,
            title: "Add files".to_owned(),
            message: String::new(),
            authors: vec!["somebody".to_owned()],
            committed_at: Some(at),
            predecessor: None,
        };
        commits::insert_log(tx, repo.id, &[log], at).await?;
        let listing_id = trees::insert_listing(tx, repo.id, &self.listing(number)?, at).await?;
        let found = commits::by_oid(tx, repo.id, oid).await?;
        let commit_id = found.ok_or_else(|| anyhow::anyhow!("commit {oid} was noted and is gone"))?.id;
        let (task, library) = (pick(&TASKS, number ^ 0x33), pick(&LIBRARIES, number ^ 0x44));
        let parameters = 1_000_000 * (1 + uneven(number ^ 0x55, 400_000));
        let info = json!({
            "pipeline_tag": task, "library_name": library, "config": {"model_type": family},
            "safetensors": {"parameters": {"BF16": parameters}, "total": parameters},
        });
        commits::note_fetching(tx, commit_id, &Fetching { upstream_listing_id: listing_id, upstream_info: &info })
            .await?;
        commits::publish(tx, commit_id, listing_id, &Selection::default(), at).await?;
        let card = card(number, task, library);
        let mut tags = card::Tags::default();
        card.data.iter().flat_map(|data| card::tags(kind, data)).for_each(|tag| tags.add(&tag));
        tags.add("region:us");
        tags.add(&format!("arxiv:{}", mixed(number ^ 0x66) % 30_000));
        commits::set_card(tx, commit_id, Some((blob_id, &card)), &tags.into_list(), at).await?;
        repos::note_published(tx, repo.id, Gated::None, None, at).await?;
        if number.is_multiple_of(50) {
            gates::set(tx, repo.id, Gate { mode: GateMode::Automatic, terms: None }).await?;
        }
        refs::move_to(tx, repo.id, RefKind::Branch, "main", (commit_id, oid), "bench", at).await?;
        catalog::refresh(tx, repo.id).await?;
        Ok(())
    }

    /// A listing that no other repository has.
    fn listing(&self, number: u64) -> Result<Listing> {
        let mut entries = Vec::new();
        for index in 0..self.entries {
            let seed = number * self.entries + index;
            entries.push(TreeEntry {
                path: format!("part-{index:05}.bin").parse()?,
                kind: EntryKind::File,
                size: mixed(seed) % 1_000_000,
                oid: GitOid::of_blob(&seed.to_be_bytes()),
                lfs: None,
            });
        }
        Ok(Listing::build(entries)?)
    }
}

/// A card of frequent and rare words.
fn card(number: u64, task: &str, library: &str) -> Card {
    let seed = |what: u64| number.wrapping_mul(1_000).wrapping_add(what);
    let text: Vec<String> = (0..CARD_WORDS).map(|index| word(uneven(seed(index), VOCABULARY))).collect();
    let card = format!(
        "---\nlicense: {}\nlanguage: [{}]\npipeline_tag: {task}\nlibrary_name: {library}\ntags: [{}, {}]\n---\n{}\n",
        pick(&LICENSES, seed(900)),
        pick(&LANGUAGES, seed(901)),
        free_tag(uneven(seed(902), 2_000)),
        free_tag(uneven(seed(903), 2_000)),
        text.join(" ")
    );
    card::parse(card.as_bytes())
}
