//! Lists by every parameter that stock clients have for them, over mirrored repositories of every sort.

use acervo_core::RepoKind;
use acervo_tests::clients::run::Client;
use acervo_tests::clients::table::Table;
use acervo_tests::expect;
use acervo_tests::fake_upstream::FakeUpstream;
use acervo_tests::fixture::RepoFixture;
use acervo_tests::test_hub::TestHub;
use serde_json::{Value, json};

fn readme(card: &str) -> String {
    format!("---\n{card}\n---\n# A card\n\nIt speaks Guaraní.\n")
}

fn repos() -> Vec<RepoFixture> {
    let llama = RepoFixture::model("acme/llama-7b")
        .file("README.md", readme("license: mit\nlanguage: [gn, es]\npipeline_tag: text-generation\nlibrary_name: transformers\ndatasets: [acme/rows]\nco2_eq_emissions: 5"))
        .file("config.json", "{}")
        .tags(["region:us", "arxiv:2307.09288"])
        .info("pipeline_tag", json!("text-generation"))
        .info("safetensors", json!({"parameters": {"BF16": 7_000_000_000_u64}, "total": 7_000_000_000_u64}))
        .info("config", json!({"model_type": "llama"}));
    let gguf = RepoFixture::model("acme/llama-70b-gguf")
        .file(
            "README.md",
            readme("license: mit\nbase_model: acme/llama-7b\nbase_model_relation: quantized\ntags: [gguf]"),
        )
        .info("gguf", json!({"total": 70_000_000_000_u64, "architecture": "llama"}))
        .gated_auto()
        .grant([TOKEN]);
    let bert = RepoFixture::model("other/bert").file(
        "README.md",
        readme("license: apache-2.0\nlanguage: en\npipeline_tag: fill-mask\nlibrary_name: transformers"),
    );
    let rows = RepoFixture::dataset("acme/rows")
        .file(
            "README.md",
            readme("license: mit\nlanguage: gn\ntask_categories: [translation]\nsize_categories: [n<1K]"),
        )
        .tags([
            "task_ids:language-modeling",
            "multilinguality:monolingual",
            "language_creators:found",
            "benchmark:official",
        ]);
    let gated =
        RepoFixture::dataset("other/guarded").file("README.md", readme("license: mit")).gated_manual().grant([TOKEN]);
    let chat = RepoFixture::space("acme/chat")
        .file("README.md", readme("sdk: gradio\ntitle: Chat\nmodels: [acme/llama-7b]\ndatasets: [acme/rows]"))
        .tags(["gradio"]);
    let page = RepoFixture::space("other/page").file("README.md", readme("sdk: static\ntitle: A page"));
    vec![llama, gguf, bert, rows, gated, chat, page]
}

/// Acervo's own token at the upstream, which its gates let in.
const TOKEN: &str = "hf_ours";

