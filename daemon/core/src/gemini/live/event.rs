//! What a live session asks of its shell, and what it tells the conversation.

use std::ops::Range;

use bytes::Bytes;

use super::super::calls::{CallKey, ToolCall};
#[cfg(doc)]
use super::LiveSession;

/// What the shell must do, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Open a socket; answer with [`LiveSession::opened`] or [`LiveSession::refused`]. One that is being opened is dropped.
    Connect,
    /// Send one message. JSON text.
    Send(Bytes),
    /// Send a ping.
    Ping,
    /// Close the socket with 1000; answer with [`LiveSession::closed`].
    Close,
    /// Drop the socket at once, without waiting for anything.
    Drop,
}

/// What the conversation is told, in order.
#[derive(Debug, Clone, PartialEq)]
pub enum LiveEvent {
    /// The service listens. When not resumed it knows nothing yet: answer with [`LiveSession::begin`].
    Ready {
        /// The session goes on with what it knew.
        resumed: bool,
    },
    /// Speech of the model; see [`LiveSession::speech`].
    Speech(SpeechRange),
    /// What the caller said, as the service understood it: append.
    CallerSaid(String),
    /// What the model says: append. Not aligned with the audio.
    AgentSaid(String),
    /// The caller interrupted: drop what has not been heard.
    Interrupted,
    /// All speech of this turn has been handed over.
    GenerationComplete,
    /// The turn is over.
    TurnComplete {
        /// Only when it ended abnormally: the service's word for it.
        reason: Option<String>,
    },
    /// The model stays silent because it expects the caller to go on.
    WaitingForInput,
    /// A function to run; answer with [`LiveSession::answer_tool`].
    ToolCall(ToolCall),
    /// Nobody waits for that function any more.
    ToolCancelled(CallKey),
    /// Tokens of a turn.
    Usage(Usage),
    /// The connection ended or is being replaced; the conversation goes on.
    Reconnecting {
        /// For the log.
        why: String,
    },
    /// The model said nothing after a function's answer and was asked to go on.
    NudgedAfterTool,
    /// A frame could not be read.
    Garbage,
    /// The conversation cannot go on.
    Lost {
        /// Whose fault.
        fault: Fault,
        /// What the service or the network said.
        why: String,
    },
}

/// Where a piece of speech lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpeechRange(pub(super) Range<usize>);

/// Tokens of a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Context, billed again each turn.
    pub prompt: u64,
    /// Answer.
    pub response: u64,
    /// Both and everything else.
    pub total: u64,
}

/// Whose fault the end of a conversation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Key, model, region or setup: a technician must act, and every call will fail.
    Configuration,
    /// The quota is used up: other calls will fail for a while.
    Quota,
    /// The service or the way to it.
    Unreachable,
}

/// How a conversation that knows nothing begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Opening {
    /// The model speaks first.
    Greet,
    /// The caller has spoken already: the model answers that.
    Answer,
    /// The model is told what happened so far.
    Summary {
        /// For the model.
        text: String,
        /// It is its turn now.
        answer: bool,
    },
}
