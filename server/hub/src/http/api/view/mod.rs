//! JSON shapes that hub clients parse, with exactly their names and types. A field that is not known is left out, never
//! sent with another type.

mod access;
mod history;
mod repo;
mod tree;
mod upstream_info;
mod user;

pub use access::{
    AcceptedTerms, AccessRequestItem, AccessUser, Decided, GateStanding, RepoSettings, RequestStage, RequestStatus,
    TermsText, VisibilityName,
};
pub use history::{CommitItem, CommitUser, FormattedCommit, RefItem, RefList};
pub use repo::{GateName, GatedMark, RepoInfo, Sibling, SiblingLfs, project};
pub use tree::{EntrySort, TreeItem, TreeItemLfs};
pub use upstream_info::{Safetensors, TransformersInfo, UpstreamFacts};
pub use user::{AccessToken, User, UserAuth};
