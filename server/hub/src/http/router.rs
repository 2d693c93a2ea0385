//! The router page: every route, by who calls it.
//!
//! One table, which the OpenAPI document is checked against. `{repo}` is a namespaced or a bare id; where a path could be
//! read both ways, the namespaced reading wins if its marker fits (`pattern` has the order). Paths are never normalised,
//! except that empty segments at both ends do not count.
//!
//! actix holds the handlers under the numbers of their patterns; `Numbers` finds the number of a path. Trying one regular
//! expression after the other, as actix would, took a tenth of the time of a small answer.

use std::future::ready;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::http::{Method, Uri};
use actix_web::middleware::{Compress, from_fn};
use actix_web::{App, Error, Resource, Route, web};

use super::error::ApiError;
use super::hub::{raw, resolve};
use super::pattern::Pattern;
use super::{api, api_page, health, middleware, openapi, pages};
use crate::context::Hub;

/// Every route.
pub const ROUTES: &[Line] = &[
    // Browsers
    get("/", || web::to(pages::home)),
    get("/static/{name}", || web::to(pages::static_file)),
    get("/docs/api", || web::to(api_page::page)),
    get("/docs/api/{name}", || web::to(api_page::file)),
    // Operators
    get("/healthz", || web::to(health::healthz)),
    get("/readyz", || web::to(health::readyz)),
    get("/metrics", || web::to(health::metrics)),
    get("/openapi.json", || web::to(openapi::document)),
    post("/api/mirrors/plan", || web::to(api::orders::plan)),
    post("/api/mirrors/apply", || web::to(api::orders::apply)),
    get("/api/events", || web::to(api::events::list)),
    get("/api/webhooks/deliveries", || web::to(api::webhooks::deliveries)),
    post("/api/webhooks/deliveries/{id}/retry", || web::to(api::webhooks::retry)),
    get("/api/mirrors/jobs", || web::to(api::jobs::list)),
    get("/api/mirrors/jobs/{id}", || web::to(api::jobs::info)),
    get("/api/mirrors/jobs/{id}/events", || web::to(api::job_events::events)),
    post("/api/mirrors/jobs/{id}/cancel", || web::to(api::jobs::cancel)),
    post("/api/mirrors/jobs/{id}/pause", || web::to(api::jobs::pause)),
    post("/api/mirrors/jobs/{id}/resume", || web::to(api::jobs::resume)),
    post("/api/mirrors/jobs/{id}/retry", || web::to(api::jobs::retry)),
    get("/api/mirrors/requests", || web::to(api::mirror_requests::list)),
    post("/api/mirrors/requests", || web::to(api::mirror_requests::open)),
    post("/api/mirrors/requests/{id}/accept", || web::to(api::mirror_requests::accept)),
    post("/api/mirrors/requests/{id}/decline", || web::to(api::mirror_requests::decline)),
    post("/api/mirrors/{plural}/{repo}/sync", || web::to(api::mirrors::sync)),
    post("/api/mirrors/{plural}/{repo}/pause", || web::to(api::mirrors::pause)),
    post("/api/mirrors/{plural}/{repo}/resume", || web::to(api::mirrors::resume)),
    // Hub clients: contents
    get("/datasets/{repo}/resolve/{rest}", || web::to(resolve::resolve)),
    get("/spaces/{repo}/resolve/{rest}", || web::to(resolve::resolve)),
    get("/{repo}/resolve/{rest}", || web::to(resolve::resolve)),
    get("/datasets/{repo}/raw/{rest}", || web::to(raw::raw)),
    get("/spaces/{repo}/raw/{rest}", || web::to(raw::raw)),
    get("/{repo}/raw/{rest}", || web::to(raw::raw)),
    get("/api/resolve-cache/{plural}/{repo}/{commit}/{rest}", || web::to(resolve::cached)),
    // Who manages a gate
    get("/datasets/{repo}/user-access-report", || web::to(api::access_report::report)),
    get("/spaces/{repo}/user-access-report", || web::to(api::access_report::report)),
    get("/{repo}/user-access-report", || web::to(api::access_report::report)),
    // Hub clients: metadata
    get("/api/whoami-v2", || web::to(api::identity::whoami)),
    get("/api/{plural}", || web::to(api::lists::list)),
    get("/api/models-tags-by-type", || web::to(api::lists::model_tags)),
    get("/api/datasets-tags-by-type", || web::to(api::lists::dataset_tags)),
    get("/api/quicksearch", || web::to(api::search::quick)),
    get("/api/spaces/semantic-search", || web::to(api::search::spaces)),
    get("/api/{plural}/{repo}/revision/{rest}", || web::to(api::repo_info::at_revision)),
    get("/api/{plural}/{repo}/tree/{rest}", || web::to(api::tree::tree)),
    post("/api/{plural}/{repo}/paths-info/{rest}", || web::to(api::paths_info::paths_info)),
    get("/api/{plural}/{repo}/refs", || web::to(api::refs::refs)),
    get("/api/{plural}/{repo}/commits/{rest}", || web::to(api::commits::commits)),
    get("/api/{plural}/{repo}/compare/{rest}", || web::to(api::compare::compare)),
    get("/api/{plural}/{repo}/safetensors-metadata/{rest}", || web::to(api::tensors::sharded)),
    get("/api/{plural}/{repo}/likers", || web::to(api::people::likers)),
    get("/api/{plural}/{repo}/auth-check", || web::to(api::identity::auth_check)),
    get("/api/{plural}/{repo}/auth-check/write", || web::to(api::identity::auth_check_write)),
    get("/api/{plural}/{repo}/ask-access", || web::to(api::ask_access::standing)),
    post("/api/{plural}/{repo}/ask-access", || web::to(api::ask_access::ask)),
    post("/api/{plural}/{repo}/user-access-request/handle", || web::to(api::access_requests::handle)),
    post("/api/{plural}/{repo}/user-access-request/grant", || web::to(api::access_requests::grant)),
    get("/api/{plural}/{repo}/user-access-request/{status}", || web::to(api::access_requests::list)),
    put("/api/{plural}/{repo}/settings", || web::to(api::settings::change)),
    get("/api/{plural}/{repo}/discussions", || web::to(api::stubs::discussions)),
    get("/api/{plural}/{repo}", || web::to(api::repo_info::default_revision)),
    // Hub clients: collections and people
    get("/api/collections", || web::to(api::collections::list)),
    get("/api/collections/{rest}", || web::to(api::collections::info)),
    get("/api/users/{user}/overview", || web::to(api::people::user_overview)),
    get("/api/users/{user}/likes", || web::to(api::people::user_likes)),
    get("/api/users/{user}/followers", || web::to(api::people::user_followers)),
    get("/api/users/{user}/following", || web::to(api::people::user_following)),
    get("/api/organizations/{organization}/overview", || web::to(api::people::organization_overview)),
    get("/api/organizations/{organization}/members", || web::to(api::people::organization_members)),
    get("/api/organizations/{organization}/followers", || web::to(api::people::organization_followers)),
    // Hub clients: what they ask for beside
    get("/api/agent-harnesses", || web::to(api::stubs::agent_harnesses)),
    head("/api/telemetry/{rest}", || web::to(api::stubs::telemetry)),
    post("/api/validate-yaml", || web::to(api::stubs::validate_yaml)),
];

