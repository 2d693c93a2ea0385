//! The name that mirrored repositories have here.

use super::checked_text;
use crate::name::{NameError, RepoId};

checked_text! {
    /// `namespace/name`; `{namespace}` and `{name}` in it stand for those at the upstream.
    pub LocalName, check;
}

fn check(text: &str) -> Result<(), String> {
    let whole = text.replace("{namespace}", "n").replace("{name}", "m");
    whole.parse::<RepoId>().map(drop).map_err(|error| {
        format!("`{text}` is not a name for repositories here: {error}; as in `lab/{{name}}` or `lab/{{namespace}}-{{name}}`")
    })
}

impl LocalName {
    /// Whether repositories of different names get different names.
    pub fn tells_apart(&self) -> bool {
        self.as_str().contains("{name}")
    }

    /// The name here of a repository that is called `upstream` there.
    pub fn of(&self, upstream: &str) -> Result<RepoId, NameError> {
        let (namespace, name) = upstream.split_once('/').unwrap_or(("", upstream));
        self.as_str().replace("{namespace}", namespace).replace("{name}", name).parse()
    }
}

#[cfg(test)]
mod tests {
    use super::LocalName;

    #[test]
    fn names_are_made_of_those_at_the_upstream() {
        let name: LocalName = "hub/{namespace}-{name}".parse().unwrap();
        assert_eq!(name.of("acme/x.y").unwrap().as_str(), "hub/acme-x.y");
        assert!(name.tells_apart() && !"lab/one".parse::<LocalName>().unwrap().tells_apart());
        for text in ["one", "api/{name}", "lab/{nam}", "lab/a b"] {
            assert!(text.parse::<LocalName>().is_err(), "{text}");
        }
    }
}
