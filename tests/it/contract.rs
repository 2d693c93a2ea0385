//! The table of what stock clients rely on: every row of it is held by tests that exist, and by cases that some client runs.

use std::collections::BTreeSet;
use std::path::Path;

use acervo_tests::clients::table::Table;
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Contract {
    row: Vec<Row>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    relies: String,
    #[serde(default)]
    tests: Vec<String>,
    #[serde(default)]
    cases: Vec<String>,
}

/// Tests of this binary by their paths, as its sources have them.
fn tests_below(folder: &Path, module: &str, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let within = if module.is_empty() { name } else { format!("{module}::{name}") };
        if path.is_dir() {
            tests_below(&path, &within, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            let mut is_test = false;
            for line in text.lines() {
                if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
                    is_test = true;
                } else if let Some((_, rest)) = line.split_once("fn ").filter(|_| is_test) {
                    found.insert(format!("{within}::{}", rest.split(['(', '<']).next().unwrap()));
                    is_test = false;
                }
            }
        }
    }
}

#[test]
fn every_row_of_what_clients_rely_on_is_held_by_a_test() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let contract: Contract = toml::from_str(&std::fs::read_to_string(folder.join("contract.toml")).unwrap()).unwrap();
    let mut tests = BTreeSet::new();
    tests_below(&folder.join("it"), "", &mut tests);
    assert!(tests.contains("contract::every_row_of_what_clients_rely_on_is_held_by_a_test"), "tests are not found");
    let table = Table::load();
    let mut wrong = Vec::new();
    for Row { relies, tests: named, cases } in &contract.row {
        if named.is_empty() && cases.is_empty() {
            wrong.push(format!("nothing holds `{relies}`"));
        }
        for name in named {
            let is_there = match name.strip_suffix('*') {
                Some(module) => tests.iter().any(|test| test.starts_with(module)),
                None => tests.contains(name),
            };
            if !is_there {
                wrong.push(format!("there is no test `{name}`, which should hold `{relies}`"));
            }
        }
        for name in cases {
            let is_run = table
                .cases
                .iter()
                .filter(|case| case.name == *name)
                .any(|case| table.clients.iter().any(|client| case.reason(&client.id).is_none()));
            if !is_run {
                wrong.push(format!("no client runs `{name}`, which should hold `{relies}`"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