/// What must come of each call. Repositories were mirrored in the order they stand in [`repos`].
fn queries() -> Value {
    let (llama, gguf, bert) = ("acme/llama-7b", "acme/llama-70b-gguf", "other/bert");
    let models = |args: Value, ids: &[&str]| json!({ "call": "list_models", "args": args, "ids": ids });
    let datasets = |args: Value, ids: &[&str]| json!({ "call": "list_datasets", "args": args, "ids": ids });
    let spaces = |args: Value, ids: &[&str]| json!({ "call": "list_spaces", "args": args, "ids": ids });
    let search = |args: Value, ids: &[&str]| json!({ "call": "search_spaces", "args": args, "ids": ids });
    let mut queries = vec![
        models(json!({}), &[llama, gguf, bert]),
        models(json!({"filter": "transformers"}), &[llama, bert]),
        models(json!({"filter": ["license:mit", "language:gn"]}), &[llama]),
        models(json!({"filter": ["region:us", "arxiv:2307.09288", "text-generation"]}), &[llama]),
        models(json!({"filter": "base_model:acme/llama-7b"}), &[gguf]),
        models(json!({"filter": "base_model:quantized:acme/llama-7b"}), &[gguf]),
        models(json!({"filter": ["license:mit", "en"]}), &[]),
        models(json!({"author": "acme"}), &[llama, gguf]),
        models(json!({"apps": "ollama"}), &[gguf]),
        models(json!({"apps": ["vllm"]}), &[llama]),
        models(json!({"apps": ["ollama", "vllm"]}), &[]),
        models(json!({"gated": true}), &[gguf]),
        models(json!({"gated": false}), &[llama, bert]),
        models(json!({"inference": "warm"}), &[]),
        models(json!({"inference_provider": "all"}), &[]),
        models(json!({"inference_provider": ["cohere"]}), &[]),
        models(json!({"trained_dataset": "acme/rows"}), &[llama]),
        models(json!({"trained_dataset": ["dataset:acme/rows", "x"]}), &[]),
        models(json!({"model_name": "llama"}), &[llama, gguf]),
        models(json!({"search": "LLAMA-7"}), &[llama, gguf]),
        models(json!({"search": "guarani"}), &[]),
        models(json!({"pipeline_tag": "fill-mask"}), &[bert]),
        models(json!({"num_parameters": "min:6B,max:8B"}), &[llama]),
        models(json!({"num_parameters": "min:6B"}), &[llama, gguf]),
        models(json!({"emissions_thresholds": [1, 10], "cardData": true}), &[llama]),
    ];
    let mut full = models(json!({"full": true, "author": "acme"}), &[llama, gguf]);
    full["has"] = json!(["sha", "siblings", "author", "gated", "disabled", "last_modified"]);
    let mut card = models(json!({"cardData": true, "fetch_config": true, "search": "7b"}), &[llama]);
    card["has"] = json!(["card_data", "config"]);
    let mut expand = models(json!({"expand": ["safetensors", "sha"], "search": "7b"}), &[llama]);
    expand["has"] = json!(["safetensors", "sha"]);
    expand["lacks"] = json!(["author", "card_data", "siblings"]);
    let mut cut = models(json!({"limit": 2}), &[bert, gguf]);
    cut["ordered"] = json!(true);
    queries.extend([full, card, expand, cut]);
    for sort in ["created_at", "downloads", "last_modified", "likes", "trending_score"] {
        queries.push(models(json!({"sort": sort}), &[llama, gguf, bert]));
        queries.push(datasets(json!({"sort": sort}), &["acme/rows", "other/guarded"]));
        queries.push(spaces(json!({"sort": sort}), &["acme/chat", "other/page"]));
    }
    for (name, value) in [
        ("filter", "license:mit"),
        ("author", "acme"),
        ("benchmark", "official"),
        ("dataset_name", "rows"),
        ("language_creators", "found"),
        ("language", "gn"),
        ("multilinguality", "monolingual"),
        ("size_categories", "n<1K"),
        ("task_categories", "translation"),
        ("task_ids", "language-modeling"),
        ("search", "row"),
    ] {
        let ids = if name == "filter" { vec!["acme/rows", "other/guarded"] } else { vec!["acme/rows"] };
        queries.push(datasets(json!({ name: value }), &ids));
    }
    let mut expand = datasets(json!({"expand": ["sha", "tags"], "search": "rows"}), &["acme/rows"]);
    expand["lacks"] = json!(["author", "siblings"]);
    let mut full = datasets(json!({"full": true}), &["acme/rows", "other/guarded"]);
    full["has"] = json!(["sha", "siblings"]);
    let mut last = datasets(json!({"limit": 1}), &["other/guarded"]);
    last["ordered"] = json!(true);
    queries.extend([expand, full, last]);
    queries.extend([
        datasets(json!({"benchmark": true}), &["acme/rows"]),
        datasets(json!({"gated": true}), &["other/guarded"]),
        datasets(json!({"gated": false}), &["acme/rows"]),
        datasets(json!({"language": ["gn", "en"]}), &[]),
        datasets(json!({"search": "acme", "dataset_name": "rows"}), &["acme/rows"]),
        spaces(json!({"filter": "gradio"}), &["acme/chat"]),
        spaces(json!({"author": "other"}), &["other/page"]),
        spaces(json!({"search": "chat"}), &["acme/chat"]),
        spaces(json!({"datasets": "acme/rows"}), &["acme/chat"]),
        spaces(json!({"models": ["acme/llama-7b"]}), &["acme/chat"]),
        spaces(json!({"models": "acme/llama-7b", "datasets": ["other/none"]}), &[]),
        spaces(json!({"linked": true}), &["acme/chat"]),
        spaces(json!({"limit": 1}), &["other/page"]),
        spaces(json!({"expand": ["sdk"], "search": "page"}), &["other/page"]),
        spaces(json!({"full": true}), &["acme/chat", "other/page"]),
        search(json!({"query": "guaraní"}), &["acme/chat", "other/page"]),
        search(json!({"query": "chat", "filter": "gradio"}), &["acme/chat"]),
        search(json!({"query": "guarani", "sdk": "static"}), &["other/page"]),
        search(json!({"query": "guarani", "sdk": ["static", "gradio"]}), &["acme/chat", "other/page"]),
        search(json!({"query": "page", "include_non_running": true}), &["other/page"]),
    ]);
    Value::Array(queries)
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_by_every_parameter_hold_what_stock_clients_ask_for() {
    let repos = repos();
    let upstream = FakeUpstream::start(repos.clone()).await.unwrap();
    let hub = TestHub::with(&upstream.endpoint(), |config| {
        config.upstream.token = Some(acervo::upstream::Secret::new(TOKEN));
    })
    .await;
    for repo in &repos {
        hub.synced(RepoKind::from_plural(repo.kind.plural()).unwrap(), &repo.name).await;
    }
    let mut stated = expect::repo(&repos[0]);
    stated.insert("queries".to_owned(), queries());
    stated.insert(
        "model_tags".to_owned(),
        json!({"license": ["license:apache-2.0", "license:mit"], "region": ["region:us"]}),
    );
    stated.insert("dataset_tags".to_owned(), json!({"size_categories": ["size_categories:n<1K"]}));
    let scenes = json!({ "catalog": stated });
    let (table, mut failures, mut asked) = (Table::load(), Vec::new(), 0);
    for client in &table.clients {
        let cases = table.runs(&client.id, &["catalog"]);
        if !cases.is_empty() {
            asked += 1;
            failures.extend(Client::named(&client.id).run(hub.url(), &scenes, &cases).await);
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
    assert!(asked >= 2, "{asked} clients have asked");
}
