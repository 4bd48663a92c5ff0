//! The decisions of one conversation: one source joined to one live session.
//!
//! The Bridge owns the [`Turn`], the transcript, and every deadline that concerns people: silence, no input, the
//! longest duration, a farewell that must be heard to its end. It asks for [`Effect`]s and performs none.

use super::effect::{Effect, EndReason, Measure, Record, WatchdogStep};
use super::transcript::Transcript;
use super::turn::{FloorEffect, Turn, TurnEvent};
use crate::audio::pace::Position;
use crate::audio::vad::VoiceEvent;
use crate::gemini::calls::{CallKey, ToolCall};
use crate::gemini::live::{Fault, LiveEvent, Opening};
use crate::gemini::wire::Scheduling;
use crate::source::SourceEvent;
use crate::tools::decl;
use crate::units::SampleRate;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// The local detector tells an end of voice that long after it.
const VOICE_HANGOVER: Duration = Duration::from_millis(240);
/// The local detector tells an onset about that long after it: two frames.
const VOICE_RISE: Duration = Duration::from_millis(32);
/// The watchdog's steps and how long each is waited for.
const LADDER: [(WatchdogStep, Duration); 4] = [
    (WatchdogStep::Nudge, Duration::from_secs(6)),
    (WatchdogStep::Resume, Duration::from_secs(6)),
    (WatchdogStep::Afresh, Duration::from_secs(8)),
    (WatchdogStep::FallBack, Duration::from_secs(8)),
];
/// A farewell that has not begun by then is not waited for.
const FAREWELL_BEGINS: Duration = Duration::from_secs(6);
/// The last mark is waited for that long behind the estimated end.
const MARK_GRACE: Duration = Duration::from_secs(2);
/// No farewell lasts longer.
const FAREWELL_MOST: Duration = Duration::from_secs(30);
/// Before the longest duration, the model is told to come to an end.
const WRAP_UP: Duration = Duration::from_mins(1);
/// A lost media stream may come back within that time.
const DROP_GRACE: Duration = Duration::from_secs(2);
/// A function that has not answered by then has failed, as far as the caller is concerned.
const TOOL_WITHIN: Duration = Duration::from_secs(15);
/// The model sends a turn faster than real time and without pauses: speech behind such a gap belongs to another turn.
const TURN_GAP: Duration = Duration::from_millis(1_500);
/// A voice without an end and without a word understood for that long is a noise, or the service has gone deaf.
const LONGEST_VOICE: Duration = Duration::from_secs(30);
/// An interruption that comes later has nothing to do with that voice (the service was seen to take up to 3 s).
const LATE_INTERRUPTION: Duration = Duration::from_secs(4);
/// A caller who said that much before the model listened is answered instead of greeted.
const SPOKE_FIRST: Duration = Duration::from_millis(300);

const NUDGE: &str = "[The caller hears nothing from you. Go on with what you were about to say; if you were waiting, \
    ask whether the caller is still there.]";
const STILL_THERE: &str =
    "[The caller has been silent for a while. Ask in one short sentence whether they are still there.]";
