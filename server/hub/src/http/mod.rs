//! The web server: routes, extraction, answers. Handlers extract, call one use case, map, and return.

mod config;

pub use config::ServerConfig;
