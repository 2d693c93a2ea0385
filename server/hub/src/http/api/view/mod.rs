//! JSON shapes that hub clients parse, with exactly their names and types. A field that is not known is left out, never
//! sent with another type.

mod access;
mod collection;
mod history;
mod people;
mod repo;
mod tree;
mod upstream_info;
mod user;

pub use access::{
    AcceptedTerms, AccessRequestItem, AccessUser, Decided, GateStanding, RepoSettings, RequestStage, RequestStatus,
    TermsText, VisibilityName,
};
pub use collection::{CollectionInfo, CollectionItem, Note};
pub use history::{CommitItem, CommitUser, FormattedCommit, RefItem, RefList};
pub use people::{OrganizationItem, OrganizationOverview, Owner, UserItem, UserOverview};
pub use repo::{GateName, GatedMark, RepoInfo, Sibling, SiblingLfs, project};
pub use tree::{EntrySort, LastCommitItem, TreeItem, TreeItemLfs};
pub use upstream_info::{Safetensors, TransformersInfo, UpstreamFacts};
pub use user::{AccessToken, User, UserAuth, UserOrg};
