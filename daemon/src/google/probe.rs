//! Tries out whether Google lets us do what the daemon does there, for a technician who has just set it up.
//!
//! Source: Google's API definitions and error guides (calendar v3, gmail v1), November 2026.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use frontdesk_core::booking::appointment::Span;
use frontdesk_core::caldav::zone::Zones;
use frontdesk_core::google::page::Page;
use frontdesk_core::google::{ReadError, query};
use frontdesk_core::letter::address::MailAddress;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use lettre::Message;
use reqwest::{Method, Response};
use serde_json::{Value, json};
use url::Url;

use super::endpoint::{self, Failure, printable};
use super::scope::{self, Feature};
use super::{Access, AccessError, Google, Identity};

/// Where to look for what takes time.
const SPAN: SignedDuration = SignedDuration::from_hours(7 * 24);
/// A test event is there tomorrow, for some seconds.
const AHEAD: SignedDuration = SignedDuration::from_hours(24);
const LASTS: SignedDuration = SignedDuration::from_mins(15);
const NAME: &str = "Frontdesk test (may be deleted)";
/// Rights that let an app ask whose mailbox it is.
const PROFILE: [&str; 4] = [
    "https://www.googleapis.com/auth/gmail.compose",
    "https://www.googleapis.com/auth/gmail.modify",
    "https://www.googleapis.com/auth/gmail.readonly",
    "https://mail.google.com/",
];

/// What to try.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plan {
    /// Which calendars, by their ids at Google; none: that of the person who has logged in.
    pub calendars: Vec<String>,
    /// Calendars that say no more than when they are busy.
    pub also_busy: Vec<String>,
    /// Leaves nothing anywhere, not for a second.
    pub read_only: bool,
    /// Whom to send a letter.
    pub send_to: Option<MailAddress>,
}

/// What came of one thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What was tried.
    pub what: String,
    /// What was found; or what is wrong.
    pub outcome: Result<String, Trouble>,
}

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// What was found.
    pub found: String,
    /// What would do.
    pub would_do: String,
}

impl Trouble {
    fn new(found: impl Into<String>, would_do: impl Into<String>) -> Self {
        Self { found: found.into(), would_do: would_do.into() }
    }
}

impl Google {
    /// Tries it all, one after the other; each request takes as long as the HTTP client lets it. A test event that cannot
    /// be deleted again is told of.
    pub async fn test(&self, plan: &Plan) -> Vec<Finding> {
        let mut findings = Vec::new();
        if matches!(self.identity, Identity::Nobody) {
            let access = self.calendar.bearer(None).await.map(|_| String::new()).map_err(|error| denied(&error));
            return vec![Finding { what: "access".to_owned(), outcome: access }];
        }
        if self.does(Feature::Calendar, plan) {
            self.test_calendars(plan, &mut findings).await;
        }
        if self.does(Feature::Mail, plan) || plan.send_to.is_some() {
            self.test_mail(plan, &mut findings).await;
        }
        findings
    }

    /// Whether it is meant to do that: what a person has not consented to is not missed here, nor what a service account
    /// is not used for.
    fn does(&self, feature: Feature, plan: &Plan) -> bool {
        let is_used = self.uses.is_empty() || self.uses.contains(&feature);
        match (&self.identity, feature) {
            (Identity::Nobody, _) => false,
            (Identity::Service { .. }, Feature::Calendar) => is_used || !plan.calendars.is_empty(),
            (Identity::Service { delegate, .. }, Feature::Mail) => is_used && delegate.is_some(),
            (Identity::User { login, .. }, feature) => match login.standing().consent {
                Some(consent) => feature.is_granted(&consent.granted),
                None => feature == Feature::Calendar,
            },
        }
    }

    async fn test_calendars(&self, plan: &Plan, findings: &mut Vec<Finding>) {
        let access = self.calendar.bearer(None).await;
        let is_open = note(
            findings,
            "access to calendars",
            access.map(|_| "Google gives a token".to_owned()).map_err(|e| denied(&e)),
        );
        let calendars = match (&self.identity, plan.calendars.as_slice()) {
            (Identity::User { .. }, []) => vec!["primary".to_owned()],
            (_, calendars) => calendars.to_vec(),
        };
        if is_open && calendars.is_empty() {
            let would_do = format!("share a calendar with {}, and name it: --calendar ID", self.who());
            note(findings, "calendars", Err(Trouble::new("no calendar is named that could be tried", would_do)));
        }
        for calendar in calendars.iter().filter(|_| is_open) {
            let calendar_name = printable(calendar);
            let outcome = self.entries(calendar).await;
            let is_read = note(findings, &format!("read {calendar_name}"), outcome);
            if is_read && !plan.read_only {
                note(findings, &format!("write {calendar_name}"), self.write(calendar).await);
            }
        }
        for calendar in plan.also_busy.iter().filter(|_| is_open) {
            note(findings, &format!("see when {} is busy", printable(calendar)), self.free_busy(calendar).await);
        }
    }

