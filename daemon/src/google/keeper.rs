//! The task that has a person's consent: reads and writes its file, refreshes, warns, and answers [`UserLogin`].
//!
//! [`UserLogin`]: super::user::UserLogin

use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use log::{error, info, warn};
use tokio::sync::{mpsc, watch};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use url::Url;

use super::access::AccessError;
use super::client::OAuthClient;
use super::end;
use super::endpoint::{self, Failure, Granted, Refusal};
use super::exchange::{self, Exchange, LoginError};
use super::user::{Ask, Consented, Farewell, Standing};
use super::vault::{Kept, Vault, VaultError};
use crate::config::GooglePublishing;
use crate::logging::{Event, chain};
use crate::metrics::Metrics;

/// A token with less left is replaced. Google's own library does so 3 min 45 s before the end.
const MARGIN: Duration = Duration::from_mins(5);
/// What is left of a token that is handed out although it cannot be replaced.
const LEAST: Duration = Duration::from_mins(1);
/// How often the task looks around unasked.
const LOOK_EVERY: Duration = Duration::from_mins(1);
/// What a person must mend is asked again that rarely: it may have been Google's mistake.
const AGAIN: Duration = Duration::from_hours(1);
/// Why Google is not told of a logout.
const UNUSABLE: &str = "the file in which the login was kept could not be used";
/// An end that moves by less is the same: the clock and the network.
const SAME_END: SignedDuration = SignedDuration::from_mins(10);

/// What the task needs.
pub(super) struct Settings {
    pub(super) http: reqwest::Client,
    pub(super) endpoint: Url,
    pub(super) client: OAuthClient,
    pub(super) publishing: Option<GooglePublishing>,
    pub(super) vault: Vault,
}

/// The task, not started yet.
pub struct Keeper {
    settings: Settings,
    asked: mpsc::Receiver<Ask>,
    told: watch::Sender<Standing>,
    kept: Option<Kept>,
    /// The disk did not let the file be read; it is tried again.
    is_unread: bool,
    token: Option<(String, Instant)>,
    trouble: Option<AccessError>,
    /// When Google was last asked in vain.
    failed: Option<Instant>,
    /// Not before then is Google asked again what it has refused.
    again: Option<Instant>,
    /// When the end was last warned of.
    warned: Option<Timestamp>,
}

impl Keeper {
    pub(super) fn new(settings: Settings, asked: mpsc::Receiver<Ask>, told: watch::Sender<Standing>) -> Self {
        let (kept, token, trouble, failed, again, warned) = (None, None, None, None, None, None);
        Self { settings, asked, told, kept, is_unread: false, token, trouble, failed, again, warned }
    }

