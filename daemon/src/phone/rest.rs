//! Twilio's REST API: the requests that end a call and that put one through, and the one that sends a text message.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use frontdesk_core::backoff::Backoff;
use frontdesk_core::twilio::sid::{AccountSid, CallSid};
use log::{debug, warn};
use reqwest::{Response, StatusCode};
use serde::Deserialize;

use crate::config::{PhoneConfig, Secret};
use crate::logging::chain;
use crate::metrics::Metrics;

/// One request; the whole hang-up is tried again until it holds.
const REQUEST_WITHIN: Duration = Duration::from_secs(5);
/// Putting a caller through, who waits: one request, and all of them.
const GO_ON_REQUEST_WITHIN: Duration = Duration::from_secs(2);
const GO_ON_WITHIN: Duration = Duration::from_secs(4);
/// Twilio's words for a call that is not in progress any more.
const CALL_IS_OVER: [u32; 2] = [20_404, 21_220];
/// The names of the two credentials.
const PRIMARY: &str = "twilio-auth-token";
const SECONDARY: &str = "twilio-auth-token-secondary";

/// How a hang-up ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HangUp {
    /// Twilio has ended the call.
    Done,
    /// It had ended already.
    Gone,
}

/// What Twilio says of a request that it did not carry out.
#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Problem {
    pub(super) code: u32,
}

/// A request that was not carried out.
struct Failure {
    why: String,
    /// The next may be.
    may_pass: bool,
}

/// A client of the REST API.
pub struct Rest {
    http: reqwest::Client,
    base: String,
    account_sid: AccountSid,
    primary: Secret,
    secondary: Option<Secret>,
    /// While tokens are being rotated: the one of the two that Twilio took last.
    uses_secondary: AtomicBool,
    metrics: Metrics,
}

impl Rest {
    /// A client with the phone's credentials.
    pub fn new(http: reqwest::Client, phone: &PhoneConfig, metrics: Metrics) -> Self {
        let base = format!("{}/2010-04-01/Accounts/{}", phone.twilio_api, phone.account_sid);
        Self {
            http,
            base,
            account_sid: phone.account_sid,
            primary: phone.auth_token.clone(),
            secondary: phone.auth_token_secondary.clone(),
            uses_secondary: AtomicBool::new(false),
            metrics,
        }
    }

    /// Ends `call`, trying until it holds: as long as the caller is on the line there is nothing better to do.
    pub async fn hang_up(&self, call: CallSid) -> HangUp {
        let seed = u64::from_le_bytes(call.as_str().as_bytes()[26..34].try_into().unwrap_or_default());
        let mut delays = Backoff::new(Duration::from_millis(200), Duration::from_secs(5), seed);
        loop {
            match self.complete(call).await {
                Ok(outcome) => {
                    self.metrics.hangup_attempt(if outcome == HangUp::Done { "done" } else { "gone" });
                    return outcome;
                }
                Err(why) => {
                    self.metrics.hangup_attempt("failed");
                    // The first failure is told, the hundredth is not news.
                    if delays.tries() == 0 {
                        warn!(call_sid = call.as_str(); "hanging up failed, trying again: {why}");
                    } else {
                        debug!(call_sid = call.as_str(); "hanging up failed again: {why}");
                    }
                }
            }
            tokio::time::sleep(delays.next().unwrap_or(REQUEST_WITHIN)).await;
        }
    }

    /// Has Twilio go on with `document` in a running call, at once. Given up after four seconds: the caller waits, and
    /// behind the stream another way out stands ready. Tried twice, unless Twilio has said no. Fails with what it said last.
    pub async fn go_on_with(&self, call: CallSid, document: &str) -> Result<(), String> {
        let form = [("Twiml", document)];
        let asking = async {
            match self.change(call, &form, GO_ON_REQUEST_WITHIN).await {
                Err(failure) if failure.may_pass => self.change(call, &form, GO_ON_REQUEST_WITHIN).await,
                outcome => outcome,
            }
        };
        match tokio::time::timeout(GO_ON_WITHIN, asking).await {
            Ok(outcome) => outcome.map(|_| ()).map_err(|failure| failure.why),
            Err(_) => Err(format!("Twilio has not answered within {GO_ON_WITHIN:?}")),
        }
    }

    async fn complete(&self, call: CallSid) -> Result<HangUp, String> {
        let asked = self.change(call, &[("Status", "completed")], REQUEST_WITHIN).await;
        asked.map_err(|failure| failure.why)
    }

    /// Changes a running call.
    async fn change(&self, call: CallSid, form: &[(&str, &str)], within: Duration) -> Result<HangUp, Failure> {
        let asked = self.post_within(&format!("Calls/{call}.json"), form, within).await;
        // Whatever has kept the answer from coming may not keep the next.
        let answer = asked.map_err(|error| Failure { why: chain(&error).to_string(), may_pass: true })?;
        let status = answer.status();
        if status.is_success() {
            return Ok(HangUp::Done);
        }
        let problem: Problem = answer.json().await.unwrap_or_default();
        if CALL_IS_OVER.contains(&problem.code) {
            return Ok(HangUp::Gone);
        }
        let hint = match status {
            StatusCode::NOT_FOUND => "; that is not Twilio's: check [phone] twilio_api",
            StatusCode::UNAUTHORIZED => {
                "; check twilio-account-sid and twilio-auth-token, and that [phone] twilio_api is the region that runs the \
                 calls: each has tokens of its own"
            }
            StatusCode::TOO_MANY_REQUESTS => "; the account is over its rate",
            _ => "",
        };
        let why = format!("Twilio answered HTTP {} code {}{hint}", status.as_u16(), problem.code);
        Err(Failure { why, may_pass: status.is_server_error() })
    }

    /// Posts a form to `path` of the account, with the token that worked last, and at once with the other one if Twilio does
    /// not take it: it may have been removed in the middle of a rotation, and a caller sits in silence meanwhile.
    pub(super) async fn post(&self, path: &str, form: &[(&str, &str)]) -> Result<Response, reqwest::Error> {
        self.post_within(path, form, REQUEST_WITHIN).await
    }

    async fn post_within(
        &self,
        path: &str,
        form: &[(&str, &str)],
        within: Duration,
    ) -> Result<Response, reqwest::Error> {
        let uses_secondary = self.uses_secondary.load(Ordering::Relaxed);
        let answer = self.ask(path, form, self.token(uses_secondary), within).await?;
        if answer.status() != StatusCode::UNAUTHORIZED || self.secondary.is_none() {
            return Ok(answer);
        }
        let answer = self.ask(path, form, self.token(!uses_secondary), within).await?;
        if answer.status() != StatusCode::UNAUTHORIZED {
            self.uses_secondary.store(!uses_secondary, Ordering::Relaxed);
            let (refused, taken) = if uses_secondary { (SECONDARY, PRIMARY) } else { (PRIMARY, SECONDARY) };
            warn!("Twilio does not take {refused} any more: calls are hung up with {taken}");
        }
        Ok(answer)
    }

    fn token(&self, secondary: bool) -> &Secret {
        self.secondary.as_ref().filter(|_| secondary).unwrap_or(&self.primary)
    }

    async fn ask(
        &self,
        path: &str,
        form: &[(&str, &str)],
        token: &Secret,
        within: Duration,
    ) -> Result<Response, reqwest::Error> {
        self.http
            .post(format!("{}/{path}", self.base))
            .basic_auth(self.account_sid.as_str(), Some(token.expose()))
            .form(form)
            .timeout(within)
            .send()
            .await
            .map_err(reqwest::Error::without_url)
    }
}
