//! The shapes in which people and their tools are answered. `frontdeskctl` reads what the daemon writes here.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use frontdesk_core::session::id::ConversationId;
use frontdesk_hw::selftest::facts::{Facts, Rate};
use frontdesk_hw::selftest::{Report, Severity, Verdict};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

mod google;

pub use google::{
    GoogleFeature, GoogleFinding, GoogleForgotten, GoogleHealth, GoogleLogin, GoogleReport, GoogleState, GoogleTest,
    GoogleTestPlan, GoogleWho,
};

pub use super::outside::{CalendarHealth, OutboxHealth};
use crate::store::{AuditEntry, CallSummary, CallWithTurns, ListedAppointment, ListedMessage};

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
    /// The front desk.
    pub desk: DeskHealth,
    /// Access to Google, for calendars and mail.
    pub google: GoogleHealth,
    /// What follows from bookings.
    pub outbox: OutboxHealth,
    /// The calendars outside.
    pub calendar: CalendarHealth,
    /// The configuration that is in force.
    #[serde(default)]
    pub config: ConfigHealth,
    /// Addresses that are still waited for, as `[admin] listen = 127.0.0.1:8090`.
    #[serde(default)]
    pub shut: Vec<String>,
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
    /// A word: `up`, `down`, `suspect` while a call cannot connect at once, `waiting` until the machine's clock is set, or
    /// `unknown`: before the first call, and when an outage may be over but nobody has called since.
    pub state: String,
    /// Since when.
    pub since: Timestamp,
    /// What is wrong, if anything.
    pub why: Option<String>,
    /// How long the last connection took to become ready, in milliseconds; null before the first.
    #[serde(default)]
    pub connect_ms: Option<u64>,
}

/// Whether calls are recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoreHealth {
    /// Where they are.
    pub state: StoreState,
    /// Records that are not on the disk yet.
    pub waiting: usize,
    /// Records dropped because the disk did not keep up.
    pub dropped: u64,
    /// Records that could not be written.
    pub failed: u64,
    /// What was found of a damaged file, what was saved of it, and what to do; null if nothing was.
    #[serde(default)]
    pub why: Option<String>,
}

/// Where records are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StoreState {
    /// In the file.
    Ok,
    /// The disk takes nothing at the moment: they wait in memory.
    Behind,
    /// In a new file: the old one was damaged and lies beside it, until somebody moves it away.
    Afresh,
    /// In the file, which was found to be damaged since the start: the next start carries over what can be read.
    Damaged,
    /// In memory only since the start: the file cannot be used.
    Memory,
}

/// How the configuration that is in force stands to the one that is written.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigHealth {
    /// What was wrong with it when it was last read again: then the one of before is in force. Null if all was well.
    pub refused: Option<Vec<String>>,
    /// Keys that are written otherwise than they are in force, until a restart.
    pub needs_restart: Vec<String>,
}

/// Whether the front desk has its speakerphone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeskHealth {
    /// In a word.
    pub state: DeskWord,
    /// Its product name.
    pub device: Option<String>,
    /// Why there is none, and what would help.
    pub why: Option<String>,
    /// It is there, and nobody needs its sound: the microphone is closed.
    pub standing_by: bool,
}

/// How the front desk is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "each is told for itself")]
pub struct DeskReport {
    /// Whether there is a speakerphone.
    pub state: DeskWord,
    /// Its product name.
    pub device: Option<String>,
    /// How it was opened: rates, channels, periods.
    pub opened: Option<String>,
    /// Why there is none, and what would help.
    pub why: Option<String>,
    /// What does not work as it should, and what would help.
    pub remarks: Vec<String>,
    /// It is there, and nobody needs its sound: the microphone is closed, and levels are silence.
    pub standing_by: bool,
    /// A conversation is under way.
    pub talking: bool,
    /// The microphone is off.
    pub muted: bool,
    /// While the agent is heard nobody else is, for now: the echo canceller does not do its work.
    pub taking_turns: bool,
    /// Sound, as it is now.
    pub levels: DeskLevels,
    /// What has gone wrong with the sound since the start, and how late the audio thread was.
    pub sound: DeskSound,
}

