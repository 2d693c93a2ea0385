//! What an answer leads to, and what it should not: links of headers, HTML and JSON.

use reqwest::Url;
use serde_json::Value;

use crate::serve::Answer;

/// Keys of JSON below which stands what others wrote: cards, configurations, titles of commits.
const CONTENTS: [&str; 7] = ["cardData", "config", "title", "message", "formatted", "description", "widgetData"];

/// Keys whose values are the lines of files, as they are.
const LINES: [&str; 1] = ["diff"];

/// Whose addresses are whose.
#[derive(Clone, Debug)]
pub(super) struct Hosts {
    /// The hub's own base URL.
    pub(super) own: String,
    /// Base URLs that no answer may name outside of contents.
    pub(super) others: Vec<String>,
}

impl Hosts {
    /// The path and query of an address of ours; nothing for others.
    fn own_path(&self, url: &Url) -> Option<String> {
        let own = Url::parse(&self.own).expect("a base URL");
        let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
        (url.origin() == own.origin()).then(|| format!("{}{query}", url.path()))
    }
}

/// What an answer is.
#[derive(Clone, Debug)]
enum Body {
    Json(Value),
    Html(String),
    /// A file of a repository, or of a page.
    Content,
}

/// An answer and where it came from.
#[derive(Clone, Debug)]
pub(super) struct Page {
    target: String,
    headers: Vec<(String, String)>,
    body: Body,
}

impl Page {
    /// Reads an answer to a GET of `target`.
    pub(super) fn of(target: &str, answer: &Answer) -> Page {
        let kind = answer.header("content-type");
        let is_file = ["/resolve/", "/raw/", "/resolve-cache/"].iter().any(|route| target.contains(route));
        let body = if is_file && answer.status == 200 {
            Body::Content
        } else if kind.starts_with("application/json") {
            Body::Json(answer.json())
        } else if kind.starts_with("text/html") {
            Body::Html(answer.text().to_owned())
        } else {
            Body::Content
        };
        Page { target: target.to_owned(), headers: answer.lasting().into_iter().collect(), body }
    }

    /// The body, if it is JSON.
    pub(super) fn json(&self) -> Option<&Value> {
        match &self.body {
            Body::Json(value) => Some(value),
            _ => None,
        }
    }

    /// Addresses of ours that it leads to, each with the way it does.
    pub(super) fn leads(&self, hosts: &Hosts) -> Vec<(&'static str, String)> {
        let base = Url::parse(&format!("{}{}", hosts.own, self.target)).expect("an address");
        let links = self.links().into_iter().filter_map(|(way, link)| {
            let url = base.join(&link).ok()?;
            Some((way, hosts.own_path(&url)?))
        });
        links.collect()
    }

    /// What is wrong with it, in words.
    pub(super) fn faults(&self, hosts: &Hosts) -> Vec<String> {
        let mut faults = Vec::new();
        for (name, value) in &self.headers {
            let line = format!("{name}: {value}").to_lowercase();
            if line.contains("x-xet") || line.contains("xet-auth") {
                // What is merely allowed to pages elsewhere names headers and sends none.
                if name != "access-control-expose-headers" {
                    faults.push(format!("the header {line} speaks of Xet"));
                }
            }
            if line.contains("://") && !["link", "location"].contains(&name.as_str()) {
                faults.push(format!("the header {line} names an address"));
            }
            for host in named(&line, hosts) {
                faults.push(format!("the header {line} names {host}"));
            }
        }
        for (way, link) in self.links() {
            let absolute = Url::parse(&link).ok();
            let is_own = absolute.as_ref().is_none_or(|url| hosts.own_path(url).is_some());
            // `//host/path` has no scheme and another host all the same.
            if !is_own || link.starts_with("//") {
                faults.push(format!("`{way}` leads to {link}"));
            }
            // Python cannot follow a relative link, and Rust and JavaScript silently do not.
            if way == "link" && absolute.is_none() {
                faults.push(format!("`{way}` {link} is relative"));
            }
            // Python up to 1.26 and Rust take an absolute redirect for the place of the bytes.
            if way == "location" && !link.starts_with('/') {
                faults.push(format!("`{way}` {link} is not relative to the host"));
            }
        }
        match &self.body {
            Body::Json(value) => json_faults(value, &mut String::new(), hosts, &mut faults),
            Body::Html(html) => {
                faults.extend(named(html, hosts).map(|host| format!("the page names {host}")));
            }
            Body::Content => {}
        }
        faults
    }

