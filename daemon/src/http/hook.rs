//! Twilio's webhooks: checked before anything else, answered from memory in a millisecond.
//!
//! An unsigned request learns nothing and leaves nothing but a count. What a signed one asks is decided by
//! [`Calls::admit`](crate::phone::calls::Calls::admit); the model is connected while Twilio is still fetching the answer.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use frontdesk_core::session::effect::EndReason;
use frontdesk_core::twilio::sid::{AccountSid, CallSid};
use frontdesk_core::twilio::twiml::{self, StreamTarget};
use frontdesk_core::twilio::webhook::{
    DialRequest, Form, RecordingRequest, RecordingStatus, StatusRequest, StreamEvent, StreamRequest, VoiceRequest,
    WebhookError,
};
use jiff::Timestamp;
use log::{info, warn};
use serde_json::json;

use super::{header_text, unsigned};
use crate::conversation::running::Busy;
use crate::logging::Event;
use crate::phone::calls::{Admission, Command, Refusal};
use crate::phone::ended::{Ended, NOT_TAKEN};
use crate::phone::line::PhoneLine;
use crate::phone::paths;
use crate::store;

/// Twilio's requests are a few kilobytes.
const MAX_BODY: usize = 64 << 10;
/// A body that has not arrived by then is not waited for.
const BODY_WITHIN: Duration = Duration::from_secs(5);

type Line = State<Arc<PhoneLine>>;

/// `POST /twilio/voice`
pub async fn voice(State(line): Line, request: Request) -> Response {
    let began = Instant::now();
    let (outcome, response) = answer_voice(&line, began, request).await;
    line.metrics.webhook("voice", outcome, began.elapsed());
    response
}

async fn answer_voice(line: &Arc<PhoneLine>, now: Instant, request: Request) -> (&'static str, Response) {
    let query = request.uri().query().map(str::to_owned);
    let body = match signed_body(line, request).await {
        Ok(body) => body,
        Err(status) => return ("refused", status.into_response()),
    };
    let Ok(form) = body.form() else { return ("malformed", StatusCode::BAD_REQUEST.into_response()) };
    match VoiceRequest::parse(&form) {
        Ok(voice) if voice.account_sid == line.settings.take().phone.account_sid => {
            answer_call(line, now, &voice, query.as_deref())
        }
        Ok(_) => ("foreign-account", StatusCode::FORBIDDEN.into_response()),
        Err(error) => answer_unreadable(line, &form, &error),
    }
}

/// Whoever is calling does not care that we do not know the call: any answer but a document would be read to the caller
/// as an application error.
fn answer_unreadable(line: &PhoneLine, form: &Form<'_>, error: &WebhookError) -> (&'static str, Response) {
    warn!("a signed voice webhook makes no sense: {error}");
    if form.get("AccountSid") == Some(line.settings.take().phone.account_sid.as_str()) {
        ("malformed", fall_back(line, None))
    } else {
        ("malformed", StatusCode::BAD_REQUEST.into_response())
    }
}

fn answer_call(
    line: &Arc<PhoneLine>,
    now: Instant,
    voice: &VoiceRequest,
    query: Option<&str>,
) -> (&'static str, Response) {
    let call = voice.call_sid;
    let settings = line.settings.take();
    if voice.is_our_own_dial(&settings.phone.number) {
        warn!(call_sid = call.as_str(); "phone.fallback_number forwards to us: our own dial came back and is told that we are busy");
        return ("own-dial", xml(twiml::reject_busy()));
    }
    let live_id = PhoneLine::live_id();
    let clock = (line.clock)();
    match line.calls.admit(now, call, &voice.from, &live_id, settings.phone.max_calls) {
        Ok(Admission::New { token, commands, view }) => {
            announce(line, clock.civil(now), voice);
            line.metrics.call_started();
            info!(event:% = Event::CallStarted, call_sid = call.as_str(), live_id = live_id.as_str(); "call {}", origin(voice));
            let asked = settings.asked_persona(&call, query);
            line.start(&settings, voice, asked.as_ref(), live_id, clock, (commands, view));
            ("answered", stream_to(line, voice, &token))
        }
        Ok(Admission::Again { token }) => {
            info!(call_sid = call.as_str(); "a webhook was repeated: the same call with a fresh stream");
            ("again", stream_to(line, voice, &token))
        }
        Err(Refusal::Ended(ended)) => answer_ended(line, voice, ended),
        Err(refusal) => {
            announce(line, clock.civil(now), voice);
            let why = refusal_word(line, refusal);
            warn!(event:% = Event::CallDiverted, call_sid = call.as_str(); "call {} sent to the fallback: {why}", origin(voice));
            let at = clock.civil(now);
            let reason = Cow::Owned(format!("{NOT_TAKEN}: {why}"));
            line.store.record(store::Record::CallEnded { call: call.into(), at, reason });
            (why, fall_back(line, Some(voice)))
        }
    }
}

