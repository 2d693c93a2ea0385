//! Webhooks as the configuration names them, and every request to their receivers.
//!
//! One request tells one event: signed by the Standard Webhooks specification, without redirects, never to an address that
//! only this installation reaches unless it is listed. When what is sent, and what follows from an answer, is the business
//! of `app::webhooks`.

mod config;
mod sender;

use std::collections::BTreeSet;
use std::sync::Arc;

use acervo_core::event::KindPattern;
use acervo_core::name::check_segment;
use acervo_core::webhook::SigningKey;
use acervo_core::{Secret, Timestamp};
use uuid::Uuid;

use crate::error::HubError;

pub use config::{DeliveryConfig, HookConfig, HookUrl};
use sender::Sender;
pub use sender::{Reply, Verdict};

/// Kind of the event that is for one webhook alone, whatever it asks for: the one that its subject names.
pub const TEST_KIND: &str = "webhook.test";

/// The webhooks of the configuration.
#[derive(Clone, Debug)]
pub struct Hooks {
    hooks: Vec<Hook>,
}

/// A webhook, ready to be sent to.
#[derive(Clone, Debug)]
pub struct Hook {
    name: String,
    url: HookUrl,
    secret: Secret,
    key: SigningKey,
    events: Vec<KindPattern>,
    sender: Arc<Sender>,
}

impl Hooks {
    /// Checks the configuration and reads the files it names; connects to nothing yet.
    pub fn new(hooks: &[HookConfig], delivery: &DeliveryConfig) -> Result<Hooks, HubError> {
        if hooks.is_empty() {
            return Ok(Hooks { hooks: Vec::new() });
        }
        let sender = Arc::new(Sender::new(delivery).map_err(HubError::Config)?);
        let mut names = BTreeSet::new();
        let hooks = hooks
            .iter()
            .map(|hook| {
                check_segment(&hook.name)
                    .map_err(|error| HubError::Config(format!("the name of a webhook cannot be used: {error}")))?;
                if !names.insert(&hook.name) {
                    return Err(HubError::Config(format!(
                        "two webhooks are called `{}`; give each a name of its own",
                        hook.name
                    )));
                }
                Hook::new(hook, &sender)
            })
            .collect::<Result<_, _>>()?;
        Ok(Hooks { hooks })
    }

    /// All of them.
    pub fn all(&self) -> &[Hook] {
        &self.hooks
    }

    /// The one of this name.
    pub fn named(&self, name: &str) -> Option<&Hook> {
        self.hooks.iter().find(|hook| hook.name == name)
    }
}

impl Hook {
    fn new(config: &HookConfig, sender: &Arc<Sender>) -> Result<Hook, HubError> {
        let name = &config.name;
        let refused = |why: String| HubError::Config(format!("the webhook `{name}` {why}"));
        let secret = match (&config.secret, &config.secret_file) {
            (Some(secret), None) => secret.expose().trim().to_owned(),
            (None, Some(path)) => {
                let text = std::fs::read_to_string(path).map_err(|error| {
                    let shown = path.display();
                    refused(format!(
                        "has a `secret_file` that cannot be read, `{shown}`: {error}; check its permissions"
                    ))
                })?;
                text.trim().to_owned()
            }
            (Some(_), Some(_)) => return Err(refused("has both `secret` and `secret_file`; remove one".to_owned())),
            (None, None) => {
                return Err(refused("has no `secret_file`; receivers could not tell who writes".to_owned()));
            }
        };
        let key = SigningKey::parse(&secret).map_err(|why| refused(format!("has a secret that {why}")))?;
        Ok(Hook {
            name: name.clone(),
            url: config.url.clone(),
            secret: Secret::new(secret),
            key,
            events: config.events.clone(),
            sender: Arc::clone(sender),
        })
    }

    /// Name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Scheme, host and port of the receiver.
    pub fn origin(&self) -> String {
        self.url.origin()
    }

    /// Kinds of events it is sent.
    pub fn events(&self) -> &[KindPattern] {
        &self.events
    }

    /// Longest time that one attempt takes.
    pub fn timeout_seconds(&self) -> u64 {
        self.sender.timeout.as_secs()
    }

