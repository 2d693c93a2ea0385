//! `docs/operations.md`: what it names exists.

use std::collections::BTreeSet;

use acervo::metrics::{HookLabels, Metrics, RequestLabels};
use acervo_tests::binary;
use tempfile::TempDir;

use super::{Settings, effective, read};

/// What stands between backticks, one line each, and in fenced blocks.
fn literals(text: &str) -> BTreeSet<&str> {
    let (mut found, mut is_fenced) = (BTreeSet::new(), false);
    for line in text.lines() {
        if line.starts_with("```") {
            is_fenced = !is_fenced;
        } else if is_fenced {
            found.insert(line.trim());
        } else {
            found.extend(line.split('`').skip(1).step_by(2));
        }
    }
    assert!(!is_fenced, "a fenced block does not end");
    found
}

/// All code below a folder, where the kinds of events are written.
fn code_below(folder: &str) -> String {
    let (mut text, mut folders) = (String::new(), vec![super::root().join(folder)]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                text.push_str(&std::fs::read_to_string(path).unwrap());
            }
        }
    }
    text
}

#[test]
fn every_setting_the_guide_names_exists() {
    let guide = read("docs/operations.md");
    let known = effective(&Settings::new());
    let sections: BTreeSet<&str> = known.keys().map(|key| key.split('.').next().unwrap()).collect();
    let events = code_below("server/hub/src");
    let (mut named, mut unknown) = (0, Vec::new());
    for literal in literals(&guide) {
        // `key` or `key = value`, and in the environment's spelling.
        let word = literal.split([' ', '=']).next().unwrap_or_default();
        let key = match word.strip_prefix("ACERVO__") {
            Some(variable) => variable.to_lowercase().replace("__", "."),
            None => word.to_owned(),
        };
        let Some((section, rest)) = key.split_once('.') else { continue };
        let is_name = rest.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
        if sections.contains(section) && is_name && !rest.is_empty() {
            named += 1;
            // Some sections go by the name of a family of events.
            if !known.contains_key(&key) && !events.contains(&format!("\"{key}\"")) {
                unknown.push(key);
            }
        }
    }
    assert!(unknown.is_empty(), "the guide names keys that do not exist: {unknown:?}");
    assert!(named >= 20, "only {named} settings were seen");
}

#[test]
fn every_metric_is_in_the_guide_and_no_other() {
    let guide = read("docs/operations.md");
    let metrics = Metrics::new();
    // A family shows itself from its first member on.
    metrics.requests.get_or_create(&RequestLabels { method: "GET", route: "/", status: 200 }).inc();
    metrics.webhook_deliveries.get_or_create(&HookLabels { hook: "chat".to_owned(), outcome: "dead" }).inc();
    let text = metrics.encode();
    let mut missing: BTreeSet<&str> =
        text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    for literal in literals(&guide) {
        let Some(name) = literal.split('{').next().filter(|name| name.starts_with("acervo_")) else { continue };
        let name =
            ["_total", "_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name);
        assert!(text.contains(&format!("# TYPE {name} ")), "the guide names the metric `{literal}`");
        missing.remove(name);
    }
    assert!(missing.is_empty(), "not in the guide: {missing:?}");
}

#[test]
fn every_command_the_guide_shows_exists() {
    let guide = read("docs/operations.md");
    let folder = TempDir::new().unwrap();
    let mut seen = BTreeSet::new();
    for literal in literals(&guide) {
        let Some(rest) = literal.strip_prefix("acervo ") else { continue };
        // Up to the first option or value: those of a command are told by capitals, slashes and dashes.
        let words =
            rest.split_whitespace().take_while(|word| word.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'));
        let words: Vec<&str> = words.take_while(|word| !word.starts_with('-')).take(2).collect();
        if seen.insert(words.clone()) {
            let ran = binary::run(folder.path(), &[&words[..], &["--help"]].concat());
            assert!(ran.success, "`{literal}`: {}", ran.stderr);
        }
    }
    assert!(seen.len() >= 4, "{seen:?}");
}
