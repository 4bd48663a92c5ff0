//! The short sounds of our own, computed as they are played: no file, no memory.

use crate::knobs::Earcon;
use std::f32::consts::TAU;

/// Amplitude of a note at its loudest: two notes at once stay near -20 dBFS.
const LEVEL: f32 = 0.15 * 32_768.0;
/// A note rises that fast, without a click, s.
const ATTACK: f32 = 0.006;
/// And ends that softly, s.
const RELEASE: f32 = 0.03;

/// A struck note.
struct Note {
    hz: f32,
    /// From the sound's beginning, s.
    from: f32,
    /// s.
    lasts: f32,
}

const fn note(hz: f32, from: f32, lasts: f32) -> Note {
    Note { hz, from, lasts }
}

/// Up a fifth: come in.
const BEGIN: &[Note] = &[note(587.33, 0.0, 0.18), note(880.0, 0.1, 0.24)];
/// Down a fifth: good-bye.
const END: &[Note] = &[note(880.0, 0.0, 0.18), note(587.33, 0.1, 0.24)];
/// A minor third down, low and twice.
const SORRY: &[Note] = &[note(392.0, 0.0, 0.18), note(329.63, 0.17, 0.21)];
/// One low tap.
const MUTED: &[Note] = &[note(440.0, 0.0, 0.12)];
/// One high tap.
const UNMUTED: &[Note] = &[note(660.0, 0.0, 0.12)];

/// A sound that is being played.
pub(super) struct Tone {
    notes: &'static [Note],
    /// Samples played.
    at: u32,
    hz: f32,
}

impl Tone {
    /// `earcon` from its beginning, at `hz` samples a second.
    pub(super) fn new(earcon: Earcon, hz: u32) -> Self {
        let notes = match earcon {
            Earcon::Begin => BEGIN,
            Earcon::End => END,
            Earcon::Sorry => SORRY,
            Earcon::Muted => MUTED,
            Earcon::Unmuted => UNMUTED,
        };
        Self { notes, at: 0, hz: hz as f32 }
    }

    /// Adds it to `pcm`; returns whether more of it follows.
    pub(super) fn mix(&mut self, pcm: &mut [i16]) -> bool {
        for sample in pcm {
            let now = self.at as f32 / self.hz;
            let sum: f32 = self.notes.iter().map(|note| note.at(now - note.from)).sum();
            *sample = sample.saturating_add((sum * LEVEL) as i16);
            self.at += 1;
        }
        let now = self.at as f32 / self.hz;
        self.notes.iter().any(|note| now < note.from + note.lasts)
    }
}

impl Note {
    /// Its value at `t` seconds of it: a tone with a soft octave above, dying away like a struck bar.
    fn at(&self, t: f32) -> f32 {
        if t < 0.0 || t >= self.lasts {
            return 0.0;
        }
        let edges = (t / ATTACK).min((self.lasts - t) / RELEASE).min(1.0);
        let phase = TAU * self.hz * t;
        edges * (-4.0 * t / self.lasts).exp() * (phase.sin() + 0.25 * (2.0 * phase).sin())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use frontdesk_core::audio::level;

    const ALL: [Earcon; 5] = [Earcon::Begin, Earcon::End, Earcon::Sorry, Earcon::Muted, Earcon::Unmuted];

    fn played(earcon: Earcon, hz: u32) -> Vec<i16> {
        let (mut tone, mut pcm) = (Tone::new(earcon, hz), Vec::new());
        loop {
            let mut block = vec![0; hz as usize / 100];
            let more = tone.mix(&mut block);
            pcm.extend(block);
            if !more {
                return pcm;
            }
        }
    }

    #[test]
    fn each_is_short_moderate_and_without_clicks_at_every_rate() {
        for (earcon, hz) in ALL.into_iter().flat_map(|it| [(it, 8_000), (it, 16_000), (it, 44_100), (it, 48_000)]) {
            let pcm = played(earcon, hz);
            assert!(pcm.len() as u32 * 1_000 / hz <= 400, "{earcon:?} lasts {} samples", pcm.len());
            let loudest = pcm.chunks(hz as usize / 20).map(|it| level::dbfs(it).0).fold(-120.0, f32::max);
            assert!((-26.0..=-18.0).contains(&loudest), "{earcon:?}: {loudest} dBFS");
            let edge = LEVEL as i16 / 8;
            assert!(pcm[0].abs() < edge && pcm[pcm.len() - 1].abs() < edge, "{earcon:?} clicks");
        }
    }

    #[test]
    fn no_two_are_alike() {
        for (n, one) in ALL.into_iter().enumerate() {
            for other in &ALL[n + 1..] {
                let (a, b) = (played(one, 16_000), played(*other, 16_000));
                let product: f64 = a.iter().zip(&b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
                let energy = |pcm: &[i16]| pcm.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>();
                assert!(product / (energy(&a) * energy(&b)).sqrt() < 0.5, "{one:?} and {other:?}");
            }
        }
    }
}
