//! Danger to life, and handing over to a person: both end by leaving the call to whoever the phone company dials next.
//!
//! ```text
//!  the caller's words ──Watch──► told to say the sentence ─┐
//!  the model's `emergency` ──► has been given the sentence ┴─► heard, or not in time ──► a person (phone only)
//!  the model's `transfer_to_human` ──► has been given a sentence ─► the same
//! ```
//!
//! Nothing takes an emergency back: neither the caller's voice nor the model's wish to end the call.

use std::time::Instant;

use super::{Bridge, Facts, Farewell};
use crate::redflag::Watch;
use crate::session::effect::{Effect, EndReason};
use crate::session::turn::{Turn, TurnEvent};

/// Listens for danger to life, and knows what is said then.
#[derive(Debug, Clone)]
pub struct Guard {
    /// Reads the caller's words.
    pub watch: Watch,
    /// The one sentence that is said.
    pub say: String,
    /// Somebody takes over behind it. At a desk nobody does: the conversation goes on.
    pub hand_over: bool,
}

impl Bridge {
    /// Listens for danger to life from now on.
    pub fn guard(&mut self, guard: Guard) {
        self.guard = Some(guard);
    }

    /// The model has called for help and has been given the sentence to say.
    pub fn emergency(&mut self, now: Instant) {
        if !self.over && !std::mem::replace(&mut self.in_danger, true) {
            self.note("emergency", "called by the model");
            self.hand_over(now);
        }
    }

    /// The caller is to be handed to a person, and the model has been given a sentence to say before.
    pub fn transfer(&mut self, now: Instant) {
        if self.over || self.in_danger {
            return;
        }
        self.note("transfer", "");
        self.leave_to_a_person(now, EndReason::Transferred);
    }

    /// The service has understood a piece of what the caller says.
    pub(super) fn listen_for_danger(&mut self, now: Instant, said: &str, facts: &Facts) {
        let Some(guard) = &mut self.guard else { return };
        if !guard.watch.hear(said) || std::mem::replace(&mut self.in_danger, true) {
            return;
        }
        // Not which words: they are about somebody's health.
        let tell = format!(
            "[The caller speaks of danger to life. Stop everything else. Say exactly this sentence, now: \"{}\" Ask \
             nothing, and offer no appointment.]",
            guard.say
        );
        self.note("emergency", "heard in the caller's words");
        if let Turn::Replying { complete, .. } = self.turn {
            // The rest of what it was saying may still be arriving.
            self.dropping = !complete && self.speech_is_arriving(now);
            self.move_floor(now, TurnEvent::Inaudible, facts);
        }
        self.effects.push_back(Effect::Announce(tell));
        self.move_floor(now, TurnEvent::Prompted, facts);
        self.hand_over(now);
    }

    /// Whoever speaks next, the caller's words begin a new sentence.
    pub(super) fn caller_paused(&mut self) {
        if let Some(guard) = &mut self.guard {
            guard.watch.pause();
        }
    }

    fn hand_over(&mut self, now: Instant) {
        if self.guard.as_ref().is_some_and(|guard| guard.hand_over) {
            self.leave_to_a_person(now, EndReason::Emergency);
        }
    }

    /// In place of whatever end was planned.
    fn leave_to_a_person(&mut self, now: Instant, reason: EndReason) {
        let hang_up = Effect::FallBack(reason);
        self.farewell = Some(Farewell { hang_up, asked: now, begun: false, played_out: None });
    }
}
