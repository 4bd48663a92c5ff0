//! A hang-up that waits until its farewell has been heard.

use std::time::{Duration, Instant};

use super::{Bridge, Facts, Farewell};
use crate::session::effect::{Effect, EndReason};
use crate::session::turn::Turn;

/// A farewell that has not begun by then is not waited for: the model is reminded after 5 s of silence, and needs up to
/// 3 s to speak.
const FAREWELL_BEGINS: Duration = Duration::from_secs(9);
/// The last mark is waited for that long behind the estimated end.
const MARK_GRACE: Duration = Duration::from_secs(2);
/// No farewell lasts longer.
const FAREWELL_MOST: Duration = Duration::from_secs(30);

impl Bridge {
    /// Plans a hang-up behind a farewell.
    pub(super) fn part(&mut self, now: Instant, reason: EndReason, begun: bool) {
        let hang_up = Effect::HangUp(reason);
        self.farewell.get_or_insert(Farewell { hang_up, asked: now, begun, played_out: None });
    }

    /// The caller has spoken up: a hang-up that follows from what the agent said falls.
    pub(super) fn withdraw_farewell(&mut self) {
        if self.farewell.as_ref().is_some_and(|farewell| !farewell.hang_up.survives_barge_in()) {
            self.farewell = None;
            self.note("farewell-withdrawn", "");
        }
    }

    /// Nobody was there, and now somebody says a word, however short: the goodbye was not meant for them.
    pub(super) fn withdraw_goodbye_to_nobody(&mut self, said: &str) {
        let to_nobody = Effect::HangUp(EndReason::NoInput);
        if !said.trim().is_empty() && self.farewell.as_ref().is_some_and(|farewell| farewell.hang_up == to_nobody) {
            self.withdraw_farewell();
        }
    }

    pub(super) fn farewell_deadline(&self, now: Instant, farewell: &Farewell, facts: &Facts) -> Instant {
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

    pub(super) fn watch_farewell(&mut self, now: Instant, facts: &Facts) {
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
}
