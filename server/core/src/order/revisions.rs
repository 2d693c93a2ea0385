//! Which revisions an order follows: names, patterns over branches and tags, the newest few.

use std::cmp::Ordering;

use globset::GlobBuilder;
use serde::{Deserialize, Serialize};

use super::checked_text;
use crate::revision::{RefKind, RevisionSpec};

checked_text! {
    /// A branch, a tag, a `refs/..` name, a commit id, or a pattern: `v2.*` finds tags, `refs/heads/release-*` branches.
    pub RevisionPattern, check;
}

/// Whether a text has what no name of a ref may have.
fn is_glob(text: &str) -> bool {
    text.contains(['*', '?', '['])
}

fn check(text: &str) -> Result<(), String> {
    if !is_glob(text) {
        return text.parse::<RevisionSpec>().map(drop).map_err(|error| error.to_string());
    }
    let (_, pattern) = split(text);
    let glob = GlobBuilder::new(pattern).build();
    glob.map(drop).map_err(|error| format!("`{text}` is not a valid pattern for revisions: {}", error.kind()))
}

/// What kind of refs a pattern is about, and the rest of it.
fn split(text: &str) -> (RefKind, &str) {
    if let Some(rest) = text.strip_prefix("refs/heads/") {
        return (RefKind::Branch, rest);
    }
    if text.starts_with("refs/convert/") {
        return (RefKind::Convert, text);
    }
    (RefKind::Tag, text.strip_prefix("refs/tags/").unwrap_or(text))
}

impl RevisionPattern {
    /// Whether it may find several refs.
    pub fn is_glob(&self) -> bool {
        is_glob(self.as_str())
    }

    fn matches(&self, kind: RefKind, name: &str) -> bool {
        let (wanted, pattern) = split(self.as_str());
        let glob = GlobBuilder::new(pattern).build();
        // Checked when it was read.
        wanted == kind && glob.is_ok_and(|glob| glob.compile_matcher().is_match(name))
    }
}

/// The revisions an order follows; without any, the default branch.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Follow {
    /// Names, commit ids and patterns.
    pub revisions: Vec<RevisionPattern>,
    /// Of the tags that patterns find, only so many of the highest versions; without a pattern for tags, of all tags.
    pub newest_tags: Option<u32>,
    /// Of every followed branch not only its head: so many of its newest commits.
    pub newest_commits: Option<u32>,
}

/// A revision that is followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Followed {
    /// As it was written: a name, or a commit id.
    Named(String),
    /// What a pattern found.
    Found(RefKind, String),
}

impl Follow {
    /// What to follow of these refs, each once; `default` where nothing else is named.
    ///
    /// Pull requests are never found by patterns: there can be thousands, and anybody opens them.
    pub fn among(&self, refs: &[(RefKind, &str)], default: &str) -> Vec<Followed> {
        let mut named: Vec<Followed> = Vec::new();
        let mut tags: Vec<&str> = Vec::new();
        let mut others: Vec<Followed> = Vec::new();
        let all_tags: RevisionPattern = RevisionPattern("refs/tags/*".to_owned());
        let mut patterns: Vec<&RevisionPattern> = self.revisions.iter().filter(|pattern| pattern.is_glob()).collect();
        if self.newest_tags.is_some() && !patterns.iter().any(|pattern| split(pattern.as_str()).0 == RefKind::Tag) {
            patterns.push(&all_tags);
        }
        for revision in self.revisions.iter().filter(|revision| !revision.is_glob()) {
            let followed = Followed::Named(revision.as_str().to_owned());
            if !named.contains(&followed) {
                named.push(followed);
            }
        }
        if self.revisions.is_empty() {
            named.push(Followed::Named(default.to_owned()));
        }
        for (kind, name) in refs {
            if !patterns.iter().any(|pattern| pattern.matches(*kind, name)) {
                continue;
            }
            match kind {
                RefKind::Tag => tags.push(name),
                _ => others.push(Followed::Found(*kind, (*name).to_owned())),
            }
        }
        tags.sort_by(|a, b| newest_first(a, b));
        let most = self.newest_tags.map_or(usize::MAX, |count| usize::try_from(count).unwrap_or(usize::MAX));
        tags.truncate(most);
        named.extend(others);
        named.extend(tags.into_iter().map(|name| Followed::Found(RefKind::Tag, name.to_owned())));
        named
    }
}

