//! Headers of served contents: type, name, and how long who may keep them. Pure text; nothing is looked up here.

use acervo_core::access::RepoAccess;
use acervo_core::{CommitOid, RepoPath, Visibility};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// Extensions whose contents are shown as text; HTML and SVG too, since they must not act in this hub's name.
const TEXT_EXTENSIONS: &[&str] = &[
    "bib",
    "c",
    "cc",
    "cfg",
    "cff",
    "cpp",
    "csv",
    "cu",
    "cuh",
    "dockerfile",
    "gitattributes",
    "gitignore",
    "go",
    "h",
    "hpp",
    "htm",
    "html",
    "ini",
    "java",
    "jinja",
    "jinja2",
    "js",
    "jsonl",
    "jsx",
    "license",
    "log",
    "lua",
    "makefile",
    "markdown",
    "md",
    "merges",
    "mjs",
    "ndjson",
    "opts",
    "proto",
    "py",
    "pyi",
    "r",
    "rb",
    "rs",
    "rst",
    "sh",
    "spec",
    "srt",
    "svg",
    "template",
    "tex",
    "toml",
    "ts",
    "tsv",
    "tsx",
    "txt",
    "vocab",
    "vtt",
    "xml",
    "yaml",
    "yml",
];

/// What needs no escape in the extended form of a header parameter (RFC 8187, `attr-char`).
const EXTENDED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'!')
    .remove(b'#')
    .remove(b'$')
    .remove(b'&')
    .remove(b'+')
    .remove(b'-')
    .remove(b'.')
    .remove(b'^')
    .remove(b'_')
    .remove(b'`')
    .remove(b'|')
    .remove(b'~');

/// How long a commit's contents may be kept: they never change.
const FOREVER: &str = "public, max-age=31536000, immutable";

/// Media type of a file, by its name: browsers are never told anything they would execute.
pub(super) fn content_type(path: &RepoPath) -> &'static str {
    let name = path.file_name().to_ascii_lowercase();
    // A name without a dot is its own extension: `LICENSE`, `Dockerfile`, `.gitattributes`.
    match name.rsplit_once('.').map_or(name.as_str(), |(_, extension)| extension) {
        "json" | "ipynb" | "webmanifest" => "application/json",
        extension if TEXT_EXTENSIONS.contains(&extension) => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

/// How a browser should offer the file. huggingface_hub reads the quoted form and wants the semicolon after it.
pub(super) fn content_disposition(path: &RepoPath, is_download: bool) -> String {
    let kind = if is_download { "attachment" } else { "inline" };
    let name = path.file_name();
    let plain: String =
        name.chars().map(|c| if matches!(c, ' '..='~') && !matches!(c, '"' | '\\' | ';') { c } else { '_' }).collect();
    format!("{kind}; filename*=UTF-8''{}; filename=\"{plain}\";", utf8_percent_encode(name, EXTENDED))
}

/// Who may keep the answer for how long; `revision` is what the client wrote.
pub(super) fn cache_control(repo: &RepoAccess, revision: &str) -> &'static str {
    let is_for_all = repo.visibility == Visibility::Public && !repo.gate.is_closed();
    let is_commit = revision.parse::<CommitOid>().is_ok();
    match (is_for_all, is_commit) {
        (true, true) => FOREVER,
        (true, false) => "no-cache",
        // Rights can be taken away: ask again each time, which costs a 304.
        (false, _) => "private, no-cache",
    }
}

#[cfg(test)]
mod tests {
    use acervo_core::Visibility;
    use acervo_core::access::RepoAccess;
    use acervo_core::gate::{Gate, GateMode};

    use super::{cache_control, content_disposition, content_type};

    #[test]
    fn browsers_are_told_nothing_they_would_execute() {
        let text = "text/plain; charset=utf-8";
        let binary = "application/octet-stream";
        for (path, expected) in [
            ("README.md", text),
            ("a/index.HTML", text),
            ("logo.svg", text),
            ("LICENSE", text),
            (".gitattributes", text),
            ("config.json", "application/json"),
            ("model.safetensors", binary),
            ("weights", binary),
            ("a.b/c.bin", binary),
        ] {
            assert_eq!(content_type(&path.parse().unwrap()), expected, "{path}");
        }
    }

    #[test]
    fn names_survive_in_both_forms() {
        let disposition = content_disposition(&"a/\u{f1} \"1\";.txt".parse().unwrap(), false);
        assert_eq!(disposition, "inline; filename*=UTF-8''%C3%B1%20%221%22%3B.txt; filename=\"_ _1__.txt\";");
        assert!(content_disposition(&"x".parse().unwrap(), true).starts_with("attachment; "));
    }

    #[test]
    fn only_commits_that_are_for_all_are_kept_for_ever() {
        let cache_control = |visibility, revision: &str| {
            let gate = Gate::default();
            let open = RepoAccess { repo_id: 1, namespace_id: 1, visibility, gate };
            let gated = RepoAccess { gate: Gate { mode: GateMode::Automatic, ..gate }, ..open };
            assert_eq!(cache_control(&gated, revision), "private, no-cache");
            cache_control(&open, revision)
        };
        let commit = "0123456789abcdef0123456789abcdef01234567";
        let forever = "public, max-age=31536000, immutable";
        assert_eq!(cache_control(Visibility::Public, commit), forever);
        assert_eq!(cache_control(Visibility::Public, "main"), "no-cache");
        assert_eq!(cache_control(Visibility::Public, &commit[..12]), "no-cache");
        assert_eq!(cache_control(Visibility::Private, commit), "private, no-cache");
        assert_eq!(cache_control(Visibility::Internal, "main"), "private, no-cache");
    }
}
