//! The form posts with which Twilio reports a call, as typed requests.
//!
//! Twilio adds parameters without notice, so a request takes what we act on from an open [`Form`] and ignores the
//! rest; the signature covers it all. Check it on [`Form::pairs`] before reading a request.

use std::time::Duration;

use super::number::{CallerId, PhoneNumber};
use super::sid::{AccountSid, CallSid, RecordingSid, StreamSid};

use super::form::shortened;
pub use super::form::{Form, MAX_BODY_BYTES, WebhookError};

/// Who started a call. A word that Twilio invents tomorrow is kept for the record: no caller is to hear of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Somebody called our number.
    Inbound,
    /// We called, through the REST API.
    OutboundApi,
    /// A leg that a `<Dial>` of ours started.
    OutboundDial,
    /// Another word, shortened.
    Other(Box<str>),
}

impl Direction {
    /// The word that Twilio uses, also for the call record.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Inbound => "inbound",
            Self::OutboundApi => "outbound-api",
            Self::OutboundDial => "outbound-dial",
            Self::Other(word) => word,
        }
    }

    fn read(word: &str) -> Self {
        let known = [Self::Inbound, Self::OutboundApi, Self::OutboundDial];
        let found = known.into_iter().find(|direction| direction.as_str() == word);
        found.unwrap_or_else(|| Self::Other(shortened::<String>(word).into()))
    }
}

/// How far a call has come. Five of them are final: nothing that arrives later may replace them.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum CallStatus {
    /// Accepted, waiting for its turn to be dialled.
    Queued,
    /// Being dialled.
    Initiated,
    /// The other side is being alerted; also an inbound call that we have not answered yet.
    Ringing,
    /// Answered, by anyone.
    InProgress,
    /// Answered, and ended normally.
    Completed,
    /// The line was busy.
    Busy,
    /// The ring time ran out.
    NoAnswer,
    /// It could not be set up: wrong number, blocked, TwiML or carrier failure.
    Failed,
    /// Stopped by us before it was answered.
    Canceled,
    /// A word that is not known, shortened: kept for the record, and taken for no end.
    Other(Box<str>),
}

impl CallStatus {
    const ALL: [Self; 9] = [
        Self::Queued,
        Self::Initiated,
        Self::Ringing,
        Self::InProgress,
        Self::Completed,
        Self::Busy,
        Self::NoAnswer,
        Self::Failed,
        Self::Canceled,
    ];

    /// Reads Twilio's word, also from a call record. It cannot fail.
    pub fn read(word: &str) -> Self {
        let found = Self::ALL.into_iter().find(|status| status.as_str() == word);
        found.unwrap_or_else(|| Self::Other(shortened::<String>(word).into()))
    }

    /// The word that Twilio uses, also for the call record.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Queued => "queued",
            Self::Initiated => "initiated",
            Self::Ringing => "ringing",
            Self::InProgress => "in-progress",
            Self::Completed => "completed",
            Self::Busy => "busy",
            Self::NoAnswer => "no-answer",
            Self::Failed => "failed",
            Self::Canceled => "canceled",
            Self::Other(word) => word,
        }
    }

    /// The call is over.
    pub fn is_final(&self) -> bool {
        matches!(self, Self::Completed | Self::Busy | Self::NoAnswer | Self::Failed | Self::Canceled)
    }
}

/// A call wants to know what to do: the voice webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VoiceRequest {
    /// This leg. Retries of the request repeat it: answer them with the same session.
    pub call_sid: CallSid,
    /// Compare with the configured account.
    pub account_sid: AccountSid,
    /// Who calls, as a hint.
    pub from: CallerId,
    /// The number that was called; `None` when the call came by SIP or from a browser.
    pub to: Option<PhoneNumber>,
    /// Who started the call.
    pub direction: Direction,
    /// The line that forwarded the call here, as some carriers tell it. A hint for wording and statistics: it is
    /// often missing, and some carriers send it on direct calls.
    pub forwarded_from: Option<PhoneNumber>,
}

impl VoiceRequest {
    /// Reads the request from a form whose signature has been checked. Nothing but the identifiers is insisted on:
    /// whoever calls does not care how a parameter is spelt.
    pub fn parse(form: &Form<'_>) -> Result<Self, WebhookError> {
        Ok(Self {
            call_sid: form.sid("CallSid")?,
            account_sid: form.sid("AccountSid")?,
            from: CallerId::parse(form.get("From").unwrap_or_default()),
            to: form.number("To"),
            direction: Direction::read(form.get("Direction").unwrap_or("unknown")),
            forwarded_from: form.number("ForwardedFrom"),
        })
    }

    /// Whether this is a dial of ours that comes back: `number` is the caller ID that we show when we ring the fallback
    /// number, and that line forwards to us while it is engaged. `ForwardedFrom` does not tell: it has been seen to hold
    /// the called number itself on every call of an account.
    pub fn is_our_own_dial(&self, number: &PhoneNumber) -> bool {
        self.direction != Direction::OutboundApi && self.from.number() == Some(number)
    }

    /// Whether the call was made or forwarded by `line`, as far as carriers tell: ringing it would bring the call back.
    pub fn comes_from(&self, line: &PhoneNumber) -> bool {
        self.from.number() == Some(line) || self.forwarded_from.as_ref() == Some(line)
    }
}