const GOODBYE: &str = "[The caller is still silent. Say in one sentence that you will end the call now, and goodbye.]";
const COME_TO_AN_END: &str = "[This call has lasted very long. Bring it to an end politely within the next minute.]";
const TIME_IS_UP: &str = "[The call must end now. Say goodbye in one short sentence.]";
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
                self.transcript.caller_said(now, &text);
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
            LiveEvent::NudgedAfterTool => self.note("nudged-after-tool", ""),
            LiveEvent::Garbage => self.note("live-garbage", ""),
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

    /// A function has been carried out.
    pub fn on_tool(&mut self, now: Instant, key: CallKey, response: Value, facts: &Facts) {
        if !self.over && self.running.iter().any(|running| running.key == key) {
            self.answer_tool(now, key, response, Scheduling::WhenIdle, facts);
        }
    }

    /// Somebody outside ends the conversation: hang up for staff, leave it to a human when draining.
    pub fn stop(&mut self, now: Instant, reason: EndReason, facts: &Facts) {
        if self.over {
            return;
        }
        let effect = match reason {
            EndReason::Draining | EndReason::Failed(_) => Effect::FallBack(reason),
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
        let tool = self.running.iter().map(|running| running.since + TOOL_WITHIN).min();
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
        self.note("live-ready", if resumed { "resumed" } else { "new" });
        if resumed || self.connected.is_none() {
            return;
        }
        let opening = if self.transcript.is_empty() {
            if self.turn == Turn::Listening {
                self.set_turn(now, Turn::AgentDue);
            }
            if self.spoke_first { Opening::Answer } else { Opening::Greet }
        } else {
            let text = format!(
                "[You are in the middle of a phone call; the connection was renewed. Do not greet again. So far:\n{}]",
                self.transcript.summary()
            );
            // A reply that has arrived whole is being heard, connection or not.
            let answer = matches!(self.turn, Turn::AgentDue | Turn::Replying { complete: false, .. });
            Opening::Summary { text, answer }
        };
        self.effects.push_back(Effect::Begin(opening));
    }

    fn on_voice(&mut self, now: Instant, voice: VoiceEvent, facts: &Facts) {
        match voice {
            VoiceEvent::Onset => {
                self.voice_onset = Some(now.checked_sub(VOICE_RISE).unwrap_or(now));
                if matches!(self.turn, Turn::Replying { .. }) {
                    self.close_caller();
                }
                self.transcript.caller_voice(self.voice_onset.unwrap_or(now));
            }
            VoiceEvent::Sustained => {
                self.spoke_first = true;
                self.transcript.caller_voice(now);
                self.caller_is_there(now);
                self.withdraw_farewell();
            }
            VoiceEvent::End { voiced } => {
                self.spoke_first |= voiced >= SPOKE_FIRST;
                let ended = now.checked_sub(VOICE_HANGOVER).unwrap_or(now);
                self.transcript.caller_voice(ended);
                self.voice_ended = Some(ended);
            }
        }
        self.move_floor(now, TurnEvent::Voice(voice), facts);
    }

    fn on_speech(&mut self, now: Instant, facts: &Facts) {
        if !self.speech_is_arriving(now) {
            self.dropping = false;
        }
        self.last_speech = Some(now);
        self.turn_had_speech = true;
        if !self.takes_speech() {
            return;
        }
        if !matches!(self.turn, Turn::Replying { .. }) {
            self.transcript.agent_started(now, facts.end);
            self.reply_started = Some(now);
            self.reply_measured = false;
        }
        self.move_floor(now, TurnEvent::Speech, facts);
        if let Some(farewell) = &mut self.farewell {
            farewell.begun = true;
            farewell.played_out = None;
        }
    }

    fn speech_is_arriving(&self, now: Instant) -> bool {
        self.last_speech.is_some_and(|last| now < last + TURN_GAP)
    }

    fn on_interrupted(&mut self, now: Instant, facts: &Facts) {
        self.dropping = false;
        self.turn_had_speech = true;
        self.note("interrupted", "");
        self.move_floor(now, TurnEvent::Interrupted, facts);
    }

    fn on_generation_complete(&mut self, now: Instant, facts: &Facts) {
        self.close_caller();
        if std::mem::take(&mut self.dropping) {
            return;
        }
        self.move_floor(now, TurnEvent::ReplyComplete, facts);
    }

    fn on_turn_complete(&mut self, now: Instant, reason: Option<String>, facts: &Facts) {
        self.close_caller();
        self.dropping = false;
        let had_speech = std::mem::take(&mut self.turn_had_speech);
        if let Some(reason) = reason {
            // Safety and malformed-call endings leave the caller in silence: the watchdog takes them from here.
            self.note("turn-cut-by-service", &reason);
            return;
        }
        if matches!(self.turn, Turn::Replying { .. }) {
            self.move_floor(now, TurnEvent::ReplyComplete, facts);
        } else if !had_speech && self.running.is_empty() {
            self.move_floor(now, TurnEvent::NothingToSay, facts);
        }
    }

    fn on_tool_call(&mut self, now: Instant, call: ToolCall, facts: &Facts) {
        self.note("tool-call", &call.name);
        if call.name != decl::END_CALL {
            self.running.push(Running { key: call.key, since: now });
            self.effects.push_back(Effect::RunTool(call));
            return;
        }
        let spoken = matches!(self.turn, Turn::Replying { .. });
        let scheduling = if spoken { Scheduling::Silent } else { Scheduling::WhenIdle };
        let response =
            json!({ "output": { "status": "ending", "say": "If you have not said goodbye yet, do so now." } });
        self.answer_tool(now, call.key, response, scheduling, facts);
        self.part(now, EndReason::AgentEnded, spoken);
    }

    fn answer_tool(&mut self, now: Instant, key: CallKey, response: Value, when: Scheduling, facts: &Facts) {
        self.running.retain(|running| running.key != key);
        self.effects.push_back(Effect::AnswerTool { key, response, scheduling: when });
        if when != Scheduling::Silent {
            // The caller waits for what comes of it.
            self.tool_answered = Some(now);
            self.move_floor(now, TurnEvent::Prompted, facts);
        }
    }

    /// Plans a hang-up behind a farewell.
    fn part(&mut self, now: Instant, reason: EndReason, begun: bool) {
        let hang_up = Effect::HangUp(reason);
        self.farewell.get_or_insert(Farewell { hang_up, asked: now, begun, played_out: None });
    }

    fn move_floor(&mut self, now: Instant, event: TurnEvent, facts: &Facts) {
        let (turn, effect) = self.turn.on(event);
        match effect {
            Some(FloorEffect::Duck) => self.effects.push_back(Effect::Duck),
            Some(FloorEffect::Unduck) => {
                self.effects.push_back(Effect::Unduck);
                if matches!(turn, Turn::Replying { .. }) {
                    self.effects.push_back(Effect::Measure(Measure::FalseAlarm));
                }
            }
            Some(FloorEffect::Flush) if event == TurnEvent::Inaudible => {
                self.effects.push_back(Effect::Flush);
                self.close_reply(now, facts, Some(facts.heard));
            }
            Some(FloorEffect::Flush) => self.barge_in(now, event, facts),
            None => {}
        }
        if turn != self.turn {
            self.set_turn(now, turn);
        }
    }

    fn barge_in(&mut self, now: Instant, event: TurnEvent, facts: &Facts) {
        let complete = matches!(self.turn, Turn::Replying { complete: true, .. });
        self.dropping = event != TurnEvent::Interrupted && !complete && self.speech_is_arriving(now);
        self.effects.push_back(Effect::Flush);
        let took = self.voice_onset.map(|onset| now.saturating_duration_since(onset));
        if let Some(took) = took.filter(|took| *took < LATE_INTERRUPTION) {
            self.effects.push_back(Effect::Measure(Measure::BargeIn(took)));
        }
        self.close_reply(now, facts, Some(facts.heard));
        self.withdraw_farewell();
    }

    /// The caller has spoken up: a hang-up that follows from what the agent said falls.
    fn withdraw_farewell(&mut self) {
        if self.farewell.as_ref().is_some_and(|farewell| !farewell.hang_up.survives_barge_in()) {
            self.farewell = None;
            self.note("farewell-withdrawn", "");
        }
    }

    fn set_turn(&mut self, now: Instant, turn: Turn) {
        let was_agents = self.turn.is_agents();
        self.turn = turn;
        self.turn_since = now;
        if was_agents != turn.is_agents() {
            self.rung_since = None;
            self.agents_since = turn.is_agents().then_some(now);
        }
        self.quiet_since = (turn == Turn::Listening).then_some(now);
    }

    fn caller_is_there(&mut self, now: Instant) {
        self.asked_still_there = false;
        if self.quiet_since.is_some() {
            self.quiet_since = Some(now);
        }
    }

    /// Notices the first audible sound of a reply, and its end.
    fn watch_reply(&mut self, now: Instant, facts: &Facts) {
        let Turn::Replying { complete, .. } = self.turn else { return };
        let audible = self.reply_started.zip(facts.audible_until).is_some_and(|(started, until)| until > started);
        if audible && !self.reply_measured {
            self.reply_measured = true;
            self.rung = 0;
            if let Some(ended) = self.voice_ended.take() {
                self.effects.push_back(Effect::Measure(Measure::TurnGap(now.saturating_duration_since(ended))));
            }
        }
        if complete && facts.is_played_out() {
            self.close_reply(now, facts, None);
            self.move_floor(now, if audible { TurnEvent::PlayedOut } else { TurnEvent::PlayedSilence }, facts);
        }
    }

    fn watch_tools(&mut self, now: Instant, facts: &Facts) {
        while let Some(late) = self.running.iter().find(|running| now >= running.since + TOOL_WITHIN) {
            let key = late.key;
            self.note("tool-timeout", "");
            let error =
                json!({ "error": "This takes too long just now. Say so and offer to take a message.", "retry": false });
            self.effects.push_back(Effect::CancelTool(key));
            self.answer_tool(now, key, error, Scheduling::WhenIdle, facts);
        }
    }

    fn watch_duration(&mut self, now: Instant, connected: Instant) {
        if !self.wrapped_up && now >= connected + self.wrap_up_after() {
            self.wrapped_up = true;
            self.effects.push_back(Effect::Prompt(COME_TO_AN_END));
        }
        if now >= connected + self.patience.longest && self.time_is_not_up() {
            self.note("too-long", "");
            self.farewell = None;
            self.part(now, EndReason::TooLong, false);
            self.effects.push_back(Effect::Prompt(TIME_IS_UP));
        }
    }

    fn time_is_not_up(&self) -> bool {
        self.farewell.as_ref().is_none_or(|farewell| farewell.hang_up != Effect::HangUp(EndReason::TooLong))
    }

    fn wrap_up_after(&self) -> Duration {
        self.patience.longest.saturating_sub(WRAP_UP).max(self.patience.longest / 2)
    }

    /// Since when the caller hears nothing although it is the agent's turn.
    fn owed_since(&self, facts: &Facts) -> Option<Instant> {
        // A function has its own deadline, and so has a farewell.
        if !self.running.is_empty() || self.farewell.is_some() {
            return None;
        }
        let owed = match self.turn {
            // A reply that cannot be heard is no answer: it does not start the clock again.
            Turn::AgentDue | Turn::Replying { .. } => self.agents_since?,
            Turn::CallerSpeaking => self.turn_since.max(self.understood.unwrap_or(self.turn_since)) + LONGEST_VOICE,
            Turn::Listening => return None,
        };
        Some([facts.audible_until, self.tool_answered].into_iter().flatten().fold(owed, Instant::max))
    }

    fn rung_deadline(&self, owed: Instant) -> Instant {
        self.rung_since.map_or(owed, |since| since.max(owed)) + LADDER[self.rung.min(LADDER.len() - 1)].1
    }

    fn watch_silence(&mut self, now: Instant, facts: &Facts) {
        if self.owed_since(facts).is_none_or(|owed| now < self.rung_deadline(owed)) {
            return;
        }
        // What is left of a reply that nobody hears would stand in the way of the next one.
        self.move_floor(now, TurnEvent::Inaudible, facts);
        let (step, _) = LADDER[self.rung.min(LADDER.len() - 1)];
        self.rung += 1;
        self.rung_since = Some(now);
        self.note("watchdog", step.as_str());
        self.effects.push_back(Effect::Measure(Measure::Watchdog(step)));
        match step {
            WatchdogStep::Nudge => self.effects.push_back(Effect::Prompt(NUDGE)),
            WatchdogStep::Resume => self.effects.push_back(Effect::Resume("the model is silent")),
            WatchdogStep::Afresh => self.effects.push_back(Effect::StartAfresh("the model stays silent")),
            WatchdogStep::FallBack => self.end(now, Effect::FallBack(EndReason::Failed("the model is silent")), facts),
        }
    }

    fn input_patience(&self) -> Duration {
        if self.asked_still_there { self.patience.goodbye } else { self.patience.no_input }
    }

    /// When the caller's silence has lasted too long; `None` while it is not their turn, or nobody could ask them.
    fn input_deadline(&self, facts: &Facts) -> Option<Instant> {
        let theirs = self.turn == Turn::Listening && self.farewell.is_none() && self.running.is_empty();
        let since = self.quiet_since.filter(|_| theirs && facts.live_open)?;
        Some(since + self.input_patience())
    }

    fn watch_input(&mut self, now: Instant, facts: &Facts) {
        if self.input_deadline(facts).is_none_or(|at| now < at) {
            return;
        }
        if self.asked_still_there {
            self.note("no-input", "goodbye");
            self.effects.push_back(Effect::Prompt(GOODBYE));
            self.part(now, EndReason::NoInput, false);
        } else {
            self.note("no-input", "asked");
            self.asked_still_there = true;
            self.effects.push_back(Effect::Prompt(STILL_THERE));
        }
        self.move_floor(now, TurnEvent::Prompted, facts);
    }

    fn farewell_deadline(&self, now: Instant, farewell: &Farewell, facts: &Facts) -> Instant {
        let latest = farewell.asked + FAREWELL_MOST;
        if !farewell.begun {
            return farewell.asked + FAREWELL_BEGINS;
        }
        if let Some(played_out) = farewell.played_out {
            return if facts.confirmed { now } else { (played_out + MARK_GRACE).min(latest) };
        }
        if self.turn == Turn::Listening {
            return now;
        }
        // A farewell that falls silent in the middle is not waited for either.
        let heard = facts.audible_until.map_or(farewell.asked, |until| until.max(farewell.asked));
        (heard + FAREWELL_BEGINS).min(latest)
    }

    fn watch_farewell(&mut self, now: Instant, facts: &Facts) {
        let Some(farewell) = &mut self.farewell else { return };
        if farewell.begun && self.turn == Turn::Listening && farewell.played_out.is_none() {
            farewell.played_out = Some(now);
        }
        let Some(farewell) = &self.farewell else { return };
        if now >= self.farewell_deadline(now, farewell, facts) {
            let hang_up = farewell.hang_up.clone();
            self.end(now, hang_up, facts);
        }
    }

    fn close_caller(&mut self) {
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

    fn note(&mut self, kind: &'static str, detail: &str) {
        self.effects.push_back(Effect::Record(Record::Event { kind, detail: detail.to_owned() }));
    }
}