    /// Keeps the login until `stop`. What is being asked of Google then is ended first: its answer may have to be kept.
    pub async fn run(mut self, metrics: Metrics, stop: CancellationToken) {
        self.open().await;
        let mut looks = tokio::time::interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                Some(ask) = self.asked.recv() => self.answer(ask).await,
                _ = looks.tick() => self.look().await,
            }
            let ends_at = self.kept.as_ref().and_then(|kept| kept.ends_at);
            metrics.set_google_login_left(ends_at.map(|ends_at| ends_at.duration_since(Timestamp::now()).as_secs()));
        }
    }

    /// Reads the file.
    async fn open(&mut self) {
        let read = on_disk(&self.settings.vault, |vault| vault.read()).await;
        self.is_unread = matches!(read, Err(VaultError::Io { .. }));
        let trouble = match read {
            Ok(None) => Some(nobody()),
            Ok(Some(kept)) if kept.client_id != self.settings.client.id => {
                let found = "the login was given to another OAuth client than the one in google-client: run frontdeskctl \
                             google login";
                Some(AccessError::NeedsConsent(found.to_owned()))
            }
            Ok(Some(kept)) => {
                self.kept = Some(kept);
                None
            }
            Err(error @ VaultError::Io { .. }) => Some(AccessError::Config(chain(&error).to_string())),
            Err(error) => Some(AccessError::NeedsConsent(chain(&error).to_string())),
        };
        if let Some(trouble) = &trouble
            && self.trouble.as_ref() != Some(trouble)
        {
            match trouble {
                AccessError::NeedsConsent(_) => warn!(event:% = Event::GoogleNeedsSomebody; "{trouble}"),
                _ => warn!("{trouble}"),
            }
        }
        self.trouble = trouble;
        self.tell();
    }

    async fn answer(&mut self, ask: Ask) {
        // Whoever asked may have given up waiting.
        match ask {
            Ask::Bearer { refused, at, answer } => drop(answer.send(self.bearer(refused.as_deref(), at).await)),
            Ask::Login { exchange, answer } => drop(answer.send(self.login(exchange).await)),
            Ask::Logout { answer } => drop(answer.send(self.logout().await)),
        }
    }

    /// What is done unasked: a token is at hand before somebody on the phone needs it.
    async fn look(&mut self) {
        if self.is_unread {
            self.open().await;
        }
        let now = Instant::now();
        let is_fresh = self.token.as_ref().is_some_and(|(_, until)| now + MARGIN < *until);
        if self.kept.is_some() && !is_fresh && self.again.is_none_or(|again| again <= now) {
            // What came of it is told by `refresh`.
            let _ = self.refresh().await;
        }
        let Some(ends_at) = self.kept.as_ref().and_then(|kept| kept.ends_at) else { return };
        let now = Timestamp::now();
        if end::is_due(ends_at, now, self.warned) {
            self.warned = Some(now);
            warn!(
                "the login at Google {} ({ends_at}): run frontdeskctl google login before, and publish the project's consent \
                 screen (\"In production\"), after which logins do not end by themselves",
                end::words(ends_at, now)
            );
        }
    }

    /// The token that somebody asked for at `at`, other than the `refused`.
    async fn bearer(&mut self, refused: Option<&str>, at: Instant) -> Result<String, AccessError> {
        let now = Instant::now();
        let usable = |token: &Option<(String, Instant)>, left: Duration| {
            let (token, until) = token.as_ref()?;
            (refused != Some(token) && now + left < *until).then(|| token.clone())
        };
        if let Some(token) = usable(&self.token, MARGIN) {
            return Ok(token);
        }
        if let (Some(trouble), true) =
            (&self.trouble, self.kept.is_none() || self.again.is_some_and(|again| now < again))
        {
            return Err(trouble.clone());
        }
        // What was met while this was waiting would be met again, after as long a wait.
        let met = self.trouble.clone().filter(|_| self.failed.is_some_and(|failed| at < failed));
        let asked = match met {
            Some(trouble) => Err(trouble),
            None => self.refresh().await,
        };
        match asked {
            Ok(token) => Ok(token),
            Err(passing @ AccessError::Retry { .. }) => usable(&self.token, LEAST).ok_or(passing),
            Err(error) => Err(error),
        }
    }

    /// Asks Google for an access token, and takes note of what came of it.
    async fn refresh(&mut self) -> Result<String, AccessError> {
        let Some(kept) = &self.kept else { return Err(nobody()) };
        let form = [
            ("grant_type", "refresh_token"),
            ("refresh_token", kept.refresh_token.expose()),
            ("client_id", &self.settings.client.id),
            ("client_secret", self.settings.client.secret.expose()),
        ];
        let asked = endpoint::ask(&self.settings.http, &self.settings.endpoint, &form).await;
        match asked {
            Ok(granted) => {
                if self.trouble.take().is_some() {
                    info!("Google gives access again");
                }
                self.again = None;
                self.learn(&granted).await;
                let token = granted.access_token.clone();
                self.hold(granted);
                Ok(token)
            }
            Err(failure) => Err(self.fail(failure)),
        }
    }

    fn fail(&mut self, failure: Failure) -> AccessError {
        let error = self.understood(failure);
        let is_passing = matches!(error, AccessError::Retry { .. });
        if self.trouble.as_ref() != Some(&error) {
            if is_passing { warn!("{error}") } else { error!(event:% = Event::GoogleNeedsSomebody; "{error}") }
        }
        if !is_passing {
            self.token = None;
            self.again = Some(Instant::now() + AGAIN);
        }
        self.trouble = Some(error.clone());
        self.failed = Some(Instant::now());
        self.tell();
        error
    }

    fn understood(&self, failure: Failure) -> AccessError {
        let refusal = match failure {
            Failure::Passing(found) => return AccessError::Retry { found },
            Failure::Refused(refusal) => refusal,
        };
        let ends_at = self.kept.as_ref().and_then(|kept| kept.ends_at);
        let has_ended = ends_at.is_some_and(|ends_at| ends_at <= Timestamp::now());
        refused(&refusal, has_ended)
    }

    /// A new refresh token or another end that came with an access token.
    async fn learn(&mut self, granted: &Granted) {
        let Some(kept) = &mut self.kept else { return };
        let before = kept.clone();
        if let Some(refresh_token) = &granted.refresh_token {
            kept.refresh_token = refresh_token.clone();
        }
        let now = Timestamp::now();
        let ends_at = end::of(kept.consented_at, now, granted.refresh_lives, self.settings.publishing);
        let is_same = match (kept.ends_at, ends_at) {
            (Some(before), Some(now)) => before.duration_since(now).abs() < SAME_END,
            // An answer that does not speak of the end does not take it back.
            (_, None) => true,
            (None, Some(_)) => false,
        };
        if !is_same {
            kept.ends_at = ends_at;
        }
        if *kept == before {
            return;
        }
        let kept = kept.clone();
        if let Err(error) = on_disk(&self.settings.vault, move |vault| vault.write(&kept)).await {
            error!("the login at Google may not outlast a restart: {}", chain(&error));
        }
    }

    fn hold(&mut self, granted: Granted) {
        self.token = Some((granted.access_token, Instant::now() + granted.lives));
        self.tell();
    }

    async fn login(&mut self, exchange: Exchange) -> Result<Consented, LoginError> {
        let Settings { http, endpoint, client, publishing, vault } = &self.settings;
        let (kept, granted) = exchange::exchange(http, endpoint, client, *publishing, &exchange).await?;
        let to_write = kept.clone();
        on_disk(vault, move |vault| vault.write(&to_write)).await?;
        info!("somebody has logged in at Google; it is used from now on");
        let consented = consented(&kept);
        (self.kept, self.trouble, self.again, self.warned) = (Some(kept), None, None, None);
        self.is_unread = false;
        self.hold(granted);
        Ok(consented)
    }

    async fn logout(&mut self) -> Result<Farewell, LoginError> {
        // Also a file that could not be used is removed.
        let was_there = on_disk(&self.settings.vault, |vault| vault.remove()).await?;
        let kept = self.kept.take();
        (self.token, self.trouble, self.again, self.warned) = (None, Some(nobody()), None, None);
        self.tell();
        if kept.is_none() && !was_there {
            return Ok(Farewell::Nobody);
        }
        info!("somebody has logged out at Google");
        // Others may have read it, or it was given to another client: at Google it may be worth as much as ever.
        let Some(kept) = kept else { return Ok(Farewell::NotTold(UNUSABLE.to_owned())) };
        let revoked = exchange::revoke(&self.settings.http, &self.settings.endpoint, &kept.refresh_token).await;
        Ok(revoked.map_or_else(Farewell::NotTold, |()| Farewell::Revoked))
    }

    fn tell(&self) {
        let standing = Standing {
            consent: self.kept.as_ref().map(consented),
            trouble: self.trouble.clone(),
            proven: self.token.is_some(),
        };
        // Nobody needs to look.
        self.told.send_replace(standing);
    }
}

