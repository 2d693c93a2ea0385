//! Lists of repositories: searched, filtered, sorted, in pages.

use std::collections::BTreeSet;

use acervo::app::catalog;
use acervo_core::{RepoKind, Role, Visibility};
use acervo_store::db::{refs, repos, search};
use acervo_tests::test_hub::TestHub;
use serde_json::Value;

use super::{Answer, alone, commit, field, get, json, pages};

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
        ("?gated=true", &[]),
        ("?num_parameters=min:1", &[]),
        ("?search=ll%C3%A1ma", &[tiny, big, odd]),
        ("?apps=vllm", &[tiny]),
        ("?apps=ollama", &[]),
        ("?inference=warm", &[]),
        ("?inference_provider=all", &[]),
        ("?filter=%00", &[]),
        ("?author=%00&search=%00", &[]),
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
    let card = b"---\nmodels: [acme/llama-tiny]\ndatasets: [acme/rows]\n---\n";
    commit(&hub, (RepoKind::Space, "acme/uses", Visibility::Public), &[("README.md", card)]).await;
    for query in ["linked=true", "models=acme%2FLlama-tiny", "datasets=acme%2Frows&models=acme%2Fllama-tiny"] {
        assert_eq!(set(&json(&hub, &format!("/api/spaces?{query}")).await), ["acme/uses"].into(), "{query}");
    }
    assert_eq!(set(&json(&hub, "/api/spaces?models=acme%2Fother").await), [].into());
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_come_in_every_order() {
    let hub = alone().await;
    for (name, bytes) in [("acme/b", 300), ("acme/C", 100), ("acme/a", 200)] {
        let weights = vec![7; bytes];
        let files: &[(&str, &[u8])] = &[("README.md", b"# x\n"), ("weights.bin", &weights)];
        commit(&hub, (RepoKind::Model, name, Visibility::Public), files).await;
    }
    for (query, expected) in [
        ("", ["acme/a", "acme/C", "acme/b"]),
        ("?sort=createdAt&direction=1", ["acme/b", "acme/C", "acme/a"]),
        ("?sort=created_at", ["acme/a", "acme/C", "acme/b"]),
        ("?sort=lastModified&direction=-1", ["acme/a", "acme/C", "acme/b"]),
        ("?sort=mainSize", ["acme/b", "acme/a", "acme/C"]),
        ("?sort=id", ["acme/a", "acme/b", "acme/C"]),
        ("?sort=id&direction=-1", ["acme/C", "acme/b", "acme/a"]),
    ] {
        let list = json(&hub, &format!("/api/models{query}")).await;
        assert_eq!(field(list.as_array().unwrap(), "id"), expected, "{query}");
    }
    for sort in ["downloads", "likes", "likes30d", "trendingScore", "num_parameters"] {
        assert_eq!(json(&hub, &format!("/api/models?sort={sort}")).await.as_array().unwrap().len(), 3, "{sort}");
    }
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

#[tokio::test(flavor = "multi_thread")]
async fn a_list_counts_what_the_caller_may_see_and_nothing_else() {
    let hub = listed().await;
    let readme: &[(&str, &[u8])] = &[("README.md", b"---\nlicense: secret\ntags: [hush]\n---\nAn axolotl.\n")];
    commit(&hub, (RepoKind::Model, "acme/private-llama", Visibility::Private), readme).await;
    commit(&hub, (RepoKind::Model, "acme/internal-llama", Visibility::Internal), readme).await;
    let (reader, stranger) = (hub.token("reader", Role::Reader).await, hub.stranger("eve").await);
    for (token, visible) in [
        (None, &[][..]),
        (Some(&stranger), &["acme/internal-llama"]),
        (Some(&reader), &["acme/internal-llama", "acme/private-llama"]),
    ] {
        let ask = |path: &str| {
            let request = hub.get(path);
            Answer::to(if let Some(token) = token { request.bearer_auth(token) } else { request })
        };
        for (query, open) in [("", 5), ("?search=llama", 3), ("?author=acme", 2), ("?filter=hush", 0), ("?limit=1", 5)]
        {
            let answer = ask(&format!("/api/models{query}")).await;
            assert_eq!(answer.header("x-total-count"), (open + visible.len()).to_string(), "{token:?} {query}");
        }
        let found = ask("/api/models?search=-llama").await.json();
        assert_eq!(set(&found), visible.iter().copied().collect(), "{token:?}");
        let quick = ask("/api/quicksearch?q=axolotl").await.json();
        assert_eq!(set(&quick["models"]), visible.iter().copied().collect(), "{token:?}");
        let tags = ask("/api/models-tags-by-type").await.json();
        let licenses = field(tags["license"].as_array().unwrap(), "label");
        assert_eq!(licenses.contains(&"secret"), !visible.is_empty(), "{token:?}: {licenses:?}");
        let page = ask("/?search=axolotl").await;
        for name in ["acme/internal-llama", "acme/private-llama"] {
            assert_eq!(page.text().contains(name), visible.contains(&name), "{token:?} {name}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_list_does_not_know_is_refused_with_what_it_knows() {
    let hub = listed().await;
    let first = get(&hub, "/api/models?limit=1&search=a").await;
    let next = first.next(&hub).expect("a next page");
    let cursor = next.split_once("cursor=").unwrap().1;
    for (query, said) in [
        ("sort=nonsense".to_owned(), "`sort` cannot be `nonsense`; use createdAt"),
        ("gated=perhaps".to_owned(), "use true, false, auto or manual"),
        ("num_parameters=7B".to_owned(), "`min:6B,max:128B`"),
        (format!("limit=1&search=b&cursor={cursor}"), "for this question"),
        (format!("limit=1&search=a&sort=likes&cursor={cursor}"), "for this question"),
    ] {
        let refused = get(&hub, &format!("/api/models?{query}")).await;
        assert_eq!(refused.refusal(), (400, ""), "{query}");
        assert!(refused.header("x-error-message").contains(said), "{query}: {}", refused.header("x-error-message"));
        assert!(refused.json()["error"].is_string(), "{query}");
    }
    assert_eq!(get(&hub, &format!("/api/datasets?limit=1&search=a&cursor={cursor}")).await.status, 400);
    assert_eq!(get(&hub, &format!("/api/models?limit=3&full=1&search=a&cursor={cursor}")).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_lose_and_repeat_nothing_while_repositories_come_and_change() {
    let hub = alone().await;
    let names: Vec<String> = (0..12).map(|number| format!("acme/model-{number:02}")).collect();
    let publish = async |name: &str, text: String| {
        let files: &[(&str, &[u8])] = &[("README.md", text.as_bytes())];
        commit(&hub, (RepoKind::Model, name, Visibility::Public), files).await
    };
    for name in &names {
        publish(name, "first".to_owned()).await;
    }
    for query in ["sort=createdAt", "sort=createdAt&direction=1", "sort=id", "sort=id&direction=-1", "sort=downloads"] {
        let mut next = Some(format!("/api/models?{query}&limit=2&author=acme"));
        let (mut found, mut round) = (Vec::new(), 0);
        while let Some(path) = next {
            assert!(round < 50, "{query}: the pages do not end: {found:?}");
            let answer = get(&hub, &path).await;
            assert_eq!(answer.status, 200, "{path}: {}", answer.text());
            found.extend(field(answer.json().as_array().unwrap(), "id").into_iter().map(str::to_owned));
            // Everything moves in between: one that was shown, one that was not, and one that is new.
            publish(&names[0], format!("{query} {round}")).await;
            publish(&names[11], format!("{query} {round}")).await;
            publish(&format!("other/new-{}-{round}", query.len()), "new".to_owned()).await;
            next = answer.next(&hub);
            round += 1;
        }
        found.sort_unstable();
        assert_eq!(found, names, "{query}");
    }
    // Those that move to the front were either shown before or are missed, but never twice, and the others never.
    let mut next = Some("/api/models?sort=lastModified&limit=2&author=acme".to_owned());
    let mut found = Vec::new();
    while let Some(path) = next {
        let answer = get(&hub, &path).await;
        found.extend(field(answer.json().as_array().unwrap(), "id").into_iter().map(str::to_owned));
        publish(&names[5], format!("again {}", found.len())).await;
        next = answer.next(&hub);
    }
    let shown: BTreeSet<&String> = found.iter().collect();
    assert_eq!(shown.len(), found.len(), "{found:?}");
    assert!(names.iter().filter(|name| **name != names[5]).all(|name| shown.contains(name)), "{found:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn searches_find_names_before_tags_before_cards() {
    let hub = listed().await;
    let readme: &[(&str, &[u8])] =
        &[("README.md", "---\nlicense: mit\n---\nKnows the Ñandú, and a llama.\n".as_bytes())];
    commit(&hub, (RepoKind::Model, "other/birds", Visibility::Public), readme).await;
    let found = async |query: &str| {
        let answer = json(&hub, &format!("/api/quicksearch?{query}")).await;
        let ids = |plural: &str| -> Option<Vec<String>> {
            Some(field(answer.get(plural)?.as_array()?, "id").into_iter().map(str::to_owned).collect())
        };
        ["models", "datasets", "spaces"].map(ids)
    };
    let [models, datasets, spaces] = found("q=llama").await;
    let expected = ["other/Llama_100", "acme/llama-big", "acme/llama-tiny", "other/birds"];
    assert_eq!(models.unwrap(), expected, "begins so, the latest first; then what only the card says");
    assert_eq!((datasets.unwrap().len(), spaces.unwrap().len()), (0, 0));
    assert_eq!(found("q=nandu&type=model").await, [Some(vec!["other/birds".to_owned()]), None, None]);
    assert_eq!(found("q=ROWS&type=dataset,space").await, [None, Some(vec!["acme/rows".to_owned()]), Some(Vec::new())]);
    assert_eq!(found("q=llama&type=model&limit=2").await[0].as_ref().unwrap().len(), 2);
    for nothing in ["", "q=", "q=%00", "q=%27%22", "q=xyzzy"] {
        assert_eq!(found(nothing).await[0].as_ref().unwrap().len(), 0, "{nothing}");
    }
    // Lists look at names alone, as clients expect.
    assert_eq!(json(&hub, "/api/models?search=nandu").await, Value::Array(Vec::new()));
    let spaces = json(&hub, "/api/spaces/semantic-search?q=mit&sdk=gradio&sdk=docker").await;
    assert_eq!((set(&spaces), &spaces[0]["title"]), (["acme/demo"].into(), &Value::from("demo")));
    assert_eq!(json(&hub, "/api/spaces/semantic-search?q=mit&sdk=docker").await, Value::Array(Vec::new()));
    let page = get(&hub, "/?search=nandu").await;
    assert!(page.text().contains("other/birds"), "{}", page.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn tags_are_told_by_their_sort() {
    let hub = listed().await;
    let tags = json(&hub, "/api/models-tags-by-type").await;
    assert_eq!(field(tags["license"].as_array().unwrap(), "id"), ["license:apache-2.0", "license:mit"]);
    assert_eq!(tags["license"][1], serde_json::json!({"id": "license:mit", "label": "mit", "type": "license"}));
    assert_eq!(field(tags["pipeline_tag"].as_array().unwrap(), "id"), ["fill-mask", "text-generation"]);
    assert_eq!(field(tags["language"].as_array().unwrap(), "id"), ["en", "es", "gn"]);
    assert_eq!(field(tags["library"].as_array().unwrap(), "id"), ["transformers"]);
    assert_eq!(field(tags["other"].as_array().unwrap(), "id"), ["Demo"]);
    let tags = json(&hub, "/api/datasets-tags-by-type").await;
    assert_eq!(field(tags["size_categories"].as_array().unwrap(), "label"), ["n<1K"]);
    assert_eq!(field(tags["language"].as_array().unwrap(), "id"), ["language:gn"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_published_before_there_were_lists_is_found_after_a_start() {
    let hub = listed().await;
    let tiny = repos::by_name(hub.hub().db().reader(), RepoKind::Model, "acme/llama-tiny").await.unwrap().unwrap();
    let head = refs::heads(hub.hub().db().reader(), &[(tiny.id, "main")]).await.unwrap()[&tiny.id];
    search::set_card_words(hub.hub().db().writer(), head, None).await.unwrap();
    search::remove(hub.hub().db().writer(), tiny.id).await.unwrap();
    hub.hub().caches().clear();
    assert_eq!(get(&hub, "/api/models").await.header("x-total-count"), "4");

    let hub = hub.restart("http://127.0.0.1:9").await;
    assert_eq!(get(&hub, "/api/models").await.header("x-total-count"), "5");
    let found = json(&hub, "/api/models?search=llama-tiny&filter=gn").await;
    assert_eq!(set(&found), ["acme/llama-tiny"].into());
    // Its card is the worker's business, which reads what is stored.
    assert_eq!(catalog::read_cards(hub.hub()).await.unwrap(), 1);
    assert_eq!(catalog::read_cards(hub.hub()).await.unwrap(), 0);
    let words = search::card_words(hub.hub().db().reader(), head).await.unwrap();
    assert_eq!(words, "acme llama tiny");
    assert_eq!(catalog::catch_up(hub.hub()).await.unwrap(), 0);
}