/// A call has moved on: the status callback.
///
/// Requests are independent of each other and may overtake one another: order them by `sequence`, and let none
/// replace a final status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusRequest {
    /// The call.
    pub call_sid: CallSid,
    /// Compare with the configured account.
    pub account_sid: AccountSid,
    /// How far the call has come.
    pub status: CallStatus,
    /// How long the call was connected; only with a final status.
    pub duration: Option<Duration>,
    /// Counts the events of a call from 0; absent in the callback of a number.
    pub sequence: Option<u32>,
    /// The carrier's answer, for example 486 when busy; only with a final status.
    pub sip_code: Option<u16>,
    /// Twilio's error code, if something failed.
    pub error_code: Option<u32>,
}

impl StatusRequest {
    /// Reads the request from a form whose signature has been checked.
    pub fn parse(form: &Form<'_>) -> Result<Self, WebhookError> {
        Ok(Self {
            call_sid: form.sid("CallSid")?,
            account_sid: form.sid("AccountSid")?,
            status: CallStatus::read(form.required("CallStatus")?),
            // Not `Duration`: that one counts the minutes that are billed.
            duration: form.count("CallDuration")?.map(Duration::from_secs),
            sequence: form.count("SequenceNumber")?,
            sip_code: form.count("SipResponseCode")?,
            error_code: form.count("ErrorCode")?,
        })
    }

    /// Something went wrong, as against a caller who hung up, or a line that was busy.
    pub fn has_failed(&self) -> bool {
        self.status == CallStatus::Failed || self.error_code.is_some()
    }
}

/// How a `<Dial>` to a human ended: the request to its `action`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DialRequest {
    /// The caller's leg.
    pub call_sid: CallSid,
    /// Compare with the configured account.
    pub account_sid: AccountSid,
    /// The outcome of the dialled leg.
    pub status: CallStatus,
    /// The two have spoken. `Completed` alone does not say so: a screening step may have hung up.
    pub bridged: bool,
}

impl DialRequest {
    /// Reads the request from a form whose signature has been checked.
    pub fn parse(form: &Form<'_>) -> Result<Self, WebhookError> {
        let status = match form.required("DialCallStatus")? {
            // Conferences only; it means the same to a caller.
            "answered" => CallStatus::Completed,
            text => CallStatus::read(text),
        };
        let bridged = match form.get("DialBridged") {
            Some(text) => text == "true",
            None => status == CallStatus::Completed,
        };
        Ok(Self { call_sid: form.sid("CallSid")?, account_sid: form.sid("AccountSid")?, status, bridged })
    }
}

/// What is known of a recording's file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RecordingStatus {
    /// The caller has finished speaking; the file is not final yet. (The request to `<Record>`'s `action`.)
    Recorded,
    /// Being recorded.
    InProgress,
    /// The file is final and can be fetched.
    Completed,
    /// Nothing was recorded, there is no file.
    Absent,
}

/// A voicemail message: the request to `<Record>`'s `action`, then the recording status callback.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordingRequest {
    /// The caller's leg.
    pub call_sid: CallSid,
    /// Compare with the configured account.
    pub account_sid: AccountSid,
    /// The message; one message is reported more than once.
    pub recording_sid: RecordingSid,
    /// Where the file can be fetched, with the account's credentials.
    pub url: Option<String>,
    /// Its length.
    pub duration: Option<Duration>,
    /// Whether the file is final.
    pub status: RecordingStatus,
}

impl RecordingRequest {
    /// Reads the request from a form whose signature has been checked.
    pub fn parse(form: &Form<'_>) -> Result<Self, WebhookError> {
        let status = match form.get("RecordingStatus") {
            None => RecordingStatus::Recorded,
            Some("in-progress") => RecordingStatus::InProgress,
            Some("completed") => RecordingStatus::Completed,
            Some("absent") => RecordingStatus::Absent,
            Some(other) => {
                return Err(WebhookError::value("RecordingStatus", other, "in-progress, completed or absent"));
            }
        };
        Ok(Self {
            call_sid: form.sid("CallSid")?,
            account_sid: form.sid("AccountSid")?,
            recording_sid: form.sid("RecordingSid")?,
            url: form.get("RecordingUrl").filter(|url| !url.is_empty()).map(str::to_owned),
            duration: form.count("RecordingDuration")?.map(Duration::from_secs),
            status,
        })
    }
}

/// What became of a media stream, as Twilio sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StreamEvent {
    /// Connected.
    Started,
    /// Ended, by either side.
    Stopped,
    /// Could not connect, or broke; with Twilio's reason.
    Error(String),
}

/// The stream status callback: the only place where a stream that could not reach us is explained.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamRequest {
    /// The call.
    pub call_sid: CallSid,
    /// Compare with the configured account.
    pub account_sid: AccountSid,
    /// The stream.
    pub stream_sid: StreamSid,
    /// What became of it.
    pub event: StreamEvent,
}

impl StreamRequest {
    /// Reads the request from a form whose signature has been checked.
    pub fn parse(form: &Form<'_>) -> Result<Self, WebhookError> {
        let event = match form.required("StreamEvent")? {
            "stream-started" => StreamEvent::Started,
            "stream-stopped" => StreamEvent::Stopped,
            "stream-error" => StreamEvent::Error(form.get("StreamError").unwrap_or("no reason given").to_owned()),
            other => {
                let expected = "stream-started, stream-stopped or stream-error";
                return Err(WebhookError::value("StreamEvent", other, expected));
            }
        };
        Ok(Self {
            call_sid: form.sid("CallSid")?,
            account_sid: form.sid("AccountSid")?,
            stream_sid: form.sid("StreamSid")?,
            event,
        })
    }
}

#[cfg(test)]
#[path = "webhook_tests.rs"]
mod tests;
