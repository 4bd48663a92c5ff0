//! Delays between attempts: doubling, capped, with jitter.

use std::time::Duration;

/// An endless row of delays. The jitter (±20 %) comes from a seed, so a test can repeat it and a fleet does not march.
#[derive(Debug, Clone)]
pub struct Backoff {
    first: Duration,
    most: Duration,
    tries: u32,
    seed: u64,
}

impl Backoff {
    /// Delays from `first`, doubling up to `most`.
    pub fn new(first: Duration, most: Duration, seed: u64) -> Self {
        Self { first, most, tries: 0, seed }
    }

    /// Starts over with the first delay.
    pub fn reset(&mut self) {
        self.tries = 0;
    }

    /// Delays handed out since the last reset.
    pub fn tries(&self) -> u32 {
        self.tries
    }

    /// A number between 0 and 1 (`SplitMix64`).
    fn random(&mut self) -> f64 {
        self.seed = self.seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.seed;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) as f64 / u64::MAX as f64
    }
}

impl Iterator for Backoff {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let doubled = self.first.saturating_mul(1 << self.tries.min(16)).min(self.most);
        self.tries = self.tries.saturating_add(1);
        Some(doubled.mul_f64(0.8 + 0.4 * self.random()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_the_cap_and_start_over() {
        let mut backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(4), 7);
        for base in [0.5, 1.0, 2.0, 4.0, 4.0] {
            let delay = backoff.next().unwrap().as_secs_f64();
            assert!((base * 0.8..=base * 1.2).contains(&delay), "{delay} for {base}");
        }
        assert_eq!(backoff.tries(), 5);
        backoff.reset();
        assert!(backoff.next().unwrap() <= Duration::from_millis(600));
    }

    #[test]
    fn two_seeds_do_not_march_together() {
        let delays =
            |seed| Backoff::new(Duration::from_secs(1), Duration::from_secs(8), seed).take(4).collect::<Vec<_>>();
        assert_ne!(delays(1), delays(2));
        assert_eq!(delays(1), delays(1));
    }
}