    /// Whether an event is for this webhook.
    pub fn wants(&self, kind: &str, subject: &str) -> bool {
        if kind == TEST_KIND { subject == self.name } else { self.events.iter().any(|pattern| pattern.matches(kind)) }
    }

    /// Sends a body under this id, as of `at`, and says what became of it.
    pub async fn send(&self, id: Uuid, at: Timestamp, body: Vec<u8>) -> Reply {
        self.sender.send(self, id, at, body).await
    }

    /// Another's text without what only this hub and the receiver know.
    fn without_secrets(&self, text: &str) -> String {
        let mut text = text.replace(self.secret.expose(), "[hidden]");
        let url = self.url.expose();
        for part in [url.path(), url.query().unwrap_or_default()] {
            if part.len() > 1 {
                text = text.replace(part, "[hidden]");
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use acervo_core::Secret;

    use super::{DeliveryConfig, HookConfig, HookUrl, Hooks};

    fn hooks(toml: &str) -> Result<Hooks, String> {
        #[derive(serde::Deserialize)]
        struct File {
            webhooks: Vec<HookConfig>,
        }
        let file: File = figment::Figment::from(<figment::providers::Toml as figment::providers::Format>::string(toml))
            .extract()
            .map_err(|error| error.to_string())?;
        Hooks::new(&file.webhooks, &DeliveryConfig::default()).map_err(|error| error.to_string())
    }

    const SECRET: &str = "correct horse battery staple";

    fn good_hook() -> HookConfig {
        HookConfig {
            name: "chat".to_owned(),
            url: HookUrl::try_from("https://chat.example".to_owned()).unwrap(),
            secret: Some(Secret::new(SECRET)),
            secret_file: None,
            events: Vec::new(),
        }
    }

    #[test]
    fn a_webhook_that_cannot_work_is_refused_in_words() {
        let hook = |more: &str| format!("[[webhooks]]\nname = \"chat\"\nurl = \"https://chat.example\"\n{more}\n");
        let good = hook(&format!("secret = \"{SECRET}\""));
        assert_eq!(hooks(&good).unwrap().all()[0].events()[0].as_str(), "*");
        for (toml, why) in [
            (hook(""), "`chat` has no `secret_file`"),
            (hook(&format!("secret = \"{SECRET}\"\nsecret_file = \"x\"")), "has both `secret` and `secret_file`"),
            (hook("secret_file = \"/absent\""), "cannot be read, `/absent`"),
            (hook("secret = \"short\""), "less than 24 bytes"),
            (format!("{good}{good}"), "two webhooks are called `chat`"),
            (good.replace("chat\"\nurl", "a b\"\nurl"), "`a b`"),
            (good.replace("https", "ftp"), "as in `https://host/path`"),
            (format!("{good}events = [\"Mirror\"]\n"), "`Mirror` is no kind of event"),
            (format!("{good}event = []\n"), "event"),
        ] {
            let error = hooks(&toml).unwrap_err();
            assert!(error.contains(why) && !error.contains(SECRET), "{toml}: {error}");
        }
        let hook = good_hook();
        let absent = DeliveryConfig { ca_file: Some("/absent".into()), ..DeliveryConfig::default() };
        let hasty = DeliveryConfig { timeout_seconds: 0, ..DeliveryConfig::default() };
        for (delivery, why) in [(absent, "`/absent` of `webhook_delivery.ca_file`"), (hasty, "must be at least 1")] {
            let error = Hooks::new(std::slice::from_ref(&hook), &delivery).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn the_test_of_a_webhook_is_for_it_alone() {
        let toml = format!(
            "[[webhooks]]\nname = \"chat\"\nurl = \"https://chat.example\"\nsecret = \"{SECRET}\"\nevents = [\"mirror.*\"]\n"
        );
        let hooks = hooks(&toml).unwrap();
        let chat = hooks.named("chat").unwrap();
        assert!(chat.wants("webhook.test", "chat") && !chat.wants("webhook.test", "other"));
        assert!(chat.wants("mirror.added", "chat") && !chat.wants("user.created", "chat"));
        assert!(!format!("{chat:?}").contains(SECRET));
        assert_eq!(chat.without_secrets(&format!("no {SECRET} here")), "no [hidden] here");
    }
}
