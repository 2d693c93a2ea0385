//! The one list of cases: `tests/clients/cases.toml`, read and checked.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

/// A client of the table, by the name its columns and rules use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientName {
    /// Short name, such as `python-2.4`.
    pub id: String,
    /// What people call it.
    pub title: String,
}

/// A case, on the scene that it is run on.
#[derive(Clone, Debug)]
pub struct Case {
    /// Name in the clients' programs.
    pub name: String,
    /// What a user does and sees.
    pub does: String,
    /// Whose repositories it looks at.
    pub scene: String,
    /// Whether a link that cuts transfers stands between client and hub.
    pub through_cut: bool,
    /// Why a client does not run it, by client.
    explained: BTreeMap<String, String>,
}

impl Case {
    /// `name@scene`, as the clients' programs take it and report it.
    pub fn label(&self) -> String {
        format!("{}@{}", self.name, self.scene)
    }

    /// The key of the reason why `client` does not run this case; `None` if it does.
    pub fn reason(&self, client: &str) -> Option<&str> {
        self.explained.get(client).map(String::as_str)
    }
}

/// The whole table.
#[derive(Clone, Debug)]
pub struct Table {
    /// In the order of the columns.
    pub clients: Vec<ClientName>,
    /// In the order of the rows.
    pub cases: Vec<Case>,
    /// Explanations by their key, in the order of the file.
    pub reasons: Vec<(String, String)>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    clients: toml::Table,
    groups: BTreeMap<String, Vec<String>>,
    reasons: toml::Table,
    case: Vec<Row>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    name: String,
    does: String,
    scene: String,
    through: Option<String>,
    #[serde(default)]
    not: BTreeMap<String, String>,
    by_nobody: Option<String>,
}

impl Table {
    /// The table of this repository; anything wrong with it ends the test.
    pub fn load() -> Table {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("clients/cases.toml");
        let text = std::fs::read_to_string(path).expect("the table of cases");
        Table::parse(&text)
    }

    fn parse(text: &str) -> Table {
        let file: File = toml::from_str(text).expect("a table of cases");
        let pairs = |table: toml::Table| -> Vec<(String, String)> {
            let text = |value: toml::Value| value.as_str().expect("a text").to_owned();
            table.into_iter().map(|(key, value)| (key, text(value))).collect()
        };
        let clients: Vec<ClientName> =
            pairs(file.clients).into_iter().map(|(id, title)| ClientName { id, title }).collect();
        let reasons = pairs(file.reasons);
        let cases: Vec<Case> = file.case.into_iter().map(|row| row.read(&clients, &file.groups)).collect();
        for (key, _) in &reasons {
            let used = cases.iter().any(|case| case.explained.values().any(|reason| reason == key));
            assert!(used, "no case is explained by `{key}`");
        }
        for case in &cases {
            for (client, reason) in &case.explained {
                assert!(
                    reasons.iter().any(|(key, _)| key == reason),
                    "{}, {client}: no reason `{reason}`",
                    case.label()
                );
            }
            let same = cases.iter().filter(|other| other.label() == case.label()).count();
            assert_eq!(same, 1, "{} stands in the table more than once", case.label());
        }
        Table { clients, cases, reasons }
    }

    /// The cases of these scenes that `client` runs.
    pub fn runs(&self, client: &str, scenes: &[&str]) -> Vec<Case> {
        let runs = |case: &&Case| scenes.contains(&case.scene.as_str()) && case.reason(client).is_none();
        self.cases.iter().filter(runs).cloned().collect()
    }
}

impl Row {
    fn read(self, clients: &[ClientName], groups: &BTreeMap<String, Vec<String>>) -> Case {
        let Row { name, does, scene, through, not, by_nobody } = self;
        assert!(matches!(through.as_deref(), None | Some("cut")), "{name}: no link is called {through:?}");
        let mut explained = BTreeMap::new();
        if let Some(reason) = by_nobody {
            explained.extend(clients.iter().map(|client| (client.id.clone(), reason.clone())));
        }
        for (who, reason) in not {
            let members = groups.get(&who).cloned().unwrap_or_else(|| vec![who]);
            for member in members {
                assert!(clients.iter().any(|client| client.id == member), "{name}: there is no client `{member}`");
                let before = explained.insert(member.clone(), reason.clone());
                assert!(before.is_none(), "{name}: `{member}` is explained twice");
            }
        }
        Case { name, does, scene, through_cut: through.is_some(), explained }
    }
}
