//! Which entries of a repository a mirror holds: include and exclude patterns.
//!
//! Patterns mean what huggingface_hub's `allow_patterns` and `ignore_patterns` mean: shell style, `*` crosses `/`, and a
//! pattern that ends with `/` stands for everything below that folder. Presets leave out what patterns cannot say.

mod preset;

use std::fmt;

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use serde::{Deserialize, Serialize};

use crate::name::NameError;
use crate::path::RepoPath;

pub use preset::Preset;

/// Most patterns of one selection.
pub const PATTERNS_MAX: usize = 200;

/// Longest pattern, in bytes.
pub const PATTERN_BYTES_MAX: usize = 512;

/// Include and exclude patterns; without any, everything is selected.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Selection {
    /// An entry must match one of these, if there are any.
    #[serde(default)]
    pub include: Vec<String>,
    /// An entry must match none of these.
    #[serde(default)]
    pub exclude: Vec<String>,
    /// What else is left out, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub presets: Vec<Preset>,
}

/// Why a selection leaves an entry out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unselected {
    /// None of the include patterns matches.
    NotIncluded,
    /// This exclude pattern matches.
    Excluded(String),
    /// This preset leaves it out.
    Preset(Preset),
}

impl fmt::Display for Unselected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unselected::NotIncluded => f.write_str("no include pattern of this mirror matches it"),
            Unselected::Excluded(pattern) => write!(f, "the exclude pattern `{pattern}` of this mirror matches it"),
            Unselected::Preset(preset) => write!(f, "the preset `{preset}` of this mirror leaves it out"),
        }
    }
}

/// A selection with its patterns compiled.
#[derive(Clone, Debug)]
pub struct Selector {
    include: Option<GlobSet>,
    exclude: GlobSet,
    exclude_patterns: Vec<String>,
    presets: Vec<Preset>,
}

impl Selection {
    /// Whether everything is selected.
    pub fn is_everything(&self) -> bool {
        self.include.is_empty() && self.exclude.is_empty() && self.presets.is_empty()
    }

    /// Compiles the patterns, or says which one is wrong.
    pub fn compile(&self) -> Result<Selector, NameError> {
        Ok(Selector {
            include: if self.include.is_empty() { None } else { Some(compile(&self.include)?) },
            exclude: compile(&self.exclude)?,
            exclude_patterns: self.exclude.clone(),
            presets: self.presets.clone(),
        })
    }
}

impl Selector {
    /// The same for a commit with these files: without the presets that mean nothing there.
    #[must_use]
    pub fn on<'a>(mut self, files: &(impl Iterator<Item = &'a str> + Clone)) -> Selector {
        self.presets.retain(|preset| preset.applies(files.clone()));
        self
    }

    /// `None` if the path is selected, else why not.
    pub fn why_not(&self, path: &RepoPath) -> Option<Unselected> {
        if let Some(&index) = self.exclude.matches(path.as_str()).first() {
            return Some(Unselected::Excluded(self.exclude_patterns[index].clone()));
        }
        let included = self.include.as_ref().is_none_or(|include| include.is_match(path.as_str()));
        if !included {
            return Some(Unselected::NotIncluded);
        }
        self.presets.iter().find(|preset| preset.leaves_out(path.as_str())).cloned().map(Unselected::Preset)
    }

    /// Whether the path is selected.
    pub fn selects(&self, path: &RepoPath) -> bool {
        self.why_not(path).is_none()
    }
}

/// Compiles one list of patterns.
fn compile(patterns: &[String]) -> Result<GlobSet, NameError> {
    if patterns.len() > PATTERNS_MAX {
        let why = format!("a selection has at most {PATTERNS_MAX} patterns");
        return Err(NameError::Glob(patterns[PATTERNS_MAX].clone(), why));
    }
    let mut set = GlobSetBuilder::new();
    for pattern in patterns {
        let refuse = |why: String| NameError::Glob(pattern.chars().take(80).collect(), why);
        if pattern.is_empty() {
            return Err(refuse("it is empty".to_owned()));
        }
        if pattern.len() > PATTERN_BYTES_MAX {
            return Err(refuse(format!("it is longer than {PATTERN_BYTES_MAX} bytes")));
        }
        let whole = if pattern.ends_with('/') { format!("{pattern}*") } else { pattern.clone() };
        let glob = GlobBuilder::new(&whole)
            .literal_separator(false)
            .build()
            .map_err(|error| refuse(error.kind().to_string()))?;
        set.add(glob);
    }
    set.build().map_err(|error| NameError::Glob(patterns.join(" "), error.kind().to_string()))
}

#[cfg(test)]
mod tests {
    use super::{Selection, Unselected};

    fn selection(include: &[&str], exclude: &[&str]) -> Selection {
        let own = |list: &[&str]| list.iter().map(|&text| text.to_owned()).collect();
        Selection { include: own(include), exclude: own(exclude), presets: Vec::new() }
    }

    #[test]
    fn patterns_cross_folders_as_in_huggingface_hub() {
        let selector = selection(&["*.safetensors", "config.json", "tokenizer/"], &["original/*"]).compile().unwrap();
        let why = |path: &str| selector.why_not(&path.parse().unwrap());
        assert_eq!(why("model.safetensors"), None);
        assert_eq!(why("sub/model.safetensors"), None);
        assert_eq!(why("tokenizer/vocab.json"), None);
        assert_eq!(why("original/model.safetensors"), Some(Unselected::Excluded("original/*".into())));
        assert_eq!(why("pytorch_model.bin"), Some(Unselected::NotIncluded));
    }

    #[test]
    fn presets_that_mean_nothing_for_a_commit_leave_it_alone() {
        let selection = Selection { presets: vec!["no-duplicates".parse().unwrap()], ..Selection::default() };
        assert!(!selection.is_everything());
        let path = "pytorch_model.bin".parse().unwrap();
        let on = |files: &[&str]| selection.compile().unwrap().on(&files.iter().copied()).why_not(&path);
        assert_eq!(on(&["pytorch_model.bin"]), None);
        let why = on(&["pytorch_model.bin", "model.safetensors"]).unwrap().to_string();
        assert!(why.contains("preset `no-duplicates`"), "{why}");
        let kept: Selection = serde_json::from_str("{\"include\":[\"a\"],\"exclude\":[]}").unwrap();
        assert_eq!(serde_json::to_string(&kept).unwrap(), "{\"include\":[\"a\"],\"exclude\":[]}");
    }

    #[test]
    fn without_patterns_everything_is_selected() {
        let everything = Selection::default();
        assert!(everything.is_everything());
        assert!(everything.compile().unwrap().selects(&"any/thing".parse().unwrap()));
    }

    #[test]
    fn a_broken_pattern_is_named() {
        for pattern in ["[a", "", "a{b", &"x".repeat(513)] {
            let error = selection(&[pattern], &[]).compile().unwrap_err().to_string();
            assert!(error.contains("is not a valid pattern"), "{error}");
        }
    }
}
