//! The decisions of one conversation: one source joined to one live session.
//!
//! The Bridge owns the [`Turn`], the transcript, and every deadline that concerns people: silence, no input, the
//! longest duration, a farewell that must be heard to its end. It asks for [`Effect`]s and performs none.
//!
//! - `floor`: who speaks; barge-ins, the beginning and end of a reply.
//! - `silence`: the watchdog's ladder, the caller who says nothing, the longest duration.
//! - `farewell`: a hang-up that waits for its last words.
//! - `emergency`: danger to life, and handing over to a person.
//! - `functions`: what the model calls.

mod emergency;
mod farewell;
mod floor;
mod functions;
mod silence;

pub use emergency::Guard;

use super::effect::{Effect, EndReason, Record};
use super::transcript::Transcript;
use super::turn::{Turn, TurnEvent};
use crate::audio::pace::Position;
use crate::gemini::calls::CallKey;
use crate::gemini::live::{Fault, LiveEvent, Opening};
use crate::source::SourceEvent;
use crate::units::SampleRate;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// A lost media stream may come back within that time.
const DROP_GRACE: Duration = Duration::from_secs(2);
/// Words that come later than that behind a voice belong to one that was not heard here.
const WRITTEN_WITHIN: Duration = Duration::from_secs(4);
const LINE_CAME_BACK: &str = "[The line was interrupted for a moment. Repeat your last sentence briefly.]";

/// How patient a conversation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// The caller is asked whether they are there after that much silence.
    pub no_input: Duration,
    /// The call is ended politely after that much more.
    pub goodbye: Duration,
    /// No call lasts longer.
    pub longest: Duration,
}

/// What the source knows at the moment of a decision.
#[derive(Debug, Clone, Copy, Default)]
pub struct Facts {
    /// Where the next sample of speech will stand.
    pub end: Position,
    /// How far the ear has come.
    pub heard: Position,
    /// The far end has confirmed that it played everything.
    pub confirmed: bool,
    /// Until when audible sound reaches the ear.
    pub audible_until: Option<Instant>,
    /// The live session takes messages.
    pub live_open: bool,
}

impl Facts {
    fn remaining(&self) -> Duration {
        SampleRate::TELEPHONY.duration_of(self.end.0.saturating_sub(self.heard.0) as usize)
    }

    fn is_played_out(&self) -> bool {
        self.heard >= self.end
    }
}

/// A hang-up that waits for its farewell to be heard.
struct Farewell {
    hang_up: Effect,
    asked: Instant,
    /// The farewell, or what may be one, has begun.
    begun: bool,
    played_out: Option<Instant>,
}

struct Running {
    key: CallKey,
    since: Instant,
}

/// The decisions of one conversation.
///
/// After every call that takes a `now`, take [`next_effect`](Self::next_effect) until there is none; call
/// [`poll`](Self::poll) no later than [`deadline`](Self::deadline).
#[expect(clippy::struct_excessive_bools, reason = "independent facts, each with a comment; the floor is an enum")]
pub struct Bridge {
    patience: Patience,
    turn: Turn,
    turn_since: Instant,
    /// Since when it has been the agent's turn.
    agents_since: Option<Instant>,
    connected: Option<Instant>,
    line_lost: Option<Instant>,
    live_ready: bool,
    transcript: Transcript,
    reply_started: Option<Instant>,
    reply_measured: bool,
    /// The rest of a reply that we cut ourselves is still arriving.
    dropping: bool,
    last_speech: Option<Instant>,
    /// The model's present turn has had speech, or was interrupted: its end does not mean that it had nothing to say.
    turn_had_speech: bool,
    /// The caller said something before the conversation began.
    spoke_first: bool,
    /// The service last understood a word of the caller's.
    understood: Option<Instant>,
    /// The caller last said something, as far as anybody can tell.
    spoke: Option<Instant>,
    /// A voice was last heard here, however short.
    voice_heard: Option<Instant>,
    voice_onset: Option<Instant>,
    voice_ended: Option<Instant>,
    rung: usize,
    rung_since: Option<Instant>,
    quiet_since: Option<Instant>,
    asked_still_there: bool,
    wrapped_up: bool,
    farewell: Option<Farewell>,
    running: Vec<Running>,
    /// A function last gave its answer.
    tool_answered: Option<Instant>,
    /// Answers given to functions since a reply was last audible.
    unheard_answers: u32,
    /// A reply was audible: whoever takes over must not greet.
    was_heard: bool,
    /// This connection's nonsense is in the record.
    garbage_noted: bool,
    guard: Option<Guard>,
    /// A life may be in danger, and that has been told.
    in_danger: bool,
    effects: VecDeque<Effect>,
    over: bool,
}