/// First segment of the routes whose answers are JSON and may be compressed.
const API: &str = "api";

/// Where contents are served although the path begins like the API's: never compressed.
const RESOLVE_CACHE: &str = "/api/resolve-cache/";

/// One route of the table.
#[derive(Clone, Copy, Debug)]
pub struct Line {
    /// Methods.
    pub methods: &'static [Method],
    /// Path, in the short form of this page.
    pub pattern: &'static str,
    to: fn() -> Route,
}

/// What may be read, may be asked about.
const fn get(pattern: &'static str, to: fn() -> Route) -> Line {
    Line { methods: &[Method::GET, Method::HEAD], pattern, to }
}

const fn head(pattern: &'static str, to: fn() -> Route) -> Line {
    Line { methods: &[Method::HEAD], pattern, to }
}

const fn post(pattern: &'static str, to: fn() -> Route) -> Line {
    Line { methods: &[Method::POST], pattern, to }
}

const fn put(pattern: &'static str, to: fn() -> Route) -> Line {
    Line { methods: &[Method::PUT], pattern, to }
}

/// The whole application, as the server and tests run it.
pub fn app(
    hub: &Hub,
) -> App<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse<impl MessageBody + use<>>,
        Error = Error,
        InitError = (),
    > + use<>,
> {
    // The last one added is the first to see a request.
    App::new()
        .app_data(web::Data::new(Numbers::default()))
        .configure(configure(hub))
        .wrap(from_fn(middleware::path::find_route))
        .wrap(from_fn(middleware::errors::render))
        .wrap(from_fn(middleware::limits::limit))
        .wrap(from_fn(middleware::viewer::refuse))
        .wrap(from_fn(middleware::cors::cors))
        .wrap(from_fn(middleware::observe::observe))
}

