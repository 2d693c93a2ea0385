//! What of upstream's description of a repository is handed on: named fields of checked types, and nothing else.
//!
//! The description comes from a stranger. A field of the wrong type is left out, since clients fail on it. Whatever
//! would lead a client back to upstream (Xet routes, addresses) is left out at any depth.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// Parameter counts of safetensors weights; clients need both fields.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(example = json!({"parameters": {"BF16": 7_241_732_096_u64}, "total": 7_241_732_096_u64}))]
pub struct Safetensors {
    /// Parameters by data type.
    pub parameters: BTreeMap<String, u64>,
    /// All parameters.
    pub total: u64,
}

/// How transformers loads the model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(example = json!({"auto_model": "AutoModelForCausalLM", "pipeline_tag": "text-generation"}))]
pub struct TransformersInfo {
    /// Class that loads it.
    pub auto_model: String,
    /// Class of its own code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub custom_class: Option<String>,
    /// Task.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pipeline_tag: Option<String>,
    /// Class that prepares its inputs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub processor: Option<String>,
}

/// The fields of upstream's description that are handed on.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct UpstreamFacts {
    /// Excerpt of the model's configuration.
    pub config: Option<Map<String, Value>>,
    /// Parameter counts.
    pub safetensors: Option<Safetensors>,
    /// Header of a GGUF file.
    pub gguf: Option<Map<String, Value>>,
    /// How transformers loads the model.
    pub transformers_info: Option<TransformersInfo>,
    /// Evaluation results.
    pub model_index: Option<Vec<Value>>,
    /// Example inputs.
    pub widget_data: Option<Vec<Value>>,
    /// Text that stands for what a model fills in.
    pub mask_token: Option<String>,
    /// Task.
    pub pipeline_tag: Option<String>,
    /// Library that loads it.
    pub library_name: Option<String>,
    /// What a space runs on.
    pub sdk: Option<String>,
    /// How a dataset asks to be cited.
    pub citation: Option<String>,
}

impl UpstreamFacts {
    /// Takes what is fit to be handed on from a description.
    pub fn from_info(info: Option<&Value>) -> Self {
        let Some(Value::Object(info)) = info else { return UpstreamFacts::default() };
        UpstreamFacts {
            config: object(info, "config"),
            safetensors: safetensors(info),
            gguf: object(info, "gguf"),
            transformers_info: transformers_info(info),
            model_index: array(info, "model-index"),
            widget_data: array(info, "widgetData"),
            mask_token: text(info, "mask_token"),
            pipeline_tag: text(info, "pipeline_tag"),
            library_name: text(info, "library_name"),
            sdk: text(info, "sdk"),
            citation: text(info, "citation"),
        }
    }
}

/// A non-empty text that is no address.
pub(super) fn text(map: &Map<String, Value>, field: &str) -> Option<String> {
    let text = map.get(field)?.as_str()?;
    (!text.is_empty() && !is_address(text)).then(|| text.to_owned())
}

fn object(map: &Map<String, Value>, field: &str) -> Option<Map<String, Value>> {
    match scrubbed(map.get(field)?)? {
        Value::Object(fields) => Some(fields),
        _ => None,
    }
}

fn array(map: &Map<String, Value>, field: &str) -> Option<Vec<Value>> {
    match scrubbed(map.get(field)?)? {
        Value::Array(items) => Some(items),
        _ => None,
    }
}

fn safetensors(map: &Map<String, Value>) -> Option<Safetensors> {
    let fields = map.get("safetensors")?.as_object()?;
    let counts = fields.get("parameters")?.as_object()?;
    let parameters = counts.iter().map(|(dtype, count)| Some((dtype.clone(), count.as_u64()?)));
    Some(Safetensors { parameters: parameters.collect::<Option<_>>()?, total: fields.get("total")?.as_u64()? })
}

fn transformers_info(map: &Map<String, Value>) -> Option<TransformersInfo> {
    let fields = map.get("transformersInfo")?.as_object()?;
    Some(TransformersInfo {
        auto_model: text(fields, "auto_model")?,
        custom_class: text(fields, "custom_class"),
        pipeline_tag: text(fields, "pipeline_tag"),
        processor: text(fields, "processor"),
    })
}

/// The value without Xet fields and without texts that are addresses; `None` if nothing is left of it.
fn scrubbed(value: &Value) -> Option<Value> {
    match value {
        Value::String(text) if is_address(text) => None,
        Value::Array(items) => Some(Value::Array(items.iter().filter_map(scrubbed).collect())),
        Value::Object(fields) => {
            let kept = fields.iter().filter(|(key, _)| !key.to_ascii_lowercase().contains("xet"));
            Some(Value::Object(kept.filter_map(|(key, value)| Some((key.clone(), scrubbed(value)?))).collect()))
        }
        other => Some(other.clone()),
    }
}