    /// Everything that is a link by its place, as it is written.
    fn links(&self) -> Vec<(&'static str, String)> {
        let mut found = Vec::new();
        for (name, value) in &self.headers {
            match name.as_str() {
                "location" => found.push(("location", value.clone())),
                "link" => found.extend(
                    value
                        .split('<')
                        .skip(1)
                        .map(|rest| ("link", rest.split('>').next().unwrap_or_default().to_owned())),
                ),
                _ => {}
            }
        }
        match &self.body {
            Body::Json(value) => json_links(value, &mut found),
            Body::Html(html) => found.extend(attributes(html)),
            Body::Content => {}
        }
        found
    }
}

/// Hosts of others that a text names, Xet included.
fn named<'a>(text: &'a str, hosts: &'a Hosts) -> impl Iterator<Item = &'a str> {
    let bare = hosts.others.iter().map(|url| url.split_once("://").map_or(url.as_str(), |(_, host)| host));
    bare.chain(["huggingface.co", "hf.co"]).filter(move |host| text.contains(host))
}

/// Texts of JSON that are addresses: absolute ones, and paths that begin at the root. `paths` of an OpenAPI document
/// are operations.
fn json_links(value: &Value, found: &mut Vec<(&'static str, String)>) {
    if let (Some(Value::Object(paths)), true) = (value.get("paths"), value.get("openapi").is_some()) {
        let gets = paths.iter().filter(|(_, operations)| operations.get("get").is_some());
        found.extend(gets.filter_map(|(pattern, _)| Some(("operation", example(pattern)?))));
        return;
    }
    match value {
        Value::String(text) if is_address(text) => found.push(("json", text.clone())),
        Value::Array(items) => items.iter().for_each(|item| json_links(item, found)),
        Value::Object(fields) => {
            let quoted = |key: &str| CONTENTS.contains(&key) || LINES.contains(&key);
            let own = fields.iter().filter(|(key, _)| !quoted(key));
            own.for_each(|(_, inner)| json_links(inner, found));
        }
        _ => {}
    }
}

fn is_address(text: &str) -> bool {
    let is_word = !text.contains(char::is_whitespace);
    is_word && (text.contains("://") || (text.starts_with('/') && text.len() > 1))
}

/// An address that an operation's path stands for, in the repositories of the crawl.
fn example(pattern: &str) -> Option<String> {
    let rest = match pattern {
        pattern if pattern.contains("resolve") || pattern.contains("raw") => "main/README.md",
        pattern if pattern.contains("compare") => "v1.0..main",
        _ => "main",
    };
    let filled = pattern
        .replace("{plural}", "models")
        .replace("{repo}", "acme/ruidoso")
        .replace("{rest}", rest)
        .replace("/static/{name}", "/static/acervo.css");
    // What belongs to a commit, a person or a collection is found by its link; reports and counters are not for all.
    let is_open =
        !["access-re", "access-report", "metrics", "auth-check/write", "collections/", "safetensors-metadata"]
            .iter()
            .any(|part| filled.contains(part));
    (is_open && !filled.contains('{')).then_some(filled)
}

/// What JSON says by itself that it should not; `at` is the way to it.
fn json_faults(value: &Value, at: &mut String, hosts: &Hosts, faults: &mut Vec<String>) {
    match value {
        Value::String(text) => {
            let lower = text.to_lowercase();
            if lower.contains("xethash") || lower.contains("xet-auth") || lower.contains("x-xet-hash") {
                faults.push(format!("`{at}` speaks of Xet: {text:.200}"));
            }
            faults.extend(named(text, hosts).map(|host| format!("`{at}` names {host}: {text:.200}")));
        }
        Value::Array(items) => items.iter().for_each(|item| json_faults(item, at, hosts, faults)),
        Value::Object(fields) => {
            for (key, inner) in fields.iter().filter(|(key, _)| !LINES.contains(&key.as_str())) {
                if key.to_lowercase().contains("xethash") {
                    faults.push(format!("`{at}/{key}` is there"));
                }
                // Contents are quoted, and nothing of the upstream's own address stands in what is quoted here.
                let length = at.len();
                at.push('/');
                at.push_str(key);
                let quoted = CONTENTS.contains(&key.as_str());
                if quoted {
                    quoted_faults(inner, at, hosts, faults);
                } else {
                    json_faults(inner, at, hosts, faults);
                }
                at.truncate(length);
            }
        }
        _ => {}
    }
}

/// Front matter may name the public hub; the address that this hub fetches from is nobody's business.
fn quoted_faults(value: &Value, at: &str, hosts: &Hosts, faults: &mut Vec<String>) {
    let text = value.to_string();
    let bare = hosts.others.iter().map(|url| url.split_once("://").map_or(url.as_str(), |(_, host)| host));
    faults.extend(bare.filter(|host| text.contains(host)).map(|host| format!("`{at}` quotes {host}")));
}

/// The values of `href`, `src`, `srcset` and `action` of every element, their entities read.
fn attributes(html: &str) -> Vec<(&'static str, String)> {
    const NAMES: [&str; 7] = ["href", "src", "srcset", "action", "formaction", "poster", "data"];
    let mut found = Vec::new();
    for tag in html.split('<').skip(1) {
        if !tag.starts_with(|c: char| c.is_ascii_alphabetic()) {
            continue;
        }
        let mut rest = tag;
        while let Some(at) = rest.find('=') {
            if rest[..at].contains('>') {
                break;
            }
            let name = rest[..at].rsplit(|c: char| c.is_whitespace()).next().unwrap_or_default().to_ascii_lowercase();
            let after = &rest[at + 1..];
            let (value, next) = match after.chars().next() {
                Some(quote @ ('"' | '\'')) => match after[1..].split_once(quote) {
                    Some(pair) => pair,
                    None => break,
                },
                _ => after.split_once(|c: char| c.is_whitespace() || c == '>').unwrap_or((after, "")),
            };
            if let Some(known) = NAMES.iter().find(|known| **known == name) {
                found.push((*known, unescaped(value)));
            }
            rest = next;
        }
    }
    found.retain(|(_, value)| !value.starts_with('#') && !value.starts_with("data:"));
    found
}

fn unescaped(text: &str) -> String {
    let named = [("&quot;", "\""), ("&#34;", "\""), ("&#39;", "'"), ("&lt;", "<"), ("&gt;", ">"), ("&#38;", "&")];
    named.iter().fold(text.to_owned(), |text, (entity, sign)| text.replace(entity, sign)).replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use reqwest::StatusCode;
    use reqwest::header::{HeaderMap, HeaderName};

    use super::{Answer, Hosts, Page, attributes};

    fn hosts() -> Hosts {
        let others = vec!["http://127.0.0.1:2".to_owned(), "http://localhost:3".to_owned()];
        Hosts { own: "http://127.0.0.1:1".to_owned(), others }
    }

    fn page(target: &str, headers: &[(&'static str, &str)], body: &str) -> Page {
        let headers: HeaderMap =
            headers.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap())).collect();
        Page::of(target, &Answer { status: StatusCode::OK, headers, body: Bytes::copy_from_slice(body.as_bytes()) })
    }

    #[test]
    fn every_way_that_leads_elsewhere_is_found() {
        let json = [("content-type", "application/json")];
        let html = [("content-type", "text/html; charset=utf-8")];
        let head = |name: &'static str, value: &str| page("/api/models", &[json[0], (name, value)], "[]");
        for (what, planted) in [
            ("a redirect to the upstream", head("location", "http://127.0.0.1:2/acme/x")),
            ("a redirect to any host", head("location", "https://other.example/")),
            ("a redirect with our own host", head("location", "http://127.0.0.1:1/api/models")),
            ("a redirect without a scheme", head("location", "//other.example/")),
            ("a second page of the upstream", head("link", "<http://127.0.0.1:2/api/models?cursor=x>; rel=\"next\"")),
            ("a relative link", head("link", "</api/models?cursor=x>; rel=\"next\"")),
            ("a way to Xet", head("link", "<http://127.0.0.1:1/x>; rel=\"xet-auth\"")),
            ("a Xet hash", head("x-xet-hash", "0123")),
            ("another header with an address", head("x-cas-url", "https://cas.example")),
            ("a host by its name alone", head("x-served-by", "localhost:3")),
            ("a Xet hash in a tree", page("/api", &json, "[{\"path\":\"a\",\"xetHash\":\"0\"}]")),
            ("an address in JSON", page("/api", &json, "{\"a\":[{\"url\":\"https://other.example/x\"}]}")),
            ("the upstream in a text", page("/api", &json, "{\"error\":\"ask http://127.0.0.1:2 for it\"}")),
            ("the public hub in a text", page("/api", &json, "{\"error\":\"see huggingface.co\"}")),
            ("the upstream in a card", page("/api", &json, "{\"cardData\":{\"a\":[\"http://127.0.0.1:2/\"]}}")),
            ("a link of a page", page("/", &html, "<p><a class=x href='https://other.example/'>")),
            ("a picture of a page", page("/", &html, "<img alt=\"a=b\" src=//other.example/x.png>")),
            ("a form of a page", page("/", &html, "<form method=get\n action=\"https://other.example\">")),
            ("a mention on a page", page("/", &html, "<p>from http://localhost:3/x</p>")),
        ] {
            assert!(!planted.faults(&hosts()).is_empty(), "{what} is not found: {planted:?}");
        }
    }

    #[test]
    fn what_is_ours_or_a_content_is_no_fault_and_is_followed() {
        let ours = page(
            "/api/models",
            &[
                ("content-type", "application/json"),
                ("link", "<http://127.0.0.1:1/api/models?cursor=x&limit=1>; rel=\"next\""),
                ("location", "/api/models/acme/x"),
                ("access-control-expose-headers", "X-Xet-Hash"),
            ],
            "[{\"id\":\"a/b\",\"url\":\"http://127.0.0.1:1/a/b\",\"avatarUrl\":\"/static/icon.svg\",\
              \"cardData\":{\"license_link\":\"https://huggingface.co/x\"}}]",
        );
        assert_eq!(ours.faults(&hosts()), Vec::<String>::new());
        let mut leads: Vec<String> = ours.leads(&hosts()).into_iter().map(|(_, address)| address).collect();
        leads.sort();
        assert_eq!(leads, ["/a/b", "/api/models/acme/x", "/api/models?cursor=x&limit=1", "/static/icon.svg"]);
        let file = page("/a/b/resolve/main/README.md", &[("content-type", "text/plain")], "https://huggingface.co");
        assert!(file.faults(&hosts()).is_empty() && file.leads(&hosts()).is_empty());
    }

    #[test]
    fn attributes_are_read_as_browsers_read_them() {
        let html = "<!doctype html><a title=\"a > b\" HREF=\"/x?a=1&amp;b=2\">href=\"/no\"</a><link href=/y><img src='z.png'>\
                    <a href=\"#main\"></a>";
        let found = attributes(html);
        assert_eq!(
            found,
            [("href", "/x?a=1&b=2"), ("href", "/y"), ("src", "z.png")].map(|(name, value)| (name, value.to_owned()))
        );
    }

    #[test]
    fn operations_of_the_document_are_asked_for() {
        let document = "{\"openapi\":\"3.1.0\",\"paths\":{\"/api/{plural}/{repo}/tree/{rest}\":{\"get\":{}},\"/x\":{\"post\":{}}}}";
        let page = page("/openapi.json", &[("content-type", "application/json")], document);
        assert_eq!(page.leads(&hosts()), [("operation", "/api/models/acme/ruidoso/tree/main".to_owned())]);
    }
}