fn consented(kept: &Kept) -> Consented {
    Consented {
        account: kept.account.clone(),
        granted: kept.granted.clone(),
        at: kept.consented_at,
        ends_at: kept.ends_at,
    }
}

fn nobody() -> AccessError {
    AccessError::NeedsConsent("nobody has logged in yet: run frontdeskctl google login".to_owned())
}

/// What a refusal of the refresh token means, and what would do.
fn refused(refusal: &Refusal, has_ended: bool) -> AccessError {
    let Refusal { code, subtype, words } = refusal;
    let consent = |why: &str| AccessError::NeedsConsent(format!("{why} ({words}); run frontdeskctl google login"));
    match (code.as_str(), subtype.as_str()) {
        ("invalid_grant", "invalid_rapt" | "rapt_required") => consent(
            "the session control of the clinic's Workspace has ended the login, and will again: its administrator should \
             exempt this app",
        ),
        ("invalid_grant", _) if has_ended => consent(
            "the seven days are over that Google grants to a project in testing: publish its consent screen (\"In \
             production\")",
        ),
        ("invalid_grant", _) => consent(
            "the login is not valid any more: access was withdrawn, the account's password was changed, or it was not used \
             for six months",
        ),
        ("invalid_client" | "unauthorized_client", _) => AccessError::Config(format!(
            "{words}: pass the client's file anew as google-client and restart the daemon; its secret may have been changed"
        )),
        ("deleted_client" | "disabled_client", _) => AccessError::Config(format!(
            "{words}: make a new client in Google's console, pass its file as google-client, restart the daemon and run \
             frontdeskctl google login"
        )),
        ("admin_policy_enforced" | "org_internal" | "access_denied", _) => {
            AccessError::Config(format!("{words}: the administrator of the clinic's Workspace must trust the app"))
        }
        _ => AccessError::Config(format!("{words}: look at the OAuth client in Google's console")),
    }
}

/// Runs what blocks on the disk where that is allowed.
async fn on_disk<T: Send + 'static>(
    vault: &Vault,
    act: impl FnOnce(Vault) -> Result<T, VaultError> + Send + 'static,
) -> Result<T, VaultError> {
    let vault = vault.clone();
    tokio::task::spawn_blocking(move || act(vault)).await.expect("reading and writing a file does not panic")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meant(code: &str, subtype: &str, has_ended: bool) -> AccessError {
        let words = format!("HTTP 400 {code}");
        refused(&Refusal { code: code.to_owned(), subtype: subtype.to_owned(), words }, has_ended)
    }

    #[test]
    fn a_dead_login_says_why_and_what_would_do() {
        for (subtype, has_ended, part) in [
            ("", false, "password was changed"),
            ("", true, "seven days"),
            ("invalid_rapt", true, "session control"),
            ("rapt_required", false, "session control"),
        ] {
            let error = meant("invalid_grant", subtype, has_ended);
            assert!(matches!(&error, AccessError::NeedsConsent(why) if why.contains(part)), "{error}");
            assert!(error.to_string().contains("run frontdeskctl google login"), "{error}");
        }
    }

    #[test]
    fn what_a_login_would_not_mend_is_a_matter_of_configuration() {
        for code in ["invalid_client", "deleted_client", "admin_policy_enforced", "something_new", ""] {
            assert!(matches!(meant(code, "", false), AccessError::Config(_)), "{code}");
        }
    }
}