/// Whether a text is a web address as a whole; one that merely mentions an address is for people to read.
fn is_address(text: &str) -> bool {
    let start: String = text.trim_start().chars().take(8).collect::<String>().to_ascii_lowercase();
    start.starts_with("http://") || start.starts_with("https://") || start.starts_with("//")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::UpstreamFacts;

    #[test]
    fn fields_of_the_right_type_are_handed_on() {
        let info = json!({
            "config": {"architectures": ["MistralForCausalLM"], "model_type": "mistral"},
            "safetensors": {"parameters": {"BF16": 7, "F32": 1}, "total": 8, "sharded": true},
            "gguf": {"total": 8, "architecture": "llama", "chat_template": "{{ 'see https://example.org' }}"},
            "transformersInfo": {"auto_model": "AutoModel", "processor": "AutoTokenizer", "extra": 1},
            "model-index": [{"name": "x"}],
            "widgetData": [{"text": "Hi"}],
            "mask_token": "[MASK]", "pipeline_tag": "fill-mask", "library_name": "transformers", "sdk": "gradio",
        });
        let facts = UpstreamFacts::from_info(Some(&info));
        assert_eq!(facts.config.unwrap()["model_type"], "mistral");
        assert_eq!(
            serde_json::to_value(facts.safetensors.unwrap()).unwrap(),
            json!({"parameters": {"BF16": 7, "F32": 1}, "total": 8})
        );
        assert_eq!(facts.gguf.unwrap()["chat_template"], "{{ 'see https://example.org' }}");
        assert_eq!(
            serde_json::to_value(facts.transformers_info.unwrap()).unwrap(),
            json!({"auto_model": "AutoModel", "processor": "AutoTokenizer"})
        );
        assert_eq!(facts.model_index.unwrap(), [json!({"name": "x"})]);
        assert_eq!(facts.widget_data.unwrap(), [json!({"text": "Hi"})]);
        let texts = [facts.mask_token, facts.pipeline_tag, facts.library_name, facts.sdk].map(Option::unwrap);
        assert_eq!(texts, ["[MASK]", "fill-mask", "transformers", "gradio"]);
    }

    #[test]
    fn hostile_types_are_left_out() {
        let hostile = [json!(null), json!(1), json!("x"), json!(["x", 1, null]), json!({"a": -1}), json!(true)];
        let fields = [
            ("config", "object"),
            ("safetensors", "none"),
            ("gguf", "object"),
            ("transformersInfo", "none"),
            ("model-index", "array"),
            ("widgetData", "array"),
            ("mask_token", "string"),
            ("pipeline_tag", "string"),
            ("library_name", "string"),
            ("sdk", "string"),
        ];
        for value in &hostile {
            let info: Value = fields.iter().map(|(field, _)| ((*field).to_owned(), value.clone())).collect();
            let facts = UpstreamFacts::from_info(Some(&info));
            let present = [
                facts.config.is_some(),
                facts.safetensors.is_some(),
                facts.gguf.is_some(),
                facts.transformers_info.is_some(),
                facts.model_index.is_some(),
                facts.widget_data.is_some(),
                facts.mask_token.is_some(),
                facts.pipeline_tag.is_some(),
                facts.library_name.is_some(),
                facts.sdk.is_some(),
            ];
            let expected = fields.map(|(_, wanted)| match wanted {
                "object" => value.is_object(),
                "array" => value.is_array(),
                "string" => value.is_string(),
                _ => false,
            });
            assert_eq!(present, expected, "{value}");
        }
        for info in [json!(null), json!([]), json!("x")] {
            assert_eq!(UpstreamFacts::from_info(Some(&info)), UpstreamFacts::default());
        }
    }

    #[test]
    fn safetensors_need_counts_and_a_total() {
        for broken in [
            json!({"total": 1}),
            json!({"parameters": {"F32": 1}}),
            json!({"parameters": {"F32": -1}, "total": 1}),
            json!({"parameters": {"F32": 1.5}, "total": 1}),
            json!({"parameters": [1], "total": 1}),
            json!({"parameters": {"F32": 1}, "total": "1"}),
        ] {
            let info = json!({ "safetensors": broken });
            assert_eq!(UpstreamFacts::from_info(Some(&info)).safetensors, None, "{info}");
        }
    }

    #[test]
    fn nothing_leads_back_to_upstream() {
        let info = json!({
            "config": {"xetHash": "ab", "deep": [{"x-xet-hash": "ab", "url": "HTTPS://hub.example/x", "ok": 1}]},
            "model-index": [{"source": {"url": "https://hub.example/spaces/board", "name": "board"}}],
            "widgetData": ["https://hub.example/cat.png", {"src": " http://hub.example/cat.png", "text": "cat"}],
            "gguf": {"casUrl": "//cas.hub.example", "total": 1},
            "mask_token": "https://hub.example", "sdk": "//hub.example",
            "xetEnabled": true, "spaces": ["a/b"], "author": "evil", "cardData": {"a": 1},
        });
        let facts = UpstreamFacts::from_info(Some(&info));
        assert_eq!(Value::Object(facts.config.unwrap()), json!({"deep": [{"ok": 1}]}));
        assert_eq!(facts.model_index.unwrap(), [json!({"source": {"name": "board"}})]);
        assert_eq!(facts.widget_data.unwrap(), [json!({"text": "cat"})]);
        assert_eq!(Value::Object(facts.gguf.unwrap()), json!({"total": 1}));
        assert_eq!((facts.mask_token, facts.sdk), (None, None));
    }
}
