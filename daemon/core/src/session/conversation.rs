//! One conversation put together: a source, a live session, and the Bridge that decides between them.
//!
//! Still no socket and no clock: the shell feeds frames and time, and performs what comes out. Audio passes through
//! here without a decision of its own and without an allocation.

use super::bridge::{Bridge, Facts, Guard, Patience};
use super::effect::{Effect, EndReason, Measure, Record};
use super::turn::Turn;
use crate::gemini::calls::{CallKey, ToolCall};
use crate::gemini::live::{Fault, LiveEvent, LiveSession};
use crate::source::Source;
use serde_json::Value;
use std::collections::VecDeque;
use std::time::Instant;

/// What the shell must do, in order.
#[derive(Debug, Clone, PartialEq)]
pub enum Outward {
    /// Run a function; answer with [`Conversation::tool_done`].
    RunTool(ToolCall),
    /// Nobody waits for that function any more.
    CancelTool(CallKey),
    /// Keep something.
    Record(Record),
    /// Count something.
    Measure(Measure),
    /// The service listens.
    LiveReady,
    /// The service cannot be used: other calls will meet the same.
    LiveLost(Fault),
    /// Hang up the caller's line; nothing more will be said.
    HangUp(EndReason),
    /// Leave the call to a human.
    FallBack(EndReason),
    /// The caller has gone; nothing is left to hang up.
    Gone(EndReason),
}

/// One conversation.
///
/// After every call that takes a `now`, take [`next_outward`](Self::next_outward) until there is none, the live
/// session's actions ([`LiveSession::next_action`]), and the source's messages; call [`poll`](Self::poll) no later than
/// [`deadline`](Self::deadline).
pub struct Conversation<S> {
    source: Option<S>,
    live: LiveSession,
    bridge: Bridge,
    outward: VecDeque<Outward>,
}

impl<S: Source> Conversation<S> {
    /// A conversation whose source is still to come. The live session is connected at once, so that it is ready when
    /// the caller is.
    pub fn new(now: Instant, mut live: LiveSession, patience: Patience) -> Self {
        live.connect(now);
        Self { source: None, live, bridge: Bridge::new(now, patience), outward: VecDeque::with_capacity(16) }
    }

    /// The source is there, or there again.
    pub fn attach(&mut self, source: S) {
        self.source = Some(source);
    }

    /// The source, to feed it what arrived; call [`source_fed`](Self::source_fed) afterwards.
    pub fn source_mut(&mut self) -> Option<&mut S> {
        self.source.as_mut()
    }

    /// The source, to look at.
    pub fn source(&self) -> Option<&S> {
        self.source.as_ref()
    }

    /// The live session, to feed it what arrived; call [`live_fed`](Self::live_fed) afterwards.
    pub fn live_mut(&mut self) -> &mut LiveSession {
        &mut self.live
    }

    /// The live session, to look at.
    pub fn live(&self) -> &LiveSession {
        &self.live
    }

    /// The source has been fed: passes on what it heard.
    pub fn source_fed(&mut self, now: Instant) {
        if let Some(source) = &mut self.source {
            let heard = source.heard_audio();
            if !heard.is_empty() && !self.bridge.is_over() {
                self.live.send_audio(now, heard);
            }
            source.audio_taken();
        }
        while let Some(event) = self.source.as_mut().and_then(Source::next_event) {
            let facts = self.facts(now);
            self.bridge.on_source(now, event, &facts);
            self.perform(now);
        }
        self.poll(now);
    }

    /// The live session has been fed: passes on what it said.
    pub fn live_fed(&mut self, now: Instant) {
        while let Some(event) = self.live.next_event() {
            self.on_live_event(now, event);
        }
        self.poll(now);
    }

    /// The source broke off without a word; it may come back for a moment.
    pub fn source_lost(&mut self, now: Instant) {
        let facts = self.facts(now);
        self.bridge.line_lost(now, &facts);
        self.source = None;
        self.perform(now);
    }

    /// A function has been carried out.
    pub fn tool_done(&mut self, now: Instant, key: CallKey, response: Value) {
        let facts = self.facts(now);
        self.bridge.on_tool(now, key, response, &facts);
        self.perform(now);
    }

    /// Listens for danger to life from now on.
    pub fn guard(&mut self, guard: Guard) {
        self.bridge.guard(guard);
    }

    /// A function that was answered is about danger to life: see [`Bridge::emergency`].
    pub fn emergency(&mut self, now: Instant) {
        self.bridge.emergency(now);
        self.perform(now);
    }

