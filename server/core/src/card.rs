//! Repository cards: the YAML front matter of `README.md`, kept raw and parsed within a budget.
//!
//! Cards come from strangers. What does not parse is an error that is kept beside the raw bytes, never a reason to
//! refuse the repository. Licence reasoning is not done here.

use std::collections::HashSet;

use serde_json::{Map, Value};

use crate::name::RepoKind;
use crate::text;
use crate::words::Words;

/// Largest front matter that is parsed, in bytes; a longer one is kept raw with an error.
pub const FRONT_MATTER_BYTES_MAX: usize = 256 * 1024;

/// Most tags that a repository is listed under.
pub const TAGS_MAX: usize = 1000;

/// Longest tag, in bytes; databases refuse to index much longer ones.
pub const TAG_BYTES_MAX: usize = 512;

/// What the front matter of a card says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Card {
    /// The raw YAML between the markers, as it stands in the file.
    pub front_matter: Option<Vec<u8>>,
    /// The parsed fields.
    pub data: Option<Map<String, Value>>,
    /// Why the raw bytes could not be parsed.
    pub parse_error: Option<String>,
    /// Words of the text below the markers, and of what the fields say in sentences.
    pub words: Words,
}

/// Fields that speak to people.
const SENTENCES: [&str; 5] = ["pretty_name", "title", "description", "short_description", "summary"];

/// Reads the front matter of a card.
pub fn parse(readme: &[u8]) -> Card {
    let Some(raw) = front_matter(readme) else {
        return Card { words: Words::of(&String::from_utf8_lossy(readme)), ..Card::default() };
    };
    let mut card = match fields(raw) {
        Ok(data) => Card { data: Some(data), ..Card::default() },
        Err(error) => Card { parse_error: Some(error), ..Card::default() },
    };
    let sentences = SENTENCES.iter().filter_map(|field| card.data.as_ref()?.get(*field)?.as_str());
    sentences.for_each(|text| card.words.add(text));
    card.words.add(&String::from_utf8_lossy(after(readme, raw)));
    card.front_matter = Some(raw.to_vec());
    card
}

/// What follows the front matter and its closing line.
fn after<'a>(readme: &'a [u8], front_matter: &[u8]) -> &'a [u8] {
    let text = readme.strip_prefix(b"\xef\xbb\xbf").unwrap_or(readme);
    // Both lines of `---` are markers, whatever ends them.
    let opening = text.iter().position(|&byte| byte == b'\n').map_or(text.len(), |at| at + 1);
    text[opening..].get(front_matter.len()..).and_then(|rest| rest.get(3..)).unwrap_or_default()
}

/// The bytes between the opening and the closing `---` line.
fn front_matter(readme: &[u8]) -> Option<&[u8]> {
    let text = readme.strip_prefix(b"\xef\xbb\xbf").unwrap_or(readme);
    let body = text.strip_prefix(b"---\n").or_else(|| text.strip_prefix(b"---\r\n"))?;
    let mut at = 0;
    for line in body.split_inclusive(|&byte| byte == b'\n') {
        if line.trim_ascii_end() == b"---" {
            return Some(&body[..at]);
        }
        at += line.len();
    }
    None
}

/// Parses the fields, or says why not.
fn fields(raw: &[u8]) -> Result<Map<String, Value>, String> {
    if raw.len() > FRONT_MATTER_BYTES_MAX {
        return Err(format!("the front matter is longer than {FRONT_MATTER_BYTES_MAX} bytes"));
    }
    let text = std::str::from_utf8(raw).map_err(|error| format!("the front matter is not UTF-8: {error}"))?;
    if text.trim().is_empty() {
        return Ok(Map::new());
    }
    match serde_saphyr::from_str::<Value>(text) {
        Ok(Value::Object(map)) => Ok(text::storable_map(map)),
        Ok(Value::Null) => Ok(Map::new()),
        Ok(_) => Err("the front matter is not a mapping".to_owned()),
        Err(error) => Err(text::storable(error.to_string()).chars().take(500).collect()),
    }
}

