//! What the clocks of a device really do: its true rate, and sound that is missing without an error.
//!
//! Both come from the same series of (time, position) pairs, where a position is all frames since the start. The times are
//! those at which the driver moved the position, so that the thread's own lateness does not count.

use super::clock::{plus, since};
use crate::block::Nanos;
use std::time::Duration;

/// What the start of a stream still disturbs.
const SETTLING: Duration = Duration::from_secs(1);
/// How long a rate is measured at a time: at 10 ms of jitter, to 0.3 %.
const MEASURING: Duration = Duration::from_secs(3);
/// A device that is off by more plays too fast or too slow for everyone's ear.
const TOLERATED: f64 = 0.01;
/// Two measures in a row that agree to this tell a device that lies from a machine that stood still.
const AGREEING: f64 = 0.005;
/// The rate that is told is that of so long at most.
const TELLING: Duration = Duration::from_mins(1);

/// Measures one direction.
#[derive(Debug)]
pub struct Meter {
    nominal: u32,
    begun: Option<Nanos>,
    base: Option<(Nanos, u64)>,
    /// Where the stretch began whose rate is told.
    anchor: (Nanos, u64),
    /// What the last measure was off by.
    off: f64,
    known: bool,
    windows: Windows,
}

/// What a position revealed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Finding {
    /// The rate of the newest minute, or of less after a start.
    Rate {
        /// Frames per second.
        hz: f32,
        /// The first since the start.
        first: bool,
        /// Off by more than 1 % twice in a row, by the same.
        lies: bool,
    },
    /// So many frames never arrived.
    Gap {
        /// Estimated.
        frames: u32,
    },
}

impl Meter {
    /// For a stream that claims `nominal` frames per second.
    pub const fn new(nominal: u32) -> Self {
        Self {
            nominal,
            begun: None,
            base: None,
            anchor: (Nanos(0), 0),
            off: 0.0,
            known: false,
            windows: Windows::new(),
        }
    }

    /// The stream was started anew: what was measured so far does not go on.
    pub fn restart(&mut self) {
        *self = Self { known: self.known, ..Self::new(self.nominal) };
    }

    /// The position at a time; times do not go back. No allocation; a few operations.
    pub fn feed(&mut self, at: Nanos, position: u64) -> Option<Finding> {
        let begun = *self.begun.get_or_insert(at);
        if since(begun, at) < SETTLING {
            return None;
        }
        let Some((from, start)) = self.base else {
            self.base = Some((at, position));
            self.anchor = (at, position);
            return None;
        };
        let nominal = f64::from(self.nominal);
        let elapsed = since(from, at);
        // Seconds by which the device is ahead of its nominal rate since the base: frames over rate, minus time.
        let ahead = position.saturating_sub(start) as f64 / nominal - elapsed.as_secs_f64();
        if let Some(missing) = self.windows.feed(at, ahead) {
            return Some(Finding::Gap { frames: (missing * nominal).round() as u32 });
        }
        if elapsed < MEASURING {
            return None;
        }
        self.windows.rebase(ahead);
        self.base = Some((at, position));
        let off = ahead / elapsed.as_secs_f64();
        let before = std::mem::replace(&mut self.off, off);
        let lies = off.abs() > TOLERATED && before.abs() > TOLERATED && (off - before).abs() < AGREEING;
        let told = since(self.anchor.0, at);
        let hz = position.saturating_sub(self.anchor.1) as f64 / told.as_secs_f64();
        if told >= TELLING {
            self.anchor = (at, position);
        }
        let first = !std::mem::replace(&mut self.known, true);
        Some(Finding::Rate { hz: hz as f32, first, lies })
    }
}

/// One second each: long enough to find the moment when the device was least late in telling of its position.
const WINDOW: Duration = Duration::from_secs(1);
/// Windows that are looked back at.
const KEPT: usize = 9;
/// A step of so many seconds is a gap: half a frame of the bus at full speed.
const STEP: f64 = 0.000_5;

/// Looks for steps in how far a device is ahead. Jitter only ever makes a position late, so the most of each window is
/// nearly free of it; the usual change from window to window is drift, and a sudden fall beyond it is sound that was lost.
/// A gap in every single window looks like drift and is told by the rate alone.
#[derive(Debug)]
struct Windows {
    until: Option<Nanos>,
    most: f64,
    before: Option<f64>,
    changes: [f64; KEPT],
    count: usize,
}

impl Windows {
    const fn new() -> Self {
        Self { until: None, most: f64::MIN, before: None, changes: [0.0; KEPT], count: 0 }
    }

