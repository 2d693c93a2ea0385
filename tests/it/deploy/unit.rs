//! `acervo.service`.

use acervo::config::Config;
use acervo_tests::binary::{self, Ran};
use tempfile::TempDir;

use super::{Settings, assert_settings_are_in_force, read, root};

/// Values of a setting of the unit, those of lines to be taken by need included.
fn all(name: &str) -> Vec<String> {
    let text = read("deploy/acervo.service");
    let lines = text.lines().map(|line| line.strip_prefix('#').unwrap_or(line));
    lines.filter_map(|line| line.strip_prefix(name)?.strip_prefix('=')).map(str::to_owned).collect()
}

#[test]
fn the_unit_starts_a_command_that_exists_with_settings_that_exist() {
    let [start] = &all("ExecStart")[..] else { panic!("one command") };
    let mut words = start.split_whitespace();
    assert_eq!(words.next(), Some("/usr/local/bin/acervo"));
    let arguments: Vec<&str> = words.chain(["--help"]).collect();
    let ran = binary::run(TempDir::new().unwrap().path(), &arguments);
    assert!(ran.success && ran.stdout.contains("Usage: acervo serve"), "{ran:?}");

    let mut settings: Settings = all("Environment")
        .iter()
        .map(|pair| pair.split_once('=').unwrap())
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let config = settings.insert("ACERVO_CONFIG".into(), root().join("deploy/acervo.toml").display().to_string());
    assert_eq!(config.as_deref(), Some("/etc/acervo/acervo.toml"));
    assert!(settings.len() > 1, "{settings:?}");
    assert_settings_are_in_force(&settings);
    // Each secret that a setting names is handed over, and each that is handed over is used.
    let mut given: Vec<String> =
        all("LoadCredential").iter().map(|line| line.split_once(':').unwrap().0.to_owned()).collect();
    let mut named: Vec<String> =
        settings.values().filter_map(|value| value.strip_prefix("%d/")).map(str::to_owned).collect();
    given.sort();
    named.sort();
    assert_eq!(given, named);
}

#[test]
fn the_unit_gives_answers_time_and_the_server_a_folder_of_its_own() {
    let [seconds] = &all("TimeoutStopSec")[..] else { panic!("one time limit") };
    let seconds: u64 = seconds.parse().unwrap();
    assert!(seconds > Config::default().server.shutdown_seconds, "{seconds} s");
    let folder = format!("/var/lib/{}", all("StateDirectory")[0]);
    assert_eq!(all("WorkingDirectory"), [folder]);
    // A start in such a folder needs nothing but what is made in it.
    let folder = TempDir::new().unwrap();
    let reference = root().join("deploy/acervo.toml").display().to_string();
    let mut command = binary::command(folder.path());
    let ran = Ran::from(command.env("ACERVO_CONFIG", reference).args(["mirror", "list"]).output().unwrap());
    assert!(ran.success, "{ran:?}");
    for made in ["data/acervo.db", "data/store", "data/staging"] {
        assert!(folder.path().join(made).exists(), "{made}");
    }
}