    /// Reads the entries that take time.
    async fn entries(&self, calendar: &str) -> Result<String, Trouble> {
        let now = Timestamp::now();
        let from = Timestamp::from_second(now.as_second()).unwrap_or(now);
        let within = Span { from, to: from.saturating_add(SPAN).unwrap_or(Timestamp::MAX) };
        let mut address = self.calendar_address(&["calendars", calendar, "events"]);
        address.query_pairs_mut().clear().extend_pairs(query::busy(within, None));
        let answer = self.ask(&self.calendar, Method::GET, address, None).await?;
        let zones = Zones::new(jiff::tz::db().clone(), TimeZone::UTC);
        let taken = Page::read(&answer.to_string()).and_then(|page| page.taken(&zones, within));
        let taken = taken.map_err(|error| {
            let would_do = match error {
                ReadError::Event(_) | ReadError::Zone(_) => "change that entry in the calendar, or delete it",
                ReadError::Json { .. } | ReadError::Shape(_) | ReadError::Silent(_) => "try again later",
            };
            Trouble::new(error.to_string(), would_do)
        })?;
        Ok(busy_times(taken.len()))
    }

    /// Asks when a calendar is busy. A calendar that cannot be read is told of within an answer that is none of a failure.
    async fn free_busy(&self, calendar: &str) -> Result<String, Trouble> {
        let from = Timestamp::now();
        let until = from.saturating_add(SPAN).unwrap_or(Timestamp::MAX);
        let body = json!({ "timeMin": whole(from), "timeMax": whole(until), "items": [{ "id": calendar }] });
        let address = self.calendar_address(&["freeBusy"]);
        let answer = self.ask(&self.calendar, Method::POST, address, Some(&body)).await?;
        // `primary` may be answered under its real name.
        let found = answer["calendars"].as_object().and_then(|all| all.get(calendar).or_else(|| all.values().next()));
        let found = found.ok_or_else(|| Trouble::new("Google's answer does not speak of it", "try again later"))?;
        if let Some(reason) = found["errors"][0]["reason"].as_str() {
            return Err(self.understood(404, reason, "the calendar cannot be read"));
        }
        Ok(busy_times(found["busy"].as_array().map_or(0, Vec::len)))
    }

    /// Writes an event that takes no time, and deletes it.
    async fn write(&self, calendar: &str) -> Result<String, Trouble> {
        let from = Timestamp::now().saturating_add(AHEAD).unwrap_or(Timestamp::MAX);
        let until = from.saturating_add(LASTS).unwrap_or(Timestamp::MAX);
        let event = json!({
            "summary": NAME, "description": "frontdeskctl google test has written this and deletes it at once.",
            "start": { "dateTime": whole(from) }, "end": { "dateTime": whole(until) },
            "transparency": "transparent", "reminders": { "useDefault": false },
        });
        let events = self.calendar_address(&["calendars", calendar, "events"]);
        let answer = self.ask(&self.calendar, Method::POST, events, Some(&event)).await?;
        let id = answer["id"].as_str().ok_or_else(|| {
            Trouble::new("an event was written, and Google does not say which", format!("delete \"{NAME}\" by hand"))
        })?;
        let event = self.calendar_address(&["calendars", calendar, "events", id]);
        match self.ask(&self.calendar, Method::DELETE, event, None).await {
            Ok(_) => Ok(format!("an event was written and deleted ({NAME})")),
            Err(trouble) => Err(Trouble::new(
                format!("an event was written and cannot be deleted: {}", trouble.found),
                format!("delete \"{NAME}\", tomorrow, by hand; {}", trouble.would_do),
            )),
        }
    }

    fn calendar_address(&self, path: &[&str]) -> Url {
        let mut address = self.hosts.calendar.clone();
        let mut segments = address.path_segments_mut().expect("hosts are http or https");
        segments.clear().extend(["calendar", "v3"]).extend(path);
        drop(segments);
        if path.len() > 2 {
            address.query_pairs_mut().append_pair("sendUpdates", "none");
        }
        address
    }

