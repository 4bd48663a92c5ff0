//! How loud a stretch of PCM is.

use crate::units::Dbfs;

/// Mean square of `pcm`, full scale 32768; 0 for an empty slice.
///
/// Samples are summed as integers, so the result does not depend on the order and vectorises.
pub fn mean_square(pcm: &[i16]) -> f32 {
    if pcm.is_empty() {
        return 0.0;
    }
    let sum: u64 = pcm.iter().map(|&s| u64::from(i32::from(s).pow(2).unsigned_abs())).sum();
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
