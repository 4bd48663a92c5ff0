//! `[google]`: who we are at Google, for calendars and mail. Nobody needs it who does not use them there.

use std::path::{Path, PathBuf};

use frontdesk_core::letter::address::MailAddress;
use url::Url;

use super::check::needed;
use super::secrets::{Secret, SecretError, SecretName, Secrets};
use super::section::Section;
use super::value::{self, BaseUrl};

/// Who we are at Google.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GoogleConfig {
    /// A simulator, in place of everything of Google's.
    pub endpoint: Option<Url>,
    /// How we show who we are; nothing without `login`.
    pub login: Option<GoogleLogin>,
    /// Where a person's consent is kept.
    pub token_file: PathBuf,
}

/// How we show Google who we are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GoogleLogin {
    /// A service account.
    Service {
        /// Its key, a JSON document.
        key: Secret,
        /// Whom it acts for, if not for itself.
        delegate: Option<MailAddress>,
        /// It may keep letters as drafts, too.
        drafts: bool,
    },
    /// A person logs in.
    User {
        /// The OAuth client, a JSON document.
        client: Secret,
        /// What the OAuth project's status is, if it is told.
        publishing: Option<GooglePublishing>,
    },
    /// One of these, whose secret cannot be looked at from here. Never when loaded for running.
    Unseen,
}

/// The status of an OAuth project, as Google's console calls it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GooglePublishing {
    /// What a person grants ends after seven days.
    Testing,
    /// It lasts.
    Production,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Service,
    User,
}

/// Checks `[google]`; `state` is the directory in which the daemon keeps what it knows.
pub(super) fn google(mut section: Section<'_>, state: &Path, secrets: Secrets<'_>) -> Option<GoogleConfig> {
    let kind = section.text("login", None, |text| match text {
        "service-account" => Ok(Some(Kind::Service)),
        "user" => Ok(Some(Kind::User)),
        _ => Err("choose \"service-account\" or \"user\""),
    });
    let (delegate_at, publishing_at) = (section.place("delegate"), section.place("oauth_publishing"));
    let delegate = section.private("delegate", MailAddress::parse);
    let drafts_at = section.place("drafts");
    let drafts = section.truth("drafts", false);
    let publishing = section.text("oauth_publishing", None, |text| match text {
        "testing" => Ok(Some(GooglePublishing::Testing)),
        "production" => Ok(Some(GooglePublishing::Production)),
        _ => Err("choose \"testing\" or \"production\", as Google's console shows it"),
    });
    let endpoint = section.optional("endpoint", endpoint);
    if kind != Some(Kind::Service) && delegate_at.is_some() {
        let remedy = "only a service account acts for somebody else: leave it out, or set login = \"service-account\"";
        section.out.error(delegate_at, "[google] delegate", "is of no use here", remedy);
    }
    if drafts && (kind != Some(Kind::Service) || delegate.is_none()) {
        let remedy = "it is a right of a service account that acts for a mailbox; somebody who logs in gives it with \
                      frontdeskctl google login --drafts";
        section.out.error(drafts_at, "[google] drafts", "is of no use here", remedy);
    }
    if kind == Some(Kind::User) && publishing == Some(GooglePublishing::Testing) {
        let remedy = "publish the consent screen (\"In production\") in Google's console and log in again: it need not be \
                      verified for fewer than 100 users";
        let found = "= \"testing\" means that every login ends after seven days";
        section.out.advise(publishing_at, "[google] oauth_publishing", found, remedy);
    }
    let login = match kind {
        None => Some(None),
        Some(Kind::Service) => {
            let with = |key| GoogleLogin::Service { key, delegate, drafts };
            with_secret(&mut section, secrets, SecretName::GOOGLE_CREDENTIALS, with).map(Some)
        }
        Some(Kind::User) => {
            let with = |client| GoogleLogin::User { client, publishing };
            with_secret(&mut section, secrets, SecretName::GOOGLE_CLIENT, with).map(Some)
        }
    };
    section.finish();
    Some(GoogleConfig { endpoint, login: login?, token_file: state.join("google-token.json") })
}

/// The login that is made with the secret, or a complaint.
fn with_secret(
    section: &mut Section<'_>,
    secrets: Secrets<'_>,
    name: SecretName,
    login: impl FnOnce(Secret) -> GoogleLogin,
) -> Option<GoogleLogin> {
    let found = secrets.document(name);
    let is_unseen = matches!(found, Err(SecretError::Unseen { .. }));
    let secret = needed(section, found)?;
    Some(if is_unseen { GoogleLogin::Unseen } else { login(secret) })
}

fn endpoint(text: &str) -> Result<Url, String> {
    let BaseUrl { text, secure, loopback, .. } = value::base_url(text, &["https", "http"])?;
    if !secure && !loopback {
        return Err("begin it with https://: tokens would cross the network readable by anybody".to_owned());
    }
    let url: Url = text.parse().map_err(|_| "write an address such as http://127.0.0.1:8099".to_owned())?;
    if url.path() == "/" { Ok(url) } else { Err("leave out what follows the port".to_owned()) }
}

#[cfg(test)]
#[path = "google_tests.rs"]
mod tests;
