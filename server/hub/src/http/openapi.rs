//! The OpenAPI document: collected from what stands beside the handlers, then completed with what all answers share.
//!
//! Tests compare it with the router page and walk it for gaps. What a handler answers is described beside the handler,
//! never here.

mod complete;
mod examples;
#[cfg(test)]
mod tests;

use std::sync::OnceLock;

use actix_web::http::header::{CACHE_CONTROL, ContentType};
use actix_web::{HttpRequest, HttpResponse, web};
use bytes::Bytes;
use serde_json::Value;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};

use super::gzip::{self, Packed};
use super::hub::{raw, resolve};
use super::{api, api_page, health, pages};
use crate::context::Hub;
use crate::error::HubError;
use crate::http::error::ApiError;

/// Everything that is served, in OpenAPI's words.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Acervo",
        description = "A model hub that stock Hugging Face clients use by `HF_ENDPOINT`. `{repo}` stands for \
                       `namespace/name` or a bare name, `{rest}` for one or more further segments; their slashes may \
                       be written as they are or as `%2F`.\n\nErrors are told in headers, which a `HEAD` has too: \
                       `X-Error-Code` for programs, `X-Error-Message` for people; bodies repeat the message. \
                       Parameters that are not described are ignored.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    tags(
        (name = "hub", description = "What hub clients ask: repositories, files, commits, lists, who they are"),
        (name = "contents", description = "The bytes of files"),
        (name = "mirrors", description = "Standing orders, mirrors, their jobs, and requests for repositories"),
        (name = "gates", description = "Gated repositories: asking for access, deciding, settings"),
        (name = "events", description = "What happened here, and webhooks that are told of it"),
        (name = "stub", description = "Fixed answers that keep clients going"),
        (name = "pages", description = "Web pages and their files"),
        (name = "operators", description = "Is it alive, is it ready, how much has it done"),
    ),
    paths(
        pages::home,
        pages::static_file,
        api_page::page,
        api_page::file,
        health::healthz,
        health::readyz,
        health::metrics,
        document,
        resolve::resolve,
        resolve::cached,
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
        api::compare::compare,
        api::tensors::sharded,
        api::people::likers,
        api::identity::auth_check,
        api::identity::auth_check_write,
        api::ask_access::standing,
        api::ask_access::ask,
        api::access_requests::handle,
        api::access_requests::grant,
        api::access_requests::list,
        api::access_report::report,
        api::settings::change,
        api::collections::list,
        api::collections::info,
        api::people::user_overview,
        api::people::user_likes,
        api::people::user_followers,
        api::people::user_following,
        api::people::organization_overview,
        api::people::organization_members,
        api::people::organization_followers,
        api::orders::plan,
        api::orders::apply,
        api::events::list,
        api::webhooks::deliveries,
        api::webhooks::retry,
        api::jobs::list,
        api::jobs::info,
        api::job_events::events,
        api::jobs::cancel,
        api::jobs::pause,
        api::jobs::resume,
        api::jobs::retry,
        api::mirror_requests::list,
        api::mirror_requests::open,
        api::mirror_requests::accept,
        api::mirror_requests::decline,
        api::mirrors::sync,
        api::mirrors::pause,
        api::mirrors::resume,
        api::stubs::discussions,
        api::repo_info::default_revision,
        api::stubs::agent_harnesses,
        api::stubs::telemetry,
        api::stubs::validate_yaml,
    ),
    components(schemas(api::doc::ErrorBody, api::doc::FileBytes)),
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

/// The finished document of one hub, made when it is first asked for.
#[derive(Debug)]
pub(super) struct Finished {
    /// Path that all addresses of this hub begin with: empty, or `/prefix`.
    root: String,
    body: OnceLock<Packed>,
}

impl Finished {
    /// The document of a hub.
    pub(super) fn of(hub: &Hub) -> Finished {
        Finished { root: root(&hub.public_url()), body: OnceLock::new() }
    }

    fn packed(&self) -> &Packed {
        self.body.get_or_init(|| Packed::new(Bytes::from(whole(&self.root).to_string())))
    }
}

/// The whole document of a hub below `root`.
fn whole(root: &str) -> Value {
    // A tree of plain values: turning it into JSON does not fail.
    let mut document = serde_json::to_value(Document::openapi()).unwrap_or_default();
    complete::complete(&mut document, root);
    document
}

/// The path of an address, without a slash at its end.
pub(super) fn root(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let path = rest.split(['?', '#']).next().unwrap_or_default().split_once('/').map_or("", |(_, path)| path);
    match path.trim_matches('/') {
        "" => String::new(),
        path => format!("/{path}"),
    }
}

/// Describes every operation of this hub, in OpenAPI's words.
#[utoipa::path(
    method(get, head), path = "/openapi.json", tag = "pages",
    responses((status = 200, description = "This document", body = Object,
        example = json!({"openapi": "3.1.0", "info": {"title": "Acervo", "version": "0.1.0"}, "paths": {}})))
)]
pub(super) async fn document(req: HttpRequest) -> Result<HttpResponse, ApiError> {
    let missing = || HubError::Internal("the application was built without its document".to_owned());
    let finished = req.app_data::<web::Data<Finished>>().ok_or_else(missing)?;
    let mut response = HttpResponse::Ok();
    response.content_type(ContentType::json()).insert_header((CACHE_CONTROL, "no-cache"));
    Ok(gzip::send(&req, finished.packed(), response))
}