/// The handlers and what they need, under the numbers of their patterns.
fn configure(hub: &Hub) -> impl FnOnce(&mut web::ServiceConfig) + use<> {
    let hub = hub.clone();
    move |config| {
        let limit = hub.config().server.body_bytes_max;
        config.app_data(web::PayloadConfig::new(limit));
        config.app_data(web::JsonConfig::default().limit(limit));
        config.app_data(web::FormConfig::default().limit(limit));
        config.app_data(web::Data::new(openapi::Finished::of(&hub)));
        config.app_data(web::Data::new(hub));
        let mut scope = web::scope(API);
        for (number, (pattern, lines)) in in_order().into_iter().enumerate() {
            let (is_api, resource) = (is_api(pattern.line), resource(number, pattern, &lines));
            if is_api {
                scope = scope.service(resource);
            } else {
                config.service(resource);
            }
        }
        let not_found = web::to(api::stubs::not_found);
        config.service(scope.default_service(not_found).wrap(Compress::default()));
        config.default_service(web::to(pages::not_found));
    }
}

/// Whether a route answers with JSON from the API's scope.
fn is_api(pattern: &str) -> bool {
    pattern.trim_start_matches('/').starts_with("api/") && !pattern.starts_with(RESOLVE_CACHE)
}

/// The concrete patterns of the page in the order in which they are tried, each with its lines.
fn in_order() -> Vec<(Pattern, Vec<&'static Line>)> {
    let mut found: Vec<(Pattern, Vec<&Line>)> = Vec::new();
    for line in ROUTES {
        for pattern in Pattern::expand(line.pattern) {
            match found.iter_mut().find(|(known, _)| *known == pattern) {
                Some((_, lines)) => lines.push(line),
                None => found.push((pattern, vec![line])),
            }
        }
    }
    found.sort_by_key(|(pattern, _)| pattern.precedence());
    found
}

/// One actix resource, under the number of its pattern.
fn resource(number: usize, pattern: Pattern, lines: &[&Line]) -> Resource {
    let allowed: Vec<&str> = lines.iter().flat_map(|line| line.methods).map(Method::as_str).collect();
    let allowed = allowed.join(", ");
    let refuse = move || ready(other_method(allowed.clone()));
    let mut resource = web::resource(format!("/{number}")).default_service(web::to(refuse)).app_data(pattern);
    for line in lines {
        for method in line.methods {
            resource = resource.route((line.to)().method(method.clone()));
        }
    }
    resource
}

/// Where actix finds the handlers of a path.
#[derive(Debug)]
pub(super) struct Numbers {
    /// Patterns in the order in which they are tried, each with the address of its resource.
    numbered: Vec<(Pattern, Uri)>,
    /// Address of the API's answer to what it does not have.
    not_in_api: Uri,
    /// The same of pages.
    not_a_page: Uri,
}

impl Default for Numbers {
    fn default() -> Self {
        let address = |is_api: bool, name: &dyn std::fmt::Display| {
            let scope = if is_api { format!("/{API}") } else { String::new() };
            Uri::try_from(format!("{scope}/{name}")).unwrap_or_default()
        };
        let patterns = in_order().into_iter().enumerate();
        Numbers {
            numbered: patterns
                .map(|(number, (found, _))| (found.clone(), address(is_api(found.line), &number)))
                .collect(),
            not_in_api: address(true, &"none"),
            not_a_page: address(false, &"none"),
        }
    }
}

impl Numbers {
    /// The address of a path's resource, and the pattern that led to it.
    pub(super) fn find(&self, segments: &[&str]) -> (&Uri, Option<&Pattern>) {
        match self.numbered.iter().find(|(pattern, _)| pattern.matches(segments)) {
            Some((pattern, address)) => (address, Some(pattern)),
            None if segments.first() == Some(&API) => (&self.not_in_api, None),
            None => (&self.not_a_page, None),
        }
    }
}

/// The answer to a method that an address does not have.
fn other_method(allowed: String) -> Result<&'static str, ApiError> {
    Err(ApiError::OtherMethod { allowed })
}
