//! The dataset viewer's host, which clients make up by putting a word before ours: there is no viewer here, and they
//! must learn that at once. `load_dataset` would wait for a hundred seconds, and does without when it is refused.

use actix_web::Error;
use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;

use crate::error::HubError;
use crate::http::error::ApiError;
use crate::http::extract::{asked_host, hub_of};

/// What clients put before the host.
const PREFIX: &str = "datasets-server.";

/// Refuses every request to the viewer's host.
pub(in crate::http) async fn refuse<B: MessageBody>(
    req: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    let is_viewer = hub_of(req.request()).is_ok_and(|hub| {
        let server = &hub.config().server;
        asked_host(hub, req.request()).is_some_and(|host| is_viewer(host, &server.public_url))
    });
    if !is_viewer {
        return Ok(next.call(req).await?.map_into_left_body());
    }
    let text = "this hub has no dataset viewer; read the files of the dataset".to_owned();
    let answer = ApiError::from(HubError::NotFound(text)).response(false);
    Ok(req.into_response(answer).map_into_right_body())
}

/// Whether a host is the viewer's beside the hub at `public_url`; beside any hub if that is not known.
fn is_viewer(host: &str, public_url: &str) -> bool {
    let name = without_port(host);
    let Some(rest) = name.get(..PREFIX.len()).filter(|start| start.eq_ignore_ascii_case(PREFIX)) else { return false };
    let beside = &name[rest.len()..];
    let address = public_url.split_once("://").map_or(public_url, |(_, address)| address);
    let ours = without_port(address.split('/').next().unwrap_or_default());
    ours.is_empty() || beside.eq_ignore_ascii_case(ours)
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::is_viewer;

    #[test]
    fn the_viewers_host_is_ours_with_a_word_before_it() {
        for (host, public_url, expected) in [
            ("datasets-server.hub.example", "https://hub.example", true),
            ("Datasets-Server.HUB.example:443", "https://hub.example/", true),
            ("datasets-server.127.0.0.1:7860", "http://127.0.0.1:7860", true),
            ("datasets-server.hub.example", "https://hub.example:8443/path", true),
            ("datasets-server.anything", "", true),
            ("hub.example", "https://hub.example", false),
            ("datasets-server.other.example", "https://hub.example", false),
            ("datasets-server.example", "https://datasets-server.example", false),
            ("datasets-serverless.example", "", false),
            ("\u{f1}", "", false),
        ] {
            assert_eq!(is_viewer(host, public_url), expected, "{host} {public_url}");
        }
    }
}
