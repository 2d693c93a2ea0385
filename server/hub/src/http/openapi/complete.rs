//! What all operations have in common is said once, here: ids, the headers of errors, what becomes of a HEAD, examples.

use serde_json::{Map, Value, json};

use super::examples;

/// Where errors are described.
const ERROR: &str = "#/components/schemas/ErrorBody";

/// Headers that many answers have: name, type, example, meaning.
const HEADERS: &[(&str, &str, &str, &str)] = &[
    (
        "X-Request-Id",
        "string",
        "0193a3f0-6c1e-7b3c-8a52-3f1d2c4b5a69",
        "Names the request in logs; the client's own if it sent one",
    ),
    (
        "X-Error-Message",
        "string",
        "model `acme/nothing` is not here; ask an administrator to mirror it",
        "One line for people, in ASCII",
    ),
    (
        "X-Error-Code",
        "string",
        "RepoNotFound",
        "For programs: `RepoNotFound`, `RevisionNotFound`, `EntryNotFound` or `GatedRepo`",
    ),
    ("WWW-Authenticate", "string", "Bearer realm=\"Authentication required\"", "How to say who one is"),
    ("Retry-After", "integer", "5", "Seconds to wait before asking again"),
    ("Allow", "string", "GET, HEAD", "Methods that the address has"),
    (
        "RateLimit",
        "string",
        "\"api\";r=499;t=55",
        "Where there are limits: requests left (`r`) until the window ends (`t`, seconds)",
    ),
    (
        "RateLimit-Policy",
        "string",
        "\"fixed window\";\"api\";q=500;w=300",
        "Where there are limits: requests (`q`) of a window (`w`, seconds)",
    ),
];

/// Methods of OpenAPI.
const METHODS: [&str; 8] = ["get", "put", "post", "delete", "options", "head", "patch", "trace"];

/// Completes a document for a hub below `root`.
pub(super) fn complete(document: &mut Value, root: &str) {
    if !root.is_empty() {
        document["servers"] = json!([{ "url": root }]);
    }
    let schemas = document["components"]["schemas"].clone();
    document["components"]["headers"] = HEADERS.iter().map(|header| (header.0.to_owned(), described(header))).collect();
    let Some(paths) = document["paths"].as_object_mut() else { return };
    for (path, item) in paths {
        for method in METHODS {
            if let Some(operation) = item.get_mut(method).filter(|operation| operation.is_object()) {
                operation["operationId"] = id(method, path).into();
                answers(operation);
                if method == "head" {
                    without_bodies(operation);
                }
                examples::add(operation, &schemas);
            }
        }
    }
}

fn described((name, sort, example, meaning): &(&str, &str, &str, &str)) -> Value {
    let example =
        if *sort == "integer" { example.parse::<u64>().unwrap_or_default().into() } else { Value::from(*example) };
    let is_always_there = matches!(*name, "WWW-Authenticate" | "Retry-After");
    json!({ "description": meaning, "required": is_always_there, "schema": { "type": sort }, "example": example })
}

/// An id that no other operation has, made of its address.
fn id(method: &str, path: &str) -> String {
    let words = path.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let mut id = method.to_owned();
    for word in if path == "/" { vec!["root"] } else { words.collect() } {
        let (first, rest) = word.split_at(1);
        id.push_str(&first.to_ascii_uppercase());
        id.push_str(rest);
    }
    id
}

/// Adds the answers that any operation of its sort may get, and the headers that answers of a sort have.
fn answers(operation: &mut Value) {
    let takes_body = operation.get("requestBody").is_some();
    let asks_who = operation["responses"].get("401").is_some();
    let is_probe = operation["tags"].as_array().is_some_and(|tags| tags.contains(&Value::from("operators")));
    let Some(responses) = operation["responses"].as_object_mut() else { return };
    let mut add = |status: &str, description: &str| {
        responses.entry(status).or_insert_with(|| json!({ "description": description }));
    };
    if takes_body {
        add("400", "The body cannot be read");
        add("413", "The body is longer than this hub takes");
    }
    if asks_who {
        add("500", "A failure inside; the log tells more under the request id");
        add("503", "What this hub stands on does not answer; `Retry-After` says when to ask again");
    }
    if !is_probe {
        add("429", "More requests than this hub takes of a caller; `Retry-After` says when to ask again");
    }
    for (status, response) in responses {
        if let Some(response) = response.as_object_mut() {
            common(status, response, is_probe);
        }
    }
}

/// What an answer with this status always has.
fn common(status: &str, response: &mut Map<String, Value>, is_probe: bool) {
    let is_error = status >= "400";
    if is_error && !response.contains_key("content") {
        response.insert("content".to_owned(), json!({ "application/json": { "schema": { "$ref": ERROR } } }));
    }
    let content = response.get("content").and_then(|content| content.pointer("/application~1json/schema/$ref"));
    let says_error = content.is_some_and(|schema| schema == ERROR);
    let headers = response.entry("headers").or_insert_with(|| json!({}));
    let mut add = |name: &str| headers[name] = json!({ "$ref": format!("#/components/headers/{name}") });
    add("X-Request-Id");
    if is_error && says_error {
        add("X-Error-Message");
    }
    match status {
        "401" => ["X-Error-Code", "WWW-Authenticate"].map(&mut add).len(),
        "403" | "404" => ["X-Error-Code"].map(&mut add).len(),
        "429" => ["Retry-After", "RateLimit", "RateLimit-Policy"].map(&mut add).len(),
        "503" => ["Retry-After"].map(&mut add).len(),
        _ if !is_error && !is_probe => ["RateLimit", "RateLimit-Policy"].map(&mut add).len(),
        _ => 0,
    };
}

/// The answers to a HEAD: those of the GET, without bodies.
fn without_bodies(operation: &mut Value) {
    if let Some(summary) = operation["summary"].as_str() {
        operation["summary"] = format!("{} (headers alone)", summary.trim_end_matches('.')).into();
    }
    for response in operation["responses"].as_object_mut().into_iter().flat_map(Map::values_mut) {
        if let Some(response) = response.as_object_mut() {
            response.remove("content");
        }
    }
}
