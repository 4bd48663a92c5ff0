//! Levels, places and holes in recordings.

use std::ops::Range;

use crate::correlate::{Correlator, to_float};

/// What the levels call silence: below the last bit of any format here.
const SILENCE_DBFS: f32 = -120.0;

/// Root mean square level relative to full scale, in decibels; -120 for silence and for nothing.
pub fn rms_dbfs(pcm: &[i16]) -> f32 {
    let energy: f64 = pcm.iter().map(|&sample| f64::from(sample).powi(2)).sum();
    decibels((energy / pcm.len().max(1) as f64).sqrt() / 32_768.0)
}

/// Level of the largest sample relative to full scale, in decibels; -120 for silence and for nothing.
pub fn peak_dbfs(pcm: &[i16]) -> f32 {
    let peak = pcm.iter().map(|sample| sample.unsigned_abs()).max().unwrap_or(0);
    decibels(f64::from(peak) / 32_768.0)
}

/// Where a sound was found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Match {
    /// Sample of the haystack at which the needle begins.
    pub at: usize,
    /// Likeness from -1 to 1, whatever the level: 1 is the same waveform, 0 has nothing in common.
    pub correlation: f32,
    /// Level of the needle within the haystack relative to the needle given.
    pub gain_db: f32,
}

/// The place in `haystack` that is most like `needle`, however weak the likeness: look at the correlation.
///
/// Both at the same rate. `None` when the needle is silent, longer than the haystack, or the haystack is silent.
pub fn find(needle: &[i16], haystack: &[i16]) -> Option<Match> {
    if needle.is_empty() || needle.len() > haystack.len() {
        return None;
    }
    let correlator = Correlator::new(needle.len());
    let hay = correlator.haystack(&to_float(haystack));
    let peak = correlator.best(&correlator.needle(&to_float(needle)), &hay, 0..haystack.len())?;
    let gain_db = decibels(f64::from(peak.gain.abs()));
    Some(Match { at: peak.at, correlation: peak.correlation, gain_db })
}

/// Silences of `min_ms` and longer: stretches whose level, measured over 5 ms at a time, stays below `threshold_dbfs`.
///
/// Ranges are samples, exact to 5 ms. Silence before the first and after the last sound counts too.
pub fn gaps(pcm: &[i16], rate_hz: u32, threshold_dbfs: f32, min_ms: u32) -> Vec<Range<usize>> {
    let step = (rate_hz as usize / 200).max(1);
    let longest_enough = |gap: &Range<usize>| gap.len() as u64 * 1_000 >= u64::from(min_ms) * u64::from(rate_hz);
    let mut gaps: Vec<Range<usize>> = Vec::new();
    for (index, window) in pcm.chunks(step).enumerate() {
        if rms_dbfs(window) >= threshold_dbfs {
            continue;
        }
        let (from, to) = (index * step, index * step + window.len());
        match gaps.last_mut() {
            Some(gap) if gap.end == from => gap.end = to,
            _ => gaps.push(from..to),
        }
    }
    gaps.retain(longest_enough);
    gaps
}

fn decibels(ratio: f64) -> f32 {
    ((20.0 * ratio.log10()) as f32).max(SILENCE_DBFS)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Noise, the same for the same seed.
    fn noise(seed: u32, samples: usize, level: i32) -> Vec<i16> {
        let mut state = seed;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            ((state >> 16) as i32 % (2 * level + 1) - level) as i16
        };
        (0..samples).map(|_| next()).collect()
    }

    #[test]
    fn levels_are_relative_to_full_scale() {
        assert!((rms_dbfs(&[i16::MIN; 100]) - 0.0).abs() < 0.001);
        assert!((rms_dbfs(&[3_277; 100]) + 20.0).abs() < 0.01);
        assert!((peak_dbfs(&[0, 0, -16_384]) + 6.02).abs() < 0.01);
        assert_eq!((rms_dbfs(&[0; 8]), rms_dbfs(&[]), peak_dbfs(&[])), (-120.0, -120.0, -120.0));
    }

    #[test]
    fn a_needle_is_found_to_the_sample_with_its_gain() {
        let needle = noise(1, 3_000, 8_000);
        let mut hay = noise(2, 50_000, 300);
        for (to, from) in hay[31_234..].iter_mut().zip(&needle) {
            *to += from / 4;
        }
        let found = find(&needle, &hay).unwrap();
        assert_eq!(found.at, 31_234);
        assert!(found.correlation > 0.98, "{found:?}");
        assert!((found.gain_db + 12.04).abs() < 0.2, "{found:?}");
    }

    #[test]
    fn a_stranger_is_not_like_anything() {
        let found = find(&noise(1, 3_000, 8_000), &noise(3, 50_000, 8_000)).unwrap();
        assert!(found.correlation < 0.15, "{found:?}");
    }

    #[test]
    fn there_is_nothing_to_find_in_or_for_silence() {
        let sound = noise(1, 100, 5_000);
        assert_eq!(find(&sound, &[0; 1_000]), None);
        assert_eq!(find(&[0; 100], &noise(2, 1_000, 5_000)), None);
        assert_eq!(find(&sound, &sound[..99]), None);
        assert_eq!(find(&[], &sound), None);
    }

    #[test]
    fn holes_are_listed_with_their_place() {
        let mut pcm = noise(1, 8_000, 5_000);
        pcm[800..1_600].fill(0);
        pcm[4_000..4_080].fill(0);
        assert_eq!(gaps(&pcm, 8_000, -60.0, 50), vec![800..1_600]);
        assert_eq!(gaps(&pcm, 8_000, -60.0, 10), vec![800..1_600, 4_000..4_080]);
    }

    proptest! {
        #[test]
        fn the_place_is_right_wherever_it_is(at in 0usize..20_000, length in 200usize..4_000) {
            let needle = noise(7, length, 6_000);
            let mut hay = noise(9, 20_000 + length, 50);
            hay[at..at + length].copy_from_slice(&needle);
            let found = find(&needle, &hay).unwrap();
            prop_assert_eq!(found.at, at);
            prop_assert!(found.correlation > 0.999);
        }
    }
}