impl Bridge {
    /// The decisions of a conversation whose source is not connected yet.
    pub fn new(now: Instant, patience: Patience) -> Self {
        Self {
            patience,
            turn: Turn::Listening,
            turn_since: now,
            agents_since: None,
            connected: None,
            line_lost: None,
            live_ready: false,
            transcript: Transcript::default(),
            reply_started: None,
            reply_measured: false,
            dropping: false,
            last_speech: None,
            turn_had_speech: false,
            spoke_first: false,
            understood: None,
            spoke: None,
            voice_heard: None,
            voice_onset: None,
            voice_ended: None,
            rung: 0,
            rung_since: None,
            quiet_since: None,
            asked_still_there: false,
            wrapped_up: false,
            farewell: None,
            running: Vec::new(),
            tool_answered: None,
            unheard_answers: 0,
            was_heard: false,
            garbage_noted: false,
            guard: None,
            in_danger: false,
            effects: VecDeque::new(),
            over: false,
        }
    }

    /// The source has something to say.
    pub fn on_source(&mut self, now: Instant, event: SourceEvent, facts: &Facts) {
        if self.over {
            return;
        }
        match event {
            SourceEvent::Started => self.on_started(now),
            SourceEvent::Voice(voice) => self.on_voice(now, voice, facts),
            SourceEvent::Digit(digit) => {
                self.caller_is_there(now);
                // The key itself may be part of a card number: the record says only that one was pressed.
                let kind = if digit.is_ascii_digit() { "a digit" } else { "star, hash or letter" };
                self.note("dtmf", kind);
            }
            SourceEvent::Ended => self.end(now, Effect::Gone(EndReason::CallerLeft), facts),
        }
    }

    /// The media stream broke off without a word; it may come back.
    pub fn line_lost(&mut self, now: Instant, facts: &Facts) {
        if !self.over && self.line_lost.is_none() {
            self.line_lost = Some(now);
            self.close_reply(now, facts, Some(facts.heard));
            self.note("line-lost", "");
        }
    }

    /// The live session has something to say. Speech itself is passed on by the conversation, if
    /// [`takes_speech`](Self::takes_speech).
    pub fn on_live(&mut self, now: Instant, event: LiveEvent, facts: &Facts) {
        if self.over {
            return;
        }
        match event {
            LiveEvent::Ready { resumed } => self.on_ready(now, resumed),
            LiveEvent::Speech(_) => self.on_speech(now, facts),
            LiveEvent::CallerSaid(text) => {
                self.caller_is_there(now);
                self.understood = Some(now);
                self.withdraw_goodbye_to_nobody(&text);
                if !text.trim().is_empty() {
                    self.spoke = self.spoke.max(Some(self.said_at(now)));
                }
                self.transcript.caller_said(now, &text);
                self.listen_for_danger(now, &text, facts);
            }
            LiveEvent::AgentSaid(text) => {
                if self.takes_speech() {
                    self.transcript.agent_said(now, facts.end, &text);
                }
            }
            LiveEvent::Interrupted => self.on_interrupted(now, facts),
            LiveEvent::GenerationComplete => self.on_generation_complete(now, facts),
            LiveEvent::TurnComplete { reason } => self.on_turn_complete(now, reason, facts),
            LiveEvent::WaitingForInput => self.move_floor(now, TurnEvent::NothingToSay, facts),
            LiveEvent::ToolCall(call) => self.on_tool_call(now, call, facts),
            LiveEvent::ToolCancelled(key) => {
                self.running.retain(|running| running.key != key);
                self.effects.push_back(Effect::CancelTool(key));
            }
            LiveEvent::Usage(usage) => self.effects.push_back(Effect::Record(Record::Usage(usage))),
            LiveEvent::Reconnecting { why } => {
                self.live_ready = false;
                self.note("live-reconnecting", &why);
            }
            LiveEvent::NudgedAfterTool => {
                self.note("nudged-after-tool", "");
                self.move_floor(now, TurnEvent::Prompted, facts);
            }
            LiveEvent::Garbage => {
                // One line a connection: a service that talks nonsense does so at the rate of frames.
                if !std::mem::replace(&mut self.garbage_noted, true) {
                    self.note("live-garbage", "");
                }
            }
            LiveEvent::Lost { fault, why } => {
                self.note("live-lost", &why);
                let why = match fault {
                    Fault::Configuration => "the model refuses us",
                    Fault::Quota => "the model's quota is used up",
                    Fault::Unreachable => "the model cannot be reached",
                };
                self.end(now, Effect::FallBack(EndReason::Failed(why)), facts);
            }
        }
    }

    /// Somebody outside ends the conversation: hang up for staff, leave it to a human when draining.
    pub fn stop(&mut self, now: Instant, reason: EndReason, facts: &Facts) {
        if self.over {
            return;
        }
        let effect = match reason {
            EndReason::Draining | EndReason::Failed(_) | EndReason::Transferred | EndReason::Emergency => {
                Effect::FallBack(reason)
            }
            EndReason::CallerLeft | EndReason::LineLost => Effect::Gone(reason),
            reason => Effect::HangUp(reason),
        };
        self.end(now, effect, facts);
    }

    /// Does what is due at `now`.
    pub fn poll(&mut self, now: Instant, facts: &Facts) {
        if self.over {
            return;
        }
        if let Some(lost) = self.line_lost {
            if now >= lost + DROP_GRACE {
                self.end(now, Effect::Gone(EndReason::LineLost), facts);
            }
            return;
        }
        let Some(connected) = self.connected else { return };
        self.watch_reply(now, facts);
        self.watch_tools(now, facts);
        self.watch_duration(now, connected);
        self.watch_silence(now, facts);
        self.watch_input(now, facts);
        self.watch_farewell(now, facts);
    }

