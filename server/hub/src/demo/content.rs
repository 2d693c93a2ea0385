//! What `acervo demo` shows: four small models and a dataset, shaped like the families people ask for first.
//!
//! Everything is made here, in memory, from constants and seeds, and is the same to the last byte on every machine.
//! The repositories are real ones: stock clients load their configuration, tokenizer, weights and rows. This module does
//! not publish, serve or mirror anything, and knows nothing of digests or commits.

use acervo_core::RepoKind;
use serde_json::Value;

mod corpus;
mod dataset;
mod dense;
mod kimi;
mod llama;
mod mistral;
mod tokenizer;
mod weights;

/// The namespace of every demonstration repository.
const NAMESPACE: &str = "acervo-demo";

/// One repository of the demonstration, complete.
#[derive(Debug, Clone)]
pub struct DemoRepo {
    /// Whether it is a model or a dataset.
    pub kind: RepoKind,
    /// The namespace it is published under.
    pub namespace: &'static str,
    /// Its name within the namespace.
    pub name: &'static str,
    /// Its files, sorted by path.
    pub files: Vec<DemoFile>,
}

/// One file of a demonstration repository.
#[derive(Debug, Clone)]
pub struct DemoFile {
    /// Path from the root of the repository, with `/` between its parts.
    pub path: String,
    /// The whole content.
    pub bytes: Vec<u8>,
    /// Whether it is stored as LFS upstream, as the repository's `.gitattributes` says.
    pub lfs: bool,
}

/// Every repository of the demonstration; two calls give equal bytes.
pub fn repos() -> Vec<DemoRepo> {
    let [base, spanish] = llama::base_and_spanish();
    vec![base, spanish, mistral::guarani(), kimi::tiny(), dataset::refranes()]
}

/// Completes a repository: adds the `.gitattributes` that `lfs_patterns` stand for and marks the files they match.
fn assemble(kind: RepoKind, name: &'static str, lfs_patterns: &[&str], contents: Vec<(String, Vec<u8>)>) -> DemoRepo {
    let attributes: String =
        lfs_patterns.iter().map(|pattern| format!("{pattern} filter=lfs diff=lfs merge=lfs -text\n")).collect();
    let mut files: Vec<DemoFile> = contents
        .into_iter()
        .chain([text_file(".gitattributes", &attributes)])
        .map(|(path, bytes)| {
            let lfs = lfs_patterns.iter().any(|pattern| matches(pattern, &path));
            DemoFile { path, bytes, lfs }
        })
        .collect();
    files.sort_by(|a, b| a.path.cmp(&b.path));
    DemoRepo { kind, namespace: NAMESPACE, name, files }
}

/// Git's rule for the two pattern forms used here, neither of which holds a `/`: `*.suffix` and an exact file name,
/// both compared with the last part of the path.
fn matches(pattern: &str, path: &str) -> bool {
    let file_name = path.rsplit('/').next().unwrap_or(path);
    match pattern.strip_prefix('*') {
        Some(suffix) => file_name.ends_with(suffix),
        None => file_name == pattern,
    }
}

/// A text file, kept as written.
fn text_file(path: &str, text: &str) -> (String, Vec<u8>) {
    (path.to_owned(), text.as_bytes().to_vec())
}

/// A JSON file the way Python's tools save it: indented, with a final line break.
fn json_file(path: &str, value: &Value) -> (String, Vec<u8>) {
    (path.to_owned(), format!("{value:#}\n").into_bytes())
}

/// The MIT licence, on which one of the families puts a paragraph of its own.
const MIT_BODY: &str = r#"Copyright (c) 2026 The Acervo contributors

