//! How loud a stretch of PCM is.

use crate::units::Dbfs;

/// Mean square of `pcm`, full scale 32768; 0 for an empty slice.
///
/// Samples are summed as integers, so the result does not depend on the order and vectorises: two squares fit 32 bits.
pub fn mean_square(pcm: &[i16]) -> f32 {
    if pcm.is_empty() {
        return 0.0;
    }
    let square = |sample: i16| i32::from(sample).pow(2).unsigned_abs();
    let (pairs, rest) = pcm.as_chunks::<2>();
    let sum: u64 = pairs.iter().map(|&[one, other]| u64::from(square(one) + square(other))).sum();
    let sum = sum + rest.iter().map(|&sample| u64::from(square(sample))).sum::<u64>();
    sum as f32 / pcm.len() as f32
}

/// The level of `pcm`.
pub fn dbfs(pcm: &[i16]) -> Dbfs {
    Dbfs::of_mean_square(mean_square(pcm))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_levels() {
        assert_eq!(dbfs(&[]), Dbfs::SILENCE);
        assert_eq!(dbfs(&[0; 160]), Dbfs::SILENCE);
        assert!((dbfs(&[i16::MIN; 10]).0).abs() < 0.01);
        let half = [16_384, -16_384].repeat(80);
        assert!((dbfs(&half).0 + 6.02).abs() < 0.01);
    }
}
