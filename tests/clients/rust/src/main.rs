//! The hf-hub crate, driven through the list of client cases.
fn main() {}