/// Why a call is not taken. A clock that is wrong keeps the model away like an outage, and is mended otherwise.
fn refusal_word(line: &PhoneLine, refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::Busy(Busy::ModelDown) if line.calls.conversations().health().waits_for_clock() => "clock-not-set",
        refusal => refusal.as_str(),
    }
}

/// The answer to a webhook of a call that has ended, whether it is repeated, late or replayed.
fn answer_ended(line: &PhoneLine, voice: &VoiceRequest, ended: Ended) -> (&'static str, Response) {
    let call = voice.call_sid;
    match ended {
        Ended::Left => {
            info!(call_sid = call.as_str(); "a webhook was repeated: the call is sent to the fallback again");
            ("again", fall_back(line, Some(voice)))
        }
        Ended::Over | Ended::Unseen => {
            info!(call_sid = call.as_str(); "a webhook of a call that has ended was answered with a hang-up");
            ("ended", xml(twiml::hang_up()))
        }
    }
}

fn announce(line: &PhoneLine, at: Timestamp, voice: &VoiceRequest) {
    line.store.record(store::Record::CallStarted {
        call: voice.call_sid.into(),
        account: voice.account_sid,
        direction: voice.direction.clone(),
        caller: voice.from.clone(),
        callee: voice.to.clone(),
        at,
    });
}

fn stream_to(line: &PhoneLine, voice: &VoiceRequest, token: &str) -> Response {
    let settings = line.settings.take();
    let public = &settings.phone.public_url;
    let socket = public.replacen("http", "ws", 1);
    let url = format!("{socket}{}{token}", paths::MEDIA);
    let status = format!("{public}{}", paths::STREAM);
    let target = StreamTarget { url: &url, parameters: &[("token", token)], status_callback: Some(&status) };
    match twiml::answer(&target, settings.fallback.behind_stream(settings.was_forwarded(voice))) {
        Ok(document) => xml(document),
        Err(error) => {
            warn!("the answer to a call could not be written: {error}");
            fall_back(line, Some(voice))
        }
    }
}

fn fall_back(line: &PhoneLine, voice: Option<&VoiceRequest>) -> Response {
    let settings = line.settings.take();
    let document = if voice.is_some_and(|voice| settings.was_forwarded(voice)) {
        settings.fallback.voicemail()
    } else {
        settings.fallback.at_once(!line.calls.conversations().is_draining())
    };
    xml(document.to_owned())
}

/// The document for a caller whom nobody answered.
fn voicemail_for(line: &PhoneLine) -> Response {
    xml(line.settings.take().fallback.voicemail().to_owned())
}

/// Whence a call comes, masked.
fn origin(voice: &VoiceRequest) -> String {
    let forwarded = voice.forwarded_from.as_ref().map(|line| format!(", forwarded by {line}"));
    format!("from {}{}", voice.from, forwarded.unwrap_or_default())
}

/// `POST /twilio/status`: closes the record of every call, whatever became of it.
pub async fn status(State(line): Line, request: Request) -> Response {
    let began = Instant::now();
    let read = |form: &Form<'_>| StatusRequest::parse(form).map(|status| (status.account_sid, status));
    let outcome = notification(&line, request, read).await;
    line.metrics.webhook("status", outcome.as_ref().map_or_else(Untold::word, |_| "taken"), began.elapsed());
    match outcome {
        Err(untold) => untold.into_response(),
        Ok(status) => {
            on_status(&line, began, &status);
            StatusCode::NO_CONTENT.into_response()
        }
    }
}

fn on_status(line: &PhoneLine, now: Instant, status: &StatusRequest) {
    let call = status.call_sid;
    info!(call_sid = call.as_str(); "Twilio says: {}", status.status.as_str());
    if status.has_failed() {
        on_failure(line, now, status);
    }
    if status.status.is_final() {
        line.calls.ask(&call, Command::Stop(EndReason::CallerLeft));
        line.calls.ended_at_twilio(call);
    }
    // A call whose webhook never reached us has no record to close, and that is no fault of the store.
    if !line.calls.has_come(&call) {
        return info!(call_sid = call.as_str(); "that call never came to us");
    }
    line.store.record(store::Record::TwilioStatus {
        call: call.into(),
        at: (line.clock)().civil(now),
        status: status.status.clone(),
        sequence: status.sequence,
        duration: status.duration,
    });
}

