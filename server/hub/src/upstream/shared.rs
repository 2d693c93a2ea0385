//! The clients of a process: one for each upstream, so that all work for it keeps to the same limits.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use acervo_core::Secret;

use super::budget::Ledger;
use super::client::{Client, Whose, parse_endpoint, read_token};
use super::config::Config;
use super::error::UpstreamError;
use super::throughput::Throughput;

/// Every upstream that was asked for, by its endpoint and by whose token is sent to it.
#[derive(Debug)]
pub struct Upstreams {
    config: Config,
    configured: Client,
    throughput: Throughput,
    ledger: Option<Ledger>,
    credentials: Vec<Known>,
    others: Mutex<HashMap<(String, Whose), Client>>,
    /// Limits of bandwidth windows, by what shares one and by its bytes a second.
    windows: Mutex<HashMap<(String, u64), Throughput>>,
}

/// A token of the configuration, and what it is for.
#[derive(Debug)]
struct Known {
    endpoint: String,
    /// In lower case; absent for all.
    organization: Option<String>,
    token: Secret,
}

impl Upstreams {
    /// The configured upstream, and room for others; `ledger` is where all processes share what they may ask.
    pub fn new(config: &Config, transfers_at_once: usize, ledger: Option<Ledger>) -> Result<Self, UpstreamError> {
        let throughput = Throughput::new(transfers_at_once, config.bandwidth_bytes_per_second);
        let configured = Client::making(config, &throughput, ledger.as_ref(), &Whose::default())?;
        let credentials = credentials(config, configured.endpoint())?;
        let (others, windows) = (Mutex::default(), Mutex::default());
        Ok(Upstreams { config: config.clone(), configured, throughput, ledger, credentials, others, windows })
    }

    /// The limit of a bandwidth window, which all that share `key` keep to together.
    pub fn window(&self, key: &str, bytes_per_second: u64) -> Throughput {
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        let limit = windows.entry((key.to_owned(), bytes_per_second));
        limit.or_insert_with(|| Throughput::new(0, bytes_per_second)).clone()
    }

    /// The configured upstream, with the token that is for all.
    pub fn configured(&self) -> &Client {
        &self.configured
    }

    /// The client of the hub at `endpoint` for what `organization` has here; each token goes to its own hub only.
    pub fn at(&self, endpoint: &str, organization: &str) -> Result<Client, UpstreamError> {
        let endpoint = endpoint.trim_end_matches('/');
        let organization = organization.to_ascii_lowercase();
        let for_this = |known: &&Known| {
            known.endpoint == endpoint && known.organization.as_ref().is_none_or(|name| *name == organization)
        };
        // One's own before the one for all.
        let credential = self.credentials.iter().filter(for_this).max_by_key(|known| known.organization.is_some());
        if credential.is_none() && endpoint == self.configured.endpoint() {
            return Ok(self.configured.clone());
        }
        let whose = match credential {
            Some(Known { organization: Some(name), .. }) => Whose {
                source: format!(" of {name}"),
                setting: format!("`upstream.credentials` for `{endpoint}` and `{name}`"),
            },
            _ => Whose { source: String::new(), setting: format!("`upstream.credentials` for `{endpoint}`") },
        };
        let mut others = self.others.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (endpoint.to_owned(), whose);
        if let Some(known) = others.get(&key) {
            return Ok(known.clone());
        }
        let token = credential.map(|known| known.token.clone());
        let config = Config { endpoint: endpoint.to_owned(), token, token_file: None, ..self.config.clone() };
        let client = Client::making(&config, &self.throughput, self.ledger.as_ref(), &key.1)?;
        others.insert(key, client.clone());
        Ok(client)
    }
}

