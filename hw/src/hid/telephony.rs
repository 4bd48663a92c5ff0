//! One speakerphone's buttons and lamps as a state machine: input reports and wishes go in, presses and output reports
//! come out. No file, no clock.
//!
//! What is settled here, and from where:
//! - Devices take whole reports, and several lamps share one: every report is composed from all lamps it has.
//! - A mute press is a request: a device that is not told the new state at once takes its own back (WICG/webhid#72). So the
//!   press is answered by the lamp, here, before anybody else has been asked.
//! - A hook switch that tells its state may be that of a receiver: lifted is off-hook, put down is on-hook, whatever was
//!   before. Who lifts it when a voice has begun the conversation does not end that, and who puts it down a while after the
//!   agent has said goodbye begins none. A button that latches and does not follow its lamp pays for this with a second
//!   press after the agent has ended a conversation.
//! - A device answers a lamp that we changed by reporting the same state as if somebody had pressed (Jabra's "hook switch
//!   is also the acknowledgement"). A mute switch that moves to the wanted state is therefore not heard for some seconds
//!   after we changed its lamp, and a toggle, which has no state, for a shorter while. Later a mute switch's movement is a
//!   press whichever way it goes: one that does not follow our lamp, or has none, is out of step after we unmuted.
//! - Release follows press by up to 2 s on some models; Poly repeats mute in a second report within milliseconds.

pub use frontdesk_core::desk::reception::Hook;

use super::descriptor::{Key, KeyControl, Kind, Lamp, Layout};
use std::time::{Duration, Instant};

/// A second press this soon is the first one's bouncing, or its repetition in another report.
pub const DEBOUNCE: Duration = Duration::from_millis(40);
/// For so long after a lamp was changed the device may answer it.
pub const ECHO: Duration = Duration::from_millis(500);
/// For so long it may move its switch to the state that we wrote, or take back a press that was not answered: some wait for
/// their radio link.
pub const ANSWER: Duration = Duration::from_secs(3);
/// A momentary key that is let go within this time was pressed; later it was a state that ended.
pub const LONG_PRESS: Duration = Duration::from_secs(3);
/// All lamps stay off for so long after the device was opened: it falls back to idle.
pub const SETTLE: Duration = Duration::from_millis(100);

/// What the device is to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Lamps {
    /// A conversation is active: the device's call state, in which alone many report their mute key.
    pub off_hook: bool,
    /// Somebody calls.
    pub ring: bool,
    /// The microphone is off.
    pub mute: bool,
}

impl Lamps {
    fn lit(self, lamp: Lamp) -> bool {
        match lamp {
            Lamp::OffHook => self.off_hook,
            Lamp::Mute => self.mute,
            Lamp::Ring | Lamp::Ringer => self.ring,
            Lamp::Hold | Lamp::Microphone | Lamp::Online => false,
        }
    }
}

/// What one input report came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pressed {
    /// The hook switch.
    pub hook: Option<Hook>,
    /// The mute key, and whether the microphone is off from now on; its lamp is due at once.
    pub mute: Option<bool>,
}

/// What was ignored, since the device was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ignored {
    /// Reports without a key of ours: of another collection, with an unknown id, empty.
    pub foreign: u64,
    /// Reports too short for a key that stands in them.
    pub short: u64,
    /// Presses that were a bounce, a repetition or the device's answer to us.
    pub echoes: u64,
    /// Output reports that the device did not take.
    pub refused: u64,
}

/// An output report that is to be written: the report id (0 for a device without ids), then the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Due<'a>(pub &'a [u8]);

/// The state machine. Feed it with [`input`](Self::input) and [`set_lamps`](Self::set_lamps); after each, and at
/// [`wake_at`](Self::wake_at), write what is [`due`](Self::due) and tell it with [`written`](Self::written).
#[derive(Debug)]
pub struct Telephony {
    layout: Layout,
    levels: Vec<Level>,
    lamps: Lamps,
    /// Until when all lamps are kept off.
    settling: Option<Instant>,
    outputs: Vec<Output>,
    hook: Line,
    mute: Line,
    ignored: Ignored,
}

/// What a key reported last.
#[derive(Debug, Clone, Copy, Default)]
struct Level {
    value: i64,
    /// When it came to 1.
    rose: Option<Instant>,
}

#[derive(Debug)]
struct Output {
    /// With the report id.
    bytes: Vec<u8>,
    /// What `bytes` shows.
    lamps: Lamps,
    due: bool,
}

/// One of the two states that device and host keep in common.
#[derive(Debug, Default)]
struct Line {
    wanted: bool,
    /// What was written last.
    shown: bool,
    /// When a write last changed it to off and to on that no press had asked for: the device may answer those.
    changed: [Option<Instant>; 2],
    /// Whether the wanted state comes from a press.
    by_press: bool,
    /// The newest press: what it asked for.
    pressed: Option<(bool, Instant)>,
}

