//! Whether a block of the microphone may be more than the room's own noise: asked before anything costly is done with it,
//! while the desk waits for a voice and plays nothing.
//!
//! The room's level is followed from below, as speech pauses and noise does not: down at once, up slowly. What is not
//! clearly above it, or too quiet to pass for a voice behind any gain, is nothing. Hum and offsets of cheap microphones
//! would hide a voice and count for nothing.

use frontdesk_core::units::{Dbfs, SampleRate};
use std::f32::consts::TAU;

/// So much louder than the room something has to be, dB. A room's noise is hardly ever, a voice that is meant always.
const ABOVE: f32 = 6.0;
/// The judge of voices takes nothing below -48 dBFS for one, and the gain before it is 12 dB at most; two more for what
/// this filter takes away.
const FAINTEST: Dbfs = Dbfs(-62.0);
/// Below this frequency nothing counts, Hz.
const LOWEST: f32 = 130.0;
/// What the room's level is followed with in a block, downwards, as a share of the way; and upwards, in dB: 1 dB a second.
const DOWN: f32 = 0.1;
const UP: f32 = 0.01;
/// No room is quieter than that mean square, -100 dBFS: from nothing none would ever grow louder.
const SILENCE: f32 = 0.1;
/// Blocks for which the gate stays open behind the last loud one: longer than a voice takes to be judged over.
const HOLD: u32 = 100;

/// The gate of one microphone. Open at first: it has to learn what the room is like.
#[derive(Debug)]
pub(super) struct Gate {
    /// Of the high pass.
    pole: f32,
    stages: [Stage; 2],
    /// The room's mean square sample value; `None` before the first block.
    room: Option<f32>,
    /// Blocks since the last loud one.
    quiet: u32,
}

#[derive(Debug, Clone, Copy, Default)]
struct Stage {
    input: f32,
    output: f32,
}

impl Gate {
    /// For a microphone at this rate.
    pub(super) fn new(rate: SampleRate) -> Self {
        let pole = (-TAU * LOWEST / rate.hz() as f32).exp();
        Self { pole, stages: [Stage::default(); 2], room: None, quiet: 0 }
    }

    /// Takes one block; whether it, or something shortly before it, may be a voice.
    pub(super) fn opens(&mut self, pcm: &[i16]) -> bool {
        let level = self.level(pcm);
        let room = self.room.get_or_insert(level);
        *room = if level < *room { *room + DOWN * (level - *room) } else { level.min(*room * 10f32.powf(UP / 10.0)) };
        let loud = level > FAINTEST.mean_square() && level > *room * 10f32.powf(ABOVE / 10.0);
        self.quiet = if loud { 0 } else { self.quiet.saturating_add(1) };
        self.quiet <= HOLD
    }

    /// The block's mean square sample value, without what lies below speech.
    fn level(&mut self, pcm: &[i16]) -> f32 {
        let mut sum = 0.0;
        for sample in pcm {
            let mut value = f32::from(*sample);
            for stage in &mut self.stages {
                let output = self.pole * (stage.output + value - stage.input);
                *stage = Stage { input: value, output };
                value = output;
            }
            sum += value * value;
        }
        (sum / pcm.len().max(1) as f32).max(SILENCE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: SampleRate = SampleRate::LISTENING;
    const BLOCK: usize = 160;

    struct Microphone {
        gate: Gate,
        seed: u32,
        at: usize,
    }

    impl Microphone {
        fn new() -> Self {
            Self { gate: Gate::new(RATE), seed: 1, at: 0 }
        }

        /// How many of so many blocks the gate is open for; `extra` is added to noise of this level.
        fn hear(&mut self, blocks: usize, noise: f32, extra: impl Fn(f32) -> f32) -> usize {
            let amplitude = 10f32.powf(noise / 20.0) * 3f32.sqrt();
            let mut open = 0;
            for _ in 0..blocks {
                let pcm: Vec<i16> = (0..BLOCK)
                    .map(|_| {
                        self.seed = self.seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                        self.at += 1;
                        let hiss = amplitude * (self.seed as f32 / 2_147_483_648.0 - 1.0);
                        (32_768.0 * (hiss + extra(self.at as f32 / 16_000.0))) as i16
                    })
                    .collect();
                open += usize::from(self.gate.opens(&pcm));
            }
            open
        }
    }

    fn nothing(_: f32) -> f32 {
        0.0
    }

    fn tone(hz: f32, dbfs: f32) -> impl Fn(f32) -> f32 {
        move |t| 10f32.powf(dbfs / 20.0) * 2f32.sqrt() * (TAU * hz * t).sin()
    }

    #[test]
    fn a_room_is_learnt_within_a_second_and_then_left_alone() {
        for noise in [-90.0, -65.0, -50.0, -40.0] {
            let mut microphone = Microphone::new();
            microphone.hear(150, noise, nothing);
            assert_eq!(microphone.hear(30_000, noise, nothing), 0, "five minutes at {noise} dBFS");
        }
    }

    #[test]
    fn a_voice_opens_it_with_its_first_block_and_a_second_of_silence_shuts_it() {
        for (noise, voice) in [(-90.0, -55.0), (-65.0, -50.0), (-50.0, -42.0), (-40.0, -32.0)] {
            let mut microphone = Microphone::new();
            microphone.hear(500, noise, nothing);
            assert_eq!(microphone.hear(40, noise, tone(300.0, voice)), 40, "{voice} in {noise} dBFS");
            let open = microphone.hear(500, noise, nothing);
            assert!((HOLD as usize - 1..=HOLD as usize + 1).contains(&open), "{open}");
        }
    }

    #[test]
    fn what_is_too_faint_for_any_judge_opens_nothing() {
        let mut microphone = Microphone::new();
        microphone.hear(500, -90.0, nothing);
        assert_eq!(microphone.hear(500, -90.0, tone(300.0, -66.0)), 0);
    }

    #[test]
    fn neither_hum_nor_an_offset_hides_a_voice_nor_is_taken_for_one() {
        let hum = |t: f32| 0.05 + tone(50.0, -30.0)(t);
        let mut microphone = Microphone::new();
        microphone.hear(500, -70.0, hum);
        assert_eq!(microphone.hear(1_000, -70.0, hum), 0);
        assert_eq!(microphone.hear(10, -70.0, |t| hum(t) + tone(300.0, -36.0)(t)), 10);
    }

    #[test]
    fn a_fan_that_is_switched_on_is_known_within_half_a_minute_and_off_again_at_once() {
        let mut microphone = Microphone::new();
        microphone.hear(500, -65.0, nothing);
        let open = microphone.hear(6_000, -45.0, nothing);
        assert!((1_000..3_000).contains(&open), "{open} blocks until 20 dB more are the room");
        assert_eq!(microphone.hear(500, -65.0, nothing), 0);
        assert_eq!(microphone.hear(60, -65.0, tone(300.0, -50.0)), 60, "who speaks when it is off");
    }
}
