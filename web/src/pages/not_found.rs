//! The page for what is not there, and, word for word the same, for what the caller may not see.

use askama::Template;

use crate::frame::Frame;
use crate::language::Language;

/// The "not found" page; to be sent with status 404.
#[derive(Clone, Copy, Debug)]
pub struct NotFoundPage<'a> {
    /// Language of the page.
    pub language: Language,
    /// Address of this hub, without a trailing slash.
    pub base_url: &'a str,
}

#[derive(Template)]
#[template(path = "not_found.html", whitespace = "minimize")]
struct View<'a> {
    frame: Frame<'a>,
}

impl NotFoundPage<'_> {
    /// The page as HTML.
    pub fn render(&self) -> Result<String, askama::Error> {
        View { frame: Frame::new(self.language, self.base_url) }.render()
    }
}
