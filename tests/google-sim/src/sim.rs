//! The front door: which method a request calls, what it meets there, and who may come in.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use serde_json::Value;
use tokio::sync::Notify;

use crate::{
    calendar::{self, Calendars},
    clock::Clock,
    control,
    discovery::{Call, Documents},
    error::ApiError,
    exchange::{Answer, Request},
    fault::{Accident, Failure, Faults},
    fields,
    gmail::{self, Mailbox, SentMail},
    oauth::{self, Grants, Key, Token},
    schema,
    settings::{Consent, Settings},
};

/// A request that came, control excepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// `calendar.events.insert`, `oauth.token`; `unknown` when nothing is at its path.
    pub method: String,
    /// `GET`, `POST`.
    pub verb: String,
    /// The path and the query.
    pub path: String,
    /// What was answered; none: the connection was cut.
    pub status: Option<u16>,
}

/// What all requests share.
pub(crate) struct Sim {
    pub(crate) settings: Settings,
    /// `http://127.0.0.1:PORT`.
    pub(crate) base: String,
    pub(crate) documents: Documents,
    pub(crate) clock: Clock,
    pub(crate) key: Key,
    /// Told of everything that changes.
    pub(crate) changed: Notify,
    state: Mutex<State>,
}

/// What changes.
pub(crate) struct State {
    pub(crate) faults: Faults,
    pub(crate) grants: Grants,
    pub(crate) consent: Consent,
    pub(crate) calendars: Calendars,
    pub(crate) mailboxes: BTreeMap<String, Mailbox>,
    pub(crate) sent: Vec<SentMail>,
    pub(crate) seen: Vec<Seen>,
}

/// What a method answers, before it is checked.
#[derive(Debug)]
pub(crate) enum Reply {
    Body(Value),
    Empty,
    NotModified,
}

impl Reply {
    pub(crate) fn body(value: Value) -> Self {
        Self::Body(value)
    }
}

/// Where a request leads.
enum Route<'a> {
    Consent,
    Token,
    TokenInfo,
    Revoke,
    Discovery(String, String),
    Method(Call<'a>),
    Nowhere,
}

impl Sim {
    /// Errors: a calendar's zone is unknown.
    pub(crate) fn new(settings: Settings, base: String) -> Result<Self, String> {
        let mut faults = Faults::default();
        settings.faults.iter().cloned().for_each(|fault| faults.add(fault));
        let state = State {
            faults,
            grants: Grants::default(),
            consent: settings.consent.clone(),
            calendars: Calendars::new(&settings.calendars, &settings.user, &settings.service_account)?,
            mailboxes: BTreeMap::new(),
            sent: Vec::new(),
            seen: Vec::new(),
        };
        Ok(Self {
            settings,
            base,
            documents: Documents::load(),
            clock: Clock::default(),
            key: Key::load(),
            changed: Notify::new(),
            state: Mutex::new(state),
        })
    }

    #[cfg(test)]
    pub(crate) fn for_tests(settings: Settings) -> Self {
        Self::new(settings, "http://127.0.0.1:1".to_owned()).unwrap()
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers a request, and says what happens to the answer on its way.
    pub(crate) fn answer(&self, request: &Request) -> (Answer, Option<Accident>) {
        if request.path.starts_with("/sim/") {
            return (control::handle(self, request), None);
        }
        let route = self.route(request);
        let method = route.name();
        let failure = self.state().faults.take(method);
        let (answer, accident) = self.meet(request, &route, failure.as_ref());
        let cut = accident == Some(Accident::Cut);
        let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(&request.query).finish();
        let path = if query.is_empty() { request.path.clone() } else { format!("{}?{query}", request.path) };
        let seen = Seen {
            method: method.to_owned(),
            verb: request.method.clone(),
            path,
            status: (!cut).then_some(answer.status),
        };
        log::info!("{} {method}: {}", seen.verb, seen.status.map_or("cut".to_owned(), |status| status.to_string()));
        self.state().seen.push(seen);
        self.changed.notify_waiters();
        (answer, accident)
    }

    fn meet(&self, request: &Request, route: &Route<'_>, failure: Option<&Failure>) -> (Answer, Option<Accident>) {
        let Some(failure) = failure else {
            return (self.process(request, route), None);
        };
        if *failure == Failure::CutBefore {
            return (Answer::empty(500), Some(Accident::Cut));
        }
        let until = calendar::with_millis(self.clock.after(failure.pause()));
        match failure.answer(route.name(), &until) {
            Some(answer) => (answer, None),
            None => (self.process(request, route), failure.accident()),
        }
    }

    fn route(&self, request: &Request) -> Route<'_> {
        let path = request.path.as_str();
        let document = || {
            let (api, version) = path.strip_prefix("/discovery/v1/apis/")?.strip_suffix("/rest")?.split_once('/')?;
            Some(Route::Discovery(api.to_owned(), version.to_owned()))
        };
        match (request.method.as_str(), path) {
            ("GET", "/o/oauth2/v2/auth" | "/o/oauth2/auth") => Route::Consent,
            ("POST", "/token") => Route::Token,
            ("GET" | "POST", "/tokeninfo") => Route::TokenInfo,
            ("GET" | "POST", "/revoke") => Route::Revoke,
            ("GET", "/$discovery/rest") => {
                let version = request.query("version").unwrap_or_default();
                // On Google's hosts the name of the interface is the host's.
                let api = if version == "v1" { "gmail" } else { "calendar" };
                Route::Discovery(request.query("api").unwrap_or(api).to_owned(), version.to_owned())
            }
            ("GET", path) if path.starts_with("/discovery/") => document().unwrap_or(Route::Nowhere),
            (verb, path) => self.documents.find(verb, path).map_or(Route::Nowhere, Route::Method),
        }
    }

