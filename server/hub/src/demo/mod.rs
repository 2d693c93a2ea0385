//! `acervo demo`: the main job with no internet and no configuration.

pub mod content;
