//! Numbers with a meaning: sample rates, levels and gains.
//!
//! A plain integer may index a buffer; it does not measure time or loudness.

use std::time::Duration;

/// Samples per second of one mono stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SampleRate(u32);

impl SampleRate {
    /// What a phone line carries: 8 kHz.
    pub const TELEPHONY: Self = Self(8_000);
    /// What the model listens to, and what the voice activity detector expects: 16 kHz.
    pub const LISTENING: Self = Self(16_000);
    /// What the model speaks with: 24 kHz.
    pub const SPEAKING: Self = Self(24_000);

    /// A rate that came from outside, or `None` outside 4 to 192 kHz, where nothing of ours works.
    pub const fn from_hz(hz: u32) -> Option<Self> {
        if hz < 4_000 || hz > 192_000 {
            return None;
        }
        Some(Self(hz))
    }

    /// Samples per second.
    pub const fn hz(self) -> u32 {
        self.0
    }

    /// Samples in `span`, rounded down.
    pub const fn samples_in(self, span: Duration) -> usize {
        (span.as_micros() as u64 * self.0 as u64 / 1_000_000) as usize
    }

    /// How long `samples` last, rounded down to the microsecond.
    pub const fn duration_of(self, samples: usize) -> Duration {
        Duration::from_micros(samples as u64 * 1_000_000 / self.0 as u64)
    }
}

/// A level relative to full scale; 0 is a full-scale square wave, silence is [`Dbfs::SILENCE`].
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Dbfs(pub f32);

impl Dbfs {
    /// What digital silence measures.
    pub const SILENCE: Self = Self(-120.0);

    /// The level whose mean square sample value (full scale 32768) is `mean_square`.
    pub fn of_mean_square(mean_square: f32) -> Self {
        const FULL_SCALE_SQUARED: f32 = 32_768.0 * 32_768.0;
        if mean_square <= 0.0 {
            return Self::SILENCE;
        }
        Self((10.0 * (mean_square / FULL_SCALE_SQUARED).log10()).max(Self::SILENCE.0))
    }

    /// The mean square sample value of this level: what a loop compares with instead of taking logarithms.
    pub fn mean_square(self) -> f32 {
        32_768.0 * 32_768.0 * 10f32.powf(self.0 / 10.0)
    }
}

/// A linear amplification; 1 changes nothing.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Gain(f32);

impl Gain {
    /// Changes nothing.
    pub const UNITY: Self = Self(1.0);

    /// The gain of `db` decibels; negative is quieter.
    pub fn from_db(db: f32) -> Self {
        Self(10f32.powf(db / 20.0))
    }

    /// `fraction` of the way from `self` to `other`, both amplitudes.
    #[must_use]
    pub fn towards(self, other: Self, fraction: f32) -> Self {
        Self(self.0 + (other.0 - self.0) * fraction.clamp(0.0, 1.0))
    }

    /// Nearer to `other` by `step` of the way from silence to unity, both amplitudes, and no further.
    #[must_use]
    pub fn nearer(self, other: Self, step: f32) -> Self {
        Self(if self.0 < other.0 { (self.0 + step).min(other.0) } else { (self.0 - step).max(other.0) })
    }

    /// `sample` amplified, saturating at full scale.
    pub fn apply(self, sample: i16) -> i16 {
        (f32::from(sample) * self.0).clamp(-32_768.0, 32_767.0) as i16
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_of_telephony_is_160_samples() {
        assert_eq!(SampleRate::TELEPHONY.samples_in(Duration::from_millis(20)), 160);
        assert_eq!(SampleRate::TELEPHONY.duration_of(160), Duration::from_millis(20));
    }

    #[test]
    fn levels_survive_the_round_trip() {
        for db in [-90.0, -45.5, -6.0, 0.0] {
            let back = Dbfs::of_mean_square(Dbfs(db).mean_square());
            assert!((back.0 - db).abs() < 0.01, "{db} came back as {back:?}");
        }
        assert_eq!(Dbfs::of_mean_square(0.0), Dbfs::SILENCE);
    }

    #[test]
    fn a_gain_comes_nearer_in_steps_and_not_past() {
        let half = Gain::from_db(-6.02);
        assert!((half.nearer(Gain::UNITY, 0.1).0 - 0.6).abs() < 0.001);
        assert_eq!(half.nearer(Gain::UNITY, 0.9), Gain::UNITY);
        assert_eq!(Gain::UNITY.nearer(half, 0.9), half);
    }

    #[test]
    fn gain_saturates() {
        assert_eq!(Gain::from_db(20.0).apply(30_000), i16::MAX);
        assert_eq!(Gain::from_db(-6.02).apply(1_000), 500);
    }
}
