//! `acervo demo`: the main job with no internet and no configuration.
//!
//! Two hubs run in one process: one that serves generated repositories as an upstream would, and one that mirrors them
//! through the very code of `mirror add`, jobs and publication.

pub mod content;
mod hubs;
mod verify;

use acervo_core::{RepoKind, Selection, Visibility};

use crate::app::mirrors::MirrorRequest;

pub use hubs::{DemoMirror, DemoUpstream};
pub use verify::verify;

/// The standing order for a repository of the demonstration.
pub fn order(kind: RepoKind, name: &str) -> MirrorRequest {
    MirrorRequest {
        kind,
        upstream_name: name.to_owned(),
        revisions: Vec::new(),
        selection: Selection::default(),
        local_name: None,
        visibility: Visibility::Public,
        newest_tags: None,
        limits: None,
        timing: None,
        gate: None,
    }
}
