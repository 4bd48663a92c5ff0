//! Another sample rate for a whole recording.

use rubato::{Fft, FixedSync, Resampler as _, WindowFunction, audioadapter_buffers::direct::InterleavedSlice};

/// The same sound at another rate: same duration (to the sample, rounded up), no delay, full band below the lower
/// rate's limit. For whole recordings; it looks into the future.
///
/// # Panics
/// When a rate is zero.
pub fn resample(pcm: &[i16], from_hz: u32, to_hz: u32) -> Vec<i16> {
    assert!(from_hz > 0 && to_hz > 0, "a sample rate of zero: {from_hz} to {to_hz}");
    if from_hz == to_hz || pcm.is_empty() {
        return pcm.to_vec();
    }
    // One large block: delay is no concern, and the larger the block the steeper the filter. An even number of the
    // smallest possible blocks puts the filter's middle, which is its delay, on a whole sample on both sides.
    let smallest = (from_hz / greatest_common_divisor(from_hz, to_hz)) as usize;
    let block = (2 * smallest) * 1024usize.div_ceil(2 * smallest);
    let mut resampler = Fft::<f32>::new_custom(
        from_hz as usize,
        to_hz as usize,
        block,
        1,
        1,
        WindowFunction::BlackmanHarris2,
        FixedSync::Input,
    )
    .expect("rates and block are not zero");
    let input: Vec<f32> = pcm.iter().map(|&sample| f32::from(sample) / 32_768.0).collect();
    let input = InterleavedSlice::new(&input, 1, pcm.len()).expect("one channel of this length");
    let output = resampler.process_all(&input, pcm.len(), None).expect("the buffers are the resampler's own");
    output.take_data().into_iter().map(|sample| (sample * 32_768.0).round() as i16).collect()
}

fn greatest_common_divisor(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

#[cfg(test)]
mod tests {
    use std::f64::consts::TAU;

    use super::*;
    use crate::measure::find;

    fn tone(hz: f64, rate: u32, samples: usize) -> Vec<i16> {
        (0..samples).map(|n| (8_000.0 * (TAU * hz * n as f64 / f64::from(rate)).sin()) as i16).collect()
    }

    #[test]
    fn a_tone_keeps_its_phase_level_and_duration() {
        for (from, to) in [(22_050, 16_000), (22_050, 8_000), (8_000, 24_000), (24_000, 8_000), (16_000, 24_000)] {
            let out = resample(&tone(440.0, from, from as usize), from, to);
            assert_eq!(out.len(), to as usize, "{from} to {to}");
            let wanted = tone(440.0, to, to as usize);
            // The edges ring: the tone starts and stops at once.
            let worst = (400..out.len() - 400).map(|n| (out[n] - wanted[n]).abs()).max().unwrap();
            assert!(worst <= 16, "{from} to {to}: off by {worst}");
        }
    }

    #[test]
    fn what_the_lower_rate_cannot_carry_is_gone() {
        let out = resample(&tone(6_000.0, 24_000, 24_000), 24_000, 8_000);
        assert!(out[200..7_800].iter().all(|sample| sample.abs() < 8));
    }

    #[test]
    fn a_click_stays_where_it_was() {
        let mut pcm = vec![0; 24_000];
        pcm[12_000] = 20_000;
        let out = resample(&pcm, 24_000, 8_000);
        assert_eq!(out.iter().enumerate().max_by_key(|(_, sample)| **sample).unwrap().0, 4_000);
        let back = find(&out[3_900..4_100], &out).unwrap();
        assert_eq!(back.at, 3_900);
    }
}