    /// When [`poll`](Self::poll) must be called next, whatever happens until then.
    pub fn deadline(&self, now: Instant, facts: &Facts) -> Option<Instant> {
        if self.over {
            return None;
        }
        if let Some(lost) = self.line_lost {
            return Some(lost + DROP_GRACE);
        }
        let connected = self.connected?;
        let reply = matches!(self.turn, Turn::Replying { complete: true, .. }).then(|| now + facts.remaining());
        let ladder = self.owed_since(facts).map(|since| self.rung_deadline(since));
        let tool = self.tools_deadline();
        let input = self.input_deadline(facts);
        let duration = if self.wrapped_up { self.patience.longest } else { self.wrap_up_after() };
        let duration = self.time_is_not_up().then_some(connected + duration);
        let farewell = self.farewell.as_ref().map(|farewell| self.farewell_deadline(now, farewell, facts));
        [reply, ladder, tool, input, duration, farewell].into_iter().flatten().min()
    }

    /// The next act, in order.
    pub fn next_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// Whether arriving speech is to be played.
    pub fn takes_speech(&self) -> bool {
        !self.over && !self.dropping && self.connected.is_some() && self.line_lost.is_none()
    }

    /// Whether nobody would notice a new connection now.
    pub fn is_quiet(&self, now: Instant, facts: &Facts) -> bool {
        self.turn == Turn::Listening && self.farewell.is_none() && facts.audible_until.is_none_or(|until| now >= until)
    }

    /// Who has the floor.
    pub fn turn(&self) -> Turn {
        self.turn
    }

    /// When the caller last said something, as far as anybody can tell: a voice, or words that were understood.
    pub fn caller_spoke(&self) -> Option<Instant> {
        self.spoke
    }

    /// Whether the conversation has ended.
    pub fn is_over(&self) -> bool {
        self.over
    }

    fn on_started(&mut self, now: Instant) {
        let again = self.connected.is_some();
        self.connected.get_or_insert(now);
        self.line_lost = None;
        self.note(if again { "line-back" } else { "answered" }, "");
        self.set_turn(now, Turn::AgentDue);
        if again {
            self.effects.push_back(Effect::Prompt(LINE_CAME_BACK));
        } else if self.live_ready {
            self.effects.push_back(Effect::Begin(Opening::Greet));
        }
    }

    fn on_ready(&mut self, now: Instant, resumed: bool) {
        self.live_ready = true;
        self.dropping = false;
        self.garbage_noted = false;
        self.note("live-ready", if resumed { "resumed" } else { "new" });
        if resumed || self.connected.is_none() {
            return;
        }
        let opening = if self.transcript.is_empty() && !self.was_heard {
            if self.turn == Turn::Listening {
                self.set_turn(now, Turn::AgentDue);
            }
            if self.spoke_first { Opening::Answer } else { Opening::Greet }
        } else {
            let text = format!(
                "[You are in the middle of a conversation; the connection was renewed. Do not greet again. So far:\n{}]",
                if self.transcript.is_empty() {
                    "You have greeted the caller.".to_owned()
                } else {
                    self.transcript.summary()
                }
            );
            // A reply that has arrived whole is being heard, connection or not.
            let answer = matches!(self.turn, Turn::AgentDue | Turn::Replying { complete: false, .. });
            Opening::Summary { text, answer }
        };
        self.effects.push_back(Effect::Begin(opening));
    }

    fn close_caller(&mut self) {
        self.caller_paused();
        let said = self.transcript.close_caller();
        self.effects.extend(said.map(|said| Effect::Record(Record::Said(said))));
    }

    fn close_reply(&mut self, now: Instant, facts: &Facts, cut: Option<Position>) {
        self.close_caller();
        let said = self.transcript.close_agent(now, facts.end, cut);
        self.effects.extend(said.map(|said| Effect::Record(Record::Said(said))));
    }

    fn end(&mut self, now: Instant, how: Effect, facts: &Facts) {
        let cut = (!facts.is_played_out()).then_some(facts.heard);
        self.close_reply(now, facts, cut);
        for running in std::mem::take(&mut self.running) {
            self.effects.push_back(Effect::CancelTool(running.key));
        }
        self.effects.push_back(Effect::FinishLive);
        self.effects.push_back(how);
        self.over = true;
    }

    /// When the words were said that have just been written down: with the voice that was heard, if one was shortly before.
    /// The service may write down the end of a sentence when something else has been asked meanwhile.
    fn said_at(&self, now: Instant) -> Instant {
        self.voice_heard.filter(|heard| now < *heard + WRITTEN_WITHIN).unwrap_or(now)
    }

    fn note(&mut self, kind: &'static str, detail: &str) {
        self.effects.push_back(Effect::Record(Record::Event { kind, detail: detail.to_owned() }));
    }
}
