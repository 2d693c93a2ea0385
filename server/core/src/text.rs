//! Text from strangers, made fit to be kept: NUL, which Postgres takes neither in text nor in JSON, is left out.

use serde_json::{Map, Value};

/// The text without NUL.
pub fn storable(text: String) -> String {
    if text.contains('\0') { text.replace('\0', "") } else { text }
}

/// The fields without NUL in names and values.
pub fn storable_map(map: Map<String, Value>) -> Map<String, Value> {
    map.into_iter().map(|(name, value)| (storable(name), storable_value(value))).collect()
}

/// The value without NUL. Recursion is bounded by the parsers that made it.
fn storable_value(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(storable(text)),
        Value::Array(list) => Value::Array(list.into_iter().map(storable_value).collect()),
        Value::Object(map) => Value::Object(storable_map(map)),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{storable, storable_map};

    #[test]
    fn nul_is_left_out_wherever_it_stands() {
        assert_eq!(storable("a\0b\0".to_owned()), "ab");
        let map = json!({"k\0": ["a\0", {"x": "\0"}, 1, null]}).as_object().unwrap().clone();
        assert_eq!(storable_map(map), *json!({"k": ["a", {"x": ""}, 1, null]}).as_object().unwrap());
    }
}
