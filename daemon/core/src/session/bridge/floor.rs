//! Who has the floor: the caller's voice, the agent's speech, barge-ins, and the end of a reply.

use std::time::{Duration, Instant};

use super::{Bridge, Facts};
use crate::audio::vad::VoiceEvent;
use crate::session::effect::{Effect, Measure};
use crate::session::turn::{FloorEffect, Turn, TurnEvent, WORTH_AN_ANSWER};

/// The local detector tells an end of voice that long after it.
const VOICE_HANGOVER: Duration = Duration::from_millis(240);
/// The local detector tells an onset about that long after it: two frames.
const VOICE_RISE: Duration = Duration::from_millis(32);
/// The model sends a turn faster than real time and without pauses: speech behind such a gap belongs to another turn.
const TURN_GAP: Duration = Duration::from_millis(1_500);
/// An interruption that comes later has nothing to do with that voice (the service was seen to take up to 3 s).
const LATE_INTERRUPTION: Duration = Duration::from_secs(4);
/// A caller who said that much before the model listened is answered instead of greeted.
const SPOKE_FIRST: Duration = Duration::from_millis(300);

impl Bridge {
    pub(super) fn on_voice(&mut self, now: Instant, voice: VoiceEvent, facts: &Facts) {
        match voice {
            VoiceEvent::Onset => {
                self.voice_onset = Some(now.checked_sub(VOICE_RISE).unwrap_or(now));
                self.voice_heard = self.voice_onset;
                if matches!(self.turn, Turn::Replying { .. }) {
                    self.close_caller();
                }
                self.transcript.caller_voice(self.voice_onset.unwrap_or(now));
            }
            VoiceEvent::Sustained => {
                self.spoke_first = true;
                self.spoke = Some(now);
                self.voice_heard = Some(now);
                self.transcript.caller_voice(now);
                self.caller_is_there(now);
                self.withdraw_farewell();
            }
            VoiceEvent::End { voiced } => {
                self.spoke_first |= voiced >= SPOKE_FIRST;
                let ended = now.checked_sub(VOICE_HANGOVER).unwrap_or(now);
                // As short as a yes.
                if voiced >= WORTH_AN_ANSWER {
                    self.spoke = Some(ended);
                }
                self.transcript.caller_voice(ended);
                self.voice_ended = Some(ended);
                self.voice_heard = Some(ended);
            }
        }
        self.move_floor(now, TurnEvent::Voice(voice), facts);
    }

    pub(super) fn on_speech(&mut self, now: Instant, facts: &Facts) {
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

    pub(super) fn speech_is_arriving(&self, now: Instant) -> bool {
        self.last_speech.is_some_and(|last| now < last + TURN_GAP)
    }

    pub(super) fn on_interrupted(&mut self, now: Instant, facts: &Facts) {
        self.dropping = false;
        self.turn_had_speech = true;
        self.note("interrupted", "");
        self.move_floor(now, TurnEvent::Interrupted, facts);
    }

    pub(super) fn on_generation_complete(&mut self, now: Instant, facts: &Facts) {
        self.close_caller();
        if std::mem::take(&mut self.dropping) {
            return;
        }
        self.move_floor(now, TurnEvent::ReplyComplete, facts);
    }

    pub(super) fn on_turn_complete(&mut self, now: Instant, reason: Option<String>, facts: &Facts) {
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

    pub(super) fn move_floor(&mut self, now: Instant, event: TurnEvent, facts: &Facts) {
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

    pub(super) fn barge_in(&mut self, now: Instant, event: TurnEvent, facts: &Facts) {
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

    pub(super) fn set_turn(&mut self, now: Instant, turn: Turn) {
        let was_agents = self.turn.is_agents();
        self.turn = turn;
        self.turn_since = now;
        if was_agents != turn.is_agents() {
            self.rung_since = None;
            self.agents_since = turn.is_agents().then_some(now);
        }
        self.quiet_since = (turn == Turn::Listening).then_some(now);
    }

    pub(super) fn caller_is_there(&mut self, now: Instant) {
        self.asked_still_there = false;
        if self.quiet_since.is_some() {
            self.quiet_since = Some(now);
        }
    }

    /// Notices the first audible sound of a reply, and its end.
    pub(super) fn watch_reply(&mut self, now: Instant, facts: &Facts) {
        let Turn::Replying { complete, .. } = self.turn else { return };
        let audible = self.reply_started.zip(facts.audible_until).is_some_and(|(started, until)| until > started);
        if audible && !self.reply_measured {
            self.reply_measured = true;
            self.was_heard = true;
            self.unheard_answers = 0;
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
}
