//! What happens around every handler: request ids, logs and counters, CORS, limits, error bodies, slashes.

pub(super) mod cors;
pub(super) mod errors;
pub(super) mod limits;
pub(super) mod observe;
pub(super) mod path;
pub(super) mod viewer;
