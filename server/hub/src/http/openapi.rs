//! The OpenAPI document, collected from what stands beside the handlers. A test compares it with the router page.

use actix_web::HttpResponse;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};

use super::hub::{raw, resolve};
use super::{api, health, pages};

/// Everything that is served, in OpenAPI's words.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Acervo",
        description = "A model hub that stock Hugging Face clients use by `HF_ENDPOINT`. `{repo}` stands for \
                       `namespace/name` or a bare name, `{rest}` for one or more further segments."
    ),
    paths(
        pages::home,
        pages::static_file,
        health::healthz,
        health::readyz,
        health::metrics,
        document,
        resolve::resolve,
        raw::raw,
        api::identity::whoami,
        api::lists::list,
        api::lists::model_tags,
        api::lists::dataset_tags,
        api::search::quick,
        api::search::spaces,
        api::repo_info::at_revision,
        api::tree::tree,
        api::paths_info::paths_info,
        api::refs::refs,
        api::commits::commits,
        api::identity::auth_check,
        api::identity::auth_check_write,
        api::ask_access::standing,
        api::ask_access::ask,
        api::access_requests::handle,
        api::access_requests::grant,
        api::access_requests::list,
        api::access_report::report,
        api::settings::change,
        api::orders::plan,
        api::orders::apply,
        api::stubs::discussions,
        api::repo_info::default_revision,
        api::stubs::agent_harnesses,
        api::stubs::telemetry,
        api::stubs::validate_yaml,
    ),
    modifiers(&Credentials, &OtherKinds),
    security((), ("token" = []))
)]
struct Document;

/// How callers say who they are.
struct Credentials;

impl Modify for Credentials {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let bearer = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some("a token of this hub; git sends it as the password of `Basic`"))
            .build();
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("token", SecurityScheme::Http(bearer));
    }
}

/// What stands outside the API is the same for datasets and spaces: described once, with those of models.
struct OtherKinds;

impl Modify for OtherKinds {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let paths = &mut document.paths.paths;
        for (described, same) in [
            ("/{repo}/resolve/{rest}", "/datasets/{repo}/resolve/{rest}"),
            ("/{repo}/resolve/{rest}", "/spaces/{repo}/resolve/{rest}"),
            ("/{repo}/resolve/{rest}", "/api/resolve-cache/{plural}/{repo}/{commit}/{rest}"),
            ("/{repo}/raw/{rest}", "/datasets/{repo}/raw/{rest}"),
            ("/{repo}/raw/{rest}", "/spaces/{repo}/raw/{rest}"),
            ("/{repo}/user-access-report", "/datasets/{repo}/user-access-report"),
            ("/{repo}/user-access-report", "/spaces/{repo}/user-access-report"),
        ] {
            if let Some(item) = paths.get(described).cloned() {
                paths.insert(same.to_owned(), item);
            }
        }
    }
}

/// The document itself.
#[utoipa::path(
    method(get, head), path = "/openapi.json", tag = "operators",
    responses((status = 200, description = "this document", body = Object))
)]
pub(super) async fn document() -> HttpResponse {
    HttpResponse::Ok().json(Document::openapi())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::Document;
    use crate::http::router::ROUTES;
    use serde_json::Value;
    use utoipa::OpenApi;

    #[test]
    fn every_route_is_described_and_nothing_else() {
        let document = serde_json::to_value(Document::openapi()).unwrap();
        let paths = document["paths"].as_object().unwrap();
        let methods = |item: &Value| item.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        let described: BTreeSet<(String, String)> = paths
            .iter()
            .flat_map(|(path, item)| methods(item).into_iter().map(move |method| (path.clone(), method)))
            .collect();
        let routed: BTreeSet<(String, String)> = ROUTES
            .iter()
            .flat_map(|line| {
                line.methods.iter().map(|method| (line.pattern.to_owned(), method.as_str().to_lowercase()))
            })
            .collect();
        assert_eq!(described, routed);
    }
}
