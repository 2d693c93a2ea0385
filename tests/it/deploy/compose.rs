//! `compose.yaml` and the script that makes its secrets.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use acervo::config::Config;
use serde_json::Value;

use super::{Settings, assert_settings_are_in_force, effective, made_secrets, read, root};

fn compose() -> Value {
    serde_saphyr::from_str(&read("deploy/compose.yaml")).unwrap()
}

/// The services that run this binary.
const OWN: [&str; 2] = ["acervo", "worker"];

/// Names that a part of a service uses: list items, their `source`, or keys.
fn names(value: &Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().or_else(|| value["source"].as_str()).unwrap_or_default().to_owned();
    match value {
        Value::Array(items) => items.iter().map(text).collect(),
        Value::Object(items) => items.keys().cloned().collect(),
        _ => Vec::new(),
    }
}

/// The environment of a service, as if nothing were set at the host.
fn environment(service: &Value, secrets: &Path) -> Settings {
    let fields = service["environment"].as_object().expect("settings");
    fields
        .iter()
        .map(|(name, value)| {
            let value = value.as_str().unwrap_or_else(|| panic!("`{name}` must be quoted"));
            // `${NAME:-default}`
            let value = value
                .strip_prefix("${")
                .and_then(|rest| rest.split_once(":-"))
                .map_or(value, |(_, rest)| rest.strip_suffix('}').expect("one variable is the whole value"));
            (name.clone(), value.replace("/run/secrets", &secrets.display().to_string()))
        })
        .collect()
}

#[test]
fn what_services_use_is_defined_and_nothing_else_is() {
    let compose = compose();
    let services = compose["services"].as_object().unwrap();
    for section in ["volumes", "secrets", "configs", "networks"] {
        let mut used = BTreeSet::new();
        for service in services.values() {
            let named = names(&service[section]).into_iter();
            // `name:/path`
            used.extend(named.map(|name| name.split(':').next().unwrap_or_default().to_owned()));
        }
        let defined: BTreeSet<String> = names(&compose[section]).into_iter().collect();
        assert_eq!(used, defined, "{section}");
    }
    for (name, service) in services {
        for other in names(&service["depends_on"]) {
            let other = services.get(&other).unwrap_or_else(|| panic!("`{name}` waits for `{other}`"));
            assert!(other["healthcheck"]["test"].is_array(), "`{name}` waits for one that never becomes healthy");
        }
        assert_eq!(service["restart"], "unless-stopped", "{name}");
        let (image, tag) = service["image"].as_str().and_then(|image| image.split_once(':')).expect("a tag");
        assert!(tag.starts_with(|c: char| c.is_ascii_digit() || c == 'v'), "`{image}:{tag}` is not pinned");
    }
    assert_eq!(compose["services"]["worker"]["profiles"][0], "workers");
    assert!(compose["services"]["worker"]["volumes"].is_null(), "two containers must not share a staging folder");
}

#[test]
fn the_hub_of_the_composition_understands_its_settings_and_shows_no_secret() {
    let (_folder, secrets) = made_secrets();
    let text = |name: &str| std::fs::read_to_string(secrets.join(name)).unwrap();
    let compose = compose();
    for name in OWN {
        let settings = environment(&compose["services"][name], &secrets);
        assert_settings_are_in_force(&settings);
        let shown = format!("{:?}", effective(&settings));
        for secret in ["database-password", "storage-access-key-id", "storage-secret-access-key"] {
            let path = secrets.join(secret).display().to_string();
            assert!(settings.values().any(|value| *value == path), "{name} is not given {secret}");
            assert!(text(secret).len() >= 26 && !shown.contains(&text(secret)), "{name}: {shown}");
        }
    }
}

#[test]
fn database_store_and_hub_are_given_the_same_names_and_secrets() {
    let (_folder, secrets) = made_secrets();
    let text = |name: &str| std::fs::read_to_string(secrets.join(name)).unwrap();
    let compose = compose();
    let (services, own) = (&compose["services"], &compose["services"]["acervo"]["environment"]);

    let postgres = &services["postgres"]["environment"];
    assert_eq!(postgres["POSTGRES_PASSWORD_FILE"], "/run/secrets/database-password");
    assert_eq!(own["ACERVO__DATABASE__PASSWORD_FILE"], postgres["POSTGRES_PASSWORD_FILE"]);
    let (user, database) = (postgres["POSTGRES_USER"].as_str().unwrap(), postgres["POSTGRES_DB"].as_str().unwrap());
    assert_eq!(own["ACERVO__DATABASE__URL"], format!("postgres://{user}@postgres:5432/{database}"));

    let garage = text("garage.env");
    let garage: BTreeMap<&str, &str> = garage.lines().map(|line| line.split_once('=').unwrap()).collect();
    assert_eq!(text("storage-access-key-id"), garage["GARAGE_DEFAULT_ACCESS_KEY"]);
    assert_eq!(text("storage-secret-access-key"), garage["GARAGE_DEFAULT_SECRET_KEY"]);
    let bucket = services["garage"]["environment"]["GARAGE_DEFAULT_BUCKET"].as_str().unwrap();
    assert_eq!(own["ACERVO__STORAGE__URL"], format!("s3://{bucket}"));
    let config = compose["configs"]["garage.toml"]["content"].as_str().unwrap();
    let region = own["ACERVO__STORAGE__REGION"].as_str().unwrap();
    assert!(config.contains(&format!("s3_region = \"{region}\"")), "{config}");
    let port = own["ACERVO__STORAGE__ENDPOINT"].as_str().unwrap().rsplit(':').next().unwrap();
    assert!(config.contains(&format!("\napi_bind_addr = \"0.0.0.0:{port}\"")), "{config}");
    for must in ["metadata_fsync = true", "data_fsync = true"] {
        assert!(config.contains(must), "what the store acknowledged must survive a loss of power: {must}");
    }
}

#[test]
fn the_script_makes_the_secrets_that_are_mounted_once() {
    let (_folder, secrets) = made_secrets();
    let made: BTreeSet<String> = std::fs::read_dir(&secrets)
        .unwrap()
        .map(|entry| format!("secrets/{}", entry.unwrap().file_name().to_string_lossy()))
        .collect();
    let compose = compose();
    let mounted = compose["secrets"].as_object().unwrap().values().map(|secret| secret["file"].as_str().unwrap());
    let given = names(&compose["services"]["garage"]["env_file"]);
    assert_eq!(made, mounted.map(str::to_owned).chain(given).collect());
    assert_eq!(std::fs::metadata(&secrets).unwrap().permissions().mode() & 0o777, 0o700);
    assert!(read(".gitignore").lines().any(|line| line == "/deploy/secrets"), "secrets are never committed");

    let before = std::fs::read(secrets.join("database-password")).unwrap();
    let again = Command::new(root().join("deploy/make-secrets")).arg(&secrets).output().unwrap();
    assert!(!again.status.success() && String::from_utf8_lossy(&again.stderr).contains("is there already"));
    assert_eq!(std::fs::read(secrets.join("database-password")).unwrap(), before);
}

#[test]
fn containers_are_given_time_to_stop() {
    let grace = Config::default().server.shutdown_seconds;
    let compose = compose();
    for name in OWN {
        let given = compose["services"][name]["stop_grace_period"].as_str().unwrap();
        let seconds: u64 = given.strip_suffix('s').unwrap().parse().unwrap();
        assert!(seconds > grace, "{name} is killed after {seconds} s; answers may take {grace} s");
    }
}
