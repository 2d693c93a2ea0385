//! What the crate walls do not enforce by themselves: who imports whom, how long files grow, what has words.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Longest file, without its tests.
const FILE_LINES_MAX: usize = 600;

/// Longest file of tests.
const TEST_LINES_MAX: usize = 800;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Every Rust source below these folders, by its path from the root.
fn sources(folders: &[&str]) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut waiting: Vec<PathBuf> = folders.iter().map(|folder| root().join(folder)).collect();
    while let Some(folder) = waiting.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                waiting.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(root()).unwrap().to_string_lossy().into_owned();
                found.insert(name, std::fs::read_to_string(&path).unwrap());
            }
        }
    }
    assert!(!found.is_empty(), "no sources in {folders:?}");
    found
}

/// Lines that are code: no comments, nothing below the tests of a file.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines()
        .enumerate()
        .take_while(|(_, line)| !line.starts_with("#[cfg(test)]"))
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
}

fn violations(sources: &BTreeMap<String, String>, wrong: impl Fn(&str, &str) -> bool) -> Vec<String> {
    let mut found = Vec::new();
    for (name, text) in sources.iter().filter(|(name, _)| !name.contains("/tests")) {
        for (number, line) in code(text) {
            if wrong(name, line) {
                found.push(format!("{name}:{}: {}", number + 1, line.trim()));
            }
        }
    }
    found
}

#[test]
fn layers_import_only_what_stands_below_them() {
    // Folder of the hub, and the modules it must not name.
    let rules: [(&str, &[&str]); 8] = [
        ("server/hub/src/app/", &["crate::http", "crate::worker", "crate::cli", "actix_web", "crate::demo"]),
        ("server/hub/src/upstream/", &["crate::app", "crate::http", "crate::worker", "crate::cli", "acervo_store::db"]),
        ("server/hub/src/hooks/", &["crate::app", "crate::http", "crate::worker", "crate::cli", "acervo_store"]),
        ("server/hub/src/outward/", &["crate::"]),
        ("server/hub/src/http/", &["crate::worker::jobs", "crate::cli", "crate::upstream", "crate::demo"]),
        ("server/hub/src/worker/", &["crate::http", "crate::cli", "actix_web", "crate::demo"]),
        ("server/hub/src/cli/", &["actix_web"]),
        ("server/hub/src/", &["sea_orm", "object_store"]),
    ];
    let sources = sources(&["server/hub/src"]);
    let found = violations(&sources, |name, line| {
        rules
            .iter()
            .any(|(folder, banned)| name.starts_with(folder) && banned.iter().any(|module| line.contains(module)))
    });
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn manifests_keep_the_crate_walls() {
    let rules: [(&str, &[&str]); 4] = [
        ("server/core/Cargo.toml", &["tokio", "sea-orm", "object_store", "actix", "acervo-"]),
        ("migrations/Cargo.toml", &["acervo-core", "acervo-store"]),
        ("web/Cargo.toml", &["tokio", "actix", "acervo-store", "sea-orm"]),
        ("server/hub/Cargo.toml", &["sea-orm", "object_store", "sqlx"]),
    ];
    for (manifest, banned) in rules {
        let text = std::fs::read_to_string(root().join(manifest)).unwrap();
        let dependencies = text.split("[dependencies]").nth(1).unwrap().split("\n[").next().unwrap();
        for name in banned {
            assert!(!dependencies.lines().any(|line| line.starts_with(name)), "{manifest} lists {name}");
        }
    }
    let store = std::fs::read_to_string(root().join("server/store/Cargo.toml")).unwrap();
    let dependencies = store.split("[dependencies]").nth(1).unwrap().split("\n[").next().unwrap();
    assert!(!dependencies.contains("acervo-migrations"), "the store must not migrate");
}

#[test]
fn only_the_dialect_and_the_migrations_name_a_database() {
    let sources = sources(&["server/core/src", "server/store/src", "server/hub/src", "web/src"]);
    let found = violations(&sources, |name, line| {
        let lower = line.to_lowercase();
        let names_one = lower.contains("sqlite") || lower.contains("postgres") || lower.contains("pragma");
        // The demonstration and the default need an address to open.
        let address = lower.contains("sqlite://");
        !name.starts_with("server/store/src/db/dialect") && names_one && !address
    });
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn files_stay_readable() {
    let sources = sources(&["server", "migrations", "web", "tests"]);
    let mut long = Vec::new();
    for (name, text) in &sources {
        let is_test = name.starts_with("tests/") || name.contains("/tests");
        let (lines, most) = if is_test {
            (text.lines().count(), TEST_LINES_MAX)
        } else {
            (text.lines().take_while(|line| !line.starts_with("#[cfg(test)]")).count(), FILE_LINES_MAX)
        };
        if lines > most {
            long.push(format!("{name}: {lines} lines"));
        }
    }
    assert!(long.is_empty(), "{}", long.join("\n"));
}

#[test]
fn every_module_says_what_it_owns() {
    let sources = sources(&["server", "migrations", "web", "tests"]);
    let silent: Vec<&String> =
        sources.iter().filter(|(_, text)| !text.starts_with("//!")).map(|(name, _)| name).collect();
    assert!(silent.is_empty(), "{silent:?}");
}

#[test]
fn every_column_has_a_sentence() {
    let sources = sources(&["server/store/src/db/entity"]);
    let mut columns = 0;
    for (name, text) in &sources {
        let lines: Vec<&str> = text.lines().collect();
        let Some(start) = lines.iter().position(|line| line.starts_with("pub struct Model")) else { continue };
        for (offset, line) in lines[start..].iter().take_while(|line| **line != "}").enumerate() {
            if line.trim_start().starts_with("pub ") && line.starts_with("    ") {
                columns += 1;
                let above = lines[..start + offset].iter().rev().find(|above| !above.trim_start().starts_with("#["));
                assert!(above.is_some_and(|above| above.trim_start().starts_with("///")), "{name}: {line}");
            }
        }
    }
    assert!(columns > 100, "only {columns} columns were seen");
}

#[test]
fn nothing_is_put_off_skipped_or_waited_out() {
    let folders = ["server", "migrations", "web", "tests"];
    let mut found = Vec::new();
    for (name, text) in sources(&folders) {
        if name == "tests/it/tidy.rs" {
            continue;
        }
        for (number, line) in text.lines().enumerate() {
            // The benchmark measures time, and waits for the servers of others.
            let is_bench = name.starts_with("tests/src/bench/");
            let is_test = !is_bench && (name.starts_with("tests/") || name.contains("/tests"));
            let slept = is_test && line.contains("sleep(");
            if slept
                || ["todo!", "unimplemented!", "#[ignore", "FIXME", "TODO", "XXX"]
                    .iter()
                    .any(|mark| line.contains(mark))
            {
                found.push(format!("{name}:{}: {}", number + 1, line.trim()));
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}
