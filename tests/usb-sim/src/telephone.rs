//! Buttons and lamps: a telephone's handset as a state machine.
//!
//! What is faithful here, after what real devices do:
//! - A mute press is a request. The device shows its new state at once and takes it back when the host has not written the
//!   same state to the lamp within [`ANSWER`]. The key works in a call only, that is while the off-hook lamp is lit.
//! - The hook switch tells its state. A press that the host does not answer with the off-hook lamp is taken back after
//!   [`HOOK_ANSWER`]; a lamp that the host changes by itself moves the switch, and the device reports that as if somebody
//!   had pressed (Jabra's acknowledgement).
//! - A key is let go a while after it was pressed, in a report of its own.

use crate::Time;
use crate::descriptors::{CONSUMER_REPORT, TELEPHONY_REPORT};
use crate::events::{Event, Events, Lamp};
use std::collections::VecDeque;
use std::time::Duration;

/// The host has so long to answer a mute press.
pub const ANSWER: Duration = Duration::from_millis(300);
/// The host has so long to answer the hook switch.
pub const HOOK_ANSWER: Duration = Duration::from_secs(3);
/// A key is down for so long.
pub const KEY_DOWN: Duration = Duration::from_millis(60);
/// The device needs so long to report that it followed a lamp.
pub const ACKNOWLEDGE: Duration = Duration::from_millis(20);
/// Reports that wait for a host that does not fetch them; the oldest go.
const MOST_REPORTS: usize = 64;

/// A lamp and since when it is as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Lit {
    /// On or off.
    pub on: bool,
    /// Since then.
    pub since: Time,
}

/// What the host has the device show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Lamps {
    /// In a call.
    pub off_hook: Lit,
    /// The microphone is off.
    pub mute: Lit,
    /// Somebody calls.
    pub ring: Lit,
}

/// Whether the device takes its microphone for switched off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mute {
    /// As the host has said.
    Settled(bool),
    /// As the key has asked for, until then.
    Asked { wanted: bool, pressed: Time },
}

/// A key had no effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotInCall;

/// A volume key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Volume {
    /// Louder.
    Up,
    /// Quieter.
    Down,
}

/// The handset.
#[derive(Debug)]
pub struct Telephone {
    lamps: Lamps,
    hook: bool,
    hook_pressed: Option<Time>,
    mute: Mute,
    /// Reports and when they are made, oldest first.
    reports: VecDeque<(Time, Vec<u8>)>,
}

impl Default for Telephone {
    fn default() -> Self {
        Self {
            lamps: Lamps::default(),
            hook: false,
            hook_pressed: None,
            mute: Mute::Settled(false),
            reports: VecDeque::new(),
        }
    }
}

impl Telephone {
    /// What is lit.
    pub fn lamps(&self) -> Lamps {
        self.lamps
    }

    /// Whether the hook switch says off-hook.
    pub fn is_off_hook(&self) -> bool {
        self.hook
    }

    /// Whether the device takes its microphone for switched off; for a moment by its own key alone.
    pub fn is_muted(&self) -> bool {
        match self.mute {
            Mute::Settled(muted) => muted,
            Mute::Asked { wanted, .. } => wanted,
        }
    }

    /// Somebody presses the call key: the hook switch changes over.
    pub fn press_hook(&mut self, now: Time, events: &mut Events) {
        events.note(now, Event::HookPressed(!self.hook));
        self.move_hook(now, !self.hook);
        self.hook_pressed = Some(now).filter(|_| self.hook != self.lamps.off_hook.on);
    }

    /// Somebody presses the mute key.
    pub fn press_mute(&mut self, now: Time, events: &mut Events) -> Result<(), NotInCall> {
        if !self.lamps.off_hook.on {
            events.note(now, Event::MuteIgnored);
            return Err(NotInCall);
        }
        let wanted = !self.is_muted();
        events.note(now, Event::MutePressed(wanted));
        self.mute = Mute::Asked { wanted, pressed: now };
        self.report(now, vec![TELEPHONY_REPORT, u8::from(self.hook) | 2]);
        self.report(now + KEY_DOWN, vec![TELEPHONY_REPORT, u8::from(self.hook)]);
        Ok(())
    }

    /// Somebody presses a volume key. What it does is the host's business.
    pub fn press_volume(&mut self, now: Time, key: Volume, events: &mut Events) {
        events.note(now, Event::VolumePressed(key));
        self.report(now, vec![CONSUMER_REPORT, if key == Volume::Up { 1 } else { 2 }]);
        self.report(now + KEY_DOWN, vec![CONSUMER_REPORT, 0]);
    }

