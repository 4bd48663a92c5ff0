//! Every act a Bridge may ask for, and which of them survive a barge-in.

use super::transcript::Said;
use crate::gemini::calls::{CallKey, ToolCall};
use crate::gemini::live::{Opening, Usage};
use crate::gemini::wire::Scheduling;
use serde_json::Value;
use std::fmt;
use std::time::Duration;

/// Why a conversation ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EndReason {
    /// The caller hung up, or the call moved on without us.
    CallerLeft,
    /// The media stream, or the speakerphone, was lost and did not come back.
    LineLost,
    /// The agent said goodbye.
    AgentEnded,
    /// Nobody was there any more.
    NoInput,
    /// The longest duration was reached.
    TooLong,
    /// A person at the clinic ended it.
    Staff,
    /// The daemon is being stopped.
    Draining,
    /// The conversation could not go on; a human takes over.
    Failed(&'static str),
    /// A human was asked for, or needed, and takes over.
    Transferred,
    /// A life may be in danger; a human takes over.
    Emergency,
}

impl fmt::Display for EndReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CallerLeft => "caller-left",
            Self::LineLost => "line-lost",
            Self::AgentEnded => "agent-ended",
            Self::NoInput => "no-input",
            Self::TooLong => "too-long",
            Self::Staff => "ended-by-staff",
            Self::Draining => "draining",
            Self::Transferred => "transferred",
            Self::Emergency => "emergency",
            Self::Failed(why) => return write!(f, "failed: {why}"),
        })
    }
}

/// A step of the watchdog on audible output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WatchdogStep {
    /// The model is asked to go on.
    Nudge,
    /// The connection is replaced, the session kept.
    Resume,
    /// The session is replaced by one that is told what happened.
    Afresh,
    /// A human takes over.
    FallBack,
}

impl WatchdogStep {
    /// The word for logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Nudge => "nudge",
            Self::Resume => "resume",
            Self::Afresh => "afresh",
            Self::FallBack => "fall-back",
        }
    }
}

/// Something worth counting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    /// From the end of the caller's voice to the first audible sound of the answer.
    TurnGap(Duration),
    /// From the onset of the caller's voice to the agent's silence.
    BargeIn(Duration),
    /// The agent's voice was lowered for nothing.
    FalseAlarm,
    /// The watchdog acted.
    Watchdog(WatchdogStep),
}

/// What becomes part of the call's record.
#[derive(Debug, Clone, PartialEq)]
pub enum Record {
    /// One party's say, as it was heard.
    Said(Said),
    /// Something that happened; never with speech in it.
    Event {
        /// A stable word.
        kind: &'static str,
        /// What is worth knowing; empty where the word says it all.
        detail: String,
    },
    /// Tokens spent.
    Usage(Usage),
}

/// An act the Bridge asks for.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Lower the agent's voice at once.
    Duck,
    /// Let it come back.
    Unduck,
    /// Silence the agent and drop what it had to say.
    Flush,
    /// Begin a live session that knows nothing.
    Begin(Opening),
    /// Type a text to the model.
    Prompt(&'static str),
    /// Type to the model what it must say whatever happens: an emergency's sentence.
    Announce(String),
    /// Replace the connection.
    Resume(&'static str),
    /// Replace the session.
    StartAfresh(&'static str),
    /// Run a function.
    RunTool(ToolCall),
    /// Nobody waits for that function any more.
    CancelTool(CallKey),
    /// Answer a function.
    AnswerTool {
        /// Which.
        key: CallKey,
        /// What.
        response: Value,
        /// When it is to be spoken of.
        scheduling: Scheduling,
    },
    /// Keep something.
    Record(Record),
    /// Count something.
    Measure(Measure),
    /// Tell other calls that the service is of no use: it was reached and never made a sound.
    GiveLiveUp,
    /// End the live session.
    FinishLive,
    /// End the call: the caller's line is to be hung up.
    HangUp(EndReason),
    /// Leave the call to a human: what the phone company holds takes over.
    FallBack(EndReason),
    /// The caller has gone already; nothing is left to hang up.
    Gone(EndReason),
}

impl Effect {
    /// Whether the act stands when the caller speaks over the agent between its decision and its time.
    ///
    /// What is said, or follows from what is said, falls: the caller has not heard it. What concerns the record, the
    /// functions and the call as such stands.
    pub fn survives_barge_in(&self) -> bool {
        match self {
            Self::Duck | Self::Unduck | Self::Prompt(_) | Self::HangUp(EndReason::AgentEnded | EndReason::NoInput) => {
                false
            }
            Self::Flush
            | Self::Begin(_)
            | Self::Announce(_)
            | Self::Resume(_)
            | Self::StartAfresh(_)
            | Self::RunTool(_)
            | Self::CancelTool(_)
            | Self::AnswerTool { .. }
            | Self::Record(_)
            | Self::Measure(_)
            | Self::GiveLiveUp
            | Self::FinishLive
            | Self::HangUp(_)
            | Self::FallBack(_)
            | Self::Gone(_) => true,
        }
    }
}