    fn process(&self, request: &Request, route: &Route<'_>) -> Answer {
        match route {
            Route::Consent => oauth::consent(self, request),
            Route::Token => oauth::token(self, request),
            Route::TokenInfo => oauth::token_info(self, request),
            Route::Revoke => oauth::revoke(self, request),
            Route::Discovery(api, version) => match self.documents.served(api, version, &self.base) {
                Some(document) => Answer::json(200, &document),
                None => ApiError::not_found().answer(),
            },
            Route::Method(call) => self.call(call, request).unwrap_or_else(|error| error.answer()),
            Route::Nowhere => {
                log::warn!("nothing is simulated at {} {}", request.method, request.path);
                Answer::html(404, "<!DOCTYPE html><html><title>Error 404 (Not Found)!!1</title></html>")
            }
        }
    }

    fn call(&self, call: &Call<'_>, request: &Request) -> Result<Answer, ApiError> {
        let token = self.admit(call, request)?;
        schema::query(call, request)?;
        let body = if call.upload {
            if request.body.len() > call.most_uploaded() {
                return Err(ApiError::new(413, "uploadTooLarge", "Request Entity Too Large").modern());
            }
            Value::Null
        } else {
            schema::body(call, request)?
        };
        let reply = match (call.api.name(), token) {
            ("oauth2", None) => Reply::Body(oauth::api_token_info(self, request)?),
            ("oauth2", Some(token)) => Reply::Body(oauth::api_user_info(&token)),
            ("gmail", Some(token)) => gmail::handle(self, &mut self.state(), call, request, &token, &body)?,
            (_, Some(token)) => calendar::handle(self, &mut self.state(), call, request, &token, body)?,
            (_, None) => return Err(ApiError::login_required()),
        };
        finish(call, request, reply)
    }

    /// Who comes, if the method may be called with that token; nobody in particular where no scope is needed.
    fn admit(&self, call: &Call<'_>, request: &Request) -> Result<Option<Token>, ApiError> {
        let scopes = call.scopes();
        if scopes.is_empty() {
            return Ok(None);
        }
        let bearer = request.header("authorization").ok_or_else(ApiError::login_required)?;
        let name = bearer.strip_prefix("Bearer ").ok_or_else(ApiError::credentials)?;
        let token = self.state().grants.token(name, self.clock.now()).cloned().ok_or_else(ApiError::credentials)?;
        if !scopes.iter().any(|scope| token.scopes.contains(*scope)) {
            return Err(ApiError::scope(call.api.service(), call.id()));
        }
        Ok(Some(token))
    }
}

/// An answer holds what its schema knows, and nothing else.
fn finish(call: &Call<'_>, request: &Request, reply: Reply) -> Result<Answer, ApiError> {
    let body = match reply {
        Reply::Empty => return Ok(Answer::empty(204)),
        Reply::NotModified => return Ok(Answer::empty(304)),
        Reply::Body(body) => body,
    };
    let misfit = call.response().and_then(|schema| call.api.schemas().fits(schema, &body).err());
    if let Some(misfit) = misfit {
        log::error!("google-sim answers {} against its own schema: {misfit}", call.id());
        return Err(ApiError::new(500, "simulatorDefect", format!("google-sim is wrong: {misfit}")));
    }
    let etag = body["etag"].as_str().map(str::to_owned);
    let shown = match request.query("fields") {
        Some(selector) => fields::select(selector, &body)?,
        None => body,
    };
    let answer = Answer::json(200, &shown);
    Ok(match etag {
        Some(etag) => answer.with("etag", etag),
        None => answer,
    })
}

