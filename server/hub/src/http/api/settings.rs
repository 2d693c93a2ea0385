//! `PUT /api/{type}/{repo}/settings`: who may see a repository, and what stands before its contents.

use acervo_core::Visibility;
use acervo_core::gate::GateMode;
use acervo_store::db::repos::Gated;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Deserializer};
use utoipa::ToSchema;

use super::doc::{ErrorBody, RepoAddress, RepoErrors};
use super::read_json;
use super::view::{GatedMark, RepoSettings, VisibilityName};
use crate::app::gates;
use crate::app::settings::{self, Change, Terms};
use crate::context::Hub;
use crate::error::HubError;
use crate::http::error::ApiError;
use crate::http::extract::{Auth, RepoRoute, open_repo};

/// What to change; what is left out stays.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"gated": "manual", "gatedTerms": "For research only.", "visibility": "public"}))]
pub struct SettingsChange {
    /// How access is to be given, or `false` for no gate.
    #[serde(default)]
    #[schema(value_type = Option<GatedMark>)]
    pub gated: Option<GatedWish>,
    /// Text that must be accepted; `null` for none.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>, max_length = 262_144)]
    pub gated_terms: Option<Option<String>>,
    /// Who may see it; not together with `private`.
    #[serde(default)]
    #[schema(value_type = Option<VisibilityName>)]
    pub visibility: Option<String>,
    /// What old clients send for `visibility`.
    #[serde(default)]
    pub private: Option<bool>,
}

/// A gate as clients ask for it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum GatedWish {
    /// `false` opens it.
    Flag(bool),
    /// How access is to be given.
    Mode(String),
}

/// A field that may be `null` and differs from one that is left out.
fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

impl TryFrom<SettingsChange> for Change {
    type Error = HubError;

    fn try_from(wish: SettingsChange) -> Result<Self, HubError> {
        let no_gate = || HubError::Invalid("`gated` is false, `\"auto\"` or `\"manual\"`".to_owned());
        let gate = match wish.gated {
            None => None,
            Some(GatedWish::Flag(false)) => Some(GateMode::Open),
            Some(GatedWish::Flag(true)) => return Err(no_gate()),
            Some(GatedWish::Mode(mode)) => {
                let mode: GateMode = mode.parse().map_err(|_| no_gate())?;
                Some(mode).filter(|mode| *mode != GateMode::Open).map(Some).ok_or_else(no_gate)?
            }
        };
        let visibility = match (&wish.visibility, wish.private) {
            (Some(_), Some(_)) => {
                return Err(HubError::Invalid("`visibility` and `private` say the same; send one of them".to_owned()));
            }
            (Some(name), None) => Some(name.parse().map_err(HubError::Invalid)?),
            (None, Some(true)) => Some(Visibility::Private),
            (None, Some(false)) => Some(Visibility::Public),
            (None, None) => None,
        };
        let terms = match wish.gated_terms {
            None => Terms::Keep,
            Some(None) => Terms::Remove,
            Some(Some(text)) => Terms::Put(text),
        };
        Ok(Change { visibility, gate, terms })
    }
}

/// Changes settings of a repository, all that are named or none.
#[utoipa::path(
    put,
    path = "/api/{plural}/{repo}/settings",
    tag = "gates",
    params(RepoAddress),
    request_body = SettingsChange,
    responses(
        (status = 200, description = "Settings as they are now", body = RepoSettings),
        (status = 413, description = "Terms of more than 256 KiB", body = ErrorBody),
        RepoErrors,
    )
)]
pub async fn change(
    hub: web::Data<Hub>,
    Auth(caller): Auth,
    route: RepoRoute,
    body: web::Bytes,
    req: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let repo = open_repo(&hub, &caller, &route, &req).await?;
    gates::manage(&caller, &repo)?;
    let wish: SettingsChange = read_json(&body)?;
    let now = settings::change(&hub, &caller, &repo, &wish.try_into()?).await?;
    Ok(HttpResponse::Ok().json(RepoSettings {
        gated: Gated::from(now.gate.mode).into(),
        gated_terms: now.gate.terms,
        private: now.visibility != Visibility::Public,
        visibility: now.visibility.as_str(),
    }))
}

#[cfg(test)]
mod tests {
    use acervo_core::Visibility;
    use acervo_core::gate::GateMode;

    use super::SettingsChange;
    use crate::app::settings::{Change, Terms};
    use crate::http::api::read_json;

    fn read(body: &str) -> Result<Change, String> {
        let wish: SettingsChange = read_json(body.as_bytes()).map_err(|error| error.to_string())?;
        Change::try_from(wish).map_err(|error| error.to_string())
    }

    #[test]
    fn every_generation_of_clients_is_understood() {
        for (body, gate, visibility) in [
            ("{\"gated\":\"auto\"}", Some(GateMode::Automatic), None),
            ("{\"gated\":\"manual\",\"private\":true}", Some(GateMode::Manual), Some(Visibility::Private)),
            ("{\"gated\":false,\"visibility\":\"internal\"}", Some(GateMode::Open), Some(Visibility::Internal)),
            ("{\"private\":false}", None, Some(Visibility::Public)),
            ("{}", None, None),
        ] {
            let change = read(body).unwrap();
            assert_eq!((change.gate, change.visibility, change.terms), (gate, visibility, Terms::Keep), "{body}");
        }
        assert_eq!(read("{\"gatedTerms\":null}").unwrap().terms, Terms::Remove);
        assert_eq!(read("{\"gatedTerms\":\"x\"}").unwrap().terms, Terms::Put("x".to_owned()));
    }

    #[test]
    fn wishes_that_mean_nothing_here_are_refused() {
        for body in [
            "",
            "[]",
            "{\"gated\":true}",
            "{\"gated\":\"none\"}",
            "{\"gated\":1}",
            "{\"visibility\":\"protected\"}",
            "{\"visibility\":\"public\",\"private\":true}",
            "{\"discussionsDisabled\":true}",
        ] {
            assert!(read(body).is_err(), "{body}");
        }
    }
}
