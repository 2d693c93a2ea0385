//! The home page: what this hub holds, how to find something in it, and the two lines that make a client use it.
//!
//! It shows the rows it is given, in the order given. Who may see them, how they are found and where the next page
//! starts is decided before.

use askama::Template;

use crate::format;
use crate::frame::Frame;
use crate::language::Language;
use crate::text::Text;

/// Digits of a commit id that are shown; the whole id is in the `title`.
const COMMIT_DIGITS: usize = 7;

/// The home page, and the answer to a search.
#[derive(Clone, Debug)]
pub struct HomePage<'a> {
    /// Language of the page.
    pub language: Language,
    /// Address of this hub as clients are to set it, without a trailing slash.
    pub base_url: &'a str,
    /// What the hub holds in all; no repositories means that nothing was ever stored.
    pub totals: Totals,
    /// One page of repositories.
    pub repos: Vec<RepoRow<'a>>,
    /// The words searched for (`?search=`); empty if none.
    pub search: &'a str,
    /// Link to the next page, if there is one; it has to carry `search` and `lang` itself.
    pub more: Option<String>,
}

/// What the hub holds in all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Repositories.
    pub repos: u64,
    /// Commits.
    pub commits: u64,
    /// Blobs: distinct contents.
    pub blobs: u64,
    /// Bytes of all blobs.
    pub bytes: u64,
}

/// A repository of the list.
#[derive(Clone, Copy, Debug)]
pub struct RepoRow<'a> {
    /// What it holds: `model`, `dataset` or `space`.
    pub kind: &'a str,
    /// `namespace/name`, or a bare name.
    pub name: &'a str,
    /// Id of the commit its default branch serves, 40 hex digits.
    pub commit: &'a str,
    /// When it changed here last, RFC 3339 in UTC.
    pub updated_at: &'a str,
    /// Licence as the card declares it; none is shown as unknown.
    pub license: Option<&'a str>,
    /// Task as the card declares it.
    pub task: Option<&'a str>,
    /// Whether only some callers may see it.
    pub private: bool,
}

impl HomePage<'_> {
    /// The page as HTML.
    pub fn render(&self) -> Result<String, askama::Error> {
        View::new(self).render()
    }
}

/// What the list area of the page says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Nothing was ever stored.
    FirstRun,
    /// There are rows.
    Rows,
    /// The search found nothing.
    NoMatch,
    /// There are repositories, but none here that this caller may see.
    Nothing,
}

#[derive(Template)]
#[template(path = "home.html", whitespace = "minimize")]
struct View<'a> {
    frame: Frame<'a>,
    state: State,
    endpoint: &'a str,
    search: &'a str,
    figures: [Figure; 4],
    repos_total: String,
    rows: Vec<RowView<'a>>,
    more: Option<&'a str>,
    download: String,
}

/// One of the figures.
struct Figure {
    label: &'static str,
    value: String,
    unit: &'static str,
    note: String,
}

/// A row, ready to print.
struct RowView<'a> {
    kind: &'a str,
    plural: Option<&'static str>,
    namespace: Option<&'a str>,
    name: &'a str,
    full_name: &'a str,
    commit: &'a str,
    commit_short: &'a str,
    updated_at: &'a str,
    updated: String,
    license: Option<&'a str>,
    task: Option<&'a str>,
    private: bool,
}

impl<'a> View<'a> {
    fn new(page: &'a HomePage<'a>) -> View<'a> {
        let frame = Frame::new(page.language, page.base_url);
        let search = page.search.trim();
        let state = match (page.repos.is_empty(), page.totals.repos, search) {
            (false, _, _) => State::Rows,
            (true, 0, _) => State::FirstRun,
            (true, _, "") => State::Nothing,
            (true, _, _) => State::NoMatch,
        };
        View {
            state,
            endpoint: page.base_url,
            search,
            figures: figures(page.language, page.totals),
            repos_total: format::number(page.language, page.totals.repos),
            rows: page.repos.iter().map(|row| RowView::new(page.language, row)).collect(),
            more: page.more.as_deref(),
            download: download_command(&page.repos, frame.t.example_name),
            frame,
        }
    }
}

/// The figures below the search box.
fn figures(language: Language, totals: Totals) -> [Figure; 4] {
    let t = language.text();
    let count = |label, value, note: &str| Figure {
        label,
        value: format::number(language, value),
        unit: "",
        note: note.to_owned(),
    };
    let (value, unit) = format::size(language, totals.bytes);
    [
        count(t.repos, totals.repos, t.repos_note),
        count(t.commits, totals.commits, t.commits_note),
        count(t.blobs, totals.blobs, t.blobs_note),
        Figure { label: t.stored, value, unit, note: format::exact_bytes(language, totals.bytes) },
    ]
}

/// The command that downloads a listed repository: a model if there is one, and one that needs no token.
///
/// The line is made to be pasted into a shell, so a name with anything in it that a shell might read is passed over.
fn download_command(repos: &[RepoRow<'_>], example_name: &str) -> String {
    let plain = |row: &&RepoRow<'_>| {
        !row.private
            && row.name.starts_with(|first: char| first.is_ascii_alphanumeric())
            && row.name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_./".contains(&byte))
    };
    let public_of = |kind: &str| repos.iter().filter(plain).find(|row| row.kind == kind);
    if let Some(model) = public_of("model") {
        format!("hf download {}", model.name)
    } else if let Some(dataset) = public_of("dataset") {
        format!("hf download {} --repo-type dataset", dataset.name)
    } else {
        format!("hf download {example_name}")
    }
}

impl<'a> RowView<'a> {
    fn new(language: Language, row: &'a RepoRow<'a>) -> RowView<'a> {
        let (kind, plural) = kind_words(language.text(), row.kind);
        let (namespace, name) = match row.name.split_once('/') {
            Some((namespace, name)) => (Some(namespace), name),
            None => (None, row.name),
        };
        RowView {
            kind,
            plural,
            namespace,
            name,
            full_name: row.name,
            commit: row.commit,
            commit_short: row.commit.get(..COMMIT_DIGITS).unwrap_or(row.commit),
            updated_at: row.updated_at,
            updated: format::date_time(language, row.updated_at),
            license: said(row.license),
            task: said(row.task),
            private: row.private,
        }
    }
}

/// The word for a kind, and its plural in API paths; a kind we do not know is shown as it is and not linked.
fn kind_words<'a>(t: &'static Text, kind: &'a str) -> (&'a str, Option<&'static str>) {
    match kind {
        "model" => (t.model, Some("models")),
        "dataset" => (t.dataset, Some("datasets")),
        "space" => (t.space, Some("spaces")),
        other => (other, None),
    }
}

/// A value of a card, unless it says nothing: an empty field is as unknown as a missing one.
fn said(value: Option<&str>) -> Option<&str> {
    value.map(str::trim).filter(|text| !text.is_empty())
}
