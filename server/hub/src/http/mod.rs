//! The web server: routes, extraction, answers. Handlers extract, call one use case, map, and return.

mod config;
pub mod error;
pub mod extract;
mod pattern;

pub use config::ServerConfig;
