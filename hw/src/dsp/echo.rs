//! The echo canceller with noise suppression and gain behind it, and the judgement whether it works.

use crate::block::LISTENING;
use frontdesk_core::audio::level;
use frontdesk_core::units::Dbfs;
use sonora::config::{
    AdaptiveDigital, EchoCanceller, GainController2, HighPassFilter, NoiseSuppression, NoiseSuppressionLevel,
};
use sonora::{AudioProcessing, Config, StreamConfig};

/// The canceller's rate: the model's. At 48 kHz it costs twice as much and reaches less.
const RATE: u32 = 16_000;

/// Sonora's AEC3 for one run of one device. It allocates some forty times a block: never on the real-time thread.
pub(super) struct Canceller {
    sonora: AudioProcessing,
    scratch: [i16; LISTENING],
}

impl Canceller {
    pub(super) fn new() -> Self {
        let config = Config {
            high_pass_filter: Some(HighPassFilter::default()),
            echo_canceller: Some(EchoCanceller::default()),
            // What a model of speech understands best: more makes words metallic.
            noise_suppression: Some(NoiseSuppression { level: NoiseSuppressionLevel::Moderate, ..Default::default() }),
            gain_controller2: Some(GainController2 {
                // Slow, and never so high that a residual echo becomes a voice: the thresholds of the judge of voices
                // are levels behind this gain.
                adaptive_digital: Some(AdaptiveDigital {
                    max_gain_db: 12.0,
                    initial_gain_db: 0.0,
                    max_gain_change_db_per_second: 1.0,
                    ..Default::default()
                }),
                ..Default::default()
            }),
            ..Default::default()
        };
        let stream = StreamConfig::new(RATE, 1);
        let sonora = AudioProcessing::builder().config(config).capture_config(stream).render_config(stream).build();
        Self { sonora, scratch: [0; LISTENING] }
    }

    /// Takes the echo of `far` and what came before it out of `near`, in place. `lead_ms`: how long before it is heard
    /// `far` is given. Returns whether the canceller did its work; otherwise `near` is as it was.
    pub(super) fn process(&mut self, far: &[i16; LISTENING], near: &mut [i16; LISTENING], lead_ms: i32) -> bool {
        // Out of range is clamped, and a hint is all it is: the canceller finds the delay itself.
        let _ = self.sonora.set_stream_delay_ms(lead_ms.max(0));
        let rendered = self.sonora.process_render_i16(far, &mut self.scratch);
        let captured = self.sonora.process_capture_i16(near, &mut self.scratch);
        let done = rendered.is_ok() && captured.is_ok();
        if done {
            near.copy_from_slice(&self.scratch);
        }
        done
    }

    /// The echo's delay as the canceller estimates it.
    pub(super) fn delay_ms(&self) -> Option<i32> {
        self.sonora.statistics().delay_ms
    }
}

/// Blocks of one measurement: a second in which the agent is heard.
const WINDOW: u32 = 100;
/// Measurements of which the best counts: somebody who speaks meanwhile spoils one or two, not all of them.
const WINDOWS: usize = 4;
/// An echo below this level needs no canceller.
const ECHO: Dbfs = Dbfs(-50.0);
/// The reference has sound from this level on.
const FAR: Dbfs = Dbfs(-40.0);
/// A best measurement below this is an echo that comes through, dB.
const FAILS_BELOW: f32 = 6.0;
/// And from here on it is under control again, dB.
const WORKS_FROM: f32 = 12.0;
/// Blocks of the agent's speech from which a new canceller learns: 2 s. What it lets through meanwhile was taken for a
/// voice, 1.4 s after the first word, with an echo of -6 dB.
const LEARNING: u32 = 200;

/// Measures the echo return loss enhancement and tells whether the canceller fails: the microphone must then be closed
/// while the agent is heard. Sonora's own figure is no use for this: it is limited to a few decibels.
#[derive(Debug, Default)]
pub(super) struct Convergence {
    before: f32,
    after: f32,
    blocks: u32,
    /// The newest measurements, dB; unmeasured ones are absent.
    newest: [Option<f32>; WINDOWS],
    failing: bool,
    /// Blocks with sound in the reference, up to [`LEARNING`].
    learnt: u32,
}

impl Convergence {
    /// Takes the mean squares of one block: of the reference, and of the microphone before and after. Returns the
    /// enhancement in dB whenever one was measured.
    pub(super) fn push(&mut self, far: f32, before: f32, after: f32) -> Option<f32> {
        if far < FAR.mean_square() {
            return None;
        }
        self.learnt = (self.learnt + 1).min(LEARNING);
        if before < ECHO.mean_square() {
            return None;
        }
        self.before += before;
        self.after += after;
        self.blocks += 1;
        if self.blocks < WINDOW {
            return None;
        }
        // Behind complete silence the ratio says no more than that.
        let erle = (10.0 * (self.before / self.after.max(1.0)).log10()).clamp(-20.0, 80.0);
        (self.before, self.after, self.blocks) = (0.0, 0.0, 0);
        self.newest.rotate_left(1);
        self.newest[WINDOWS - 1] = Some(erle);
        self.decide();
        Some(erle)
    }

    /// Whether the echo comes through, or may do so because the canceller is new.
    pub(super) fn is_failing(&self) -> bool {
        self.failing || self.learnt < LEARNING
    }

    /// Whether the echo was measured to come through; a canceller that is only new has not failed.
    pub(super) fn has_failed(&self) -> bool {
        self.failing
    }

    fn decide(&mut self) {
        let best = self.newest.iter().flatten().copied().fold(f32::MIN, f32::max);
        if best >= WORKS_FROM {
            self.failing = false;
        } else if best < FAILS_BELOW && self.newest.iter().all(Option::is_some) {
            self.failing = true;
        }
    }
}

/// The level of a block as [`Convergence::push`] takes it.
pub(super) fn power(pcm: &[i16]) -> f32 {
    level::mean_square(pcm)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LOUD: f32 = 1.0e6;

    fn seconds(convergence: &mut Convergence, count: u32, erle_db: f32) {
        for _ in 0..count * WINDOW {
            convergence.push(LOUD, LOUD, LOUD / 10f32.powf(erle_db / 10.0));
        }
    }

    #[test]
    fn four_bad_seconds_close_the_microphone_and_a_good_one_opens_it() {
        let mut convergence = Convergence::default();
        seconds(&mut convergence, 1, 1.0);
        assert!(convergence.is_failing(), "a new one has to learn first");
        seconds(&mut convergence, 2, 1.0);
        assert!(!convergence.is_failing());
        seconds(&mut convergence, 1, 1.0);
        assert!(convergence.is_failing());
        seconds(&mut convergence, 1, 9.0);
        assert!(convergence.is_failing(), "between the two thresholds nothing changes");
        seconds(&mut convergence, 1, 20.0);
        assert!(!convergence.is_failing());
    }

    #[test]
    fn a_talker_over_the_agent_closes_nothing() {
        let mut convergence = Convergence::default();
        seconds(&mut convergence, 2, 25.0);
        for _ in 0..20 {
            seconds(&mut convergence, 3, 0.0);
            seconds(&mut convergence, 1, 25.0);
            assert!(!convergence.is_failing());
        }
    }

    proptest! {
        #[test]
        fn silence_of_either_side_is_no_evidence(far in 0f32..100.0, near in 0f32..1.0e6, blocks in 0u32..2_000) {
            let mut convergence = Convergence::default();
            for _ in 0..blocks {
                prop_assert_eq!(convergence.push(far, near, near), None);
            }
            prop_assert!(convergence.is_failing(), "nothing was learnt");
        }
    }
}
