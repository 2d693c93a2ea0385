//! Cursors: the opaque texts by which a page says where the next one starts.

use std::hash::{DefaultHasher, Hash, Hasher};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::error::HubError;

/// Longest cursor that is read, in bytes: the longest path of a repository, encoded, and some room.
const CURSOR_BYTES_MAX: usize = 8 * 1024;

/// The cursor that stands for a position.
pub fn encode(position: &str) -> String {
    URL_SAFE_NO_PAD.encode(position)
}

/// The position that a cursor stands for.
pub fn decode(cursor: &str) -> Result<String, HubError> {
    let decoded = (cursor.len() <= CURSOR_BYTES_MAX).then(|| URL_SAFE_NO_PAD.decode(cursor.trim_end_matches('=')));
    decoded.and_then(Result::ok).and_then(|bytes| String::from_utf8(bytes).ok()).ok_or_else(invalid)
}

/// The cursor for a position in the answer to a question; of no use with another question.
pub fn encode_for(question: &impl Hash, position: &str) -> String {
    encode(&format!("{} {position}", fingerprint(question)))
}

/// The position that a cursor stands for, if it was given out with this question.
pub fn decode_for(question: &impl Hash, cursor: &str) -> Result<String, HubError> {
    let text = decode(cursor)?;
    match text.split_once(' ') {
        Some((seen, position)) if seen == fingerprint(question) => Ok(position.to_owned()),
        _ => Err(invalid()),
    }
}

/// A short text that differs for other questions. Not a secret: who makes one up sees what any question shows.
fn fingerprint(question: &impl Hash) -> String {
    // Fixed keys: every process of an installation, and the next version, should find the same.
    let mut hasher = DefaultHasher::new();
    question.hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

/// The error for a cursor that this hub did not give out.
pub fn invalid() -> HubError {
    HubError::Invalid(
        "the `cursor` is not one this hub gave out for this question; leave it away to start from the beginning"
            .to_owned(),
    )
}

#[cfg(test)]
mod tests {
    use super::{decode, decode_for, encode, encode_for};

    #[test]
    fn a_cursor_belongs_to_its_question() {
        let cursor = encode_for(&("models", "llama"), "7 acme/tiny model");
        assert_eq!(decode_for(&("models", "llama"), &cursor).unwrap(), "7 acme/tiny model");
        assert!(decode_for(&("models", "bert"), &cursor).is_err());
        assert!(decode_for(&("models", "llama"), &encode("7")).is_err());
    }

    #[test]
    fn positions_come_back_from_their_cursors() {
        for position in ["", "config.json", "a b/ñandú #1%+?.txt", "1700000000007 acme/tiny"] {
            let cursor = encode(position);
            assert!(cursor.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'), "{cursor}");
            assert_eq!(decode(&cursor).unwrap(), position);
        }
    }

    #[test]
    fn foreign_cursors_are_refused() {
        for cursor in ["*", "a", "/w==", "_w", &"A".repeat(9000)] {
            assert!(decode(cursor).is_err(), "{cursor:.20}");
        }
    }
}
