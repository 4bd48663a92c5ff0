//! What the network side asks of the audio threads: plain atomics, read once a block. Nobody waits for anybody.
//!
//! Whatever asks for sound wakes a device whose streams stand by: an ear that opens, a sound that is to be played, or
//! somebody who wants them to run for a while.

pub use frontdesk_core::desk::reception::{Ear, Earcon};

use crate::bell::Bell;
use crate::block::{Epoch, Nanos};
use frontdesk_core::units::Gain;
use std::io;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};

/// Who keeps the loudspeaker out of the microphone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum EchoMode {
    /// The speakerphone itself: a second canceller behind its own would hurt double talk.
    Device = 0,
    /// The worker's canceller.
    Software = 1,
    /// Nobody can: while the agent is heard, the microphone is not.
    HalfDuplex = 2,
}

impl EchoMode {
    /// In a word, for people.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Device => "cancelled by the device",
            Self::Software => "cancelled by us",
            Self::HalfDuplex => "avoided by taking turns",
        }
    }
}

fn earcon(number: u8) -> Option<Earcon> {
    use Earcon::{Begin, End, Muted, Sorry, Unmuted};
    [Begin, End, Sorry, Muted, Unmuted].into_iter().find(|it| *it as u8 == number)
}

/// The controls of one desk. Shared by all of its threads for the life of the process.
#[derive(Debug)]
pub struct Knobs {
    epoch: AtomicU32,
    ear: AtomicU8,
    earcon: AtomicU8,
    echo: AtomicU8,
    ducked: AtomicBool,
    muted: AtomicBool,
    volume: AtomicU32,
    /// Nanoseconds of the monotonic clock.
    wanted_until: AtomicU64,
    audio: OnceLock<Bell>,
}

impl Default for Knobs {
    fn default() -> Self {
        Self::new()
    }
}

impl Knobs {
    /// Nothing is listened to, the volume is unchanged.
    pub const fn new() -> Self {
        Self {
            epoch: AtomicU32::new(0),
            ear: AtomicU8::new(Ear::Closed as u8),
            earcon: AtomicU8::new(0),
            echo: AtomicU8::new(EchoMode::Software as u8),
            ducked: AtomicBool::new(false),
            muted: AtomicBool::new(false),
            volume: AtomicU32::new(0),
            wanted_until: AtomicU64::new(0),
            audio: OnceLock::new(),
        }
    }

    /// The present epoch of the agent's speech.
    pub fn epoch(&self) -> Epoch {
        Epoch(self.epoch.load(Ordering::Acquire))
    }

    /// Begins the next epoch: whatever carries an older one is not heard any more. Returns the new one.
    pub fn begin_epoch(&self) -> Epoch {
        Epoch(self.epoch.fetch_add(1, Ordering::AcqRel).wrapping_add(1))
    }

    /// How far the desk listens.
    pub fn ear(&self) -> Ear {
        match self.ear.load(Ordering::Acquire) {
            1 => Ear::Watching,
            2 => Ear::Open,
            _ => Ear::Closed,
        }
    }

    /// Lets it listen that far.
    pub fn set_ear(&self, ear: Ear) {
        self.ear.store(ear as u8, Ordering::Release);
        if ear != Ear::Closed {
            self.rouse();
        }
    }

    /// Asks for a sound; one that was asked for and not begun is replaced.
    pub fn play(&self, earcon: Earcon) {
        self.earcon.store(earcon as u8, Ordering::Release);
        self.rouse();
    }

    /// Lets the device's streams run until then at least, though no conversation does: for a self-test, or for meters.
    pub fn want_until(&self, at: Nanos) {
        self.wanted_until.fetch_max(at.0, Ordering::AcqRel);
        self.rouse();
    }

