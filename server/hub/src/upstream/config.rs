//! How an upstream is reached: the `[upstream]` section of the configuration.

use std::path::PathBuf;

pub use acervo_core::Secret;
use serde::{Deserialize, Serialize};

/// The `[upstream]` section.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Base URL of the hub; a path prefix is allowed.
    pub endpoint: String,
    /// Token sent to the endpoint, and to nobody else.
    pub token: Option<Secret>,
    /// File that holds the token; instead of `token`.
    pub token_file: Option<PathBuf>,
    /// Longest time for a connection to be made.
    pub connect_timeout_seconds: u64,
    /// Longest silence between two pieces of an answer.
    pub read_timeout_seconds: u64,
    /// Attempts at one request, the first included; a transfer that moves forward starts counting again.
    pub attempts_max: u32,
    /// Wait before the second attempt; doubled with each further one.
    pub retry_base_milliseconds: u64,
    /// Transfers at the same time; as many metadata requests may run beside them.
    pub concurrency: usize,
    /// Hosts that file redirects may lead to although their addresses are loopback, link-local or private.
    pub allowed_private_hosts: Vec<String>,
    /// Forward proxy for all requests; proxy variables of the environment are ignored.
    pub proxy: Option<Secret>,
    /// Added to the user agent, such as a contact address.
    pub user_agent_extra: Option<String>,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            endpoint: "https://huggingface.co".to_owned(),
            token: None,
            token_file: None,
            connect_timeout_seconds: 10,
            read_timeout_seconds: 30,
            attempts_max: 5,
            retry_base_milliseconds: 500,
            concurrency: 8,
            allowed_private_hosts: Vec::new(),
            proxy: None,
            user_agent_extra: None,
        }
    }
}
