//! The web server: routes, extraction, answers. Handlers extract, call one use case, map, and return.
//!
//! `router` is the page with every route; `error` the table of what goes wrong. What is true of a repository, and who
//! may know it, is `app`'s business.

pub mod api;
mod api_page;
mod config;
pub mod error;
pub mod extract;
mod gzip;
mod headers;
mod health;
mod hub;
mod middleware;
mod openapi;
mod pages;
mod pattern;
pub mod query;
pub mod router;
mod server;
#[cfg(test)]
mod tests;

pub use config::ServerConfig;
pub use server::{listen, serve};
