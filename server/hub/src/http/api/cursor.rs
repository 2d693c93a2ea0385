//! Cursors: the opaque texts by which a page says where the next one starts.

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

/// The error for a cursor that this hub did not give out.
pub fn invalid() -> HubError {
    HubError::Invalid("the `cursor` is not one this hub gave out; leave it away to start from the beginning".to_owned())
}

#[cfg(test)]
mod tests {
    use super::{decode, encode};

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
