//! The clients of a process: one for each upstream, so that all work for it keeps to the same limits.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use super::client::Client;
use super::config::Config;
use super::error::UpstreamError;
use super::throughput::Throughput;

/// Every upstream that was asked for, by its endpoint.
#[derive(Debug)]
pub struct Upstreams {
    config: Config,
    configured: Client,
    throughput: Throughput,
    others: Mutex<HashMap<String, Client>>,
}

impl Upstreams {
    /// The configured upstream, and room for others.
    pub fn new(config: &Config, transfers_at_once: usize) -> Result<Self, UpstreamError> {
        let throughput = Throughput::new(transfers_at_once, config.bandwidth_bytes_per_second);
        let configured = Client::sharing(config, &throughput)?;
        Ok(Upstreams { config: config.clone(), configured, throughput, others: Mutex::default() })
    }

    /// The configured upstream.
    pub fn configured(&self) -> &Client {
        &self.configured
    }

    /// The client of the hub at `endpoint`; the configured token goes to the configured endpoint only.
    pub fn at(&self, endpoint: &str) -> Result<Client, UpstreamError> {
        let endpoint = endpoint.trim_end_matches('/');
        if endpoint == self.configured.endpoint() {
            return Ok(self.configured.clone());
        }
        let mut others = self.others.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = others.get(endpoint) {
            return Ok(known.clone());
        }
        let config = Config { endpoint: endpoint.to_owned(), token: None, token_file: None, ..self.config.clone() };
        let client = Client::sharing(&config, &self.throughput)?;
        others.insert(endpoint.to_owned(), client.clone());
        Ok(client)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{Config, Upstreams};
    use crate::upstream::Secret;

    #[test]
    fn one_endpoint_has_one_client_and_only_the_configured_one_has_the_token() {
        let config = Config {
            endpoint: "https://hub.example".to_owned(),
            token: Some(Secret::new("hf_x")),
            ..Config::default()
        };
        let upstreams = Upstreams::new(&config, 3).unwrap();
        let client = |endpoint: &str| upstreams.at(endpoint).unwrap();
        for same in ["https://hub.example", "https://hub.example/"] {
            assert!(Arc::ptr_eq(&client(same).inner, &upstreams.configured().inner));
        }
        let other = client("http://other.example:8080/hf");
        assert!(Arc::ptr_eq(&other.inner, &client("http://other.example:8080/hf/").inner));
        assert!(!Arc::ptr_eq(&other.inner, &upstreams.configured().inner));
        assert!(upstreams.configured().inner.token.is_some() && other.inner.token.is_none());
        assert!(upstreams.at("nothing").is_err());
    }
}
