//! The description of a repository at a commit, as `GET /api/{type}/{repo}` and lists of repositories give it.

use acervo_core::card::strings;
use acervo_core::{RepoKind, Timestamp, Visibility};
use acervo_store::db::commits::{CardFacts, Commit};
use acervo_store::db::repos::{Gated, Repo};
use acervo_store::db::trees::StoredEntry;
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::upstream_info::{Safetensors, TransformersInfo, UpstreamFacts, text};
use crate::app::catalog;

/// How access to a gated repository is given.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum GateName {
    /// To whoever asks.
    Auto,
    /// By a maintainer.
    Manual,
}

/// `false`, or how access is given: `"auto"`, `"manual"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(untagged)]
#[schema(example = json!(false))]
pub enum GatedMark {
    /// Not gated: `false`.
    Open(bool),
    /// Gated: `"auto"` or `"manual"`.
    #[schema(value_type = GateName)]
    Asks(&'static str),
}

impl From<Gated> for GatedMark {
    fn from(gated: Gated) -> Self {
        match gated {
            Gated::None => GatedMark::Open(false),
            Gated::Auto => GatedMark::Asks("auto"),
            Gated::Manual => GatedMark::Asks("manual"),
        }
    }
}

/// LFS identity of a file; the key is `sha256` here and `oid` in trees.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SiblingLfs {
    /// SHA-256 of the content, in hex.
    #[schema(example = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08")]
    pub sha256: String,
    /// Bytes of the content.
    pub size: u64,
    /// Bytes of the pointer text.
    pub pointer_size: u64,
}

/// A file of a repository.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Sibling {
    /// Path.
    #[schema(example = "config.json")]
    pub rfilename: String,
    /// Bytes of the content; with `blobs`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// Git blob id, for LFS files the pointer's; with `blobs`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "a1d9c1b8d0a7d1b9c7dc3e8c2e0a6c6f2b6a1e34")]
    pub blob_id: Option<String>,
    /// LFS identity; with `blobs`, for LFS files.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lfs: Option<SiblingLfs>,
}

impl Sibling {
    /// The view of a file, with its identity if `blobs` is asked for.
    pub fn new(stored: &StoredEntry, blobs: bool) -> Self {
        let entry = &stored.entry;
        let lfs = entry.lfs.filter(|_| blobs).map(|lfs| SiblingLfs {
            sha256: lfs.sha256.to_hex(),
            size: entry.size,
            pointer_size: lfs.pointer_size,
        });
        Sibling {
            rfilename: entry.path.to_string(),
            size: blobs.then_some(entry.size),
            blob_id: blobs.then(|| entry.oid.to_hex()),
            lfs,
        }
    }
}