/// The tokens of the configuration, read, each for one hub and either one organisation or all.
fn credentials(config: &Config, configured: &str) -> Result<Vec<Known>, UpstreamError> {
    let mut known: Vec<Known> = Vec::with_capacity(config.credentials.len());
    for credential in &config.credentials {
        let endpoint = match &credential.endpoint {
            Some(text) => parse_endpoint(text)?.as_str().trim_end_matches('/').to_owned(),
            None => configured.to_owned(),
        };
        let organization = credential.organization.as_ref().map(|name| name.to_ascii_lowercase());
        let refuse = |what: &str| {
            let whom = organization.as_deref().unwrap_or("all organisations");
            Err(UpstreamError::Config(format!("`upstream.credentials` {what} for `{endpoint}` and {whom}")))
        };
        let section = "upstream.credentials";
        let Some(token) = read_token(credential.token.as_ref(), credential.token_file.as_deref(), section)? else {
            return refuse("has no `token_file`");
        };
        if known.iter().any(|other| other.endpoint == endpoint && other.organization == organization)
            || (organization.is_none() && endpoint == configured && config.token.is_some())
        {
            return refuse("has two tokens");
        }
        known.push(Known { endpoint, organization, token });
    }
    Ok(known)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{Config, Upstreams};
    use crate::upstream::{Credential, Secret};

    #[test]
    fn one_endpoint_has_one_client_and_only_the_configured_one_has_the_token() {
        let config = Config {
            endpoint: "https://hub.example".to_owned(),
            token: Some(Secret::new("hf_x")),
            ..Config::default()
        };
        let upstreams = Upstreams::new(&config, 3, None).unwrap();
        let client = |endpoint: &str| upstreams.at(endpoint, "acme").unwrap();
        for same in ["https://hub.example", "https://hub.example/"] {
            assert!(Arc::ptr_eq(&client(same).inner, &upstreams.configured().inner));
        }
        let other = client("http://other.example:8080/hf");
        assert!(Arc::ptr_eq(&other.inner, &client("http://other.example:8080/hf/").inner));
        assert!(!Arc::ptr_eq(&other.inner, &upstreams.configured().inner));
        assert!(upstreams.configured().inner.token.is_some() && other.inner.token.is_none());
        assert!(upstreams.at("nothing", "acme").is_err());
    }

    fn credential(endpoint: Option<&str>, organization: Option<&str>, token: &str) -> Credential {
        Credential {
            endpoint: endpoint.map(str::to_owned),
            organization: organization.map(str::to_owned),
            token: Some(Secret::new(token)),
            token_file: None,
        }
    }

    #[test]
    fn an_organisation_uses_its_own_token_and_nobody_elses() {
        let config = Config {
            endpoint: "https://hub.example".to_owned(),
            token: Some(Secret::new("hf_all")),
            credentials: vec![
                credential(None, Some("Acme"), "hf_acme"),
                credential(Some("https://two.example/"), None, "hf_two"),
                credential(Some("https://two.example"), Some("lab"), "hf_lab"),
            ],
            ..Config::default()
        };
        let upstreams = Upstreams::new(&config, 3, None).unwrap();
        let token = |endpoint: &str, organization: &str| {
            let client = upstreams.at(endpoint, organization).unwrap();
            client.inner.token.as_ref().map(|token| token.expose().to_owned())
        };
        let cases = [
            ("https://hub.example", "acme", Some("hf_acme")),
            ("https://hub.example", "lab", Some("hf_all")),
            ("https://two.example", "lab", Some("hf_lab")),
            ("https://two.example", "acme", Some("hf_two")),
            ("https://three.example", "acme", None),
        ];
        for (endpoint, organization, expected) in cases {
            assert_eq!(token(endpoint, organization).as_deref(), expected, "{endpoint} {organization}");
        }
    }

    #[test]
    fn two_tokens_for_one_purpose_are_refused() {
        let config = |credentials| Config { token: Some(Secret::new("hf_all")), credentials, ..Config::default() };
        let twice = vec![credential(None, Some("a"), "hf_1"), credential(None, Some("A"), "hf_2")];
        for credentials in [twice, vec![credential(None, None, "hf_1")]] {
            let error = Upstreams::new(&config(credentials), 3, None).unwrap_err().to_string();
            assert!(error.contains("two tokens") && !error.contains("hf_"), "{error}");
        }
        let none = vec![Credential::default()];
        assert!(Upstreams::new(&config(none), 3, None).unwrap_err().to_string().contains("no `token_file`"));
    }
}
