//! What is known about a call, while it runs and afterwards.

use std::{fmt, time::Duration};

use crate::{rest_view::CallState, stream_report::StreamReport};

/// Everything that happened in one call.
#[derive(Debug, Clone)]
pub struct CallReport {
    /// Its place among the calls of this simulator, from 0.
    pub index: usize,
    /// `CA…`.
    pub sid: String,
    /// The caller's number.
    pub from: String,
    /// The called number.
    pub to: String,
    /// Its state as the REST interface tells it.
    pub state: CallState,
    /// Every request made to the server for this call, in order.
    pub webhooks: Vec<WebhookRecord>,
    /// The verbs that ran, as short texts: `Connect wss://…`, `Say "…"`, `Dial +15550100900`.
    pub verbs: Vec<String>,
    /// Who was rung, and how it went.
    pub dialled: Vec<Dialled>,
    /// The media streams, in order.
    pub streams: Vec<StreamReport>,
    /// What Twilio's debugger would show.
    pub alerts: Vec<Alert>,
    /// Messages left with `<Record>`.
    pub recordings: Vec<RecordingReport>,
    /// Waits of the caller's script that timed out.
    pub gave_up: Vec<String>,
    /// What happened, in order.
    pub events: Vec<Event>,
    /// Whether the call is over and every callback has been delivered.
    pub ended: bool,
}

impl CallReport {
    /// The alerts that a good run does not have: all but 31921, which Twilio also logs for an intended close.
    pub fn problems(&self) -> Vec<&Alert> {
        self.alerts.iter().filter(|a| a.code != 31_921).collect()
    }

    /// The running stream, or the last one.
    pub fn stream(&self) -> Option<&StreamReport> {
        self.streams.last()
    }

    pub(crate) fn last_stream(&mut self) -> &mut StreamReport {
        self.streams.last_mut().expect("a stream reports only after it has been entered")
    }
}

/// One request to the server, with its repetitions.
#[derive(Debug, Clone)]
pub struct WebhookRecord {
    /// What it was for: `voice`, `fallback`, `status`, `stream`, `action`, `redirect`, `recording`.
    pub purpose: &'static str,
    /// The public URL, without overrides.
    pub url: String,
    /// The method.
    pub method: &'static str,
    /// The decoded parameters in the order sent.
    pub params: Vec<(String, String)>,
    /// The signature sent, if any.
    pub signature: Option<String>,
    /// The idempotency token, the same for all attempts.
    pub token: String,
    /// How often it was tried.
    pub attempts: u32,
    /// How long it took, attempts together.
    pub took: Duration,
    /// The final status, or Twilio's error code and text.
    pub outcome: Result<u16, Alert>,
    /// The answer's body.
    pub body: String,
}

/// One entry of Twilio's debugger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alert {
    /// Twilio's code.
    pub code: u32,
    /// What was found.
    pub text: String,
}

impl fmt::Display for Alert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.text)
    }
}

/// One `<Dial>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dialled {
    /// Whom it rang.
    pub targets: Vec<String>,
    /// The caller ID it asked for.
    pub caller_id: Option<String>,
    /// `DialCallStatus`: `completed`, `busy`, `no-answer`, `failed`.
    pub status: &'static str,
    /// Whether the caller and the dialled party spoke.
    pub bridged: bool,
}

/// One message left with `<Record>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordingReport {
    /// `RE…`.
    pub sid: String,
    /// Where the REST interface serves it.
    pub url: String,
    /// Its audio at 8 kHz.
    pub pcm: Vec<i16>,
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Since the call began.
    pub at: Duration,
    /// What.
    pub what: What,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// A request to the server, answered or given up.
    Webhook(String),
    /// A verb began.
    Verb(String),
    /// The stream's handshake succeeded.
    StreamOpened(String),
    /// The stream is over; the text says how.
    StreamEnded(String),
    /// The first audio of the server on this stream arrived.
    FirstAudio,
    /// The caller began to say this.
    CallerSays(String),
    /// The caller has said this.
    CallerSaid(String),
    /// A wait of the caller timed out.
    CallerGaveUp(String),
    /// The caller pressed a key.
    Key(char),
    /// A mark was echoed.
    Mark {
        /// Its name.
        name: String,
        /// Whether a `clear` pushed it out.
        cleared: bool,
    },
    /// The server cleared the queue; so many samples will not be heard.
    Cleared(usize),
    /// A fault was injected.
    Fault(String),
    /// An entry of the debugger.
    Alert(Alert),
    /// The dialled party: number and outcome.
    Dialled(String),
    /// The call is over, in this state.
    Ended(CallState),
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Webhook(text) => write!(f, "request   {text}"),
            Self::Verb(text) => write!(f, "verb      {text}"),
            Self::StreamOpened(url) => write!(f, "stream    {url}"),
            Self::StreamEnded(how) => write!(f, "stream    {how}"),
            Self::FirstAudio => f.write_str("agent     first audio"),
            Self::CallerSays(label) => write!(f, "caller    says {label:?}"),
            Self::CallerSaid(label) => write!(f, "caller    has said {label:?}"),
            Self::CallerGaveUp(what) => write!(f, "caller    gave up waiting for {what}"),
            Self::Key(key) => write!(f, "caller    presses {key}"),
            Self::Mark { name, cleared } => {
                write!(f, "mark      {name}{}", if *cleared { " (cleared)" } else { "" })
            }
            Self::Cleared(samples) => write!(f, "clear     {} ms not heard", samples / 8),
            Self::Fault(text) => write!(f, "fault     {text}"),
            Self::Alert(alert) => write!(f, "debugger  {alert}"),
            Self::Dialled(text) => write!(f, "dialled   {text}"),
            Self::Ended(state) => write!(f, "call      {state}"),
        }
    }
}
