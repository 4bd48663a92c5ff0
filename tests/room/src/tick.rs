//! When the room's clock ticks.

use std::time::{Duration, Instant};

/// One block at the nominal rate.
const PERIOD: Duration = Duration::from_millis(10);
/// A clock that is so far behind begins anew instead of catching up.
const HOPELESS: Duration = Duration::from_secs(1);

/// Ticks every 10 ms, a little more or less when the device's quartz is off. Late ticks are made up for.
#[derive(Debug)]
pub(crate) struct Clock {
    next: Instant,
    period: Duration,
}

impl Clock {
    pub(crate) fn new(now: Instant) -> Self {
        Self { next: now, period: PERIOD }
    }

    /// From now on it runs `factor` times as fast.
    pub(crate) fn set_factor(&mut self, factor: f64) {
        self.period = PERIOD.div_f64(factor);
    }

    /// How long until the next tick; zero when it is due.
    pub(crate) fn next(&mut self, now: Instant) -> Duration {
        self.next += self.period;
        if now > self.next + HOPELESS {
            self.next = now;
        }
        self.next.saturating_duration_since(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_keeps_its_rate_whatever_the_lateness_of_each_tick() {
        let start = Instant::now();
        let mut clock = Clock::new(start);
        let mut now = start;
        for n in 0..1_000u32 {
            let late = Duration::from_millis(if n == 500 { 300 } else { u64::from(n % 7) });
            now = now + clock.next(now) + late;
        }
        let off = now.duration_since(start).abs_diff(Duration::from_secs(10));
        assert!(off < Duration::from_millis(10), "{off:?}");
    }

    #[test]
    fn a_factor_changes_the_rate() {
        let start = Instant::now();
        let mut clock = Clock::new(start);
        clock.set_factor(1.001);
        let mut now = start;
        for _ in 0..1_001 {
            now += clock.next(now);
        }
        assert!(now.duration_since(start).abs_diff(Duration::from_secs(10)) < Duration::from_micros(50));
    }

    #[test]
    fn after_a_second_it_begins_anew() {
        let start = Instant::now();
        let mut clock = Clock::new(start);
        let late = start + Duration::from_secs(5);
        assert_eq!(clock.next(late), Duration::ZERO);
        assert_eq!(clock.next(late), PERIOD);
    }
}