    /// A function that was answered hands the caller to a person: see [`Bridge::transfer`].
    pub fn transfer(&mut self, now: Instant) {
        self.bridge.transfer(now);
        self.perform(now);
    }

    /// When the caller last said something, as far as anybody can tell.
    pub fn caller_spoke(&self) -> Option<Instant> {
        self.bridge.caller_spoke()
    }

    /// Somebody outside ends the conversation.
    pub fn stop(&mut self, now: Instant, reason: EndReason) {
        let facts = self.facts(now);
        self.bridge.stop(now, reason, &facts);
        self.perform(now);
    }

    /// Does what is due at `now`.
    pub fn poll(&mut self, now: Instant) {
        self.live.poll(now);
        while let Some(event) = self.live.next_event() {
            self.on_live_event(now, event);
        }
        let facts = self.facts(now);
        self.bridge.poll(now, &facts);
        self.perform(now);
        self.live.set_quiet(now, self.bridge.is_quiet(now, &facts));
    }

    /// When [`poll`](Self::poll) must be called next, whatever arrives until then.
    pub fn deadline(&self, now: Instant) -> Option<Instant> {
        [self.bridge.deadline(now, &self.facts(now)), self.live.deadline()].into_iter().flatten().min()
    }

    /// The next thing for the shell to do.
    pub fn next_outward(&mut self) -> Option<Outward> {
        self.outward.pop_front()
    }

    /// Who has the floor.
    pub fn turn(&self) -> Turn {
        self.bridge.turn()
    }

    /// Whether the conversation has ended; the caller may still be on the line.
    pub fn is_over(&self) -> bool {
        self.bridge.is_over()
    }

    fn on_live_event(&mut self, now: Instant, event: LiveEvent) {
        let speech = match &event {
            LiveEvent::Speech(range) => Some(range.clone()),
            _ => None,
        };
        match &event {
            LiveEvent::Ready { .. } => self.outward.push_back(Outward::LiveReady),
            LiveEvent::Lost { fault, .. } => self.outward.push_back(Outward::LiveLost(*fault)),
            _ => {}
        }
        let complete = matches!(event, LiveEvent::GenerationComplete | LiveEvent::TurnComplete { .. });
        let facts = self.facts(now);
        self.bridge.on_live(now, event, &facts);
        self.perform(now);
        let Some(source) = &mut self.source else { return };
        if let Some(range) = speech
            && self.bridge.takes_speech()
        {
            source.play(self.live.speech(&range));
        }
        if complete {
            source.complete_reply();
        }
    }

    fn facts(&self, now: Instant) -> Facts {
        let live_open = self.live.is_open();
        self.source.as_ref().map_or(Facts { live_open, ..Facts::default() }, |source| Facts {
            end: source.end(),
            heard: source.heard(now),
            confirmed: source.is_confirmed(),
            audible_until: source.audible_until(),
            live_open,
        })
    }

    fn perform(&mut self, now: Instant) {
        while let Some(effect) = self.bridge.next_effect() {
            match effect {
                Effect::Duck => self.with_source(|source| source.duck(now)),
                Effect::Unduck => self.with_source(Source::unduck),
                Effect::Flush => self.with_source(|source| {
                    source.flush(now);
                }),
                Effect::Begin(opening) => self.live.begin(&opening),
                Effect::Prompt(text) => self.live.send_text(text),
                Effect::Announce(text) => self.live.send_text(&text),
                Effect::Resume(why) => self.live.resume(now, why),
                Effect::StartAfresh(why) => self.live.start_afresh(now, why),
                Effect::AnswerTool { key, response, scheduling } => {
                    self.live.answer_tool(now, key, &response, Some(scheduling));
                }
                Effect::GiveLiveUp => self.outward.push_back(Outward::LiveLost(Fault::Unreachable)),
                Effect::FinishLive => self.live.finish(),
                Effect::RunTool(call) => self.outward.push_back(Outward::RunTool(call)),
                Effect::CancelTool(key) => self.outward.push_back(Outward::CancelTool(key)),
                Effect::Record(record) => self.outward.push_back(Outward::Record(record)),
                Effect::Measure(measure) => self.outward.push_back(Outward::Measure(measure)),
                Effect::HangUp(reason) => self.outward.push_back(Outward::HangUp(reason)),
                Effect::FallBack(reason) => self.outward.push_back(Outward::FallBack(reason)),
                Effect::Gone(reason) => self.outward.push_back(Outward::Gone(reason)),
            }
        }
    }

    fn with_source(&mut self, act: impl FnOnce(&mut S)) {
        if let Some(source) = &mut self.source {
            act(source);
        }
    }
}

#[cfg(test)]
#[path = "conversation_tests.rs"]
mod tests;