/// A repository at a commit. Every field but the ids may be absent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RepoInfo {
    /// Random id that stays when the repository is renamed; 24 hex digits.
    #[serde(rename = "_id")]
    #[schema(example = "66f2a1c09d3e4b5f60718293")]
    pub public_id: String,
    /// `namespace/name`.
    #[schema(example = "mistralai/Mistral-7B-v0.1")]
    pub id: String,
    /// The same, for old clients; models only.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "mistralai/Mistral-7B-v0.1")]
    pub model_id: Option<String>,
    /// Namespace.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "mistralai")]
    pub author: Option<String>,
    /// Commit id.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "7231864981174d9bee8c7687c24c8344414eae6b")]
    pub sha: Option<String>,
    /// Whether only some callers can see it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub private: Option<bool>,
    /// Whether its contents wait for consent, and how that is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gated: Option<GatedMark>,
    /// Whether it was withdrawn.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disabled: Option<bool>,
    /// When the commit was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime, example = "2023-11-14T22:13:20.007Z")]
    pub last_modified: Option<Timestamp>,
    /// When the repository was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime, example = "2023-09-20T13:03:50.000Z")]
    pub created_at: Option<Timestamp>,
    /// Downloads from this hub.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub downloads: Option<u64>,
    /// The same: they are counted from the first day on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub downloads_all_time: Option<u64>,
    /// Always 0: there are no likes here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub likes: Option<u64>,
    /// Tags under which it is listed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = json!(["transformers", "text-generation", "license:apache-2.0"]))]
    pub tags: Option<Vec<String>>,
    /// Task.
    #[serde(rename = "pipeline_tag", skip_serializing_if = "Option::is_none")]
    #[schema(example = "text-generation")]
    pub pipeline_tag: Option<String>,
    /// Library that loads it.
    #[serde(rename = "library_name", skip_serializing_if = "Option::is_none")]
    #[schema(example = "transformers")]
    pub library_name: Option<String>,
    /// Text that stands for what a model fills in.
    #[serde(rename = "mask_token", skip_serializing_if = "Option::is_none")]
    #[schema(example = "<mask>")]
    pub mask_token: Option<String>,
    /// What a space runs on.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "gradio")]
    pub sdk: Option<String>,
    /// What a dataset's card says of it in a sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "Sentences in Guarani")]
    pub description: Option<String>,
    /// How a dataset asks to be cited, in upstream's words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub citation: Option<String>,
    /// Name of a dataset in another catalogue, as its card has it.
    #[serde(rename = "paperswithcode_id", skip_serializing_if = "Option::is_none")]
    pub paperswithcode_id: Option<String>,
    /// Models that a space uses, as its card has them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub models: Option<Vec<String>>,
    /// Datasets that a space uses, as its card has them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub datasets: Option<Vec<String>>,
    /// Fields of the card.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>, example = json!({"license": "apache-2.0", "language": ["en"]}))]
    pub card_data: Option<Map<String, Value>>,
    /// Excerpt of the model's configuration.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>, example = json!({"model_type": "mistral"}))]
    pub config: Option<Map<String, Value>>,
    /// How transformers loads the model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transformers_info: Option<TransformersInfo>,
    /// Parameter counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub safetensors: Option<Safetensors>,
    /// Header of a GGUF file.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>, example = json!({"architecture": "llama", "context_length": 32768}))]
    pub gguf: Option<Map<String, Value>>,
    /// Evaluation results.
    #[serde(rename = "model-index", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<Object>>, example = json!([]))]
    pub model_index: Option<Vec<Value>>,
    /// Example inputs.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<Object>>, example = json!([{"text": "Hello"}]))]
    pub widget_data: Option<Vec<Value>>,
    /// Files.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub siblings: Option<Vec<Sibling>>,
    /// Bytes of all files.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub used_storage: Option<u64>,
    /// The same, for datasets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub main_size: Option<u64>,
}

impl RepoInfo {
    /// The view of a repository at a commit; files and their bytes are added by who has them.
    pub fn new(repo: &Repo, commit: &Commit, card: &CardFacts) -> Self {
        let facts = UpstreamFacts::from_info(commit.upstream_info.as_ref());
        let data = card.data.as_ref().and_then(Value::as_object);
        let is = |kind: RepoKind| repo.kind == kind;
        RepoInfo {
            public_id: repo.public_id.clone(),
            id: repo.name.to_string(),
            model_id: is(RepoKind::Model).then(|| repo.name.to_string()),
            author: Some(repo.name.namespace().to_owned()),
            sha: Some(commit.oid.to_hex()),
            private: Some(repo.visibility != Visibility::Public),
            gated: Some(repo.gated.into()),
            disabled: Some(false),
            last_modified: Some(catalog::modified_at(repo, commit)),
            created_at: Some(repo.born_at),
            downloads: Some(u64::try_from(repo.downloads).unwrap_or(0)),
            downloads_all_time: Some(u64::try_from(repo.downloads).unwrap_or(0)),
            likes: Some(0),
            tags: Some(card.tags.clone()),
            pipeline_tag: facts.pipeline_tag.or_else(|| first(data, "pipeline_tag")),
            library_name: facts.library_name.or_else(|| first(data, "library_name")),
            mask_token: facts.mask_token,
            sdk: facts.sdk.or_else(|| first(data, "sdk")).filter(|_| is(RepoKind::Space)),
            description: data.and_then(|data| text(data, "description")).filter(|_| is(RepoKind::Dataset)),
            citation: facts.citation.filter(|_| is(RepoKind::Dataset)),
            paperswithcode_id: data.and_then(|data| text(data, "paperswithcode_id")).filter(|_| is(RepoKind::Dataset)),
            models: named(data, "models").filter(|_| is(RepoKind::Space)),
            datasets: named(data, "datasets").filter(|_| is(RepoKind::Space)),
            card_data: data.cloned(),
            config: facts.config,
            transformers_info: facts.transformers_info,
            safetensors: facts.safetensors,
            gguf: facts.gguf,
            model_index: facts.model_index,
            widget_data: facts.widget_data,
            siblings: None,
            used_storage: None,
            main_size: None,
        }
    }
}

/// The first text of a card's field.
fn first(data: Option<&Map<String, Value>>, field: &str) -> Option<String> {
    strings(data?, field).first().filter(|text| !text.is_empty()).map(|&text| text.to_owned())
}