    /// The host writes the lamps: off-hook, mute, ring from bit 0.
    pub fn write_lamps(&mut self, now: Time, bits: u8, events: &mut Events) {
        let lamps = [
            (&mut self.lamps.off_hook, Lamp::OffHook),
            (&mut self.lamps.mute, Lamp::Mute),
            (&mut self.lamps.ring, Lamp::Ring),
        ];
        for (bit, (lit, lamp)) in lamps.into_iter().enumerate() {
            let on = bits >> bit & 1 == 1;
            if lit.on != on {
                *lit = Lit { on, since: now };
                events.note(now, Event::Lamp(lamp, on));
            }
        }
        self.answer_mute(now, events);
        self.follow_hook(now);
    }

    fn answer_mute(&mut self, now: Time, events: &mut Events) {
        let shown = self.lamps.mute.on;
        match self.mute {
            // The host may write other lamps before it has decided.
            Mute::Asked { wanted, .. } if wanted != shown => {}
            Mute::Asked { wanted, pressed } => {
                events.note(now, Event::MuteAccepted(wanted, now.saturating_sub(pressed)));
                self.mute = Mute::Settled(wanted);
            }
            Mute::Settled(_) => self.mute = Mute::Settled(shown),
        }
    }

    fn follow_hook(&mut self, now: Time) {
        let wanted = self.lamps.off_hook.on;
        if wanted == self.hook {
            self.hook_pressed = None;
        } else if self.hook_pressed.is_none() {
            self.move_hook(now + ACKNOWLEDGE, wanted);
        }
    }

    fn move_hook(&mut self, now: Time, off: bool) {
        self.hook = off;
        self.report(now, vec![TELEPHONY_REPORT, u8::from(off)]);
    }

    /// What is due at `now`: answers that did not come.
    pub fn poll(&mut self, now: Time, events: &mut Events) {
        if let Mute::Asked { wanted, pressed } = self.mute
            && now >= pressed + ANSWER
        {
            events.note(now, Event::MuteTakenBack(wanted));
            self.mute = Mute::Settled(self.lamps.mute.on);
        }
        if self.hook_pressed.is_some_and(|pressed| now >= pressed + HOOK_ANSWER) {
            self.hook_pressed = None;
            events.note(now, Event::HookTakenBack(self.hook));
            self.move_hook(now, self.lamps.off_hook.on);
        }
    }

    /// When there will be something to poll for; or to report, when a host `fetches` reports.
    pub fn wake_at(&self, fetches: bool) -> Option<Time> {
        let mute = match self.mute {
            Mute::Asked { pressed, .. } => Some(pressed + ANSWER),
            Mute::Settled(_) => None,
        };
        let hook = self.hook_pressed.map(|pressed| pressed + HOOK_ANSWER);
        let report = self.reports.front().map(|(at, _)| *at).filter(|_| fetches);
        [mute, hook, report].into_iter().flatten().min()
    }

    /// The next report that has been made by `now`.
    pub fn next_report(&mut self, now: Time) -> Option<Vec<u8>> {
        self.reports.pop_front_if(|(at, _)| *at <= now).map(|(_, report)| report)
    }

    /// An input report as it is now, for a host that asks.
    pub fn current(&self, id: u8) -> Option<Vec<u8>> {
        match id {
            TELEPHONY_REPORT => Some(vec![id, u8::from(self.hook)]),
            CONSUMER_REPORT => Some(vec![id, 0]),
            _ => None,
        }
    }

    /// The lamps as the host wrote them.
    pub fn lamp_bits(&self) -> u8 {
        let Lamps { off_hook, mute, ring } = self.lamps;
        u8::from(off_hook.on) | u8::from(mute.on) << 1 | u8::from(ring.on) << 2
    }

    /// A report that is made at `at`, whatever it says.
    pub fn report(&mut self, at: Time, report: Vec<u8>) {
        if self.reports.len() == MOST_REPORTS {
            self.reports.pop_front();
        }
        let behind = self.reports.iter().rposition(|(earlier, _)| *earlier <= at).map_or(0, |it| it + 1);
        self.reports.insert(behind, (at, report));
    }
}

#[cfg(test)]
#[path = "telephone_tests.rs"]
mod tests;
