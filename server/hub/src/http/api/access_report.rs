//! `user-access-report`: the whole register of a repository as a table, for spreadsheets and auditors.

use acervo_store::db::gates::Consent;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE};
use actix_web::{HttpRequest, HttpResponse, web};

use super::doc::{NameAddress, RepoErrors};
use crate::app::gates::{self, ListedRequest};
use crate::context::Hub;
use crate::http::error::ApiError;
use crate::http::extract::{Auth, RepoRoute, open_repo};

/// Names of the columns.
const HEADING: &str =
    "user,fullname,email,status,requested_at,granted,decided_at,decided_by,reason,terms_sha256,terms_accepted_at\r\n";

/// Everybody who asked for access, a line for each text that they accepted; kept when the gate is opened.
#[utoipa::path(
    method(get, head), path = "/{repo}/user-access-report", tag = "gates",
    params(NameAddress),
    responses(
        (
            status = 200,
            description = "The register",
            body = str,
            content_type = "text/csv",
            headers(("Content-Disposition" = String, description = "The name under which to keep it")),
            example = json!("user,fullname,email,status,requested_at,granted,decided_at,decided_by,reason,\
                             terms_sha256,terms_accepted_at\r\n")
        ),
        RepoErrors,
    )
)]
pub async fn report(
    hub: web::Data<Hub>,
    Auth(caller): Auth,
    route: RepoRoute,
    req: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let repo = open_repo(&hub, &caller, &route, &req).await?;
    let mut table = HEADING.to_owned();
    let mut after: Option<String> = None;
    loop {
        let page = gates::requests(&hub, &caller, &repo, None, after.as_deref()).await?;
        page.items.iter().for_each(|listed| add_lines(&mut table, listed));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    let name = format!("attachment; filename=\"{}-access-report.csv\"", repo.name.name());
    Ok(HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "text/csv; charset=utf-8"))
        .insert_header((CONTENT_DISPOSITION, name))
        .insert_header((CACHE_CONTROL, "no-store"))
        .body(table))
}

/// A request as one line, or as one for each text accepted.
fn add_lines(table: &mut String, listed: &ListedRequest) {
    let (request, user) = (&listed.request, &listed.user);
    let accepted: Vec<Option<&Consent>> = match listed.consents.as_slice() {
        [] => vec![None],
        some => some.iter().map(Some).collect(),
    };
    for consent in accepted {
        let cells = [
            user.name.clone(),
            user.display_name.clone().unwrap_or_default(),
            user.email.clone().unwrap_or_default(),
            request.state.to_string(),
            request.asked_at.to_string(),
            request.granted.to_string(),
            request.decided_at.map(|at| at.to_string()).unwrap_or_default(),
            listed.decided_by.clone().unwrap_or_default(),
            request.reason.clone().unwrap_or_default(),
            consent.map(|consent| consent.terms.to_hex()).unwrap_or_default(),
            consent.map(|consent| consent.accepted_at.to_string()).unwrap_or_default(),
        ];
        table.push_str(&cells.map(|text| cell(&text)).join(","));
        table.push_str("\r\n");
    }
}

/// A quoted cell (RFC 4180) that no spreadsheet takes for a formula.
fn cell(text: &str) -> String {
    let guard = if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { "'" } else { "" };
    format!("\"{guard}{}\"", text.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::cell;

    #[test]
    fn cells_hold_any_text_and_no_formula() {
        for (text, expected) in [
            ("ana", "\"ana\""),
            ("", "\"\""),
            ("a \"b\", c\n", "\"a \"\"b\"\", c\n\""),
            ("=1+1", "\"'=1+1\""),
            ("@x", "\"'@x\""),
        ] {
            assert_eq!(cell(text), expected);
        }
    }
}
