//! Access to Google: who we are, shown as a token, for Gemini on Vertex AI, for calendars and for mail.
//!
//! ```text
//! key file ──────────► ServiceAccount ──────┐
//! browser ─► consent ─► Keeper ─► UserLogin ─┴─► Access ─bearer()─► whoever speaks to one of Google's Hosts
//!            (frontdeskctl)  └─► vault: google-token.json
//! ```
//!
//! What is said with a token is decided elsewhere, but for [`probe`], which tries out whether it would be heard.

pub mod access;
pub mod client;
pub mod consent;
mod end;
mod endpoint;
pub mod exchange;
mod keeper;
pub mod probe;
pub mod scope;
pub mod service;
pub mod user;
pub mod vault;

use url::Url;

use crate::config::{GoogleConfig, GoogleLogin};

use client::{ClientError, OAuthClient};
use keeper::Settings;
use scope::Feature;
use service::{ServiceAccount, TokenError, Wanted};
use user::UserLogin;
use vault::Vault;

pub use access::{Access, AccessError, Known};
pub use keeper::Keeper;

/// What was passed to us as who we are at Google will not do.
#[derive(Debug, thiserror::Error)]
pub enum GoogleError {
    /// The service account's key.
    #[error(transparent)]
    Key(#[from] TokenError),
    /// The OAuth client.
    #[error(transparent)]
    Client(#[from] ClientError),
}

/// A clinic's Google, for calendars and mail.
pub struct Google {
    /// Where it is.
    pub hosts: Hosts,
    /// For calendars.
    pub calendar: Access,
    /// For mail.
    pub mail: Access,
    /// Who we are there.
    pub identity: Identity,
    /// The clinic's calendars, by their ids: what [`test`](Self::test) tries unless told otherwise.
    pub calendars: Vec<String>,
    /// Further calendars of practitioners, by their ids, which say no more than when they are busy.
    pub also_busy: Vec<String>,
    /// What the daemon does there; a login asks for no more, unless that is nothing.
    pub uses: Vec<Feature>,
    simulator: Option<Url>,
    http: reqwest::Client,
}

/// Who we are at Google.
#[derive(Debug, Clone)]
pub enum Identity {
    /// Nobody: the configuration does not say.
    Nobody,
    /// A service account.
    Service {
        /// Its own address, with which a clinic shares its calendars.
        email: String,
        /// The mailbox that it acts for.
        delegate: Option<String>,
    },
    /// A person who logs in.
    User {
        /// The login.
        login: UserLogin,
        /// The OAuth client's public name.
        client_id: String,
    },
}

impl Google {
    /// Reads what the configuration names; asks nobody. A login that a person keeps comes with the task that is to run.
    pub fn open(
        config: &GoogleConfig,
        calendars: Vec<String>,
        http: reqwest::Client,
    ) -> Result<(Self, Option<Keeper>), GoogleError> {
        let hosts = Hosts::at(config.endpoint.as_ref());
        let ([calendar, mail], identity, keeper) = match &config.login {
            None | Some(GoogleLogin::Unseen) => {
                let why = "[google] login is not written: choose \"service-account\" or \"user\"";
                let access = Access::none(AccessError::Config(why.to_owned()));
                ([access.clone(), access], Identity::Nobody, None)
            }
            Some(GoogleLogin::Service { key, delegate, drafts }) => {
                let delegate = delegate.as_ref().map(|delegate| delegate.as_str().to_owned());
                let endpoint = config.endpoint.as_ref().map(|_| &hosts.token);
                let account = |wanted| ServiceAccount::new(key.expose(), wanted, endpoint, http.clone());
                let wanted = |feature| match feature {
                    Feature::Mail if *drafts => Wanted::with_drafts(delegate.clone()),
                    feature => Wanted::of(feature, delegate.clone()),
                };
                let (calendar, mail) = (account(wanted(Feature::Calendar))?, account(wanted(Feature::Mail))?);
                let identity = Identity::Service { email: calendar.email().to_owned(), delegate };
                ([Access::service(calendar), Access::service(mail)], identity, None)
            }
            Some(GoogleLogin::User { client, publishing }) => {
                let client = OAuthClient::read(client.expose())?;
                let client_id = client.id().to_owned();
                let (endpoint, vault) = (hosts.token.clone(), Vault::at(&config.token_file));
                let settings = Settings { http: http.clone(), endpoint, client, publishing: *publishing, vault };
                let (login, keeper) = UserLogin::new(|asked, told| Keeper::new(settings, asked, told));
                let accesses = Feature::ALL.map(|feature| Access::user(login.clone(), feature));
                (accesses, Identity::User { login, client_id }, Some(keeper))
            }
        };
        let simulator = config.endpoint.clone();
        let (also_busy, uses) = (Vec::new(), Vec::new());
        Ok((Self { hosts, calendar, mail, identity, calendars, also_busy, uses, simulator, http }, keeper))
    }

    /// What stands in for Google, if something does.
    pub fn simulator(&self) -> Option<&Url> {
        self.simulator.as_ref()
    }

    /// The worst that is known of what is used: what somebody has merely tried out is nobody's trouble. Never blocks.
    pub fn known(&self) -> Known {
        let rank = |known: &Known| match known {
            Known::Nothing => 0,
            Known::Good => 1,
            Known::Trouble(AccessError::Retry { .. }) => 2,
            Known::Trouble(_) => 3,
        };
        let known = [(Feature::Mail, &self.mail), (Feature::Calendar, &self.calendar)];
        let used = known.into_iter().filter(|(feature, _)| self.counts(*feature)).map(|(_, access)| access.known());
        // Of two as bad the calendar's, which is the last.
        used.max_by_key(rank).unwrap_or(Known::Nothing)
    }

    /// Whether somebody would miss it. A login is a person's to keep even before it is used for anything.
    fn counts(&self, feature: Feature) -> bool {
        let is_unused_login = self.uses.is_empty() && matches!(self.identity, Identity::User { .. });
        self.uses.contains(&feature) || is_unused_login
    }
}

/// Where Google is; every address ends so that [`Url::join`] goes on below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hosts {
    /// The page on which a person consents.
    pub accounts: Url,
    /// Where tokens are given; `tokeninfo` and `revoke` are its neighbours.
    pub token: Url,
    /// The root below which there is `calendar/v3/…`.
    pub calendar: Url,
    /// The root below which there are `gmail/v1/…` and `upload/gmail/v1/…`.
    pub gmail: Url,
}

impl Hosts {
    /// Google's own, or everything at `endpoint` (`[google] endpoint`: a simulator), where the paths are as at Google.
    pub fn at(endpoint: Option<&Url>) -> Self {
        let address = |googles: &str, path: &str| {
            let root = endpoint.cloned().unwrap_or_else(|| googles.parse().expect("an address of ours"));
            root.join(path).expect("every path can follow a host")
        };
        Self {
            accounts: address("https://accounts.google.com", "/o/oauth2/v2/auth"),
            token: address("https://oauth2.googleapis.com", "/token"),
            calendar: address("https://www.googleapis.com", "/"),
            gmail: address("https://gmail.googleapis.com", "/"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_at_google_or_at_one_simulator() {
        let google = Hosts::at(None);
        assert_eq!(google.accounts.as_str(), "https://accounts.google.com/o/oauth2/v2/auth");
        assert_eq!(google.token.as_str(), "https://oauth2.googleapis.com/token");
        assert_eq!(google.token.join("revoke").unwrap().as_str(), "https://oauth2.googleapis.com/revoke");
        let free_busy = google.calendar.join("calendar/v3/freeBusy").unwrap();
        assert_eq!(free_busy.as_str(), "https://www.googleapis.com/calendar/v3/freeBusy");

        let simulator = Hosts::at(Some(&"http://127.0.0.1:8099".parse().unwrap()));
        assert_eq!(simulator.accounts.as_str(), "http://127.0.0.1:8099/o/oauth2/v2/auth");
        assert_eq!(simulator.token.as_str(), "http://127.0.0.1:8099/token");
        let upload = simulator.gmail.join("upload/gmail/v1/users/me/messages/send").unwrap();
        assert_eq!(upload.as_str(), "http://127.0.0.1:8099/upload/gmail/v1/users/me/messages/send");
    }
}
