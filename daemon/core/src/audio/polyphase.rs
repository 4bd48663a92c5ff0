//! Change of rate by a whole number, up or down: the filter of a phone call's every frame.
//!
//! A windowed sinc of 2 ms to either side, in 16-bit integers: a product and a sum of pairs is one instruction on every
//! machine we run on, and costs a fifth of what a resampler of any ratio needs. Upwards, each phase of the
//! filter is a row of taps of its own; downwards, only the samples that are kept are computed.

use crate::units::SampleRate;
use std::f64::consts::PI;
use std::time::Duration;

/// The filter's reach to either side, which is its delay. Its transition is 1 kHz wide, centred on half the lower rate.
const REACH: Duration = Duration::from_millis(2);
/// Shape of the Kaiser window: 70 dB beyond the transition.
const BETA: f64 = 6.76;
/// Taps are fractions of that. A phase's absolute sum stays below 2, so 32 bits hold every sum.
const ONE: i32 = 1 << 14;

/// Taps that are multiplied at once: the rows of every filter are whole multiples of that.
const TAPS: usize = 32;
/// Samples worked on at once: a model's reply comes in pieces of 200 ms and more, and every call keeps its window.
const PIECE: usize = 480;

/// A filter between two rates of which one is a multiple of the other. Allocates in [`Polyphase::between`] only.
pub(super) struct Polyphase {
    /// One row of `len` taps a phase, newest sample last.
    taps: Vec<i16>,
    len: usize,
    up: usize,
    down: usize,
    /// The newest `len - 1` samples, and in front of a run the new ones behind them.
    window: Vec<i16>,
    /// Downwards: how many new samples are skipped before the next one that is kept.
    next: usize,
}

impl Polyphase {
    /// The filter between `from` and `to`; `None` if neither is a multiple of the other, or the filter would not fill
    /// its rows (4 or 12 kHz).
    pub(super) fn between(from: SampleRate, to: SampleRate) -> Option<Self> {
        let (low, high) = (from.min(to), from.max(to));
        if !high.hz().is_multiple_of(low.hz()) {
            return None;
        }
        let ratio = (high.hz() / low.hz()) as usize;
        let (up, down) = if to > from { (ratio, 1) } else { (1, ratio) };
        let reach = high.samples_in(REACH).next_multiple_of(ratio);
        let sinc = windowed_sinc(reach, ratio);
        let len = 2 * reach / up;
        if !len.is_multiple_of(TAPS) {
            return None;
        }
        let taps = (0..up).flat_map(|phase| row(&sinc, phase, up)).collect();
        let mut window = Vec::with_capacity(len - 1 + PIECE);
        window.resize(len - 1, 0);
        Some(Self { taps, len, up, down, window, next: 0 })
    }

    /// The filter's delay in samples of the new rate.
    pub(super) fn delay(&self) -> usize {
        self.len * self.up / 2 / self.down
    }

    /// Takes `pcm` in and appends every sample that it makes possible to `out`.
    pub(super) fn push(&mut self, pcm: &[i16], out: &mut Vec<i16>) {
        for piece in pcm.chunks(PIECE) {
            self.window.extend_from_slice(piece);
            if self.up > 1 {
                self.upwards(piece.len(), out);
            } else {
                self.downwards(piece.len(), out);
            }
            self.window.drain(..piece.len());
        }
    }

    fn upwards(&self, fresh: usize, out: &mut Vec<i16>) {
        let start = out.len();
        out.resize(start + fresh * self.up, 0);
        let answers = out[start..].chunks_exact_mut(self.up);
        for (reach, answers) in self.window.windows(self.len).zip(answers) {
            // The sinc is zero at every whole sample but its own: what was there before passes as it is.
            answers[0] = reach[self.len / 2 - 1];
            let phases = self.taps[self.len..].chunks_exact(self.len);
            for (answer, taps) in answers[1..].iter_mut().zip(phases) {
                *answer = filter(reach, taps);
            }
        }
    }

    fn downwards(&mut self, fresh: usize, out: &mut Vec<i16>) {
        let kept = (fresh.saturating_sub(self.next)).div_ceil(self.down);
        let first = self.next;
        let answer = |n: usize| {
            let at = first + n * self.down;
            filter(&self.window[at..at + self.len], &self.taps)
        };
        out.extend((0..kept).map(answer));
        self.next = first + kept * self.down - fresh;
    }

    /// Forgets everything it has heard.
    pub(super) fn reset(&mut self) {
        self.window.clear();
        self.window.resize(self.len - 1, 0);
        self.next = 0;
    }
}

/// One answer: as many samples as taps, rounded and kept in range.
fn filter(samples: &[i16], taps: &[i16]) -> i16 {
    let sample = (dot(samples, taps) + ONE / 2) / ONE;
    sample.clamp(i32::from(i16::MIN), i32::from(i16::MAX)) as i16
}

/// [`TAPS`] at a time: a loop of known length needs no remainder.
fn dot(samples: &[i16], taps: &[i16]) -> i32 {
    let (samples, taps) = (samples.as_chunks::<TAPS>().0, taps.as_chunks::<TAPS>().0);
    samples.iter().zip(taps).map(|(samples, taps)| dot_row(samples, taps)).sum()
}

#[inline]
fn dot_row(samples: &[i16; TAPS], taps: &[i16; TAPS]) -> i32 {
    (0..TAPS).map(|n| i32::from(samples[n]) * i32::from(taps[n])).sum()
}

/// The low-pass at half the lower rate, at the higher rate: `2 * reach` taps around `reach`, the first of them zero.
fn windowed_sinc(reach: usize, ratio: usize) -> Vec<f64> {
    let tap = |n: usize| {
        let away = n as f64 - reach as f64;
        let x = PI * away / ratio as f64;
        let sinc = if away == 0.0 { 1.0 } else { x.sin() / x };
        let edge = away / reach as f64;
        sinc * bessel_i0(BETA * (1.0 - edge * edge).max(0.0).sqrt()) / bessel_i0(BETA)
    };
    (0..2 * reach).map(|n| if n == 0 { 0.0 } else { tap(n) }).collect()
}

/// Every `up`th tap from `phase` on, newest sample last, scaled so that silence, speech and a constant keep their level.
fn row(sinc: &[f64], phase: usize, up: usize) -> Vec<i16> {
    let taps: Vec<f64> = sinc.iter().skip(phase).step_by(up).copied().collect();
    let sum: f64 = taps.iter().sum();
    taps.iter().rev().map(|tap| (tap / sum * f64::from(ONE)).round() as i16).collect()
}

/// The modified Bessel function of order 0, by its series.
fn bessel_i0(x: f64) -> f64 {
    let (mut sum, mut term) = (1.0, 1.0);
    for n in 1..40 {
        term *= (x / 2.0 / f64::from(n)).powi(2);
        sum += term;
    }
    sum
}