Permission is hereby granted, free of charge, to any person obtaining a copy
of this software and associated documentation files (the "Software"), to deal
in the Software without restriction, including without limitation the rights
to use, copy, modify, merge, publish, distribute, sublicense, and/or sell
copies of the Software, and to permit persons to whom the Software is
furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all
copies or substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR
IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY,
FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE
AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER
LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM,
OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE
SOFTWARE.
"#;

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use safetensors::{Dtype, SafeTensors};
    use serde_json::Value;

    use super::{DemoFile, DemoRepo, RepoKind, repos};

    fn models(repos: &[DemoRepo]) -> Vec<&DemoRepo> {
        repos.iter().filter(|repo| repo.kind == RepoKind::Model).collect()
    }

    fn file<'a>(repo: &'a DemoRepo, path: &str) -> &'a DemoFile {
        repo.files.iter().find(|file| file.path == path).unwrap_or_else(|| panic!("{} lacks {path}", repo.name))
    }

    fn json(repo: &DemoRepo, path: &str) -> Value {
        serde_json::from_slice(&file(repo, path).bytes).unwrap()
    }

    fn shards(repo: &DemoRepo) -> Vec<&DemoFile> {
        repo.files.iter().filter(|file| file.path.ends_with(".safetensors")).collect()
    }

    #[test]
    fn two_generations_are_equal_to_the_last_byte() {
        let (first, second) = (repos(), repos());

        assert_eq!(first.len(), second.len());
        for (a, b) in first.iter().zip(&second) {
            assert_eq!((a.name, a.files.len()), (b.name, b.files.len()));
            for (x, y) in a.files.iter().zip(&b.files) {
                assert!(x.path == y.path && x.bytes == y.bytes && x.lfs == y.lfs, "{}/{} differs", a.name, x.path);
            }
        }
    }

    #[test]
    fn a_transfer_is_worth_watching_but_short() {
        let bytes: usize = repos().iter().flat_map(|repo| &repo.files).map(|file| file.bytes.len()).sum();

        assert!((4_000_000..25_000_000).contains(&bytes), "{bytes} bytes");
    }

    #[test]
    fn paths_are_relative_sorted_and_unique_and_every_repository_has_a_card() {
        for repo in repos() {
            assert_eq!(repo.namespace, "acervo-demo");
            assert!(repo.files.is_sorted_by(|a, b| a.path < b.path), "{}", repo.name);
            for file in &repo.files {
                assert!(file.path.split('/').all(|part| !part.is_empty() && part != "." && part != ".."));
            }
            let card = String::from_utf8(file(&repo, "README.md").bytes.clone()).unwrap();
            assert!(card.starts_with("---\n") && card[4..].contains("\n---\n"), "{}", repo.name);
            assert!(card.contains("\nlicense: ") && card.contains("\nlanguage:\n"), "{}", repo.name);
        }
    }

    #[test]
    fn some_path_has_a_space_and_a_letter_outside_ascii() {
        let repos = repos();

        let path = repos.iter().flat_map(|repo| &repo.files).map(|file| &file.path).find(|path| path.contains(' '));

        assert_eq!(path.map(String::as_str), Some("ejemplos/saludo ñandú.txt"));
    }

    #[test]
    fn gitattributes_agree_with_the_lfs_flags() {
        for repo in repos() {
            let attributes = String::from_utf8(file(&repo, ".gitattributes").bytes.clone()).unwrap();
            let patterns: Vec<&str> = attributes
                .lines()
                .map(|line| line.strip_suffix(" filter=lfs diff=lfs merge=lfs -text").expect("an LFS line"))
                .collect();
            for file in &repo.files {
                let name = file.path.rsplit('/').next().unwrap();
                let named = patterns.contains(&name)
                    || name.rsplit_once('.').is_some_and(|(_, end)| patterns.contains(&format!("*.{end}").as_str()));
                assert_eq!(file.lfs, named, "{}/{}", repo.name, file.path);
            }
        }
    }

    #[test]
    fn weights_are_always_lfs_and_a_tokenizer_only_where_its_repository_says_so() {
        let repos = repos();
        for repo in models(&repos) {
            assert!(shards(repo).iter().all(|shard| shard.lfs));
            assert!(!file(repo, "README.md").lfs && !file(repo, "config.json").lfs);
        }

        let with_lfs_tokenizer: Vec<&str> =
            models(&repos).iter().filter(|repo| file(repo, "tokenizer.json").lfs).map(|repo| repo.name).collect();

        assert_eq!(with_lfs_tokenizer, ["mistral-tiny-gn", "kimi-k2-tiny"]);
    }

    #[test]
    fn the_index_names_every_tensor_in_its_shard_and_the_true_size() {
        for repo in models(&repos()) {
            let index = json(repo, "model.safetensors.index.json");
            let mut found = BTreeMap::new();
            let (mut bytes, mut parameters) = (0, 0);
            assert!(shards(repo).len() >= 2, "{}", repo.name);
            for shard in shards(repo) {
                let (_, header) = SafeTensors::read_metadata(&shard.bytes).unwrap();
                assert_eq!(header.metadata().as_ref().unwrap()["format"], "pt");
                for (name, view) in SafeTensors::deserialize(&shard.bytes).unwrap().tensors() {
                    assert_eq!(view.dtype(), Dtype::F32);
                    bytes += view.data().len();
                    parameters += view.shape().iter().product::<usize>();
                    assert_eq!(found.insert(name, shard.path.clone()), None);
                }
            }

            let listed: BTreeMap<String, String> = serde_json::from_value(index["weight_map"].clone()).unwrap();
            assert_eq!(listed, found, "{}", repo.name);
            assert_eq!(index["metadata"]["total_size"], bytes);
            assert_eq!(index["metadata"]["total_parameters"], parameters);
            let card = String::from_utf8(file(repo, "README.md").bytes.clone()).unwrap();
            assert!(card.contains(&format!("{parameters} parameters")), "{}: {parameters} parameters", repo.name);
        }
    }

    #[test]
    fn the_vocabulary_is_as_large_as_the_configuration_says() {
        for repo in models(&repos()) {
            let (config, tokenizer) = (json(repo, "config.json"), json(repo, "tokenizer.json"));
            let mut ids: BTreeSet<u64> = BTreeSet::new();
            ids.extend(tokenizer["model"]["vocab"].as_object().unwrap().values().map(|id| id.as_u64().unwrap()));
            ids.extend(tokenizer["added_tokens"].as_array().unwrap().iter().map(|t| t["id"].as_u64().unwrap()));

            let vocab_size = config["vocab_size"].as_u64().unwrap();
            // A round number: less means that the text ran out of pairs to merge.
            assert_eq!(vocab_size % 256, 0, "{}: {vocab_size}", repo.name);
            assert!(ids.iter().copied().eq(0..vocab_size), "{}: {} of {vocab_size} ids", repo.name, ids.len());
            let embedding = shards(repo)
                .iter()
                .find_map(|shard| {
                    let tensors = SafeTensors::deserialize(&shard.bytes).unwrap();
                    tensors.tensor("model.embed_tokens.weight").ok().map(|view| view.shape().to_vec())
                })
                .unwrap();
            assert_eq!(embedding[0] as u64, vocab_size);
            assert_eq!(embedding[1] as u64, config["hidden_size"].as_u64().unwrap());
        }
    }

    #[test]
    fn a_tuned_model_shares_its_frozen_shard_with_its_base() {
        let repos = repos();
        let [base, tuned] = ["llama-tiny", "llama-tiny-es"]
            .map(|name| shards(repos.iter().find(|repo| repo.name == name).expect("the pair is generated")));

        assert!(base[0].bytes == tuned[0].bytes, "the first shard is frozen");
        assert!(base[1].bytes != tuned[1].bytes && base[1].bytes.len() == tuned[1].bytes.len());
    }

    #[test]
    fn every_dataset_row_is_an_object_with_the_columns_of_the_card() {
        let repos = repos();
        let dataset = repos.iter().find(|repo| repo.kind == RepoKind::Dataset).unwrap();
        let mut ids = BTreeSet::new();

        for split in ["data/train.jsonl", "data/test.jsonl"] {
            let text = String::from_utf8(file(dataset, split).bytes.clone()).unwrap();
            for line in text.lines() {
                let row: Value = serde_json::from_str(line).unwrap();
                let columns: Vec<&String> = row.as_object().unwrap().keys().collect();
                assert_eq!(columns, ["id", "idioma", "refran", "sentido"]);
                assert!(ids.insert(row["id"].as_str().unwrap().to_owned()), "{} occurs twice", row["id"]);
            }
        }
        assert_eq!(ids.len(), 60);
    }
}
