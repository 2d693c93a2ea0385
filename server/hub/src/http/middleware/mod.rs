//! What happens around every handler: request ids, logs and counters, CORS, error bodies, tolerance for slashes.

pub(super) mod cors;
pub(super) mod errors;
pub(super) mod observe;
pub(super) mod path;
