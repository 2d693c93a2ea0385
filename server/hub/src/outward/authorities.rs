//! Certificates that are trusted beside those of the system.

use std::path::Path;

use reqwest::Certificate;

/// The certificates of the file that the configuration names under `key`; the error is a text for whoever set it.
pub(crate) fn authorities(file: Option<&Path>, key: &str) -> Result<Vec<Certificate>, String> {
    let Some(path) = file else { return Ok(Vec::new()) };
    let shown = path.display();
    let pem = std::fs::read(path).map_err(|error| {
        format!("the file `{shown}` of `{key}` cannot be read: {error}; check its path and permissions")
    })?;
    match Certificate::from_pem_bundle(&pem) {
        Ok(found) if !found.is_empty() => Ok(found),
        _ => Err(format!("the file `{shown}` of `{key}` holds no certificate in PEM")),
    }
}
