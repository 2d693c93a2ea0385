//! What handlers take from a request: who asks, how this hub is called, which repository and revision are meant.
//!
//! Parsing and looking up only; what a mistake looks like on the wire is `error`'s business.

use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;

use acervo_core::RepoKind;
use acervo_core::access::{Caller, Openable, Readable, openable};
use acervo_store::db::commits::Commit;
use acervo_store::db::repos::Repo;
use actix_web::dev::Payload;
use actix_web::http::header::{AUTHORIZATION, HOST};
use actix_web::http::uri::Authority;
use actix_web::{FromRequest, HttpMessage, HttpRequest, web};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::error::ApiError;
use super::pattern::{self, Pattern};
use crate::app::repos::Found;
use crate::app::{identity, repos, revisions};
use crate::context::Hub;
use crate::error::{HubError, denied};

/// The caller behind the request's credential: `Bearer`, or `Basic` with the token as password, as git sends it.
#[derive(Clone, Debug)]
pub struct Auth(pub Caller);

/// Left on a request by [`Auth`], for answers that differ between strangers and known callers.
#[derive(Clone, Copy, Debug)]
pub(super) struct CallerIsKnown;

impl FromRequest for Auth {
    type Error = ApiError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, ApiError>>>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        let req = req.clone();
        Box::pin(async move {
            let caller = identity::authenticate(hub_of(&req)?, credential(&req)?.as_deref()).await?;
            if caller != Caller::Anonymous {
                req.extensions_mut().insert(CallerIsKnown);
            }
            Ok(Auth(caller))
        })
    }
}

/// The token of a request; a scheme that is not ours is as good as none.
pub(super) fn credential(req: &HttpRequest) -> Result<Option<String>, HubError> {
    let Some(header) = req.headers().get(AUTHORIZATION) else { return Ok(None) };
    let unreadable = HubError::BadToken("unreadable");
    let Ok(text) = header.to_str() else { return Err(unreadable) };
    let Some((scheme, rest)) = text.trim().split_once(' ') else { return Ok(None) };
    let rest = rest.trim();
    if scheme.eq_ignore_ascii_case("bearer") {
        return Ok(Some(rest.to_owned()).filter(|token| !token.is_empty()));
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return Ok(None);
    }
    let Some(pair) = STANDARD.decode(rest).ok().and_then(|bytes| String::from_utf8(bytes).ok()) else {
        return Err(unreadable);
    };
    Ok(pair.split_once(':').map(|(_, password)| password.to_owned()).filter(|token| !token.is_empty()))
}

/// The hub of an application.
pub(super) fn hub_of(req: &HttpRequest) -> Result<&Hub, HubError> {
    req.app_data::<web::Data<Hub>>()
        .map(|hub| &***hub)
        .ok_or_else(|| HubError::Internal("the application was built without a hub".to_owned()))
}

/// Public base URL for absolute links, without a trailing slash.
///
/// `server.public_url` if set; else what a trusted proxy says; else the request's own `Host`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseUrl(pub String);

impl FromRequest for BaseUrl {
    type Error = ApiError;
    type Future = std::future::Ready<Result<Self, ApiError>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        std::future::ready(hub_of(req).map(|hub| BaseUrl(base_url(hub, req))).map_err(ApiError::from))
    }
}

fn base_url(hub: &Hub, req: &HttpRequest) -> String {
    let server = &hub.config().server;
    if !server.public_url.is_empty() {
        return hub.public_url();
    }
    let scheme = first_of_list(req, "x-forwarded-proto").filter(|_| is_proxied(hub, req));
    let scheme = scheme.filter(|scheme| matches!(*scheme, "http" | "https")).unwrap_or("http");
    match asked_host(hub, req).filter(|host| is_host(host)) {
        Some(host) => format!("{scheme}://{host}"),
        None => hub.public_url(),
    }
}

/// The address that the connection comes from.
fn peer(req: &HttpRequest) -> Option<IpAddr> {
    req.peer_addr().map(|peer| peer.ip().to_canonical())
}

/// Whether a proxy that is believed handed the request on.
fn is_proxied(hub: &Hub, req: &HttpRequest) -> bool {
    peer(req).is_some_and(|peer| hub.config().server.trusted_proxies.contains(&peer))
}

/// The host that the client asked, with its port if it named one.
pub(super) fn asked_host<'a>(hub: &Hub, req: &'a HttpRequest) -> Option<&'a str> {
    let forwarded = first_of_list(req, "x-forwarded-host").filter(|_| is_proxied(hub, req));
    let host = forwarded.or_else(|| req.headers().get(HOST)?.to_str().ok());
    // Over HTTP/2 the host is part of the URL.
    host.or_else(|| req.uri().authority().map(Authority::as_str))
}