impl Route<'_> {
    fn name(&self) -> &str {
        match self {
            Self::Consent => "oauth.auth",
            Self::Token => "oauth.token",
            Self::TokenInfo => "oauth.tokeninfo",
            Self::Revoke => "oauth.revoke",
            Self::Discovery(..) => "discovery",
            Self::Method(call) => call.id(),
            Self::Nowhere => "unknown",
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::*;

    const SCOPES: [&str; 2] = ["https://www.googleapis.com/auth/calendar", "https://mail.google.com/"];
    const PLACES: [(&str, &str); 20] = [
        ("GET", "/o/oauth2/v2/auth"),
        ("POST", "/token"),
        ("POST", "/tokeninfo"),
        ("POST", "/revoke"),
        ("GET", "/discovery/v1/apis/calendar/v3/rest"),
        ("GET", "/calendar/v3/calendars/primary"),
        ("GET", "/calendar/v3/users/me/calendarList"),
        ("POST", "/calendar/v3/users/me/calendarList"),
        ("POST", "/calendar/v3/freeBusy"),
        ("GET", "/calendar/v3/calendars/primary/events"),
        ("POST", "/calendar/v3/calendars/primary/events"),
        ("PATCH", "/calendar/v3/calendars/primary/events/bk001"),
        ("PUT", "/calendar/v3/calendars/primary/events/bk001"),
        ("POST", "/gmail/v1/users/me/messages/send"),
        ("POST", "/upload/gmail/v1/users/me/messages/send"),
        ("POST", "/gmail/v1/users/me/drafts"),
        ("POST", "/gmail/v1/users/me/drafts/send"),
        ("GET", "/gmail/v1/users/me/messages"),
        ("POST", "/sim/faults"),
        ("POST", "/sim/staff/add"),
    ];
    const PARAMETERS: [&str; 14] = [
        "timeMin",
        "timeMax",
        "timeZone",
        "maxResults",
        "pageToken",
        "syncToken",
        "q",
        "fields",
        "privateExtendedProperty",
        "singleEvents",
        "orderBy",
        "calendar",
        "redirect_uri",
        "format",
    ];
    /// Values that get somewhere, beside those that do not.
    const WORDS: [&str; 9] = [
        "true",
        "startTime",
        "2026-12-01T09:00:00Z",
        "2026-12-01",
        "bk001",
        "primary",
        "Europe/London",
        "7",
        "9999-12-31T23:59:59Z",
    ];

    fn word() -> impl Strategy<Value = String> {
        prop_oneof![prop::sample::select(&WORDS[..]).prop_map(str::to_owned), ".{0,20}"]
    }

    /// Events with times, rules and properties that may mean anything.
    fn body() -> impl Strategy<Value = String> {
        let rule = prop_oneof![
            Just("RRULE:FREQ=WEEKLY;COUNT=3".to_owned()),
            "RRULE:FREQ=(DAILY|WEEKLY)(;INTERVAL=[0-9]{1,4})?(;UNTIL=[0-9]{8})?",
            ".{0,20}",
        ];
        let event = (word(), word(), word(), rule).prop_map(|(start, end, zone, rule)| {
            let side = |text: String| serde_json::json!({ "dateTime": text, "timeZone": zone });
            let event = serde_json::json!({
                "id": "bk001", "start": side(start.clone()), "end": side(end.clone()), "recurrence": [rule],
            });
            event.to_string()
        });
        let days = ("[0-9]{4}-12-[0-3][0-9]", "[0-9]{4}-12-[0-3][0-9]").prop_map(|(start, end)| {
            serde_json::json!({ "id": "bk001", "start": { "date": start }, "end": { "date": end } }).to_string()
        });
        let form = (word(), word()).prop_map(|(code, verifier)| {
            format!("grant_type=authorization_code&code={code}&code_verifier={verifier}&client_id=x&client_secret=y")
        });
        let raw = "[A-Za-z0-9_=-]{0,40}"
            .prop_map(|raw| format!("{{\"raw\": \"{raw}\", \"message\": {{\"raw\": \"{raw}\"}}}}"));
        prop_oneof![event, days, form, raw, ".{0,60}"]
    }

    fn request() -> impl Strategy<Value = Request> {
        let query = prop::collection::vec((prop::sample::select(&PARAMETERS[..]), word()), 0..4);
        let kind =
            prop::sample::select(&["application/json", "application/x-www-form-urlencoded", "message/rfc822"][..]);
        (prop::sample::select(&PLACES[..]), query, body(), kind).prop_map(|((verb, path), query, body, kind)| Request {
            method: verb.to_owned(),
            path: path.to_owned(),
            query: query.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
            headers: [(http::header::CONTENT_TYPE, http::HeaderValue::from_static(kind))].into_iter().collect(),
            body: Bytes::from(body),
        })
    }

    proptest! {
        #[test]
        fn no_requests_make_the_simulator_panic_or_answer_against_its_schema(
            requests in prop::collection::vec(request(), 1..12),
        ) {
            let sim = Sim::for_tests(Settings::default());
            let token = sim.token_for(&sim.settings.user, &SCOPES);
            let bearer = http::HeaderValue::try_from(format!("Bearer {token}")).unwrap();
            for mut request in requests {
                request.headers.insert(http::header::AUTHORIZATION, bearer.clone());
                let (answer, _) = sim.answer(&request);
                let defect = answer.body.windows(15).any(|part| part == b"simulatorDefect");
                prop_assert!(!defect, "{request:?}");
                // As long as a fault does not say so, nothing here is a failure of the server.
                sim.state().faults.clear();
                prop_assert!(matches!(answer.status, 200..=499 | 501), "{request:?}: {answer:?}");
            }
        }
    }
}
