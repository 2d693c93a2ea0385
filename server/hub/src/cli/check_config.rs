//! `acervo check-config`: what is in force, and why.

use std::process::ExitCode;

use crate::cli::print;
use crate::config::Loaded;

/// Prints every key with its value and source.
pub(super) fn run(loaded: &Loaded) -> ExitCode {
    let rows: Vec<Vec<String>> = loaded.explain().into_iter().map(|row| vec![row.key, row.value, row.source]).collect();
    print::table(&["key", "value", "from"], &rows);
    ExitCode::SUCCESS
}
