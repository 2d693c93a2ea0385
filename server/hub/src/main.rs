//! acervo
fn main() {}
