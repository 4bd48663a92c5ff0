//! How often the log tells of a device: one that comes and goes all night must not fill it.

use std::time::{Duration, Instant};

/// Lines that may follow each other at once: a device that is plugged in tells a few.
const AT_ONCE: u32 = 10;
/// Then one in that time.
const EVERY: Duration = Duration::from_mins(1);

/// Lines about one device.
#[derive(Debug)]
pub(super) struct Lines {
    /// So many may be told at once, and since when that is so.
    room: u32,
    since: Option<Instant>,
    /// So many were left out since the last that was told.
    untold: u32,
}

impl Lines {
    /// None was told yet.
    pub(super) fn new() -> Self {
        Self { room: AT_ONCE, since: None, untold: 0 }
    }

    /// Whether a line may be told at `now`; how many were left out before it.
    pub(super) fn allow(&mut self, now: Instant) -> Option<u32> {
        let since = *self.since.get_or_insert(now);
        let passed = u32::try_from(now.saturating_duration_since(since).as_secs() / EVERY.as_secs()).unwrap_or(AT_ONCE);
        if passed > 0 {
            self.room = (self.room + passed).min(AT_ONCE);
            self.since = Some(now);
        }
        if self.room == 0 {
            self.untold += 1;
            return None;
        }
        self.room -= 1;
        Some(std::mem::take(&mut self.untold))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_that_comes_and_goes_all_night_costs_a_line_a_minute() {
        let (mut lines, start) = (Lines::new(), Instant::now());
        let night = Duration::from_hours(8);
        let told: Vec<u32> =
            (0..night.as_secs()).filter_map(|second| lines.allow(start + Duration::from_secs(second))).collect();
        assert!((480..=500).contains(&told.len()), "{}", told.len());
        assert_eq!(told[..10], [0; 10], "what happens once is told at once");
        assert_eq!(told.iter().sum::<u32>() + told.len() as u32, 28_800 - lines.untold, "and none is forgotten");
    }
}
