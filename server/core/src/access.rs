//! Who may do what: roles, visibility, and the proof that a decision was made.
//!
//! Authentication happens elsewhere and yields a [`Caller`]. Functions that reach a repository's content demand a
//! [`Readable`] or [`Writable`], which only the functions here can make; a missing right is thus a missing argument.

use std::fmt;
use std::ops::Deref;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// What a principal may do in a scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Reads repositories, private ones too.
    Reader,
    /// Reads, and publishes into repositories.
    Writer,
    /// Writes, and manages mirrors and settings of repositories.
    Maintainer,
    /// Reads, and decides what is approved.
    Reviewer,
    /// Reads everything, the event log too; changes nothing.
    Auditor,
    /// May do everything in the scope.
    Admin,
}

impl Role {
    /// All roles.
    pub const ALL: [Role; 6] =
        [Role::Reader, Role::Writer, Role::Maintainer, Role::Reviewer, Role::Auditor, Role::Admin];

    /// Name as written on the command line and in answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Reader => "reader",
            Role::Writer => "writer",
            Role::Maintainer => "maintainer",
            Role::Reviewer => "reviewer",
            Role::Auditor => "auditor",
            Role::Admin => "admin",
        }
    }

    /// Whether who has this role may do what `needed` may do.
    pub fn implies(self, needed: Role) -> bool {
        match self {
            Role::Admin => true,
            Role::Maintainer => matches!(needed, Role::Reader | Role::Writer | Role::Maintainer),
            Role::Writer => matches!(needed, Role::Reader | Role::Writer),
            Role::Reviewer | Role::Auditor | Role::Reader => needed == self || needed == Role::Reader,
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Role {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Role::ALL.into_iter().find(|role| role.as_str() == text).ok_or_else(|| {
            format!("`{text}` is not a role; use reader, writer, maintainer, reviewer, auditor or admin")
        })
    }
}

/// Who may know that a repository exists and read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Visibility {
    /// Everybody.
    Public,
    /// Everybody who has signed in here.
    Internal,
    /// Those with a role on it.
    Private,
}

impl Visibility {
    /// Name as written on the command line and in answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Visibility::Public => "public",
            Visibility::Internal => "internal",
            Visibility::Private => "private",
        }
    }
}

impl FromStr for Visibility {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Visibility::Public, Visibility::Internal, Visibility::Private]
            .into_iter()
            .find(|visibility| visibility.as_str() == text)
            .ok_or_else(|| format!("`{text}` is not a visibility; use public, internal or private"))
    }
}

/// Where a role holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// The whole hub.
    Hub,
    /// Every repository of a namespace, by its database id.
    Namespace(i64),
    /// One repository, by its database id.
    Repo(i64),
}

/// A role in a scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Where.
    pub scope: Scope,
    /// What.
    pub role: Role,
}

/// A principal that has proved who it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Database id of the principal.
    pub principal_id: i64,
    /// Its name.
    pub name: String,
    /// Its roles.
    pub grants: Vec<Grant>,
    /// What the credential used may do at most.
    pub cap: Role,
    /// Name of that credential, for people.
    pub credential: String,
}

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Caller {
    /// Nobody we know.
    Anonymous,
    /// A principal with a credential of ours.
    Known(Identity),
    /// This installation itself: workers, and the command line beside the database.
    System,
}

impl Caller {
    /// The principal's database id, for events.
    pub fn principal_id(&self) -> Option<i64> {
        match self {
            Caller::Known(identity) => Some(identity.principal_id),
            Caller::Anonymous | Caller::System => None,
        }
    }

    /// Whether this caller has `needed` on the whole hub.
    pub fn has_hub_role(&self, needed: Role) -> bool {
        self.has_role(needed, |scope| scope == Scope::Hub)
    }

    /// Whether this caller has `needed` on this repository, by whatever scope.
    fn has_repo_role(&self, needed: Role, repo: &RepoAccess) -> bool {
        self.has_role(needed, |scope| match scope {
            Scope::Hub => true,
            Scope::Namespace(id) => id == repo.namespace_id,
            Scope::Repo(id) => id == repo.repo_id,
        })
    }

    /// Whether a grant whose scope fits, under the credential's cap, gives `needed`.
    fn has_role(&self, needed: Role, fits: impl Fn(Scope) -> bool) -> bool {
        match self {
            Caller::Anonymous => false,
            Caller::System => true,
            Caller::Known(identity) => {
                identity.cap.implies(needed)
                    && identity.grants.iter().any(|grant| fits(grant.scope) && grant.role.implies(needed))
            }
        }
    }
}

/// What a decision needs to know of a repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RepoAccess {
    /// Database id of the repository.
    pub repo_id: i64,
    /// Database id of its namespace.
    pub namespace_id: i64,
    /// Who may read it.
    pub visibility: Visibility,
}

