//! Which repositories an order names: ids, and patterns within one namespace.

use globset::GlobBuilder;

use super::checked_text;
use crate::name::check_segment;

checked_text! {
    /// `namespace/name`, a bare name, or a pattern such as `namespace/*` or `namespace/Llama-3.?-*`.
    ///
    /// A namespace is never a pattern: to find its repositories, an upstream would have to list all it has.
    pub RepoPattern, check;
}

/// Whether a text has what only patterns have; no name has any of it.
fn is_glob(text: &str) -> bool {
    text.contains(['*', '?', '[', '{'])
}

fn check(text: &str) -> Result<(), String> {
    let (namespace, name) = text.split_once('/').map_or((None, text), |(namespace, name)| (Some(namespace), name));
    if let Some(namespace) = namespace {
        if is_glob(namespace) {
            return Err(format!("`{text}` has a pattern for a namespace; name the namespace, as in `mistralai/*`"));
        }
        check_segment(namespace).map_err(|error| error.to_string())?;
    }
    if !is_glob(name) {
        return check_segment(name).map_err(|error| error.to_string());
    }
    if namespace.is_none() {
        return Err(format!("`{text}` has no namespace; write `namespace/{text}`"));
    }
    if name.contains('/') {
        return Err(format!("`{text}` is not a pattern for repositories; write `namespace/pattern`"));
    }
    let glob = GlobBuilder::new(name).literal_separator(true).build();
    glob.map(drop).map_err(|error| format!("`{text}` is not a valid pattern: {}", error.kind()))
}

impl RepoPattern {
    /// Whether it may find several repositories.
    pub fn is_glob(&self) -> bool {
        is_glob(self.as_str())
    }

    /// The namespace it names, if it names one.
    pub fn namespace(&self) -> Option<&str> {
        self.as_str().split_once('/').map(|(namespace, _)| namespace)
    }

    /// Whether it means the repository `name`; upper and lower case are one.
    pub fn matches(&self, name: &str) -> bool {
        if !self.is_glob() {
            return self.as_str().eq_ignore_ascii_case(name);
        }
        let glob = GlobBuilder::new(self.as_str()).literal_separator(true).case_insensitive(true).build();
        // Checked when it was read.
        glob.is_ok_and(|glob| glob.compile_matcher().is_match(name))
    }
}

#[cfg(test)]
mod tests {
    use super::RepoPattern;

    #[test]
    fn patterns_stay_within_their_namespace() {
        let pattern: RepoPattern = "mistralai/*-v0.[12]".parse().unwrap();
        assert!(pattern.is_glob() && pattern.namespace() == Some("mistralai"));
        assert!(pattern.matches("mistralai/Mistral-7B-v0.1") && pattern.matches("MistralAI/x-V0.2"));
        for other in ["mistralai/Mistral-7B-v0.3", "other/x-v0.1", "mistralai/a/b-v0.1"] {
            assert!(!pattern.matches(other), "{other}");
        }
        let id: RepoPattern = "gpt2".parse().unwrap();
        assert!(!id.is_glob() && id.matches("GPT2") && !id.matches("gpt2-large"));
    }

    #[test]
    fn what_no_upstream_could_be_asked_for_is_refused() {
        let cases = [
            ("*/x", "name the namespace"),
            ("*", "namespace/*"),
            ("a/b/c", "a valid repository name"),
            ("a/*/c", "namespace/pattern"),
            ("a/[", "not a valid pattern"),
            ("a/", "a valid repository name"),
        ];
        for (text, said) in cases {
            let error = text.parse::<RepoPattern>().unwrap_err();
            assert!(error.contains(said), "{text}: {error}");
        }
    }
}
