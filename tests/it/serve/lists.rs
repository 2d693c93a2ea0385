//! Lists of repositories: searched, filtered, sorted, in pages.

use std::collections::BTreeSet;

use acervo_core::{RepoKind, Visibility};
use acervo_tests::test_hub::TestHub;
use serde_json::Value;

use super::{alone, commit, field, get, json, pages};

/// Name, and the card it is listed by.
const MODELS: [(&str, &str); 5] = [
    (
        "acme/llama-tiny",
        "license: apache-2.0\nlanguage: [gn, es]\npipeline_tag: text-generation\nlibrary_name: transformers",
    ),
    ("acme/llama-big", "license: apache-2.0\nlanguage: es\npipeline_tag: text-generation\nbase_model: acme/llama-tiny"),
    ("acme-labs/bert", "license: mit\nlanguage: en\npipeline_tag: fill-mask\nlibrary_name: transformers\ntags: [Demo]"),
    ("other/Llama_100", "license: mit\ndatasets: [acme/rows]"),
    ("other/plain", ""),
];

async fn listed() -> TestHub {
    let hub = alone().await;
    for (name, card) in MODELS {
        let readme = if card.is_empty() { "# No card\n".to_owned() } else { format!("---\n{card}\n---\n# {name}\n") };
        let files: &[(&str, &[u8])] = &[("README.md", readme.as_bytes()), ("config.json", b"{}")];
        commit(&hub, (RepoKind::Model, name, Visibility::Public), files).await;
    }
    let card = b"---\nlicense: mit\nlanguage: gn\ntask_categories: [translation]\nsize_categories: n<1K\n---\n";
    commit(&hub, (RepoKind::Dataset, "acme/rows", Visibility::Public), &[("README.md", card)]).await;
    let card = b"---\nsdk: gradio\nlicense: mit\n---\n";
    commit(&hub, (RepoKind::Space, "acme/demo", Visibility::Public), &[("README.md", card)]).await;
    hub
}

fn set(items: &Value) -> BTreeSet<&str> {
    field(items.as_array().expect("a list"), "id").into_iter().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_is_narrowed_by_every_word_of_the_question() {
    let hub = listed().await;
    let all = MODELS.map(|(name, _)| name);
    let [tiny, big, bert, odd, _plain] = all;
    for (query, expected) in [
        ("", &all[..]),
        ("?search=llama", &[tiny, big, odd]),
        ("?search=LLAMA&search=acme", &[tiny, big]),
        ("?search=acme%2Fll", &[tiny, big]),
        ("?search=a_1", &[odd]),
        ("?search=a%251", &[]),
        ("?search=%25", &[]),
        ("?search=_", &[odd]),
        ("?search=nothing", &[]),
        ("?author=acme", &[tiny, big]),
        ("?author=ACME", &[tiny, big]),
        ("?author=acme-labs", &[bert]),
        ("?author=acm", &[]),
        ("?author=acme&search=big", &[big]),
        ("?filter=license%3Amit", &[bert, odd]),
        ("?filter=license%3Amit&filter=transformers", &[bert]),
        ("?filter=license%3Amit,transformers", &[bert]),
        ("?filter=es&filter=gn", &[tiny]),
        ("?filter=language%3Aes", &[tiny, big]),
        ("?filter=demo", &[bert]),
        ("?filter=dataset%3Aacme%2Frows", &[odd]),
        ("?filter=base_model%3Aacme%2Fllama-tiny", &[big]),
        ("?filter=text-generation&filter=license%3Amit", &[]),
        ("?pipeline_tag=text-generation", &[tiny, big]),
        ("?pipeline_tag=text-generation&library=transformers", &[tiny]),
        ("?library=transformers&filter=license%3Amit", &[bert]),
        ("?sort=trendingScore&direction=-1&emissions_thresholds=1&gated=false", &all),
    ] {
        let list = json(&hub, &format!("/api/models{query}")).await;
        assert_eq!(set(&list), expected.iter().copied().collect(), "{query}");
    }
    assert_eq!(
        set(&json(&hub, "/api/datasets?filter=language%3Agn&filter=task_categories%3Atranslation").await),
        ["acme/rows"].into()
    );
    assert_eq!(
        set(&json(&hub, "/api/datasets?filter=size_categories%3An%3C1K&search=row").await),
        ["acme/rows"].into()
    );
    let spaces = json(&hub, "/api/spaces?author=acme").await;
    assert_eq!((set(&spaces), &spaces[0]["sdk"]), (["acme/demo"].into(), &Value::from("gradio")));
}

#[tokio::test(flavor = "multi_thread")]
async fn following_the_links_of_a_list_gives_every_repository_exactly_once() {
    let hub = listed().await;
    for query in
        ["", "sort=createdAt&", "sort=downloads&", "sort=lastModified&direction=-1&", "full=true&", "search=a&"]
    {
        for limit in [1, 2, 3, 5, 1000] {
            let address = format!("/api/models?{query}limit={limit}");
            let pages = pages(&hub, &address).await;
            let found = field(pages.iter().flatten(), "id");
            assert_eq!(found.len(), 5, "{address}: {found:?}");
            assert_eq!(
                found.iter().copied().collect::<BTreeSet<_>>(),
                MODELS.map(|(name, _)| name).into(),
                "{address}"
            );
            assert!(pages.iter().all(|page| page.len() <= limit), "{address}");
        }
    }
    let two = pages(&hub, "/api/models?search=llama&author=acme&limit=1").await;
    assert_eq!(two.iter().map(Vec::len).collect::<Vec<_>>(), [1, 1]);
    let newest = json(&hub, "/api/models?sort=createdAt").await;
    let mut expected = MODELS.map(|(name, _)| name);
    expected.reverse();
    assert_eq!(field(newest.as_array().unwrap(), "id"), expected);
    for cursor in ["x", "*", "AAAA", "bm90IGEgbnVtYmVyIGFjbWUvdGlueQ"] {
        let answer = get(&hub, &format!("/api/models?cursor={cursor}")).await;
        assert_eq!(answer.refusal(), (400, ""), "{cursor}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn items_hold_what_was_asked_for() {
    let hub = listed().await;
    let item = |query: &'static str| {
        let hub = &hub;
        async move { json(hub, &format!("/api/models?search=llama-tiny{query}")).await[0].clone() }
    };
    let names = |item: &Value| -> Vec<String> { item.as_object().unwrap().keys().cloned().collect() };

    let basic = item("").await;
    for name in
        ["_id", "id", "modelId", "likes", "downloads", "private", "tags", "createdAt", "pipeline_tag", "library_name"]
    {
        assert!(names(&basic).iter().any(|found| found == name), "{name} is missing: {basic}");
    }
    assert_eq!((basic.get("siblings"), basic.get("cardData")), (None, None));
    let full = item("&full=true&cardData=True").await;
    assert_eq!(field(full["siblings"].as_array().unwrap(), "rfilename"), ["README.md", "config.json"]);
    assert_eq!(full["cardData"]["license"], "apache-2.0");
    for name in ["sha", "lastModified", "author", "gated", "disabled"] {
        assert!(names(&full).iter().any(|found| found == name), "{name} is missing: {full}");
    }
    let mut expanded = names(&item("&expand=sha&expand=siblings&expand=unheardOf").await);
    expanded.sort_unstable();
    assert_eq!(expanded, ["_id", "id", "sha", "siblings"]);
}