    async fn test_mail(&self, plan: &Plan, findings: &mut Vec<Finding>) {
        if matches!(self.identity, Identity::Service { delegate: None, .. }) {
            let would_do = "have it act for one: [google] delegate";
            note(findings, "mailbox", Err(Trouble::new("a service account has no mailbox of its own", would_do)));
            return;
        }
        let access = self.mail.bearer(None).await;
        if !note(findings, "access to mail", access.map(|_| "Google gives a token".to_owned()).map_err(|e| denied(&e)))
        {
            return;
        }
        let mailbox = self.mailbox().await;
        let known = mailbox.as_ref().ok().cloned();
        note(findings, "mailbox", mailbox.map(|mailbox| format!("letters come from {mailbox}")));
        if let (Some(from), Some(to)) = (known, &plan.send_to) {
            note(findings, "send a letter", self.send(&from, to).await);
        }
    }

    /// Whose mailbox it is.
    async fn mailbox(&self) -> Result<String, Trouble> {
        if let Identity::Service { delegate: Some(delegate), .. } = &self.identity {
            return Ok(delegate.clone());
        }
        let granted = match &self.identity {
            Identity::User { login, .. } => login.standing().consent.map(|consent| consent.granted).unwrap_or_default(),
            _ => Vec::new(),
        };
        let (answer, key) = if PROFILE.iter().any(|right| scope::holds(&granted, right)) {
            let profile = self.gmail_address(&["users", "me", "profile"]);
            (self.ask(&self.mail, Method::GET, profile, None).await?, "emailAddress")
        } else {
            (self.token_info().await?, "email")
        };
        let mailbox = answer[key].as_str().map(printable);
        mailbox.ok_or_else(|| Trouble::new("Google does not say whose mailbox it is", "run frontdeskctl google login"))
    }

    /// What Google says of the token: the right to send tells nothing of the mailbox.
    async fn token_info(&self) -> Result<Value, Trouble> {
        let token = self.mail.bearer(None).await.map_err(|error| denied(&error))?;
        let address = self.hosts.token.join("tokeninfo").expect("every path can follow a host");
        let asked = self.http.post(address).form(&[("access_token", token)]).send().await;
        self.read(asked.map_err(endpoint::unreachable)).await
    }

    async fn send(&self, from: &str, to: &MailAddress) -> Result<String, Trouble> {
        let odd = |_| Trouble::new("the mailbox's address is none that letters can come from", "log in with another");
        let letter = Message::builder()
            .from(from.parse().map_err(odd)?)
            .to(to.as_str().parse().map_err(odd)?)
            .subject("Frontdesk test")
            .body(
                "This letter was sent by frontdeskctl google test. The clinic's receptionist can send mail.\r\n"
                    .to_owned(),
            )
            .map_err(|error| Trouble::new(format!("the letter cannot be written ({error})"), "report it, please"))?;
        let body = json!({ "raw": URL_SAFE_NO_PAD.encode(letter.formatted()) });
        let address = self.gmail_address(&["users", "me", "messages", "send"]);
        self.ask(&self.mail, Method::POST, address, Some(&body)).await?;
        Ok("Google has taken it: look whether it arrives, and not among the spam".to_owned())
    }

    fn gmail_address(&self, path: &[&str]) -> Url {
        let mut address = self.hosts.gmail.clone();
        address.path_segments_mut().expect("hosts are http or https").clear().extend(["gmail", "v1"]).extend(path);
        address
    }

    /// One request; a token that is refused is replaced once.
    async fn ask(&self, access: &Access, method: Method, address: Url, body: Option<&Value>) -> Result<Value, Trouble> {
        let token = access.bearer(None).await.map_err(|error| denied(&error))?;
        let mut answer = self.request(&method, &address, body, &token).await;
        if answer.as_ref().is_ok_and(|answer| answer.status().as_u16() == 401) {
            let another = access.bearer(Some(&token)).await.map_err(|error| denied(&error))?;
            answer = self.request(&method, &address, body, &another).await;
        }
        self.read(answer).await
    }

    async fn request(
        &self,
        method: &Method,
        address: &Url,
        body: Option<&Value>,
        token: &str,
    ) -> Result<Response, Failure> {
        let mut request = self.http.request(method.clone(), address.clone()).bearer_auth(token);
        if let Some(body) = body {
            request = request.json(body);
        }
        request.send().await.map_err(endpoint::unreachable)
    }

