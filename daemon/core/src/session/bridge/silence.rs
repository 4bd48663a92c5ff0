//! Nobody is left in silence: the watchdog's ladder, the caller who says nothing, the longest duration.

use std::time::{Duration, Instant};

use super::{Bridge, Facts};
use crate::session::effect::{Effect, EndReason, Measure, WatchdogStep};
use crate::session::turn::{Turn, TurnEvent};

/// The watchdog's steps and how long each is waited for.
const LADDER: [(WatchdogStep, Duration); 4] = [
    (WatchdogStep::Nudge, Duration::from_secs(6)),
    (WatchdogStep::Resume, Duration::from_secs(6)),
    (WatchdogStep::Afresh, Duration::from_secs(8)),
    (WatchdogStep::FallBack, Duration::from_secs(8)),
];
/// A voice without an end and without a word understood for that long is a noise, or the service has gone deaf.
const LONGEST_VOICE: Duration = Duration::from_secs(30);
/// Before the longest duration, the model is told to come to an end.
const WRAP_UP: Duration = Duration::from_mins(1);
const NUDGE: &str = "[The caller hears nothing from you. Go on with what you were about to say; if you were waiting, \
    ask whether the caller is still there.]";
const STILL_THERE: &str =
    "[The caller has been silent for a while. Ask in one short sentence whether they are still there.]";
const GOODBYE: &str = "[The caller is still silent. Say in one sentence that you will end the call now, and goodbye.]";
const COME_TO_AN_END: &str = "[This call has lasted very long. Bring it to an end politely within the next minute.]";
const TIME_IS_UP: &str = "[The call must end now. Say goodbye in one short sentence.]";

impl Bridge {
    pub(super) fn watch_duration(&mut self, now: Instant, connected: Instant) {
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

    pub(super) fn time_is_not_up(&self) -> bool {
        self.farewell.as_ref().is_none_or(|farewell| farewell.hang_up != Effect::HangUp(EndReason::TooLong))
    }

    pub(super) fn wrap_up_after(&self) -> Duration {
        self.patience.longest.saturating_sub(WRAP_UP).max(self.patience.longest / 2)
    }

    /// Since when the caller hears nothing although it is the agent's turn.
    pub(super) fn owed_since(&self, facts: &Facts) -> Option<Instant> {
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

    pub(super) fn rung_deadline(&self, owed: Instant) -> Instant {
        self.rung_since.map_or(owed, |since| since.max(owed)) + LADDER[self.rung.min(LADDER.len() - 1)].1
    }

    pub(super) fn watch_silence(&mut self, now: Instant, facts: &Facts) {
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
            WatchdogStep::FallBack if !self.was_heard => {
                self.effects.push_back(Effect::GiveLiveUp);
                self.end(now, Effect::FallBack(EndReason::Failed("the model never spoke")), facts);
            }
            WatchdogStep::FallBack => self.end(now, Effect::FallBack(EndReason::Failed("the model is silent")), facts),
        }
    }

    pub(super) fn input_patience(&self) -> Duration {
        if self.asked_still_there { self.patience.goodbye } else { self.patience.no_input }
    }

    /// When the caller's silence has lasted too long; `None` while it is not their turn, or nobody could ask them.
    pub(super) fn input_deadline(&self, facts: &Facts) -> Option<Instant> {
        let theirs = self.turn == Turn::Listening && self.farewell.is_none() && self.running.is_empty();
        let since = self.quiet_since.filter(|_| theirs && facts.live_open)?;
        Some(since + self.input_patience())
    }

    pub(super) fn watch_input(&mut self, now: Instant, facts: &Facts) {
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
}
