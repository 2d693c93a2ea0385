//! What a mirrors file says, and what is said to one that cannot be used.

use super::parse;
use crate::access::Visibility;
use crate::name::RepoKind;
use crate::order::{Follow, Limits, Order, Specific};

fn one(text: &str) -> Order {
    let mut orders = parse(text).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(orders.len(), 1);
    orders.remove(0)
}

#[test]
fn an_order_says_what_it_says_and_the_defaults_the_rest() {
    let order = one(r#"
        [defaults]
        schedule = "0 3 * * *"
        time_zone = "Europe/Berlin"
        presets = ["no-duplicates"]
        visibility = "internal"
        repo_bytes_max = "40 GB"

        [mirror.mistral]
        repos = ["mistralai/*", "gpt2"]
        except = ["mistralai/*-GGUF"]
        revisions = ["main", "v1.*"]
        newest_tags = 2
        exclude = ["*.md"]
        presets = []
        windows = [{ days = ["sat", "sun"], from = "22:00", to = "06:00", bytes_per_second = "50 MB" }]
        upstreams = ["https://one.example/", "https://two.example"]
        as = "hub/{name}"
        readers = ["ana"]
    "#);
    assert_eq!((order.name.as_str(), order.kind), ("mistral", RepoKind::Model));
    assert_eq!(order.wants("mistralai/Mistral-7B"), Some(Specific::Pattern));
    assert_eq!((order.wants("gpt2"), order.wants("mistralai/x-GGUF")), (Some(Specific::Id), None));
    let Follow { revisions, newest_tags, newest_commits } = &order.rules.follow;
    assert_eq!((revisions.len(), *newest_tags, *newest_commits), (2, Some(2), None));
    assert_eq!(order.rules.selection.exclude, ["*.md"]);
    assert!(order.rules.selection.presets.is_empty(), "what an order says wins, even if it says none");
    assert_eq!(order.rules.limits, Limits { file_bytes_max: None, repo_bytes_max: Some(40_000_000_000) });
    assert_eq!(order.rules.timing.time_zone.as_str(), "Europe/Berlin");
    assert_eq!(order.rules.timing.windows[0].bytes_per_second, Some(50_000_000));
    assert_eq!(order.rules.upstreams, ["https://one.example", "https://two.example"]);
    assert_eq!(order.visibility, Visibility::Internal);

    let stored = serde_json::to_string(&order).unwrap();
    assert_eq!(serde_json::from_str::<Order>(&stored).unwrap(), order);
}

#[test]
fn orders_come_as_they_stand_in_the_file() {
    let orders = parse("[mirror.b]\nrepos = ['a/b']\n[mirror.a]\nrepos = ['a/c']\n").unwrap();
    let names: Vec<&str> = orders.iter().map(|order| order.name.as_str()).collect();
    assert_eq!(names, ["b", "a"]);
    assert!(parse("").unwrap().is_empty());
}

#[test]
fn what_is_wrong_is_told_with_its_place_and_what_to_write() {
    let head = "[mirror.x]\nrepos = ['a/b']\n";
    let cases = [
        ("[mirror.x]\nrepoz = ['a/b']\n", (2, 1), "unknown key `repoz`; did you mean `repos`?"),
        ("[miror.x]\nrepos = ['a/b']\n", (1, 2), "did you mean `mirror`?"),
        ("[mirror.x]\nrepos = ['a/b', 'a/b/c']\n", (2, 17), "`b/c`"),
        ("[mirror.x]\nrepos = ['*/b']\n", (2, 10), "name the namespace"),
        ("[mirror.x]\n", (1, 1), "names no repository"),
        ("[mirror.x]\nrepos = ['a/*']\nas = 'lab/one'\n", (1, 1), "`lab/{name}`"),
        (&format!("{head}schedule = 'nightly'\n"), (3, 12), "`0 3 * * *`"),
        (&format!("{head}time_zone = 'Berlin'\n"), (3, 13), "`Europe/Berlin`"),
        (&format!("{head}presets = ['gguf']\n"), (3, 12), "`gguf:Q4_K_M`"),
        (&format!("{head}repo_bytes_max = '4 QB'\n"), (3, 18), "`40 GB`"),
        (&format!("{head}include = ['[a']\n"), (3, 12), "not a valid pattern"),
        (&format!("{head}revisions = ['a..b']\n"), (3, 14), "revision"),
        (&format!("{head}newest_tags = 0\n"), (3, 15), "from 1 to 100"),
        (&format!("{head}visibility = 'secret'\n"), (3, 14), "public, internal or private"),
        (&format!("{head}upstreams = ['https://user@host']\n"), (3, 14), "`https://host`"),
        (&format!("{head}windows = [{{ form = '22:00', to = '06:00' }}]\n"), (3, 14), "did you mean `from`?"),
        ("[defaults]\nrepos = ['a/b']\n", (1, 1), "move them"),
        ("[mirror.x\n", (1, 10), "invalid"),
    ];
    for (text, place, said) in cases {
        let error = parse(text).unwrap_err();
        assert!(error.to_string().contains(said), "{text}\n{error}");
        assert_eq!((error.line, error.column), place, "{text}\n{error}");
    }
}

#[test]
fn the_example_names_every_key_and_can_be_used() {
    let example = include_str!("../../../../../deploy/mirrors.toml");
    let orders = parse(example).unwrap_or_else(|error| panic!("deploy/mirrors.toml, {error}"));
    assert_eq!(orders.len(), 3);
    for (order, text) in
        orders.iter().zip(["mistralai/Mistral-7B-v0.1", "sentence-transformers/all-MiniLM-L6-v2", "lab/corpus-1"])
    {
        assert!(order.wants(text).is_some(), "{text}");
        assert!(order.rules.timing.schedule.is_some());
    }
    let error = parse("[mirror.x]\nzzzzzzzzzzzzzzzzzzzz = 1\n").unwrap_err().to_string();
    let known: Vec<&str> = error.split_once("known are ").unwrap().1.split(", ").collect();
    assert!(known.len() > 20, "{error}");
    for key in known {
        let named = |line: &str| line.trim_start_matches("# ").starts_with(&format!("{key} = "));
        assert!(example.lines().any(named), "`{key}` is not in deploy/mirrors.toml");
    }
}
