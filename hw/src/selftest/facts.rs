//! What is known beside the recording.

use crate::device::chain::Chain;
use crate::figures::Figures;
use crate::knobs::EchoMode;

/// A rate that a device announces, and what it does.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    /// As it was opened, Hz.
    pub claimed: u32,
    /// As the clock tells, Hz; `None` until it is known, some seconds after the start.
    pub measured: Option<f32>,
}

impl Rate {
    /// What a gauge says, which is 0 while nothing is known.
    pub fn of(claimed: u32, gauge: f32) -> Self {
        Self { claimed, measured: (gauge > 0.0).then_some(gauge) }
    }

    /// How far off it is, as a share; positive is too fast.
    pub fn off(self) -> Option<f32> {
        self.measured.map(|measured| measured / self.claimed as f32 - 1.0)
    }
}

/// What went wrong with the sound so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// See [`Figures::overruns`].
    pub overruns: u64,
    /// See [`Figures::underruns`].
    pub underruns: u64,
    /// See [`Figures::gaps`].
    pub gaps: u64,
    /// See [`Figures::stalls`].
    pub stalls: u64,
    /// See [`Figures::starved`].
    pub starved: u64,
    /// See [`Figures::capture_dropped`].
    pub dropped: u64,
}

impl Counts {
    /// As they stand.
    pub fn of(figures: &Figures) -> Self {
        Self {
            overruns: figures.overruns.read(),
            underruns: figures.underruns.read(),
            gaps: figures.gaps.read(),
            stalls: figures.stalls.read(),
            starved: figures.starved.read(),
            dropped: figures.capture_dropped.read(),
        }
    }

    /// What has come since.
    #[must_use]
    pub fn since(self, before: Self) -> Self {
        Self {
            overruns: self.overruns.saturating_sub(before.overruns),
            underruns: self.underruns.saturating_sub(before.underruns),
            gaps: self.gaps.saturating_sub(before.gaps),
            stalls: self.stalls.saturating_sub(before.stalls),
            starved: self.starved.saturating_sub(before.starved),
            dropped: self.dropped.saturating_sub(before.dropped),
        }
    }

    /// What people hear as a click or a gap, or the model as a missing piece.
    pub fn audible(self) -> u64 {
        self.overruns + self.underruns + self.gaps + self.stalls + self.starved + self.dropped
    }
}

/// What is known beside the recording.
#[derive(Debug, Clone, PartialEq)]
pub struct Facts {
    /// Who is to keep the echo away.
    pub echo: EchoMode,
    /// The microphone was switched off at the desk.
    pub muted: bool,
    /// The microphone's rate.
    pub capture: Rate,
    /// The loudspeaker's rate.
    pub playout: Rate,
    /// Why the audio thread has no real-time priority, if it has none, and what to do about it.
    pub priority_refused: Option<String>,
    /// What lies between the device and the machine; `None` for what is not on USB.
    pub usb: Option<Chain>,
    /// What went wrong during the test.
    pub sound: Counts,
}
