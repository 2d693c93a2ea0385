//! Users and organisations as this hub's callers may know of them.
//!
//! Users are told of to whoever is known here. An organisation is a namespace that no user owns; it is told of to those
//! who see a repository of it or have a role in it, since its name is then no news to them. Whatever is counted is what
//! the caller may see.

use acervo_core::access::Scope;
use acervo_core::name::check_segment;
use acervo_core::{Caller, RepoKind, Role, Timestamp};
use acervo_store::db::principals::{self, Namespace, NamespaceKind, Principal, PrincipalKind};
use acervo_store::db::search::Filter;

use crate::app::lists;
use crate::app::repos::read_scope;
use crate::context::Hub;
use crate::error::HubError;

/// Most members of one page.
pub const MEMBERS_MAX: u64 = 100;

/// How many repositories of each kind the caller sees in a namespace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Models.
    pub models: u64,
    /// Datasets.
    pub datasets: u64,
    /// Spaces.
    pub spaces: u64,
}

/// A user.
#[derive(Clone, Debug)]
pub struct User {
    /// Who it is.
    pub principal: Principal,
    /// What of theirs the caller sees.
    pub counts: Counts,
    /// Organisations they have a role in, as far as the caller may know of them.
    pub orgs: Vec<Namespace>,
}

/// An organisation.
#[derive(Clone, Debug)]
pub struct Organization {
    /// Which it is.
    pub namespace: Namespace,
    /// What of it the caller sees.
    pub counts: Counts,
    /// How many have a role in it; told to those who are told of users.
    pub members: Option<u64>,
}

/// A role in an organisation.
#[derive(Clone, Debug, PartialEq)]
pub struct Membership {
    /// The organisation.
    pub namespace: Namespace,
    /// The most that one may do in it.
    pub role: Role,
}

/// Refuses strangers.
fn demand_known(caller: &Caller) -> Result<(), HubError> {
    if *caller == Caller::Anonymous { Err(HubError::TokenRequired) } else { Ok(()) }
}

/// A user, by name.
pub async fn user(hub: &Hub, caller: &Caller, name: &str) -> Result<User, HubError> {
    let principal = known_user(hub, caller, name).await?;
    let mut orgs = Vec::new();
    for membership in memberships(hub, principal.id).await? {
        if knows_of(hub, caller, &membership.namespace).await?.is_some() {
            orgs.push(membership.namespace);
        }
    }
    let counts = counts(hub, caller, &principal.name).await?;
    Ok(User { principal, counts, orgs })
}

/// The principal of a user whom the caller may know of.
pub async fn known_user(hub: &Hub, caller: &Caller, name: &str) -> Result<Principal, HubError> {
    demand_known(caller)?;
    let missing = || HubError::NotFound(format!("there is no user `{name}` here"));
    check_segment(name).map_err(|_| missing())?;
    let found = principals::by_name(hub.db().reader(), name).await?;
    found.filter(|found| found.kind != PrincipalKind::System && found.disabled_at.is_none()).ok_or_else(missing)
}

/// An organisation, by name; one of which the caller sees nothing is as good as missing.
pub async fn organization(hub: &Hub, caller: &Caller, name: &str) -> Result<Organization, HubError> {
    let (namespace, counts) = known_organization(hub, caller, name).await?;
    let members = match caller {
        Caller::Anonymous => None,
        Caller::Known(_) | Caller::System => Some(principals::member_count(hub.db().reader(), namespace.id).await?),
    };
    Ok(Organization { namespace, counts, members })
}

/// The namespace of an organisation that the caller may know of, and what they see of it.
pub async fn known_organization(hub: &Hub, caller: &Caller, name: &str) -> Result<(Namespace, Counts), HubError> {
    let missing = || HubError::NotFound(format!("there is no organization `{name}` here"));
    check_segment(name).map_err(|_| missing())?;
    let found = principals::namespace(hub.db().reader(), name).await?;
    // Counted in any case: who may not know of it must not notice that there is one.
    let counts = counts(hub, caller, name).await?;
    let found = found.filter(|found| found.kind == NamespaceKind::Organization).ok_or_else(missing)?;
    if counts != Counts::default() || has_role_in(caller, &found) { Ok((found, counts)) } else { Err(missing()) }
}

/// Who has a role in an organisation, in name order; a page, and the name after which the next one starts.
pub async fn members(
    hub: &Hub,
    caller: &Caller,
    name: &str,
    after: Option<&str>,
) -> Result<(Vec<Principal>, Option<String>), HubError> {
    demand_known(caller)?;
    let (namespace, _) = known_organization(hub, caller, name).await?;
    let mut found = principals::members(hub.db().reader(), namespace.id, after, MEMBERS_MAX + 1).await?;
    let more = found.len() as u64 > MEMBERS_MAX;
    found.truncate(usize::try_from(MEMBERS_MAX).unwrap_or(usize::MAX));
    let next = found.last().filter(|_| more).map(|last| last.name_lower.clone());
    Ok((found, next))
}

/// The organisations that a principal has a role in, in name order.
pub async fn memberships(hub: &Hub, principal_id: i64) -> Result<Vec<Membership>, HubError> {
    let db = hub.db().reader();
    let grants = principals::grants(db, principal_id).await?;
    let of = |id: i64| {
        let roles = grants.iter().filter(|grant| grant.scope == Scope::Namespace(id)).map(|grant| grant.role);
        roles.max_by_key(|role| Role::ALL.iter().filter(|other| role.implies(**other)).count())
    };
    let ids: Vec<i64> = grants
        .iter()
        .filter_map(|grant| match grant.scope {
            Scope::Namespace(id) => Some(id),
            Scope::Hub | Scope::Repo(_) => None,
        })
        .collect();
    let mut found = principals::namespaces(db, &ids).await?;
    found.retain(|namespace| namespace.kind == NamespaceKind::Organization);
    found.sort_by(|a, b| a.name_lower.cmp(&b.name_lower));
    Ok(found.into_iter().filter_map(|namespace| Some(Membership { role: of(namespace.id)?, namespace })).collect())
}

/// What the caller sees of an organisation; nothing, if they may not know of it.
async fn knows_of(hub: &Hub, caller: &Caller, namespace: &Namespace) -> Result<Option<Counts>, HubError> {
    let counts = counts(hub, caller, &namespace.name).await?;
    Ok((counts != Counts::default() || has_role_in(caller, namespace)).then_some(counts))
}

/// Whether the caller has any role in a namespace, or one on the whole hub.
fn has_role_in(caller: &Caller, namespace: &Namespace) -> bool {
    caller.has_hub_role(Role::Reader) || read_scope(caller).namespaces.contains(&namespace.id)
}

/// How many repositories of each kind the caller sees in a namespace.
async fn counts(hub: &Hub, caller: &Caller, namespace: &str) -> Result<Counts, HubError> {
    let count = async |kind: RepoKind| {
        let mut filter = Filter::all(read_scope(caller));
        filter.kind = Some(kind);
        filter.namespace = Some(namespace.to_ascii_lowercase());
        lists::count(hub, filter).await
    };
    Ok(Counts {
        models: count(RepoKind::Model).await?,
        datasets: count(RepoKind::Dataset).await?,
        spaces: count(RepoKind::Space).await?,
    })
}

/// When a principal came here.
pub fn since(principal: &Principal) -> Timestamp {
    principal.created_at.into()
}
