//! The words of the pages: one struct, filled in once per language.
//!
//! Plurals are avoided by wording (`Commits: 7`), since gluing an `s` on works in neither language.

mod en;
mod es;

pub(crate) use self::en::EN;
pub(crate) use self::es::ES;

/// Every word a page can show in one language.
pub(crate) struct Text {
    /// Link that jumps over the header.
    pub(crate) skip: &'static str,
    /// Name of the language switch.
    pub(crate) languages: &'static str,
    /// Line at the foot: the zone of all times.
    pub(crate) zone: &'static str,
    /// Link to the description of the API, and the title of its page.
    pub(crate) api: &'static str,
    /// Instead of that description where scripts do not run.
    pub(crate) api_needs_scripts: &'static str,
    /// Short month names, January first.
    pub(crate) months: [&'static str; 12],
    /// Opens a quotation.
    pub(crate) quote: &'static str,
    /// Closes a quotation.
    pub(crate) unquote: &'static str,

    /// Heading of the home page.
    pub(crate) heading: &'static str,
    /// Sentence below the heading.
    pub(crate) lead: &'static str,
    /// Label of the search field.
    pub(crate) search_label: &'static str,
    /// Hint inside the search field.
    pub(crate) search_hint: &'static str,
    /// Button of the search.
    pub(crate) search_button: &'static str,

    /// Heading of the set-up lines.
    pub(crate) setup: &'static str,
    /// Note beside that heading.
    pub(crate) setup_note: &'static str,
    /// Name that stands for any repository.
    pub(crate) example_name: &'static str,

    /// Hidden heading of the figures.
    pub(crate) figures: &'static str,
    /// Figure: repositories.
    pub(crate) repos: &'static str,
    /// What counts as one.
    pub(crate) repos_note: &'static str,
    /// Figure: commits.
    pub(crate) commits: &'static str,
    /// What counts as one.
    pub(crate) commits_note: &'static str,
    /// Figure: blobs.
    pub(crate) blobs: &'static str,
    /// What counts as one.
    pub(crate) blobs_note: &'static str,
    /// Figure: space taken.
    pub(crate) stored: &'static str,

    /// Heading of the list.
    pub(crate) list: &'static str,
    /// Heading of search results; the words searched for follow, quoted.
    pub(crate) results: &'static str,
    /// Count of rows; the number follows.
    pub(crate) on_this_page: &'static str,
    /// Column: name.
    pub(crate) column_name: &'static str,
    /// Column: kind.
    pub(crate) column_kind: &'static str,
    /// Column: task.
    pub(crate) column_task: &'static str,
    /// Column: licence.
    pub(crate) column_license: &'static str,
    /// Column: commit.
    pub(crate) column_commit: &'static str,
    /// Column: time of the last change.
    pub(crate) column_updated: &'static str,
    /// Column: link to the API.
    pub(crate) column_data: &'static str,
    /// Kind: model.
    pub(crate) model: &'static str,
    /// Kind: dataset.
    pub(crate) dataset: &'static str,
    /// Kind: Space.
    pub(crate) space: &'static str,
    /// Mark of a private repository.
    pub(crate) private: &'static str,
    /// Before a licence that the card declares.
    pub(crate) declared: &'static str,
    /// No licence declared.
    pub(crate) license_unknown: &'static str,
    /// No task declared.
    pub(crate) task_unknown: &'static str,
    /// Between `JSON` and the name of the repository, for those who hear the link.
    pub(crate) data_of: &'static str,
    /// Link to the next page.
    pub(crate) more: &'static str,
    /// Link to the whole list; the number follows in brackets.
    pub(crate) show_all: &'static str,

    /// No match: before the quoted words.
    pub(crate) no_match: &'static str,
    /// No match: what to try.
    pub(crate) no_match_help: &'static str,
    /// Repositories exist, but there are none to show here.
    pub(crate) nothing: &'static str,
    /// Why that can be, and what to do.
    pub(crate) nothing_help: &'static str,

    /// First run: sentence below the heading.
    pub(crate) first_run: &'static str,
    /// First run: heading of the commands.
    pub(crate) first_repo: &'static str,
    /// First run: note beside that heading.
    pub(crate) first_repo_note: &'static str,

    /// Not found: heading.
    pub(crate) not_found: &'static str,
    /// Not found: what to do.
    pub(crate) not_found_help: &'static str,
    /// Not found: link home.
    pub(crate) go_home: &'static str,
}
