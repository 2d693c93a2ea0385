//! The headers of all shards of a model in the safetensors format: an index names the shards, each shard begins with
//! its header.
//!
//! Lengths are read before anything is read by them; what a header says is checked, and handed on as it was written.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use acervo_core::RepoPath;
use acervo_core::access::Openable;
use acervo_store::db::commits::Commit;
use acervo_store::db::repos::Repo;
use acervo_store::db::trees::StoredEntry;
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use crate::app::content::part;
use crate::app::trees;
use crate::context::Hub;
use crate::error::HubError;

/// Longest index that is read, in bytes.
const INDEX_BYTES_MAX: u64 = 32 * 1024 * 1024;

/// Longest header that is read, in bytes: clients refuse longer ones.
const HEADER_BYTES_MAX: u64 = 25_000_000;

/// Longest sum of headers in one answer, in bytes.
const HEADERS_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Most shards of one index.
const SHARDS_MAX: usize = 10_000;

/// Bytes before a header, which state its length.
const LENGTH_BYTES: u64 = 8;

/// Shards read at once.
const READ_AT_ONCE: usize = 8;

/// Headers never change, hence they are remembered beyond every change.
const ALWAYS: u64 = 0;

/// What an index and the shards it names begin with.
#[derive(Clone, Debug)]
pub struct Sharded {
    /// What the index says of the whole.
    pub metadata: Option<Map<String, Value>>,
    /// Shards by the name that the index gives them, each with its header: a JSON object, as it was written.
    pub headers: Vec<(String, Bytes)>,
}

/// Reads an index and the header of every shard it names.
pub async fn sharded(
    hub: &Hub,
    repo: &Openable<Arc<Repo>>,
    commit: &Commit,
    index: &RepoPath,
) -> Result<Sharded, HubError> {
    let entry = trees::entry(hub, repo, commit, index).await?;
    let not_an_index = |why: String| {
        HubError::Invalid(format!("`{index}` is not an index of safetensors shards: {why}; ask for its index file"))
    };
    if !entry.entry.is_file() {
        return Err(not_an_index("it is a folder".to_owned()));
    }
    if entry.entry.size > INDEX_BYTES_MAX {
        return Err(HubError::TooMuch(format!(
            "`{index}` has {} bytes and at most {INDEX_BYTES_MAX} are read; read the headers by ranges instead",
            entry.entry.size
        )));
    }
    if !index.file_name().ends_with(".json") {
        return Err(not_an_index("its name does not end in `.json`".to_owned()));
    }
    let text = part(hub, repo, &entry, 0, entry.entry.size).await?;
    let found: Index = serde_json::from_slice(&text).map_err(|error| not_an_index(error.to_string()))?;
    drop(text);
    if found.weight_map.0.len() > SHARDS_MAX {
        return Err(HubError::TooMuch(format!("`{index}` names more than {SHARDS_MAX} shards; read it yourself")));
    }
    let mut shards = Vec::with_capacity(found.weight_map.0.len());
    for name in found.weight_map.0 {
        let path = match index.parent() {
            "" => name.clone(),
            folder => format!("{folder}/{name}"),
        };
        let path: RepoPath = path.parse().map_err(|_| not_an_index(format!("it names `{}`", name.escape_debug())))?;
        shards.push((name, trees::entry(hub, repo, commit, &path).await?));
    }
    let lengths: Vec<u64> = stream::iter(&shards)
        .map(|(_, shard)| header_bytes(hub, repo, shard))
        .buffered(READ_AT_ONCE)
        .try_collect()
        .await?;
    let total: u64 = lengths.iter().sum();
    if total > HEADERS_BYTES_MAX {
        return Err(HubError::TooMuch(format!(
            "the headers of the shards of `{index}` have {total} bytes and at most {HEADERS_BYTES_MAX} are sent at \
             once; read them by ranges instead"
        )));
    }
    let headers: Vec<Bytes> = stream::iter(shards.iter().zip(lengths))
        .map(|((_, shard), length)| header(hub, repo, shard, length))
        .buffered(READ_AT_ONCE)
        .try_collect()
        .await?;
    let headers = shards.into_iter().map(|(name, _)| name).zip(headers).collect();
    Ok(Sharded { metadata: found.metadata, headers })
}