/// Whoever looks for the reason finds Twilio's and the carrier's codes in the log and in the call's record.
fn on_failure(line: &PhoneLine, now: Instant, status: &StatusRequest) {
    let (call, word) = (status.call_sid, status.status.as_str());
    let code = |code: Option<u32>| code.map_or_else(|| "none".to_owned(), |code| code.to_string());
    let (error, sip) = (code(status.error_code), code(status.sip_code.map(u32::from)));
    warn!(call_sid = call.as_str(); "the call went wrong at Twilio: {word}, error code {error}, SIP code {sip}");
    let detail = json!({ "status": word, "error_code": status.error_code, "sip_code": status.sip_code });
    note(line, now, call, "call-failed", detail);
}

/// `POST /twilio/stream`: the only place where Twilio explains a stream that it could not connect.
pub async fn stream(State(line): Line, request: Request) -> Response {
    let began = Instant::now();
    let read = |form: &Form<'_>| StreamRequest::parse(form).map(|stream| (stream.account_sid, stream));
    let outcome = notification(&line, request, read).await;
    line.metrics.webhook("stream", outcome.as_ref().map_or_else(Untold::word, |_| "taken"), began.elapsed());
    match outcome {
        Err(untold) => untold.into_response(),
        Ok(stream) => {
            on_stream(&line, began, &stream);
            StatusCode::NO_CONTENT.into_response()
        }
    }
}

fn on_stream(line: &PhoneLine, now: Instant, stream: &StreamRequest) {
    if let StreamEvent::Error(error) = &stream.event {
        let call = stream.call_sid;
        warn!(call_sid = call.as_str(); "Twilio could not stream the call: {error}");
        note(line, now, call, "stream-error", json!({ "detail": error }));
    }
}

/// `POST /twilio/after`: the fallback number has been rung. Whoever reached nobody there may leave a message. Behind whoever
/// is on call for danger to life, the fallback number is rung first.
pub async fn after(State(line): Line, request: Request) -> Response {
    let began = Instant::now();
    let on_call = request.uri().path_and_query().is_some_and(|asked| asked.as_str() == paths::AFTER_ON_CALL);
    let read = |form: &Form<'_>| DialRequest::parse(form).map(|dial| (dial.account_sid, dial));
    let told = notification(&line, request, read).await;
    let outcome = told.as_ref().map_or_else(Untold::word, dial_word);
    line.metrics.webhook("after", outcome, began.elapsed());
    match told {
        // Whoever waits for the answer has not spoken with anybody, as far as can be told.
        Err(Untold::Malformed) => voicemail_for(&line),
        Err(untold) => untold.into_response(),
        Ok(dial) => {
            on_dial(&line, began, &dial);
            match (dial.bridged, on_call) {
                (true, _) => xml(twiml::hang_up()),
                (false, true) => fall_back(&line, None),
                (false, false) => voicemail_for(&line),
            }
        }
    }
}

fn dial_word(dial: &DialRequest) -> &'static str {
    if dial.bridged { "reached" } else { "voicemail" }
}

fn on_dial(line: &PhoneLine, now: Instant, dial: &DialRequest) {
    let (call, status) = (dial.call_sid, dial.status.as_str());
    if dial.bridged {
        info!(call_sid = call.as_str(); "the caller has spoken with the number that was dialled for them");
    } else {
        warn!(call_sid = call.as_str(); "nobody was reached at the number that was dialled for the caller: {status}");
    }
    note(line, now, call, "fallback-dial", json!({ "status": status, "reached": dial.bridged }));
}

/// `POST /twilio/voicemail`: a message was left, then its file is ready.
pub async fn voicemail(State(line): Line, request: Request) -> Response {
    let began = Instant::now();
    let read = |form: &Form<'_>| RecordingRequest::parse(form).map(|recording| (recording.account_sid, recording));
    let outcome = notification(&line, request, read).await;
    line.metrics.webhook("voicemail", outcome.as_ref().map_or_else(Untold::word, |_| "taken"), began.elapsed());
    match outcome {
        // The caller may be waiting for it, and has left the message.
        Err(Untold::Malformed) => xml(twiml::hang_up()),
        Err(untold) => untold.into_response(),
        Ok(recording) => {
            on_recording(&line, began, &recording);
            if recording.status == RecordingStatus::Recorded {
                xml(twiml::hang_up())
            } else {
                StatusCode::NO_CONTENT.into_response()
            }
        }
    }
}