/// The texts of a card's field, if it has any.
fn named(data: Option<&Map<String, Value>>, field: &str) -> Option<Vec<String>> {
    let texts: Vec<String> = strings(data?, field).into_iter().map(str::to_owned).collect();
    Some(texts).filter(|texts| !texts.is_empty())
}

/// Only the named fields of a description, beside its ids; a name it does not have changes nothing.
pub fn project(info: &RepoInfo, names: &[impl AsRef<str>]) -> Result<Value, serde_json::Error> {
    let mut value = serde_json::to_value(info)?;
    if let Value::Object(fields) = &mut value {
        let wanted = |key: &str| matches!(key, "_id" | "id") || names.iter().any(|name| name.as_ref() == key);
        fields.retain(|key, _| wanted(key));
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use acervo_core::listing::{EntryKind, LfsIdentity};
    use acervo_core::{RepoKind, Selection, Timestamp, TreeEntry, Visibility};
    use acervo_store::db::commits::{CardFacts, Commit, State};
    use acervo_store::db::repos::{Gated, Origin, Repo};
    use acervo_store::db::trees::StoredEntry;
    use serde_json::{Value, json};

    use super::{RepoInfo, Sibling, project};

    fn repo(kind: RepoKind) -> Repo {
        Repo {
            id: 987_654,
            public_id: "66f2a1c09d3e4b5f60718293".to_owned(),
            kind,
            name: "acme/tiny".parse().unwrap(),
            namespace_id: 987_655,
            visibility: Visibility::Internal,
            gated: Gated::Manual,
            gate_terms: None,
            upstream_gated: Gated::None,
            origin: Origin::Mirror,
            upstream_endpoint: Some("https://hub.example".to_owned()),
            upstream_name: Some("acme/Tiny".to_owned()),
            born_at: Timestamp::from_millis(1_600_000_000_000),
            default_branch: "main".to_owned(),
            downloads: 12,
            updated_at: Timestamp::from_millis(1_700_000_000_007),
        }
    }

    fn commit(upstream_info: Value) -> Commit {
        Commit {
            id: 987_656,
            oid: "0123456789abcdef0123456789abcdef01234567".parse().unwrap(),
            state: State::Visible,
            title: "Add weights".to_owned(),
            message: String::new(),
            authors: vec!["ana".to_owned()],
            committed_at: Some(Timestamp::from_millis(1_650_000_000_000)),
            predecessor: None,
            upstream_listing_id: Some(1),
            served_listing_id: Some(2),
            selection: Selection::default(),
            upstream_info: Some(upstream_info),
        }
    }

    fn files() -> Vec<StoredEntry> {
        let entry = |path: &str, size, lfs| StoredEntry {
            entry: TreeEntry {
                path: path.parse().unwrap(),
                kind: EntryKind::File,
                size,
                oid: "89abcdef0123456789abcdef0123456789abcdef".parse().unwrap(),
                lfs,
            },
            blob: None,
        };
        let lfs = LfsIdentity { sha256: "cd".repeat(32).parse().unwrap(), pointer_size: 134 };
        vec![entry("config.json", 571, None), entry("model.safetensors", 4_000_000_000, Some(lfs))]
    }

    fn upstream_info() -> Value {
        json!({
            "_id": "upstream", "id": "acme/Tiny", "sha": "f".repeat(40), "downloads": 5_000_000, "likes": 77,
            "private": "no", "gated": 1, "tags": ["region:us"], "xetEnabled": true,
            "pipeline_tag": "text-generation", "library_name": "transformers", "mask_token": "<mask>",
            "config": {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "xet_hash": "00"},
            "safetensors": {"parameters": {"BF16": 2_000_000_000_u64}, "total": 2_000_000_000_u64},
            "gguf": {"total": 1, "architecture": "llama", "context_length": 4096},
            "transformersInfo": {"auto_model": "AutoModelForCausalLM", "processor": "AutoTokenizer"},
            "model-index": [{"name": "tiny", "results": [{"source": {"url": "https://hub.example/board"}}]}],
            "widgetData": [{"text": "Hello"}], "spaces": ["acme/demo"], "cardData": {"license": "from upstream"},
        })
    }

    fn card() -> CardFacts {
        let data = json!({"license": "mit", "language": ["en", "gn"], "pipeline_tag": "from the card"});
        CardFacts { data: Some(data), tags: vec!["en".to_owned(), "license:mit".to_owned()] }
    }

    #[test]
    fn a_full_description_has_this_shape() {
        let mut info = RepoInfo::new(&repo(RepoKind::Model), &commit(upstream_info()), &card());
        info.siblings = Some(files().iter().map(|file| Sibling::new(file, true)).collect());
        info.used_storage = Some(4_000_000_571);
        insta::assert_json_snapshot!("full_model_info", info);
    }

    #[test]
    fn nothing_of_the_wrong_type_and_no_key_of_the_database_is_shown() {
        for hostile in [json!(1), json!("https://hub.example"), json!([1]), json!({"a": 1}), json!(null), json!(true)] {
            let names = ["config", "safetensors", "gguf", "transformersInfo", "model-index", "widgetData", "cardData"];
            let texts = ["mask_token", "pipeline_tag", "library_name", "sdk", "description", "tags", "siblings"];
            let all: Value = names.iter().chain(&texts).map(|name| ((*name).to_owned(), hostile.clone())).collect();
            let card = CardFacts { data: Some(all.clone()), tags: Vec::new() };
            for kind in RepoKind::ALL {
                let shown = serde_json::to_value(RepoInfo::new(&repo(kind), &commit(all.clone()), &card)).unwrap();
                let is_right = |name: &str, right: fn(&Value) -> bool| shown.get(name).is_none_or(right);
                for name in ["config", "gguf", "cardData"] {
                    assert!(is_right(name, Value::is_object), "{name}: {hostile}");
                }
                for name in ["model-index", "widgetData", "tags"] {
                    assert!(is_right(name, Value::is_array), "{name}: {hostile}");
                }
                for name in &texts[..5] {
                    assert!(is_right(name, Value::is_string), "{name}: {hostile}");
                }
                for name in ["safetensors", "transformersInfo", "siblings"] {
                    assert_eq!(shown.get(name), None, "{name}: {hostile}");
                }
                assert!(!shown.to_string().contains("98765"), "{shown}");
            }
        }
    }

    #[test]
    fn a_description_without_card_and_upstream_has_the_basic_fields() {
        let bare = Commit { upstream_info: None, committed_at: None, ..commit(json!(null)) };
        let open = Repo { visibility: Visibility::Public, gated: Gated::None, ..repo(RepoKind::Dataset) };
        let shown = serde_json::to_value(RepoInfo::new(&open, &bare, &CardFacts::default())).unwrap();
        assert_eq!(
            shown,
            json!({
                "_id": "66f2a1c09d3e4b5f60718293", "id": "acme/tiny", "author": "acme",
                "sha": "0123456789abcdef0123456789abcdef01234567", "private": false, "gated": false, "disabled": false,
                "lastModified": "2023-11-14T22:13:20.007Z", "createdAt": "2020-09-13T12:26:40.000Z",
                "downloads": 12, "downloadsAllTime": 12, "likes": 0, "tags": [],
            })
        );
    }

    #[test]
    fn the_card_speaks_where_upstream_is_silent() {
        let data =
            json!({"pipeline_tag": "fill-mask", "library_name": "spacy", "sdk": "gradio", "description": "A set"});
        let card = CardFacts { data: Some(data), tags: Vec::new() };
        let info = |kind| RepoInfo::new(&repo(kind), &commit(json!({})), &card);
        let model = info(RepoKind::Model);
        assert_eq!((model.pipeline_tag.as_deref(), model.library_name.as_deref()), (Some("fill-mask"), Some("spacy")));
        assert_eq!((model.sdk, model.description), (None, None));
        assert_eq!(info(RepoKind::Space).sdk.as_deref(), Some("gradio"));
        assert_eq!(info(RepoKind::Dataset).description.as_deref(), Some("A set"));
    }

    #[test]
    fn projections_keep_ids_and_ignore_unknown_names() {
        let info = RepoInfo::new(&repo(RepoKind::Model), &commit(upstream_info()), &card());
        assert_eq!(
            project(&info, &["sha", "nonsense", "model-index"]).unwrap(),
            json!({
                "_id": "66f2a1c09d3e4b5f60718293", "id": "acme/tiny",
                "sha": "0123456789abcdef0123456789abcdef01234567",
                "model-index": [{"name": "tiny", "results": [{"source": {}}]}],
            })
        );
    }

    #[test]
    fn files_without_blobs_have_only_their_names() {
        let views: Vec<Sibling> = files().iter().map(|file| Sibling::new(file, false)).collect();
        let names = json!([{"rfilename": "config.json"}, {"rfilename": "model.safetensors"}]);
        assert_eq!(serde_json::to_value(views).unwrap(), names);
    }
}
