//! Presets: selections that people ask for by name, because patterns alone do not say them.
//!
//! A preset only ever leaves entries out. Which entries are weights is told by their names, as loaders tell it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};

use crate::name::NameError;
use crate::order::parsed;

/// Longest name of a quantisation, in bytes.
const QUANTISATION_BYTES_MAX: usize = 32;

/// Endings of files that hold weights, safetensors left aside.
const OTHER_WEIGHTS: &[&str] = &[
    "bin",
    "ckpt",
    "ggml",
    "gguf",
    "h5",
    "joblib",
    "keras",
    "llamafile",
    "mlmodel",
    "msgpack",
    "nemo",
    "npz",
    "onnx",
    "onnx_data",
    "ot",
    "pb",
    "pdparams",
    "pickle",
    "pkl",
    "pt",
    "pth",
    "tflite",
];

/// Endings of what may stand beside safetensors without repeating them.
const NO_DUPLICATES: &[&str] = &["ggml", "gguf", "llamafile"];

/// A selection that has a name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(into = "String")]
pub enum Preset {
    /// `safetensors-only`: no weights in any other format, whatever else there is.
    SafetensorsOnly,
    /// `no-duplicates`: where safetensors stand, not the same weights once more in `original/`, in one consolidated
    /// file, or in another framework's format. A repository without safetensors is held whole.
    NoDuplicates,
    /// `gguf:Q4_K_M`: of GGUF files only those of one quantisation, and the projectors (`mmproj`) that go with it.
    Gguf(String),
}

impl Preset {
    /// Whether this preset has a meaning for a commit with these files.
    pub fn applies<'a>(&self, mut files: impl Iterator<Item = &'a str>) -> bool {
        match self {
            Preset::SafetensorsOnly | Preset::Gguf(_) => true,
            Preset::NoDuplicates => files.any(|path| ending(path) == "safetensors" && !is_second_copy(path)),
        }
    }

    /// Whether this preset, where it applies, leaves out the file at `path`.
    pub fn leaves_out(&self, path: &str) -> bool {
        let other = || {
            let path = path.strip_suffix(".index.json").unwrap_or(path);
            OTHER_WEIGHTS.contains(&ending(path).as_str())
        };
        match self {
            Preset::SafetensorsOnly => other(),
            Preset::NoDuplicates => {
                is_second_copy(path) || (other() && !NO_DUPLICATES.contains(&ending(path).as_str()))
            }
            Preset::Gguf(wanted) => {
                ending(path) == "gguf" && !file_name(path).starts_with("mmproj") && !names(path, wanted)
            }
        }
    }
}

fn file_name(path: &str) -> &str {
    path.rsplit_once('/').map_or(path, |(_, name)| name)
}

fn ending(path: &str) -> String {
    file_name(path).rsplit_once('.').map_or_else(String::new, |(_, ending)| ending.to_ascii_lowercase())
}

/// Weights that publishers put beside the sharded ones: their own layout, or all in one file.
fn is_second_copy(path: &str) -> bool {
    path.starts_with("original/")
        || (file_name(path).starts_with("consolidated") && (ending(path) == "safetensors" || ending(path) == "pth"))
}

/// Whether a path has the name of a quantisation as a word of its own: `Q4_K` is not one in `x-Q4_K_M.gguf`.
fn names(path: &str, wanted: &str) -> bool {
    let (path, wanted) = (path.to_ascii_uppercase(), wanted.to_ascii_uppercase());
    path.match_indices(&wanted).any(|(at, _)| {
        let before = path[..at].chars().next_back();
        let after = path[at + wanted.len()..].chars().next();
        before.is_none_or(|c| !c.is_alphanumeric()) && after.is_none_or(|c| !c.is_alphanumeric() && c != '_')
    })
}

impl fmt::Display for Preset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Preset::SafetensorsOnly => f.write_str("safetensors-only"),
            Preset::NoDuplicates => f.write_str("no-duplicates"),
            Preset::Gguf(wanted) => write!(f, "gguf:{wanted}"),
        }
    }
}

impl FromStr for Preset {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match (text, text.strip_prefix("gguf:")) {
            ("safetensors-only", _) => Ok(Preset::SafetensorsOnly),
            ("no-duplicates", _) => Ok(Preset::NoDuplicates),
            (_, Some(wanted))
                if (1..=QUANTISATION_BYTES_MAX).contains(&wanted.len())
                    && wanted.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.')) =>
            {
                Ok(Preset::Gguf(wanted.to_ascii_uppercase()))
            }
            _ => Err(NameError::Preset(text.chars().take(80).collect())),
        }
    }
}

impl<'de> Deserialize<'de> for Preset {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        parsed(deserializer)
    }
}

impl From<Preset> for String {
    fn from(preset: Preset) -> String {
        preset.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::Preset;

    fn left(preset: &str, paths: &[&'static str]) -> Vec<&'static str> {
        let preset: Preset = preset.parse().unwrap();
        let applies = preset.applies(paths.iter().copied());
        paths.iter().copied().filter(|path| !applies || !preset.leaves_out(path)).collect()
    }

    #[test]
    fn only_safetensors_are_weights_that_are_held() {
        let paths = ["config.json", "model.safetensors", "pytorch_model.bin", "pytorch_model.bin.index.json", "a/x.PT"];
        assert_eq!(left("safetensors-only", &paths), ["config.json", "model.safetensors"]);
        assert_eq!(left("safetensors-only", &["pytorch_model.bin", "config.json"]), ["config.json"]);
    }

    #[test]
    fn duplicates_are_left_out_where_there_is_something_they_repeat() {
        let paths = [
            "config.json",
            "consolidated.safetensors",
            "model-00001-of-00002.safetensors",
            "model.safetensors.index.json",
            "original/consolidated.00.pth",
            "original/params.json",
            "q4.gguf",
            "tf_model.h5",
        ];
        let held = ["config.json", "model-00001-of-00002.safetensors", "model.safetensors.index.json", "q4.gguf"];
        assert_eq!(left("no-duplicates", &paths), held);
        let alone = ["pytorch_model.bin", "original/consolidated.00.pth"];
        assert_eq!(left("no-duplicates", &alone), alone);
        assert_eq!(left("no-duplicates", &["consolidated.safetensors"]), ["consolidated.safetensors"]);
    }

    #[test]
    fn a_quantisation_is_a_word_and_not_the_beginning_of_another() {
        let paths = [
            "README.md",
            "m-IQ4_K.gguf",
            "m-Q4_K_M-00001-of-00002.gguf",
            "m.Q4_K.gguf",
            "m.q4_k_m.gguf",
            "mmproj-f16.gguf",
            "q4_k/weights.gguf",
        ];
        assert_eq!(left("gguf:q4_k", &paths), ["README.md", "m.Q4_K.gguf", "mmproj-f16.gguf", "q4_k/weights.gguf"]);
        assert_eq!(left("gguf:Q4_K_M", &paths)[1..3], ["m-Q4_K_M-00001-of-00002.gguf", "m.q4_k_m.gguf"]);
    }

    #[test]
    fn other_names_are_refused_with_those_there_are() {
        for text in ["", "safetensors", "gguf:", "gguf:Q4 K", "gguf"] {
            let error = text.parse::<Preset>().unwrap_err().to_string();
            assert!(error.contains("safetensors-only") && error.contains("gguf:Q4_K_M"), "{error}");
        }
        assert_eq!("gguf:q8_0".parse::<Preset>().unwrap().to_string(), "gguf:Q8_0");
    }
}