/// Something that access is decided on.
pub trait Guarded {
    /// The facts a decision needs.
    fn access(&self) -> RepoAccess;
}

impl<T: Guarded> Guarded for Arc<T> {
    fn access(&self) -> RepoAccess {
        (**self).access()
    }
}

/// Why access was not given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// The caller must not learn that the repository exists.
    #[error("repository not found")]
    Hidden,
    /// The caller may read, but not do this.
    #[error("this needs the role `{0}` on the repository; ask an administrator")]
    Needs(Role),
}

/// Proof that the caller may read what is inside.
#[derive(Clone, Debug)]
pub struct Readable<T>(T);

/// Proof that the caller may write to what is inside.
#[derive(Clone, Debug)]
pub struct Writable<T>(T);

impl<T> Deref for Readable<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> Deref for Writable<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

/// Whether the caller may read a repository with these facts.
pub fn may_read(caller: &Caller, repo: &RepoAccess) -> bool {
    match (repo.visibility, caller) {
        (Visibility::Public, _) | (Visibility::Internal, Caller::Known(_) | Caller::System) => true,
        (Visibility::Internal | Visibility::Private, _) => caller.has_repo_role(Role::Reader, repo),
    }
}

/// Proves that the caller may read, or says that the repository is as good as missing.
pub fn readable<T: Guarded>(caller: &Caller, subject: T) -> Result<Readable<T>, Denied> {
    if may_read(caller, &subject.access()) { Ok(Readable(subject)) } else { Err(Denied::Hidden) }
}

/// Proves that the caller has `needed` (writer or above) on the repository.
pub fn writable<T: Guarded>(caller: &Caller, subject: T, needed: Role) -> Result<Writable<T>, Denied> {
    let facts = subject.access();
    if !may_read(caller, &facts) {
        Err(Denied::Hidden)
    } else if caller.has_repo_role(needed, &facts) {
        Ok(Writable(subject))
    } else {
        Err(Denied::Needs(needed))
    }
}

#[cfg(test)]
mod tests {
    use super::{
        Caller, Denied, Grant, Guarded, Identity, RepoAccess, Role, Scope, Visibility, may_read, readable, writable,
    };

    #[derive(Clone, Copy, Debug)]
    struct Subject(RepoAccess);

    impl Guarded for Subject {
        fn access(&self) -> RepoAccess {
            self.0
        }
    }

    fn subject(visibility: Visibility) -> Subject {
        Subject(RepoAccess { repo_id: 7, namespace_id: 3, visibility })
    }

    fn known(cap: Role, grants: &[(Scope, Role)]) -> Caller {
        let grants = grants.iter().map(|&(scope, role)| Grant { scope, role }).collect();
        Caller::Known(Identity { principal_id: 1, name: "ana".into(), grants, cap, credential: "t".into() })
    }

    #[test]
    fn visibility_decides_who_reads() {
        let stranger = known(Role::Admin, &[]);
        let reader = known(Role::Reader, &[(Scope::Repo(7), Role::Reader)]);
        let elsewhere = known(Role::Admin, &[(Scope::Repo(8), Role::Admin), (Scope::Namespace(4), Role::Admin)]);
        let cases = [
            (Visibility::Public, [true, true, true, true]),
            (Visibility::Internal, [false, true, true, true]),
            (Visibility::Private, [false, false, true, false]),
        ];
        for (visibility, expected) in cases {
            let facts = subject(visibility).0;
            let callers = [&Caller::Anonymous, &stranger, &reader, &elsewhere];
            assert_eq!(callers.map(|caller| may_read(caller, &facts)), expected, "{visibility:?}");
        }
    }

    #[test]
    fn a_token_never_gives_more_than_its_cap() {
        let capped = known(Role::Reader, &[(Scope::Hub, Role::Admin)]);
        assert!(readable(&capped, subject(Visibility::Private)).is_ok());
        let denied = writable(&capped, subject(Visibility::Private), Role::Writer).unwrap_err();
        assert_eq!(denied, Denied::Needs(Role::Writer));
        assert!(!capped.has_hub_role(Role::Admin));
    }

    #[test]
    fn writing_to_a_hidden_repository_does_not_reveal_it() {
        let stranger = known(Role::Admin, &[]);
        assert_eq!(writable(&stranger, subject(Visibility::Private), Role::Writer).unwrap_err(), Denied::Hidden);
        let maintainer = known(Role::Admin, &[(Scope::Namespace(3), Role::Maintainer)]);
        assert!(writable(&maintainer, subject(Visibility::Private), Role::Writer).is_ok());
    }

    #[test]
    fn reviewers_and_auditors_read_but_do_not_write() {
        for role in [Role::Reviewer, Role::Auditor] {
            assert!(role.implies(Role::Reader));
            assert!(!role.implies(Role::Writer));
        }
        assert!(!Role::Maintainer.implies(Role::Reviewer), "who mirrors does not approve");
    }
}