fn within(then: Option<Instant>, now: Instant, span: Duration) -> bool {
    then.is_some_and(|then| now.saturating_duration_since(then) < span)
}

impl Line {
    fn want(&mut self, wanted: bool) {
        if self.wanted != wanted {
            self.wanted = wanted;
            self.by_press = false;
        }
    }

    fn wrote(&mut self, shown: bool, now: Instant) {
        if self.shown != shown && !self.by_press {
            self.changed[usize::from(shown)] = Some(now);
        }
        self.shown = shown;
    }

    /// A switch has moved to a state. `Some` with the other than the wanted state when somebody has pressed it.
    fn moved(&mut self, state: bool, now: Instant) -> Option<bool> {
        if state != self.wanted {
            return self.told(state, now);
        }
        let answer = within(self.changed[usize::from(state)], now, ANSWER);
        // The device follows the lamp that a press lit, or gives up waiting for it.
        let of_press = self.pressed.is_some_and(|(asked, at)| {
            let span = if asked == state { ECHO } else { ANSWER };
            within(Some(at), now, span)
        });
        (!answer && !of_press).then(|| self.accept(!state, now))
    }

    /// The device tells a state. `Some` when somebody has changed it.
    fn told(&mut self, state: bool, now: Instant) -> Option<bool> {
        // A late answer to what was written before the present state looks like a press against it.
        let echo = state == self.wanted || within(self.changed[usize::from(state)], now, ECHO);
        let again = self.pressed.is_some_and(|(last, at)| last == state && within(Some(at), now, DEBOUNCE));
        (!echo && !again).then(|| self.accept(state, now))
    }

    /// The device asks for the other state. `Some` with it when somebody has pressed.
    fn pressed(&mut self, now: Instant) -> Option<bool> {
        let bounce = within(self.pressed.map(|(_, at)| at), now, DEBOUNCE);
        let echo = self.changed.iter().any(|at| within(*at, now, ECHO));
        let state = !self.wanted;
        (!bounce && !echo).then(|| self.accept(state, now))
    }

    fn accept(&mut self, state: bool, now: Instant) -> bool {
        self.pressed = Some((state, now));
        state
    }
}

impl Telephony {
    /// A device that was just opened. All of its lamps are due to go off, and after [`SETTLE`] those of `lamps` on: what a
    /// device showed before it was lost is not to be relied on.
    pub fn new(layout: Layout, lamps: Lamps, now: Instant) -> Self {
        let outputs = layout.outputs.iter().map(|(id, bytes)| {
            let mut report = vec![0; bytes + 1];
            report[0] = *id;
            Output { bytes: report, lamps: Lamps::default(), due: true }
        });
        let mut telephony = Self {
            levels: vec![Level::default(); layout.keys.len()],
            outputs: outputs.collect(),
            settling: (!layout.outputs.is_empty()).then(|| now + SETTLE),
            lamps: Lamps::default(),
            hook: Line::default(),
            mute: Line::default(),
            ignored: Ignored::default(),
            layout,
        };
        telephony.compose();
        telephony.set_lamps(lamps);
        telephony
    }

    /// What the device is to show from now on.
    pub fn set_lamps(&mut self, lamps: Lamps) {
        self.hook.want(lamps.off_hook);
        self.mute.want(lamps.mute);
        if self.lamps != lamps {
            self.lamps = lamps;
            self.compose();
        }
    }

    /// What it is to show.
    pub fn lamps(&self) -> Lamps {
        self.lamps
    }

    /// What was ignored so far.
    pub fn ignored(&self) -> Ignored {
        self.ignored
    }

    /// Bytes that a read must have room for.
    pub fn longest_input(&self) -> usize {
        self.layout.longest_input
    }

    /// One input report as hidraw gives it, with its id if the device has ids.
    pub fn input(&mut self, report: &[u8], now: Instant) -> Pressed {
        let (id, body) = match report.split_first() {
            Some((id, body)) if self.layout.input_ids => (*id, body),
            Some(_) => (0, report),
            None => (0, &[][..]),
        };
        let (mut ours, mut short) = (false, false);
        let mut pressed = Pressed::default();
        for at in 0..self.layout.keys.len() {
            let control = self.layout.keys[at];
            if control.report != id || body.is_empty() {
                continue;
            }
            ours = true;
            let Some(value) = control.place.read(body) else {
                short = true;
                continue;
            };
            let last = std::mem::replace(&mut self.levels[at].value, value);
            self.key(at, &control, last, value, now, &mut pressed);
        }
        self.ignored.foreign += u64::from(!ours);
        self.ignored.short += u64::from(short);
        pressed
    }

