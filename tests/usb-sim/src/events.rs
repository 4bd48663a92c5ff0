//! What happened, when, in words: a test that fails shows them.

use crate::Time;
use crate::sound::Side;
use crate::telephone::Volume;
use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

/// The oldest go when there are more.
const KEPT: usize = 1000;

/// A lamp.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lamp {
    /// In a call.
    OffHook,
    /// The microphone is off.
    Mute,
    /// Somebody calls.
    Ring,
}

/// One thing that happened.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Event {
    /// A host has taken the device.
    Attached,
    /// It is gone from the host.
    Detached,
    /// The call key was pressed; off-hook, or on-hook.
    HookPressed(bool),
    /// The host did not answer the hook switch.
    HookTakenBack(bool),
    /// The mute key was pressed.
    MutePressed(bool),
    /// It was pressed outside a call.
    MuteIgnored,
    /// The host has answered it after this time.
    MuteAccepted(bool, Duration),
    /// The host did not answer it.
    MuteTakenBack(bool),
    /// A volume key was pressed.
    VolumePressed(Volume),
    /// The host has changed a lamp.
    Lamp(Lamp, bool),
    /// The host has begun a stream at a rate, or ended it.
    Stream(Side, Option<u32>),
    /// The host has set the volume (1/256 dB) or mute of a side.
    Level(Side, i16, bool),
    /// A request was refused because a test wanted that.
    Refused,
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Attached => write!(f, "attached"),
            Self::Detached => write!(f, "detached"),
            Self::HookPressed(off) => write!(f, "hook pressed {}", hook(*off)),
            Self::HookTakenBack(off) => write!(f, "hook taken-back {}", hook(*off)),
            Self::MutePressed(on) => write!(f, "mute pressed {}", word(*on)),
            Self::MuteIgnored => write!(f, "mute ignored"),
            Self::MuteAccepted(on, after) => write!(f, "mute accepted {} after={:.1}ms", word(*on), millis(*after)),
            Self::MuteTakenBack(on) => write!(f, "mute taken-back {}", word(*on)),
            Self::VolumePressed(Volume::Up) => write!(f, "volume pressed up"),
            Self::VolumePressed(Volume::Down) => write!(f, "volume pressed down"),
            Self::Lamp(lamp, on) => write!(f, "lamp {lamp} {}", word(*on)),
            Self::Stream(side, Some(rate)) => write!(f, "stream {side} on rate={rate}"),
            Self::Stream(side, None) => write!(f, "stream {side} off"),
            Self::Level(side, volume, muted) => {
                write!(f, "level {side} volume={:.1}dB muted={}", f64::from(*volume) / 256.0, word(*muted))
            }
            Self::Refused => write!(f, "fault request refused"),
        }
    }
}

impl fmt::Display for Lamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OffHook => "off-hook",
            Self::Mute => "mute",
            Self::Ring => "ring",
        })
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Loudspeaker => "loudspeaker",
            Self::Microphone => "microphone",
        })
    }
}

/// `on` or `off`.
pub fn word(on: bool) -> &'static str {
    if on { "on" } else { "off" }
}

fn hook(off: bool) -> &'static str {
    if off { "off-hook" } else { "on-hook" }
}

fn millis(span: Duration) -> f64 {
    span.as_secs_f64() * 1000.0
}

/// The newest events.
#[derive(Debug, Default)]
pub struct Events {
    kept: VecDeque<(Time, Event)>,
}

impl Events {
    /// Keeps one.
    pub fn note(&mut self, now: Time, event: Event) {
        if self.kept.len() == KEPT {
            self.kept.pop_front();
        }
        self.kept.push_back((now, event));
    }

    /// Those at or after `time`, oldest first.
    pub fn since(&self, time: Time) -> impl Iterator<Item = &(Time, Event)> {
        self.kept.iter().filter(move |(at, _)| *at >= time)
    }
}
