//! The files that operators start from: their settings exist, their parts fit together, and what they promise is so.
//!
//! Neither containers nor systemd are started here. What those files do with the binary is done with the binary.

mod compose;
mod guide;
mod image;
mod unit;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use acervo_tests::binary;
use tempfile::TempDir;

/// Settings by variable.
type Settings = BTreeMap<String, String>;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn read(name: &str) -> String {
    std::fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The effective configuration under these variables, by key; one that the binary does not know ends the test.
fn effective(settings: &Settings) -> BTreeMap<String, String> {
    let folder = TempDir::new().unwrap();
    let output = binary::command(folder.path()).envs(settings).arg("check-config").output().unwrap();
    let ran = binary::Ran::from(output);
    assert!(ran.success, "{settings:?} are refused: {}", ran.stderr);
    let row = |line: &str| {
        let mut cells = line.split("  ").map(str::trim).filter(|cell| !cell.is_empty());
        (cells.next().unwrap_or_default().to_owned(), cells.next().unwrap_or_default().to_owned())
    };
    ran.stdout.lines().skip(1).map(row).collect()
}

/// The variables among these that set keys, each of which must be taken over as it stands.
fn assert_settings_are_in_force(settings: &Settings) {
    let found = effective(settings);
    for (variable, value) in settings {
        if let Some(key) = variable.strip_prefix("ACERVO__") {
            let key = key.to_lowercase().replace("__", ".");
            assert_eq!(found.get(&key), Some(value), "`{variable}` sets nothing in\n{found:#?}");
        } else {
            assert_eq!(variable, "ACERVO_CONFIG", "nothing else is read from the environment");
        }
    }
}

/// Secrets as the script makes them, in a folder that goes with the returned value.
fn made_secrets() -> (TempDir, PathBuf) {
    let folder = TempDir::new().unwrap();
    let secrets = folder.path().join("secrets");
    let output = Command::new(root().join("deploy/make-secrets")).arg(&secrets).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    (folder, secrets)
}

#[test]
fn the_binary_takes_the_reference_configuration() {
    let settings = [("ACERVO_CONFIG".to_owned(), root().join("deploy/acervo.toml").display().to_string())];
    let found = effective(&Settings::from(settings));
    assert_eq!(found["storage.url"], "file://data/store");
}

#[test]
fn a_setting_that_does_not_exist_would_be_noticed() {
    let folder = TempDir::new().unwrap();
    let mut command = binary::command(folder.path());
    let ran = binary::Ran::from(command.env("ACERVO__SERVER__BNID", "x").arg("check-config").output().unwrap());
    assert!(!ran.success && ran.stderr.contains("unknown key `server.bnid`"), "{ran:?}");
}
