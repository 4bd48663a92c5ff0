//! The shapes in which people and their tools are answered. `frontdeskctl` reads what the daemon writes here.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use frontdesk_core::session::id::ConversationId;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::store::{CallSummary, CallWithTurns};

/// How the daemon is; tells nothing about anybody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// The sum of it all.
    pub status: HealthStatus,
    /// The daemon's version.
    pub version: String,
    /// Seconds since its start.
    pub uptime_s: u64,
    /// Calls that are running.
    pub active_calls: usize,
    /// Calls that may.
    pub max_calls: usize,
    /// The model.
    pub gemini: GeminiHealth,
    /// The record of calls.
    pub store: StoreHealth,
}

/// Whether new calls reach the agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HealthStatus {
    /// They do.
    Ok,
    /// Something needs a person's attention; callers may be sent to the fallback.
    Degraded,
    /// The daemon is about to stop: new calls go to the fallback.
    Draining,
}

impl HealthStatus {
    /// The word in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Degraded => "degraded",
            Self::Draining => "draining",
        }
    }
}

/// Whether the model can be reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GeminiHealth {
    /// A word: `up`, `down`, `suspect` while a call cannot connect at once, or `unknown`: before the first call, and when
    /// an outage may be over but nobody has called since.
    pub state: String,
    /// Since when.
    pub since: Timestamp,
    /// What is wrong, if anything.
    pub why: Option<String>,
}

/// Whether calls are recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoreHealth {
    /// Where they are.
    pub state: StoreState,
    /// Records that are not on the disk yet.
    pub waiting: usize,
    /// Records dropped because the disk did not keep up.
    pub dropped: u64,
    /// Records that could not be written.
    pub failed: u64,
}

/// Where records are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StoreState {
    /// In the file.
    Ok,
    /// The disk takes nothing at the moment: they wait in memory.
    Behind,
    /// In a new file since the start: the old one was damaged and was set aside.
    Afresh,
    /// In memory only since the start: the file cannot be used.
    Memory,
}

/// What is known of a running call besides its record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActiveCall {
    /// Twilio's identifier.
    pub call_sid: ConversationId,
    /// The conversation's id in our logs.
    pub live_id: Option<String>,
    /// Who calls, masked.
    pub caller: String,
    /// When it was announced.
    pub since: Timestamp,
    /// Who has the floor: a word such as `listening` or `replying`.
    pub turn: String,
    /// Which connection to Gemini this is, from 1; 0 while there is none.
    pub connection: u32,
}

/// `GET /v1/calls`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallList {
    /// The newest first.
    pub calls: Vec<ListedCall>,
    /// What to ask for as `before` to see older ones; null when there are none.
    pub next: Option<i64>,
}

/// One call in a [`CallList`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListedCall {
    /// Its record.
    #[serde(flatten)]
    pub call: CallSummary,
    /// Its state; null unless it is running on this box.
    pub live: Option<ActiveCall>,
}

/// `GET /v1/calls/{sid}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallDetail {
    /// Its record, with what was heard.
    #[serde(flatten)]
    pub call: CallWithTurns,
    /// Its state; null unless it is running on this box.
    pub live: Option<ActiveCall>,
}

/// `DELETE /v1/calls/{sid}`: the call was told to end, and will within seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ending {
    /// The call.
    pub call_sid: ConversationId,
}

/// `POST /v1/drain`: no new calls are taken any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Draining {
    /// Calls that may still end by themselves.
    pub active_calls: usize,
}

/// Whatever went wrong: `{"error": {"code": …, "message": …}}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What.
    pub error: FailureDetail,
}

/// What went wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailureDetail {
    /// A stable word for programs.
    pub code: String,
    /// A sentence for people, with what would help.
    pub message: String,
}

/// A request that is answered by a [`Failure`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The HTTP status.
    pub status: StatusCode,
    /// [`FailureDetail::code`].
    pub code: &'static str,
    /// [`FailureDetail::message`].
    pub message: String,
}

impl Refused {
    /// A refusal with these three.
    pub fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into() }
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let error = FailureDetail { code: self.code.to_owned(), message: self.message };
        (self.status, Json(Failure { error })).into_response()
    }
}
