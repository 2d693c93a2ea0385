//! The pages, one file each.

pub(crate) mod api;
pub(crate) mod home;
pub(crate) mod not_found;

#[cfg(test)]
mod tests;
