//! What a repository is found by: its tags and their sorts, the applications it fits, its number of parameters.
//!
//! Everything is read from what its card and its upstream say of it, both of which come from strangers. Finding and
//! sorting is the store's business.

use serde_json::Value;

use crate::card::{TAG_BYTES_MAX, strings};
use crate::name::{RepoId, RepoKind};
use crate::words::Words;

/// Sorts of tags that are written before them, as in `license:mit`; the others stand bare.
const PREFIXES: [&str; 17] = [
    "arxiv",
    "base_model",
    "benchmark",
    "dataset",
    "doi",
    "format",
    "language",
    "language_creators",
    "library",
    "license",
    "modality",
    "model",
    "multilinguality",
    "region",
    "size_categories",
    "task_categories",
    "task_ids",
];

/// Bare tags that name a library although no card says so.
const LIBRARIES: [&str; 38] = [
    "adapter-transformers",
    "allennlp",
    "asteroid",
    "bertopic",
    "coreml",
    "diffusers",
    "espnet",
    "fastai",
    "fasttext",
    "flair",
    "gguf",
    "jax",
    "keras",
    "ml-agents",
    "mlx",
    "nemo",
    "onnx",
    "open_clip",
    "openvino",
    "paddlenlp",
    "peft",
    "pyannote-audio",
    "pytorch",
    "rust",
    "safetensors",
    "sentence-transformers",
    "setfit",
    "sklearn",
    "spacy",
    "span-marker",
    "speechbrain",
    "stable-baselines3",
    "stanza",
    "tensorboard",
    "tf",
    "tflite",
    "timm",
    "transformers",
];

/// Sort of a tag that is none of the others.
const OTHER: &str = "other";

/// Begins what is kept beside the tags and found by a parameter of its own. No tag has control characters.
const FACET: char = '\u{1}';

/// Applications that read GGUF files.
const GGUF_APPS: [&str; 9] = [
    "llama.cpp",
    "ollama",
    "lmstudio",
    "jan",
    "docker-model-runner",
    "node-llama-cpp",
    "koboldcpp",
    "jellybox",
    "lemonade",
];

/// Servers of text that load models of transformers.
const TEXT_SERVERS: [&str; 3] = ["vllm", "sglang", "tgi"];

/// Tasks that those serve.
const SERVED_TASKS: [&str; 2] = ["text-generation", "image-text-to-text"];

