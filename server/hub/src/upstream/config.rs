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
    /// Tokens for other hubs, and for the repositories of single organisations.
    pub credentials: Vec<Credential>,
    /// Longest time for a connection to be made.
    pub connect_timeout_seconds: u64,
    /// Longest silence between two pieces of an answer.
    pub read_timeout_seconds: u64,
    /// Attempts at one request, the first included; a transfer that moves forward starts counting again.
    pub attempts_max: u32,
    /// Wait before the second attempt; doubled with each further one.
    pub retry_base_milliseconds: u64,
    /// Requests for bytes at the same time; as many metadata requests may run beside them.
    pub concurrency: usize,
    /// Ranges of one large file that are fetched at the same time.
    pub ranges_at_once: usize,
    /// Bytes that one range of a large file has; a file of twice as many is fetched in ranges.
    pub range_bytes: u64,
    /// Metadata requests to one hub with one token in a window, by all processes together; 0 leaves it to what the hub
    /// says.
    pub requests_per_window: u64,
    /// Requests for files in a window, likewise.
    pub resolves_per_window: u64,
    /// Length of such a window.
    pub window_seconds: u64,
    /// Hundredths of a window that are left to work somebody waits for.
    pub interactive_percent: u64,
    /// Most bytes a second that all transfers of this process take, from any upstream; 0 is no limit.
    pub bandwidth_bytes_per_second: u64,
    /// Hosts that file redirects may lead to although their addresses are loopback, link-local or private.
    pub allowed_private_hosts: Vec<String>,
    /// Forward proxy for all requests; proxy variables of the environment are ignored.
    pub proxy: Option<Secret>,
    /// Certificates that are trusted beside those of the system, in PEM, for the hub and for where its files are.
    pub ca_file: Option<PathBuf>,
    /// Added to the user agent, such as a contact address.
    pub user_agent_extra: Option<String>,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            endpoint: "https://huggingface.co".to_owned(),
            token: None,
            token_file: None,
            credentials: Vec::new(),
            connect_timeout_seconds: 10,
            read_timeout_seconds: 30,
            attempts_max: 5,
            retry_base_milliseconds: 500,
            concurrency: 16,
            ranges_at_once: 4,
            range_bytes: 64 << 20,
            requests_per_window: 0,
            resolves_per_window: 0,
            window_seconds: 300,
            interactive_percent: 20,
            bandwidth_bytes_per_second: 0,
            allowed_private_hosts: Vec::new(),
            proxy: None,
            ca_file: None,
            user_agent_extra: None,
        }
    }
}

/// A table `[[upstream.credentials]]`: whose token is sent to which hub.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Credential {
    /// Base URL of the hub that gets the token; absent for `upstream.endpoint`.
    pub endpoint: Option<String>,
    /// Namespace here whose repositories it is for; absent for all of them.
    pub organization: Option<String>,
    /// The token.
    pub token: Option<Secret>,
    /// File that holds the token; instead of `token`.
    pub token_file: Option<PathBuf>,
}
