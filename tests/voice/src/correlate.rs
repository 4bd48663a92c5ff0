//! Normalised cross-correlation in blocks, by FFT: O(n log m) for n samples of haystack and m of needle.
//!
//! A haystack's spectra are computed once and serve every needle of the same [`Correlator`].

use std::{ops::Range, sync::Arc};

use realfft::{ComplexToReal, RealFftPlanner, RealToComplex, num_complex::Complex32};

/// Below this share of the loudest window's energy a window is silence: it has no shape to compare.
const SILENCE: f64 = 1e-6;

/// Where a needle lies best.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peak {
    /// Sample of the haystack under the needle's first.
    pub(crate) at: usize,
    /// -1 to 1.
    pub(crate) correlation: f32,
    /// The haystack's level relative to the needle's, of what they have in common.
    pub(crate) gain: f32,
}

/// FFTs for needles up to one length.
pub(crate) struct Correlator {
    block: usize,
    hop: usize,
    forward: Arc<dyn RealToComplex<f32>>,
    inverse: Arc<dyn ComplexToReal<f32>>,
}

/// A sound to look for.
pub(crate) struct Needle {
    spectrum: Vec<Complex32>,
    energy: f64,
    length: usize,
}

/// A recording to look in.
pub(crate) struct Haystack {
    spectra: Vec<Vec<Complex32>>,
    /// Energy before each sample, so that any window's is one subtraction.
    energy_before: Vec<f64>,
    length: usize,
}

impl Correlator {
    pub(crate) fn new(longest_needle: usize) -> Self {
        // Half of each block is overlap; twice as much again keeps the number of transforms per sample low.
        let block = (longest_needle * 4).next_power_of_two().max(1 << 12);
        let mut planner = RealFftPlanner::new();
        Self {
            block,
            hop: block - longest_needle + 1,
            forward: planner.plan_fft_forward(block),
            inverse: planner.plan_fft_inverse(block),
        }
    }

    pub(crate) fn needle(&self, pcm: &[f32]) -> Needle {
        debug_assert!(self.block - pcm.len() + 1 >= self.hop, "a needle longer than the correlator was made for");
        Needle { spectrum: self.spectrum(pcm), energy: energy(pcm), length: pcm.len() }
    }

    pub(crate) fn haystack(&self, pcm: &[f32]) -> Haystack {
        let spectra = (0..pcm.len()).step_by(self.hop).map(|from| self.spectrum(&pcm[from..])).collect();
        let mut sum = 0.0;
        let mut energy_before = Vec::with_capacity(pcm.len() + 1);
        energy_before.push(0.0);
        for &sample in pcm {
            sum += f64::from(sample) * f64::from(sample);
            energy_before.push(sum);
        }
        Haystack { spectra, energy_before, length: pcm.len() }
    }

    /// The best place for `needle` to start within `starts`, or `None` when it does not fit there or is silent.
    pub(crate) fn best(&self, needle: &Needle, hay: &Haystack, starts: Range<usize>) -> Option<Peak> {
        let last = (hay.length + 1).checked_sub(needle.length)?;
        let starts = starts.start..starts.end.min(last);
        if starts.is_empty() || needle.length == 0 || needle.energy <= 0.0 {
            return None;
        }
        let window = |at: usize| hay.energy_before[at + needle.length] - hay.energy_before[at];
        let floor = (0..last).map(window).fold(0.0, f64::max) * SILENCE;
        let mut best: Option<Peak> = None;
        for index in starts.start / self.hop..=(starts.end - 1) / self.hop {
            let products = self.products(needle, &hay.spectra[index]);
            let from = index * self.hop;
            for at in starts.start.max(from)..starts.end.min(from + self.hop) {
                let energy = window(at);
                if energy <= floor {
                    continue;
                }
                let product = f64::from(products[at - from]);
                let correlation = (product / (energy * needle.energy).sqrt()).clamp(-1.0, 1.0) as f32;
                if best.is_none_or(|best| correlation > best.correlation) {
                    best = Some(Peak { at, correlation, gain: (product / needle.energy) as f32 });
                }
            }
        }
        best
    }

    /// The sum of products for every start within one block.
    fn products(&self, needle: &Needle, block: &[Complex32]) -> Vec<f32> {
        let mut spectrum: Vec<_> =
            block.iter().zip(&needle.spectrum).map(|(hay, needle)| hay * needle.conj()).collect();
        let mut products = self.inverse.make_output_vec();
        // The two ends of a real signal's spectrum are real; rounding must not say otherwise, or the FFT complains.
        if let [first, .., last] = spectrum.as_mut_slice() {
            (first.im, last.im) = (0.0, 0.0);
        }
        self.inverse.process(&mut spectrum, &mut products).expect("the buffers are the transform's own");
        let scale = 1.0 / self.block as f32;
        for product in &mut products {
            *product *= scale;
        }
        products
    }

    /// Spectrum of the first block of `pcm`, followed by silence where it is shorter.
    fn spectrum(&self, pcm: &[f32]) -> Vec<Complex32> {
        let mut input = self.forward.make_input_vec();
        let length = pcm.len().min(self.block);
        input[..length].copy_from_slice(&pcm[..length]);
        let mut spectrum = self.forward.make_output_vec();
        self.forward.process(&mut input, &mut spectrum).expect("the buffers are the transform's own");
        spectrum
    }
}

/// -1 to 1 for full scale.
pub(crate) fn to_float(pcm: &[i16]) -> Vec<f32> {
    pcm.iter().map(|&sample| f32::from(sample) / 32_768.0).collect()
}

fn energy(pcm: &[f32]) -> f64 {
    pcm.iter().map(|&sample| f64::from(sample) * f64::from(sample)).sum()
}
