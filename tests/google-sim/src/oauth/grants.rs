//! What has been granted to whom: codes, refresh tokens, access tokens.

use std::{
    collections::{BTreeSet, HashMap},
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::Timestamp;
use ring::rand::{SecureRandom as _, SystemRandom};

/// How long a code waits for its exchange. Google does not say; ten minutes is what RFC 6749 recommends at most.
const CODE_LIFE: Duration = Duration::from_mins(10);
/// Live refresh tokens of one account and client; one more ends the oldest (Google's OAuth guide, November 2026).
const MOST_REFRESH_TOKENS: usize = 100;

/// On whose behalf a request is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Person {
    pub(crate) email: String,
    /// A service account that acts for itself: no mailbox, no guests.
    pub(crate) robot: bool,
}

/// An access token's meaning.
#[derive(Debug, Clone)]
pub(crate) struct Token {
    pub(crate) person: Person,
    pub(crate) scopes: BTreeSet<String>,
    pub(crate) expires: Timestamp,
    pub(crate) offline: bool,
}

/// What a code may be exchanged for, once.
#[derive(Debug, Clone)]
pub(crate) struct Code {
    pub(crate) redirect_uri: String,
    pub(crate) challenge: Option<String>,
    pub(crate) scopes: BTreeSet<String>,
    pub(crate) offline: bool,
    /// A refresh token is due: the first consent, or one that was asked for anew.
    pub(crate) asked_anew: bool,
    pub(crate) expires: Timestamp,
}

/// A refresh token's meaning.
#[derive(Debug, Clone)]
struct Refresh {
    scopes: BTreeSet<String>,
    expires: Option<Timestamp>,
    made: u64,
}

/// All that was granted.
#[derive(Debug, Default)]
pub(crate) struct Grants {
    codes: HashMap<String, Code>,
    refresh: HashMap<String, Refresh>,
    access: HashMap<String, Token>,
    /// Somebody consented before: the next consent gives no refresh token unless it is prompted for.
    pub(crate) consented: bool,
    /// The service account's key was deleted in the console.
    pub(crate) key_deleted: bool,
    made: u64,
}

/// Text that nobody can guess, of 30 bytes.
pub(crate) fn secret(prefix: &str) -> String {
    let mut bytes = [0; 30];
    SystemRandom::new().fill(&mut bytes).expect("the machine has randomness");
    format!("{prefix}{}", URL_SAFE_NO_PAD.encode(bytes))
}

/// An id of 26 characters of base32hex, as Calendar gives one.
pub(crate) fn random_id() -> String {
    let mut bytes = [0_u8; 26];
    SystemRandom::new().fill(&mut bytes).expect("the machine has randomness");
    bytes.iter().map(|byte| char::from(b"0123456789abcdefghijklmnopqrstuv"[usize::from(byte % 32)])).collect()
}

/// An id of 16 hexadecimal digits, as Gmail gives one.
pub(crate) fn random_hex() -> String {
    let mut bytes = [0_u8; 8];
    SystemRandom::new().fill(&mut bytes).expect("the machine has randomness");
    format!("{:016x}", u64::from_be_bytes(bytes))
}

impl Grants {
    pub(crate) fn code(&mut self, now: Timestamp, make: impl FnOnce(Timestamp) -> Code) -> String {
        let code = secret("4/0A");
        self.codes.insert(code.clone(), make(now + CODE_LIFE));
        code
    }

    /// Takes a code: it is good once.
    pub(crate) fn take_code(&mut self, code: &str, now: Timestamp) -> Option<Code> {
        self.codes.remove(code).filter(|found| now < found.expires)
    }

    pub(crate) fn access(&mut self, token: Token) -> String {
        let name = secret(if token.person.robot { "ya29.c." } else { "ya29.a0" });
        self.access.insert(name.clone(), token);
        name
    }

    pub(crate) fn refresh_token(&mut self, scopes: BTreeSet<String>, expires: Option<Timestamp>) -> String {
        if self.refresh.len() >= MOST_REFRESH_TOKENS
            && let Some(oldest) =
                self.refresh.iter().min_by_key(|(_, refresh)| refresh.made).map(|(name, _)| name.clone())
        {
            self.refresh.remove(&oldest);
        }
        self.made += 1;
        let name = secret("1//0");
        self.refresh.insert(name.clone(), Refresh { scopes, expires, made: self.made });
        name
    }

    /// The scopes that a refresh token stands for, and until when, if it is good.
    pub(crate) fn refreshed(&self, name: &str, now: Timestamp) -> Option<(BTreeSet<String>, Option<Timestamp>)> {
        let refresh = self.refresh.get(name)?;
        let alive = refresh.expires.is_none_or(|expires| now < expires);
        alive.then(|| (refresh.scopes.clone(), refresh.expires))
    }

    pub(crate) fn end_refresh_token(&mut self, name: &str) {
        self.refresh.remove(name);
    }

    /// What an access token stands for, if it is good.
    pub(crate) fn token(&self, name: &str, now: Timestamp) -> Option<&Token> {
        self.access.get(name).filter(|token| now < token.expires)
    }

    /// Ends all that the person granted, as one token's revocation does.
    pub(crate) fn revoke(&mut self) {
        self.codes.clear();
        self.refresh.clear();
        self.access.retain(|_, token| token.person.robot);
        self.consented = false;
    }

    /// A new password ends the refresh tokens that open the mailbox (Google's OAuth guide, November 2026).
    pub(crate) fn change_password(&mut self) {
        let mail = |scope: &String| scope.contains("/auth/gmail.") || scope == "https://mail.google.com/";
        self.refresh.retain(|_, refresh| !refresh.scopes.iter().any(mail));
    }

    /// Ends all access tokens, and nothing else.
    pub(crate) fn expire_access(&mut self) {
        self.access.clear();
    }

    pub(crate) fn knows(&self, name: &str) -> bool {
        self.refresh.contains_key(name) || self.access.contains_key(name)
    }
}

impl Code {
    pub(crate) fn new(
        redirect_uri: &str,
        challenge: Option<&str>,
        scopes: BTreeSet<String>,
        expires: Timestamp,
    ) -> Self {
        let challenge = challenge.map(str::to_owned);
        Self { redirect_uri: redirect_uri.to_owned(), challenge, scopes, offline: false, asked_anew: false, expires }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scopes(scope: &str) -> BTreeSet<String> {
        BTreeSet::from([scope.to_owned()])
    }

    #[test]
    fn one_login_too_many_ends_the_oldest() {
        let (mut grants, now) = (Grants::default(), Timestamp::now());
        let tokens: Vec<String> =
            (0..=MOST_REFRESH_TOKENS).map(|_| grants.refresh_token(scopes("openid"), None)).collect();
        assert!(grants.refreshed(&tokens[0], now).is_none());
        assert!(tokens[1..].iter().all(|token| grants.refreshed(token, now).is_some()));
    }

    #[test]
    fn a_new_password_ends_what_opens_the_mailbox() {
        let (mut grants, now) = (Grants::default(), Timestamp::now());
        let calendar = grants.refresh_token(scopes("https://www.googleapis.com/auth/calendar.events"), None);
        let mail = grants.refresh_token(scopes("https://www.googleapis.com/auth/gmail.send"), None);
        grants.change_password();
        assert!(grants.refreshed(&calendar, now).is_some() && grants.refreshed(&mail, now).is_none());
    }
}
