//! Convolution with the response of a room, block by block and without a delay of its own: uniformly partitioned
//! overlap-save, so that half a second of response costs a percent of a core instead of a whole one.

use std::{collections::VecDeque, sync::Arc};

use realfft::{ComplexToReal, RealFftPlanner, RealToComplex, num_complex::Complex32};

use crate::BLOCK;

/// Room for two blocks: the half that wraps around is thrown away.
const SIZE: usize = 2 * BLOCK;

/// One stream and the response that it passes through.
pub(crate) struct Convolver {
    forward: Arc<dyn RealToComplex<f32>>,
    inverse: Arc<dyn ComplexToReal<f32>>,
    /// Spectra of the response, one block each.
    parts: Vec<Vec<Complex32>>,
    /// Spectra of the newest input, newest first, as many as there are parts.
    past: VecDeque<Vec<Complex32>>,
    /// The last block and this one.
    input: Vec<f32>,
}

impl Convolver {
    /// Passes through `response`, samples at the room's rate.
    pub(crate) fn new(response: &[f32]) -> Self {
        let mut planner = RealFftPlanner::new();
        let (forward, inverse) = (planner.plan_fft_forward(SIZE), planner.plan_fft_inverse(SIZE));
        let parts = response.chunks(BLOCK).map(|part| spectrum(&*forward, part)).collect();
        Self { forward, inverse, parts, past: VecDeque::new(), input: vec![0.0; SIZE] }
    }

    /// The next block in, the next block out.
    pub(crate) fn next(&mut self, block: &[f32]) -> Vec<f32> {
        self.input.copy_within(BLOCK.., 0);
        self.input[BLOCK..].copy_from_slice(block);
        self.past.push_front(spectrum(&*self.forward, &self.input));
        self.past.truncate(self.parts.len());
        let mut sum = self.forward.make_output_vec();
        for (part, past) in self.parts.iter().zip(&self.past) {
            for (sum, (a, b)) in sum.iter_mut().zip(part.iter().zip(past)) {
                *sum += a * b;
            }
        }
        // The two ends of a real signal's spectrum are real; rounding must not say otherwise, or the FFT complains.
        if let [first, .., last] = sum.as_mut_slice() {
            (first.im, last.im) = (0.0, 0.0);
        }
        let mut output = self.inverse.make_output_vec();
        self.inverse.process(&mut sum, &mut output).expect("the buffers are the transform's own");
        output[BLOCK..].iter().map(|sample| sample / SIZE as f32).collect()
    }
}

fn spectrum(forward: &dyn RealToComplex<f32>, pcm: &[f32]) -> Vec<Complex32> {
    let mut input = forward.make_input_vec();
    input[..pcm.len()].copy_from_slice(pcm);
    let mut spectrum = forward.make_output_vec();
    forward.process(&mut input, &mut spectrum).expect("the buffers are the transform's own");
    spectrum
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn directly(response: &[f32], input: &[f32]) -> Vec<f32> {
        (0..input.len())
            .map(|n| response.iter().enumerate().filter(|(k, _)| *k <= n).map(|(k, r)| r * input[n - k]).sum())
            .collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn it_is_what_the_sum_over_the_response_says(
            response in proptest::collection::vec(-1.0f32..1.0, 0..1_500),
            input in proptest::collection::vec(-1.0f32..1.0, 5 * BLOCK),
        ) {
            let wanted = directly(&response, &input);
            let mut convolver = Convolver::new(&response);
            let got: Vec<f32> = input.chunks(BLOCK).flat_map(|block| convolver.next(block)).collect();
            for (got, wanted) in got.iter().zip(&wanted) {
                prop_assert!((got - wanted).abs() < 1e-3, "{} for {}", got, wanted);
            }
        }
    }
}
