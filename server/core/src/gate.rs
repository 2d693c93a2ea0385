//! Gates: whether the contents of a repository wait for consent, and how somebody stands to that.
//!
//! A gate is before contents only: who may see a repository is a matter of its visibility. What a gate means for a
//! caller is decided in `access`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::Sha256Digest;

/// How people are let through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum GateMode {
    /// There is no gate.
    #[default]
    #[serde(rename = "none")]
    Open,
    /// At once, when they ask.
    #[serde(rename = "auto")]
    Automatic,
    /// When a maintainer has said so.
    #[serde(rename = "manual")]
    Manual,
}

impl GateMode {
    /// Name as written on the command line and in events.
    pub fn as_str(self) -> &'static str {
        match self {
            GateMode::Open => "none",
            GateMode::Automatic => "auto",
            GateMode::Manual => "manual",
        }
    }
}

impl fmt::Display for GateMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for GateMode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [GateMode::Open, GateMode::Automatic, GateMode::Manual]
            .into_iter()
            .find(|mode| mode.as_str() == text)
            .ok_or_else(|| format!("`{text}` is not a gate; use none, auto or manual"))
    }
}

/// What stands before a repository's contents.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gate {
    /// How people are let through.
    pub mode: GateMode,
    /// SHA-256 of the text that must be accepted first; without one, asking is enough.
    pub terms: Option<Sha256Digest>,
}

/// Where a request to be let in stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RequestState {
    /// Nobody has decided yet.
    Pending,
    /// They are let in.
    Accepted,
    /// They are kept out.
    Rejected,
}

impl RequestState {
    /// Name as clients write it.
    pub fn as_str(self) -> &'static str {
        match self {
            RequestState::Pending => "pending",
            RequestState::Accepted => "accepted",
            RequestState::Rejected => "rejected",
        }
    }
}

impl fmt::Display for RequestState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for RequestState {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [RequestState::Pending, RequestState::Accepted, RequestState::Rejected]
            .into_iter()
            .find(|state| state.as_str() == text)
            .ok_or_else(|| format!("`{text}` is not where a request can stand; use pending, accepted or rejected"))
    }
}

/// How a principal stands to the gate of one repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admission {
    /// Database id of the repository.
    pub repo_id: i64,
    /// Where its request stands.
    pub state: RequestState,
    /// Whether a maintainer let it in unasked, and so answers for its consent.
    pub granted: bool,
    /// SHA-256 of every text of the repository that it has accepted.
    pub accepted: Vec<Sha256Digest>,
}

/// Why somebody is not let through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closed {
    /// They have not asked.
    NotAsked,
    /// They have asked, and nobody has decided.
    Pending,
    /// They were kept out.
    Rejected,
    /// They were let in, but have not accepted the terms as they are now.
    NewTerms,
}

impl Gate {
    /// Whether this gate lets nobody through by itself.
    pub fn is_closed(&self) -> bool {
        self.mode != GateMode::Open
    }

    /// Why this gate does not let somebody through who stands to it like this; `None` if it does.
    ///
    /// Consent is to a text: another text must be accepted anew. The decision is on a person, and stays.
    pub fn refuses(&self, admission: Option<&Admission>) -> Option<Closed> {
        if !self.is_closed() {
            return None;
        }
        let Some(admission) = admission else { return Some(Closed::NotAsked) };
        match admission.state {
            RequestState::Pending => Some(Closed::Pending),
            RequestState::Rejected => Some(Closed::Rejected),
            RequestState::Accepted if admission.granted => None,
            RequestState::Accepted => {
                let lacks = |terms: &Sha256Digest| !admission.accepted.contains(terms);
                self.terms.as_ref().filter(|terms| lacks(terms)).map(|_| Closed::NewTerms)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Admission, Closed, Gate, GateMode, RequestState};
    use crate::Sha256Digest;

    fn admission(state: RequestState, granted: bool, accepted: &[&str]) -> Admission {
        let accepted = accepted.iter().map(|text| Sha256Digest::of(text.as_bytes())).collect();
        Admission { repo_id: 1, state, granted, accepted }
    }

    #[test]
    fn consent_is_to_one_text_and_the_decision_to_a_person() {
        use RequestState::{Accepted, Pending, Rejected};
        let terms = Some(Sha256Digest::of(b"new"));
        for mode in [GateMode::Automatic, GateMode::Manual] {
            let gate = Gate { mode, terms };
            let bare = Gate { mode, terms: None };
            assert_eq!(gate.refuses(None), Some(Closed::NotAsked));
            for (state, granted, accepted, with_terms, without) in [
                (Pending, false, &["new"][..], Some(Closed::Pending), Some(Closed::Pending)),
                (Rejected, false, &["new"], Some(Closed::Rejected), Some(Closed::Rejected)),
                (Accepted, false, &["new"], None, None),
                (Accepted, false, &["old", "new"], None, None),
                (Accepted, false, &["old"], Some(Closed::NewTerms), None),
                (Accepted, false, &[], Some(Closed::NewTerms), None),
                (Accepted, true, &[], None, None),
            ] {
                let admission = admission(state, granted, accepted);
                assert_eq!(gate.refuses(Some(&admission)), with_terms, "{admission:?}");
                assert_eq!(bare.refuses(Some(&admission)), without, "{admission:?}");
            }
        }
        let open = Gate { mode: GateMode::Open, terms };
        assert_eq!(open.refuses(None), None);
        assert_eq!(open.refuses(Some(&admission(Rejected, false, &[]))), None);
    }

    #[test]
    fn names_come_back() {
        for mode in [GateMode::Open, GateMode::Automatic, GateMode::Manual] {
            assert_eq!(mode.as_str().parse(), Ok(mode));
            assert_eq!(serde_json::to_value(mode).unwrap(), mode.as_str());
        }
        for state in [RequestState::Pending, RequestState::Accepted, RequestState::Rejected] {
            assert_eq!(state.as_str().parse(), Ok(state));
            assert_eq!(serde_json::to_value(state).unwrap(), state.as_str());
        }
        assert!("auto ".parse::<GateMode>().unwrap_err().contains("use none, auto or manual"));
        assert!("done".parse::<RequestState>().is_err());
    }
}