    fn key(&mut self, at: usize, control: &KeyControl, last: i64, value: i64, now: Instant, pressed: &mut Pressed) {
        let (line, lamp, already) = match control.key {
            Key::HookSwitch => (&mut self.hook, Lamp::OffHook, pressed.hook.is_some()),
            Key::PhoneMute => (&mut self.mute, Lamp::Mute, pressed.mute.is_some()),
            // The system turns volume keys into key events, and the device mostly obeys them itself.
            Key::Flash | Key::Redial | Key::Drop | Key::LineBusy | Key::VolumeUp | Key::VolumeDown => return,
        };
        let Some(asked) = asked(control.kind, last, value, &mut self.levels[at].rose, now) else { return };
        let accepted = match asked {
            // One report is one press: a second key for the same in it repeats the first, or contradicts it.
            _ if already => None,
            Asked::Other => line.pressed(now),
            // A receiver is where it is.
            Asked::Moved(state) if control.key == Key::HookSwitch => line.told(state, now),
            // What is told nothing can follow nothing: its positions mean no more than a toggle's.
            Asked::Moved(_) if !self.layout.shows(lamp) => line.pressed(now),
            Asked::Moved(state) => line.moved(state, now),
            Asked::State(state) => line.told(state, now),
        };
        match (control.key, accepted) {
            (_, None) => self.ignored.echoes += 1,
            (Key::PhoneMute, Some(mute)) => {
                pressed.mute = Some(mute);
                self.mute.wanted = mute;
                self.mute.by_press = true;
                self.lamps.mute = mute;
                // The answer cannot wait for the device to settle.
                self.settling = None;
                self.compose();
            }
            (_, Some(off)) => pressed.hook = Some(if off { Hook::Off } else { Hook::On }),
        }
    }

    /// When something will be due without a reason from outside.
    pub fn wake_at(&self) -> Option<Instant> {
        self.settling
    }

    /// The next output report to write.
    pub fn due(&mut self, now: Instant) -> Option<Due<'_>> {
        if self.settling.is_some_and(|until| until <= now) {
            self.settling = None;
            self.compose();
        }
        self.outputs.iter().find(|output| output.due).map(|output| Due(&output.bytes))
    }

    /// What was due has been written.
    pub fn written(&mut self, now: Instant) {
        let Some(output) = self.outputs.iter_mut().find(|output| output.due) else { return };
        output.due = false;
        for control in self.layout.lamps.iter().filter(|control| control.report == output.bytes[0]) {
            match control.lamp {
                Lamp::OffHook => self.hook.wrote(output.lamps.off_hook, now),
                Lamp::Mute => self.mute.wrote(output.lamps.mute, now),
                _ => {}
            }
        }
    }

    /// The device did not take what was due. It is not offered again until it changes: a device that stalls one report
    /// would be asked for ever.
    pub fn refused(&mut self) {
        if let Some(output) = self.outputs.iter_mut().find(|output| output.due) {
            output.due = false;
            self.ignored.refused += 1;
        }
    }

    /// Composes every report from all of its lamps; those that changed are due.
    fn compose(&mut self) {
        let lamps = if self.settling.is_some() { Lamps::default() } else { self.lamps };
        for output in &mut self.outputs {
            let mut bytes = vec![0; output.bytes.len()];
            bytes[0] = output.bytes[0];
            let body = &mut bytes[1..];
            let controls = || self.layout.lamps.iter().filter(|control| control.report == output.bytes[0]);
            controls().for_each(|control| control.place.clear(body));
            controls().filter(|control| lamps.lit(control.lamp)).for_each(|control| control.place.light(body));
            output.lamps = lamps;
            if output.bytes != bytes {
                output.bytes = bytes;
                output.due = true;
            }
        }
    }
}

/// What a key's new value asks for.
enum Asked {
    /// The other state, whichever that is.
    Other,
    /// This state, or the other than the wanted one if this is wanted already.
    Moved(bool),
    /// This state.
    State(bool),
}

fn asked(kind: Kind, last: i64, value: i64, rose: &mut Option<Instant>, now: Instant) -> Option<Asked> {
    let (was, is) = (last > 0, value > 0);
    let held_for_long = !within(*rose, now, LONG_PRESS);
    if is && (!was || held_for_long) {
        *rose = Some(now);
    }
    match kind {
        Kind::Switch => (was != is).then_some(Asked::Moved(is)),
        Kind::TwoWay => (last.signum() != value.signum() && value != 0).then_some(Asked::State(is)),
        // Some never send the 0 between two presses.
        Kind::Toggle => (is && (!was || held_for_long)).then_some(Asked::Other),
        Kind::Momentary if is => (!was).then_some(Asked::Other),
        Kind::Momentary => (was && held_for_long).then_some(Asked::State(false)),
    }
}

#[cfg(test)]
#[path = "telephony_tests.rs"]
mod tests;
