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

use super::calls::{Arrival, Asked, CallKey, Ledger, ToolCall};
use super::close::{Close, ConnectFailure, Phase, Verdict};
use super::replay::{self, Replay};
use super::setup::Setup;
use super::wire::{self, FunctionResponse, Scheduling, ServerContent, ServerMessage};
use crate::audio::resample::Resampler;
use crate::backoff::Backoff;
use crate::units::SampleRate;
use bytes::Bytes;
use serde_json::Value;
use std::borrow::Cow;
use std::collections::VecDeque;
use std::ops::Range;
use std::time::{Duration, Instant};

/// From dialling to `setupComplete`; normally well under two seconds.
const SETUP_WITHIN: Duration = Duration::from_secs(8);
/// The far end's answer to our close is waited for that long.
const CLOSE_WITHIN: Duration = Duration::from_millis(1_500);
/// A call that could never be connected is given up after that.
const GIVE_UP_FIRST: Duration = Duration::from_secs(10);
/// A conversation that was interrupted is given up after that.
const GIVE_UP: Duration = Duration::from_secs(30);
/// A connection that stood that long has proven itself: the back-off starts over.
const STABLE: Duration = Duration::from_secs(15);
/// Two failures within that time with the same handle: the handle is poisoned.
const POISONED_WITHIN: Duration = Duration::from_secs(10);
/// Failures that are not in the table are tried again that often.
const UNKNOWN_TRIES: u32 = 5;
/// The conversation must have been quiet that long for a planned rotation.
const QUIET_FOR: Duration = Duration::from_millis(300);
/// Before the lifetime of a connection (about 10 minutes) ends, it is rotated even in mid-sentence.
const ROTATE_AT_LAST: Duration = Duration::from_secs(9 * 60 + 20);
/// No connection is rotated before that, whatever the service announces: it must not make us dial without a pause.
const ROTATE_AT_FIRST: Duration = Duration::from_secs(1);
/// Before an announced end, that much is left for closing.
const GO_AWAY_MARGIN: Duration = Duration::from_secs(5);
/// No output that long after a function's answer: the model is asked to go on.
const SILENT_AFTER_TOOL: Duration = Duration::from_secs(5);
/// Pings for proxies; answers were seen 30 s late, so they prove nothing.
const PING_EVERY: Duration = Duration::from_secs(25);
/// No frame of any kind that long: the connection is dead.
const DEAF: Duration = Duration::from_secs(75);
/// Behind `interrupted`, leftovers of the turn are dropped for at most that long.
const LEFTOVERS: Duration = Duration::from_secs(1);
/// What the service says of a failure is repeated up to that many characters: it goes to the log.
const MOST_REPEATED: usize = 200;
/// Audio of one message, when it had to queue: 100 ms.
const MOST_AT_ONCE: usize = 1_600;
/// Audio that waits for a slow uplink; older audio is dropped.
const MOST_WAITING: usize = 3 * 16_000;
/// Behind a long silence of the model, speech that old is still said again.
const UNHEARD: Duration = Duration::from_secs(30);

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
pub struct SpeechRange(Range<usize>);

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

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Idle,
    BackingOff { until: Instant },
    Dialling { since: Instant },
    SettingUp { since: Instant },
    Open { since: Instant, begun: bool },
    Closing { since: Instant },
    Over,
}

struct Handle {
    value: String,
    /// The service's memory behind the handle reaches up to here.
    knows_until: Instant,
}

/// The model's turn, as far as it concerns a resumption.
#[derive(Default)]
struct ModelTurn {
    first_speech: Option<Instant>,
    leftovers_until: Option<Instant>,
}

/// What was said since the handle was given: a resumed session does not know it.
#[derive(Default)]
struct Unknown {
    caller: String,
    agent: String,
    /// The model had finished that answer.
    answered: bool,
}

/// Why and since when caller audio is kept instead of sent.
#[derive(Clone, Copy)]
struct Hold {
    since: Instant,
    /// What was sent this long before may not have been understood and is sent again.
    reach_back: Duration,
}