/// The length of a shard's header, which must be within the shard and within reason.
async fn header_bytes(hub: &Hub, repo: &Openable<Arc<Repo>>, shard: &StoredEntry) -> Result<u64, HubError> {
    let path = &shard.entry.path;
    let broken = |why: String| HubError::Invalid(format!("`{path}` is not a safetensors file: {why}"));
    if !shard.entry.is_file() || shard.entry.size < LENGTH_BYTES {
        return Err(broken(format!("it has less than {LENGTH_BYTES} bytes")));
    }
    let start = part(hub, repo, shard, 0, LENGTH_BYTES).await?;
    let start: [u8; 8] =
        start[..].try_into().map_err(|_| HubError::Internal(format!("`{path}` is shorter than it was")))?;
    let length = u64::from_le_bytes(start);
    if length > HEADER_BYTES_MAX {
        return Err(broken(format!("it states a header of {length} bytes; at most {HEADER_BYTES_MAX} are read")));
    }
    if length > shard.entry.size - LENGTH_BYTES {
        return Err(broken(format!("it states a header of {length} bytes and has {}", shard.entry.size)));
    }
    Ok(length)
}

/// The header of a shard, checked.
async fn header(hub: &Hub, repo: &Openable<Arc<Repo>>, shard: &StoredEntry, length: u64) -> Result<Bytes, HubError> {
    let make = async || {
        let text = part(hub, repo, shard, LENGTH_BYTES, LENGTH_BYTES + length).await?;
        let broken = |why: &dyn fmt::Display| {
            HubError::Invalid(format!("`{}` is not a safetensors file: its header: {why}", shard.entry.path))
        };
        let checked = std::str::from_utf8(&text).map_err(|error| broken(&error))?;
        serde_json::from_str::<Header>(checked).map_err(|error| broken(&error))?;
        // Headers are filled up with spaces.
        Ok(text.slice(..text.trim_ascii_end().len()))
    };
    match shard.blob {
        Some(sha256) => hub.caches().headers.get_or(ALWAYS, sha256, make).await,
        None => make().await,
    }
}

/// What of an index is kept: which shards there are, not which tensor is in which.
#[derive(Debug, Deserialize)]
struct Index {
    #[serde(default)]
    metadata: Option<Map<String, Value>>,
    weight_map: ShardNames,
}

/// The values of a map, each once.
#[derive(Debug)]
struct ShardNames(BTreeSet<String>);

impl<'de> Deserialize<'de> for ShardNames {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Names;
        impl<'de> Visitor<'de> for Names {
            type Value = ShardNames;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map from tensors to shards")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<ShardNames, A::Error> {
                let mut names = BTreeSet::new();
                while let Some((_, shard)) = map.next_entry::<IgnoredAny, String>()? {
                    names.insert(shard);
                }
                Ok(ShardNames(names))
            }
        }
        deserializer.deserialize_map(Names)
    }
}

/// A header that clients can read; nothing of it is kept.
#[derive(Debug)]
struct Header;

/// What a header says of a tensor.
#[derive(Debug, Deserialize)]
struct Tensor {
    #[serde(rename = "dtype")]
    _dtype: String,
    #[serde(rename = "shape")]
    _shape: Vec<u64>,
    #[serde(rename = "data_offsets")]
    _data_offsets: (u64, u64),
}

impl<'de> Deserialize<'de> for Header {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Tensors;
        impl<'de> Visitor<'de> for Tensors {
            type Value = Header;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map of tensors")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Header, A::Error> {
                while let Some(name) = map.next_key::<String>()? {
                    if name == "__metadata__" {
                        map.next_value::<Map<String, Value>>()?;
                    } else {
                        map.next_value::<Tensor>()?;
                    }
                }
                Ok(Header)
            }
        }
        deserializer.deserialize_map(Tensors)
    }
}

#[cfg(test)]
mod tests {
    use super::{Header, Index};

    #[test]
    fn an_index_is_read_for_its_shards_alone() {
        let index: Index = serde_json::from_str(
            r#"{"metadata": {"total_size": 8}, "weight_map": {"a": "1.safetensors", "b": "2.safetensors", "c": "1.safetensors"}}"#,
        )
        .unwrap();
        assert_eq!(index.weight_map.0.into_iter().collect::<Vec<_>>(), ["1.safetensors", "2.safetensors"]);
        assert_eq!(index.metadata.unwrap()["total_size"], 8);
        for text in ["{}", "[]", "{\"weight_map\": []}", "{\"weight_map\": {\"a\": 1}}", "{\"weight_map\": {}"] {
            assert!(serde_json::from_str::<Index>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_header_names_type_shape_and_place_of_every_tensor() {
        let good =
            r#"{"__metadata__": {"format": "pt"}, "a": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}}   "#;
        assert!(serde_json::from_str::<Header>(good).is_ok());
        assert!(serde_json::from_str::<Header>("{}").is_ok());
        for text in ["", "[]", "{\"a\": 1}", r#"{"a": {"dtype": "F32", "shape": [2]}}"#, r#"{"a": "}"}, "b": 1"#] {
            assert!(serde_json::from_str::<Header>(text).is_err(), "{text}");
        }
    }
}
