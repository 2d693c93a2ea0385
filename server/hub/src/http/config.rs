//! How the web server listens and what it calls itself: the `[server]` section.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::limits::RateLimits;

/// The web server.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct ServerConfig {
    /// Address and port to listen on.
    pub bind: String,
    /// Address under which clients reach this hub; derived from `bind` if empty.
    pub public_url: String,
    /// Address under which other processes of this installation reach this one.
    pub internal_url: String,
    /// Proxies whose `X-Forwarded-*` headers are believed.
    pub trusted_proxies: Vec<IpAddr>,
    /// Origins of web pages whose scripts may read from this hub; `*` stands for all of them.
    pub cors_origins: Vec<String>,
    /// Seconds that running answers get to finish after a signal to stop.
    pub shutdown_seconds: u64,
    /// Largest body of a request to the API, in bytes.
    pub body_bytes_max: usize,
    /// How many requests a caller may make.
    pub rate_limits: RateLimits,
}

impl Default for ServerConfig {
    fn default() -> Self {
        ServerConfig {
            bind: "127.0.0.1:7860".to_owned(),
            public_url: String::new(),
            internal_url: String::new(),
            trusted_proxies: Vec::new(),
            cors_origins: vec!["*".to_owned()],
            shutdown_seconds: 30,
            body_bytes_max: 2 * 1024 * 1024,
            rate_limits: RateLimits::default(),
        }
    }
}