/// What a repository has that a parameter of a list asks for, and that is no tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Facet<'a> {
    /// The task it is for; one at most.
    Task(&'a str),
    /// The library that loads it.
    Library(&'a str),
    /// An application that can run it.
    App(&'a str),
    /// A model that a space uses.
    UsesModel(&'a str),
    /// A dataset that a space uses.
    UsesDataset(&'a str),
    /// That a space uses a model or a dataset at all.
    IsLinked,
    /// What a space runs on.
    Sdk(&'a str),
    /// A provider that answers with it. Nothing here has one: who asks finds nothing.
    Inference(&'a str),
}

impl Facet<'_> {
    /// The key under which it is kept and found.
    pub fn key(self) -> String {
        let (sort, value) = match self {
            Facet::Task(task) => ("task", task),
            Facet::Library(library) => ("library", library),
            Facet::App(app) => ("app", app),
            Facet::UsesModel(id) => ("model", id),
            Facet::UsesDataset(id) => ("dataset", id),
            Facet::IsLinked => ("linked", ""),
            Facet::Sdk(sdk) => ("sdk", sdk),
            Facet::Inference(provider) => ("inference", provider),
        };
        format!("{FACET}{sort}:{}", value.to_lowercase())
    }
}

/// The key under which a tag is found, whatever its case.
///
/// Models carry their languages as bare tags, and are asked for by `language:` all the same.
pub fn tag_key(kind: RepoKind, tag: &str) -> String {
    let lower = tag.to_lowercase();
    match (kind, lower.strip_prefix("language:")) {
        (RepoKind::Model, Some(language)) => language.to_owned(),
        _ => lower,
    }
}

/// One key of a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// What it is found by; unique in a repository.
    pub key: String,
    /// Sort of the tag, as in `license`; empty for what is no tag.
    pub sort: String,
    /// How the tag is written, if otherwise than the key.
    pub spelling: Option<String>,
}

/// What is known of a repository at a commit.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// Model, dataset or space.
    pub kind: RepoKind,
    /// Its name.
    pub name: &'a RepoId,
    /// Tags under which it is shown.
    pub tags: &'a [String],
    /// Fields of its card.
    pub card: Option<&'a Value>,
    /// What its upstream says of it.
    pub upstream: Option<&'a Value>,
}

/// What a repository is found by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// Its tags, and facets beside them.
    pub keys: Vec<Key>,
    /// Number of its parameters, if that is known.
    pub parameters: Option<u64>,
    /// Words of its name and tags.
    pub labels: Words,
}

/// Reads what a repository is found by.
pub fn describe(facts: &Facts<'_>) -> Entry {
    let mut entry = Entry { parameters: parameters(facts.upstream), ..Entry::default() };
    entry.labels.add(facts.name.as_str());
    let languages = texts(facts.card, "language");
    let task = text(facts.upstream, "pipeline_tag").or_else(|| text(facts.card, "pipeline_tag"));
    let library = text(facts.upstream, "library_name").or_else(|| text(facts.card, "library_name"));
    for tag in facts.tags {
        entry.labels.add(tag);
        let sort = sort(facts.kind, tag, task, library, &languages);
        let (key, spelling) = (tag_key(facts.kind, tag), Some(tag.clone()));
        entry.add(Key { spelling: spelling.filter(|tag| *tag != key), key, sort: sort.to_owned() });
    }
    let mut facet = |facet: Facet<'_>| {
        let key = facet.key();
        if key.len() <= TAG_BYTES_MAX {
            entry.add(Key { key, sort: String::new(), spelling: None });
        }
    };
    task.into_iter().for_each(|task| facet(Facet::Task(task)));
    library.into_iter().for_each(|library| facet(Facet::Library(library)));
    match facts.kind {
        RepoKind::Model => apps(facts, task, library).into_iter().for_each(|app| facet(Facet::App(app))),
        RepoKind::Dataset => {}
        RepoKind::Space => {
            let sdk = text(facts.upstream, "sdk").or_else(|| text(facts.card, "sdk"));
            sdk.into_iter().for_each(|sdk| facet(Facet::Sdk(sdk)));
            let uses = |field| [texts(facts.card, field), texts(facts.upstream, field)].concat();
            let (models, datasets) = (uses("models"), uses("datasets"));
            if !models.is_empty() || !datasets.is_empty() {
                facet(Facet::IsLinked);
            }
            models.into_iter().for_each(|id| facet(Facet::UsesModel(id)));
            datasets.into_iter().for_each(|id| facet(Facet::UsesDataset(id)));
        }
    }
    entry
}

impl Entry {
    fn add(&mut self, key: Key) {
        // Tags that differ in case only are one; there are a thousand at most.
        if !self.keys.iter().any(|known| known.key == key.key) {
            self.keys.push(key);
        }
    }
}

/// The sort of a tag, as hubs name it in their lists of tags.
fn sort<'a>(kind: RepoKind, tag: &'a str, task: Option<&str>, library: Option<&str>, languages: &[&str]) -> &'a str {
    if let Some((prefix, _)) = tag.split_once(':')
        && let Some(known) = PREFIXES.into_iter().find(|known| *known == prefix)
    {
        return known;
    }
    if task == Some(tag) {
        return "pipeline_tag";
    }
    if library == Some(tag) || LIBRARIES.contains(&tag) {
        return "library";
    }
    let is_code = tag.len() == 2 && tag.bytes().all(|b| b.is_ascii_lowercase());
    if languages.contains(&tag) || (kind == RepoKind::Model && is_code) { "language" } else { OTHER }
}

/// Applications that can run a model, by what its files are known to be.
fn apps(facts: &Facts<'_>, task: Option<&str>, library: Option<&str>) -> Vec<&'static str> {
    let has = |name: &str| library == Some(name) || facts.tags.iter().any(|tag| tag == name);
    let mut apps = Vec::new();
    if has("gguf") || facts.upstream.is_some_and(|info| info.get("gguf").is_some_and(Value::is_object)) {
        apps.extend(GGUF_APPS);
    }
    if has("mlx") {
        apps.push("mlx-lm");
    }
    if has("transformers") && task.is_some_and(|task| SERVED_TASKS.contains(&task)) {
        apps.extend(TEXT_SERVERS);
    }
    apps
}

/// Number of parameters: what the headers of its weights add up to.
fn parameters(info: Option<&Value>) -> Option<u64> {
    let total = |field: &str| info?.get(field)?.get("total")?.as_u64().filter(|total| *total > 0);
    total("safetensors").or_else(|| total("gguf"))
}

/// A field that is one text, or the first of a list.
fn text<'a>(fields: Option<&'a Value>, name: &str) -> Option<&'a str> {
    texts(fields, name).into_iter().next()
}

/// A field that is one text or a list, without empty ones.
fn texts<'a>(fields: Option<&'a Value>, name: &str) -> Vec<&'a str> {
    let found = fields.and_then(Value::as_object).map(|fields| strings(fields, name)).unwrap_or_default();
    found.into_iter().filter(|text| !text.is_empty() && !text.chars().any(char::is_control)).collect()
}

