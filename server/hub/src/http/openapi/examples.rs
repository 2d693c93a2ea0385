//! Examples of bodies: what a handler's description gives, else put together from the examples of its fields.

use serde_json::{Map, Value};

/// Depth at which a schema is taken for one that holds itself.
const DEPTH_MAX: usize = 12;

/// Gives every body of an operation an example, where one can be had.
pub(super) fn add(operation: &mut Value, schemas: &Value) {
    let responses = operation["responses"].as_object_mut().into_iter().flat_map(Map::values_mut);
    for response in responses {
        fill(&mut response["content"], schemas);
        if response["content"].is_null()
            && let Some(response) = response.as_object_mut()
        {
            response.remove("content");
        }
    }
    if let Some(body) = operation.get_mut("requestBody") {
        fill(&mut body["content"], schemas);
    }
}

fn fill(content: &mut Value, schemas: &Value) {
    for body in content.as_object_mut().into_iter().flat_map(Map::values_mut) {
        if body.get("example").is_none()
            && body.get("examples").is_none()
            && let Some(example) = of(&body["schema"], schemas, 0)
        {
            body["example"] = example;
        }
    }
}

/// An example of a schema; `None` if it is a text of which nobody gave one.
fn of(schema: &Value, schemas: &Value, depth: usize) -> Option<Value> {
    if depth > DEPTH_MAX {
        return None;
    }
    let again = |schema: &Value| of(schema, schemas, depth + 1);
    if let Some(example) = schema.get("example").or_else(|| schema.get("examples")?.get(0)) {
        return Some(example.clone());
    }
    if let Some(name) = schema.get("$ref").and_then(Value::as_str) {
        return again(schemas.get(name.rsplit('/').next()?)?);
    }
    if let Some(value) = schema.get("const").or_else(|| schema.get("enum")?.get(0)) {
        return Some(value.clone());
    }
    if let Some(parts) = schema.get("allOf").and_then(Value::as_array) {
        let mut whole = Map::new();
        for part in parts {
            whole.extend(again(part)?.as_object()?.clone());
        }
        return Some(Value::Object(whole));
    }
    if let Some(options) = schema.get("oneOf").or_else(|| schema.get("anyOf")).and_then(Value::as_array) {
        return options.iter().filter(|option| option["type"] != "null").find_map(again);
    }
    match sort(schema) {
        "boolean" => Some(false.into()),
        "integer" | "number" => Some(schema.get("minimum").cloned().unwrap_or(0.into())),
        "array" => Some(Value::Array(again(&schema["items"]).into_iter().collect())),
        "object" => object(schema, &again),
        _ => None,
    }
}

/// The type of a schema, whether it may be null or not.
fn sort(schema: &Value) -> &str {
    let sorts = schema["type"].as_array();
    let first = sorts.and_then(|sorts| sorts.iter().filter_map(Value::as_str).find(|sort| *sort != "null"));
    first.or(schema["type"].as_str()).unwrap_or_default()
}

fn object(schema: &Value, example: &impl Fn(&Value) -> Option<Value>) -> Option<Value> {
    let mut whole = Map::new();
    let is_required =
        |name: &str| schema["required"].as_array().is_some_and(|names| names.iter().any(|one| one == name));
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        match example(field) {
            Some(value) => drop(whole.insert(name.clone(), value)),
            None if is_required(name) => return None,
            None => {}
        }
    }
    if let Some(value) = schema.get("additionalProperties").filter(|values| values.is_object()).and_then(example) {
        whole.insert("name".to_owned(), value);
    }
    Some(Value::Object(whole))
}
