//! Arithmetic on the monotonic clock that cannot overflow, and so cannot panic; and block times without jitter.

use crate::block::Nanos;
use std::time::Duration;

pub(super) fn since(from: Nanos, to: Nanos) -> Duration {
    Duration::from_nanos(to.0.saturating_sub(from.0))
}

pub(super) fn minus(at: Nanos, span: Duration) -> Nanos {
    Nanos(at.0.saturating_sub(span.as_nanos() as u64))
}

pub(super) fn plus(at: Nanos, span: Duration) -> Nanos {
    Nanos(at.0.saturating_add(span.as_nanos() as u64))
}

/// Of what a measured time is off, this fraction is believed at once: 160 ms to follow a change.
const BELIEF: i64 = 16;
/// A time that is off by more is no jitter: something was lost or inserted.
const JUMP: Duration = Duration::from_millis(40);

/// Smooths the times of successive blocks, as a delay-locked loop does. What a driver says of its delay jumps by a
/// millisecond on USB and by several from a sound server, while the converter takes a sample as regularly as ever; and an
/// echo canceller lives on a constant distance between what was played and what was captured.
#[derive(Debug, Default)]
pub(super) struct Steady {
    last: Option<Nanos>,
}

impl Steady {
    /// Nothing goes on from before.
    pub(super) fn restart(&mut self) {
        self.last = None;
    }

    /// The time of the next block, which lasts `span` and was measured at `measured`.
    pub(super) fn next(&mut self, measured: Nanos, span: Duration) -> Nanos {
        let smooth = match self.last.map(|last| plus(last, span)) {
            Some(expected) if since(expected, measured).max(since(measured, expected)) < JUMP => {
                let off = measured.0.wrapping_sub(expected.0) as i64;
                Nanos(expected.0.saturating_add_signed(off / BELIEF))
            }
            _ => measured,
        };
        self.last = Some(smooth);
        smooth
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPAN: Duration = Duration::from_millis(10);

    #[test]
    fn jitter_of_five_milliseconds_leaves_steps_of_ten() {
        let mut steady = Steady::default();
        let mut seed = 1u64;
        let times: Vec<u64> = (1..=1_000u64)
            .map(|n| {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                steady.next(Nanos(n * 10_001_000 + (seed >> 33) % 5_000_000), SPAN).0
            })
            .collect();
        for (n, pair) in times.windows(2).enumerate().skip(100) {
            assert!((pair[1] - pair[0]).abs_diff(10_000_000) < 350_000, "{pair:?}");
            assert!(pair[1].abs_diff((n as u64 + 2) * 10_001_000 + 2_500_000) < 1_500_000, "follows 100 ppm of drift");
        }
    }

    #[test]
    fn what_is_no_jitter_is_believed_at_once() {
        let mut steady = Steady::default();
        assert_eq!(steady.next(Nanos(50_000_000), SPAN), Nanos(50_000_000));
        assert_eq!(steady.next(Nanos(61_600_000), SPAN), Nanos(60_100_000));
        assert_eq!(steady.next(Nanos(400_000_000), SPAN), Nanos(400_000_000));
        assert_eq!(steady.next(Nanos(u64::MAX), SPAN), Nanos(u64::MAX));
        assert_eq!(steady.next(Nanos(u64::MAX), SPAN), Nanos(u64::MAX));
        steady.restart();
        assert_eq!(steady.next(Nanos(7), SPAN), Nanos(7));
    }
}
