//! The table of cases as a page shows it: one row a case, one column a client, the explanations below.

use std::fmt::Write as _;

use super::table::Table;

/// What stands before the matrix in a page.
const BEGIN: &str = "<!-- clients: made from tests/clients/cases.toml -->\n";

/// What stands behind it.
const END: &str = "<!-- end of clients -->\n";

/// The matrix, in Markdown.
pub fn markdown(table: &Table) -> String {
    let mut text = String::from("| case | on |");
    for client in &table.clients {
        let _ = write!(text, " {} |", client.title);
    }
    let _ = writeln!(text, "\n|---|---|{}", "---|".repeat(table.clients.len()));
    for case in &table.cases {
        let _ = write!(text, "| `{}`: {} | {} |", case.name, case.does, case.scene);
        for client in &table.clients {
            let cell = case.reason(&client.id).map_or_else(|| "yes".to_owned(), |key| number(table, key).to_string());
            let _ = write!(text, " {cell} |");
        }
        text.push('\n');
    }
    text.push('\n');
    for (key, reason) in &table.reasons {
        let _ = writeln!(text, "{}. {reason}", number(table, key));
    }
    text
}

/// A page with its matrix replaced by the one of `table`.
pub fn put_into(page: &str, table: &Table) -> String {
    let (before, rest) = page.split_once(BEGIN).expect("the page marks where the matrix begins");
    let (_, after) = rest.split_once(END).expect("the page marks where the matrix ends");
    format!("{before}{BEGIN}{}{END}{after}", markdown(table))
}

fn number(table: &Table, key: &str) -> usize {
    1 + table.reasons.iter().position(|(name, _)| name == key).expect("a reason of the table")
}