/// Reads a number of parameters as people write it: `7B`, `1.5b`, `350M`, `1000000`.
pub fn parse_parameters(text: &str) -> Option<u64> {
    let text = text.trim();
    let (number, power) = match text.chars().last()?.to_ascii_uppercase() {
        'K' => (&text[..text.len() - 1], 3),
        'M' => (&text[..text.len() - 1], 6),
        'B' => (&text[..text.len() - 1], 9),
        'T' => (&text[..text.len() - 1], 12),
        _ => (text, 0_usize),
    };
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    let is_number = |digits: &str| digits.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || part.len() > power || !is_number(whole) || !is_number(part) {
        return None;
    }
    format!("{whole}{part:0<power$}").parse().ok()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Entry, Facet, Facts, describe, parse_parameters, tag_key};
    use crate::name::RepoKind;

    fn described(kind: RepoKind, tags: &[&str], card: &Value, upstream: &Value) -> Entry {
        let tags: Vec<String> = tags.iter().map(|&tag| tag.to_owned()).collect();
        let name = "acme/Tiny-Llama".parse().unwrap();
        describe(&Facts { kind, name: &name, tags: &tags, card: Some(card), upstream: Some(upstream) })
    }

    fn sorts(entry: &Entry) -> Vec<(&str, &str)> {
        entry.keys.iter().filter(|key| !key.sort.is_empty()).map(|key| (key.key.as_str(), key.sort.as_str())).collect()
    }

    fn has(entry: &Entry, facet: Facet<'_>) -> bool {
        entry.keys.iter().any(|key| key.key == facet.key())
    }

    #[test]
    fn tags_are_sorted_as_hubs_do() {
        let tags =
            ["transformers", "text-generation", "gn", "guarani", "license:MIT", "arxiv:1", "mine", "odd:x", "Mine"];
        let card = json!({"language": ["gn", "guarani"], "pipeline_tag": "text-generation"});
        let entry = described(RepoKind::Model, &tags, &card, &json!({}));
        assert_eq!(
            sorts(&entry),
            [
                ("transformers", "library"),
                ("text-generation", "pipeline_tag"),
                ("gn", "language"),
                ("guarani", "language"),
                ("license:mit", "license"),
                ("arxiv:1", "arxiv"),
                ("mine", "other"),
                ("odd:x", "other"),
            ]
        );
        assert_eq!(entry.keys[4].spelling.as_deref(), Some("license:MIT"));
        assert_eq!(
            entry.labels.to_stored(),
            "acme tiny llama transformers text generation gn guarani license mit arxiv 1 mine odd x"
        );
    }

    #[test]
    fn tasks_libraries_and_applications_are_found_where_no_tag_says_so() {
        let upstream = json!({"pipeline_tag": "text-generation", "library_name": "transformers", "gguf": {"total": 7}});
        let entry = described(RepoKind::Model, &[], &json!({"pipeline_tag": "fill-mask"}), &upstream);
        for facet in
            [Facet::Task("text-generation"), Facet::Library("transformers"), Facet::App("ollama"), Facet::App("vllm")]
        {
            assert!(has(&entry, facet), "{facet:?}");
        }
        assert!(!has(&entry, Facet::Task("fill-mask")), "upstream knows better than the card");
        assert_eq!(entry.parameters, Some(7));
        let none = described(RepoKind::Model, &["fill-mask"], &json!({}), &json!({"gguf": 1}));
        assert_eq!((none.keys.len(), none.parameters), (1, None));
    }

    #[test]
    fn spaces_are_found_by_what_they_use() {
        let card = json!({"models": ["acme/A", 1], "datasets": "acme/rows", "sdk": "gradio"});
        let entry = described(RepoKind::Space, &[], &card, &json!({"models": ["acme/b"]}));
        for facet in [
            Facet::UsesModel("acme/a"),
            Facet::UsesModel("ACME/b"),
            Facet::UsesDataset("acme/rows"),
            Facet::IsLinked,
            Facet::Sdk("gradio"),
        ] {
            assert!(has(&entry, facet), "{facet:?}");
        }
        assert!(!has(&described(RepoKind::Space, &[], &json!({}), &json!({})), Facet::IsLinked));
    }

    #[test]
    fn languages_of_models_are_asked_for_in_two_ways() {
        assert_eq!(tag_key(RepoKind::Model, "language:GN"), "gn");
        assert_eq!(tag_key(RepoKind::Dataset, "language:GN"), "language:gn");
    }

    #[test]
    fn numbers_of_parameters_are_read_as_people_write_them() {
        for (text, number) in [
            ("7B", 7_000_000_000),
            ("1.5b", 1_500_000_000),
            ("350M", 350_000_000),
            ("0.5K", 500),
            ("12", 12),
            ("2T", 2_000_000_000_000),
        ] {
            assert_eq!(parse_parameters(text), Some(number), "{text}");
        }
        for wrong in ["", "B", "-1B", "1.5", "x", "1.2.3M", "99999999999999999999", "1é", "7 B"] {
            assert_eq!(parse_parameters(wrong), None, "{wrong}");
        }
    }
}