/// Orders names by the versions in them, the highest first: `v1.10` before `v1.9`, `v2.0` before `v2.0-rc1`.
pub fn newest_first(a: &str, b: &str) -> Ordering {
    version_order(b, a)
}

fn version_order(a: &str, b: &str) -> Ordering {
    let (mut left, mut right) = (parts(a).into_iter(), parts(b).into_iter());
    loop {
        return match (left.next(), right.next()) {
            (None, None) => a.cmp(b),
            // What goes on with letters or a dash comes before the version, what goes on with a dot after it.
            (None, Some(rest)) => extension(&rest).reverse(),
            (Some(rest), None) => extension(&rest),
            (Some(one), Some(other)) => match one.cmp(&other) {
                Ordering::Equal => continue,
                unequal => unequal,
            },
        };
    }
}

/// Whether a name that goes on like this is above one that ends, or below it.
fn extension(rest: &Part<'_>) -> Ordering {
    match rest {
        Part::Text(text) if !text.starts_with('.') => Ordering::Less,
        _ => Ordering::Greater,
    }
}

/// A run of digits or of anything else.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Part<'a> {
    Text(&'a str),
    /// Length without leading zeros, then the digits: compares as the number, however long.
    Number(usize, &'a str),
}

fn parts(name: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let mut rest = name;
    while let Some(first) = rest.chars().next() {
        let is_digit = first.is_ascii_digit();
        let end = rest.find(|c: char| c.is_ascii_digit() != is_digit).unwrap_or(rest.len());
        let (part, after) = rest.split_at(end);
        parts.push(if is_digit {
            let digits = part.trim_start_matches('0');
            Part::Number(digits.len(), digits)
        } else {
            Part::Text(part)
        });
        rest = after;
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::{Follow, Followed, RevisionPattern, newest_first};
    use crate::revision::RefKind;

    const REFS: &[(RefKind, &str)] = &[
        (RefKind::Branch, "main"),
        (RefKind::Branch, "release-1"),
        (RefKind::Tag, "v1.9"),
        (RefKind::Tag, "v1.10"),
        (RefKind::Tag, "v2.0-rc1"),
        (RefKind::Tag, "nightly"),
        (RefKind::Convert, "refs/convert/parquet"),
        (RefKind::PullRequest, "refs/pr/1"),
    ];

    fn follow(revisions: &[&str], newest_tags: Option<u32>) -> Vec<String> {
        let revisions = revisions.iter().map(|text| text.parse().unwrap()).collect();
        let follow = Follow { revisions, newest_tags, newest_commits: None };
        let text = |followed| match followed {
            Followed::Named(name) => name,
            Followed::Found(kind, name) => format!("{kind:?}:{name}"),
        };
        follow.among(REFS, "main").into_iter().map(text).collect()
    }

    #[test]
    fn names_are_followed_and_patterns_find_what_there_is() {
        assert_eq!(follow(&[], None), ["main"]);
        assert_eq!(follow(&["main", "main", "absent"], None), ["main", "absent"]);
        assert_eq!(follow(&["v1.*"], None), ["Tag:v1.10", "Tag:v1.9"]);
        assert_eq!(follow(&["refs/heads/*", "refs/convert/*"], None).len(), 3);
        assert_eq!(follow(&["*"], None).len(), 4, "a short pattern is about tags");
        assert_eq!(follow(&["refs/pr/*"], None), Vec::<String>::new());
        assert_eq!(follow(&["main", "v*"], Some(1)), ["main", "Tag:v2.0-rc1"]);
        assert_eq!(follow(&[], Some(2)), ["main", "Tag:v2.0-rc1", "Tag:v1.10"]);
    }

    #[test]
    fn the_highest_version_is_the_newest() {
        let mut names = ["v1.9", "v2.0-rc1", "v1.10", "v2.0", "v2.0.1", "v02.0.0", "a"];
        names.sort_by(|a, b| newest_first(a, b));
        assert_eq!(names, ["v2.0.1", "v02.0.0", "v2.0", "v2.0-rc1", "v1.10", "v1.9", "a"]);
    }

    #[test]
    fn what_git_could_not_name_is_refused() {
        for text in ["", "a..b", "v[", "a b"] {
            assert!(text.parse::<RevisionPattern>().is_err(), "{text}");
        }
    }
}
