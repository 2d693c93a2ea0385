//! Configuration: one TOML file, overridden by `ACERVO__SECTION__KEY`, overridden by flags.
//!
//! Each component defines its section beside its code. An unknown key is refused with the nearest known one.

use std::path::{Path, PathBuf};

use acervo_store::blob::{StagingConfig, StorageConfig};
use acervo_store::db::DatabaseConfig;
use figment::error::Kind;
use figment::providers::{Env, Format, Serialized, Toml};
use figment::{Figment, Source};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::app::sync::SyncConfig;
use crate::error::HubError;
use crate::hooks::{DeliveryConfig, HookConfig};
use crate::http::ServerConfig;
use crate::upstream;
use crate::worker::{LEASE_SECONDS_MIN, WorkerConfig};

/// Prefix of environment variables; double, since orchestrators inject `ACERVO_PORT` and the like by themselves.
const ENV_PREFIX: &str = "ACERVO__";

/// File read if none is named and it is there.
pub const DEFAULT_FILE: &str = "acervo.toml";

/// How logs are written.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogConfig {
    /// What is logged: a level, or directives as in `info,acervo::http=debug`.
    pub filter: String,
    /// `text` for people, `json` for machines.
    pub format: LogFormat,
}

/// Form of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

impl Default for LogConfig {
    fn default() -> Self {
        LogConfig { filter: "info,sqlx=warn,actix_server=warn".to_owned(), format: LogFormat::Text }
    }
}

/// Everything that can be set.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The web server.
    pub server: ServerConfig,
    /// The database.
    pub database: DatabaseConfig,
    /// The blobs.
    pub storage: StorageConfig,
    /// Transfers under way.
    pub staging: StagingConfig,
    /// The hub to mirror from.
    pub upstream: upstream::Config,
    /// How syncs run.
    pub sync: SyncConfig,
    /// Jobs beside the server.
    pub worker: WorkerConfig,
    /// How events are sent.
    pub webhook_delivery: DeliveryConfig,
    /// Who is sent events.
    pub webhooks: Vec<HookConfig>,
    /// Logs.
    pub log: LogConfig,
}

/// A key with its effective value and where that came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explained {
    /// As in `server.bind`.
    pub key: String,
    /// The value; secrets are not shown.
    pub value: String,
    /// `default`, or the file, variable or flag.
    pub source: String,
}

/// A configuration and where it came from.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The values.
    pub config: Config,
    figment: Figment,
}

impl Loaded {
    /// Every key with its effective value and source.
    pub fn explain(&self) -> Vec<Explained> {
        let mut rows = Vec::new();
        // A configuration is a tree of plain values; serialising it cannot fail.
        if let Ok(value) = serde_json::to_value(&self.config) {
            flatten(("", ""), &value, &mut rows, &self.figment);
        }
        rows.sort_by(|a, b| a.key.cmp(&b.key));
        rows
    }
}

/// Reads `file` (or `acervo.toml`, if it is there), the environment, and the flags in `flags` as `(key, value)`.
pub fn load(file: Option<&Path>, flags: &[(String, String)]) -> Result<Loaded, HubError> {
    let mut figment = Figment::new();
    let named = file.map(Path::to_owned);
    let path = named.clone().unwrap_or_else(|| PathBuf::from(DEFAULT_FILE));
    if named.is_some() && !path.is_file() {
        return Err(HubError::Config(format!("the configuration file `{}` is not there", path.display())));
    }
    if path.is_file() {
        figment = figment.merge(Toml::file_exact(&path));
    }
    // Split by hand: a figment key is lower case and dotted.
    figment = figment.merge(Env::prefixed(ENV_PREFIX).split("__"));
    for (key, value) in flags {
        // As figment reads variables: numbers, booleans and lists are what they look like, anything else is text.
        let value: figment::value::Value =
            value.parse().unwrap_or_else(|never: std::convert::Infallible| match never {});
        figment = figment.merge(Serialized::global(key, value));
    }
    let config: Config = figment.extract().map_err(|error| explain(&error))?;
    if config.worker.lease_seconds < LEASE_SECONDS_MIN {
        return Err(HubError::Config(format!(
            "`worker.lease_seconds` is {}; use at least {LEASE_SECONDS_MIN}, or workers take running jobs from each other",
            config.worker.lease_seconds
        )));
    }
    if config.server.rate_limits.window_seconds == 0 {
        return Err(HubError::Config(
            "`server.rate_limits.window_seconds` is 0; use at least 1, and 0 requests for no limit".to_owned(),
        ));
    }
    Ok(Loaded { config, figment })
}

/// Says which key is wrong, where it stands, and what was probably meant.
fn explain(error: &figment::Error) -> HubError {
    let mut path = error.path.join(".");
    let place = error.metadata.as_ref().map(source_name).unwrap_or_default();
    let place = if place.is_empty() { place } else { format!(" in {place}") };
    let text = match &error.kind {
        Kind::UnknownField(field, known) => {
            // Figment's path may or may not end in the key already.
            let mut names = error.path.clone();
            if names.last() != Some(field) {
                names.push(field.clone());
            }
            path = names.join(".");
            let nearest = known
                .iter()
                .map(|name| (strsim::damerau_levenshtein(name, field), name))
                .min()
                .filter(|(distance, name)| *distance <= name.len().max(3) / 2);
            match nearest {
                Some((_, name)) => format!("unknown key `{path}`{place}; did you mean `{name}`?"),
                None => format!("unknown key `{path}`{place}; known are {}", known.join(", ")),
            }
        }
        kind => format!("`{path}`{place} cannot be used: {kind}"),
    };
    HubError::Config(text)
}

