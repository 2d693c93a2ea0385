//! Signatures of webhooks, by the Standard Webhooks specification (<https://www.standardwebhooks.com>).
//!
//! Owns how a body is signed. When it is sent, and to whom, is decided elsewhere.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// What secrets begin with that are Base64.
const ENCODED: &str = "whsec_";

/// Shortest key, in bytes, as the specification asks.
pub const KEY_BYTES_MIN: usize = 24;

/// A key that is shared with a receiver; never shown.
#[derive(Clone)]
pub struct SigningKey(Hmac<Sha256>);

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[hidden]")
    }
}

impl SigningKey {
    /// Reads a secret: `whsec_` and Base64, or any other text, whose bytes are the key. The error never holds it.
    pub fn parse(secret: &str) -> Result<SigningKey, &'static str> {
        let key = match secret.strip_prefix(ENCODED) {
            Some(encoded) => STANDARD.decode(encoded).map_err(|_| "begins with `whsec_`, but no Base64 follows")?,
            None => secret.as_bytes().to_owned(),
        };
        if key.len() < KEY_BYTES_MIN {
            return Err("has less than 24 bytes; make one with `echo whsec_$(openssl rand -base64 32)`");
        }
        Hmac::new_from_slice(&key).map(SigningKey).map_err(|_| "cannot be a key")
    }

    /// The value of `webhook-signature` for a body that is sent under this id at this time, in seconds since the epoch.
    pub fn sign(&self, id: &str, seconds: i64, body: &[u8]) -> String {
        let mut mac = self.0.clone();
        mac.update(format!("{id}.{seconds}.").as_bytes());
        mac.update(body);
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::SigningKey;

    #[test]
    fn signatures_are_those_of_the_specification() {
        let key = SigningKey::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let signed = key.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, b"{\"test\": 2432232314}");
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        let plain = SigningKey::parse("correct horse battery staple").unwrap();
        assert_eq!(plain.sign("a", 1, b"{}"), "v1,KDIzsW7nW4Msmj4z8/Qa1VuES6Jvyv6P/lMWjwMDjMo=");
    }

    #[test]
    fn a_secret_that_protects_nothing_is_refused_and_none_is_shown() {
        for (secret, why) in [
            ("", "less than 24 bytes"),
            ("short", "less than 24 bytes"),
            ("whsec_c2hvcnQ=", "less than 24 bytes"),
            ("whsec_not base64 at all!!!!!!!!!!!!!!!", "no Base64 follows"),
        ] {
            assert!(SigningKey::parse(secret).unwrap_err().contains(why), "{secret}");
        }
        let key = SigningKey::parse("correct horse battery staple").unwrap();
        assert_eq!(format!("{key:?}"), "[hidden]");
    }
}
