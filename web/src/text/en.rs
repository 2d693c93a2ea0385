//! English.

use super::Text;

/// British spelling, sentence case.
pub(crate) static EN: Text = Text {
    skip: "Skip to content",
    languages: "Language",
    zone: "Times in UTC",
    api: "API",
    api_needs_scripts: "This page needs scripts. Programs read the same here:",
    months: ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"],
    quote: "“",
    unquote: "”",

    heading: "Models and data kept here",
    lead: "Copied once, verified byte by byte, and available without the internet too.",
    search_label: "Search repositories by name",
    search_hint: "Part of the name",
    search_button: "Search",

    setup: "Work with this hub",
    setup_note: "The usual tools, unchanged",
    example_name: "organisation/name",

    figures: "The hub in figures",
    repos: "Repositories",
    repos_note: "Models, datasets and Spaces",
    commits: "Commits",
    commits_note: "Fixed states, each with its own id",
    blobs: "Blobs",
    blobs_note: "Distinct contents, each stored once",
    stored: "Space taken",

    list: "Repositories",
    results: "Results for",
    on_this_page: "On this page:",
    column_name: "Repository",
    column_kind: "Type",
    column_task: "Task",
    column_license: "Licence",
    column_commit: "Commit",
    column_updated: "Updated",
    column_data: "API",
    model: "Model",
    dataset: "Dataset",
    space: "Space",
    private: "Private",
    declared: "declared:",
    license_unknown: "Unknown",
    task_unknown: "not declared",
    data_of: "of",
    more: "Next page",
    show_all: "Show all repositories",

    no_match: "Nothing matches",
    no_match_help: "The search looks at names. Try a shorter part.",
    nothing: "There are no repositories to show here.",
    nothing_help: "Those there are stand on another page of the list, or only people with permission see them.",

    first_run: "Nothing is stored yet. Choose an upstream repository; it will be copied, verified and shown here with \
                its licence.",
    first_repo: "Store the first repository",
    first_repo_note: "On the machine that runs this service",

    not_found: "It does not exist, or you may not see it",
    not_found_help: "Check the name or search by a part of it.",
    go_home: "Go to the home page",
};
