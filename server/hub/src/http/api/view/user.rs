//! The caller as `whoami-v2` describes it.

use acervo_core::Role;
use acervo_core::access::Identity;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::people::Membership;

/// A credential.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AccessToken {
    /// Its name; clients store it under this one.
    #[schema(example = "laptop")]
    pub display_name: String,
    /// `read` or `write`.
    #[schema(example = "read")]
    pub role: &'static str,
}

/// How the caller has proved who it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserAuth {
    /// Always `access_token`.
    #[serde(rename = "type")]
    #[schema(example = "access_token")]
    pub kind: &'static str,
    /// The credential used.
    pub access_token: AccessToken,
}

/// An organisation that the caller has a role in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserOrg {
    /// Always `org`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// Name.
    #[schema(example = "acme")]
    pub name: String,
    /// The same.
    #[schema(example = "acme")]
    pub fullname: String,
    /// Always empty.
    pub email: String,
    /// Always false.
    pub can_pay: bool,
    /// Always null.
    #[schema(value_type = Option<i64>)]
    pub period_end: Option<i64>,
    /// Always empty.
    pub avatar_url: String,
    /// `admin`, `write` or `read`, as clients know roles.
    #[schema(example = "write")]
    pub role_in_org: &'static str,
}

impl From<&Membership> for UserOrg {
    fn from(membership: &Membership) -> Self {
        let name = membership.namespace.name.clone();
        UserOrg {
            kind: "org",
            fullname: name.clone(),
            name,
            email: String::new(),
            can_pay: false,
            period_end: None,
            avatar_url: String::new(),
            role_in_org: match membership.role {
                Role::Admin => "admin",
                Role::Writer | Role::Maintainer => "write",
                Role::Reader | Role::Reviewer | Role::Auditor => "read",
            },
        }
    }
}

/// A caller. Name, credential and organisations mean something here; the rest is what clients expect to be there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct User {
    /// Always `user`.
    #[serde(rename = "type")]
    #[schema(example = "user")]
    pub kind: &'static str,
    /// Name, which is also the caller's own namespace.
    #[schema(example = "ana")]
    pub name: String,
    /// The same.
    #[schema(example = "ana")]
    pub fullname: String,
    /// Always empty: mail addresses are not handed out.
    #[schema(example = "")]
    pub email: String,
    /// Always true, so that no client asks for it.
    pub email_verified: bool,
    /// Always false.
    pub is_pro: bool,
    /// Always false.
    pub can_pay: bool,
    /// Always empty.
    #[schema(example = "")]
    pub avatar_url: String,
    /// Always null.
    #[schema(value_type = Option<i64>, example = json!(null))]
    pub period_end: Option<i64>,
    /// Organisations that the caller has a role in.
    pub orgs: Vec<UserOrg>,
    /// The credential used.
    pub auth: UserAuth,
}

impl User {
    /// The view of a caller and the organisations that it has a role in.
    pub fn new(identity: &Identity, orgs: &[Membership]) -> Self {
        let role = if identity.cap.implies(Role::Writer) { "write" } else { "read" };
        User {
            kind: "user",
            name: identity.name.clone(),
            fullname: identity.name.clone(),
            email: String::new(),
            email_verified: true,
            is_pro: false,
            can_pay: false,
            avatar_url: String::new(),
            period_end: None,
            orgs: orgs.iter().map(UserOrg::from).collect(),
            auth: UserAuth {
                kind: "access_token",
                access_token: AccessToken { display_name: identity.credential.clone(), role },
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use acervo_core::Role;
    use acervo_core::access::Identity;
    use serde_json::json;

    use super::User;

    #[test]
    fn the_cap_of_the_credential_is_its_role() {
        for (cap, role) in [
            (Role::Reader, "read"),
            (Role::Auditor, "read"),
            (Role::Reviewer, "read"),
            (Role::Writer, "write"),
            (Role::Admin, "write"),
        ] {
            let identity = Identity {
                admissions: Vec::new(),
                principal_id: 7,
                name: "ana".to_owned(),
                grants: Vec::new(),
                cap,
                credential: "laptop".to_owned(),
            };
            let view = serde_json::to_value(User::new(&identity, &[])).unwrap();
            assert_eq!(view["auth"]["accessToken"], json!({"displayName": "laptop", "role": role}));
            assert_eq!(view["orgs"], json!([]));
            assert!(!view.to_string().contains('7'), "database keys stay here: {view}");
        }
    }
}