/// When a planned end of this connection is due.
struct Rotation {
    wanted: Option<Instant>,
    at_last: Option<Instant>,
}

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
    last_failure: Option<Instant>,
    outage_since: Option<Instant>,
    ever_open: bool,
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
            last_failure: None,
            outage_since: None,
            ever_open: false,
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

    /// Path and query of the WebSocket, below the configured endpoint.
    pub fn setup(&self) -> &Setup {
        &self.setup
    }

    /// Starts the first connection.
    pub fn connect(&mut self, now: Instant) {
        if self.state == State::Idle {
            self.outage_since = Some(now);
            self.hold = Some(Hold { since: now, reach_back: Duration::ZERO });
            self.dial(now);
        }
    }

    /// The socket is open.
    pub fn opened(&mut self, now: Instant) {
        if let State::Dialling { since } = self.state {
            self.state = State::SettingUp { since };
            self.last_frame = Some(now);
            let handle = if self.resuming { self.handle.as_ref().map(|handle| handle.value.as_str()) } else { None };
            self.control.clear();
            self.control.push_back(self.setup.message(handle, self.ever_open));
        }
    }

    /// The socket could not be opened.
    pub fn refused(&mut self, now: Instant, failure: &ConnectFailure) {
        if matches!(self.state, State::Dialling { .. }) {
            self.failed(now, failure.verdict(), failure.to_string());
        }
    }

    /// The socket is closed, by whomever.
    pub fn closed(&mut self, now: Instant, close: &Close) {
        let phase = match self.state {
            State::Idle | State::Over | State::BackingOff { .. } => return,
            State::Closing { .. } => return self.dial(now),
            State::Dialling { .. } | State::SettingUp { .. } if self.resuming => Phase::Resuming,
            State::Dialling { .. } | State::SettingUp { .. } => Phase::FreshSetup,
            State::Open { .. } => Phase::Talking,
        };
        self.failed(now, close.verdict(phase), close.to_string());
    }

    /// A message, text or binary. What still comes behind the end of a conversation says nothing any more.
    pub fn frame(&mut self, now: Instant, frame: &[u8]) {
        if self.state == State::Over {
            return;
        }
        self.last_frame = Some(now);
        if self.events.is_empty() {
            self.speech.clear();
        }
        match ServerMessage::parse(frame) {
            Ok(message) => self.on_message(now, message),
            Err(_) => self.events.push_back(LiveEvent::Garbage),
        }
    }

    /// A pong, or anything else that shows life.
    pub fn alive(&mut self, now: Instant) {
        self.last_frame = Some(now);
    }

    /// Begins a conversation that knows nothing: the answer to [`LiveEvent::Ready`] that is not resumed.
    pub fn begin(&mut self, now: Instant, opening: &Opening) {
        let State::Open { begun: begun @ false, .. } = &mut self.state else { return };
        *begun = true;
        match opening {
            Opening::Greet => self.control.push_back(wire::greet()),
            Opening::Answer => {}
            Opening::Summary { text, answer } => self.tell(text, *answer),
        }
        self.release(now);
    }

    /// Sends caller audio (16 kHz), or keeps it until there is somebody to send it to.
    pub fn send_audio(&mut self, now: Instant, pcm: &[i16]) {
        self.replay.push(now, pcm);
        if self.hold.is_some() {
            return;
        }
        if self.ledger.running() > 0 && self.setup.capabilities().hold_audio_during_tools {
            self.hold = Some(Hold { since: now, reach_back: Duration::ZERO });
            return;
        }
        self.uplink.extend_from_slice(pcm);
        if self.uplink.len() > MOST_WAITING {
            let surplus = self.uplink.len() - MOST_WAITING;
            self.uplink.drain(..surplus);
            self.dropped += surplus as u64;
        }
    }

    /// Types a text to the model, which answers it: a nudge, or a notice of what happened.
    pub fn send_text(&mut self, text: &str) {
        if matches!(self.state, State::Open { begun: true, .. }) {
            self.control.push_back(wire::text(text));
        }
    }

    /// Answers a function. `scheduling` is left out for models that refuse it. After a reconnect the model is told in
    /// words, because the new connection does not know the call's id.
    pub fn answer_tool(&mut self, now: Instant, key: CallKey, response: &Value, scheduling: Option<Scheduling>) {
        let Some((name, asked)) = self.ledger.answer(now, key, response) else { return };
        self.reply_to_tool(now, &name, &asked, response, scheduling);
        self.release_after_tools(now);
    }

    fn release_after_tools(&mut self, now: Instant) {
        if self.ledger.running() == 0 && self.is_open() {
            self.release(now);
        }
    }

    /// Whether this is a moment at which nobody would notice a new connection: nobody speaks, nothing runs.
    pub fn set_quiet(&mut self, now: Instant, quiet: bool) {
        if !quiet || self.ledger.running() > 0 {
            self.quiet_since = None;
        } else if self.quiet_since.is_none() {
            self.quiet_since = Some(now);
        }
    }

    /// Replaces the connection now, keeping the session: the remedy for a model that has fallen silent.
    pub fn resume(&mut self, now: Instant, why: &str) {
        if matches!(self.state, State::Open { .. }) {
            self.rotate(now, why);
            self.reach_back_further();
        }
    }

    /// A model that has been silent for long may not have heard what was said long ago either: whatever was not
    /// answered is said again, as far as it is kept.
    fn reach_back_further(&mut self) {
        if let Some(hold) = &mut self.hold {
            hold.reach_back = UNHEARD;
        }
    }

    /// Replaces the session: the next [`LiveEvent::Ready`] is not resumed.
    pub fn start_afresh(&mut self, now: Instant, why: &str) {
        self.handle = None;
        match self.state {
            State::Open { .. } => {
                self.rotate(now, why);
                self.reach_back_further();
            }
            State::BackingOff { .. } => self.dial(now),
            State::Dialling { .. } | State::SettingUp { .. } => {
                self.actions.push_back(Action::Drop);
                self.dial(now);
            }
            State::Idle | State::Closing { .. } | State::Over => {}
        }
    }

    /// Ends the conversation.
    pub fn finish(&mut self) {
        if matches!(self.state, State::Dialling { .. } | State::SettingUp { .. } | State::Open { .. }) {
            self.actions.push_back(Action::Close);
        }
        self.end();
    }

    /// Does what is due at `now`.
    pub fn poll(&mut self, now: Instant) {
        match self.state {
            State::BackingOff { until } if now >= until => self.dial(now),
            State::Dialling { since } | State::SettingUp { since } if now >= since + SETUP_WITHIN => {
                self.actions.push_back(Action::Drop);
                self.failed(now, Verdict::Retry, format!("no setup within {SETUP_WITHIN:?}"));
            }
            State::Closing { since } if now >= since + CLOSE_WITHIN => {
                self.actions.push_back(Action::Drop);
                self.dial(now);
            }
            State::Open { since, .. } => self.poll_open(now, since),
            // Nothing is due.
            State::Idle
            | State::BackingOff { .. }
            | State::Dialling { .. }
            | State::SettingUp { .. }
            | State::Closing { .. }
            | State::Over => {}
        }
    }

    /// When [`poll`](Self::poll) must be called next, whatever arrives until then.
    pub fn deadline(&self) -> Option<Instant> {
        match self.state {
            State::Idle | State::Over => None,
            State::BackingOff { until } => Some(until),
            State::Dialling { since } | State::SettingUp { since } => Some(since + SETUP_WITHIN),
            State::Closing { since } => Some(since + CLOSE_WITHIN),
            State::Open { since, .. } => {
                let rotate = match (self.rotation.wanted, self.quiet_since) {
                    (Some(wanted), Some(quiet)) => Some(wanted.max(quiet + QUIET_FOR)),
                    _ => None,
                };
                let stable = self.outage_since.map(|_| since + STABLE);
                let deaf = self.last_frame.map(|last| last + DEAF);
                [rotate, self.rotation.at_last, self.silent_after_tool, self.next_ping, deaf, stable]
                    .into_iter()
                    .flatten()
                    .min()
            }
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

    fn dial(&mut self, now: Instant) {
        self.connection += 1;
        self.resuming = self.handle.is_some();
        self.turn = ModelTurn::default();
        self.control.clear();
        self.state = State::Dialling { since: now };
        self.actions.push_back(Action::Connect);
    }

    fn on_message(&mut self, now: Instant, message: ServerMessage<'_>) {
        let in_progress = message.interaction_status() == Some("IN_PROGRESS");
        if message.setup_complete.0.is_some() {
            self.on_setup_complete(now);
        }
        if let Some(content) = message.server_content.0 {
            self.on_content(now, content, in_progress);
        }
        for call in message.tool_call.0.into_iter().flat_map(|calls| calls.function_calls.0) {
            let Some(call) = call.0 else { continue };
            let name = call.name.0.as_deref().unwrap_or_default();
            self.on_tool_call(now, call.id.0.as_deref(), name, &call.args.0);
        }
        for id in message.tool_call_cancellation.0.into_iter().flat_map(|cancelled| cancelled.ids.0) {
            let key = id.0.and_then(|id| self.ledger.cancel(self.connection, &id));
            self.events.extend(key.map(LiveEvent::ToolCancelled));
            self.release_after_tools(now);
        }
        if let Some(update) = message.session_resumption_update.0 {
            self.on_handle(now, update.new_handle.0.as_deref(), update.resumable.0);
        }
        if let Some(go_away) = message.go_away.0 {
            self.on_go_away(now, go_away.remaining().unwrap_or(Duration::from_secs(10)));
        }
        if let Some(usage) = message.usage_metadata.0 {
            self.events.push_back(LiveEvent::Usage(Usage {
                prompt: usage.prompt_token_count.0,
                response: usage.response_token_count.0,
                total: usage.total_token_count.0,
            }));
        }
        // A connection that is being replaced anyway is not replaced twice.
        if let Some(error) = message.error.0.filter(|_| !matches!(self.state, State::Closing { .. })) {
            let text = error.message.0.unwrap_or_default();
            self.actions.push_back(Action::Drop);
            self.failed(now, Verdict::Unknown, format!("error {}: {text:.MOST_REPEATED$}", error.code.0));
        }
    }

    fn on_go_away(&mut self, now: Instant, left: Duration) {
        let State::Open { since, .. } = self.state else { return };
        let first = since + ROTATE_AT_FIRST;
        let latest = now + left.saturating_sub(GO_AWAY_MARGIN).max(Duration::from_secs(2).min(left));
        let latest = latest.max(first);
        self.rotation.wanted = Some(now.max(first));
        self.rotation.at_last = Some(self.rotation.at_last.map_or(latest, |at| at.min(latest)));
    }

    fn on_setup_complete(&mut self, now: Instant) {
        if !matches!(self.state, State::SettingUp { .. }) {
            return;
        }
        let resumed = self.resuming;
        self.state = State::Open { since: now, begun: resumed };
        self.ever_open = true;
        self.next_ping = Some(now + PING_EVERY);
        self.rotation = Rotation { wanted: Some(now + self.rotate_after), at_last: Some(now + ROTATE_AT_LAST) };
        self.events.push_back(LiveEvent::Ready { resumed });
        if resumed {
            self.catch_up();
            self.release(now);
        } else {
            self.unknown = Unknown::default();
        }
    }

    /// Tells a resumed session what was said behind its handle, and what functions answered meanwhile.
    fn catch_up(&mut self) {
        let Unknown { caller, agent, answered } = std::mem::take(&mut self.unknown);
        if !agent.is_empty() {
            let text = format!(
                "[The connection was interrupted. Before that the caller said: \"{}\" and you were answering: \"{}\". \
                 If that answer was not finished, finish it; do not repeat it and do not greet.]",
                caller.trim(),
                agent.trim()
            );
            self.tell(&text, !answered);
        }
        for (name, response) in std::mem::take(&mut self.late_answers) {
            self.tell_result(&name, &response);
        }
    }

    fn tell(&mut self, text: &str, answer: bool) {
        // Models that take history only at the start take typed text instead, which they always answer.
        let message = if self.setup.capabilities().client_content || !self.resuming {
            wire::context(text, answer)
        } else {
            wire::text(text)
        };
        self.control.push_back(message);
    }

    fn tell_result(&mut self, name: &str, response: &Value) {
        self.tell(&format!("[The function {name} has answered: {response}. Go on with that.]"), true);
    }

    /// Lets audio flow again, beginning with what was held and what the service had not answered.
    fn release(&mut self, now: Instant) {
        let Some(hold) = self.hold.take() else { return };
        let reach = hold.since.checked_sub(hold.reach_back).unwrap_or(hold.since);
        let known = self.handle.as_ref().filter(|_| self.resuming).map(|handle| handle.knows_until);
        let from = [known, self.answered_until].into_iter().flatten().fold(reach, Instant::max);
        self.replay.since(from, &mut self.uplink);
        self.replay.forget_before(now.checked_sub(replay::SPAN).unwrap_or(now));
    }

    fn on_content(&mut self, now: Instant, content: ServerContent<'_>, in_progress: bool) {
        self.last_content = Some(now);
        if content.interrupted.0 {
            if self.turn.first_speech.is_some() {
                self.turn.leftovers_until = Some(now + LEFTOVERS);
            }
            self.unknown.answered = true;
            self.events.push_back(LiveEvent::Interrupted);
        }
        if let Some(text) = content.input_transcription.0.and_then(|transcription| transcription.text.0) {
            let text = without_control_tokens(text);
            self.unknown.caller.push_str(&text);
            self.events.push_back(LiveEvent::CallerSaid(text));
        }
        if let Some(text) = content.output_transcription.0.and_then(|transcription| transcription.text.0) {
            let text = without_control_tokens(text);
            self.unknown.agent.push_str(&text);
            self.unknown.answered = false;
            self.events.push_back(LiveEvent::AgentSaid(text));
        }
        for part in content.model_turn.0.into_iter().flat_map(|turn| turn.parts.0) {
            if let Some(blob) = part.0.and_then(|part| part.inline_data.0) {
                self.on_blob(now, &blob);
            }
        }
        if content.generation_complete.0 {
            self.unknown.answered = true;
            self.events.push_back(LiveEvent::GenerationComplete);
        }
        if content.waiting_for_input.0 {
            self.silent_after_tool = None;
            self.events.push_back(LiveEvent::WaitingForInput);
        }
        if content.turn_complete.0 && !in_progress {
            if let Some(first) = self.turn.first_speech {
                self.answered_until = Some(first);
            }
            self.turn = ModelTurn::default();
            self.carry = None;
            let reason = content.turn_complete_reason.0.map(|reason| reason.chars().take(MOST_REPEATED).collect());
            self.events.push_back(LiveEvent::TurnComplete { reason });
        }
    }

    fn on_blob(&mut self, now: Instant, blob: &wire::Blob<'_>) {
        let (Some(rate), Some(data)) = (blob.pcm_rate(), blob.data.0.as_deref()) else { return };
        if self.turn.leftovers_until.is_some_and(|until| now < until) {
            return;
        }
        if self.turn.first_speech.is_none() {
            self.turn = ModelTurn { first_speech: Some(now), ..ModelTurn::default() };
        }
        self.silent_after_tool = None;
        let start = self.speech.len();
        if !wire::decode_pcm(data, &mut self.scratch, &mut self.carry, &mut self.speech) {
            self.events.push_back(LiveEvent::Garbage);
            return;
        }
        if rate != SampleRate::SPEAKING.hz() {
            self.change_rate(rate, start);
        }
        self.events.push_back(LiveEvent::Speech(SpeechRange(start..self.speech.len())));
    }

    /// The service has always sent 24 kHz; another rate is honoured all the same.
    fn change_rate(&mut self, rate: u32, start: usize) {
        let Some(from) = SampleRate::from_hz(rate) else { return };
        if self.foreign_rate.as_ref().is_none_or(|(known, _)| *known != rate) {
            self.foreign_rate = Some((rate, Resampler::new(from, SampleRate::SPEAKING)));
        }
        let foreign = self.speech.split_off(start);
        if let Some((_, resampler)) = &mut self.foreign_rate {
            resampler.push(&foreign, &mut self.speech);
        }
    }

    fn on_tool_call(&mut self, now: Instant, id: Option<&str>, name: &str, args: &Value) {
        self.silent_after_tool = None;
        self.quiet_since = None;
        match self.ledger.arrive(now, self.connection, id, name, args) {
            Arrival::Run(call) => self.events.push_back(LiveEvent::ToolCall(call)),
            Arrival::Joined => {}
            Arrival::Again(answer) => {
                let asked = [Asked { connection: self.connection, id: id.map(str::to_owned) }];
                self.reply_to_tool(now, name, &asked, &answer, None);
            }
        }
    }

    fn reply_to_tool(&mut self, now: Instant, name: &str, asked: &[Asked], response: &Value, when: Option<Scheduling>) {
        if !self.is_open() {
            self.late_answers.push((name.to_owned(), response.clone()));
            return;
        }
        let scheduling = when.filter(|_| self.setup.capabilities().scheduling);
        let answers: Vec<FunctionResponse<'_>> = asked
            .iter()
            .filter(|asked| asked.connection == self.connection)
            .map(|asked| FunctionResponse {
                id: asked.id.as_deref().map(Cow::Borrowed),
                name: Cow::Borrowed(name),
                response: Cow::Borrowed(response),
                scheduling,
            })
            .collect();
        if answers.is_empty() {
            self.tell_result(name, response);
        } else {
            self.control.push_back(wire::tool_response(&answers));
        }
        if when != Some(Scheduling::Silent) {
            self.silent_after_tool = Some(now + SILENT_AFTER_TOOL);
        }
    }

    fn on_handle(&mut self, now: Instant, handle: Option<&str>, resumable: bool) {
        let Some(value) = handle.filter(|handle| resumable && !handle.is_empty()) else { return };
        // A handle that comes in mid-speech may or may not hold that speech: saying it twice is better than losing it.
        let knows_until = self.answered_until.unwrap_or_else(|| now.checked_sub(replay::SPAN).unwrap_or(now));
        if self.turn.first_speech.is_none() {
            self.unknown = Unknown::default();
        }
        self.handle = Some(Handle { value: value.to_owned(), knows_until });
    }

    fn poll_open(&mut self, now: Instant, since: Instant) {
        if self.last_frame.is_some_and(|last| now >= last + DEAF) {
            self.actions.push_back(Action::Drop);
            return self.failed(now, Verdict::Retry, format!("nothing received for {DEAF:?}"));
        }
        if self.outage_since.is_some() && now >= since + STABLE {
            self.outage_since = None;
            self.unknown_closes = 0;
            self.backoff.reset();
        }
        if self.next_ping.is_some_and(|at| now >= at) {
            self.next_ping = Some(now + PING_EVERY);
            self.actions.push_back(Action::Ping);
        }
        if self.silent_after_tool.is_some_and(|at| now >= at) {
            self.silent_after_tool = None;
            self.control.push_back(wire::text("Please go on with the result you have just received."));
            self.events.push_back(LiveEvent::NudgedAfterTool);
        }
        let quiet = self.quiet_since.is_some_and(|quiet| now >= quiet + QUIET_FOR);
        if quiet && self.rotation.wanted.is_some_and(|wanted| now >= wanted) {
            return self.rotate(now, "planned");
        }
        if self.rotation.at_last.is_some_and(|at| now >= at) {
            self.rotate(now, "the connection's time is up");
        }
    }

    /// Closes this connection and dials the next one when it is closed.
    fn rotate(&mut self, now: Instant, why: &str) {
        self.hold(now, replay::SPAN);
        if self.outage_since.is_none() {
            self.outage_since = Some(now);
        }
        self.state = State::Closing { since: now };
        self.actions.push_back(Action::Close);
        self.events.push_back(LiveEvent::Reconnecting { why: why.to_owned() });
    }

    /// How far back the caller may not have been understood on a connection that broke: it may have been dead for much
    /// longer than anybody knew.
    fn unfollowed(&self, now: Instant) -> Duration {
        self.last_content.map_or(replay::SPAN, |last| now.saturating_duration_since(last).max(replay::SPAN))
    }

    fn hold(&mut self, now: Instant, reach_back: Duration) {
        self.hold = Some(match self.hold {
            Some(Hold { since, .. }) => Hold { since, reach_back },
            None => Hold { since: now, reach_back },
        });
        // An answer that had begun is told in words afterwards; saying the question again would have it twice. Without
        // its words it cannot be told: then the question is what is said again.
        if let Some(first) = self.turn.first_speech.filter(|_| !self.unknown.agent.is_empty()) {
            self.answered_until = Some(first);
        }
        self.uplink.clear();
        self.control.clear();
        self.silent_after_tool = None;
        self.quiet_since = None;
        self.next_ping = None;
    }

    fn failed(&mut self, now: Instant, verdict: Verdict, why: String) {
        self.hold(now, self.unfollowed(now));
        let outage = *self.outage_since.get_or_insert(now);
        let limit = if self.ever_open { GIVE_UP } else { GIVE_UP_FIRST };
        let again = self.last_failure.replace(now).is_some_and(|last| now < last + POISONED_WITHIN);
        self.unknown_closes += u32::from(verdict == Verdict::Unknown);
        let fault = match verdict {
            Verdict::Fail => Some(Fault::Configuration),
            Verdict::Quota => Some(Fault::Quota),
            Verdict::Unknown if self.unknown_closes > UNKNOWN_TRIES => Some(Fault::Configuration),
            _ if now >= outage + limit => Some(Fault::Unreachable),
            _ => None,
        };
        if let Some(fault) = fault {
            self.end();
            self.events.push_back(LiveEvent::Lost { fault, why });
            return;
        }
        self.events.push_back(LiveEvent::Reconnecting { why });
        let worthless = verdict == Verdict::Fresh || self.resuming && again;
        let forgotten = worthless && self.handle.take().is_some();
        // The first attempt after a break follows at once, and so does the next one if it goes without the handle that
        // was at fault. No more than these: a service may give a handle and curse it with every connection.
        let tries = self.backoff.tries();
        let at_once = tries == 0 || forgotten && tries == 1;
        let delay = self.backoff.next().unwrap_or(GIVE_UP);
        if at_once {
            return self.dial(now);
        }
        self.state = State::BackingOff { until: now + delay };
    }

    fn end(&mut self) {
        self.state = State::Over;
        self.uplink = Vec::new();
        self.control.clear();
    }
}

/// Some models leak tokens such as `<ctrl46>` into their transcripts (2.5 native audio, seen 2025).
fn without_control_tokens(text: Cow<'_, str>) -> String {
    let mut text = text.into_owned();
    while let Some(start) = text.find("<ctrl") {
        let Some(end) = text[start..].find('>') else { break };
        text.replace_range(start..=start + end, "");
    }
    text
}

#[cfg(test)]
#[path = "live_tests.rs"]
mod tests;
