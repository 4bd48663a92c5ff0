//! What is played: silence, a sweep, a stretch that sounds like a voice without words, silence. 16 kHz, mono.
//!
//! The sweep finds the delay to the sample; the murmur, loud and quiet as syllables are, is what a canceller learns from.
//! Both are as loud as the agent speaks, about -20 dBFS, and begin and end softly.

use frontdesk_core::units::SampleRate;
use std::f32::consts::TAU;
use std::time::Duration;

const RATE: f32 = SampleRate::LISTENING.hz() as f32;
/// Samples of 10 ms.
const BLOCK: usize = crate::block::LISTENING;

/// Blocks of each part: the room by itself, the sweep, a breath, the murmur, the room's answer.
const BEFORE: usize = 100;
const SWEEP: usize = 150;
const BREATH: usize = 20;
const MURMUR: usize = 400;
const AFTER: usize = 80;

/// Blocks of it all.
pub const BLOCKS: usize = BEFORE + SWEEP + BREATH + MURMUR + AFTER;
/// How long it lasts.
pub const LENGTH: Duration = Duration::from_millis(BLOCKS as u64 * 10);

/// Where the sweep begins and ends, Hz: what small loudspeakers play and 16 kHz carry.
const LOW: f32 = 150.0;
const HIGH: f32 = 6_500.0;
/// Amplitude of the sweep, -20 dBFS.
const LOUD: f32 = 4_630.0;
/// Gain of the murmur's noise, to the same level.
const MURMUR_GAIN: f32 = 0.73;
/// A part rises and falls within that, s.
const EDGE: f32 = 0.03;
/// Syllables a second.
const SYLLABLES: f32 = 4.0;

/// The samples. Takes some milliseconds.
pub fn render() -> Vec<i16> {
    let mut pcm = vec![0; BEFORE * BLOCK];
    pcm.extend((0..SWEEP * BLOCK).map(sweep));
    pcm.extend([0; BREATH * BLOCK]);
    murmur(&mut pcm);
    pcm.resize(BLOCKS * BLOCK, 0);
    pcm
}

/// The same ratio of frequencies in every second.
fn sweep(n: usize) -> i16 {
    let length = (SWEEP * BLOCK) as f32 / RATE;
    let at = n as f32 / RATE;
    let octaves = (HIGH / LOW).ln();
    let phase = f64::from(LOW * length / octaves) * (f64::from(at / length * octaves).exp() - 1.0);
    // Whole turns in double precision: thousands of them leave little of a single one.
    (LOUD * edge(at, length) * (TAU * phase.fract() as f32).sin()) as i16
}

/// Noise with the long-term spectrum of speech, roughly: most between 200 and 800 Hz.
fn murmur(pcm: &mut Vec<i16>) {
    let length = (MURMUR * BLOCK) as f32 / RATE;
    let mut seed = 1u32;
    let (mut low, mut rumble) = (0.0f32, 0.0f32);
    let (above, below) = (follow(900.0), follow(150.0));
    for n in 0..MURMUR * BLOCK {
        // Numerical Recipes' generator: the same sound each time.
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let white = (seed >> 16) as f32 - 32_768.0;
        low += (white - low) * above;
        rumble += (low - rumble) * below;
        let at = n as f32 / RATE;
        let syllable = 0.1 + 0.9 * (0.5 - 0.5 * (TAU * SYLLABLES * at).cos());
        let sample = (low - rumble) * syllable * edge(at, length) * MURMUR_GAIN;
        pcm.push(sample.clamp(-20_000.0, 20_000.0) as i16);
    }
}

/// The step of a one-pole filter with this corner, Hz.
fn follow(hz: f32) -> f32 {
    1.0 - (-TAU * hz / RATE).exp()
}

fn edge(at: f32, length: f32) -> f32 {
    (at / EDGE).min((length - at) / EDGE).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use frontdesk_core::audio::level;
    use frontdesk_core::units::Dbfs;

    #[test]
    fn it_is_as_loud_as_speech_and_never_jumps() {
        let pcm = render();
        assert_eq!(pcm.len(), BLOCKS * BLOCK);
        let part = |from: usize, blocks: usize| &pcm[from * BLOCK..(from + blocks) * BLOCK];
        assert_eq!(level::dbfs(part(0, BEFORE)), Dbfs::SILENCE);
        let sweep = level::dbfs(part(BEFORE, SWEEP)).0;
        let murmur = level::dbfs(part(BEFORE + SWEEP + BREATH, MURMUR)).0;
        assert!((sweep + 20.0).abs() < 1.0 && (murmur + 20.0).abs() < 2.0, "{sweep} and {murmur} dBFS");
        assert_eq!(level::dbfs(part(BLOCKS - AFTER, AFTER)), Dbfs::SILENCE);
        let peak = pcm.iter().map(|sample| sample.unsigned_abs()).max();
        assert!(peak <= Some(20_000), "{peak:?}");
        assert_eq!((pcm[BEFORE * BLOCK], pcm[(BEFORE + SWEEP) * BLOCK]), (0, 0));
    }
}
