//! One Gemini Live conversation, reconnects included, with no socket and no clock inside.
//!
//! ```text
//!             connect()            opened()            setupComplete         begin()
//!   Idle ───────────────► Dialling ───────► SettingUp ───────────────► Open ───────► talking
//!    ▲                       ▲  ▲               │                        │
//!    │ lost                  │  └── back-off ◄──┴── closed(), refused() ─┤
//!    └── given up            └───────── Closing ◄── rotation, go-away ───┘
//! ```
//!
//! A connection lives about ten minutes; the conversation outlives it by a handle. The old socket is closed before the
//! new one opens, because the service refuses a handle whose connection is still there. What the caller says meanwhile,
//! and what the service had not answered yet, is kept and sent again. Every deadline is our own: none waits for a message.
//!
//! - `event`: what the session asks of its shell and tells the conversation.
//! - `connection`: dialling, rotation, failures, deadlines.
//! - `uplink`: the caller's audio, held and said again around a reconnect.
//! - `incoming`: what the service sends.
//! - `functions`: what the model calls, and the answers.

mod connection;
mod event;
mod functions;
mod incoming;
#[cfg(test)]
mod tests;
mod uplink;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde_json::Value;

pub use self::event::{Action, Fault, LiveEvent, Opening, SpeechRange, Usage};

use self::connection::{Handle, Rotation, State};
use self::incoming::ModelTurn;
use self::uplink::{Hold, MOST_AT_ONCE, Unknown};
use super::calls::Ledger;
use super::replay::Replay;
use super::setup::Setup;
use super::wire;
use crate::audio::resample::Resampler;
use crate::backoff::Backoff;

/// One Gemini Live conversation.
///
/// After every call that takes a `now`, take [`next_action`](Self::next_action) and
/// [`next_event`](Self::next_event) until both are empty, and call [`poll`](Self::poll) no later than
/// [`deadline`](Self::deadline).
pub struct LiveSession {
    setup: Setup,
    rotate_after: Duration,
    state: State,
    connection: u32,
    handle: Option<Handle>,
    resuming: bool,
    backoff: Backoff,
    unknown_closes: u32,
    /// A connection that had presented the handle last failed then.
    handle_failed: Option<Instant>,
    outage_since: Option<Instant>,
    /// What the last failure of this outage was.
    last_why: Option<String>,
    ever_open: bool,
    /// The conversation has begun, on whatever connection.
    ever_begun: bool,
    rotation: Rotation,
    quiet_since: Option<Instant>,
    turn: ModelTurn,
    unknown: Unknown,
    /// The service has answered what the caller said before this moment.
    answered_until: Option<Instant>,
    replay: Replay,
    /// Audio is not sent: no connection, or one that must not be disturbed.
    hold: Option<Hold>,
    uplink: Vec<i16>,
    dropped: u64,
    writer: wire::Writer,
    control: VecDeque<Bytes>,
    actions: VecDeque<Action>,
    events: VecDeque<LiveEvent>,
    ledger: Ledger,
    late_answers: Vec<(String, Value)>,
    silent_after_tool: Option<Instant>,
    last_frame: Option<Instant>,
    /// The service last showed that it follows the conversation.
    last_content: Option<Instant>,
    next_ping: Option<Instant>,
    speech: Vec<i16>,
    scratch: Vec<u8>,
    carry: Option<u8>,
    foreign_rate: Option<(u32, Resampler)>,
}

impl LiveSession {
    /// A conversation that has not been connected yet. Connections are replaced after `rotate_after`; `seed` spreads
    /// the back-off of many calls.
    pub fn new(setup: Setup, rotate_after: Duration, seed: u64) -> Self {
        Self {
            setup,
            rotate_after,
            state: State::Idle,
            connection: 0,
            handle: None,
            resuming: false,
            backoff: Backoff::new(Duration::from_millis(500), Duration::from_secs(4), seed),
            unknown_closes: 0,
            handle_failed: None,
            outage_since: None,
            last_why: None,
            ever_open: false,
            ever_begun: false,
            rotation: Rotation { wanted: None, at_last: None },
            quiet_since: None,
            turn: ModelTurn::default(),
            unknown: Unknown::default(),
            answered_until: None,
            replay: Replay::default(),
            hold: None,
            uplink: Vec::new(),
            dropped: 0,
            writer: wire::Writer::default(),
            control: VecDeque::new(),
            actions: VecDeque::new(),
            events: VecDeque::new(),
            ledger: Ledger::default(),
            late_answers: Vec::new(),
            silent_after_tool: None,
            last_frame: None,
            last_content: None,
            next_ping: None,
            speech: Vec::new(),
            scratch: Vec::new(),
            carry: None,
            foreign_rate: None,
        }
    }

    /// What its connections are set up with.
    pub fn setup(&self) -> &Setup {
        &self.setup
    }

    /// Begins a conversation that knows nothing: the answer to [`LiveEvent::Ready`] that is not resumed.
    pub fn begin(&mut self, opening: &Opening) {
        let State::Open { begun: begun @ false, .. } = &mut self.state else { return };
        *begun = true;
        self.ever_begun = true;
        match opening {
            Opening::Greet => self.control.push_back(wire::greet()),
            Opening::Answer => {}
            // The first thing of a session: every model takes history here.
            Opening::Summary { text, answer } => self.control.push_back(wire::context(text, *answer)),
        }
        self.tell_late_answers();
        self.release();
    }

    /// Types a text to the model, which answers it: a nudge, or a notice of what happened.
    pub fn send_text(&mut self, text: &str) {
        if matches!(self.state, State::Open { begun: true, .. }) {
            self.control.push_back(wire::text(text));
        }
    }

    /// The next thing for the shell to do. A socket that cannot take a message now (`can_send`) can still be closed
    /// or dropped. Audio is put into messages here, so that what had to queue goes up in fewer, larger ones.
    pub fn next_action(&mut self, can_send: bool) -> Option<Action> {
        if let Some(action) = self.actions.pop_front() {
            return Some(action);
        }
        if !can_send || !matches!(self.state, State::SettingUp { .. } | State::Open { .. }) {
            return None;
        }
        if let Some(message) = self.control.pop_front() {
            return Some(Action::Send(message));
        }
        if self.uplink.is_empty() {
            return None;
        }
        let piece = self.uplink.len().min(MOST_AT_ONCE);
        let message = self.writer.audio(&self.uplink[..piece]);
        self.uplink.drain(..piece);
        Some(Action::Send(message))
    }

    /// What happened, in order.
    pub fn next_event(&mut self) -> Option<LiveEvent> {
        self.events.pop_front()
    }

    /// The samples (24 kHz) of a [`LiveEvent::Speech`], valid until the next frame.
    pub fn speech(&self, range: &SpeechRange) -> &[i16] {
        &self.speech[range.0.clone()]
    }

    /// The number of the connection, from 1; 0 before the first.
    pub fn connection(&self) -> u32 {
        self.connection
    }

    /// Whether the service listens and the conversation has begun.
    pub fn is_open(&self) -> bool {
        matches!(self.state, State::Open { begun: true, .. })
    }

    /// Samples of caller audio that wait for the uplink, and samples that were dropped because it did not keep up.
    pub fn uplink_backlog(&self) -> (usize, u64) {
        (self.uplink.len(), self.dropped)
    }
}