/// Whether there is a speakerphone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeskWord {
    /// The configuration wants none.
    Off,
    /// None can be used.
    Absent,
    /// It runs.
    Ready,
}

/// Levels in dBFS, -120 is silence.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct DeskLevels {
    /// Of the microphone.
    pub microphone: f32,
    /// Of what is left for the model: without echo and noise.
    pub heard: f32,
    /// Of the loudspeaker.
    pub loudspeaker: f32,
    /// How much of the loudspeaker's echo is taken away, in dB; 0 while nothing is known.
    pub echo_reduction: f32,
}

/// What has gone wrong with the sound since the daemon's start, and how late the audio thread was.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct DeskSound {
    /// Captured sound that the system dropped.
    pub overruns: u64,
    /// Gaps in what was played.
    pub underruns: u64,
    /// Stretches of captured sound that never arrived.
    pub gaps: u64,
    /// Endpoints that stood still.
    pub stalls: u64,
    /// Times a device was opened.
    pub opened: u64,
    /// Captured blocks that the signal processing did not take in time.
    pub capture_dropped: u64,
    /// Blocks of silence that were played because the signal processing had nothing ready.
    pub starved: u64,
    /// Heard blocks that the conversation did not take in time.
    pub heard_dropped: u64,
    /// From the moment a period was complete to the audio thread's waking, in 99 of 100 cases, in milliseconds.
    pub lateness_p99_ms: f64,
    /// The longest ever.
    pub lateness_max_ms: f64,
}

/// A device that could serve the desk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeskDevice {
    /// What to write as `[desk] device`.
    pub spec: String,
    /// Its product name.
    pub name: String,
    /// It has a microphone.
    pub capture: bool,
    /// It has a loudspeaker.
    pub playout: bool,
    /// How it would be opened, or why it would not.
    pub opens: String,
    /// The configuration chooses it.
    pub chosen: bool,
}

/// The devices of this machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeskDevices {
    /// All sound cards.
    pub devices: Vec<DeskDevice>,
}

/// A conversation has begun at the desk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeskTalk {
    /// Its name: by it, it is shown and ended like a call.
    pub call_sid: ConversationId,
}

/// What a self-test of the desk found. Levels in dBFS, -120 is silence.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeskTest {
    /// The device.
    pub device: String,
    /// Nothing needs a person's attention.
    pub well: bool,
    /// What was found, the most important first.
    pub findings: Vec<DeskFinding>,
    /// From where our canceller is given what will be played to where it comes back, in milliseconds; null when nothing
    /// of the sound was found again.
    pub loop_delay_ms: Option<f32>,
    /// What of that is the device's own processing and the air, if its driver tells the truth.
    pub device_delay_ms: Option<f32>,
    /// How alike the microphone and the sound are at that delay, 0 to 1.
    pub certainty: f32,
    /// The microphone before anything was played.
    pub noise: f32,
    /// What was given to the loudspeaker.
    pub played: f32,
    /// The microphone meanwhile.
    pub microphone: f32,
    /// How much quieter the loudspeaker is in the microphone than it was played, in dB; without a loop delay at least that.
    pub return_loss: f32,
    /// Who keeps the echo away, in words.
    pub echo: String,
    /// How much of the echo our canceller takes away, in dB; null when it is not used, or there is too little to tell.
    pub echo_reduction: Option<f32>,
    /// What is left for the model.
    pub residual: f32,
    /// The share of the microphone's samples at full scale.
    pub clipped: f32,
    /// The microphone's rate.
    pub capture_rate: DeskRate,
    /// The loudspeaker's rate.
    pub playout_rate: DeskRate,
    /// What went wrong with the sound during the test.
    pub sound: DeskLosses,
    /// The device's speed on USB, Mbit/s; null elsewhere.
    pub usb_mbps: Option<u32>,
    /// The speed of each hub above it, the root hub last.
    pub usb_hubs_mbps: Vec<u32>,
}

/// One finding of a self-test.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeskFinding {
    /// How much it matters.
    pub severity: DeskSeverity,
    /// A stable word for programs.
    pub code: String,
    /// A sentence for people.
    pub what: String,
    /// What would do; empty where nothing needs to be done.
    pub would_do: String,
}

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeskSeverity {
    /// A person must do something.
    Fault,
    /// It could be better.
    Advice,
    /// As it should be.
    Fine,
}

