//! The text form of client tokens: `hf_`, a marker, a random part, and a checksum.
//!
//! JavaScript and llama.cpp clients refuse anything but `hf_` and 34 or more alphanumerics. The marker and the checksum
//! tell a mistyped token of ours, which is an error, from a foreign one, which clients send by themselves and which
//! makes its bearer anonymous.

use sha2::{Digest, Sha256};

use crate::digest::Sha256Digest;

/// Random bytes that a token is made from.
pub const ENTROPY_BYTES: usize = 24;

const PREFIX: &str = "hf_";
const MARKER: &str = "Acv1";
const RANDOM_CHARS: usize = 33;
const CHECK_CHARS: usize = 6;
const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// What a bearer credential is, judged by its text alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenShape {
    /// Ours and whole; whether it is valid stands in the database, under this SHA-256 of its text.
    Ours(Sha256Digest),
    /// Ours, but mistyped or cut.
    Damaged,
    /// Somebody else's.
    Foreign,
}

/// Makes the token text from fresh random bytes.
pub fn make(entropy: &[u8; ENTROPY_BYTES]) -> String {
    let body = format!("{MARKER}{}", base62(entropy, RANDOM_CHARS));
    let check = checksum(&body);
    format!("{PREFIX}{body}{check}")
}

/// Judges a bearer credential.
pub fn inspect(text: &str) -> TokenShape {
    let Some(rest) = text.strip_prefix(PREFIX).filter(|rest| rest.starts_with(MARKER)) else {
        return TokenShape::Foreign;
    };
    let whole = rest.len() == MARKER.len() + RANDOM_CHARS + CHECK_CHARS && rest.is_ascii();
    if whole && checksum(&rest[..rest.len() - CHECK_CHARS]) == rest[rest.len() - CHECK_CHARS..] {
        TokenShape::Ours(hash(text))
    } else {
        TokenShape::Damaged
    }
}

/// The form in which tokens are stored.
pub fn hash(text: &str) -> Sha256Digest {
    Sha256Digest::from_bytes(Sha256::digest(text).into())
}

/// CRC-32 of the body, as six base-62 digits.
fn checksum(body: &str) -> String {
    base62(&crc32fast::hash(body.as_bytes()).to_be_bytes(), CHECK_CHARS)
}

/// A big-endian number in base 62, padded or cut to `length` digits.
fn base62(bytes: &[u8], length: usize) -> String {
    let mut number = bytes.to_vec();
    let mut digits = Vec::with_capacity(length);
    for _ in 0..length {
        let mut rest = 0u32;
        for byte in &mut number {
            let value = rest * 256 + u32::from(*byte);
            *byte = u8::try_from(value / 62).unwrap_or(u8::MAX);
            rest = value % 62;
        }
        digits.push(char::from(ALPHABET[rest as usize]));
    }
    digits.iter().rev().collect()
}

#[cfg(test)]
mod tests {
    use super::{TokenShape, hash, inspect, make};

    #[test]
    fn a_token_has_the_shape_that_every_client_sends() {
        for seed in [0u8, 1, 7, 255] {
            let token = make(&[seed; 24]);
            let rest = token.strip_prefix("hf_").unwrap();
            assert!(rest.len() >= 34 && rest.bytes().all(|b| b.is_ascii_alphanumeric()), "{token}");
            assert!((37..=256).contains(&token.len()));
            assert_eq!(inspect(&token), TokenShape::Ours(hash(&token)));
        }
        assert_ne!(make(&[1; 24]), make(&[2; 24]));
    }

    #[test]
    fn a_mistyped_token_of_ours_is_told_from_a_foreign_one() {
        let token = make(&[9; 24]);
        let mut typo = token.clone().into_bytes();
        typo[20] = if typo[20] == b'A' { b'B' } else { b'A' };
        assert_eq!(inspect(std::str::from_utf8(&typo).unwrap()), TokenShape::Damaged);
        assert_eq!(inspect(&token[..token.len() - 1]), TokenShape::Damaged);
        assert_eq!(inspect("hf_abcdefghijklmnopqrstuvwxyzABCDEFGH"), TokenShape::Foreign);
        assert_eq!(inspect(""), TokenShape::Foreign);
        assert_eq!(inspect("hf_Acv1ñ"), TokenShape::Damaged);
    }
}