/// The strings of a field that may be one value or a list.
pub fn strings<'a>(data: &'a Map<String, Value>, field: &str) -> Vec<&'a str> {
    match data.get(field) {
        Some(Value::String(text)) => vec![text],
        Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

/// Tags in the order they came, without repeats. They come from strangers: what no database could index is left out.
#[derive(Clone, Debug, Default)]
pub struct Tags {
    list: Vec<String>,
    known: HashSet<String>,
}

impl Tags {
    /// Adds a tag unless it is there, hostile, or one too many.
    pub fn add(&mut self, tag: &str) {
        let is_usable = !tag.is_empty() && tag.len() <= TAG_BYTES_MAX && !tag.chars().any(char::is_control);
        if is_usable && self.list.len() < TAGS_MAX && self.known.insert(tag.to_owned()) {
            self.list.push(tag.to_owned());
        }
    }

    /// The tags.
    pub fn into_list(self) -> Vec<String> {
        self.list
    }
}

/// The tags under which hubs list a repository with this card, in a stable order without repeats.
pub fn tags(kind: RepoKind, data: &Map<String, Value>) -> Vec<String> {
    let mut tags = Tags::default();
    let mut add = |prefix: &str, values: Vec<&str>| {
        for value in values.into_iter().filter(|value| !value.is_empty()) {
            tags.add(&format!("{prefix}{value}"));
        }
    };
    add("", strings(data, "library_name"));
    add("", strings(data, "pipeline_tag"));
    add("", strings(data, "tags"));
    let language = if kind == RepoKind::Dataset { "language:" } else { "" };
    add(language, strings(data, "language"));
    add("license:", strings(data, "license"));
    add("dataset:", strings(data, "datasets"));
    add("base_model:", strings(data, "base_model"));
    if let Some(relation) = data.get("base_model_relation").and_then(Value::as_str) {
        add(&format!("base_model:{relation}:"), strings(data, "base_model"));
    }
    add("task_categories:", strings(data, "task_categories"));
    add("size_categories:", strings(data, "size_categories"));
    tags.into_list()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{FRONT_MATTER_BYTES_MAX, parse, tags};
    use crate::name::RepoKind;

    #[test]
    fn fields_are_read_and_the_raw_bytes_kept() {
        let card = parse(b"---\r\nlicense: mit\r\nlanguage:\r\n- gn\r\n- es\r\n---\r\n# Title");
        assert_eq!(card.front_matter.as_deref(), Some(&b"license: mit\r\nlanguage:\r\n- gn\r\n- es\r\n"[..]));
        assert_eq!(card.data.unwrap()["language"], json!(["gn", "es"]));
    }

    #[test]
    fn a_readme_without_front_matter_has_none() {
        for readme in [&b"# Title"[..], b"", b"---\nlicense: mit\n", b"text\n---\na: b\n---\n"] {
            let card = parse(readme);
            assert_eq!((card.front_matter, card.data, card.parse_error), (None, None, None));
        }
    }

    #[test]
    fn words_are_those_people_read() {
        let card = parse(b"\xef\xbb\xbf---\r\nlicense: mit\r\npretty_name: Rows of x\r\n---\r\n# The T\xc3\xadtle\xff");
        assert_eq!(card.words.to_stored(), "rows of x the title");
        assert_eq!(parse(b"# Plain").words.to_stored(), "plain");
        assert_eq!(parse(b"---\na: [\n---\nbroken").words.to_stored(), "broken");
        assert_eq!(parse(b"---\n---").words.to_stored(), "");
    }

    #[test]
    fn hostile_front_matter_is_an_error_and_not_a_crash() {
        let bomb = "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\n\
                    d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: [*e,*e,*e,*e,*e,*e,*e,*e,*e]\n";
        let deep = "[".repeat(100_000);
        let long = "x".repeat(FRONT_MATTER_BYTES_MAX + 1);
        for text in [bomb, &deep, &long, "- a\n- b", "a: [", "a: b: c", "\u{0}"] {
            let card = parse(format!("---\n{text}\n---\n").as_bytes());
            assert!(card.parse_error.is_some() && card.front_matter.is_some(), "{}", &text[..text.len().min(20)]);
        }
        assert!(parse(b"---\na: \xff\n---\n").parse_error.is_some());
    }

    #[test]
    fn characters_that_databases_refuse_are_left_out_of_fields_and_tags() {
        let card = parse(b"---\n\"na\\0me\": \"a\\0b\"\ntags: [\"x\\0y\", z]\n---\n");
        let data = card.data.unwrap();
        assert_eq!(data, *json!({"name": "ab", "tags": ["xy", "z"]}).as_object().unwrap());
        assert_eq!(tags(RepoKind::Model, &data), ["xy", "z"]);
    }

    #[test]
    fn a_flood_of_tags_is_cut() {
        let many: Vec<String> = (0..100_000).map(|n| n.to_string()).collect();
        let data = json!({ "tags": many, "library_name": "x".repeat(10_000) });
        let tags = tags(RepoKind::Model, data.as_object().unwrap());
        assert_eq!((tags.len(), tags[0].as_str()), (super::TAGS_MAX, "0"));
    }

    #[test]
    fn tags_follow_the_hub() {
        let data = json!({"license": "mit", "language": ["gn"], "base_model": "a/b", "base_model_relation": "finetune",
            "tags": ["x", "x"], "library_name": "transformers", "pipeline_tag": "text-generation"});
        let expected =
            ["transformers", "text-generation", "x", "gn", "license:mit", "base_model:a/b", "base_model:finetune:a/b"];
        assert_eq!(tags(RepoKind::Model, data.as_object().unwrap()), expected);
    }
}
