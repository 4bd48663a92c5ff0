//! A person's consent, kept and used: one task has it, everybody else asks that task.
//!
//! ```text
//! Access ─Ask::Bearer─┐
//! login ──Ask::Login──┼─► Keeper ──► token endpoint
//! logout ─Ask::Logout─┘     ├──────► google-token.json
//!                           └─watch► Standing: health, status, metrics
//! ```
//!
//! A task of its own, because whoever asks may give up waiting: a new refresh token that came with the answer must be on the
//! disk all the same. It refreshes before a token ends, so that nobody on the phone waits for one.

use std::time::Instant;

use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot, watch};

use super::access::AccessError;
use super::exchange::{Exchange, LoginError};
use super::keeper::Keeper;
use super::scope::Feature;

/// Questions that may wait; more wait to be asked.
const WAITING: usize = 32;

/// A person's login, for whoever needs it. Clones share it.
#[derive(Debug, Clone)]
pub struct UserLogin {
    asks: mpsc::Sender<Ask>,
    standing: watch::Receiver<Standing>,
}

/// How the login is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Standing {
    /// What a person consented to, if anybody has.
    pub consent: Option<Consented>,
    /// What the last attempt to use it met; nothing if it went well, or if there was none yet.
    pub trouble: Option<AccessError>,
    /// Whether Google has given a token since the start.
    pub proven: bool,
}

/// What a person consented to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consented {
    /// Who, if Google has told.
    pub account: Option<String>,
    /// What was granted.
    pub granted: Vec<String>,
    /// When.
    pub at: Timestamp,
    /// When it ends by itself, if that is known.
    pub ends_at: Option<Timestamp>,
}

/// What the task is asked.
pub(super) enum Ask {
    Bearer { refused: Option<String>, at: Instant, answer: oneshot::Sender<Result<String, AccessError>> },
    Login { exchange: Exchange, answer: oneshot::Sender<Result<Consented, LoginError>> },
    Logout { answer: oneshot::Sender<Result<Farewell, LoginError>> },
}

/// What a logout has come to; the daemon has forgotten everything in any case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Farewell {
    /// There was nothing to forget.
    Nobody,
    /// Google has forgotten it, too.
    Revoked,
    /// Google could not be told; why.
    NotTold(String),
}

impl UserLogin {
    /// A login, and the task that is to keep it, made by `keeper`.
    pub(super) fn new(keeper: impl FnOnce(mpsc::Receiver<Ask>, watch::Sender<Standing>) -> Keeper) -> (Self, Keeper) {
        let (asks, asked) = mpsc::channel(WAITING);
        let (told, standing) = watch::channel(Standing::default());
        (Self { asks, standing }, keeper(asked, told))
    }

    /// How it is. Never blocks.
    pub fn standing(&self) -> Standing {
        self.standing.borrow().clone()
    }

    /// A token for that feature, other than the `refused`.
    pub(super) async fn bearer(&self, feature: Feature, refused: Option<&str>) -> Result<String, AccessError> {
        let refused = refused.map(str::to_owned);
        let at = Instant::now();
        let token = self.ask(|answer| Ask::Bearer { refused, at, answer }).await.unwrap_or(Err(stopping()))?;
        match self.lacks(feature) {
            Some(error) => Err(error),
            None => Ok(token),
        }
    }

    /// What the person did not consent to, if that is what `feature` needs.
    pub(super) fn lacks(&self, feature: Feature) -> Option<AccessError> {
        let standing = self.standing.borrow();
        let granted = &standing.consent.as_ref()?.granted;
        (!feature.is_granted(granted)).then(|| {
            AccessError::NeedsConsent(format!(
                "the login does not cover the {}: run frontdeskctl google login, and leave every box ticked",
                feature.as_str()
            ))
        })
    }

    /// Trades what a browser brought for lasting access, keeps it and uses it from now on. On any error everything is as
    /// it was.
    pub async fn login(&self, exchange: Exchange) -> Result<Consented, LoginError> {
        self.ask(|answer| Ask::Login { exchange, answer }).await.unwrap_or(Err(LoginError::Stopping))
    }

    /// Forgets the consent, here and at Google.
    pub async fn logout(&self) -> Result<Farewell, LoginError> {
        self.ask(|answer| Ask::Logout { answer }).await.unwrap_or(Err(LoginError::Stopping))
    }

    /// The task's answer; none when it has ended.
    async fn ask<T>(&self, ask: impl FnOnce(oneshot::Sender<T>) -> Ask) -> Option<T> {
        let (answer, answered) = oneshot::channel();
        self.asks.send(ask(answer)).await.ok()?;
        answered.await.ok()
    }
}

fn stopping() -> AccessError {
    AccessError::Retry { found: "the daemon is stopping".to_owned() }
}