/// File, variable or flag that a value came from.
fn source_name(metadata: &figment::Metadata) -> String {
    match &metadata.source {
        Some(Source::File(path)) => format!("`{}`", path.display()),
        _ if metadata.name.contains("environment") => "the environment".to_owned(),
        _ => "the command line".to_owned(),
    }
}

/// Lists every leaf of a value with its dotted key. Secrets and credentials hide themselves when they are serialised.
///
/// Tables of a list are counted from 0; where they came from is known of the list as a whole, which is `place`.
fn flatten((key, place): (&str, &str), value: &Value, rows: &mut Vec<Explained>, figment: &Figment) {
    let below = |key: &str, name: &str| if key.is_empty() { name.to_owned() } else { format!("{key}.{name}") };
    if let Value::Object(fields) = value {
        for (name, inner) in fields {
            // Within a list, the place stays.
            let place = if place == key { below(key, name) } else { place.to_owned() };
            flatten((&below(key, name), &place), inner, rows, figment);
        }
        return;
    }
    if let Value::Array(items) = value
        && items.first().is_some_and(Value::is_object)
    {
        for (number, inner) in items.iter().enumerate() {
            flatten((&below(key, &number.to_string()), place), inner, rows, figment);
        }
        return;
    }
    let value = match value {
        Value::String(text) => text.clone(),
        Value::Null => "not set".to_owned(),
        other => other.to_string(),
    };
    let source = figment.find_metadata(place).map_or_else(|| "default".to_owned(), source_name);
    rows.push(Explained { key: key.to_owned(), value, source });
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::{Config, load};

    fn file(text: &str) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        file
    }

    #[test]
    fn an_unknown_key_is_refused_with_the_nearest_known_one() {
        let file = file("[server]\nbindd = \"127.0.0.1:1\"\n");
        let error = load(Some(file.path()), &[]).unwrap_err().to_string();
        assert!(error.contains("unknown key `server.bindd`") && error.contains("did you mean `bind`?"), "{error}");
        assert!(error.contains(&file.path().display().to_string()), "{error}");
    }

    #[test]
    fn a_value_of_the_wrong_type_names_its_key() {
        let file = file("[upstream]\nconcurrency = \"many\"\n");
        let error = load(Some(file.path()), &[]).unwrap_err().to_string();
        assert!(error.contains("`upstream.concurrency`"), "{error}");
    }

    #[test]
    fn a_lease_that_ends_between_two_heartbeats_is_refused() {
        let flags = [("worker.lease_seconds".to_owned(), "2".to_owned())];
        let error = load(None, &flags).unwrap_err().to_string();
        assert!(error.contains("`worker.lease_seconds` is 2; use at least 10"), "{error}");
    }

    #[test]
    fn flags_win_over_the_file_and_every_value_tells_its_source() {
        let file = file("[server]\nbind = \"127.0.0.1:1\"\n[upstream]\ntoken = \"hf_secret\"\n");
        let flags = [("server.bind".to_owned(), "127.0.0.1:2".to_owned())];
        let loaded = load(Some(file.path()), &flags).unwrap();
        assert_eq!(loaded.config.server.bind, "127.0.0.1:2");
        let rows = loaded.explain();
        let bind = rows.iter().find(|row| row.key == "server.bind").unwrap();
        assert_eq!((bind.value.as_str(), bind.source.as_str()), ("127.0.0.1:2", "the command line"));
        assert!(rows.iter().all(|row| !row.value.contains("hf_secret")), "{rows:?}");
        let jobs = rows.iter().find(|row| row.key == "worker.jobs_at_once").unwrap();
        assert_eq!((jobs.value.as_str(), jobs.source.as_str()), ("2", "default"));
    }

    #[test]
    fn webhooks_are_explained_one_by_one_without_their_secrets() {
        let file = file(
            "[[webhooks]]\nname = \"chat\"\nurl = \"https://chat.example/T0/s3cret\"\nsecret = \"a s3cret of 24 bytes..\"\n",
        );
        let rows = load(Some(file.path()), &[]).unwrap().explain();
        let row = |key: &str| rows.iter().find(|row| row.key == key).unwrap();
        assert_eq!(row("webhooks.0.name").value, "chat");
        assert_eq!(row("webhooks.0.url").value, "https://chat.example/[hidden]");
        assert_eq!(row("webhooks.0.secret").value, "[hidden]");
        assert_eq!(row("webhooks.0.events").value, "[\"*\"]");
        assert!(row("webhooks.0.name").source.contains(&file.path().display().to_string()), "{rows:?}");
        assert_eq!(row("webhook_delivery.timeout_seconds").source, "default");
        assert!(rows.iter().all(|row| !row.value.contains("s3cret")), "{rows:?}");
    }

    #[test]
    fn the_reference_configuration_names_every_key_with_its_default() {
        let reference = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/acervo.toml");
        let loaded = load(Some(std::path::Path::new(reference)), &[]).unwrap();
        let text = std::fs::read_to_string(reference).unwrap();
        let values = |config: &Config| serde_json::to_value(config).unwrap();
        assert_eq!(values(&loaded.config), values(&Config::default()));
        for row in loaded.explain() {
            // A list of tables, of which there are none unless somebody writes one.
            let Some((section, key)) = row.key.rsplit_once('.') else {
                assert!(text.contains(&format!("\n# [[{}]]\n", row.key)), "`{}` is not there", row.key);
                continue;
            };
            let below = text.split(&format!("\n[{section}]\n")).nth(1).unwrap().split("\n[").next().unwrap();
            let named = |line: &str| line.trim_start_matches("# ").starts_with(&format!("{key} = "));
            assert!(below.lines().any(named), "`{}` is not in the reference configuration", row.key);
        }
    }
}