    /// The document of a good answer; nothing is one too.
    async fn read(&self, answer: Result<Response, Failure>) -> Result<Value, Trouble> {
        let later = |failure: Failure| match failure {
            Failure::Passing(found) => Trouble::new(found, "try again later"),
            Failure::Refused(refusal) => Trouble::new(refusal.words, "try again later"),
        };
        let answer = answer.map_err(later)?;
        let status = answer.status();
        let body = endpoint::body(answer).await.map_err(later)?;
        let document = serde_json::from_slice(&body).unwrap_or(Value::Null);
        if status.is_success() {
            return Ok(document);
        }
        let (reason, message) = reason(&document);
        Err(self.understood(status.as_u16(), reason, message))
    }

    /// What a refusal means, and what would do.
    fn understood(&self, status: u16, reason: &str, message: &str) -> Trouble {
        let consent = match &self.identity {
            Identity::User { .. } => "run frontdeskctl google login, and leave every box ticked".to_owned(),
            _ => "the Workspace's administrator must delegate this scope to the service account".to_owned(),
        };
        let would_do = match (status, reason) {
            (_, "insufficientPermissions" | "ACCESS_TOKEN_SCOPE_INSUFFICIENT") | (401, _) => consent,
            (_, "accessNotConfigured" | "SERVICE_DISABLED") => {
                "switch the API on in Google's console (APIs & Services, Library)".to_owned()
            }
            (_, "failedPrecondition") => "the account has no mailbox: use one that has".to_owned(),
            (_, "domainPolicy") => "the Workspace's administrator must allow the app to use mail".to_owned(),
            (429 | 500..=599, _) | (_, "rateLimitExceeded" | "userRateLimitExceeded" | "internalError") => {
                "try again later".to_owned()
            }
            (403 | 404, _) => {
                format!("check the calendar's id, and share it with {} (\"Make changes to events\")", self.who())
            }
            _ => "report it, please".to_owned(),
        };
        Trouble::new(printable(&format!("HTTP {status} {reason}: {message}")), would_do)
    }

    /// With whom a clinic shares its calendars.
    fn who(&self) -> String {
        match &self.identity {
            Identity::Service { delegate: Some(who), .. } | Identity::Service { email: who, .. } => who.clone(),
            _ => "the account that has logged in".to_owned(),
        }
    }
}

fn busy_times(number: usize) -> String {
    match number {
        1 => "1 busy time in the next seven days".to_owned(),
        many => format!("{many} busy times in the next seven days"),
    }
}

/// Takes note; `true` if it went well.
fn note(findings: &mut Vec<Finding>, what: &str, outcome: Result<String, Trouble>) -> bool {
    let is_well = outcome.is_ok();
    findings.push(Finding { what: what.to_owned(), outcome });
    is_well
}

fn denied(error: &AccessError) -> Trouble {
    let would_do = match error {
        // They say it themselves.
        AccessError::NeedsConsent(_) | AccessError::Config(_) => "",
        AccessError::Retry { .. } => "try again later",
    };
    Trouble::new(error.to_string(), would_do)
}

/// Reason and message of an error in the classic or the newer shape; what comes from elsewhere has neither.
fn reason(document: &Value) -> (&str, &str) {
    let error = &document["error"];
    let in_details = || error["details"].as_array()?.iter().find_map(|detail| detail["reason"].as_str());
    let reason = error["errors"][0]["reason"].as_str().or_else(in_details).or_else(|| error["status"].as_str());
    (reason.unwrap_or_default(), error["message"].as_str().unwrap_or("no explanation"))
}

/// Google wants times with whole seconds.
fn whole(at: Timestamp) -> String {
    Timestamp::from_second(at.as_second()).unwrap_or(at).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_found_in_either_shape_of_an_error_and_in_none_of_another() {
        let classic = json!({ "error": { "errors": [{ "reason": "notFound" }], "code": 404, "message": "Not Found" } });
        assert_eq!(reason(&classic), ("notFound", "Not Found"));
        let newer = json!({ "error": { "message": "m", "status": "PERMISSION_DENIED",
            "details": [{ "@type": "x" }, { "reason": "SERVICE_DISABLED" }] } });
        assert_eq!(reason(&newer), ("SERVICE_DISABLED", "m"));
        assert_eq!(reason(&json!({ "error": { "status": "UNAVAILABLE" } })), ("UNAVAILABLE", "no explanation"));
        for other in [json!(null), json!("page"), json!({ "error": "x" }), json!([1])] {
            assert_eq!(reason(&other), ("", "no explanation"), "{other}");
        }
    }
}
