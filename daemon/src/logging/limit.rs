//! How often a fault that repeats is told.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// One kind of record that strangers or a broken neighbour can cause as often as they like: told once in a while, with
/// the number of those that were left out. What is counted elsewhere, in the metrics, is complete.
#[derive(Debug)]
pub struct Limit {
    every: Duration,
    /// When one was told last, and how many were left out since.
    last: Mutex<Option<(Instant, u64)>>,
}

impl Limit {
    /// One record in `every`.
    pub const fn new(every: Duration) -> Self {
        Self { every, last: Mutex::new(None) }
    }

    /// Whether a record may be told at `now`; how many were left out before it. Waits for nobody but another thread that
    /// asks the same.
    pub fn allow(&self, now: Instant) -> Option<u64> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *last {
            Some((told, untold)) if now.saturating_duration_since(*told) < self.every => {
                *untold += 1;
                None
            }
            told => Some(told.replace((now, 0)).map_or(0, |(_, untold)| untold)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stranger_who_knocks_all_day_costs_a_line_a_minute_and_every_knock_is_counted() {
        let (limit, start) = (Limit::new(Duration::from_mins(1)), Instant::now());
        let seconds = 86_400;
        let told: Vec<u64> = (0..seconds).filter_map(|n| limit.allow(start + Duration::from_secs(n))).collect();
        assert_eq!((told.len(), told[0], told[1]), (1_440, 0, 59));
        assert_eq!(told.len() as u64 + told.iter().sum::<u64>() + 59, seconds);
    }
}
