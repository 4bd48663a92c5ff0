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

    /// Whether its filter has found the echo. Until then it holds back whatever is heard while the agent speaks, for up to
    /// 5 s, and an echo out of its reach as well as a person looks as if it were under control.
    pub(super) fn has_found_the_echo(&self) -> bool {
        self.sonora.statistics().echo_return_loss_enhancement.is_some_and(|db| db > FOUND)
    }

    /// The echo's delay as the canceller estimates it.
    pub(super) fn delay_ms(&self) -> Option<i32> {
        self.sonora.statistics().delay_ms
    }
}

/// Sonora's own figure rests at 0.2 dB until its filter takes an echo away, and leaps to 4 dB then.
const FOUND: f64 = 1.0;
/// Blocks of one measurement: a second in which the agent is heard.
const WINDOW: u32 = 100;
/// Measurements of which the best counts: somebody who speaks meanwhile spoils one or two, not all of them.
const WINDOWS: usize = 4;
/// An echo below this level needs no canceller.
const ECHO: Dbfs = Dbfs(-50.0);
/// And one that is less than so many times above the room's noise is drowned by it: 9 dB.
const ABOVE_NOISE: f32 = 8.0;
/// The room's noise is the quietest that is heard between the agent's words; it is believed less by so much a block, which
/// is 4 dB in a second.
const DOUBT: f32 = 1.01;
/// The reference has sound from this level on.
const FAR: Dbfs = Dbfs(-40.0);
/// A best measurement below this is an echo that comes through, dB.
const FAILS_BELOW: f32 = 6.0;
/// And from here on it is under control, dB.
const WORKS_FROM: f32 = 12.0;
/// Blocks of the agent's speech from which a new canceller learns: 2 s. What it lets through meanwhile was taken for a
/// voice, 1.4 s after the first word, with an echo of -6 dB. So many without an echo show as well that there is none.
const LEARNING: u32 = 200;
/// Blocks without an echo that one with it outweighs: below a share of a tenth it is a door or a cough, which would keep
/// the microphone of a device without any echo closed for good.
const OUTWEIGHS: u32 = 10;

/// What is known of a canceller at work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Standing {
    /// Nothing yet: it is new, or whatever it met was no proof.
    #[default]
    Unproven,
    /// The echo was measured to be under control, or there is none.
    Works,
    /// The echo was measured to come through.
    Fails,
}

/// Measures the echo return loss enhancement and tells whether the canceller fails: the microphone must then be closed
/// while the agent is heard.
///
/// A new canceller is believed to work once it was measured to, not when a time is over: with an echo out of its reach the
/// agent would interrupt itself. Where there is no echo nothing can be measured, and its absence is the proof: at a device
/// that cancels for itself only a person over the agent is ever loud, and looks like an echo that comes through.
#[derive(Debug, Default)]
pub(super) struct Convergence {
    before: f32,
    after: f32,
    blocks: u32,
    /// The newest measurements, dB; unmeasured ones are absent.
    newest: [Option<f32>; WINDOWS],
    standing: Standing,
    /// The room's noise.
    noise: Option<f32>,
    /// Blocks with sound in the reference, up to [`LEARNING`].
    learnt: u32,
    /// Those of them without an echo, less what those with one [outweigh](OUTWEIGHS), up to [`LEARNING`].
    quiet: u32,
}

impl Convergence {
    /// Takes the mean squares of one block: of the reference, and of the microphone before and after; `found`: whether the
    /// canceller [has found the echo](Canceller::has_found_the_echo). Returns the enhancement in dB whenever one was
    /// measured.
    pub(super) fn push(&mut self, far: f32, before: f32, after: f32, found: bool) -> Option<f32> {
        if far < FAR.mean_square() {
            // A device that has just started may give zeros: they are no room.
            if before >= 1.0 {
                self.noise = Some(self.noise.map_or(before, |noise| before.min(noise * DOUBT)));
            }
            return None;
        }
        self.learnt = (self.learnt + 1).min(LEARNING);
        let echo = ECHO.mean_square().max(self.noise.map_or(0.0, |noise| noise * ABOVE_NOISE));
        if before < echo {
            self.quiet = (self.quiet + 1).min(LEARNING);
            self.absolve();
            return None;
        }
        self.quiet = self.quiet.saturating_sub(OUTWEIGHS);
        let erle = self.measure(before, after);
        self.decide(found);
        erle
    }

    /// Whether the echo comes through, or may do so because nothing has shown yet that it does not.
    pub(super) fn is_failing(&self) -> bool {
        self.standing != Standing::Works || self.learnt < LEARNING
    }

    /// Whether the echo was measured to come through; a canceller that is only new has not failed.
    pub(super) fn has_failed(&self) -> bool {
        self.standing == Standing::Fails
    }

    fn measure(&mut self, before: f32, after: f32) -> Option<f32> {
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
        Some(erle)
    }

    /// Where there is no echo, what was measured before was a person, or another volume.
    fn absolve(&mut self) {
        if self.quiet == LEARNING {
            (self.before, self.after, self.blocks) = (0.0, 0.0, 0);
            self.newest = Default::default();
            self.standing = Standing::Works;
        }
    }

    fn decide(&mut self, found: bool) {
        let best = self.newest.iter().flatten().copied().fold(f32::MIN, f32::max);
        // One that never worked is not given the benefit of the doubt.
        let fails_below = if self.standing == Standing::Works { FAILS_BELOW } else { WORKS_FROM };
        if best >= WORKS_FROM {
            if found {
                self.standing = Standing::Works;
            }
        } else if best < fails_below && self.newest.iter().all(Option::is_some) {
            self.standing = Standing::Fails;
        }
    }
}

/// The level of a block as [`Convergence::push`] takes it.
pub(super) fn power(pcm: &[i16]) -> f32 {
    level::mean_square(pcm)
}

#[cfg(test)]
#[path = "echo_tests.rs"]
mod tests;
