//! What is compared with what: `a..b`, `a...b`, or one revision with the commit before it.

use std::str::FromStr;

use crate::name::NameError;
use crate::revision::RevisionSpec;

/// Where a comparison starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Base {
    /// At the commit before the other one: a single revision was named.
    Before,
    /// At this revision: `a..b`.
    At(RevisionSpec),
    /// At the newest commit that this revision and the other one have in common: `a...b`.
    CommonWith(RevisionSpec),
}

/// Two revisions to compare.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comparison {
    /// What is compared with.
    pub base: Base,
    /// What is compared.
    pub head: RevisionSpec,
}

impl FromStr for Comparison {
    type Err = NameError;

    /// A side that is left empty is the default branch, as in git. No ref name holds two dots or begins with one, so the
    /// first two dots are the sign.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let side = |text: &str| if text.is_empty() { Ok(RevisionSpec::Head) } else { text.parse() };
        let Some((base, rest)) = text.split_once("..") else {
            return Ok(Comparison { base: Base::Before, head: text.parse()? });
        };
        match rest.strip_prefix('.') {
            Some(head) => Ok(Comparison { base: Base::CommonWith(side(base)?), head: side(head)? }),
            None => Ok(Comparison { base: Base::At(side(base)?), head: side(rest)? }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Base, Comparison};
    use crate::revision::RevisionSpec;

    fn read(text: &str) -> (String, String) {
        let comparison: Comparison = text.parse().unwrap();
        let base = match comparison.base {
            Base::Before => "before".to_owned(),
            Base::At(revision) => format!("at {revision}"),
            Base::CommonWith(revision) => format!("common with {revision}"),
        };
        (base, comparison.head.to_string())
    }

    #[test]
    fn dots_say_what_is_compared() {
        let id = "0123456789abcdef0123456789abcdef01234567";
        for (text, base, head) in [
            ("main", "before", "main"),
            ("v1..main", "at v1", "main"),
            ("v1...main", "common with v1", "main"),
            ("feature/x..refs/pr/1", "at feature/x", "refs/pr/1"),
            ("v1.0...v1.1", "common with v1.0", "v1.1"),
            ("..v1", "at HEAD", "v1"),
            ("v1..", "at v1", "HEAD"),
            (&format!("{id}..HEAD"), &format!("at {id}"), "HEAD"),
        ] {
            assert_eq!(read(text), (base.to_owned(), head.to_owned()), "{text}");
        }
        assert!(matches!(id.parse::<Comparison>().unwrap().head, RevisionSpec::Commit(_)));
    }

    #[test]
    fn what_is_no_revision_is_refused() {
        for text in ["", "a b", "a..b..c", "a....b", "a..~b", "-a"] {
            assert!(text.parse::<Comparison>().is_err(), "{text}");
        }
    }
}
