//! What the Python cases must see, stated from the fixture alone: never from what the hub under test answered.

use serde_json::{Map, Value, json};

use crate::fixture::{FixtureFile, Kind, RepoFixture};

/// One file as its commit declares it.
fn file(file: &FixtureFile) -> Value {
    json!({ "size": file.size(), "sha256": file.sha256, "oid": file.oid, "lfs": file.is_lfs() })
}

/// All files of a fixture at a revision.
pub fn files(fixture: &RepoFixture, revision: &str) -> Value {
    let entries = fixture.files_at(revision).iter().map(|(path, entry)| (path.clone(), file(entry)));
    Value::Object(entries.collect::<Map<String, Value>>())
}

/// The part of an expectation that concerns the repository itself.
pub fn repo(fixture: &RepoFixture) -> Map<String, Value> {
    let kind = match fixture.kind {
        Kind::Model => "model",
        Kind::Dataset => "dataset",
        Kind::Space => "space",
    };
    let expect = json!({
        "repo": fixture.name,
        "repo_type": kind,
        "revision": "main",
        "commit": fixture.head(),
        "files": files(fixture, "main"),
    });
    match expect {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}