/// A rate in Hz.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct DeskRate {
    /// As the device announces it.
    pub claimed: u32,
    /// By the clock; null until it is known.
    pub measured: Option<f32>,
}

/// What went wrong with the sound during a test.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeskLosses {
    /// Captured sound that the system dropped.
    pub overruns: u64,
    /// Gaps in what was played.
    pub underruns: u64,
    /// Stretches of captured sound that never arrived.
    pub gaps: u64,
    /// Endpoints that stood still.
    pub stalls: u64,
    /// Blocks, of either direction, that the signal processing did not take or make in time.
    pub late_blocks: u64,
    /// Times that the streams were started anew.
    pub restarts: u32,
}

impl DeskTest {
    /// The result of `device`, in this shape.
    pub fn of(device: String, report: &Report, facts: &Facts) -> Self {
        let rate = |rate: Rate| DeskRate { claimed: rate.claimed, measured: rate.measured };
        let sound = facts.sound;
        Self {
            device,
            well: report.is_well(),
            findings: report.verdicts.iter().map(DeskFinding::of).collect(),
            loop_delay_ms: report.delay.map(|delay| delay.millis),
            device_delay_ms: report.delay.map(|delay| delay.beyond_driver),
            certainty: report.delay.map_or(0.0, |delay| delay.certainty),
            noise: report.noise.0,
            played: report.played.0,
            microphone: report.microphone.0,
            return_loss: report.return_loss,
            echo: facts.echo.word().to_owned(),
            echo_reduction: report.reduction,
            residual: report.residual.0,
            clipped: report.clipped,
            capture_rate: rate(facts.capture),
            playout_rate: rate(facts.playout),
            sound: DeskLosses {
                overruns: sound.overruns,
                underruns: sound.underruns,
                gaps: sound.gaps,
                stalls: sound.stalls,
                late_blocks: sound.starved + sound.dropped,
                restarts: report.restarts,
            },
            usb_mbps: facts.usb.as_ref().and_then(|chain| chain.speed),
            usb_hubs_mbps: facts.usb.as_ref().map(|chain| chain.hubs.clone()).unwrap_or_default(),
        }
    }
}

impl DeskFinding {
    fn of(verdict: &Verdict) -> Self {
        Self {
            severity: match verdict.severity {
                Severity::Fault => DeskSeverity::Fault,
                Severity::Advice => DeskSeverity::Advice,
                Severity::Fine => DeskSeverity::Fine,
            },
            code: verdict.code.as_str().to_owned(),
            what: verdict.what.clone(),
            would_do: verdict.would_do.clone(),
        }
    }
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

/// `POST /v1/reload`: the configuration was read again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reloaded {
    /// Keys that new conversations obey from now on.
    pub applied: Vec<String>,
    /// Keys that are written otherwise than they are in force, until a restart.
    pub needs_restart: Vec<String>,
    /// What is allowed but unwise.
    pub advice: Vec<String>,
}

/// `POST /v1/drain`: no new calls are taken any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Draining {
    /// Calls that may still end by themselves.
    pub active_calls: usize,
}

/// Appointments of a span, by time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppointmentList {
    /// The appointments.
    pub appointments: Vec<ListedAppointment>,
    /// There may be more: ask for a shorter span.
    pub more: bool,
}

/// Messages for staff, the newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageList {
    /// The messages.
    pub messages: Vec<ListedMessage>,
    /// Where older ones begin: the next request's `before`. Null at the end.
    pub next: Option<i64>,
}

/// Errands that were given up and are tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retried {
    /// How many.
    pub retried: u64,
}

/// Rows of the audit, the oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditList {
    /// The rows.
    pub entries: Vec<AuditEntry>,
    /// Where newer ones begin: the next request's `after`. Null at the end.
    pub next: Option<i64>,
}

/// Whether the audit is as it was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditCheck {
    /// The first row that was changed, or before which one is missing; null if all is well.
    pub broken_at: Option<i64>,
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