/// The address of the client: where the connection comes from, or the last one before the proxies that are believed.
/// What stands before that in the list, clients can make up.
pub(super) fn client_address(hub: &Hub, req: &HttpRequest) -> Option<IpAddr> {
    let peer = peer(req)?;
    let proxies = &hub.config().server.trusted_proxies;
    if !proxies.contains(&peer) {
        return Some(peer);
    }
    let lists = req.headers().get_all("x-forwarded-for").filter_map(|value| value.to_str().ok());
    let hops: Vec<&str> = lists.flat_map(|list| list.split(',')).map(str::trim).collect();
    let mut known = peer;
    for hop in hops.into_iter().rev() {
        let address = hop.parse::<IpAddr>().ok().or_else(|| Some(hop.parse::<SocketAddr>().ok()?.ip()));
        let Some(address) = address else { break };
        known = address.to_canonical();
        if !proxies.contains(&known) {
            break;
        }
    }
    Some(known)
}

/// The first member of a header that may be a list.
fn first_of_list<'a>(req: &'a HttpRequest, name: &str) -> Option<&'a str> {
    req.headers().get(name)?.to_str().ok()?.split(',').next().map(str::trim)
}

/// Whether the text is a host name or address, perhaps with a port: nothing that could break out of a link.
fn is_host(text: &str) -> bool {
    let legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b':' | b'[' | b']');
    (1..=255).contains(&text.len()) && text.bytes().all(legal)
}

/// A path that addresses a repository, split by its markers; every segment is decoded exactly once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepoRoute {
    /// Model, dataset or space.
    pub kind: RepoKind,
    /// As asked: `namespace/name`, or a bare name.
    pub name: String,
    /// The segments after the marker (`resolve`, `tree`, ..); empty for plain info.
    pub rest: Vec<String>,
}

impl RepoRoute {
    /// Splits a raw path that `pattern` matched.
    pub(super) fn parse(pattern: &Pattern, raw_path: &str) -> Result<RepoRoute, HubError> {
        let split = pattern.split(raw_path)?;
        let decoded =
            |segments: &[&str]| segments.iter().map(|text| pattern::decode(text)).collect::<Result<Vec<_>, _>>();
        let name = decoded(&split.segments[split.name.clone()])?.join("/");
        Ok(RepoRoute { kind: split.kind, name, rest: decoded(&split.segments[split.rest..])? })
    }
}

impl FromRequest for RepoRoute {
    type Error = ApiError;
    type Future = std::future::Ready<Result<Self, ApiError>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        let route = pattern_of(req).and_then(|pattern| RepoRoute::parse(pattern, req.uri().path()));
        std::future::ready(route.map_err(ApiError::from))
    }
}

/// The segments that stand for `{rest}` in a path that names no repository; every one is decoded exactly once.
pub fn decoded_rest(req: &HttpRequest) -> Result<Vec<String>, HubError> {
    let start = pattern_of(req)?.rest();
    pattern::segments(req.uri().path()).into_iter().skip(start).map(pattern::decode).collect()
}

/// The pattern that the router found for this request.
fn pattern_of(req: &HttpRequest) -> Result<&Pattern, HubError> {
    req.app_data::<Pattern>().ok_or_else(|| HubError::Internal("the route was registered without a pattern".to_owned()))
}

/// Finds the repository, or gives the answer that ends the request: an error, or the way to the right spelling.
pub async fn open_repo(
    hub: &Hub,
    caller: &Caller,
    route: &RepoRoute,
    req: &HttpRequest,
) -> Result<Readable<Arc<Repo>>, ApiError> {
    match repos::find(hub, caller, route.kind, &route.name).await? {
        Found::Here(repo) => Ok(repo),
        Found::Moved(repo) => {
            let there = renamed(pattern_of(req)?, req.uri().path(), req.uri().query(), repo.name.as_str())?;
            Err(ApiError::Redirect(format!("{}{there}", hub.public_path())))
        }
    }
}

/// Finds the repository for its contents, or gives the answer that ends the request: that of [`open_repo`], or the
/// refusal of its gate.
pub async fn open_contents(
    hub: &Hub,
    caller: &Caller,
    route: &RepoRoute,
    req: &HttpRequest,
) -> Result<Openable<Arc<Repo>>, ApiError> {
    let repo = open_repo(hub, caller, route, req).await?;
    let name = repo.name.to_string();
    Ok(openable(caller, repo).map_err(|why| denied(why, route.kind, &name))?)
}

/// The same path and query with another repository name; without a host, since clients follow nothing else.
fn renamed(pattern: &Pattern, raw_path: &str, query: Option<&str>, name: &str) -> Result<String, HubError> {
    let split = pattern.split(raw_path)?;
    let mut segments = split.segments;
    segments.splice(split.name, [name]);
    let query = query.map(|query| format!("?{query}")).unwrap_or_default();
    Ok(format!("/{}{query}", segments.join("/")))
}

/// The visible commit that the first of `rest` stand for, and the segments after the revision.
pub async fn open_revision(
    hub: &Hub,
    repo: &Readable<Arc<Repo>>,
    rest: &[String],
) -> Result<(Arc<Commit>, Vec<String>), ApiError> {
    // Clients made from the OpenAPI document encode every slash of a parameter.
    let split: Vec<String>;
    let rest = match rest {
        [only] if only.contains('/') => {
            split = only.split('/').map(str::to_owned).collect();
            split.as_slice()
        }
        _ => rest,
    };
    let (revision, taken) = revisions::split(hub, repo, rest).await?;
    let commit = revisions::resolve(hub, repo, &revision).await?;
    Ok((commit, rest[taken..].to_vec()))
}
