//! Acervo's web pages: what they show is a struct, how they show it is a template, and both are compiled into the binary.
//!
//! This crate renders and nothing else. It reads no database, no clock and no request: the caller decides who may see
//! what, hands over rows, and gets back the text of a page. Pages work without scripts and load nothing from another
//! host; [`CONTENT_SECURITY_POLICY`] says so to the browser. [`ApiPage`] alone is made by a script.
//!
//! Words live in one file per language under `text`; a string that one of them lacks does not compile.

mod assets;
mod format;
mod frame;
mod language;
mod pages;
mod text;

#[cfg(test)]
mod stylesheet_tests;

pub use askama::Error as RenderError;

pub use crate::assets::{StaticFile, static_file};
pub use crate::language::Language;
pub use crate::pages::api::ApiPage;
pub use crate::pages::home::{HomePage, RepoRow, Totals};
pub use crate::pages::not_found::NotFoundPage;

/// The `Content-Security-Policy` that every page of this crate is made for.
pub const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; \
                                           base-uri 'none'; frame-ancestors 'none'";

/// The `Content-Security-Policy` of [`ApiPage`]: scripts of this hub, which ask this hub and nobody else. What shows the
/// description writes styles and pictures into the page.
pub const API_PAGE_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
                                   img-src 'self' data:; connect-src 'self'; form-action 'none'; base-uri 'none'; \
                                   frame-ancestors 'none'";
