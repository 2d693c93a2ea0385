//! Who is sent events, and how: `[[webhooks]]` and `[webhook_delivery]` of the configuration.

use std::fmt;
use std::path::PathBuf;

use acervo_core::Secret;
use acervo_core::event::KindPattern;
use serde::{Deserialize, Serialize, Serializer};
use url::Url;

/// One webhook.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct HookConfig {
    /// Name, unique; deliveries are kept under it.
    pub name: String,
    /// Where events are sent.
    pub url: HookUrl,
    /// What they are signed with.
    pub secret: Option<Secret>,
    /// File that holds the secret; instead of `secret`.
    pub secret_file: Option<PathBuf>,
    /// Kinds of events that are sent.
    #[serde(default = "every_event")]
    pub events: Vec<KindPattern>,
}

fn every_event() -> Vec<KindPattern> {
    vec![KindPattern::every()]
}

/// How events are sent, whoever receives them.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct DeliveryConfig {
    /// Longest time for an answer, from the first attempt to connect on.
    pub timeout_seconds: u64,
    /// Hosts that events are sent to although their addresses are loopback, link-local or private.
    pub allowed_private_hosts: Vec<String>,
    /// Certificates that are trusted beside those of the system, in PEM.
    pub ca_file: Option<PathBuf>,
}

impl Default for DeliveryConfig {
    fn default() -> Self {
        DeliveryConfig { timeout_seconds: 10, allowed_private_hosts: Vec::new(), ca_file: None }
    }
}

/// Where a webhook is. Receivers take secrets within the path, so nothing behind the host is ever shown.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct HookUrl(Url);

impl HookUrl {
    /// The address itself, for the one place that needs it.
    pub(super) fn expose(&self) -> &Url {
        &self.0
    }

    /// Scheme, host and port.
    pub fn origin(&self) -> String {
        self.0.origin().ascii_serialization()
    }
}

impl TryFrom<String> for HookUrl {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let usable = |url: &Url| {
            matches!(url.scheme(), "http" | "https")
                && url.has_host()
                && url.username().is_empty()
                && url.password().is_none()
                && url.fragment().is_none()
        };
        // The text may hold credentials, so it is not repeated.
        Url::parse(text.trim())
            .ok()
            .filter(usable)
            .map(HookUrl)
            .ok_or("write an address as in `https://host/path`, without a user, a password or a fragment")
    }
}

impl fmt::Display for HookUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_bare = self.0.path() == "/" && self.0.query().is_none();
        write!(f, "{}{}", self.origin(), if is_bare { "/" } else { "/[hidden]" })
    }
}

impl fmt::Debug for HookUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl Serialize for HookUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::HookUrl;

    #[test]
    fn an_address_shows_its_host_alone_and_holds_no_credentials() {
        for (text, shown) in [
            ("https://chat.example/services/T0/s3cret", "https://chat.example/[hidden]"),
            ("http://10.0.0.1:8080/?token=s3cret", "http://10.0.0.1:8080/[hidden]"),
            ("https://ci.example", "https://ci.example/"),
        ] {
            let url = HookUrl::try_from(text.to_owned()).unwrap();
            assert_eq!(format!("{url} {url:?}"), format!("{shown} {shown}"));
            assert_eq!(serde_json::to_string(&url).unwrap(), format!("\"{shown}\""));
        }
        for text in ["https://user:s3cret@host/", "https://s3cret@host/", "ftp://host/", "host/path", "https:///", ""] {
            assert!(HookUrl::try_from(text.to_owned()).is_err_and(|error| !error.contains("s3cret")), "{text}");
        }
    }
}
