//! Access to Google, as people are told of it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::google::scope::{DRAFTS, Feature, asked_for};
use crate::google::{AccessError, Google, Identity, Known};

/// Whether Google lets the daemon in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GoogleHealth {
    /// In a word.
    pub state: GoogleState,
    /// What is wrong, if anything, and what would do.
    pub why: Option<String>,
    /// When the login ends by itself, if that is known.
    pub ends_at: Option<Timestamp>,
}

/// Whether Google lets the daemon in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GoogleState {
    /// It is not used.
    Unused,
    /// Nobody has asked yet.
    Unknown,
    /// It does.
    Ok,
    /// A person must log in.
    NeedsConsent,
    /// Configuration, key or client will not do.
    Misconfigured,
    /// Google could not be asked.
    Unreachable,
}

impl GoogleState {
    /// The word in JSON, and for people.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unused => "unused",
            Self::Unknown => "unknown",
            Self::Ok => "ok",
            Self::NeedsConsent => "needs consent",
            Self::Misconfigured => "misconfigured",
            Self::Unreachable => "unreachable",
        }
    }

    /// Whether a person must do something.
    pub fn needs_somebody(self) -> bool {
        matches!(self, Self::NeedsConsent | Self::Misconfigured)
    }
}

impl GoogleHealth {
    /// As it is known without asking Google.
    pub fn of(google: &Google) -> Self {
        let ends_at = match &google.identity {
            Identity::User { login, .. } => login.standing().consent.and_then(|consent| consent.ends_at),
            Identity::Nobody | Identity::Service { .. } => None,
        };
        let (state, why) = match google.known() {
            Known::Nothing if matches!(google.identity, Identity::Nobody) => (GoogleState::Unused, None),
            Known::Nothing => (GoogleState::Unknown, None),
            Known::Good => (GoogleState::Ok, None),
            Known::Trouble(error) => {
                let (state, why) = match error {
                    AccessError::NeedsConsent(why) => (GoogleState::NeedsConsent, why),
                    AccessError::Config(why) => (GoogleState::Misconfigured, why),
                    AccessError::Retry { found } => (GoogleState::Unreachable, found),
                };
                (state, Some(why))
            }
        };
        Self { state, why, ends_at }
    }
}

/// Who we are at Google, and how that is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GoogleReport {
    /// How it is.
    pub health: GoogleHealth,
    /// Who we are.
    pub who: GoogleWho,
    /// What is granted, as far as the daemon knows: a service account's rights are known to Google alone.
    pub features: Vec<GoogleFeature>,
    /// Whether a person has granted that letters are kept as drafts before they are sent.
    #[serde(default)]
    pub drafts: bool,
    /// What stands in for Google, if something does.
    pub endpoint: Option<String>,
}

/// Who we are at Google.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "login")]
pub enum GoogleWho {
    /// The configuration does not say.
    Nobody,
    /// A service account.
    ServiceAccount {
        /// Its address, with which calendars are shared.
        email: String,
        /// The mailbox that it acts for.
        delegate: Option<String>,
    },
    /// A person logs in.
    User {
        /// The OAuth client's public name.
        client_id: String,
        /// Google's page on which a person consents.
        page: String,
        /// Who has logged in.
        account: Option<String>,
        /// When.
        consented_at: Option<Timestamp>,
    },
}

/// What the daemon may do at Google.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GoogleFeature {
    /// Which.
    pub feature: Feature,
    /// Whether the daemon is configured to do it.
    pub used: bool,
    /// Whether it is granted; unknown for a service account.
    pub granted: Option<bool>,
    /// What a person must consent to for it.
    pub scopes: Vec<String>,
}

impl GoogleReport {
    /// As it is known without asking Google.
    pub fn of(google: &Google) -> Self {
        let mut granted = None;
        let who = match &google.identity {
            Identity::Nobody => GoogleWho::Nobody,
            Identity::Service { email, delegate } => {
                GoogleWho::ServiceAccount { email: email.clone(), delegate: delegate.clone() }
            }
            Identity::User { login, client_id } => {
                let consent = login.standing().consent;
                granted = Some(consent.as_ref().map(|consent| consent.granted.clone()).unwrap_or_default());
                GoogleWho::User {
                    client_id: client_id.clone(),
                    page: google.hosts.accounts.to_string(),
                    consented_at: consent.as_ref().map(|consent| consent.at),
                    account: consent.and_then(|consent| consent.account),
                }
            }
        };
        let feature = |feature: Feature| GoogleFeature {
            feature,
            used: google.uses.contains(&feature),
            granted: granted.as_ref().map(|granted| feature.is_granted(granted)),
            scopes: asked_for(&[feature]).into_iter().map(str::to_owned).collect(),
        };
        Self {
            health: GoogleHealth::of(google),
            who,
            features: Feature::ALL.map(feature).into(),
            drafts: granted.is_some_and(|granted| granted.iter().any(|scope| DRAFTS.contains(&scope.as_str()))),
            endpoint: google.simulator().map(ToString::to_string),
        }
    }
}

/// What a browser brought back from Google, for `POST /v1/google/login`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GoogleLogin {
    /// Google's code.
    pub code: String,
    /// The PKCE verifier of the question that it answers.
    pub verifier: String,
    /// Where the browser came back to, exactly as it was asked.
    pub redirect_uri: String,
    /// The scopes that were asked for.
    pub asked: Vec<String>,
}

/// What to try, for `POST /v1/google/test`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GoogleTestPlan {
    /// Calendars by their ids at Google; none: the configured ones, or the person's own.
    pub calendars: Vec<String>,
    /// Writes nothing.
    pub read_only: bool,
    /// Whom to send a letter.
    pub send_to: Option<String>,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GoogleTest {
    /// Whether everything went well.
    pub well: bool,
    /// Each thing that was tried.
    pub findings: Vec<GoogleFinding>,
}

/// What came of one thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GoogleFinding {
    /// What was tried.
    pub what: String,
    /// Whether it went well.
    pub well: bool,
    /// What was found.
    pub found: String,
    /// What would do; empty if nothing need be done.
    pub would_do: String,
}

/// What a logout has come to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GoogleForgotten {
    /// Whether there was a login.
    pub was_there: bool,
    /// Why Google could not be told, if it could not.
    pub not_told: Option<String>,
}