    /// How much is missing, in seconds, if something is.
    fn feed(&mut self, at: Nanos, ahead: f64) -> Option<f64> {
        let until = *self.until.get_or_insert(plus(at, WINDOW));
        if at < until {
            self.most = self.most.max(ahead);
            return None;
        }
        let newest = self.most;
        self.most = ahead;
        self.until = Some(plus(at, WINDOW));
        let change = newest - self.before.replace(newest)?;
        let usual = self.usual();
        if let Some(slot) = self.changes.get_mut(self.count % KEPT) {
            *slot = change;
        }
        self.count += 1;
        let missing = usual? - change;
        (missing >= STEP).then_some(missing)
    }

    /// The middle of the last changes, once there are enough.
    fn usual(&self) -> Option<f64> {
        if self.count < KEPT {
            return None;
        }
        let mut sorted = self.changes;
        sorted.sort_unstable_by(f64::total_cmp);
        sorted.get(KEPT / 2).copied()
    }

    /// The base of the measure has moved to where it was ahead by `ahead`.
    fn rebase(&mut self, ahead: f64) {
        self.most -= ahead;
        if let Some(before) = &mut self.before {
            *before -= ahead;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds `seconds` of a device that tells of its position every 10 ms, at most `jitter_us` late, and runs at `hz`;
    /// at each of `gaps` (in periods) 1 ms is lost.
    fn listen(nominal: u32, hz: f64, seconds: u64, jitter_us: u64, gaps: &[u64]) -> Vec<Finding> {
        let mut meter = Meter::new(nominal);
        let mut seed = 1u64;
        let mut lost = 0.0;
        (0..seconds * 100)
            .filter_map(|period| {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let late = (seed >> 33) % (jitter_us + 1) * 1_000;
                let at = period * 10_000_000;
                lost += if gaps.contains(&period) { hz * 0.001 } else { 0.0 };
                meter.feed(Nanos(at + late), (at as f64 * 1e-9 * hz - lost).max(0.0) as u64)
            })
            .collect()
    }

    fn rates(found: &[Finding]) -> Vec<(f32, bool, bool)> {
        let rate = |it: &Finding| match it {
            Finding::Rate { hz, first, lies } => Some((*hz, *first, *lies)),
            Finding::Gap { .. } => None,
        };
        found.iter().filter_map(rate).collect()
    }

    #[test]
    fn an_honest_device_is_measured_and_believed() {
        let found = listen(48_000, 48_000.0 * 1.000_1, 32, 1_500, &[]);
        let rates = rates(&found);
        assert_eq!((rates.len(), found.len()), (10, 10), "{found:?}");
        assert!(rates[0].1 && !rates[1].1);
        assert!(rates.iter().all(|(hz, _, lies)| (hz - 48_005.0).abs() < 30.0 && !lies), "{rates:?}");
        assert!((rates[9].0 - 48_005.0).abs() < 4.0, "{rates:?}");
    }

    #[test]
    fn a_device_that_plays_too_fast_is_found_within_eight_seconds() {
        let found = listen(16_000, 16_000.0 * 1.012, 8, 1_500, &[]);
        assert!(matches!(rates(&found)[..], [(_, true, false), (_, false, true)]), "{found:?}");
        let slow = listen(16_000, 16_000.0 * 0.992, 30, 1_500, &[]);
        assert!(rates(&slow).iter().all(|(_, _, lies)| !lies), "{slow:?}");
    }

    #[test]
    fn a_machine_that_stood_still_for_a_moment_does_not_make_the_device_a_liar() {
        let mut meter = Meter::new(48_000);
        // Twice in a row, half a second and 100 ms during which nothing was delivered.
        let lost = |n: u64| {
            if n > 900 {
                600
            } else if n > 600 {
                500
            } else {
                0
            }
        };
        for n in 0..3_000u64 {
            let found = meter.feed(Nanos((n * 10 + lost(n)) * 1_000_000), n * 480);
            assert!(!matches!(found, Some(Finding::Rate { lies: true, .. })), "{found:?}");
        }
    }

    #[test]
    fn a_lost_millisecond_is_found_once_and_drift_and_jitter_are_not_taken_for_one() {
        for drift in [1.0, 1.000_3, 0.999_7] {
            let gaps = |lost: &[u64]| -> Vec<u32> {
                listen(48_000, 48_000.0 * drift, 60, 3_000, lost)
                    .into_iter()
                    .filter_map(|it| if let Finding::Gap { frames } = it { Some(frames) } else { None })
                    .collect()
            };
            assert_eq!(gaps(&[]), [0u32; 0]);
            let found = gaps(&[3_050, 4_450]);
            assert_eq!(found.len(), 2, "{found:?} at {drift}");
            assert!(found.iter().all(|frames| (24..80).contains(frames)), "{found:?}");
        }
    }
}