    /// Whether somebody needs the device's streams: what is heard, what is to be played, or what was
    /// [asked for](Self::want_until).
    pub fn wants_sound(&self, now: Nanos) -> bool {
        self.ear.load(Ordering::Acquire) != Ear::Closed as u8
            || self.earcon.load(Ordering::Acquire) != 0
            || now.0 < self.wanted_until.load(Ordering::Acquire)
    }

    /// The bell that the real-time thread listens for, the same for every device; made when it is first asked for.
    pub fn audio_bell(&self) -> io::Result<Bell> {
        if let Some(bell) = self.audio.get() {
            return Ok(bell.clone());
        }
        let made = Bell::new()?;
        Ok(self.audio.get_or_init(|| made).clone())
    }

    fn rouse(&self) {
        if let Some(bell) = self.audio.get() {
            bell.ring();
        }
    }

    /// The sound that was asked for since the last time.
    pub fn take_earcon(&self) -> Option<Earcon> {
        // A plain load first: this is asked a hundred times a second and answered a few times a day.
        if self.earcon.load(Ordering::Relaxed) == 0 {
            return None;
        }
        earcon(self.earcon.swap(0, Ordering::AcqRel))
    }

    /// Who keeps the echo away from this device; the worker's canceller until a device says otherwise.
    pub fn echo(&self) -> EchoMode {
        match self.echo.load(Ordering::Relaxed) {
            0 => EchoMode::Device,
            2 => EchoMode::HalfDuplex,
            _ => EchoMode::Software,
        }
    }

    /// Sets who does, when a device is opened.
    pub fn set_echo(&self, mode: EchoMode) {
        self.echo.store(mode as u8, Ordering::Relaxed);
    }

    /// Whether the agent's voice is lowered.
    pub fn is_ducked(&self) -> bool {
        self.ducked.load(Ordering::Relaxed)
    }

    /// Lowers the agent's voice, or lets it come back.
    pub fn set_ducked(&self, ducked: bool) {
        self.ducked.store(ducked, Ordering::Relaxed);
    }

    /// Whether the microphone is off: silence leaves the real-time thread.
    pub fn is_muted(&self) -> bool {
        self.muted.load(Ordering::Relaxed)
    }

    /// Switches the microphone off or on.
    pub fn set_muted(&self, muted: bool) {
        self.muted.store(muted, Ordering::Relaxed);
    }

    /// The gain of everything that is played.
    pub fn volume(&self) -> Gain {
        Gain::from_db(f32::from_bits(self.volume.load(Ordering::Relaxed)))
    }

    /// Sets the gain of everything that is played, in decibels; negative is quieter.
    pub fn set_volume_db(&self, db: f32) {
        self.volume.store(db.to_bits(), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_needs_sound_says_so_and_rings() {
        type Deed<'a> = &'a dyn Fn();

        let knobs = Knobs::new();
        knobs.set_ear(Ear::Closed);
        assert!(!knobs.wants_sound(Nanos(7)), "an idle desk needs none");
        let bell = knobs.audio_bell().unwrap();
        let asks: [(Deed<'_>, Deed<'_>); 4] = [
            (&|| knobs.set_ear(Ear::Watching), &|| knobs.set_ear(Ear::Closed)),
            (&|| knobs.set_ear(Ear::Open), &|| knobs.set_ear(Ear::Closed)),
            (&|| knobs.play(Earcon::Muted), &|| assert_eq!(knobs.take_earcon(), Some(Earcon::Muted))),
            (&|| knobs.want_until(Nanos(8)), &|| {}),
        ];
        for (ask, over) in asks {
            assert!(!bell.answer());
            ask();
            assert!(bell.answer() && knobs.wants_sound(Nanos(7)));
            over();
        }
        assert!(!knobs.wants_sound(Nanos(8)), "until then, and no longer");
    }

    #[test]
    fn who_asks_for_less_takes_nothing_from_who_asked_for_more() {
        let knobs = Knobs::new();
        knobs.want_until(Nanos(100));
        knobs.want_until(Nanos(50));
        assert!(knobs.wants_sound(Nanos(99)));
    }
}
