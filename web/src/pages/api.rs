//! The page that shows the description of the API and tries it out. What it shows is loaded by its script.

use askama::Template;

use crate::assets::{API_SCRIPT, API_STYLESHEET};
use crate::frame::Frame;
use crate::language::Language;

/// The interactive description of the API.
#[derive(Clone, Copy, Debug)]
pub struct ApiPage<'a> {
    /// Language of the page; the description itself is in English.
    pub language: Language,
    /// Address of this hub, without a trailing slash.
    pub base_url: &'a str,
    /// Changes with the files below `docs/api/`.
    pub assets_version: &'a str,
}

#[derive(Template)]
#[template(path = "api.html", whitespace = "minimize")]
struct View<'a> {
    frame: Frame<'a>,
    assets_version: &'a str,
    stylesheet_version: String,
    script_version: String,
}

impl ApiPage<'_> {
    /// The page as HTML.
    pub fn render(&self) -> Result<String, askama::Error> {
        let view = View {
            frame: Frame::new(self.language, self.base_url),
            assets_version: self.assets_version,
            stylesheet_version: API_STYLESHEET.version(),
            script_version: API_SCRIPT.version(),
        };
        view.render()
    }
}
