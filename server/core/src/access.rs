//! Who may do what: roles, visibility, and the proof that a decision was made.
//!
//! Authentication happens elsewhere and yields a [`Caller`]. Functions that tell of a repository demand a [`Readable`],
//! those that hand out its contents an [`Openable`], those that change it a [`Writable`], which only the functions here
//! can make; a missing right is thus a missing argument.

use std::fmt;
use std::ops::Deref;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::gate::{Admission, Closed, Gate};

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
    /// How it stands to the gates it has been at.
    pub admissions: Vec<Admission>,
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
        self.has_role(needed, |scope| repo.is_within(scope))
    }

    /// Why the gate of this repository does not let the caller through; `None` if it does.
    ///
    /// Who manages the repository manages its gate and passes. That is a matter of the person: what the credential used
    /// may do at most does not count, as it reads in any case. Lesser roles say who may see, not who has agreed.
    fn is_refused_by_gate(&self, repo: &RepoAccess) -> Option<Closed> {
        match self {
            Caller::System => None,
            Caller::Anonymous => repo.gate.refuses(None),
            Caller::Known(identity) => {
                let manages = |grant: &Grant| repo.is_within(grant.scope) && grant.role.implies(Role::Maintainer);
                if identity.grants.iter().any(manages) {
                    return None;
                }
                repo.gate.refuses(identity.admissions.iter().find(|admission| admission.repo_id == repo.repo_id))
            }
        }
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
    /// What stands before its contents.
    pub gate: Gate,
}

impl RepoAccess {
    /// Whether a role in this scope holds for the repository.
    fn is_within(&self, scope: Scope) -> bool {
        match scope {
            Scope::Hub => true,
            Scope::Namespace(id) => id == self.namespace_id,
            Scope::Repo(id) => id == self.repo_id,
        }
    }
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
    /// The caller may know of the repository, but not have its contents yet.
    #[error("access to the contents of this repository is restricted")]
    Gated(Closed),
    /// The caller may read, but not do this.
    #[error("this needs the role `{0}` on the repository; ask an administrator")]
    Needs(Role),
}

/// Proof that the caller may know of what is inside: that it exists, what it is called, what it consists of.
#[derive(Clone, Debug)]
pub struct Readable<T>(T);

/// Proof that the caller may have the contents of what is inside too.
#[derive(Clone, Debug)]
pub struct Openable<T>(Readable<T>);

/// Proof that the caller may write to what is inside.
#[derive(Clone, Debug)]
pub struct Writable<T>(T);

impl<T> Deref for Readable<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> Deref for Openable<T> {
    type Target = Readable<T>;

    fn deref(&self) -> &Readable<T> {
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

/// Proves that the caller may have the contents of what it may know of, or says why the gate is closed to it.
pub fn openable<T: Guarded>(caller: &Caller, subject: Readable<T>) -> Result<Openable<T>, Denied> {
    match caller.is_refused_by_gate(&subject.access()) {
        None => Ok(Openable(subject)),
        Some(why) => Err(Denied::Gated(why)),
    }
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
        Caller, Denied, Grant, Guarded, Identity, RepoAccess, Role, Scope, Visibility, may_read, openable, readable,
        writable,
    };
    use crate::gate::{Admission, Closed, Gate, GateMode, RequestState};

    #[derive(Clone, Copy, Debug)]
    struct Subject(RepoAccess);

    impl Guarded for Subject {
        fn access(&self) -> RepoAccess {
            self.0
        }
    }

    fn subject(visibility: Visibility) -> Subject {
        Subject(RepoAccess { repo_id: 7, namespace_id: 3, visibility, gate: Gate::default() })
    }

    fn known(cap: Role, grants: &[(Scope, Role)]) -> Caller {
        let grants = grants.iter().map(|&(scope, role)| Grant { scope, role }).collect();
        let admissions = Vec::new();
        Caller::Known(Identity { principal_id: 1, name: "ana".into(), grants, admissions, cap, credential: "t".into() })
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
    fn a_gate_lets_through_who_manages_the_repository_or_was_let_in() {
        let mut gated = subject(Visibility::Public);
        gated.0.gate.mode = GateMode::Manual;
        let opens = |caller: &Caller| openable(caller, readable(caller, gated).unwrap()).map(|_| ());
        let closed = |why| Err(Denied::Gated(why));
        assert_eq!(opens(&Caller::System), Ok(()));
        assert_eq!(opens(&Caller::Anonymous), closed(Closed::NotAsked));
        for role in Role::ALL {
            for (scope, fits) in [
                (Scope::Hub, true),
                (Scope::Namespace(3), true),
                (Scope::Repo(7), true),
                (Scope::Namespace(4), false),
                (Scope::Repo(8), false),
            ] {
                let manages = fits && matches!(role, Role::Maintainer | Role::Admin);
                let expected = if manages { Ok(()) } else { closed(Closed::NotAsked) };
                assert_eq!(opens(&known(Role::Reader, &[(scope, role)])), expected, "{role} {scope:?}");
            }
        }
        let Caller::Known(mut guest) = known(Role::Reader, &[]) else { panic!("a known caller") };
        for (repo_id, state, expected) in [
            (8, RequestState::Accepted, closed(Closed::NotAsked)),
            (7, RequestState::Pending, closed(Closed::Pending)),
            (7, RequestState::Rejected, closed(Closed::Rejected)),
            (7, RequestState::Accepted, Ok(())),
        ] {
            guest.admissions = vec![Admission { repo_id, state, granted: false, accepted: Vec::new() }];
            assert_eq!(opens(&Caller::Known(guest.clone())), expected, "{state} of {repo_id}");
        }
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