fn on_recording(line: &PhoneLine, now: Instant, recording: &RecordingRequest) {
    let call = recording.call_sid;
    info!(call_sid = call.as_str(); "voicemail: {:?}", recording.status);
    let detail = json!({
        "recording_sid": recording.recording_sid.as_str(),
        "url": recording.url,
        "seconds": recording.duration.map(|duration| duration.as_secs()),
        "status": format!("{:?}", recording.status).to_lowercase(),
    });
    note(line, now, call, "voicemail", detail);
}

/// Adds to the record of a call, if it has one: a request that could not be read has none, and its caller may still have
/// been rung through or left a message.
fn note(line: &PhoneLine, now: Instant, call: CallSid, kind: &'static str, detail: serde_json::Value) {
    if line.calls.has_come(&call) {
        let event = store::Event { at: (line.clock)().civil(now), kind: kind.into(), detail };
        line.store.record(store::Record::Event { call: call.into(), event });
    }
}

/// The body of a request whose signature holds.
struct Signed(axum::body::Bytes);

impl Signed {
    /// It could be read when its signature was checked.
    fn form(&self) -> Result<Form<'_>, WebhookError> {
        Form::parse(&self.0)
    }
}

/// Why a notification was not taken.
enum Untold {
    /// Nothing says that it is Twilio's.
    Refused(StatusCode),
    /// It is about somebody else's calls.
    ForeignAccount,
    /// It is Twilio's, and we do not understand it.
    Malformed,
}

impl Untold {
    /// The word for the metrics.
    fn word(&self) -> &'static str {
        match self {
            Self::Refused(_) => "refused",
            Self::ForeignAccount => "foreign-account",
            Self::Malformed => "malformed",
        }
    }
}

impl IntoResponse for Untold {
    fn into_response(self) -> Response {
        match self {
            Self::Refused(status) => status.into_response(),
            Self::ForeignAccount => StatusCode::FORBIDDEN.into_response(),
            Self::Malformed => StatusCode::BAD_REQUEST.into_response(),
        }
    }
}

/// Reads a signed notification of our account.
async fn notification<T>(
    line: &PhoneLine,
    request: Request,
    read: impl FnOnce(&Form<'_>) -> Result<(AccountSid, T), WebhookError>,
) -> Result<T, Untold> {
    let path = request.uri().path().to_owned();
    let body = signed_body(line, request).await.map_err(Untold::Refused)?;
    let told = body.form().map_err(|error| error.field()).and_then(|form| read(&form).map_err(|error| error.field()));
    match told {
        Ok((account, told)) if account == line.settings.take().phone.account_sid => Ok(told),
        Ok(_) => Err(Untold::ForeignAccount),
        Err(field) => {
            // Values may be anybody's number; Twilio's debugger shows them.
            warn!("a signed request to {path} was not understood: {field} is missing or of an unknown kind");
            Err(Untold::Malformed)
        }
    }
}

/// Reads the body and checks the signature over it and the address that Twilio was given, never over one that the
/// request claims.
async fn signed_body(line: &PhoneLine, request: Request) -> Result<Signed, StatusCode> {
    let (parts, body) = request.into_parts();
    // Without a signature there is nothing to read a body for.
    let Some(signature) = header_text(&parts.headers, "x-twilio-signature") else {
        return Err(unsigned("webhook"));
    };
    let body = read(body).await?;
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    let url = format!("{}{path}", line.settings.take().phone.public_url);
    let form = Form::parse(&body).map_err(|_| StatusCode::FORBIDDEN)?;
    let settings = header_text(&parts.headers, "x-twilio-webhooks-signature-settings");
    line.checker.check_form(&url, form.pairs(), Some(signature), settings).map_err(|_| unsigned("webhook"))?;
    drop(form);
    Ok(Signed(body))
}

async fn read(body: Body) -> Result<axum::body::Bytes, StatusCode> {
    match tokio::time::timeout(BODY_WITHIN, to_bytes(body, MAX_BODY)).await {
        Ok(Ok(body)) => Ok(body),
        Ok(Err(_)) => Err(StatusCode::PAYLOAD_TOO_LARGE),
        Err(_) => Err(StatusCode::REQUEST_TIMEOUT),
    }
}

fn xml(document: String) -> Response {
    ([(header::CONTENT_TYPE, "text/xml")], document).into_response()
}
