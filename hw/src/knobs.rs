//! What the network side asks of the audio threads: plain atomics, read once a block. Nobody waits for anybody.

pub use frontdesk_core::desk::reception::{Ear, Earcon};

use crate::block::Epoch;
use frontdesk_core::units::Gain;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering};

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
    }

    /// Asks for a sound; one that was asked for and not begun is replaced.
    pub fn play(&self, earcon: Earcon) {
        self.earcon.store(earcon as u8, Ordering::Release);
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
