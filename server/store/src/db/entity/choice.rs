//! Enum columns that stand for enums of the domain, and how they become those and back.
//!
//! An enum that only one table has, and the domain does not, stands in that table's file.

use acervo_core::{EntryKind, RefKind, RepoKind, Role, Visibility};
use sea_orm::{DeriveActiveEnum, EnumIter};

/// Kind of a repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum RepoKindColumn {
    /// Weights and what loads them.
    #[sea_orm(string_value = "model")]
    Model,
    /// Data.
    #[sea_orm(string_value = "dataset")]
    Dataset,
    /// A demo application.
    #[sea_orm(string_value = "space")]
    Space,
}

impl From<RepoKind> for RepoKindColumn {
    fn from(kind: RepoKind) -> Self {
        match kind {
            RepoKind::Model => RepoKindColumn::Model,
            RepoKind::Dataset => RepoKindColumn::Dataset,
            RepoKind::Space => RepoKindColumn::Space,
        }
    }
}

impl From<RepoKindColumn> for RepoKind {
    fn from(kind: RepoKindColumn) -> Self {
        match kind {
            RepoKindColumn::Model => RepoKind::Model,
            RepoKindColumn::Dataset => RepoKind::Dataset,
            RepoKindColumn::Space => RepoKind::Space,
        }
    }
}

/// Who may know that a repository exists and read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum VisibilityColumn {
    /// Everybody.
    #[sea_orm(string_value = "public")]
    Public,
    /// Everybody who has signed in.
    #[sea_orm(string_value = "internal")]
    Internal,
    /// Those with a grant.
    #[sea_orm(string_value = "private")]
    Private,
}

impl From<Visibility> for VisibilityColumn {
    fn from(visibility: Visibility) -> Self {
        match visibility {
            Visibility::Public => VisibilityColumn::Public,
            Visibility::Internal => VisibilityColumn::Internal,
            Visibility::Private => VisibilityColumn::Private,
        }
    }
}

impl From<VisibilityColumn> for Visibility {
    fn from(visibility: VisibilityColumn) -> Self {
        match visibility {
            VisibilityColumn::Public => Visibility::Public,
            VisibilityColumn::Internal => Visibility::Internal,
            VisibilityColumn::Private => Visibility::Private,
        }
    }
}

/// What a principal or a token may do in a scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum RoleColumn {
    /// Reads.
    #[sea_orm(string_value = "reader")]
    Reader,
    /// Reads and publishes.
    #[sea_orm(string_value = "writer")]
    Writer,
    /// Writes, and manages mirrors and settings.
    #[sea_orm(string_value = "maintainer")]
    Maintainer,
    /// Reads, and decides what is approved.
    #[sea_orm(string_value = "reviewer")]
    Reviewer,
    /// Reads everything, the event log too.
    #[sea_orm(string_value = "auditor")]
    Auditor,
    /// Does everything.
    #[sea_orm(string_value = "admin")]
    Admin,
}

impl From<Role> for RoleColumn {
    fn from(role: Role) -> Self {
        match role {
            Role::Reader => RoleColumn::Reader,
            Role::Writer => RoleColumn::Writer,
            Role::Maintainer => RoleColumn::Maintainer,
            Role::Reviewer => RoleColumn::Reviewer,
            Role::Auditor => RoleColumn::Auditor,
            Role::Admin => RoleColumn::Admin,
        }
    }
}

impl From<RoleColumn> for Role {
    fn from(role: RoleColumn) -> Self {
        match role {
            RoleColumn::Reader => Role::Reader,
            RoleColumn::Writer => Role::Writer,
            RoleColumn::Maintainer => Role::Maintainer,
            RoleColumn::Reviewer => Role::Reviewer,
            RoleColumn::Auditor => Role::Auditor,
            RoleColumn::Admin => Role::Admin,
        }
    }
}

/// What sort of movable name a ref is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum RefKindColumn {
    /// A branch.
    #[sea_orm(string_value = "branch")]
    Branch,
    /// A tag.
    #[sea_orm(string_value = "tag")]
    Tag,
    /// A converted view.
    #[sea_orm(string_value = "convert")]
    Convert,
    /// A pull request.
    #[sea_orm(string_value = "pull_request")]
    PullRequest,
}

impl From<RefKind> for RefKindColumn {
    fn from(kind: RefKind) -> Self {
        match kind {
            RefKind::Branch => RefKindColumn::Branch,
            RefKind::Tag => RefKindColumn::Tag,
            RefKind::Convert => RefKindColumn::Convert,
            RefKind::PullRequest => RefKindColumn::PullRequest,
        }
    }
}

impl From<RefKindColumn> for RefKind {
    fn from(kind: RefKindColumn) -> Self {
        match kind {
            RefKindColumn::Branch => RefKind::Branch,
            RefKindColumn::Tag => RefKind::Tag,
            RefKindColumn::Convert => RefKind::Convert,
            RefKindColumn::PullRequest => RefKind::PullRequest,
        }
    }
}

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum EntryKindColumn {
    /// A regular or LFS file.
    #[sea_orm(string_value = "file")]
    File,
    /// A folder.
    #[sea_orm(string_value = "directory")]
    Directory,
}

impl From<EntryKind> for EntryKindColumn {
    fn from(kind: EntryKind) -> Self {
        match kind {
            EntryKind::File => EntryKindColumn::File,
            EntryKind::Directory => EntryKindColumn::Directory,
        }
    }
}

impl From<EntryKindColumn> for EntryKind {
    fn from(kind: EntryKindColumn) -> Self {
        match kind {
            EntryKindColumn::File => EntryKind::File,
            EntryKindColumn::Directory => EntryKind::Directory,
        }
    }
}
