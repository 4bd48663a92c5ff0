//! Something that shows Google who we are, whatever it is.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::scope::Feature;
use super::service::{ServiceAccount, TokenError};
use super::user::UserLogin;

/// Why there is no token. The texts hold no token, key or address of a person.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AccessError {
    /// A person must give us access, again or at all.
    #[error("Google does not let us in: {0}")]
    NeedsConsent(String),
    /// The configuration or the key.
    #[error("access to Google is not set up: {0}")]
    Config(String),
    /// It passes.
    #[error("Google gives no access right now: {found}; it is tried again")]
    Retry {
        /// What was met.
        found: String,
    },
}

/// What is known of an access without asking Google.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Known {
    /// Nobody has needed it yet.
    Nothing,
    /// The last token was given.
    Good,
    /// None was.
    Trouble(AccessError),
}

/// Something that shows Google who we are. Clones share it, and its token.
#[derive(Clone)]
pub struct Access(Arc<Kind>);

enum Kind {
    Service { account: Box<ServiceAccount>, known: Mutex<Known> },
    User { login: UserLogin, feature: Feature, needed: AtomicBool },
    Fixed(String),
    None(AccessError),
}

impl Access {
    /// A service account, or the person it acts for.
    pub fn service(account: ServiceAccount) -> Self {
        Self(Arc::new(Kind::Service { account: Box::new(account), known: Mutex::new(Known::Nothing) }))
    }

    /// A person's login, used for `feature`.
    pub(super) fn user(login: UserLogin, feature: Feature) -> Self {
        Self(Arc::new(Kind::User { login, feature, needed: AtomicBool::new(false) }))
    }

    /// None, for that reason.
    pub(super) fn none(why: AccessError) -> Self {
        Self(Arc::new(Kind::None(why)))
    }

    /// Always that token: for tests against servers of one's own.
    pub fn fixed(token: &str) -> Self {
        Self(Arc::new(Kind::Fixed(token.to_owned())))
    }

    /// A token good for at least a minute, and another than the `refused`. Asks Google if there is none; takes as long as
    /// that takes, and of many who ask meanwhile the first asks for all.
    pub async fn bearer(&self, refused: Option<&str>) -> Result<String, AccessError> {
        match &*self.0 {
            Kind::Service { account, known } => {
                let token = account.token(refused).await.map_err(AccessError::from);
                let news = token.as_ref().map_or_else(|error| Known::Trouble(error.clone()), |_| Known::Good);
                *known.lock().unwrap_or_else(PoisonError::into_inner) = news;
                token
            }
            Kind::User { login, feature, needed } => {
                needed.store(true, Ordering::Relaxed);
                login.bearer(*feature, refused).await
            }
            Kind::Fixed(token) => Ok(token.clone()),
            Kind::None(why) => Err(why.clone()),
        }
    }

    /// What is known of it. Never blocks.
    pub fn known(&self) -> Known {
        match &*self.0 {
            Kind::Service { known, .. } => known.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            Kind::User { login, feature, needed } => {
                let standing = login.standing();
                // What was not granted and nobody needs is nobody's trouble.
                let lacking = || login.lacks(*feature).filter(|_| needed.load(Ordering::Relaxed));
                match standing.trouble.or_else(lacking) {
                    Some(trouble) => Known::Trouble(trouble),
                    None if standing.proven => Known::Good,
                    None => Known::Nothing,
                }
            }
            Kind::Fixed(_) => Known::Good,
            Kind::None(_) => Known::Nothing,
        }
    }
}

impl From<TokenError> for AccessError {
    fn from(error: TokenError) -> Self {
        match error {
            TokenError::Unreachable(found) => Self::Retry { found },
            error => Self::Config(error.to_string()),
        }
    }
}
