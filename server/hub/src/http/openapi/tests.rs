//! The document against the router page, and a walk through all of it for what is missing.

use std::collections::BTreeSet;

use serde_json::Value;
use utoipa::OpenApi;

use super::{Document, root, whole};
use crate::http::router::ROUTES;

/// Every operation with its method and path.
fn operations(document: &Value) -> Vec<(String, String, Value)> {
    let paths = document["paths"].as_object().unwrap();
    let in_item = |(path, item): (&String, &Value)| {
        let operations = item.as_object().unwrap().clone();
        operations.into_iter().map(|(method, operation)| (method, path.clone(), operation)).collect::<Vec<_>>()
    };
    paths.iter().flat_map(in_item).collect()
}

fn is_text(value: &Value) -> bool {
    value.as_str().is_some_and(|text| text.trim().len() > 3)
}

#[test]
fn every_route_is_described_and_nothing_else() {
    let document = serde_json::to_value(Document::openapi()).unwrap();
    let described: BTreeSet<(String, String)> =
        operations(&document).into_iter().map(|(method, path, _)| (path, method)).collect();
    let routed: BTreeSet<(String, String)> = ROUTES
        .iter()
        .flat_map(|line| line.methods.iter().map(|method| (line.pattern.to_owned(), method.as_str().to_lowercase())))
        .collect();
    assert_eq!(described, routed);
}

/// What an operation lacks.
fn gaps(operation: &Value, method: &str) -> Vec<String> {
    let mut gaps = Vec::new();
    let mut demand = |holds: bool, what: String| {
        if !holds {
            gaps.push(what);
        }
    };
    demand(is_text(&operation["summary"]), "a summary".to_owned());
    demand(is_text(&operation["operationId"]), "an id".to_owned());
    demand(operation["tags"].as_array().is_some_and(|tags| tags.len() == 1), "one tag".to_owned());
    for parameter in operation["parameters"].as_array().into_iter().flatten() {
        let name = &parameter["name"];
        demand(is_text(&parameter["description"]), format!("a description of {name}"));
        demand(parameter["schema"].is_object(), format!("a schema of {name}"));
        let is_path = parameter["in"] == "path";
        let has_example = parameter.get("example").is_some() || parameter["schema"].get("example").is_some();
        demand(!is_path || has_example, format!("an example of {name}"));
    }
    for (sort, body) in operation["requestBody"]["content"].as_object().into_iter().flatten() {
        demand(body["schema"].is_object() && body.get("example").is_some(), format!("an example of its {sort} body"));
    }
    let responses = operation["responses"].as_object().unwrap();
    demand(responses.keys().any(|status| status.starts_with('2')), "a success".to_owned());
    for (status, response) in responses {
        demand(is_text(&response["description"]), format!("a description of {status}"));
        demand(response["headers"]["X-Request-Id"].is_object(), format!("the request id of {status}"));
        for (name, header) in response["headers"].as_object().into_iter().flatten() {
            let described =
                header.get("$ref").is_some() || is_text(&header["description"]) && header["schema"].is_object();
            demand(described, format!("a description of the header {name} of {status}"));
        }
        let content = response["content"].as_object();
        if method == "head" {
            demand(content.is_none(), format!("no body of {status}"));
            continue;
        }
        for (sort, body) in content.into_iter().flatten() {
            let is_binary = sort == "*/*" || sort == "application/octet-stream";
            demand(body["schema"].is_object(), format!("a schema of {status} as {sort}"));
            demand(is_binary || body.get("example").is_some(), format!("an example of {status} as {sort}"));
        }
        let is_error = status.as_str() >= "400";
        demand(!is_error || content.is_some_and(|content| !content.is_empty()), format!("the body of {status}"));
        let says_when = status != "429" && status != "503" || response["headers"]["Retry-After"].is_object();
        demand(says_when, format!("`Retry-After` of {status}"));
    }
    gaps
}

#[test]
fn nothing_is_left_without_words_types_and_examples() {
    let document = whole("");
    let mut missing = Vec::new();
    let operations = operations(&document);
    for (method, path, operation) in &operations {
        missing.extend(gaps(operation, method).into_iter().map(|gap| format!("{method} {path} lacks {gap}")));
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
    let ids: BTreeSet<&str> = operations.iter().map(|(.., one)| one["operationId"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), operations.len(), "two operations have one id");
    let tags: BTreeSet<&str> = operations.iter().map(|(.., one)| one["tags"][0].as_str().unwrap()).collect();
    let described = document["tags"].as_array().unwrap();
    let described: BTreeSet<&str> =
        described.iter().filter(|tag| is_text(&tag["description"])).map(|tag| tag["name"].as_str().unwrap()).collect();
    assert_eq!(tags, described);
    assert_eq!(document["info"]["license"]["name"], "Apache-2.0");
    assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
}

#[test]
fn every_reference_leads_somewhere() {
    fn collect(value: &Value, found: &mut BTreeSet<String>) {
        match value {
            Value::Object(fields) => {
                found.extend(fields.get("$ref").and_then(Value::as_str).map(str::to_owned));
                fields.values().for_each(|field| collect(field, found));
            }
            Value::Array(items) => items.iter().for_each(|item| collect(item, found)),
            _ => {}
        }
    }
    let document = whole("");
    let mut references = BTreeSet::new();
    collect(&document, &mut references);
    assert!(references.len() > 20);
    for reference in references {
        assert!(document.pointer(reference.trim_start_matches('#')).is_some(), "{reference}");
    }
}

#[test]
fn a_walk_finds_every_sort_of_gap() {
    let good = operations(&whole("")).into_iter().find(|(method, path, _)| method == "get" && path == "/api/{plural}");
    let good = good.unwrap().2;
    assert_eq!(gaps(&good, "get"), [""; 0]);
    let without = |pointer: &str, key: &str| {
        let mut bad = good.clone();
        bad.pointer_mut(pointer).unwrap().as_object_mut().unwrap().remove(key);
        gaps(&bad, "get").join(", ")
    };
    assert_eq!(without("", "summary"), "a summary");
    assert_eq!(without("/parameters/0", "description"), "a description of \"plural\"");
    assert_eq!(without("/responses/200/content/application~1json", "example"), "an example of 200 as application/json");
    assert_eq!(without("/responses/401", "content"), "the body of 401");
    assert_eq!(without("/responses/503/headers", "Retry-After"), "`Retry-After` of 503");
}

#[test]
fn a_hub_below_a_path_says_so() {
    assert_eq!(whole("")["servers"], Value::Null);
    assert_eq!(whole("/hub")["servers"][0]["url"], "/hub");
    for (url, expected) in [
        ("https://acervo.example", ""),
        ("http://127.0.0.1:7860/", ""),
        ("https://example.org/hub/", "/hub"),
        ("https://example.org/a/b?x#y", "/a/b"),
    ] {
        assert_eq!(root(url), expected, "{url}");
    }
}
